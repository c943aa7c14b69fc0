// The page's end of the live protocol (docs/live.md): sound goes out, weights come in, spoken sentences are played.
import { at, type Performance, type Viewer, type Weights } from './viewer'

type Said = { source: AudioBufferSourceNode; start: number; end: number; performance: Performance }
export type Frame = { type: 'weights'; time: number; weights: Weights; head: number[]; source: string; sound?: number; late?: number }

export class Conversation {
  /** Told of every weights message when it has come, and when the frame with it was drawn. */
  onFrame: (frame: Frame) => void = () => {}
  onShown: (frame: Frame) => void = () => {}
  onState: (state: 'open' | 'closed' | 'thinking' | 'speaking' | 'quiet' | 'error', message?: string) => void = () => {}
  context: AudioContext | null = null
  /** The node that sound to be listened to is connected to. */
  ear: AudioWorkletNode | null = null

  private socket: WebSocket | null = null
  private latest: Frame | null = null
  private fresh = false
  private said: Said[] = []
  private asked = 0

  constructor(private readonly viewer: Viewer) {
    viewer.beforeFrame = () => this.pose()
    viewer.afterFrame = () => {
      if (this.fresh && this.latest) this.onShown(this.latest)
      this.fresh = false
    }
  }

  connect(): void {
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`)
    socket.binaryType = 'arraybuffer'
    socket.addEventListener('open', () => this.onState('open'))
    socket.addEventListener('close', () => {
      this.onState('closed')
      setTimeout(() => this.connect(), 2000)
    })
    socket.addEventListener('message', (event) => void this.receive(JSON.parse(String(event.data))))
    this.socket = socket
  }

  send(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message))
  }

  async say(text: string): Promise<void> {
    await this.sound()
    this.asked++
    this.onState('thinking')
    this.send({ type: 'say', text })
  }

  stop(): void {
    this.send({ type: 'stop' })
    this.hush()
  }

  /** The audio context, started; it listens at 16 kHz, so that the browser resamples what comes in. */
  async sound(): Promise<AudioContext> {
    if (!this.context) {
      this.context = new AudioContext({ sampleRate: 16000, latencyHint: 'interactive' })
      await this.context.audioWorklet.addModule('/static/microphone.js')
    }
    await this.context.resume()
    return this.context
  }

  /** Where sound that is to be lip-synced goes. */
  async listen(): Promise<AudioWorkletNode> {
    const context = await this.sound()
    if (!this.ear) {
      const ear = new AudioWorkletNode(context, 'microphone', { numberOfOutputs: 0 })
      // it is made in the audio thread, which takes its time: what is played before is not heard
      await new Promise((ready) => (ear.port.onmessage = ready))
      ear.port.onmessage = ({ data }: MessageEvent<{ buffer: ArrayBuffer }>) => {
        if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(data.buffer)
      }
      this.ear = ear
      this.send({ type: 'listen' })
    }
    return this.ear
  }

  deaf(): void {
    this.ear?.disconnect()
    if (this.ear) this.ear.port.onmessage = null
    this.ear = null
    this.send({ type: 'deaf' })
  }

  private async receive(message: { type: string; message?: string }): Promise<void> {
    if (message.type === 'weights') {
      this.latest = message as Frame
      this.fresh = true
      this.onFrame(this.latest)
    } else if (message.type === 'speech') {
      await this.play(message as unknown as { audio: string; performance: Performance })
    } else if (message.type === 'stop') {
      this.hush()
    } else if (message.type === 'said') {
      this.asked = Math.max(0, this.asked - 1)
      if (!this.asked && !this.said.length) this.onState('quiet')
    } else if (message.type === 'error') {
      this.asked = Math.max(0, this.asked - 1)
      this.onState('error', message.message)
    }
  }

  /** Play a sentence behind those that are playing; its lips follow the audio clock. */
  private async play(message: { audio: string; performance: Performance }): Promise<void> {
    const context = await this.sound()
    const bytes = Uint8Array.from(atob(message.audio), (letter) => letter.charCodeAt(0))
    const buffer = await context.decodeAudioData(bytes.buffer)
    const source = new AudioBufferSourceNode(context, { buffer })
    source.connect(context.destination)
    const start = Math.max(context.currentTime + 0.06, this.said.at(-1)?.end ?? 0)
    const said = { source, start, end: start + buffer.duration, performance: message.performance }
    this.said.push(said)
    source.addEventListener('ended', () => {
      this.said = this.said.filter((each) => each !== said)
      if (!this.said.length && !this.asked) this.onState('quiet')
    })
    source.start(start)
    this.onState('speaking')
  }

  private hush(): void {
    for (const { source } of this.said) source.stop()
    this.said = []
    this.asked = 0
    this.onState('quiet')
  }

  private pose(): void {
    const context = this.context
    if (context) {
      const now = context.currentTime - (context.outputLatency || 0)
      const current = this.said.find((each) => now >= each.start && now < each.end)
      if (current) {
        const { weights, head } = at(current.performance, now - current.start)
        this.viewer.live = weights
        this.viewer.liveHead = head
        return
      }
    }
    this.viewer.live = this.latest?.weights ?? null
    this.viewer.liveHead = this.latest?.head ?? [0, 0, 0]
  }
}

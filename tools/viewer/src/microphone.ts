// Runs in the browser's audio thread: what comes in goes out as 16-bit samples, 256 at a time (16 ms at 16 kHz).
declare class AudioWorkletProcessor {
  readonly port: MessagePort
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void

const CHUNK = 256

class Microphone extends AudioWorkletProcessor {
  private chunk = new Int16Array(CHUNK)
  private filled = 0
  private count = 0

  constructor() {
    super()
    this.port.postMessage({ ready: true })
  }

  process(inputs: Float32Array[][]): boolean {
    const channels = inputs[0] ?? []
    const length = channels[0]?.length ?? 0
    for (let i = 0; i < length; i++) {
      let value = 0
      for (const channel of channels) value += channel[i]! / channels.length
      this.chunk[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(value * 32767)))
      if (this.filled === CHUNK) {
        this.count += CHUNK
        const buffer = this.chunk.buffer
        this.port.postMessage({ buffer, end: this.count }, [buffer])
        this.chunk = new Int16Array(CHUNK)
        this.filled = 0
      }
    }
    return true
  }
}

registerProcessor('microphone', Microphone)

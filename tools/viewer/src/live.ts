// The page of `digitalme live`: an avatar that speaks along with the microphone, a file, or typed words.
import { Conversation } from './conversation'
import { Panel } from './panel'
import { Viewer, type Weights } from './viewer'
import { dress } from './page'
import { nameOf, say, spoken, word } from './words'

const find = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T

async function start(): Promise<void> {
  dress()
  const viewer = new Viewer(find('stage'))
  const talk = new Conversation(viewer)
  Object.assign(window, { viewer, talk })
  const about = (await (await fetch('/api/about')).json()) as {
    name: string
    expressions: Record<string, Weights>
    emotions: string[]
  }
  find('name').textContent = about.name
  document.title = `${about.name} · digitalme`
  const status = find('status')
  const delay = find('delay')
  talk.onState = (state, message) => {
    const text = { open: word('connected'), closed: `${word('gone')} live`, thinking: word('thinking'), speaking: '',
                   quiet: '', error: message ?? '' }[state]
    status.textContent = text
    status.className = state === 'error' || state === 'closed' ? 'bad' : ''
  }
  let shown = 0
  talk.onFrame = (frame) => {
    if (frame.late === undefined || performance.now() - shown < 500) return
    shown = performance.now()
    delay.textContent = `${word('delay')}: ${Math.round(frame.late * 1000)} ms`
  }

  const microphone = find<HTMLButtonElement>('microphone')
  let stream: MediaStream | null = null
  microphone.addEventListener('click', async () => {
    if (stream) {
      for (const track of stream.getTracks()) track.stop()
      stream = null
      talk.deaf()
      status.textContent = ''
    } else {
      try {
        stream = await navigator.mediaDevices.getUserMedia({
          audio: { echoCancellation: true, noiseSuppression: true, channelCount: 1 },
        })
        const context = await talk.sound()
        context.createMediaStreamSource(stream).connect(await talk.listen())
        status.textContent = word('listening')
      } catch (error) {
        status.textContent = word('noMicrophone') + String(error)
        status.className = 'bad'
      }
    }
    microphone.setAttribute('aria-pressed', String(!!stream))
  })

  const file = find<HTMLInputElement>('file')
  file.addEventListener('change', async () => {
    const chosen = file.files?.[0]
    if (!chosen) return
    const context = await talk.sound()
    const source = new AudioBufferSourceNode(context, { buffer: await context.decodeAudioData(await chosen.arrayBuffer()) })
    source.connect(await talk.listen())
    source.connect(context.destination)
    source.addEventListener('ended', () => setTimeout(() => talk.deaf(), 400))
    source.start()
    file.value = ''
  })

  const words = find<HTMLInputElement>('words')
  find<HTMLFormElement>('say').addEventListener('submit', (event) => {
    event.preventDefault()
    if (words.value.trim()) void talk.say(words.value.trim())
    words.value = ''
  })
  find('stop').addEventListener('click', () => talk.stop())
  const emotion = find<HTMLSelectElement>('emotion')
  for (const name of about.emotions) {
    const option = new Option(nameOf(name), name)
    option.dataset.word = name
    emotion.append(option)
  }
  emotion.addEventListener('change', () => talk.send({ type: 'emotion', emotion: emotion.value }))
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape') talk.stop()
    if (event.key === '/' && document.activeElement !== words) {
      event.preventDefault()
      words.focus()
    }
  })

  await viewer.load(await (await fetch('/avatar')).arrayBuffer())
  viewer.canvas.setAttribute('aria-label', word('viewerHint'))
  viewer.canvas.title = word('viewerHint')
  new Panel(viewer, find('controls'), about.expressions)
  say(spoken())
  talk.connect()
}

void start()

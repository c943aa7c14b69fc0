// The page of `digitalme studio`: from a photo and a voice to an avatar, with each stage to look into and to change.
import { element, Panel } from './panel'
import { dress } from './page'
import { at, Viewer, type Performance, type Weights } from './viewer'
import { isWord, nameOf, onLanguage, say, spoken, told, word, type Word } from './words'

type Step = { artifact: string; stage: string; state: string; part: number; seconds: number; key: string }
type State = { number: number; working: boolean; name: string; error: string; steps: Step[]; files: string[]; made: number; live: string }

const find = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T
let state: State | null = null
let shownMade = 0
let viewer: Viewer | null = null
let panel: Panel | null = null
let performance: Performance | null = null
let photo: File | null = null
let voice: File | null = null
let about: { looks: string[]; formats: string[]; expressions: Record<string, Weights> }

async function ask<T>(address: string, options: RequestInit = {}): Promise<T> {
  const answer = await fetch(address, options)
  const body = await answer.json()
  if (!answer.ok) throw new Error(typeof body.detail === 'string' ? body.detail : JSON.stringify(body.detail))
  return body as T
}

function tell(text: string | { word: Word }, bad = false): void {
  const status = find('status')
  if (typeof text === 'string') delete status.dataset.word
  else status.dataset.word = text.word // it follows the language
  status.textContent = typeof text === 'string' ? text : word(text.word)
  status.className = bad ? 'bad' : ''
}

// ---- what is given ----

function takePhoto(file: File): void {
  photo = file
  const shown = find<HTMLImageElement>('photo-shown')
  shown.src = URL.createObjectURL(file)
  shown.hidden = false
  shown.alt = file.name
  find('drop-ask').hidden = true
  valid('photo')
}

function takeVoice(file: File): void {
  voice = file
  const player = find<HTMLAudioElement>('voice-shown')
  player.src = URL.createObjectURL(file)
  player.hidden = false
  find('voice-name').textContent = file.name
}

function inputs(): void {
  const drop = find('drop')
  const chosen = find<HTMLInputElement>('photo')
  chosen.addEventListener('change', () => chosen.files?.[0] && takePhoto(chosen.files[0]))
  for (const kind of ['dragover', 'dragleave', 'drop'] as const) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault()
      drop.classList.toggle('over', kind === 'dragover')
      const file = kind === 'drop' ? event.dataTransfer?.files[0] : undefined
      if (file) takePhoto(file)
    })
  }
  const sound = find<HTMLInputElement>('voice')
  sound.addEventListener('change', () => sound.files?.[0] && takeVoice(sound.files[0]))

  const camera = find<HTMLButtonElement>('camera')
  const seen = find<HTMLVideoElement>('camera-shown')
  camera.addEventListener('click', async () => {
    try {
      if (seen.srcObject) {
        const canvas = element('canvas')
        canvas.width = seen.videoWidth
        canvas.height = seen.videoHeight
        canvas.getContext('2d')!.drawImage(seen, 0, 0)
        canvas.toBlob((blob) => blob && takePhoto(new File([blob], 'selfie.png', { type: 'image/png' })))
        for (const track of (seen.srcObject as MediaStream).getTracks()) track.stop()
        seen.srcObject = null
      } else {
        seen.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 960 } })
        await seen.play()
      }
    } catch (error) {
      tell(String(error), true)
    }
    find('lens').hidden = !seen.srcObject
    camera.dataset.word = seen.srcObject ? 'shoot' : 'camera'
    camera.textContent = word(seen.srcObject ? 'shoot' : 'camera')
  })

  const record = find<HTMLButtonElement>('record')
  let recorder: MediaRecorder | null = null
  let ticking = 0
  record.addEventListener('click', async () => {
    try {
      if (recorder) {
        recorder.stop()
        recorder = null
      } else {
        const stream = await navigator.mediaDevices.getUserMedia({ audio: true })
        const made = new MediaRecorder(stream)
        const pieces: Blob[] = []
        made.addEventListener('dataavailable', (event) => pieces.push(event.data))
        made.addEventListener('stop', () => {
          for (const track of stream.getTracks()) track.stop()
          const kind = made.mimeType.includes('mp4') ? 'mp4' : made.mimeType.includes('ogg') ? 'ogg' : 'webm'
          takeVoice(new File(pieces, `${word('recorded')}.${kind}`, { type: made.mimeType }))
        })
        made.start()
        recorder = made
      }
    } catch (error) {
      tell(word('noMicrophone') + String(error), true)
    }
    record.setAttribute('aria-pressed', String(!!recorder))
    record.dataset.word = recorder ? 'stopRecording' : 'record'
    record.textContent = word(recorder ? 'stopRecording' : 'record')
    clearInterval(ticking)
    const began = Date.now()
    if (recorder) {
      ticking = window.setInterval(() => {
        record.textContent = `${word('stopRecording')} ${clock((Date.now() - began) / 1000)}`
      }, 500)
    }
  })

  find('consent-me').addEventListener('click', () => {
    const consent = find<HTMLInputElement>('consent')
    consent.value = word('consentMe')
    valid('consent')
    find('make').focus()
  })
  find('consent').addEventListener('input', () => valid('consent'))
  find('copy').addEventListener('click', async () => {
    await navigator.clipboard.writeText(find('live-command').textContent ?? '')
    find('copy').textContent = word('copied')
    setTimeout(() => (find('copy').textContent = word('copy')), 1500)
  })
}

/** Minutes and seconds. */
const clock = (seconds: number): string => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`

/** What was missing is there now. */
function valid(id: 'photo' | 'consent'): void {
  if (!find(id).hasAttribute('aria-invalid')) return
  find(id).removeAttribute('aria-invalid')
  tell('')
}

/** Say what is missing, and go there. */
function askFor(id: 'photo' | 'consent', why: Word): void {
  find(id).setAttribute('aria-invalid', 'true')
  tell({ word: why }, true)
  find(id).focus()
}

/** A word for a thing that a page names: `photo` and `Look` to what photoLook says. */
function named(thing: string, what: 'Look' | 'Name' | 'Stage' | 'Does' | 'File', otherwise = thing): string {
  const key = `${thing}${what}`
  return isWord(key) ? word(key) : otherwise
}

function looks(): void {
  const order = ['photo', 'studio', 'moe', 'toon', 'chibi']
  const sorted = [...about.looks].sort((a, b) => (order.indexOf(a) + 9) % 9 - (order.indexOf(b) + 9) % 9)
  find('looks').replaceChildren(
    ...sorted.map((look) => {
      const label = element('label')
      const choice = element('input')
      choice.type = 'radio'
      choice.name = 'look'
      choice.value = look
      choice.checked = look === 'photo'
      const picture = element('img')
      picture.alt = ''
      picture.src = `/static/look-${look}.webp`
      picture.addEventListener('error', () => picture.remove())
      const name = element('span')
      const small = element('small')
      small.textContent = named(look, 'Look', '')
      name.append(named(look, 'Name'), small)
      label.append(choice, picture, name)
      return label
    }),
  )
  find('strip').replaceChildren(
    ...sorted.map((look) => {
      const item = element('li')
      const picture = element('img')
      picture.alt = ''
      picture.src = `/static/look-${look}.webp`
      picture.addEventListener('error', () => item.remove())
      item.append(picture)
      return item
    }),
  )
}

async function begin(): Promise<void> {
  const consent = find<HTMLInputElement>('consent').value
  if (!photo) return askFor('photo', 'needPhoto')
  if (!consent.trim()) return askFor('consent', 'needConsent')
  const form = new FormData()
  form.set('photo', photo, photo.name)
  if (voice) form.set('voice', voice, voice.name)
  form.set('say', find<HTMLTextAreaElement>('say').value)
  form.set('look', document.querySelector<HTMLInputElement>('[name=look]:checked')?.value ?? 'photo')
  form.set('consent', consent)
  tell({ word: 'thinking' })
  try {
    show(await ask<State>('/api/make', { method: 'POST', body: form }))
  } catch (error) {
    tell((error as Error).message, true)
  }
}

// ---- what is made ----

const cards = new Map<string, HTMLElement>()
const THERE = ['finished', 'kept', 'given']
let began = 0
let begun = false

function show(next: State): void {
  if (state && next.number < state.number) return
  if (next.working && !state?.working) {
    began = Date.now()
    begun = !!state // by a press here, not found at work by a page that was opened later
  }
  state = next
  find<HTMLButtonElement>('make').disabled = next.working
  find('cancel').hidden = !next.working
  if (next.working) tell({ word: 'thinking' })
  else if (next.error) tell(next.error, true)
  else if (next.made) tell({ word: 'done' })
  find('work').hidden = !next.steps.length
  find('welcome').hidden = !!next.steps.length
  const list = find('stages')
  const names = next.steps.map((step) => step.artifact)
  if (names.join() !== [...cards.keys()].join()) {
    cards.clear()
    list.replaceChildren(...next.steps.map((step) => card(step)))
  }
  for (const step of next.steps) update(step)
  overall()
  if (begun) find('work').scrollIntoView({ block: 'start' })
  begun = false
  if (next.made > shownMade && !next.working) {
    shownMade = next.made
    void results()
  }
  files()
}

/** How far it is on the whole; also each second, by the clock. */
function overall(): void {
  const steps = state?.steps ?? []
  const done = steps.filter((step) => THERE.includes(step.state)).length
  const parts = steps.reduce((sum, step) => sum + (THERE.includes(step.state) ? 1 : step.part), 0)
  find<HTMLProgressElement>('overall').value = steps.length ? parts / steps.length : 0
  const time = state?.working ? ` · ${clock((Date.now() - began) / 1000)}` : ''
  find('overall-text').textContent = steps.length ? `${done} / ${steps.length} ${word('ofSteps')}${time}` : ''
}

function card(step: Step): HTMLElement {
  const item = element('li')
  const row = element('div', 'row')
  row.append(element('strong'), element('span', 'soft badge'))
  const bar = element('progress')
  bar.max = 1
  item.append(row, element('p', 'soft does'), element('div', 'face'), bar)
  cards.set(step.artifact, item)
  return item
}

function update(step: Step): void {
  const item = cards.get(step.artifact)!
  const name = named(step.artifact, 'Stage')
  const seconds = step.seconds ? ` ${step.seconds.toFixed(1)} s` : ''
  item.querySelector('.badge')!.textContent = nameOf(step.state) + seconds
  const bar = item.querySelector('progress')!
  bar.value = step.part
  const seen = `${step.state}${step.key}${spoken()}`
  if (item.dataset.seen === seen) return
  item.dataset.seen = seen
  item.dataset.state = step.state
  item.querySelector('strong')!.textContent = name
  item.querySelector('.does')!.textContent = named(step.artifact, 'Does', '')
  bar.setAttribute('aria-label', name)
  const old = item.querySelector('.face')!
  if (!THERE.includes(step.state)) {
    old.replaceWith(element('div', 'face'))
    return
  }
  const face = element('button', 'face')
  face.type = 'button'
  face.setAttribute('aria-label', `${word('open')}: ${name}`)
  face.dataset.open = word('open')
  face.addEventListener('click', () => void look(step.artifact))
  const picture = element('img')
  picture.alt = ''
  picture.loading = 'lazy'
  picture.src = `/api/stage/${step.artifact}/preview?${step.key}`
  picture.addEventListener('error', () => picture.remove())
  face.append(picture)
  old.replaceWith(face)
}

/** A stage in a dialog: its preview, and each of its pictures with a way to replace it. */
async function look(artifact: string): Promise<void> {
  find('dialog-name').textContent = named(artifact, 'Stage')
  find('dialog-does').textContent = named(artifact, 'Does', '')
  const box = find('dialog-files')
  box.replaceChildren()
  const stamp = Date.now()
  const whole = element('img', 'whole')
  whole.alt = named(artifact, 'Stage')
  whole.src = `/api/stage/${artifact}/preview?${stamp}`
  whole.addEventListener('error', () => whole.remove())
  const figures = element('div', 'figures')
  box.append(whole, figures)
  for (const name of await ask<string[]>(`/api/stage/${artifact}/files`)) {
    const address = `/api/stage/${artifact}/file/${encodeURIComponent(name)}`
    const figure = element('figure')
    const caption = element('figcaption')
    const link = element('a')
    link.href = address
    link.download = name
    link.textContent = name
    const choose = element('label', 'file')
    const input = element('input')
    input.type = 'file'
    input.accept = 'image/*'
    input.dataset.replaces = name
    input.addEventListener('change', async () => {
      const chosen = input.files?.[0]
      if (!chosen) return
      const form = new FormData()
      form.set('picture', chosen, chosen.name)
      find<HTMLDialogElement>('dialog').close()
      try {
        show(await ask<State>(address, { method: 'POST', body: form }))
      } catch (error) {
        tell((error as Error).message, true)
      }
    })
    choose.append(told('span', 'replace'), input)
    const picture = element('img')
    picture.alt = name
    picture.src = `${address}?${stamp}`
    caption.append(link, choose)
    figure.append(picture, caption)
    figures.append(figure)
  }
  find<HTMLDialogElement>('dialog').showModal()
}

async function results(): Promise<void> {
  const first = find('result').hidden
  find('result').hidden = false
  if (first) {
    find('result').focus({ preventScroll: true }) // a screen reader goes on there
    find('result').scrollIntoView({ block: 'start' })
  }
  const video = find<HTMLVideoElement>('video')
  const has = !!state?.files.includes('talking_head.mp4')
  video.hidden = !has
  find('video-box').hidden = !has
  if (has) video.src = `/out/talking_head.mp4?${shownMade}`
  if (!viewer) {
    viewer = new Viewer(find('stage'))
    Object.assign(window, { viewer })
    viewer.canvas.setAttribute('aria-label', word('viewerHint'))
    viewer.canvas.title = word('viewerHint')
    viewer.beforeFrame = () => {
      if (!viewer) return
      const running = performance && !video.paused && !video.ended
      const now = running ? at(performance!, video.currentTime) : null
      viewer.live = now?.weights ?? null
      viewer.liveHead = now?.head ?? [0, 0, 0]
    }
  }
  try {
    performance = state?.steps.some((step) => step.artifact === 'performance' && step.state !== 'waiting')
      ? await ask<Performance>('/api/performance')
      : null
    const answer = await fetch('/api/avatar')
    if (answer.ok) {
      await viewer.load(await answer.arrayBuffer())
      if (panel) panel.build()
      else panel = new Panel(viewer, find('controls'), about.expressions)
    }
  } catch (error) {
    tell(String(error), true)
  }
}

function files(): void {
  const all = state?.files ?? []
  const kind = (name: string): string => name.slice(name.lastIndexOf('.') + 1)
  const link = (name: string): HTMLElement => {
    const item = element('li')
    const link = element('a')
    link.href = `/out/${encodeURIComponent(name)}?save=true`
    link.download = name
    const told = named(kind(name), 'File', '')
    if (told) {
      const strong = element('strong')
      strong.textContent = name
      const small = element('small')
      small.textContent = told
      link.append(strong, small)
    } else link.textContent = name
    item.append(link)
    return item
  }
  const main = all.filter((name) => named(kind(name), 'File', '') !== '')
  const order = ['mp4', 'glb', 'vrm', 'fbx', 'usdz', 'png', 'html']
  main.sort((a, b) => order.indexOf(kind(a)) - order.indexOf(kind(b)))
  const rest = all.filter((name) => !main.includes(name))
  find('files').replaceChildren(...main.map(link))
  find('more-files').replaceChildren(...rest.map(link))
  find('records').hidden = !rest.length
  find('live-command').textContent = state?.live ?? ''
  find('live').hidden = !state?.live
}

function formats(): void {
  find('formats').replaceChildren(
    ...about.formats.map((format) => {
      const each = element('button')
      each.type = 'button'
      each.textContent = `${word('makeFormat')} .${format === 'usd' ? 'usdz' : format}`
      each.dataset.format = format
      each.addEventListener('click', async () => {
        each.disabled = true
        try {
          await ask<string[]>('/api/export', {
            method: 'POST', body: JSON.stringify({ format }), headers: { 'content-type': 'application/json' },
          })
        } catch (error) {
          tell((error as Error).message, true)
        }
        each.disabled = false
      })
      return each
    }),
  )
}

function listen(): void {
  const socket = new WebSocket(`ws://${location.host}/ws`)
  socket.addEventListener('message', (event) => show(JSON.parse(String(event.data)) as State))
  socket.addEventListener('close', () => {
    tell(`${word('gone')} studio`, true)
    setTimeout(listen, 2000)
  })
}

async function start(): Promise<void> {
  dress()
  about = await ask('/api/about')
  inputs()
  looks()
  formats()
  onLanguage(() => {
    const chosen = document.querySelector<HTMLInputElement>('[name=look]:checked')?.value
    looks()
    for (const each of document.querySelectorAll<HTMLInputElement>('[name=look]')) each.checked = each.value === chosen
    formats()
    for (const step of state?.steps ?? []) update(step)
    overall()
    files()
  })
  setInterval(overall, 1000)
  find<HTMLFormElement>('form').addEventListener('submit', (event) => {
    event.preventDefault()
    void begin()
  })
  find('cancel').addEventListener('click', () => void ask('/api/stop', { method: 'POST' }))
  say(spoken())
  listen()
}

export type { Word }
void start()

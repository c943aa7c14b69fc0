// The 3D view inside report.html. The page carries the avatar and its performance in itself, as base64 and JSON.
import { Panel } from './panel'
import { at, Viewer, type Performance, type Weights } from './viewer'
import { say, spoken, word } from './words'

async function start(): Promise<void> {
  const host = document.getElementById('viewer')
  const file = document.getElementById('viewer-avatar')
  const about = document.getElementById('viewer-about')
  if (!host || !file || !about) return
  const { expressions, performance } = JSON.parse(about.textContent ?? '{}') as {
    expressions: Record<string, Weights>
    performance: Performance | null
  }
  const stage = document.createElement('div')
  stage.className = 'stage'
  const controls = document.createElement('div')
  host.append(stage, controls)
  const viewer = new Viewer(stage)
  Object.assign(window, { viewer })
  const text = atob((file.textContent ?? '').trim())
  await viewer.load(Uint8Array.from(text, (letter) => letter.charCodeAt(0)).buffer)
  viewer.canvas.setAttribute('aria-label', word('viewerHint'))
  viewer.canvas.title = word('viewerHint')
  new Panel(viewer, controls, expressions)
  say(spoken())
  const video = document.querySelector('video')
  if (!performance || !video) return
  // the avatar speaks along with the video, from one clock
  viewer.beforeFrame = () => {
    const running = !video.paused && !video.ended
    if (!running && viewer.live && video.currentTime > 0 && !video.ended) return
    if (!running) viewer.live = null
    else {
      const now = at(performance, video.currentTime)
      viewer.live = now.weights
      viewer.liveHead = now.head
    }
  }
}

start().catch((error) => {
  const host = document.getElementById('viewer')
  if (host) host.textContent = `The 3D view needs WebGL 2 (${String(error)})`
})

"""How late the lips are in `digitalme live`, measured in headless Chromium from end to end.

    python tools/bench/live.py [--syllables 24] [--undrawn]

A file of syllables (pieces of the demo's voice, each after a silence) is played through the page's own path: audio
worklet, WebSocket, network, WebSocket, morph weights, frame. For each syllable: from the moment its first sample is
heard in the page's audio graph to the moment at which the first frame with an opening mouth was handed to the graphics
card. Where a program draws in the graphics card's place, `--undrawn` leaves the drawing out, and nothing else.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright
from scipy.signal import resample_poly

from digitalme.artifacts import Avatar, Voice
from digitalme.audio.files import read_voice
from digitalme.body.character import base_avatar
from digitalme.demo import demo_voice

RATE = 16000
OPEN = 0.05
"""The jaw's weight at which a mouth is seen to open."""

MEASURE = """
async ({ wav, onsets, open, drawing }) => {
  viewer.drawing = drawing
  const bytes = Uint8Array.from(atob(wav), (letter) => letter.charCodeAt(0))
  const context = await talk.sound()
  const buffer = await context.decodeAudioData(bytes.buffer)
  const frames = [], messages = []
  viewer.spent.length = 0
  talk.onFrame = (frame) => {
    if (frame.source === 'voice') messages.push([performance.now(), frame.weights.jawOpen ?? 0, frame.late])
  }
  talk.onShown = () => frames.push([performance.now(), viewer.shown('jawOpen')])
  const source = new AudioBufferSourceNode(context, { buffer })
  source.connect(await talk.listen())
  await new Promise((resolve) => setTimeout(resolve, 500))
  const ended = new Promise((resolve) => source.addEventListener('ended', resolve))
  const start = context.currentTime + 0.2
  source.start(start)
  const clocks = []
  const clock = setInterval(() => clocks.push([context.currentTime, performance.now()]), 11)
  await ended
  await new Promise((resolve) => setTimeout(resolve, 400))
  clearInterval(clock)
  talk.deaf()
  // The audio clock moves in steps, so that its earliest reading is the least late; and it stands still where the
  // processor is too busy for the sound itself, so only readings beside an onset tell when that was heard.
  const heard = onsets.map((onset) => {
    const beside = clocks.filter(([time]) => Math.abs(time - start - onset) < 0.25)
    return Math.min(...beside.map(([time, now]) => now - time * 1000)) + (start + onset) * 1000
  })
  // a mouth opens where it was closed in the frame before: one that is still open is of the syllable before
  const begins = (rows, i) => i > 0 && rows[i][1] > open && rows[i - 1][1] <= open
  const opens = (rows) => rows.filter((_, i) => begins(rows, i)).map(([time]) => time)
  const late = (rows) => heard.map((moment, i) => {
    const found = opens(rows).find((time) => time > moment && time < (heard[i + 1] ?? moment + 700))
    return found === undefined ? null : found - moment
  })
  const drift = clocks.map(([time, now]) => now - time * 1000)
  return { shown: late(frames), told: late(messages), frames: frames.length, messages: messages.length,
           own: messages.map((m) => m[2] * 1000), script: viewer.spent.map((s) => s.script),
           whole: viewer.spent.map((s) => s.whole), seconds: buffer.duration,
           stalled: Math.max(...drift) - Math.min(...drift) }
}
"""


def syllables(count: int) -> tuple[np.ndarray, list[float]]:
    """16 kHz sound, and when each syllable in it starts: 0.25 s of open vowels of the demo's voice, silence between."""
    clip, _ = demo_voice()
    voice = read_voice(clip)
    samples = resample_poly(voice.samples, RATE, voice.rate).astype(np.float32)
    length = RATE // 4
    level = np.sqrt(np.convolve(samples**2, np.ones(length) / length, "valid"))
    pieces = []
    for _ in range(6):  # the six loudest places that do not overlap
        start = int(level.argmax())
        pieces.append(samples[start : start + length] * np.minimum(1, np.arange(length) / 80))
        level[max(0, start - length) : start + length] = 0
    rng = np.random.default_rng(0)
    sound, onsets = [np.zeros(RATE, np.float32)], []
    for number in range(count):
        onsets.append(sum(map(len, sound)) / RATE)
        sound += [pieces[number % len(pieces)], np.zeros(int(RATE * rng.uniform(0.45, 0.7)), np.float32)]
    return np.concatenate(sound), onsets


def measure(avatar: Avatar, count: int, side: int = 240, drawing: bool = True) -> dict:
    """What the page measured; milliseconds."""
    import uvicorn

    from digitalme.studio.live import wav_bytes
    from digitalme.studio.live_app import open_live

    sound, onsets = syllables(count)
    wav = base64.b64encode(wav_bytes(Voice(sound, RATE))).decode()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        config = uvicorn.Config(open_live(avatar, Path(scratch)), log_level="warning", lifespan="on")
        server = uvicorn.Server(config)
        threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
                  "--autoplay-policy=no-user-gesture-required"],
        )  # fmt: skip
        page = browser.new_page(viewport={"width": 900, "height": 700})
        while not server.started:
            time.sleep(0.05)
        page.goto(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        page.wait_for_selector("canvas[data-loaded]", timeout=120_000)
        page.add_style_tag(content=f".stage {{ width: {side}px; height: {side}px; aspect-ratio: auto }}")
        page.wait_for_timeout(3000)
        answer = page.evaluate(MEASURE, {"wav": wav, "onsets": onsets, "open": OPEN, "drawing": drawing})
        browser.close()
        server.should_exit = True
    return answer


def line(label: str, values: list[float | None]) -> str:
    found = np.array([value for value in values if value is not None])
    if not len(found):
        return f"{label}: none of {len(values)}"
    median, high = np.percentile(found, [50, 95])
    return f"{label}: median {median:.1f} ms, 95th percentile {high:.1f} ms ({len(found)} of {len(values)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--syllables", type=int, default=24)
    parser.add_argument("--side", type=int, default=240, help="pixels of the canvas")
    parser.add_argument("--undrawn", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    answer = measure(base_avatar({}), given.syllables, given.side, not given.undrawn)
    print(line("sound to shown frame", answer["shown"]))
    print(line("sound to weights in the page", answer["told"]))
    print(line("of which by design (look-ahead, windows) and by the server", answer["own"]))
    print(line("script of a frame", answer["script"]))
    print(line("script of a frame with calls of the graphics library", answer["whole"]))
    frames, messages = (answer[each] / answer["seconds"] for each in ("frames", "messages"))
    print(f"{frames:.1f} frames and {messages:.1f} messages a second; the audio clock lost {answer['stalled']:.0f} ms")
    if given.json:
        given.json.write_text(json.dumps(answer))


if __name__ == "__main__":
    main()

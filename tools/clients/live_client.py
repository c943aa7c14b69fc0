"""A program that drives the face of `digitalme live me/`: says something, plays it a sound, follows the face at 60 Hz.

    python tools/clients/live_client.py --say "Hello, you" --emotion happy:0.6
    python tools/clients/live_client.py --sound clip.wav --json weights.jsonl

Needs `pip install websockets` and nothing of digitalme. Weights are ARKit's 52 names, 0..1, those of 0 left out.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import time
import wave
from pathlib import Path

from websockets.asyncio.client import connect

CHUNK = 0.016
"""Seconds of sound in a message: what a microphone would bring at a time."""


async def play(socket, clip: Path) -> None:
    """Send a WAV (16-bit, mono, 16 kHz) as fast as it would be heard."""
    with wave.open(str(clip)) as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, 16000):
            raise SystemExit(f"{clip}: expected 16-bit mono at 16 kHz; ffmpeg -i IN -ac 1 -ar 16000 OUT.wav makes it")
        await socket.send(json.dumps({"type": "listen"}))
        due = time.monotonic()
        while data := file.readframes(round(CHUNK * 16000)):
            await socket.send(data)
            due += CHUNK
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    await asyncio.sleep(0.3)  # the lips come 0.1 s behind it
    await socket.send(json.dumps({"type": "deaf"}))


async def follow(socket, seconds: float, lines, until_said: bool) -> dict:
    """Read what comes for so long, or until all is said: how many weights, how wide the jaw, which sentences."""
    seen = {"weights": 0, "widest jaw": 0.0, "sentences": [], "errors": []}
    ends, begin = time.monotonic() + seconds, 0.0
    while time.monotonic() < ends:
        try:
            message = json.loads(await asyncio.wait_for(socket.recv(), 0.5))
        except TimeoutError:
            continue
        if message["type"] == "weights":
            begin = begin or time.monotonic()
            seen["weights"] += 1
            seen["a second"] = round(seen["weights"] / max(0.1, time.monotonic() - begin), 1)
            seen["widest jaw"] = max(seen["widest jaw"], message["weights"].get("jawOpen", 0.0))
            if lines:
                lines.write(json.dumps(message) + "\n")
        elif message["type"] == "speech":
            sound = base64.b64decode(message["audio"])
            seen["sentences"].append(message["text"])
            print(f"speaks: {message['text']} ({len(sound)} bytes of WAV, curves {sorted(message['performance'])})")
            if until_said:  # stay for as long as it is heard
                ends = time.monotonic() + message["performance"]["frames"] / message["performance"]["rate"]
        elif message["type"] == "error":
            seen["errors"].append(message["message"])
    return seen


async def drive(given: argparse.Namespace) -> dict:
    with open(given.json or "/dev/null", "w", encoding="utf-8") as lines:
        async with connect(given.address, max_size=2**24) as socket:
            hello = json.loads(await socket.recv())
            print(f"{hello['name']}: emotions {', '.join(hello['emotions'])}")
            if given.emotion:
                await socket.send(json.dumps({"type": "emotion", "emotion": given.emotion}))
            if given.say:
                await socket.send(json.dumps({"type": "say", "text": given.say}))
            following = asyncio.create_task(follow(socket, given.seconds, lines, bool(given.say)))
            if given.sound:
                await play(socket, given.sound)
            seen = await following
            await socket.send(json.dumps({"type": "stop"}))
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", default="ws://127.0.0.1:7861/ws")
    parser.add_argument("--say", default="")
    parser.add_argument("--emotion", default="")
    parser.add_argument("--sound", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to follow the face")
    parser.add_argument("--json", help="a file for the weights, a line each")
    print(json.dumps(asyncio.run(drive(parser.parse_args()))))


if __name__ == "__main__":
    main()

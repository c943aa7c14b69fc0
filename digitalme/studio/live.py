"""`digitalme live`: a page where an avatar speaks along with a voice or with text, and its HTTP and WebSocket API.

docs/live.md tells the protocol. Everything runs on this computer; no sound is kept.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import re
import time
import wave
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol, runtime_checkable

import numpy as np

from digitalme.artifacts import Avatar, Performance, Voice
from digitalme.errors import DigitalMeError, InputError, MissingExtraError
from digitalme.stages.animate import EMOTIONS
from digitalme.studio.performer import RATE, Performer
from digitalme.studio.viewer import EXPRESSIONS, view_of

LONGEST_TEXT = 2000
LARGEST_CHUNK = 16000
"""Samples in one message of sound: a second."""
LOOK_AHEAD = 0.04
"""Seconds of sound that the mouth waits for; with the network's own margins the lips come about 0.1 s behind it."""


@runtime_checkable
class Mouth(Protocol):
    """What turns sound into a mouth as it comes (digitalme.audio.stream.LiveMouth)."""

    delay: float

    def feed(self, samples: np.ndarray) -> list[tuple[float, dict[str, float]]]: ...


def new_mouth() -> Mouth:
    from digitalme.audio.stream import LiveMouth

    one_thread()
    return LiveMouth(LOOK_AHEAD)  # type: ignore[return-value]


@cache
def one_thread() -> None:
    """Let numpy multiply in one thread from now on, in this process.

    A step of the network takes 1 ms. Dealt out to two threads it takes 60 on a machine where other work keeps both
    cores: each product waits for the thread that does not get its turn.
    """
    if find_spec("threadpoolctl"):  # else as OPENBLAS_NUM_THREADS says
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, "blas")


Speaker = Callable[[str, str], tuple[Voice, Performance]]
"""A sentence and an emotion to its sound and its performance."""


def speak_sentence(text: str, emotion: str) -> tuple[Voice, Performance]:
    """By the first synthesiser that is installed, of those that know the language. Raises MissingExtraError."""
    from digitalme.stages.animate import AnimateConfig, animate
    from digitalme.stages.encode_speech import EncodeSpeechConfig, encode_speech
    from digitalme.stages.speak import SpeakConfig, speak

    chinese = re.search(r"[\u3400-\u9fff]", text) is not None
    for synthesiser in ("espeak",) if chinese else ("piper", "flite", "espeak"):
        try:
            config = SpeakConfig(text, synthesiser, language="cmn" if chinese else "en")
            voice = speak(config)
        except MissingExtraError:
            continue
        speech = encode_speech(voice, EncodeSpeechConfig())
        return voice, animate(speech, AnimateConfig(emotion=emotion))
    wanted = "espeak-ng" if chinese else 'pip install "digitalme[tts]", or flite or espeak-ng'
    raise MissingExtraError(f"nothing here speaks this language; get: {wanted}")


def sentences_of(text: str) -> list[str]:
    """A text in pieces that are spoken one after the other: the first one is heard while the next is made."""
    pieces = re.findall(r".+?(?:[.!?。！？;；]+[\"'”’)]*(?=\s|$|[\u3400-\u9fff])|\n|$)", text, re.DOTALL)
    return [piece.strip() for piece in pieces if re.search(r"\w", piece)]


class Live:
    """One avatar, its listeners, and what it does."""

    def __init__(
        self, avatar: Avatar, view: bytes, speaker: Speaker = speak_sentence, mouth: Callable[[], Mouth] = new_mouth
    ) -> None:
        self.avatar, self.view = avatar, view
        self.performer = Performer()
        self.emotion = ""
        self._speaker, self._new_mouth = speaker, mouth
        self._listeners: set[Any] = set()
        self._threads = ThreadPoolExecutor(2, "digitalme-live")
        self._texts: asyncio.Queue[tuple[str, str]] = asyncio.Queue(100)
        self._ears: dict[Any, tuple[Mouth, asyncio.Lock, list[float]]] = {}
        self._sent_at = 0.0
        self._stopped = 0

    def about(self) -> dict:
        return {"name": self.avatar.name, "expressions": EXPRESSIONS, "emotions": list(EMOTIONS), "rate": RATE}

    @contextlib.asynccontextmanager
    async def running(self, app: object = None) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._talk())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._threads.shutdown(wait=False, cancel_futures=True)

    # ---- what a client asks for ----

    def say(self, text: str, emotion: str = "") -> int:
        """Queue a text; the number of sentences in it. Raises InputError."""
        if not text.strip() or len(text) > LONGEST_TEXT:
            raise InputError(f"text: {len(text)} characters; expected 1 to {LONGEST_TEXT}")
        from digitalme.stages.animate import parse_emotion

        parse_emotion(emotion)
        sentences = sentences_of(text)
        if not sentences:
            raise InputError("text: no words in it")
        if self._texts.qsize() + len(sentences) > self._texts.maxsize:
            raise InputError("too much is waiting to be said; try again later, or stop first")
        for sentence in sentences:
            self._texts.put_nowait((sentence, emotion or self.emotion))
        return len(sentences)

    def feel(self, emotion: str) -> None:
        self.performer.feel(emotion, time.monotonic())
        self.emotion = emotion

    async def stop(self) -> None:
        self._stopped += 1
        while not self._texts.empty():
            self._texts.get_nowait()
        self.performer.stop()
        await self.tell({"type": "stop"})

    async def hear(self, listener: Any, data: bytes) -> None:
        """Sound from a client: 16-bit mono at 16 kHz. Its lips are told to all at once."""
        if len(data) % 2 or len(data) > 2 * LARGEST_CHUNK:
            raise InputError(f"sound: {len(data)} bytes; expected 16-bit samples, at most {LARGEST_CHUNK} of them")
        if listener not in self._ears:
            self._ears[listener] = (self._new_mouth(), asyncio.Lock(), [0.0])
        mouth, lock, heard = self._ears[listener]
        samples = np.frombuffer(data, "<i2").astype(np.float32) / 32768
        arrived = time.monotonic()
        async with lock:
            heard[0] += len(samples) / 16000
            loop = asyncio.get_running_loop()
            frames = await loop.run_in_executor(self._threads, mouth.feed, samples)
        if frames:
            shown, weights = frames[-1]
            self.performer.follow(weights, arrived)
            late = heard[0] - shown + time.monotonic() - arrived
            await self._tell_weights("voice", {"sound": round(shown, 4), "late": round(late, 4)})

    def deaf(self, listener: Any) -> None:
        self._ears.pop(listener, None)

    # ---- what all clients are told ----

    def join(self, listener: Any) -> None:
        self._listeners.add(listener)

    def leave(self, listener: Any) -> None:
        self._listeners.discard(listener)
        self.deaf(listener)

    async def tell(self, message: dict) -> None:
        text = json.dumps(message, separators=(",", ":"))
        for listener in list(self._listeners):
            try:
                await asyncio.wait_for(listener.send_text(text), 1.0)
            except (TimeoutError, RuntimeError, OSError):  # gone, or so slow that it holds the others up
                self.leave(listener)

    async def _tell_weights(self, source: str, more: dict | None = None) -> None:
        now = time.monotonic()
        self._sent_at = now
        weights, head = self.performer.at(now)
        message = {"type": "weights", "time": round(now, 4), "source": source, "weights": weights, "head": head}
        await self.tell(message | (more or {}))

    async def _beat(self) -> None:
        """60 frames a second, but for those that a voice has brought already."""
        due = time.monotonic()
        while True:
            due = max(due + 1 / RATE, time.monotonic() - 0.1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            if self._listeners and now - self._sent_at > 0.75 / RATE:
                await self._tell_weights("text" if self.performer.is_speaking(now) else "idle")

    async def _talk(self) -> None:
        """Make the sentences one after the other, each while the one before it is heard."""
        loop = asyncio.get_running_loop()
        while True:
            text, emotion = await self._texts.get()
            stopped = self._stopped
            try:
                voice, performance = await loop.run_in_executor(self._threads, self._speaker, text, emotion)
            except DigitalMeError as error:
                await self.tell({"type": "error", "message": str(error)})
                continue
            if stopped != self._stopped:
                continue
            self.performer.say(performance, time.monotonic())
            sound = base64.b64encode(wav_bytes(voice)).decode()
            await self.tell({"type": "speech", "text": text, "audio": sound, "performance": view_of(performance)})
            if self._texts.empty():
                await self.tell({"type": "said"})


def wav_bytes(voice: Voice) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(voice.rate)
        file.writeframes(np.round(np.clip(voice.samples, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()

"""Voice: sound. Speech: what is said in it and when, and how it sounds."""

from __future__ import annotations

import wave
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from digitalme.artifacts.files import read_json, write_json


@dataclass(frozen=True)
class TimedLabel:
    """A word or a phone with its time in seconds. Phones are ARPAbet without stress (AA, B, ...), "SIL" for silence."""

    label: str
    start: float
    end: float


@dataclass(frozen=True)
class Voice:
    """Sound, mono, float32 in -1..1, kept at its own rate for the video's track."""

    samples: Float32[np.ndarray, "n"]
    rate: int
    text: str = ""
    """The words, where they are known (--say, a transcript)."""
    language: str = "en"
    """BCP 47."""
    phones: tuple[TimedLabel, ...] = ()
    """Phone times, where a synthesiser told them."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def save(self, folder: Path) -> None:
        with wave.open(str(folder / "voice.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self.rate)
            file.writeframes(np.round(np.clip(self.samples, -1, 1) * 32767).astype("<i2").tobytes())
        phones = [asdict(phone) for phone in self.phones]
        write_json(folder / "voice.json", {"text": self.text, "language": self.language, "phones": phones})

    @classmethod
    def load(cls, folder: Path) -> Voice:
        with wave.open(str(folder / "voice.wav"), "rb") as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32767
            rate = file.getframerate()
        about = read_json(folder / "voice.json")
        phones = tuple(TimedLabel(**phone) for phone in about["phones"])
        return cls(samples, rate, about["text"], about["language"], phones)

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        """The waveform."""
        from digitalme.audio.plots import waveform_plot  # audio stands above artifacts

        return waveform_plot(self)


@dataclass(frozen=True)
class Speech:
    """Words and phones with times, and prosody on a 100 Hz grid (frame i is centred at (i + 0.5) / 100 s)."""

    words: tuple[TimedLabel, ...]
    phones: tuple[TimedLabel, ...]
    """Cover the whole clip without gaps."""
    seconds: float
    pitch_hz: Float32[np.ndarray, "frames"]
    """0 where unvoiced."""
    energy_db: Float32[np.ndarray, "frames"]
    """RMS level, dBFS."""
    voiced: Float32[np.ndarray, "frames"]
    """Probability of voicing, 0..1."""
    language: str = "en"
    method: str = "recognised"
    """How the phones were found: "given", "aligned", "recognised" or "acoustic"."""

    def save(self, folder: Path) -> None:
        write_json(folder / "speech.json", asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Speech:
        about = read_json(folder / "speech.json")
        for name in ("pitch_hz", "energy_db", "voiced"):
            about[name] = np.array(about[name], np.float32)
        for name in ("words", "phones"):
            about[name] = tuple(TimedLabel(**entry) for entry in about[name])
        return cls(**about)

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        """Level, pitch, words and phones on one time axis."""
        from digitalme.audio.plots import speech_plot  # audio stands above artifacts

        return speech_plot(self)

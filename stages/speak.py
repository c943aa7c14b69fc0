"""speak: a text becomes a voice, by a synthesiser on this machine; it tells when each phone sounds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from digitalme.artifacts import Voice
from digitalme.audio import synthesis
from digitalme.errors import InputError
from digitalme.trust.sound_mark import mark_sound


@dataclass(frozen=True)
class SpeakConfig:
    """What is said, and who says it."""

    text: str = ""
    """The words."""
    synthesiser: str = "piper"
    """"piper" (neural; English by the voice joe, CC0), "flite" (small English voices) or "espeak" (100 languages)."""
    voice: str = ""
    """Of piper: a .onnx file; of flite: slt, rms, awb, kal16; of espeak: a voice as `espeak-ng --voices` lists them."""
    language: str = "en"
    """Language of the text (BCP 47)."""
    watermark: bool = True
    """Mark the sound, inaudibly, as synthesised; `digitalme verify` reads it."""


def speak(config: SpeakConfig) -> Voice:
    """The text as sound, with the synthesiser's phone times. Raises MissingExtraError where it is not installed."""
    if not config.text.strip():
        raise InputError('nothing to say; expected words: --say "Hello, it\'s me."')
    voice = _said(config)
    if config.watermark:
        voice = replace(voice, samples=mark_sound(voice.samples, voice.rate))
    return voice


def _said(config: SpeakConfig) -> Voice:
    match config.synthesiser:
        case "piper":
            return synthesis.say_with_piper(config.text, config.voice, config.language)
        case "flite":
            return synthesis.say_with_flite(config.text, config.voice or "slt")
        case "espeak":
            return synthesis.say_with_espeak(config.text, config.voice or config.language)
        case other:
            raise InputError(f"synthesiser {other!r} is not known; expected piper, flite or espeak")

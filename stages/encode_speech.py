"""encode_speech: a voice becomes words and phones with times, and its prosody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from digitalme.artifacts import Speech, TimedLabel, Voice
from digitalme.audio import recognition
from digitalme.audio.files import ANALYSIS_RATE, resample
from digitalme.audio.languages import say_how
from digitalme.audio.prosody import level_db, pitch
from digitalme.body.visemes import VISEME_OF_PHONE
from digitalme.errors import InputError

Labels = tuple[TimedLabel, ...]


@dataclass(frozen=True)
class EncodeSpeechConfig:
    """How the sounds are found."""

    use_text: bool = True
    """Align the voice's text where it is known; without it the sound alone decides."""


def encode_speech(voice: Voice, config: EncodeSpeechConfig) -> Speech:
    """Phones that cover the clip, by the best way that the voice allows:

    "given" by a synthesiser; "aligned" to known words; "recognised" words, then aligned; "acoustic" phones alone.
    """
    sound = resample(voice.samples, voice.rate, ANALYSIS_RATE)
    level = level_db(sound, ANALYSIS_RATE)
    hertz, voiced = pitch(sound, ANALYSIS_RATE)
    words: tuple[TimedLabel, ...] = ()
    if voice.phones and config.use_text:
        phones, method = voice.phones, "given"
    else:
        words, phones, method = _find(sound, voice.text if config.use_text else "", voice.language)
    phones = _cover(phones, voice.seconds)
    unknown = sorted({phone.label for phone in phones} - set(VISEME_OF_PHONE))
    if unknown:
        raise InputError(f"phones {', '.join(unknown)} are not ARPAbet without stress (AA, B, ..., SIL)")
    return Speech(words, phones, voice.seconds, hertz, level, voiced, voice.language, method)


def _find(sound: np.ndarray, text: str, language: str) -> tuple[Labels, Labels, str]:
    english = language.lower().partition("-")[0] == "en"
    said = say_how(text, language) if text else None
    if said and (found := recognition.align(sound, said, english)):
        return *found, "aligned"
    return recognition.hear(sound, english)


def _cover(phones: tuple[TimedLabel, ...], seconds: float) -> tuple[TimedLabel, ...]:
    """The phones over 0..seconds without gaps or overlaps; silence fills what is missing."""
    covered: list[TimedLabel] = []
    time = 0.0
    for phone in sorted(phones, key=lambda phone: phone.start):
        start, end = max(phone.start, time), min(phone.end, seconds)
        if end <= start:
            continue
        if start > time:
            covered.append(TimedLabel("SIL", time, start))
        covered.append(TimedLabel(phone.label, start, end))
        time = end
    if time < seconds or not covered:
        covered.append(TimedLabel("SIL", time, seconds))
    return tuple(covered)

"""How lively a voice is, phrase by phrase: a modest estimate from pitch, level and pace.

Voices tell arousal far better than they tell which emotion it is (Bachorowski 1999; Juslin and Laukka 2003), so no
more than that is read from them, and each phrase is compared with the speaker's own usual.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from digitalme.artifacts.speech import Speech

PAUSE = 0.25
"""A silence of so many seconds parts two phrases."""


@dataclass(frozen=True)
class Phrase:
    """A stretch of speech between pauses; seconds."""

    start: float
    end: float
    arousal: float
    """-1 (dull, slow, low) to 1 (loud, high, fast), 0 as usual for this speaker."""


def phrases_of(speech: Speech) -> list[tuple[float, float]]:
    """Start and end of what is spoken between pauses."""
    found: list[list[float]] = []
    for phone in speech.phones:
        if phone.label == "SIL":
            continue
        if found and phone.start - found[-1][1] < PAUSE:
            found[-1][1] = phone.end
        else:
            found.append([phone.start, phone.end])
    return [(start, end) for start, end in found]


def phrases_with_arousal(speech: Speech) -> list[Phrase]:
    """Each phrase of at least 0.4 s with its arousal."""
    spans = [(start, end) for start, end in phrases_of(speech) if end - start >= 0.4]
    voiced = speech.pitch_hz > 0
    if voiced.sum() < 20 or not spans:
        return [Phrase(start, end, 0.0) for start, end in spans]
    usual_pitch = float(np.median(speech.pitch_hz[voiced]))
    tones = np.where(voiced, 12 * np.log2(np.maximum(speech.pitch_hz, 1) / usual_pitch), np.nan)
    usual_level = float(np.median(speech.energy_db[voiced]))
    rows = []
    for start, end in spans:
        first, last = int(start * 100), max(int(end * 100), int(start * 100) + 1)
        here = voiced[first:last]
        if here.sum() < 8:
            rows.append((0.0, 0.0, 0.0, np.nan))
            continue
        heard = tones[first:last][here]
        count = sum(phone.label != "SIL" and start <= phone.start < end for phone in speech.phones)
        level = float(np.mean(speech.energy_db[first:last][here])) - usual_level
        rows.append((float(np.mean(heard)), float(np.std(heard)), level, count / (end - start)))
    pitch, spread, level, pace = np.array(rows).T
    pace = np.nan_to_num(pace - np.nanmedian(pace)) if np.isfinite(pace).any() else np.zeros(len(rows))
    # what is an ordinary difference between two phrases of one speaker: 2 semitones, 3 dB, 2.5 phones a second
    score = 0.35 * pitch / 2 + 0.35 * level / 3 + 0.2 * pace / 2.5 + 0.1 * (spread - np.median(spread)) / 1.5
    return [Phrase(start, end, float(np.tanh(0.7 * value))) for (start, end), value in zip(spans, score, strict=True)]

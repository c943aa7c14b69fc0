"""How well a mouth follows speech: visemes against known phone times, and mouth movement against sound.

Each measure has controls that must fail: another sentence, a shifted mouth, a shuffled one, a mouth that stays shut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from digitalme.artifacts.speech import TimedLabel
from digitalme.body.visemes import SIX_CLASSES, VISEME_OF_PHONE, VISEMES

GRID = 100
_OPENNESS = {"aa": 1.0, "O": 0.7, "E": 0.6, "I": 0.35, "U": 0.3, "RR": 0.25, "kk": 0.2, "PP": 0.0, "sil": 0.0}
_OPENNESS |= {"nn": 0.15, "DD": 0.15, "TH": 0.15, "CH": 0.15, "SS": 0.1, "FF": 0.1}
_SIX = sorted(set(SIX_CLASSES.values()))

Track = Int[np.ndarray, "frames"]
Phones = tuple[TimedLabel, ...]


def viseme_track(phones: Phones, seconds: float) -> Track:
    """Index into VISEMES of what sounds at the middle of each 10 ms; silence where there is no phone."""
    middles = (np.arange(round(seconds * GRID)) + 0.5) / GRID
    track = np.zeros(len(middles), np.int64)
    for phone in phones:
        track[(middles >= phone.start) & (middles < phone.end)] = VISEMES.index(VISEME_OF_PHONE[phone.label])
    return track


def weighted_f1(truth: Track, guess: Track, silence: int = 0) -> float:
    """F1 of each class, weighted by its true frames; silence is no class, but speech claimed there costs precision."""
    total = score = 0.0
    for label in np.unique(truth[truth != silence]):
        true, said = truth == label, guess == label
        score += true.sum() * 2 * np.sum(true & said) / (true.sum() + said.sum())
        total += true.sum()
    return float(score / total) if total else 1.0


def six_class_track(track: Track) -> Track:
    """15 visemes to Rhubarb's shapes with C and D joined; 0 stays silence."""
    order = ["X", *(name for name in _SIX if name != "X")]
    return np.array([order.index(SIX_CLASSES[viseme]) for viseme in VISEMES])[track]


def boundary_errors(truth: Track, guess: Track, reach: float = 0.15) -> tuple[np.ndarray, float]:
    """(distances in seconds from true changes to the nearest change into the same class within reach, share found)."""

    def changes(track: Track) -> np.ndarray:
        return np.flatnonzero(np.diff(track)) + 1

    said = changes(guess)
    distances = []
    for change in changes(truth):
        same = said[guess[said] == truth[change]]
        if len(same) and (nearest := np.abs(same - change).min() / GRID) <= reach:
            distances.append(nearest)
    return np.array(distances), len(distances) / max(1, len(changes(truth)))


def openness(track: Track) -> Float[np.ndarray, "frames"]:
    """A jaw openness for each frame, smoothed by a 90 ms Hann window; a scale of our own."""
    window = np.hanning(11)[1:-1]
    values = np.array([_OPENNESS[viseme] for viseme in VISEMES])[track]
    return np.convolve(values, window / window.sum(), "same")


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; 0 where one does not move."""
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 1e-9 else 0.0


@dataclass(frozen=True)
class VisemeScore:
    """One clip's lip-sync against known phone times."""

    f1: float
    six_f1: float
    boundary_ms: float
    """Median distance of the boundaries that were found."""
    boundary_hit: float
    openness_r: float


def score_visemes(truth: Phones, guess: Phones, seconds: float) -> VisemeScore:
    """All viseme measures of one clip."""
    true, said = viseme_track(truth, seconds), viseme_track(guess, seconds)
    distances, hit = boundary_errors(true, said)
    speech = true != 0
    return VisemeScore(
        weighted_f1(true, said),
        weighted_f1(six_class_track(true), six_class_track(said)),
        float(np.median(distances) * 1000) if len(distances) else float("nan"),
        hit,
        correlation(openness(true)[speech], openness(said)[speech]) if speech.any() else 0.0,
    )


# ---- a mouth's movement against the sound ----


def envelope(energy_db: Float[np.ndarray, "frames"], rate: float, count: int) -> Float[np.ndarray, "count"]:
    """Loudness at `rate` Hz from a level on the 100 Hz grid: dB above 35 dB under the loudest, smoothed by 60 ms."""
    loud = np.clip(energy_db - np.percentile(energy_db, 98) + 35, 0, None)
    window = np.hanning(8)[1:-1]
    loud = np.convolve(np.pad(loud, 3, mode="edge"), window / window.sum(), "same")[3:-3]
    return np.interp(np.arange(count) / rate, (np.arange(len(loud)) + 0.5) / GRID, loud)


def audio_mouth_lag(aperture: np.ndarray, loudness: np.ndarray, rate: float, reach: float = 0.5) -> tuple[float, float]:
    """(lag in seconds, r at that lag) of the best correlation; positive: the mouth comes after the sound.

    Both curves at `rate` Hz; refined between frames by a parabola.
    """
    steps = round(reach * rate)
    lags = np.arange(-steps, steps + 1)
    scores = np.array(
        [
            correlation(
                aperture[max(0, lag) : len(aperture) + min(0, lag)],
                loudness[max(0, -lag) : len(loudness) - max(0, lag)],
            )
            for lag in lags
        ]
    )
    best = int(scores.argmax())
    shift = 0.0
    if 0 < best < len(scores) - 1:
        left, middle, right = scores[best - 1 : best + 2]
        bend = left - 2 * middle + right
        shift = 0.5 * (left - right) / bend if bend < -1e-12 else 0.0
    return float((lags[best] + shift) / rate), float(scores[best])


def mouth_energy_correlation(aperture: np.ndarray, loudness: np.ndarray) -> float:
    """r of mouth opening and loudness, frame by frame."""
    return correlation(aperture, loudness)


def shuffled(curve: np.ndarray, rate: float, seed: int = 0) -> np.ndarray:
    """A control: the curve's 0.4 s pieces in another order, so that only the timing is lost."""
    size = max(1, round(0.4 * rate))
    pieces = [curve[at : at + size] for at in range(0, len(curve), size)]
    order = np.random.default_rng(seed).permutation(len(pieces))
    return np.concatenate([pieces[i] for i in order])


def closure_rate(aperture: np.ndarray, rate: float, phones: Phones, share: float = 0.15) -> float:
    """Share of p, b, m in which the mouth opening falls below `share` of its usual widest (95th percentile).

    NaN where nothing was to be closed. A mouth that never opens closes all: read it beside the correlation.
    """
    times = np.arange(len(aperture)) / rate
    limit = share * np.percentile(aperture, 95)
    closed = [
        float(np.interp(np.linspace(p.start, p.end, 9), times, aperture).min()) <= max(limit, 1e-9)
        for p in phones
        if p.label in ("P", "B", "M")
    ]
    return float(np.mean(closed)) if closed else float("nan")


def blinks_per_minute(lids: np.ndarray, rate: float) -> float:
    """Blinks in a lid curve (0 open .. 1 shut): rises through one half."""
    shut = lids > 0.5
    return float(np.sum(shut[1:] & ~shut[:-1]) / (len(lids) / rate) * 60)


def cross_talk(before: dict[str, np.ndarray], after: dict[str, np.ndarray], own: set[str]) -> float:
    """The largest change of a curve that a setting should not touch, as a share of full weight."""
    others = (before.keys() | after.keys()) - own
    zero = np.zeros(1)
    return max((float(np.abs(before.get(n, zero) - after.get(n, zero)).max()) for n in others), default=0.0)


def aperture(curves: dict[str, np.ndarray]) -> np.ndarray:
    """Mouth opening from ARKit weights: what the jaw opens, less what mouthClose takes back, and the lips' own."""
    zero = np.zeros_like(next(iter(curves.values())))
    lips = sum(
        curves.get(f"{name}{side}", zero) for name in ("mouthLowerDown", "mouthUpperUp") for side in ("Left", "Right")
    )
    return np.clip(curves.get("jawOpen", zero) - curves.get("mouthClose", zero), 0, None) + 0.05 * lips

"""A mark in synthesised speech: a noise-like pattern that repeats each second, shaped like the speech and far below it.

The pattern has flat energy from 500 to 6500 Hz and random phases. It is added in the short-time spectrum, ALPHA times
as strong as the speech around each cell, so that it is loud only where the voice covers it, and silent in silence.
The detector whitens the short-time spectrum, adds up all seconds, and correlates with the pattern at every shift:
what AAC, resampling to 16 kHz and some noise leave is enough. A change of speed or pitch takes the mark away.
After I. J. Cox et al., "Secure spread spectrum watermarking for multimedia" (1997), in the short-time spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Complex, Float32

from digitalme.errors import InputError

BAND_HZ = (500, 6500)
ALPHA = 0.1
"""Strength of the mark relative to the speech around it: 20 dB below each cell, 24 dB in all."""
DETECTION_RATE = 16_000
CHANCE = 1e-6
"""Speech counts as marked where unmarked speech would show such a peak less often than this."""
FLOOR_DB = -55.0
"""Cells this far below the loudest hold no voice, and are not looked at."""
_SHORT = 0.032
LONGEST_SECONDS = 120.0


@dataclass(frozen=True)
class SoundMark:
    """What the detector heard."""

    found: bool
    strength: float
    """Height of the correlation's peak in standard deviations; unmarked speech stays below about 5."""
    chance: float
    """Probability of such a peak without a mark: a normal tail, times the shifts looked at."""


@lru_cache(maxsize=4)
def _pattern(rate: int) -> Float32[np.ndarray, "rate"]:
    """One second of the pattern, of unit RMS. Its spectrum has one line each Hz, so that any rate holds it."""
    low, high = BAND_HZ
    phases = np.random.Generator(np.random.PCG64(20260802)).uniform(0, 2 * np.pi, high - low)
    top = min(high, rate // 2)
    spectrum = np.zeros(rate // 2 + 1, complex)
    spectrum[low:top] = np.exp(1j * phases[: top - low])
    second = np.fft.irfft(spectrum, rate)
    return (second / second.std()).astype(np.float32)


def _cells(samples: np.ndarray, rate: int) -> Complex[np.ndarray, "bins frames"]:
    from scipy.signal import stft

    length = round(_SHORT * rate / 4) * 4
    return stft(samples, rate, nperseg=length, noverlap=length * 3 // 4)[2]


def _sound(cells: np.ndarray, rate: int, count: int) -> Float32[np.ndarray, "n"]:
    from scipy.signal import istft

    length = round(_SHORT * rate / 4) * 4
    return istft(cells, rate, nperseg=length, noverlap=length * 3 // 4)[1][:count].astype(np.float32)


def _around(cells: np.ndarray) -> np.ndarray:
    """Mean magnitude of each cell and its neighbours, three by three."""
    from scipy.ndimage import uniform_filter

    return uniform_filter(np.abs(cells), 3, mode="nearest")


def mark_sound(samples: Float32[np.ndarray, "n"], rate: int) -> Float32[np.ndarray, "n"]:
    """A marked copy of mono speech at 8 kHz or more."""
    if len(samples) < rate // 10:
        return samples
    tiled = np.resize(_pattern(rate), len(samples))
    voice, noise = _cells(samples, rate), _cells(tiled, rate)
    level = np.sqrt(
        np.mean(np.abs(noise[BAND_HZ[0] * len(noise) * 2 // rate : BAND_HZ[1] * len(noise) * 2 // rate]) ** 2)
    )
    mark = _sound(ALPHA * _around(voice) * noise / level, rate, len(samples))
    marked = samples + np.pad(mark, (0, len(samples) - len(mark)))
    return np.clip(marked, -1, 1).astype(np.float32)


def detect_sound(samples: Float32[np.ndarray, "n"], rate: int) -> SoundMark:
    """Look for the mark in mono sound (its first two minutes)."""
    from scipy.ndimage import uniform_filter1d
    from scipy.stats import norm

    from digitalme.audio.files import resample

    sound = resample(samples[: int(LONGEST_SECONDS * rate)], rate, DETECTION_RATE)
    if len(sound) < DETECTION_RATE // 2 or not np.abs(sound).max() > 0:
        return SoundMark(False, 0.0, 1.0)
    cells = _cells(sound, DETECTION_RATE)
    around = _around(cells)
    loud = around > around.max() * 10 ** (FLOOR_DB / 20)
    white = np.where(loud, cells / np.maximum(around, 1e-12), 0)
    flat = _sound(white, DETECTION_RATE, len(sound))
    seconds = np.zeros(-(-len(flat) // DETECTION_RATE) * DETECTION_RATE, np.float32)
    seconds[: len(flat)] = np.clip(flat, -4 * flat.std(), 4 * flat.std())
    low, high = BAND_HZ
    spectrum = np.fft.rfft(seconds.reshape(-1, DETECTION_RATE).sum(0))[low:high]
    spectrum /= np.sqrt(uniform_filter1d(np.abs(spectrum) ** 2, 101)) + 1e-12
    product = np.zeros(DETECTION_RATE // 2 + 1, complex)
    product[low:high] = spectrum * np.conj(np.fft.rfft(_pattern(DETECTION_RATE))[low:high])
    peaks = np.fft.irfft(product, DETECTION_RATE)
    strength = float(peaks.max() / (np.median(np.abs(peaks)) / 0.6745 + 1e-12))
    chance = min(1.0, float(norm.sf(strength)) * DETECTION_RATE)
    return SoundMark(chance < CHANCE, strength, chance)


def mark_in_file(path: Path) -> SoundMark:
    """Look for the mark in the sound of a file. Raises InputError where it has none that can be read."""
    from digitalme.audio.files import read_voice

    voice = read_voice(path)
    return detect_sound(voice.samples, voice.rate)


def damage_db(
    samples: Float32[np.ndarray, "n"], marked: Float32[np.ndarray, "n"], rate: int
) -> tuple[float, float, float]:
    """(SNR, mean segmental SNR over 20 ms, mean log-spectral difference where there is voice), each in dB."""
    noise = marked - samples
    snr = 10 * np.log10(np.sum(samples**2) / max(float(np.sum(noise**2)), 1e-12))
    size = rate // 50
    count = len(samples) // size * size
    power = [np.square(x[:count].astype(np.float64)).reshape(-1, size).mean(1) for x in (samples, noise)]
    voiced = power[0] > power[0].max() * 1e-4
    segmental = 10 * np.log10(power[0][voiced] / np.maximum(power[1][voiced], 1e-14))
    a, b = (np.abs(_cells(x, rate)) for x in (samples, marked))
    loud = a > a.max() * 10 ** (FLOOR_DB / 20)
    difference = 20 * np.abs(np.log10(np.maximum(b[loud], 1e-12) / a[loud]))
    return float(snr), float(np.clip(segmental, -10, 35).mean()), float(difference.mean())


def check_file(path: Path) -> SoundMark | None:
    """The mark in a file's sound; None where it has no voice to look at."""
    try:
        return mark_in_file(path)
    except InputError:
        return None

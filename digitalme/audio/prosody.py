"""How speech sounds over time: level, pitch and voicing on a 100 Hz grid."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

GRID = 100
"""Frames a second; frame i is centred at (i + 0.5) / GRID seconds."""
LOWEST_HZ, HIGHEST_HZ = 60.0, 450.0

Frames = Float32[np.ndarray, "frames"]


def _windows(samples: np.ndarray, size: int, hop: int, count: int) -> np.ndarray:
    """(count, size) windows centred on the grid; zeros beyond the ends."""
    before = size // 2 - hop // 2
    padded = np.pad(samples, (before, size + hop * count))
    return np.lib.stride_tricks.sliding_window_view(padded, size)[: hop * count : hop]


def level_db(samples: Float32[np.ndarray, "n"], rate: int) -> Frames:
    """RMS of 25 ms Hann windows, dBFS (a full-scale square wave is 0), floored at -100."""
    hop, size = rate // GRID, rate // 40
    count = max(1, round(len(samples) / hop))
    window = np.hanning(size).astype(np.float32)
    windows = _windows(np.asarray(samples, np.float32), size, hop, count)
    power = (windows**2 @ window) / window.sum()
    return (10 * np.log10(np.maximum(power, 1e-10))).astype(np.float32)


def pitch(samples: Float32[np.ndarray, "n"], rate: int) -> tuple[Frames, Frames]:
    """(pitch in Hz, 0 where unvoiced; probability of voicing) by YIN on 16 kHz sound.

    The cumulative-mean-normalised difference of de Cheveigné and Kawahara 2002 (eq. 8) for each frame, with the lag
    chosen over the clip by a Viterbi pass that dislikes jumps (as in Mauch and Dixon's pYIN, 2014).
    """
    hop = rate // GRID
    count = max(1, round(len(samples) / hop))
    shortest, longest = int(rate / HIGHEST_HZ), int(rate / LOWEST_HZ)
    size = 3 * longest
    windows = _windows(np.asarray(samples, np.float32), size, hop, count)
    lags = np.arange(longest + 2)
    width = size - len(lags)
    difference = np.empty((count, len(lags)))
    for start in range(0, count, 2000):  # blocks keep memory small
        block = windows[start : start + 2000].astype(np.float64)
        power = np.cumsum(np.pad(block**2, ((0, 0), (1, 0))), 1)
        spectrum = np.fft.rfft(block, 2 * size)
        head = np.fft.rfft(block[:, :width], 2 * size)
        product = np.fft.irfft(spectrum * head.conj(), 2 * size)[:, : len(lags)]
        energy = power[:, lags + width] - power[:, lags]
        difference[start : start + 2000] = np.maximum(energy[:, :1] + energy - 2 * product, 0)
    running = np.cumsum(difference[:, 1:], 1) / np.arange(1, len(lags))
    normal = np.ones_like(difference)
    normal[:, 1:] = difference[:, 1:] / np.maximum(running, 1e-12)

    inner = normal[:, shortest:-1]
    dips = (inner <= normal[:, shortest - 1 : -2]) & (inner < normal[:, shortest + 1 :])
    depth = np.where(dips, inner, np.inf)
    best = np.argsort(depth, 1)[:, :6]
    cost = np.take_along_axis(depth, best, 1)
    lag = best + shortest
    cost = np.where(np.isfinite(cost), cost + 0.0006 * lag, 10.0)
    cost[:, 0] = np.minimum(cost[:, 0], 10.0)
    chosen = _smoothest(cost, np.log2(lag))
    rows = np.arange(count)
    lag = lag[rows, chosen]
    left, middle, right = normal[rows, lag - 1], normal[rows, lag], normal[rows, lag + 1]
    bend = left - 2 * middle + right
    shift = np.where(bend > 1e-9, np.clip(0.5 * (left - right) / np.maximum(bend, 1e-9), -0.5, 0.5), 0)
    level = level_db(samples, rate)
    heard = np.clip((level - max(np.percentile(level, 95) - 40, -70)) / 6, 0, 1)
    voiced = heard / (1 + np.exp(25 * (np.minimum(middle, 1) - 0.42)))
    hertz = np.where(voiced > 0.5, rate / (lag + shift), 0)
    return hertz.astype(np.float32), voiced.astype(np.float32)


def _smoothest(cost: np.ndarray, octave: np.ndarray) -> np.ndarray:
    """Index (frames,) of the cheapest path through candidates (frames, k), where a jump costs 2 an octave."""
    total, back = cost[0].copy(), np.zeros(cost.shape, np.int64)
    for frame in range(1, len(cost)):
        step = total[None, :] + 2.0 * np.abs(octave[frame][:, None] - octave[frame - 1][None, :])
        back[frame] = step.argmin(1)
        total = step[np.arange(cost.shape[1]), back[frame]] + cost[frame]
    path = np.empty(len(cost), np.int64)
    path[-1] = total.argmin()
    for frame in range(len(cost) - 1, 0, -1):
        path[frame - 1] = back[frame, path[frame]]
    return path

"""A face's motion made clean: what the actor looks like at rest taken off, jitter out, brought to an even rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32

QUICK = ("eyeBlink", "eyeLook", "eyeWide", "eyeSquint")
"""What moves fastest: a lid is down in 90 ms."""
WINDOW = {"quick": 0.10, "mouth": 0.13, "slow": 0.25}
"""Seconds of the smoothing windows: lids and eyes; mouth; brows, cheeks, head."""

Weights = Float32[np.ndarray, "frames actions"]
Head = Float32[np.ndarray, "frames 3"]


def calibrated(
    names: Sequence[str], weights: Weights, head: Head, seen: Bool[np.ndarray, "frames"]
) -> tuple[Weights, Head]:
    """Each weight counted from its own rest, and the head from its usual pose. A head that looks about at the camera
    (within 5 to 10 degrees) keeps its own yaw and roll; its pitch hangs on the camera's height.

    Rest is the 5th percentile of a weight, at most 0.15: a person may well smile through a whole clip.
    """
    rest = np.minimum(np.percentile(weights[seen], 5, axis=0), 0.15)
    free = (weights - rest) / (1 - rest)
    usual = np.median(head[seen], axis=0)
    aside = np.clip((np.abs(np.degrees(usual)) - 5) / 5, 0, 1)
    aside[0] = 1
    return np.clip(free, 0, 1).astype(np.float32), (head - aside * usual).astype(np.float32)


def smoothed(
    names: Sequence[str], weights: Weights, head: Head, times: Float[np.ndarray, "frames"], amount: float = 1.0
) -> tuple[Weights, Head]:
    """Zero-phase smoothing by quadratic Savitzky-Golay filters, which keep peaks; on the pictures' own grid."""
    if amount <= 0 or len(times) < 5:
        return weights, head
    step = float(np.median(np.diff(times)))
    smooth = weights.copy()
    for a, name in enumerate(names):
        kind = "quick" if name.startswith(QUICK) else "mouth" if name.startswith(("jaw", "mouth", "tongue")) else "slow"
        smooth[:, a] = _savgol(weights[:, a], amount * WINDOW[kind] / step)
    turned = np.stack([_savgol(head[:, axis], amount * WINDOW["slow"] / step) for axis in range(3)], 1)
    return np.clip(smooth, 0, 1).astype(np.float32), turned.astype(np.float32)


def _savgol(curve: np.ndarray, frames: float) -> np.ndarray:
    from scipy.signal import savgol_filter

    window = 2 * round(frames / 2) + 1
    window = min(window, len(curve) // 2 * 2 - 1)
    return savgol_filter(curve, window, 2, mode="nearest") if window >= 5 else _three(curve) if window == 3 else curve


def _three(curve: np.ndarray) -> np.ndarray:
    """A light blur over three frames, for slow videos."""
    ends = np.r_[curve[:1], curve, curve[-1:]]
    return 0.2 * ends[:-2] + 0.6 * ends[1:-1] + 0.2 * ends[2:]


def resampled(
    weights: Weights, head: Head, times: Float[np.ndarray, "frames"], rate: float
) -> tuple[Float32[np.ndarray, "even actions"], Float32[np.ndarray, "even 3"]]:
    """At `rate` frames a second from second 0, by monotone cubics (Fritsch and Carlson 1980)."""
    from scipy.interpolate import PchipInterpolator

    step = float(np.median(np.diff(times)))
    count = max(2, round((float(times[-1]) + step) * rate))
    at = np.clip(np.arange(count) / rate, times[0], times[-1])
    both = PchipInterpolator(times, np.c_[weights, head], axis=0)(at).astype(np.float32)
    return np.clip(both[:, :-3], 0, 1), both[:, -3:]

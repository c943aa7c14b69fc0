"""How well a finished video's mouth follows its own sound, measured on its frames by the landmark detector."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from digitalme.artifacts import Speech, Voice
from digitalme.artifacts.scorecard import Score
from digitalme.audio.prosody import level_db
from digitalme.imaging.face_detection import face_landmarks
from digitalme.metrics.lips import audio_mouth_lag, closure_rate, envelope, mouth_energy_correlation, shuffled

WIDEST = 384
"""Frames are made this small before the detector looks; it works on 192 pixels anyway."""


def mouth_opening(frames: Iterable[UInt8[np.ndarray, "h w 3"]]) -> Float[np.ndarray, "frames"]:
    """Gap of the inner lips over the distance of the outer eye corners, frame by frame; NaN where no face is found."""
    gaps = []
    for frame in frames:
        factor = min(1.0, WIDEST / max(frame.shape[:2]))
        small = cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) if factor < 1 else frame
        marks = face_landmarks(small)
        if marks is None:
            gaps.append(np.nan)
            continue
        span = np.linalg.norm(marks[33, :2] - marks[263, :2])
        pairs = np.linalg.norm(marks[[13, 82, 312], :2] - marks[[14, 87, 317], :2], axis=1)
        gaps.append(float(pairs.mean() / span))
    return np.array(gaps)


def talking_scores(
    opening: Float[np.ndarray, "frames"], fps: float, voice: Voice, speech: Speech | None
) -> list[Score]:
    """Lag, closure and correlation of the mouth with the video's own sound, each beside controls that must fail."""
    seen = np.isfinite(opening)
    if seen.mean() < 0.5 or len(opening) < 2 * fps:
        note = "less than 2 s of video with a face in it"
        return [Score("audio_mouth_lag", None, "frames", "-1 .. 1", {}, note)]
    opening = np.interp(np.arange(len(opening)), np.flatnonzero(seen), opening[seen])
    opening = opening - np.percentile(opening, 2)
    level = level_db(voice.samples, voice.rate)
    late = np.concatenate([np.full(20, level.min(), level.dtype), level])  # the sound 200 ms later, on its 100 Hz grid
    loudness, loud_late = envelope(level, fps, len(opening)), envelope(late, fps, len(opening))
    lag, _ = audio_mouth_lag(opening, loudness, fps)
    lag_late, _ = audio_mouth_lag(opening, loud_late, fps)
    mixed = shuffled(opening, fps)
    scores = [
        Score("audio_mouth_lag", lag * fps, "frames", "-1 .. 1", {"sound 200 ms late": lag_late * fps},
              "positive: the mouth comes after the sound"),
        Score("mouth_energy_correlation", mouth_energy_correlation(opening, loudness), "", ">= 0.4",
              {"mouth shuffled": mouth_energy_correlation(mixed, loudness)}),
    ]  # fmt: skip
    phones = speech.phones if speech is not None else ()
    rate = closure_rate(opening, fps, phones) if phones else np.nan
    if np.isfinite(rate):
        controls = {"mouth shuffled": closure_rate(mixed, fps, phones)}
        scores.append(Score("bilabial_closure", rate, "", ">= 0.9", controls, "share of p, b, m with the lips shut"))
    else:
        scores.append(Score("bilabial_closure", None, "", ">= 0.9", {}, "no p, b or m is said"))
    return [*scores, Score("face_found", float(seen.mean()), "of frames", ">= 0.98", {})]

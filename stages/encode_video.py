"""encode_video: a video of a face becomes a performance: the 52 weights, head pose and gaze of each picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from digitalme.artifacts import Footage, Performance
from digitalme.artifacts.performance import check_rate
from digitalme.errors import InputError
from digitalme.events import note, progress
from digitalme.geometry.face_motion import Reading, face_motion, seen_actions
from digitalme.geometry.motion_filter import calibrated, resampled, smoothed
from digitalme.imaging.face_reader import FEATURES, face_reader, resting_features
from digitalme.imaging.face_tracking import FACE_SIZE, face_crop, follow_face
from digitalme.imaging.video import timed_pictures


@dataclass(frozen=True)
class EncodeVideoConfig:
    """What is taken from the video, and how it is made smooth."""

    rate: float = 60.0
    """Frames per second of the curves."""
    face: int = 0
    """Which face to follow where several are seen, counted from 1 at the left in the first picture. 0: the largest."""
    smoothing: float = 1.0
    """How much jitter is taken out: 0 leaves every picture as it was seen."""
    expression: float = 1.0
    """Size of the face's movement."""
    gaze: float = 1.0
    """Size of the eyes' movement."""
    head_motion: float = 1.0
    """Size of the head's movement; 0 keeps the photo's pose."""
    calibrate: bool = True
    """Take the face's and head's usual state in the video for rest, so that nothing of the actor's looks is left."""
    reader: float = 1.0
    """How much the face reader counts beside the landmarks; 0: landmarks alone."""
    skin: float = 1.0
    """How much the skin's movement since the resting picture counts beside them; 0: not at all."""
    seconds_max: float = 600.0
    """A longer video is refused."""


def encode_video(footage: Footage, config: EncodeVideoConfig = EncodeVideoConfig()) -> Performance:
    """Follow the face. Raises InputError where the video cannot be read or shows no face.

    Pictures without a face are bridged, and told in the stage's notes as (start, end) in seconds.
    """
    check_rate(config.rate, "encode_video.rate")
    times: list[float] = []
    size = [0, 0]
    total = 0
    crop_from: list[np.ndarray] = []

    def pictures():
        nonlocal total
        for seconds, count, picture in timed_pictures(footage.path, config.seconds_max):
            times.append(seconds)
            size[:] = picture.shape[1], picture.shape[0]
            total = max(count, len(times))
            crop_from[:] = [picture]
            yield picture

    track, shown = [], []
    faces: list[UInt8[np.ndarray, "144 128"]] = []
    reader = face_reader()
    for found in follow_face(pictures(), config.face):
        track.append(found)
        if found is None:
            shown.append(np.full(FEATURES, np.nan, np.float32))
            faces.append(np.zeros(FACE_SIZE[::-1], np.uint8))
        else:
            face = face_crop(crop_from[0], found)
            shown.append(reader.features(face[None])[0])
            faces.append(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY))
        progress(0.7 * len(track), total)
    seen = np.array([found is not None for found in track], bool)
    if seen.sum() < max(2, 0.02 * len(track)):
        raise InputError(
            f"{footage.name}: no face found in {len(track)} pictures; expected a video of one face, seen from the front"
        )
    reading = read_actions(np.array(shown), config.reader) if config.reader > 0 else None
    motion = face_motion(
        track, size[0], size[1], reading, lambda done, of: progress((0.7 + 0.3 * done / of) * total, total),
        faces if config.skin > 0 else None, config.skin,
    )  # fmt: skip
    lost = gaps(times, motion.seen)
    note(
        pictures=len(track), lost=int((~motion.seen).sum()), gaps=lost,
        miss_mm=round(float(np.nanmedian(motion.miss_mm)), 3),
    )  # fmt: skip
    weights, head = motion.weights, motion.head
    if config.calibrate:
        weights, head = calibrated(motion.names, weights, head, motion.seen)
    weights, head = smoothed(motion.names, weights, head, np.array(times), config.smoothing)
    weights, head = resampled(weights, head, np.array(times), config.rate)
    curves = {}
    for name, curve in zip(motion.names, weights.T, strict=True):
        gain = config.gaze if name.startswith("eyeLook") else config.expression
        curves[name] = np.clip(gain * curve, 0, 1).astype(np.float32)
    return Performance(config.rate, curves, (config.head_motion * head).astype(np.float32), {})


def read_actions(features: Float32[np.ndarray, "frames 128"], trust: float) -> Reading:
    """What the face reader tells of each picture, against the pictures in which the face does least."""
    reader = face_reader()
    seen = np.isfinite(features[:, 0])
    told = reader.weights(features[seen], resting_features(reader, features[seen]))
    order = [reader.names.index(name) for name in seen_actions().names]
    weights = np.full((len(features), len(order)), np.nan)
    weights[seen] = told[:, order]
    return Reading(weights, np.maximum(reader.deviation[order], 0.02) / trust)


def gaps(times: list[float], seen: np.ndarray) -> list[tuple[float, float]]:
    """(first, last) second of each stretch without a face."""
    missing = np.flatnonzero(~seen)
    if not len(missing):
        return []
    runs = np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1)
    return [(round(times[run[0]], 3), round(times[run[-1]], 3)) for run in runs]

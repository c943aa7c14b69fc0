"""pick_frames: a video of a turning head to an Album of its best frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from digitalme.artifacts import Album, Footage
from digitalme.errors import InputError
from digitalme.events import progress
from digitalme.imaging.portraits import EncodePhotoConfig, portrait_of
from digitalme.imaging.turns import blurred, longest_take, looked_through, spread_over
from digitalme.imaging.video import pictures_at
from digitalme.metrics.people import Candidate, gathered

LENS = 0.95
"""Focal length of cameras that film, in widths of the picture: webcams 0.8 to 1, telephones 0.75 to 1.1. No file tells
it, and the fit finds it only to some 15 %."""


@dataclass(frozen=True)
class PickFramesConfig:
    """How many frames, and at what size."""

    frames: int = 11
    """So many frames at most, spread over the turn."""
    face_px_max: int = 420
    """A larger face is reduced to this height in pixels."""


def pick_frames(turn: Footage, config: PickFramesConfig = PickFramesConfig()) -> Album:
    """Pick sharp frames that cover the turn. Raises InputError where no frame shows a face."""
    looks = looked_through(turn.path)
    left_out: list[tuple[str, str]] = []
    take = longest_take(looks)
    seen = [look for look in looks if look.landmarks is not None and look.take == take]
    if not seen:
        raise InputError(f"{turn.name}: no face found in any frame; expected a video of one head, well lit")
    others = sum(look.landmarks is not None for look in looks) - len(seen)
    if others:
        cuts = len({look.take for look in looks}) - 1
        left_out.append((turn.name, f"is cut {cuts} times: {others} looks outside the longest take are left out"))
    hidden = sum(look.landmarks is None and look.take == take for look in looks)
    if hidden:
        left_out.append((turn.name, f"shows no face in {hidden} of {len(looks)} looks"))
    soft = blurred(seen)
    if any(soft):
        left_out.append((turn.name, f"is blurred by motion in {sum(soft)} of {len(seen)} looks"))
    sharp = [look for look, is_soft in zip(seen, soft, strict=True) if not is_soft]
    yaws = np.array([look.yaw for look in sharp])
    worth = np.array([look.sharpness for look in sharp])
    places = spread_over(yaws, worth / worth.max(), config.frames)
    times = sorted(sharp[place].seconds for place in places)

    found: list[Candidate] = []
    size = EncodePhotoConfig(face_px_max=config.face_px_max)
    for done, (when, image) in enumerate(pictures_at(turn.path, times)):
        progress(len(times) + done, 2 * len(times))
        name = f"{turn.name} at {when:.2f} s"
        try:
            portrait = portrait_of(image, LENS * max(image.shape[:2]), name, size)
        except InputError as error:
            left_out.append((name, str(error).removeprefix(f"{name}: ")))
            continue
        height, width = image.shape[:2]
        found.append(Candidate.of(name, portrait, (width / 2, height / 2)))
    if not found:
        raise InputError(f"{turn.name}: none of the frames can be used; expected a video of one head, well lit")
    return gathered(found, left_out)

"""Portrait, likeness, avatar and performance become frames, in one of three looks."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8

from digitalme.artifacts import Avatar, Frames, Likeness, Performance, Portrait
from digitalme.errors import InputError
from digitalme.events import note, progress, scratch
from digitalme.imaging.video import LosslessWriter

Picture = UInt8[np.ndarray, "size size 3"]


@dataclass(frozen=True)
class RenderConfig:
    """What the video looks like."""

    look: Literal["photo", "studio", "moe"] = "photo"
    """photo: the portrait itself, animated. studio: the 3D avatar in soft light. moe: the 3D avatar as a cartoon."""
    size: int = 512
    """Side of the square picture in pixels; even, 128 to 2048."""
    fps: float = 25.0
    """Frames per second."""
    aperture: float = 1.0
    """Studio look: how soft shoulders and the back of the hair are against the eyes; 0 is sharp all over."""


def render(
    portrait: Portrait, likeness: Likeness, avatar: Avatar, performance: Performance, config: RenderConfig
) -> Frames:
    """Draw the performance. Frame i shows time i / fps; the last one covers the performance's end."""
    if not (128 <= config.size <= 2048 and config.size % 2 == 0):
        raise InputError(f"render.size is {config.size}; expected an even number of pixels from 128 to 2048")
    if not 1 <= config.fps <= 120:
        raise InputError(f"render.fps is {config.fps:g}; expected 1 to 120 frames a second")
    started = time.perf_counter()
    if config.look == "photo":
        draw, workers = _photo_artist(portrait, likeness, performance, config.size)
    else:
        draw, workers = _avatar_artist(avatar, performance, config)
    ready = time.perf_counter()
    count = frame_count(performance.seconds, config.fps)
    path = scratch() / "frames.mkv"
    with LosslessWriter(path, config.fps, config.size, config.size) as writer:
        for picture in _drawn_ahead(draw, [i / config.fps for i in range(count)], workers):
            writer.write(picture)
            progress(writer.count, count)
    note(set_up_seconds=ready - started, frames_seconds=time.perf_counter() - ready)
    return Frames(path, config.fps, count, config.size, config.size)


def frame_count(seconds: float, fps: float) -> int:
    """Frames that cover a duration: its ceiling, and never none."""
    return max(1, int(np.ceil(round(seconds * fps, 6))))


def speaking(performance: Performance) -> Float32[np.ndarray, "frames"]:
    """0 in silence, 1 while the mouth talks and in pauses of up to a second, with soft flanks."""
    from scipy.ndimage import binary_closing, gaussian_filter1d, maximum_filter1d

    active = maximum_filter1d(_talks(performance).astype(float), 1 + 2 * round(0.15 * performance.rate)) > 0
    pad = round(0.5 * performance.rate)
    active = binary_closing(np.pad(active, pad), np.ones(2 * pad + 1))[pad : pad + len(active)] | active
    soft = gaussian_filter1d(active.astype(float), 0.16 * performance.rate, mode="nearest")
    return np.clip(soft, 0, 1).astype(np.float32)


def _talks(performance: Performance) -> np.ndarray:
    if "sil" in performance.visemes:
        return np.asarray(1 - performance.visemes["sil"]) > 0.15
    return performance.curves.get("jawOpen", np.zeros(performance.frames)) > 0.15


def resting(performance: Performance) -> Float32[np.ndarray, "frames"]:
    """0 while the mouth talks, up to 1 in the pauses: then lips that a photo shows apart come together."""
    from scipy.ndimage import gaussian_filter1d

    still = gaussian_filter1d((~_talks(performance)).astype(float), 0.05 * performance.rate, mode="nearest")
    return (np.clip(still, 0, 1) * speaking(performance)).astype(np.float32)


def _photo_artist(
    portrait: Portrait, likeness: Likeness, performance: Performance, size: int
) -> tuple[Callable[[float], Picture], int]:
    """A function from time to picture for the photo look, and how many threads may call it."""
    from digitalme.rendering.puppet import PhotoPuppet

    puppet = PhotoPuppet(portrait, likeness, size)
    level, rest = speaking(performance), resting(performance)
    grid = np.arange(performance.frames) / performance.rate

    def draw(seconds: float) -> Picture:
        weights, head = performance.at(seconds)
        speaks, rests = (float(np.interp(seconds, grid, curve)) for curve in (level, rest))
        return puppet.frame(weights, head, speaks, rests)

    return draw, min(4, os.cpu_count() or 1)


def _avatar_artist(
    avatar: Avatar, performance: Performance, config: RenderConfig
) -> tuple[Callable[[float], Picture], int]:
    """The same for the looks of the 3D avatar. Their renderer uses all cores for one picture."""
    from digitalme.rendering.studio import Studio, portrait_camera

    studio = Studio(avatar, config.look)
    camera = portrait_camera(avatar, width=config.size, height=config.size)

    def draw(seconds: float) -> Picture:
        weights, head = performance.at(seconds)
        turn = tuple(float(angle) for angle in head)
        return studio.picture(camera, weights, turn, aperture=config.aperture if config.look == "studio" else 0.0)

    return draw, 1


def _drawn_ahead(draw: Callable[[float], Picture], times: list[float], workers: int) -> Iterator[Picture]:
    """Pictures in order, drawn by several threads that stay only a few pictures ahead of who takes them."""
    if workers == 1:
        yield from map(draw, times)
        return
    with ThreadPoolExecutor(workers, "frames") as pool:
        waiting: deque[Future] = deque()
        for seconds in times:
            waiting.append(pool.submit(draw, seconds))
            if len(waiting) > 3 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

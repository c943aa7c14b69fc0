"""Frames and voice become the talking-head MP4."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np

from digitalme.artifacts import Frames, Video, Voice
from digitalme.events import progress, scratch
from digitalme.imaging.video import encode_mp4, read_video


@dataclass(frozen=True)
class FinishConfig:
    """How the MP4 is compressed."""

    crf: int = 18
    """x264's quality: 0 is lossless, 18 looks lossless, 23 is x264's default."""
    preset: str = "veryfast"
    """x264's speed: ultrafast, veryfast, medium, slow."""


def finish(frames: Frames, voice: Voice, config: FinishConfig) -> Video:
    """Encode frames and voice as H.264 + AAC, both from time 0; the pictures end within one frame of the sound."""
    path = scratch() / "talking_head.mp4"

    wanted = max(1, int(np.ceil(round(voice.seconds * frames.fps, 6))))

    def pictures():
        # the curves' grid may end a frame before or after the voice: the last picture stays, or the surplus goes
        shown = chain(read_video(frames.path), repeat(None))
        last = None
        for done in range(1, wanted + 1):
            last = picture if (picture := next(shown)) is not None else last
            yield last
            progress(done, wanted)

    size = (frames.width, frames.height)
    count = encode_mp4(path, pictures(), frames.fps, size, voice.samples, voice.rate, config.crf, config.preset)
    return Video(path, frames.fps, count / frames.fps)

"""Frames and voice become the talking-head MP4."""

from __future__ import annotations

from dataclasses import dataclass

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

    def pictures():
        for done, picture in enumerate(read_video(frames.path), 1):
            yield picture
            progress(done, frames.count)

    size = (frames.width, frames.height)
    count = encode_mp4(path, pictures(), frames.fps, size, voice.samples, voice.rate, config.crf, config.preset)
    return Video(path, frames.fps, count / frames.fps)

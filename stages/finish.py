"""Frames and voice become the talking-head MP4."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts import Frames, Video, Voice
from digitalme.events import progress, scratch
from digitalme.imaging.video import encode_mp4, read_video
from digitalme.trust.watermark import apply_layer, mark_layer


@dataclass(frozen=True)
class FinishConfig:
    """How the MP4 is compressed."""

    crf: int = 18
    """x264's quality: 0 is lossless, 18 looks lossless, 23 is x264's default."""
    watermark: bool = True
    """Mark every frame, invisibly, as made by digitalme; `digitalme verify` reads it."""
    preset: str = "veryfast"
    """x264's speed: ultrafast, veryfast, medium, slow."""


def payload_of(picture: UInt8[np.ndarray, "h w 3"], voice: Voice) -> int:
    """32 bits that tell this video from others: of the digest of its first picture and its voice."""
    return int.from_bytes(hashlib.sha256(picture.tobytes() + voice.samples.tobytes()).digest()[:4])


def finish(frames: Frames, voice: Voice, config: FinishConfig) -> Video:
    """Encode frames and voice as H.264 + AAC, both from time 0; the pictures end within one frame of the sound."""
    path = scratch() / "talking_head.mp4"

    wanted = max(1, int(np.ceil(round(voice.seconds * frames.fps, 6))))

    def pictures():
        # the curves' grid may end a frame before or after the voice: the last picture stays, or the surplus goes
        shown = chain(read_video(frames.path), repeat(None))
        last = layer = None
        for done in range(1, wanted + 1):
            if (picture := next(shown)) is not None:
                if config.watermark:
                    layer = mark_layer(picture, payload_of(picture, voice)) if layer is None else layer
                    picture = apply_layer(picture, layer)
                last = picture
            yield last
            progress(done, wanted)

    size = (frames.width, frames.height)
    count = encode_mp4(path, pictures(), frames.fps, size, voice.samples, voice.rate, config.crf, config.preset)
    return Video(path, frames.fps, count / frames.fps)

"""Frames: rendered pictures, losslessly. Video: the finished MP4."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts.files import read_json, write_json


@dataclass(frozen=True)
class Frames:
    """Rendered frames in one lossless video file (H.264 RGB, qp 0), which any player opens.

    `path` is where the renderer wrote it; saving moves the file into the store.
    """

    path: Path
    fps: float
    count: int
    width: int
    height: int

    def save(self, folder: Path) -> None:
        target = folder / "frames.mkv"
        if self.path != target:
            shutil.move(self.path, target)
        about = {"fps": self.fps, "count": self.count, "width": self.width, "height": self.height}
        write_json(folder / "frames.json", about)

    @classmethod
    def load(cls, folder: Path) -> Frames:
        return cls(folder / "frames.mkv", **read_json(folder / "frames.json"))

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        """A contact strip of 12 frames."""
        from digitalme.imaging.video import contact_strip  # imaging stands above artifacts

        return contact_strip(self.path)


@dataclass(frozen=True)
class Video:
    """The finished talking-head MP4 (H.264 + AAC)."""

    path: Path
    fps: float
    seconds: float

    def save(self, folder: Path) -> None:
        target = folder / "talking_head.mp4"
        if self.path != target:
            shutil.move(self.path, target)
        write_json(folder / "video.json", {"fps": self.fps, "seconds": self.seconds})

    @classmethod
    def load(cls, folder: Path) -> Video:
        return cls(folder / "talking_head.mp4", **read_json(folder / "video.json"))

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        """A contact strip of 12 frames."""
        from digitalme.imaging.video import contact_strip  # imaging stands above artifacts

        return contact_strip(self.path)

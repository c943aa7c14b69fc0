"""Photos: several pictures of one person as given. Album: what was found in them, the best picture first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts.files import read_json, write_json
from digitalme.artifacts.portrait import Photo, Portrait


@dataclass(frozen=True)
class Photos:
    """Picture files as the user gave them."""

    pictures: tuple[Photo, ...]

    def save(self, folder: Path) -> None:
        for place, photo in enumerate(self.pictures):
            (folder / f"{place:02d}").mkdir()
            photo.save(folder / f"{place:02d}")

    @classmethod
    def load(cls, folder: Path) -> Photos:
        return cls(tuple(Photo.load(each) for each in sorted(folder.iterdir()) if each.is_dir()))

    def preview(self) -> UInt8[np.ndarray, "h w 3"] | None:
        return None  # the album shows them


@dataclass(frozen=True)
class Shown:
    """Where a portrait comes from, and where its lens pointed."""

    name: str
    """The file, or the file and the time in seconds."""
    center_px: tuple[float, float]
    """The middle of the whole picture, in pixels of the portrait."""


@dataclass(frozen=True)
class Album:
    """Portraits of one person, the one to start from first, and what was left out."""

    portraits: tuple[Portrait, ...]
    shown: tuple[Shown, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    """(which picture, why)."""

    def save(self, folder: Path) -> None:
        for place, portrait in enumerate(self.portraits):
            (folder / f"{place:02d}").mkdir()
            portrait.save(folder / f"{place:02d}")
        about = {"shown": [asdict(each) for each in self.shown], "left_out": [list(each) for each in self.left_out]}
        write_json(folder / "album.json", about)

    @classmethod
    def load(cls, folder: Path) -> Album:
        about = read_json(folder / "album.json")
        shown = tuple(Shown(each["name"], (each["center_px"][0], each["center_px"][1])) for each in about["shown"])
        portraits = tuple(Portrait.load(folder / f"{place:02d}") for place in range(len(shown)))
        return cls(portraits, shown, tuple((name, why) for name, why in about["left_out"]))

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        """The portraits side by side, 240 pixels high."""
        small = [
            cv2.resize(p.image, (240 * p.image.shape[1] // p.image.shape[0], 240), interpolation=cv2.INTER_AREA)
            for p in self.portraits
        ]
        return np.concatenate(small, 1)

"""Footage: a video of a face that the user gave, as it is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts.files import read_json, write_json


@dataclass(frozen=True)
class Footage:
    """A video file; saving copies it into the store."""

    path: Path
    name: str
    """What the user calls it; for messages."""

    def save(self, folder: Path) -> None:
        file = f"footage{self.path.suffix.lower()}"
        if self.path != folder / file:
            shutil.copyfile(self.path, folder / file)
        write_json(folder / "footage.json", {"name": self.name, "file": file})

    @classmethod
    def load(cls, folder: Path) -> Footage:
        about = read_json(folder / "footage.json")
        return cls(folder / Path(about["file"]).name, about["name"])

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        """A contact strip of 12 frames."""
        from digitalme.imaging.video import contact_strip  # imaging stands above artifacts

        return contact_strip(self.path)

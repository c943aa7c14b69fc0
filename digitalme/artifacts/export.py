"""Exports: the files that other programs load."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8


@dataclass(frozen=True)
class Exports:
    """Exported files by name (avatar.glb, avatar.vrm, ...). Saving moves them into the store."""

    files: dict[str, Path]

    def save(self, folder: Path) -> None:
        for name, path in self.files.items():
            if path != folder / name:
                shutil.move(path, folder / name)

    @classmethod
    def load(cls, folder: Path) -> Exports:
        return cls({path.name: path for path in sorted(folder.iterdir()) if path.name != "artifact.json"})

    def preview(self) -> UInt8[np.ndarray, "h w 3"] | None:
        return None  # the avatar's preview shows it

"""Radiance: a trained radiance field of a head, what it scores on pictures that it never saw, and a turntable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts.files import read_json, read_png, write_json, write_png


@dataclass(frozen=True)
class HeldOut:
    """One picture that training did not see."""

    name: str
    psnr: float
    """dB where the mask shows the head."""
    control: float
    """The same for the head's mean colour."""


@dataclass(frozen=True)
class Radiance:
    """Weights by name, scores, and pictures of a turntable side by side."""

    weights: dict[str, np.ndarray]
    held_out: tuple[HeldOut, ...]
    turntable: UInt8[np.ndarray, "h w 3"]

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        save_file(
            {name: np.ascontiguousarray(value) for name, value in self.weights.items()}, folder / "field.safetensors"
        )
        write_json(folder / "radiance.json", {"held_out": [asdict(each) for each in self.held_out]})
        write_png(folder / "turntable.png", self.turntable)

    @classmethod
    def load(cls, folder: Path) -> Radiance:
        from safetensors.numpy import load_file

        about = read_json(folder / "radiance.json")
        held_out = tuple(HeldOut(**each) for each in about["held_out"])
        return cls(load_file(folder / "field.safetensors"), held_out, read_png(folder / "turntable.png"))

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        """The turntable."""
        return self.turntable

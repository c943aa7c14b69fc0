"""Performance: what the face and head do over time. The JSON is meant to be edited by people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from digitalme.artifacts.files import read_json, write_json
from digitalme.errors import InputError


def check_rate(rate: float, knob: str) -> None:
    """Raises InputError where no curves can be made at so many frames a second."""
    if not 10 <= rate <= 240:
        raise InputError(f"{knob} is {rate:g}; expected 10 to 240 frames a second")


@dataclass(frozen=True)
class Performance:
    """Curves on one time grid: frame i is at i / rate seconds."""

    rate: float
    """Frames per second; 60 by default."""
    curves: dict[str, Float32[np.ndarray, "frames"]]
    """ARKit action name to weight 0..1 (gaze lives in the eyeLook curves). Missing names are 0."""
    head: Float32[np.ndarray, "frames 3"]
    """(pitch, yaw, roll) radians relative to the photo's pose."""
    visemes: dict[str, Float32[np.ndarray, "frames"]]
    """The 15 Oculus visemes (sil PP FF TH DD kk CH SS nn RR aa E I O U), 0..1: the same speech for other rigs."""

    @property
    def frames(self) -> int:
        return len(self.head)

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    def at(self, seconds: float) -> tuple[dict[str, float], np.ndarray]:
        """Action weights and head rotation (3,) at a time, linearly interpolated, held at the ends."""
        position = np.clip(seconds * self.rate, 0, self.frames - 1)
        low = int(position)
        high, part = min(low + 1, self.frames - 1), position - low
        curves = {name: float(c[low] * (1 - part) + c[high] * part) for name, c in self.curves.items()}
        return curves, self.head[low] * (1 - part) + self.head[high] * part

    def save(self, folder: Path) -> None:
        self.write(folder / "performance.json")

    def write(self, path: Path) -> None:
        """Write the documented JSON (docs/performance.md)."""
        about = {"format": "digitalme.performance/1", "rate": self.rate, "frames": self.frames}
        about |= {"head": {axis: self.head[:, i] for i, axis in enumerate(("pitch", "yaw", "roll"))}}
        write_json(path, {**about, "curves": self.curves, "visemes": self.visemes})

    @classmethod
    def load(cls, folder: Path) -> Performance:
        return cls.read(folder / "performance.json")

    @classmethod
    def read(cls, path: Path) -> Performance:
        """Read a performance.json, edited or not. Raises InputError where a curve's length or a number is wrong."""
        about = read_json(path)
        try:
            frames = int(about["frames"])
            head = np.stack([np.array(about["head"][axis], np.float32) for axis in ("pitch", "yaw", "roll")], -1)
            tables = {
                kind: {name: np.array(curve, np.float32) for name, curve in about[kind].items()}
                for kind in ("curves", "visemes")
            }
            rate = float(about["rate"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f"{path}: not a performance.json ({error}); see docs/performance.md") from None
        named = {"head": head[:, 0] if head.ndim == 2 else head, **tables["curves"], **tables["visemes"]}
        for name, curve in named.items():
            if curve.shape != (frames,):
                raise InputError(f"{path}: '{name}' has {curve.shape} values, expected {frames} as 'frames' says")
            if not np.isfinite(curve).all():
                raise InputError(f"{path}: '{name}' holds a value that is not a number")
        if not 1 <= rate <= 1000:
            raise InputError(f"{path}: 'rate' is {rate}, expected 1 to 1000 frames a second")
        return cls(rate, tables["curves"], head, tables["visemes"])

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        """The busiest curves over time."""
        from digitalme.audio.plots import performance_plot  # audio stands above artifacts

        return performance_plot(self)

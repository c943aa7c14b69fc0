"""Scorecard: how good the result is, measured on the exported files, each figure beside its controls."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts.files import read_json, read_png, write_json, write_png


@dataclass(frozen=True)
class Score:
    """One figure: what was measured, what is wanted, and what a control scores by the same measure."""

    name: str
    value: float | None
    """None where it could not be measured; `note` says why."""
    unit: str
    wanted: str
    controls: dict[str, float]
    note: str = ""


@dataclass(frozen=True)
class Scorecard:
    """All figures of one build, and the pictures that were compared."""

    scores: tuple[Score, ...]
    comparison: UInt8[np.ndarray, "h w 3"]
    """The selfie beside the re-rendered export."""

    def save(self, folder: Path) -> None:
        write_json(folder / "scorecard.json", {"scores": [asdict(score) for score in self.scores]})
        write_png(folder / "comparison.png", self.comparison)

    @classmethod
    def load(cls, folder: Path) -> Scorecard:
        scores = tuple(Score(**entry) for entry in read_json(folder / "scorecard.json")["scores"])
        return cls(scores, read_png(folder / "comparison.png"))

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        return self.comparison

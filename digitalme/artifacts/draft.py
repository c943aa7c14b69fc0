"""Draft: a person that was asked for in words, as a first small picture and as what the body model needs to know."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts.files import read_json, read_png, write_json, write_png

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Draft:
    """A made-up person. Colours are sRGB 0..1."""

    image: UInt8[np.ndarray, "s s 3"]
    """The first picture: as small as the generator makes it."""
    said: dict[str, str]
    """The attributes (digitalme.body.attributes) that the words named."""
    attributes: dict[str, str]
    """A value for every attribute: what the words left open was drawn."""
    shape: dict[str, float]
    """Coefficients of the body model that go with the attributes."""
    skin_color: Rgb
    hair_color: Rgb
    brow_color: Rgb
    iris_color: Rgb
    lip_color: Rgb
    cloth_color: Rgb
    seed: int
    source: str
    """What made the picture: "networks" or "body"."""

    def save(self, folder: Path) -> None:
        write_png(folder / "draft.png", self.image)
        write_json(folder / "draft.json", {k: v for k, v in asdict(self).items() if k != "image"})

    @classmethod
    def load(cls, folder: Path) -> Draft:
        about = read_json(folder / "draft.json")
        for name in about:
            if name.endswith("_color"):
                about[name] = tuple(about[name])
        return cls(image=read_png(folder / "draft.png")[..., :3], **about)

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        return self.image

"""Photo: a picture as given. Portrait: an upright crop of one person with what was seen in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from digitalme.artifacts.files import read_json, read_mask, read_png, write_json, write_mask, write_png

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Photo:
    """A picture as the user gave it: the file's bytes, undecoded, so that its digest is the file's."""

    data: bytes
    name: str

    def save(self, folder: Path) -> None:
        (folder / "photo.bin").write_bytes(self.data)
        write_json(folder / "photo.json", {"name": self.name})

    @classmethod
    def load(cls, folder: Path) -> Photo:
        return cls((folder / "photo.bin").read_bytes(), read_json(folder / "photo.json")["name"])

    def preview(self) -> UInt8[np.ndarray, "h w 3"] | None:
        return None  # the portrait shows it


@dataclass(frozen=True)
class Portrait:
    """Head and shoulders of one person, upright, at working size, with landmarks, masks, colours and a quality note.

    Pixel frame: x right, y down, pixel centres at +0.5. Colours are sRGB in 0..1.
    """

    image: UInt8[np.ndarray, "h w 3"]
    landmarks: Float32[np.ndarray, "478 3"]
    """MediaPipe FaceMesh with irises: x and y in pixels of `image`, z in pixels (smaller is nearer)."""
    person: Float32[np.ndarray, "h w"]
    """Matte of the person, 0..1."""
    hair: Float32[np.ndarray, "h w"]
    """Hair on the head, 0..1."""
    skin: Float32[np.ndarray, "h w"]
    """Visible skin, 0..1."""
    focal_px: float
    """Focal length guessed from the original picture's size, in pixels of `image`."""
    original_from_image: Float32[np.ndarray, "2 3"]
    """Affine map from pixels of `image` to pixels of the upright original."""
    skin_color: Rgb
    hair_color: Rgb
    iris_color: Rgb
    lip_color: Rgb
    brow_color: Rgb
    quality: dict[str, float]
    """face_px (height of the face in the original), blur (variance of the Laplacian), yaw, pitch, roll (radians)."""
    traits: dict[str, float]
    """What was recognised, as scores 0..1: glasses, beard, bald, hat, and shares for hair styles."""
    warnings: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        write_png(folder / "portrait.png", self.image)
        for name in ("person", "hair", "skin"):
            write_mask(folder / f"{name}.png", getattr(self, name))
        skip = {"image", "person", "hair", "skin"}
        write_json(folder / "portrait.json", {k: v for k, v in asdict(self).items() if k not in skip})

    @classmethod
    def load(cls, folder: Path) -> Portrait:
        about: dict[str, Any] = read_json(folder / "portrait.json")
        for name in ("landmarks", "original_from_image"):
            about[name] = np.array(about[name], np.float32)
        for name in about:
            if name.endswith("_color") or name == "warnings":
                about[name] = tuple(about[name])
        masks: dict[str, Any] = {name: read_mask(folder / f"{name}.png") for name in ("person", "hair", "skin")}
        return cls(image=read_png(folder / "portrait.png")[..., :3], **masks, **about)

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        """The portrait; beside it person (blue), skin (green) and hair (red) with the landmarks as dots."""
        marked = self.image.astype(np.float32) * 0.5
        for mask, channel in ((self.hair, 0), (self.skin, 1), (self.person, 2)):
            marked[..., channel] += 110 * mask
        h, w = self.person.shape
        xs, ys = (
            np.clip(self.landmarks[:, 0].astype(int), 0, w - 1),
            np.clip(self.landmarks[:, 1].astype(int), 0, h - 1),
        )
        marked[ys, xs] = 255
        return np.concatenate([self.image, np.clip(marked, 0, 255).astype(np.uint8)], 1)

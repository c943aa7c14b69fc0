"""Likeness: the person found in a portrait, as parameters of the body model, a camera and a texture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8

from digitalme.artifacts.files import read_json, read_npz, read_png, write_json, write_png


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion. OpenCV frame: +X right, +Y down, +Z forward."""

    focal_px: float
    width: int
    height: int
    camera_from_world: Float[np.ndarray, "3 4"]
    center_px: tuple[float, float] | None = None
    """Principal point; the middle of the picture when None."""

    def project(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """World points to (x, y) pixels and depth in metres."""
        seen = points @ self.camera_from_world[:, :3].T + self.camera_from_world[:, 3]
        cx, cy = self.center
        depth = seen[..., 2:]
        pixels = self.focal_px * seen[..., :2] / depth + np.array([cx, cy])
        return np.concatenate([pixels, depth], -1)

    @property
    def center(self) -> tuple[float, float]:
        """Principal point, pixels."""
        return self.center_px or (self.width / 2, self.height / 2)

    @property
    def position(self) -> Float[np.ndarray, "3"]:
        """Where the camera stands, world frame."""
        return -self.camera_from_world[:, :3].T @ self.camera_from_world[:, 3]

    def scaled(self, factor: float) -> Camera:
        """The same view at `factor` times the picture size."""
        center = self.center_px and (self.center_px[0] * factor, self.center_px[1] * factor)
        return Camera(
            self.focal_px * factor,
            round(self.width * factor),
            round(self.height * factor),
            self.camera_from_world,
            center,
        )

    @classmethod
    def from_dict(cls, about: dict) -> Camera:
        about = dict(about)
        about["camera_from_world"] = np.array(about["camera_from_world"], np.float64)
        about["center_px"] = about.get("center_px") and tuple(about["center_px"])
        return cls(**about)


@dataclass(frozen=True)
class Likeness:
    """Identity and the photo's own expression, kept apart; the photo's camera; the face's texture.

    The head stays at the body model's place: the camera carries the head's pose in the photo.
    """

    shape: dict[str, float]
    """Identity: coefficients of phenotype and local shapes of the body model."""
    expression: dict[str, float]
    """The photo's expression: ARKit action weights. The avatar leaves it out; the photo look starts from it."""
    camera: Camera
    """The portrait's camera, in pixels of portrait.image."""
    residual: Float32[np.ndarray, "vertices 3"]
    """Metres in the image plane; lays shape + expression onto the photo's landmarks. For the photo look only."""
    rms_mm: float
    """Landmark residual of the fit, scaled by the eye distance of the fitted head."""
    head_uv_box: tuple[float, float, float, float]
    """(u0, v0, width, height) of the square of the body's UV atlas that `albedo` shows: u' = (u - u0) / width."""
    albedo: UInt8[np.ndarray, "t t 3"]
    """Head texture, sRGB, rows top-down (row 0 is v' = 1), light mostly removed, completed where unseen."""
    normal_map: UInt8[np.ndarray, "t t 3"]
    """Tangent-space normals of pores and lines, +Y up (OpenGL), same layout as `albedo`."""
    coverage: UInt8[np.ndarray, "t t"]
    """How much of each texel the photo showed."""
    relief: Float32[np.ndarray, "vertices 3"] | None = None
    """Identity beyond `shape`, metres, where several pictures told it; None: none."""
    cameras: tuple[Camera, ...] = ()
    """The cameras of an album's portraits, in its order; the head stays at the body model's place for each."""

    def save(self, folder: Path) -> None:
        for name in ("albedo", "normal_map", "coverage"):
            write_png(folder / f"{name}.png", getattr(self, name))
        np.savez_compressed(folder / "residual.npz", residual=self.residual)
        if self.relief is not None:
            np.savez_compressed(folder / "relief.npz", relief=self.relief)
        about: dict[str, Any] = {
            "shape": self.shape, "expression": self.expression, "camera": asdict(self.camera),
            "rms_mm": self.rms_mm, "head_uv_box": self.head_uv_box,
        }  # fmt: skip
        if self.cameras:
            about["cameras"] = [asdict(camera) for camera in self.cameras]
        write_json(folder / "likeness.json", about)

    @classmethod
    def load(cls, folder: Path) -> Likeness:
        about = read_json(folder / "likeness.json")
        about["camera"] = Camera.from_dict(about["camera"])
        about["head_uv_box"] = tuple(about["head_uv_box"])
        about["cameras"] = tuple(Camera.from_dict(camera) for camera in about.get("cameras", ()))
        if (folder / "relief.npz").is_file():
            with np.load(folder / "relief.npz") as data:
                about["relief"] = data["relief"]
        maps: dict[str, Any] = {n: read_png(folder / f"{n}.png") for n in ("albedo", "normal_map", "coverage")}
        return cls(residual=read_npz(folder / "residual.npz")["residual"], **maps, **about)

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        """Albedo, normal map and coverage side by side."""
        step = max(1, self.albedo.shape[0] // 512)
        maps = (self.albedo, self.normal_map, np.repeat(self.coverage[..., None], 3, 2))
        return np.concatenate([image[::step, ::step] for image in maps], 1)

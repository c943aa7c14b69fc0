"""reconstruct: a Portrait to a Likeness, that is the person as parameters, a camera and a texture."""

from __future__ import annotations

from dataclasses import dataclass

from digitalme.artifacts import Likeness, Portrait
from digitalme.events import progress
from digitalme.geometry.fit import fit_head
from digitalme.rendering.bake import bake_head


@dataclass(frozen=True)
class ReconstructConfig:
    """How finely the texture is made."""

    texture_size: int = 2048
    """Side of the head's texture in texels."""


def reconstruct(portrait: Portrait, config: ReconstructConfig = ReconstructConfig()) -> Likeness:
    """Fit the body model's head to the portrait's landmarks and bake the portrait onto it."""
    fitted = fit_head(portrait)
    progress(1, 2)
    texture = bake_head(portrait, fitted, config.texture_size)
    progress(2, 2)
    return Likeness(
        shape=fitted.shape,
        expression=fitted.expression,
        camera=fitted.camera,
        residual=fitted.residual,
        rms_mm=fitted.rms_mm,
        head_uv_box=texture.head_uv_box,
        albedo=texture.albedo,
        normal_map=texture.normal_map,
        coverage=texture.coverage,
    )

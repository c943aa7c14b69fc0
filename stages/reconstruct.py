"""reconstruct: a Portrait to a Likeness, that is the person as parameters, a camera and a texture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from digitalme.artifacts import Draft, Likeness, Portrait
from digitalme.body.character import HEAD_UV_BOX
from digitalme.body.model import load_body
from digitalme.body.people import person_of
from digitalme.body.skin import paint_skin
from digitalme.events import progress
from digitalme.geometry.fit import PHENOTYPES, FittedHead, camera_of_shape, fit_head
from digitalme.imaging.exposure import well_lit
from digitalme.rendering.bake import bake_head


@dataclass(frozen=True)
class ReconstructConfig:
    """How finely the texture is made."""

    texture_size: int = 2048
    """Side of the head's texture in texels."""


def reconstruct(
    portrait: Portrait, config: ReconstructConfig = ReconstructConfig(), draft: Draft | None = None
) -> Likeness:
    """Fit the body model's head to the portrait's landmarks and bake the portrait onto it.

    Of a `draft` more is known than its portrait shows, and the skin is painted at full size.
    """
    if draft is not None:
        return _of_draft(portrait, draft, config)
    fitted = fit_head(portrait)
    progress(1, 2)
    texture = bake_head(well_lit(portrait), fitted, config.texture_size)
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


def _of_draft(portrait: Portrait, draft: Draft, config: ReconstructConfig) -> Likeness:
    """The made-up person: of the body model's own picture the shape is known; of a network's it is what is seen, but
    for age and sex, which the words say better."""
    fitted = _known(portrait, draft) if draft.source == "body" else _seen(portrait, draft)
    progress(1, 2)
    skin = paint_skin(person_of(draft), config.texture_size)
    progress(2, 2)
    return Likeness(
        shape=fitted.shape,
        expression={},
        camera=fitted.camera,
        residual=np.zeros_like(fitted.residual),
        rms_mm=fitted.rms_mm,
        head_uv_box=HEAD_UV_BOX,
        albedo=skin.albedo,
        normal_map=skin.normal_map,
        coverage=np.full(skin.albedo.shape[:2], 255, np.uint8),
    )


def _known(portrait: Portrait, draft: Draft) -> FittedHead:
    camera, rms = camera_of_shape(portrait, draft.shape)
    return FittedHead(draft.shape, {}, camera, np.zeros(load_body().template.shape, np.float32), rms)


def _seen(portrait: Portrait, draft: Draft) -> FittedHead:
    fitted = fit_head(portrait)
    told = {name: weight for name, weight in draft.shape.items() if name in PHENOTYPES}
    seen = {name: weight for name, weight in fitted.shape.items() if name not in PHENOTYPES}
    return replace(fitted, shape=seen | told)

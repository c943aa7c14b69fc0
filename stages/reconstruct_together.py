"""reconstruct_together: an Album to a Likeness: one person fitted to all pictures, one texture out of all of them."""

from __future__ import annotations

from dataclasses import dataclass

from digitalme.artifacts import Album, Likeness, Portrait
from digitalme.events import progress
from digitalme.geometry.fit import FittedHead
from digitalme.imaging.exposure import well_lit_together
from digitalme.rendering.bake import bake_head
from digitalme.rendering.fuse import fused_textures, views_to_bake
from digitalme.rendering.refine import fit_together


@dataclass(frozen=True)
class ReconstructTogetherConfig:
    """How finely the texture is made, and of how many pictures."""

    texture_size: int = 2048
    """Side of the head's texture in texels."""
    texture_views: int = 5
    """So many pictures at most are baked: the frontal one and those that show most of the rest."""


def reconstruct_together(
    portrait: Portrait, album: Album, config: ReconstructTogetherConfig = ReconstructTogetherConfig()
) -> Likeness:
    """Fit one head to all portraits and bake them onto it. `portrait` is the album's first."""
    heads = fit_together(list(album.portraits), [each.center_px for each in album.shown])
    return likeness_from(album, heads, config)


def likeness_from(album: Album, heads: list[FittedHead], config: ReconstructTogetherConfig) -> Likeness:
    """The likeness of fitted heads, one to each of the album's portraits."""
    lit = well_lit_together(album.portraits)
    chosen = views_to_bake([head.camera for head in heads], config.texture_views)
    textures = []
    for done, place in enumerate(chosen):
        progress(1 + done, 1 + len(chosen))
        textures.append(bake_head(lit[place], heads[place], config.texture_size))
    texture = fused_textures(textures)
    head = heads[0]
    return Likeness(
        shape=head.shape,
        expression=head.expression,
        camera=head.camera,
        residual=head.residual,
        rms_mm=head.rms_mm,
        head_uv_box=texture.head_uv_box,
        albedo=texture.albedo,
        normal_map=texture.normal_map,
        coverage=texture.coverage,
        relief=head.relief,
        cameras=tuple(each.camera for each in heads) if len(heads) > 1 else (),
    )

"""From a likeness to a character that can be looked at: eyes, teeth, hair, clothes, glasses on the rigged body."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from digitalme.artifacts import Avatar, Likeness, Portrait
from digitalme.body.character import base_avatar
from digitalme.body.eyes import with_eyes
from digitalme.body.garment import OUTFITS, dress
from digitalme.body.hair_cards import HAIR_STYLES, card_meshes, paint_cap, paint_curls
from digitalme.body.hair_color import hair_palette, paint_cards
from digitalme.body.hair_shell import fit_shell, shell_meshes, tuck_ears
from digitalme.body.hair_traits import hair_traits
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth, with_mouth
from digitalme.body.reshape import reshape
from digitalme.body.scalp import build_scalp
from digitalme.errors import InputError

LOOKS = ("studio", "photo")


@dataclass(frozen=True)
class GroomConfig:
    """What the character wears."""

    look: str = "studio"
    """How the avatar is meant to be shaded: "studio" or "photo" (the same character)."""
    hair: str = "auto"
    """"photo" (a shell that shows the photo's hair), strand cards (short, bob, long, ...), "bald", or "auto"."""
    outfit: str = "tshirt"
    """tshirt, hoodie, dress, skirt or none; coloured from the photo."""
    name: str = "avatar"
    """The character's name in exported files."""


def groom(portrait: Portrait, likeness: Likeness, config: GroomConfig) -> Avatar:
    """The person's neutral character, dressed and with hair. Raises InputError for a style that does not exist."""
    _check("hair", config.hair, ("auto", "photo", *HAIR_STYLES))
    _check("outfit", config.outfit, tuple(OUTFITS))
    _check("look", config.look, LOOKS)
    model = load_body()
    avatar = base_avatar(
        likeness.shape, name=config.name, look=config.look, head_albedo=likeness.albedo,
        head_normal_map=likeness.normal_map, head_uv_box=likeness.head_uv_box,
    )  # fmt: skip
    vertices = settle_mouth(model.vertices(likeness.shape), model)
    traits = hair_traits(portrait)
    style = traits.style if config.hair == "auto" else config.hair
    scalp = build_scalp(vertices, model)
    palette = hair_palette(portrait)
    if style == "photo":
        shell = fit_shell(portrait, likeness.camera, scalp)
        hair, textures = shell_meshes(shell), {"hair": shell.texture}
        vertices = tuck_ears(vertices, shell, portrait, likeness.camera, model)
    else:
        hair, textures = card_meshes(scalp, style), hair_textures(style, palette)
    avatar = with_mouth(with_eyes(reshape(avatar, vertices), portrait.iris_color))
    avatar = dress(avatar, vertices, config.outfit, cloth_colors(portrait))
    about = avatar.about | {
        "hair_style": style, "hair": _floats(portrait.hair_color), "iris": _floats(portrait.iris_color),
        "outfit": config.outfit,
    }  # fmt: skip
    return replace(avatar, meshes=avatar.meshes + tuple(hair), textures=avatar.textures | textures, about=about)


def hair_textures(style: str, palette: np.ndarray) -> dict[str, np.ndarray]:
    """The textures that a style's cards need."""
    if style == "bald":
        return {}
    textures = {"hair_cap": paint_cap(palette, buzz=style == "buzz")}
    if style == "afro":
        textures["hair_curls"] = paint_curls(palette)
    elif style != "buzz":
        textures["hair_cards"] = paint_cards(palette)
    return textures


def cloth_colors(portrait: Portrait) -> dict[str, tuple[float, float, float]]:
    """ "top" is the photo's cloth below the chin; "bottom" a dark blue that goes with anything."""
    height = len(portrait.person)
    chin = portrait.landmarks[152, 1]
    face = np.linalg.norm(portrait.landmarks[152, :2] - portrait.landmarks[10, :2])
    below = np.arange(height)[:, None] > chin + 0.25 * face
    cloth = below & (portrait.person > 0.8) & (portrait.skin < 0.3) & (portrait.hair < 0.3)
    top = np.array([0.45, 0.50, 0.58])
    if cloth.sum() > 0.01 * face**2:
        top = np.median(portrait.image[cloth], 0) / 255
    return {"top": _floats(np.clip(top, 0.05, 0.95)), "bottom": (0.17, 0.21, 0.33)}


def _floats(color) -> tuple[float, float, float]:
    return tuple(round(float(value), 4) for value in color)


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{what}: expected one of {', '.join(known)}; got {value!r}")

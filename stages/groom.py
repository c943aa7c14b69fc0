"""From a likeness to a character that can be looked at: eyes, teeth, hair, clothes, glasses on the rigged body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from digitalme.artifacts import Album, Avatar, Camera, Draft, Likeness, Portrait
from digitalme.artifacts.avatar import AvatarMesh
from digitalme.body.actions import settled_actions
from digitalme.body.beard import BEARD_STYLES, beard_meshes, beard_style
from digitalme.body.changes import changed, changes_of
from digitalme.body.character import base_avatar
from digitalme.body.eyes import WHITE, awake_lids, lash_color, with_eyes
from digitalme.body.garment import OUTFITS, dress
from digitalme.body.glasses import drawn_front, glasses_of_front, glasses_of_kind, lens_picture
from digitalme.body.hair_cards import HAIR_STYLES, card_meshes, card_textures
from digitalme.body.hair_color import hair_palette, palette_of, recolored
from digitalme.body.hair_shell import fit_shell, settle_ears, shell_meshes
from digitalme.body.hair_traits import HairTraits, hair_traits
from digitalme.body.identity import neutral_vertices
from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.body.moe import Drawn, MoeColors, MoeStyle, drawn_as, moe_avatar
from digitalme.body.moe_hair import moe_hair, paint_moe_hair
from digitalme.body.moe_paint import drawn_cloth, drawn_hair
from digitalme.body.mouth import ENAMEL, settle_mouth, with_mouth
from digitalme.body.reshape import reshape
from digitalme.body.scalp import build_scalp
from digitalme.errors import InputError
from digitalme.imaging.exposure import well_lit_together
from digitalme.imaging.shades import enamel, eye_white
from digitalme.rendering.bake_eyes import with_own_eyes
from digitalme.rendering.bake_teeth import with_own_teeth
from digitalme.rendering.frames import eye_centers, find_frames
from digitalme.rendering.skin_shade import with_unseen_shade

Rgb = tuple[float, float, float]
_DRAWN_BEARD = {"none": 0.0, "stubble": 0.0, "moustache": 0.6, "goatee": 0.7, "short": 0.8, "full": 1.0}
OVER_PHOTO = 0.4
"""How plainly lashes and lids are drawn over skin that comes from a photo, which shows its own."""
LOOKS = ("studio", "photo", "moe")


@dataclass(frozen=True)
class GroomConfig:
    """What the character wears, and how far it is drawn."""

    look: str = "studio"
    """"studio" and "photo" keep the person as they are; "moe" makes a drawn, cute character of them."""
    hair: str = "auto"
    """"photo" (a shell that shows the photo's hair), strand cards (short, bob, long, ...), "bald", or "auto"."""
    beard: str = "auto"
    """none, stubble, moustache, goatee, short, full, or "auto": what the photo shows."""
    outfit: str = "tshirt"
    """tshirt, hoodie, dress, skirt or none; coloured from the photo."""
    intensity: float = 1.0
    """Moe only: 0 keeps the person's proportions, 1 is a full anime face."""
    body: float = 0.56
    """Moe only: size of the body below the neck; 1 natural, .56 a slim bust, .40 a chibi."""
    name: str = "avatar"
    """The character's name in exported files."""
    changes: tuple[str, ...] = ()
    """What is to be other than the photo shows, as hair_color=red: hair_color, hair_style, eye_color, age, beard,
    glasses. `digitalme edit` sets it."""


def groom(
    portrait: Portrait,
    likeness: Likeness,
    config: GroomConfig,
    draft: Draft | None = None,
    album: Album | None = None,
) -> Avatar:
    """The person's neutral character, dressed and with hair. Raises InputError for a style that does not exist.

    What a `draft` says of the person goes over what the portrait shows. An `album` shows the hair from all its sides.
    """
    _check("hair", config.hair, ("auto", "photo", *HAIR_STYLES))
    _check("beard", config.beard, ("auto", *BEARD_STYLES))
    _check("outfit", config.outfit, tuple(OUTFITS))
    _check("look", config.look, LOOKS)
    if not 0 <= config.intensity <= 1 or not 0.3 <= config.body <= 1:
        raise InputError(f"expected intensity in 0..1 and body in 0.3..1; got {config.intensity} and {config.body}")
    others = album.portraits[1:] if album and likeness.cameras else ()
    if draft is None:
        portrait, *others = well_lit_together([portrait, *others])
    traits = hair_traits(portrait)
    cloth = cloth_colors(portrait)
    beard = beard_style(portrait)
    changes = changes_of(config.changes)
    if changes:
        portrait, traits, likeness = changed(portrait, traits, likeness, changes)
        beard = changes.get("beard", beard[0]), portrait.hair_color if "hair_color" in changes else beard[1]
    if draft is not None:
        portrait, traits = _described(portrait, draft), _styled(traits, draft)
        cloth = cloth | {"top": draft.cloth_color}
        beard = draft.attributes["beard"], draft.hair_color
    if config.beard != "auto":
        beard = config.beard, beard[1]
    shots = tuple(zip(others, likeness.cameras[1:], strict=True))
    if config.look == "moe":
        said = changes if draft is None else draft.attributes
        manner = drawn_as(said.get("gender", ""), said.get("age", ""))
        avatar = _drawn(portrait, likeness, config, traits, cloth, beard, manner)
    else:
        avatar = _lifelike(portrait, likeness, config, traits, cloth, beard, shots, changes, seen=draft is None)
    about = avatar.about | {
        "hair": _floats(portrait.hair_color), "iris": _floats(portrait.iris_color), "outfit": config.outfit,
    }  # fmt: skip
    return replace(avatar, name=config.name, look=config.look, about=about)


def _described(portrait: Portrait, draft: Draft) -> Portrait:
    """The portrait with the draft's colours, beard and glasses."""
    colors = {name: getattr(draft, name) for name in ("skin_color", "hair_color", "iris_color", "brow_color")}
    beard = {"none": 0.0, "stubble": 0.4}.get(draft.attributes["beard"], 1.0)
    traits = portrait.traits | {
        "beard": beard, "bald": float(draft.attributes["hair_style"] == "bald"),
        "glasses": float(draft.attributes["glasses"] != "none"),
    }  # fmt: skip
    return replace(portrait, **colors, traits=traits, hair=np.zeros_like(portrait.hair))


def _styled(traits: HairTraits, draft: Draft) -> HairTraits:
    style = draft.attributes["hair_style"]
    fringe = 1.0 if style in ("short", "bob", "long", "twintails", "ponytail") else 0.0
    return replace(traits, style=style, cut=style, fringe=fringe, glasses=draft.attributes["glasses"])


def _lifelike(
    portrait: Portrait, likeness: Likeness, config: GroomConfig, traits: HairTraits, cloth: dict[str, Rgb],
    beard: tuple[str, Rgb], shots: tuple[tuple[Portrait, Camera], ...], changes: Mapping[str, str], seen: bool,
) -> Avatar:  # fmt: skip
    model = load_body()
    avatar = base_avatar(
        likeness.shape, head_albedo=likeness.albedo, head_normal_map=likeness.normal_map,
        head_uv_box=likeness.head_uv_box,
    )  # fmt: skip
    vertices = awake_lids(settle_mouth(neutral_vertices(likeness), model), model)
    style = traits.style if config.hair == "auto" else config.hair
    scalp = build_scalp(vertices, model)
    if style == "photo":
        shell = fit_shell(portrait, likeness.camera, scalp, shots)
        vertices, shell = settle_ears(vertices, shell, portrait, likeness.camera, model, shots)
        hair, textures = shell_meshes(shell), {"hair": shell.texture}
        if "hair_color" in changes:
            textures["hair"] = recolored(shell.texture, palette_of(portrait.hair_color))
    else:
        palette = palette_of(portrait.hair_color) if "hair_color" in changes else hair_palette(portrait)
        hair, textures = card_meshes(scalp, style), card_textures(style, palette)
    if portrait.traits.get("glasses", 0.0) > 0.5:
        worn, shades = _own_glasses(portrait, likeness, vertices, traits.glasses)
        hair, textures = hair + worn, textures | shades
    avatar = reshape(avatar, vertices, settled_actions(vertices, model))
    lash = lash_color(portrait.brow_color)
    avatar = with_eyes(avatar, portrait.iris_color, eye_white(portrait) or WHITE, lash, OVER_PHOTO if seen else 1.0)
    if "eye_color" not in changes:
        avatar = with_own_eyes(avatar, portrait, likeness)
    avatar = with_own_teeth(with_mouth(avatar, enamel(portrait) or ENAMEL), portrait, likeness)
    # stubble that the photo shows is in the skin's picture already
    painted_on = beard[0] == "stubble" and config.beard == "auto" and "beard" not in changes
    style_grown = "none" if painted_on else beard[0]
    grown, painted = beard_meshes(avatar.mesh("head"), vertices, style_grown, beard[1])
    hair, textures = hair + grown, textures | painted
    avatar = dress(avatar, vertices, config.outfit, cloth)
    about = avatar.about | {"hair_style": style, "beard": beard[0]}
    avatar = replace(avatar, meshes=avatar.meshes + tuple(hair), textures=avatar.textures | textures, about=about)
    return with_unseen_shade(avatar, likeness.coverage)


def _own_glasses(
    portrait: Portrait, likeness: Likeness, vertices: np.ndarray, kind: str
) -> tuple[list[AvatarMesh], dict[str, np.ndarray]]:
    """Glasses of a kind that is known, else those that the photo shows; and their textures."""
    eyes = eye_centers(vertices)
    if kind:
        return glasses_of_kind(kind, vertices, eyes), {}
    frames = find_frames(portrait, likeness.camera, vertices)
    worn = glasses_of_front(frames.front, vertices)
    return list(worn), {"glasses": frames.picture, "lenses": lens_picture(frames.front)}


def _drawn(
    portrait: Portrait, likeness: Likeness, config: GroomConfig, traits: HairTraits, cloth: dict[str, Rgb],
    beard: tuple[str, Rgb], manner: Drawn,
) -> Avatar:  # fmt: skip
    model = load_body()
    colors = MoeColors(portrait.skin_color, portrait.hair_color, portrait.iris_color, portrait.brow_color)
    cut = traits.cut if config.hair in ("auto", "photo") else config.hair
    bangs = traits.bangs or (cut == "short" and traits.fringe > 0.2)
    style = MoeStyle(
        config.intensity, config.body, 0.020 if bangs else 0.002 if cut in ("buzz", "bald") else 0.010, manner
    )
    avatar, vertices, bend = moe_avatar(likeness.shape, colors, style, _DRAWN_BEARD[beard[0]])
    scalp = build_scalp(vertices, model)
    brows = landmark_points(vertices)[[105, 334], 1].mean() - scalp.center[1]
    hair = moe_hair(scalp, cut, bangs, brows, drawn_hair(portrait.hair_color))
    shades: dict[str, np.ndarray] = {}
    if portrait.traits.get("glasses", 0.0) > 0.5:
        eyes = bend.body(bend.face(bend.eye_centers, whole_model=False))
        grow = 1 + 0.33 * config.intensity
        if traits.glasses:
            hair += glasses_of_kind(traits.glasses, vertices, eyes, grow)
        else:
            worn, shades = _drawn_glasses(portrait, likeness, vertices, eyes, grow)
            hair += worn
    cloth = {part: _floats(drawn_cloth(color)) for part, color in cloth.items()}
    avatar = dress(avatar, vertices, config.outfit, cloth, hide=0.003, ease=0.6 + 0.4 * config.body, folds=False)
    textures = avatar.textures | {"hair": paint_moe_hair(drawn_hair(portrait.hair_color))} | shades
    about = avatar.about | {"hair_style": cut, "beard": beard[0]}
    return replace(avatar, meshes=avatar.meshes + tuple(hair), textures=textures, about=about)


def _drawn_glasses(
    portrait: Portrait, likeness: Likeness, vertices: np.ndarray, eyes: np.ndarray, grow: float
) -> tuple[list[AvatarMesh], dict[str, np.ndarray]]:
    """The photo's glasses in a few flat colours on a drawn face; lenses only where they are dark."""
    own = neutral_vertices(likeness)
    frames = find_frames(portrait, likeness.camera, own)
    front = drawn_front(frames.front, eye_centers(own), vertices, eyes, grow)
    frame, panes = glasses_of_front(front, vertices)
    flat = np.repeat(np.median(frames.picture, 1, keepdims=True), 4, 1).astype(np.uint8)
    if front.tint[3] < 0.2:
        return [frame], {"glasses": flat}
    return [frame, panes], {"glasses": flat, "lenses": lens_picture(front)}


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
    red, green, blue = (round(float(value), 4) for value in color)
    return red, green, blue


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{what}: expected one of {', '.join(known)}; got {value!r}")

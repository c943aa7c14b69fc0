"""A person who never lived, as an avatar: painted skin, eyes, teeth, hair and clothes on the rigged body."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from digitalme.artifacts import Avatar
from digitalme.body.character import HEAD_UV_BOX, base_avatar
from digitalme.body.eyes import with_eyes
from digitalme.body.garment import dress
from digitalme.body.glasses import glasses_mesh
from digitalme.body.hair_cards import card_meshes, card_textures
from digitalme.body.hair_color import palette_of
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth, with_mouth
from digitalme.body.people import Person
from digitalme.body.reshape import reshape
from digitalme.body.scalp import build_scalp
from digitalme.body.skin import paint_skin


def avatar_of(person: Person, texture_size: int = 1024) -> Avatar:
    """The person's neutral character in the studio look; its blendshapes are the body's 52 actions."""
    model = load_body()
    skin = paint_skin(person, texture_size)
    vertices = settle_mouth(model.vertices(person.shape), model)
    avatar = base_avatar(
        person.shape, head_albedo=skin.albedo, head_normal_map=skin.normal_map, head_uv_box=HEAD_UV_BOX
    )
    avatar = with_mouth(with_eyes(reshape(avatar, vertices), person.iris_color))
    style = person.attributes["hair_style"]
    hair = card_meshes(build_scalp(vertices, model), style)
    if person.attributes["glasses"] != "none":
        eyes = np.stack([vertices[model.parts[f"eye_{side}"].vertex_ids].mean(0) for side in ("left", "right")])
        hair.append(glasses_mesh(vertices, eyes))
    avatar = dress(avatar, vertices, "tshirt", {"top": person.cloth_color, "bottom": (0.2, 0.2, 0.3)})
    textures = avatar.textures | card_textures(style, palette_of(person.hair_color))
    return replace(avatar, name="person", meshes=avatar.meshes + tuple(hair), textures=textures)

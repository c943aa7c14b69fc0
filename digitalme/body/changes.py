"""What is changed of a person who is there already: hair, eyes, age, beard, glasses, attribute by attribute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from digitalme.artifacts import Likeness, Portrait
from digitalme.body.attributes import ATTRIBUTES, completed
from digitalme.body.character import HEAD_UV_BOX
from digitalme.body.hair_traits import HairTraits
from digitalme.body.people import EYE_COLORS, HAIR_COLORS, NATURAL_HAIR, years_of
from digitalme.body.skin import with_age
from digitalme.errors import InputError

OF_A_PHOTO = ("hair_color", "hair_style", "eye_color", "age", "beard", "glasses")
"""What can be changed of somebody whose photo is known; of somebody made up from words everything can."""


def as_knob(changes: Mapping[str, str]) -> tuple[str, ...]:
    """Changes as a stage's knob holds them: "hair_color=red"."""
    return tuple(f"{name}={value}" for name, value in sorted(changes.items()))


def changes_of(knob: Iterable[str]) -> dict[str, str]:
    """The changes that a knob holds. Raises InputError for what does not exist."""
    changes = {}
    for each in knob:
        name, equals, value = each.partition("=")
        if not equals:
            raise InputError(f"changes: expected ATTRIBUTE=VALUE, for example hair_color=red; got {each!r}")
        changes[name] = value
    completed(changes)
    return changes


def changed(
    portrait: Portrait, traits: HairTraits, likeness: Likeness, changes: Mapping[str, str]
) -> tuple[Portrait, HairTraits, Likeness]:
    """Somebody whose photo is known, with other hair, eyes, glasses or years. Raises InputError for anything else."""
    if beyond := set(changes) - set(OF_A_PHOTO):
        raise InputError(
            f"{', '.join(sorted(beyond))}: cannot be changed of somebody in a photo; there are: {', '.join(OF_A_PHOTO)}"
        )
    told = dict(portrait.traits)
    if color := changes.get("hair_color"):
        brow = np.array(HAIR_COLORS[color][0] if color in NATURAL_HAIR else portrait.brow_color)
        brow = np.minimum(brow, 0.66 * float(np.mean(portrait.skin_color)) * brow / max(float(brow.mean()), 1e-3))
        portrait = replace(portrait, hair_color=HAIR_COLORS[color][0], brow_color=tuple(brow.tolist()))
    if color := changes.get("eye_color"):
        portrait = replace(portrait, iris_color=EYE_COLORS[color][0])
    if style := changes.get("hair_style"):
        told["bald"] = float(style == "bald")
        traits = replace(traits, style=style, cut=style)
    if kind := changes.get("glasses"):
        told["glasses"] = float(kind != "none")
        traits = replace(traits, glasses="" if kind == "none" else kind)
    if age := changes.get("age"):
        likeness = aged(likeness, age)
    return replace(portrait, traits=told), traits, likeness


def aged(likeness: Likeness, age: str) -> Likeness:
    """The person in another age of ATTRIBUTES: the shape of the head, and lines of the skin."""
    younger, older = years_of(age)
    now = likeness.shape.get("age+", 0.0) - likeness.shape.get("age-", 0.0)
    if ATTRIBUTES["age"].index(age) and abs(now - (older - younger)) < 0.05:
        return likeness
    shape = dict(likeness.shape) | {"age-": younger, "age+": older}
    albedo, normals = likeness.albedo, likeness.normal_map
    if np.allclose(likeness.head_uv_box, HEAD_UV_BOX):
        albedo, normals = with_age(albedo, normals, age)
    return replace(likeness, shape=shape, albedo=albedo, normal_map=normals)

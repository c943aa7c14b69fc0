"""generate_portrait: a description in words becomes a made-up person and a first small picture of them."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass, replace
from importlib import util

import numpy as np

from digitalme.artifacts import Description, Draft, Photo
from digitalme.body.changes import changes_of
from digitalme.body.people import DRAWN_LOOKS, Person, expression_weights, person_from
from digitalme.errors import InputError, MissingExtraError
from digitalme.events import note
from digitalme.geometry.fit import PHENOTYPES, fit_landmarks
from digitalme.imaging.photo_files import decode_photo
from digitalme.imaging.sketches import Sketch, read_sketch
from digitalme.models.condition import PLAIN_VIEW, condition_of
from digitalme.paths import asset
from digitalme.rendering.people import View, picture_of
from digitalme.trust.content import check_image, check_prompt

SOURCES = ("auto", "body", "networks")
HINT = 'the generating networks need torch and diffusers: pip install "digitalme[generate]"; without: source = "body"'


@dataclass(frozen=True)
class GeneratePortraitConfig:
    """Who is made up where the words leave it open, and what draws them first."""

    seed: int | None = None
    """Another number, another person; with the same number other words change only what they name. None: a number of
    the words' own."""
    source: str = "auto"
    """"body": the body model, painted and photographed; "networks": the GAN; "auto": body, which looks better."""
    truncation: float = 0.7
    """Networks only: how far from the mean person, 0..1; less is plainer and safer."""
    changes: tuple[str, ...] = ()
    """What is to be other than the words say, as hair_color=red. `digitalme edit` sets it."""
    content_check: bool = True
    """Refuse what is not made; off for private use, which is recorded."""


def generate_portrait(
    description: Description, config: GeneratePortraitConfig = GeneratePortraitConfig(), sketch: Photo | None = None
) -> Draft:
    """Make up the person; a `sketch` shows the face, and what words do not say of hair and colours.

    Raises InputError for what is not made; MissingExtraError where networks are missing.
    """
    if config.source not in SOURCES:
        raise InputError(f"source: expected one of {', '.join(SOURCES)}; got {config.source!r}")
    check_prompt(description.text, private=not config.content_check)
    seed = zlib.crc32(description.text.encode()) if config.seed is None else config.seed
    drawn = None if sketch is None else read_sketch(decode_photo(sketch.data, sketch.name).image, sketch.name)
    asked = {**(drawn.attributes if drawn else {}), **description.attributes, **changes_of(config.changes)}
    person = person_from(asked, seed)
    if drawn is not None:
        person = replace(person, shape=_shape_of(drawn, person))
    note(attributes=person.attributes)
    # the portrait is a photograph of a calm face, whatever the look: what is drawn and what is felt come later
    sitter = replace(
        person,
        attributes=person.attributes | {"look": "photo", "expression": "neutral"},
        expression=expression_weights("neutral"),
    )
    source = "body" if config.source == "auto" else config.source
    if source == "body":  # a head by our own hand: there is nothing that a classifier could find
        image = photographed(sitter)
    else:
        image = _imagined(sitter, config)
        check_image(image, "the draft", private=not config.content_check)
    numbers = {k: v for k, v in asdict(person).items() if k.endswith("_color") or k in ("attributes", "shape", "seed")}
    return Draft(image=image, said=asked, source=source, **numbers)


def _shape_of(drawn: Sketch, person: Person) -> dict[str, float]:
    """The drawing's face on a head of the person's age and sex."""
    height, width = drawn.image.shape[:2]
    fitted = fit_landmarks(drawn.landmarks, width, height, 1.5 * max(width, height))
    told = {name: weight for name, weight in person.shape.items() if name in PHENOTYPES}
    return {name: weight for name, weight in fitted.shape.items() if name not in PHENOTYPES} | told


def photographed(sitter: Person, size: int = 512) -> np.ndarray:
    """The body model's own picture of the person, from the front."""
    return picture_of(sitter, View(key=(0.35, 0.6, 0.8)), size)


def _imagined(sitter: Person, config: GeneratePortraitConfig) -> np.ndarray:
    if util.find_spec("torch") is None:
        raise MissingExtraError(HINT)
    from digitalme.models.sampling import draw_portrait

    condition = condition_of(sitter.attributes, PLAIN_VIEW)
    weights = (asset("models/coder.safetensors"), asset("models/gan.safetensors"))
    return draw_portrait(*weights, condition, sitter.seed, config.truncation)


def is_drawn(attributes: dict[str, str]) -> bool:
    """Whether the person is wanted as a drawn character."""
    return attributes.get("look") in DRAWN_LOOKS

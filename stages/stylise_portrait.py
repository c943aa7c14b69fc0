"""stylise_portrait: a portrait painted, for the look in which the photograph itself moves."""

from __future__ import annotations

from dataclasses import dataclass, replace

from digitalme.artifacts import Portrait
from digitalme.imaging.styles import restyled


@dataclass(frozen=True)
class StylisePortraitConfig:
    """In which manner, and how far."""

    style: str = "19"
    """A number 0..25, a mix such as "3:0.5,12:0.5", or the path of a painting."""
    strength: float = 0.6
    """0 leaves the portrait as it is, 1 is all style."""
    keep_color: bool = False
    """Take the style's strokes and brightness, but keep the portrait's own colours."""


def stylise_portrait(portrait: Portrait, config: StylisePortraitConfig = StylisePortraitConfig()) -> Portrait:
    """The portrait painted; landmarks and masks stay those of the photo. Raises as digitalme.imaging.styles."""
    image = restyled(portrait.image, config.style, config.strength, config.keep_color)
    return replace(portrait, image=image)

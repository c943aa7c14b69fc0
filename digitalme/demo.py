"""The demo's inputs: a portrait that scikit-image ships, and sentences that flite speaks, a free synthesiser."""

from __future__ import annotations

from pathlib import Path

from digitalme.errors import MissingExtraError
from digitalme.paths import asset

DEMO_WORDS = (
    "Hello! A moment ago I was only a photograph. Now I can move my lips, blink, and speak with my own voice. "
    "Maybe we will meet again."
)
DEMO_CONSENT = "NASA's portrait of Eileen Collins, in the public domain; a synthetic voice. For demonstration."


def demo_photo() -> Path:
    """The astronaut Eileen Collins, by NASA, in the public domain; a file of scikit-image's."""
    try:
        import skimage.data
    except ModuleNotFoundError:
        raise MissingExtraError(
            "the demo's photo comes with scikit-image, which is not installed: pip install scikit-image"
        ) from None
    return Path(skimage.data.__file__).parent / "astronaut.png"


def demo_voice() -> tuple[Path, str]:
    """A clip of speech (8.6 s, made by tools/make_demo_voice.py) and its words."""
    return asset("demo_voice.ogg"), DEMO_WORDS

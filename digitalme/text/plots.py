"""A picture of a description for previews and the report."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from digitalme.artifacts.description import Description

WIDTH, LINE = 1100, 26
INK, FAINT, GOOD, BAD = (40, 40, 46), (130, 130, 136), (46, 140, 90), (200, 80, 60)
_FONTS = (
    "NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "msyh.ttc", "PingFang.ttc", "DejaVuSans.ttf", "arial.ttf",
)  # fmt: skip


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font of this system that knows many scripts, or Pillow's own, which knows Latin."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def description_plot(description: Description) -> UInt8[np.ndarray, "h w 3"]:
    """Attributes on top; below a line for each sentence with its sentiment as a bar and its emotions."""
    shown = description.sentences[:20]
    said = ", ".join(f"{name}: {value}" for name, value in description.attributes.items())
    image = Image.new("RGB", (WIDTH, LINE * (len(shown) + 1) + 20), (255, 255, 255))
    draw, font = ImageDraw.Draw(image), _font(15)
    _write(draw, (12, 8), f"language {description.language}   {said}", font, INK)
    for row, sentence in enumerate(shown, 1):
        y = 8 + LINE * row
        reach = round(70 * sentence.sentiment)
        draw.line([(90, y), (90, y + 18)], FAINT)
        draw.rectangle([min(90, 90 + reach), y + 4, max(90, 90 + reach), y + 14], GOOD if reach > 0 else BAD)
        felt = "  ".join(f"{name} {strength:.2f}" for name, strength in sentence.emotions.items())
        _write(draw, (180, y), felt, font, FAINT)
        _write(draw, (420, y), sentence.text[:90], font, INK)
    return np.array(image, np.uint8)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, font, color: tuple[int, int, int]) -> None:
    """What the font cannot draw becomes a question mark."""
    try:
        draw.text(place, text, color, font)
    except (UnicodeEncodeError, OSError):
        draw.text(place, "".join(sign if ord(sign) < 128 else "?" for sign in text), color, font)

"""The portrait as a well exposed picture of the same person: what is taken over into the avatar's own colours.

A dim photo makes dark skin, and warm or blue light makes skin that nobody has. How dark somebody is and how dark the
photo is cannot be told apart from skin alone, but the whites of the eyes stand in the same light.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Float32

from digitalme.artifacts import Portrait
from digitalme.body.landmarks import EYE_LEFT, EYE_RIGHT, IRIS_LEFT, IRIS_RIGHT
from digitalme.imaging.masks import FaceFrame, skin_seed
from digitalme.spaces import linear_to_srgb, srgb_to_linear

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
LIT_SKIN, LIT_WHITE = 0.30, 0.17
"""Linear luminance of fair skin and of the eyes' whites (under their lids) in a well exposed photo: medians of
nine photos. Below both the photo is dim; dark skin has bright whites."""
MOST_GAIN, UNSURE_GAIN = 2.4, 1.5
"""A darker picture than this can mend stays darker. The second: where the whites are as bright as the skin or brighter,
so that the skin may well be dark, and whites that lids shade would call it dim."""
FAIR = 0.8
"""Whites over skin below this: fair skin."""
DIM_PICTURE, BRIGHT_PICTURE = 0.30, 0.45
"""Linear luminance of the brightest fiftieth of a picture that is dim as a whole, and of a good one."""
NOT_DARK = 1.4
"""Whites over skin above this: dark skin, which before a dark wall makes a dim picture in good light."""
LEAST_GAIN = 1.15
"""Nearly well exposed is left alone."""
HUES, CHROMA = (30.0, 72.0), 33.0
"""Lab hue of skin in degrees and its greatest chroma: what lies outside was put there by the light."""
COLOR_TAKEN = 0.8
"""How much of a colour cast is taken out."""
SHOULDER = 0.85
"""Linear light from which an exposure bends towards white."""
MOST_EVENED = 0.8
"""Logarithm of the greatest factor by which pictures of one person are brought to each other."""


def well_lit(portrait: Portrait) -> Portrait:
    """The portrait with picture and colours as better light would show them; itself where the light is good."""
    return _under(portrait, light_gains(portrait), _lifted)


def well_lit_together(portraits: Sequence[Portrait]) -> tuple[Portrait, ...]:
    """Pictures of one person as `well_lit` would show them, and all in one light.

    White balance and exposure of a single picture are anyone's guess; what several pictures have in common is the
    skin. Each is brought to the middle of what they show, without the two that lie farthest out.
    """
    if len(portraits) < 2:
        return tuple(well_lit(portrait) for portrait in portraits)
    light = np.log(np.maximum(srgb_to_linear(np.array([portrait.skin_color for portrait in portraits])), 1e-3))
    inner = np.sort(light, 0)[1:-1] if len(light) > 4 else light
    gains = np.exp(np.clip(inner.mean(0) - light, -MOST_EVENED, MOST_EVENED))
    even = [_under(portrait, gain, _exposed) for portrait, gain in zip(portraits, gains, strict=True)]
    common = light_gains(even[0])
    return tuple(_under(portrait, common, _lifted) for portrait in even)


def _under(portrait: Portrait, gains: Float[np.ndarray, "3"], curve: Callable) -> Portrait:
    """The portrait with `gains` on its light by `curve`; itself where they are 1."""
    if np.allclose(gains, 1):
        return portrait
    table = np.round(255 * curve(np.repeat(np.arange(256)[:, None] / 255, 3, 1), gains)).astype(np.uint8)
    image = cv2.merge([cv2.LUT(portrait.image[..., k], table[:, k]) for k in range(3)])
    names = ("skin_color", "hair_color", "iris_color", "lip_color", "brow_color")
    colors = curve(np.array([getattr(portrait, name) for name in names]), gains)
    return replace(portrait, image=image, **{n: tuple(map(float, c)) for n, c in zip(names, colors, strict=True)})


def _lifted(srgb: Float[np.ndarray, "n 3"], gain: Float[np.ndarray, "3"]) -> Float[np.ndarray, "n 3"]:
    """`gain` on linear light that leaves black and white where they are."""
    light = srgb_to_linear(srgb)
    return linear_to_srgb(gain * light / (1 + (gain - 1) * light))


def _exposed(srgb: Float[np.ndarray, "n 3"], gain: Float[np.ndarray, "3"]) -> Float[np.ndarray, "n 3"]:
    """`gain` on linear light as another exposure has it, with a shoulder before white."""
    light = gain * srgb_to_linear(srgb)
    over = np.maximum(light - SHOULDER, 0)
    return linear_to_srgb(np.minimum(light, SHOULDER) + (1 - SHOULDER) * np.tanh(over / (1 - SHOULDER)))


def light_gains(portrait: Portrait) -> Float32[np.ndarray, "3"]:
    """Factors on red, green and blue (linear light); 1 where the light is good or the face is too small to tell."""
    face = FaceFrame.of(portrait.landmarks, portrait.image.shape)
    seed = skin_seed(face)
    if seed.sum() < 200:
        return np.ones(3, np.float32)
    skin = np.median(srgb_to_linear(portrait.image[seed].astype(np.float64) / 255), 0)
    gains = _missing_light(float(skin @ LUMINANCE), _whites(portrait, face), _brightest(portrait)) * _uncast(skin)
    return gains.astype(np.float32)


def _missing_light(skin: float, white: float | None, brightest: float) -> float:
    """The factor that both skin and whites ask for; 1 where the whites tell nothing."""
    if white is None:
        return 1.0
    wanted, most = LIT_WHITE / max(white, 1e-3), UNSURE_GAIN
    if brightest < DIM_PICTURE and white < NOT_DARK * skin:
        wanted, most = max(wanted, BRIGHT_PICTURE / max(brightest, 1e-3)), MOST_GAIN
    elif white < FAIR * skin:
        most = MOST_GAIN
    gain = min(LIT_SKIN / max(skin, 1e-3), wanted)
    return min(gain, most) if gain > LEAST_GAIN else 1.0


def _brightest(portrait: Portrait) -> float:
    """Linear luminance that a fiftieth of the picture exceeds."""
    small = cv2.resize(portrait.image, (64, 64), interpolation=cv2.INTER_AREA)
    return float(np.percentile(srgb_to_linear(small.astype(np.float64) / 255) @ LUMINANCE, 98))


def _whites(portrait: Portrait, face: FaceFrame) -> float | None:
    """Linear luminance of the whites of the eyes, the brighter part; None behind glasses and where no eye is open."""
    if portrait.traits.get("glasses", 0.0) > 0.5:
        return None
    light = srgb_to_linear(portrait.image.astype(np.float32) / 255) @ LUMINANCE.astype(np.float32)
    y, x = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5
    found = []
    for ring, iris in ((EYE_RIGHT, IRIS_RIGHT), (EYE_LEFT, IRIS_LEFT)):
        middle = portrait.landmarks[iris[0], :2]
        radius = np.linalg.norm(portrait.landmarks[list(iris[1:]), :2] - middle, axis=1).mean()
        white = face.polygon(ring, -0.004) & (np.hypot(x - middle[0], y - middle[1]) > 1.05 * radius)
        if white.sum() > max(8, 0.0006 * face.height_px**2):
            found.append(float(np.percentile(light[white], 85)))
    return max(found) if found else None


def _uncast(skin: np.ndarray) -> np.ndarray:
    """Factors of mean luminance 1 that bring the skin's hue and chroma to what skin has."""
    lab = cv2.cvtColor(linear_to_srgb(skin).astype(np.float32).reshape(1, 1, 3), cv2.COLOR_RGB2Lab)[0, 0]
    hue, chroma = np.degrees(np.arctan2(lab[2], lab[1])), float(np.hypot(lab[1], lab[2]))
    wanted = np.radians(np.clip(hue, *HUES))
    kept = min(chroma, CHROMA)
    if chroma < 4 or (HUES[0] <= hue <= HUES[1] and chroma <= CHROMA):  # a grey picture has no cast
        return np.ones(3)
    target = np.array([lab[0], kept * np.cos(wanted), kept * np.sin(wanted)], np.float32).reshape(1, 1, 3)
    there = srgb_to_linear(np.clip(cv2.cvtColor(target, cv2.COLOR_Lab2RGB)[0, 0], 0, 1).astype(np.float64))
    factors = np.clip(there / np.maximum(skin, 1e-4), 0.6, 1.6) ** COLOR_TAKEN
    return factors * (skin @ LUMINANCE) / ((factors * skin) @ LUMINANCE)

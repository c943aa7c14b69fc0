"""Colours and strand patterns of hair."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from digitalme.artifacts.portrait import Portrait
from digitalme.body.landmarks import CHIN, FOREHEAD_TOP
from digitalme.imaging.drawing import adjust, smoothstep, to_rgba


def hair_palette(portrait: Portrait) -> Float[np.ndarray, "3 3"]:
    """Shade, body and shine of the hair (sRGB 0..1): of its darkest, middle and brightest fifth."""
    if portrait.traits.get("hat", 0.0) > 0.5:  # most of the mask is felt
        return palette_of(portrait.hair_color)
    face = float(np.linalg.norm(portrait.landmarks[FOREHEAD_TOP, :2] - portrait.landmarks[CHIN, :2]))
    for rim in (0.015, 0.0):  # at its edge hair is mixed with skin and wall
        reach = 2 * max(2, round(rim * face)) + 1
        inside = cv2.erode((portrait.hair > 0.6).astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
        if inside.sum() >= 300:
            break
    else:
        return palette_of(portrait.hair_color)
    pixels = portrait.image[inside].astype(np.float64) / 255
    order = pixels[np.argsort(pixels.mean(1))]
    n = len(order)
    fifths = (order[: n // 5], order[2 * n // 5 : 3 * n // 5], order[4 * n // 5 :])
    tones = np.stack([np.median(fifth, 0) for fifth in fifths])
    # the darkest of white hair, like the brightest of black, has skin in it: of the body's hue, most of it
    alike = tones[1] * tones.mean(1, keepdims=True) / tones[1].mean()
    return np.clip(0.3 * tones + 0.7 * alike, 0, 1)


def palette_of(color: tuple[float, float, float] | np.ndarray) -> Float[np.ndarray, "3 3"]:
    """Shade, body and shine made up from one hair colour."""
    return np.stack(
        [adjust(color, 1.1, 0.55), np.asarray(color, float), np.clip(adjust(color, 0.9, 1.35) + 0.03, 0, 1)]
    )


def recolored(texture: UInt8[np.ndarray, "h w c"], palette: Float[np.ndarray, "3 3"]) -> UInt8[np.ndarray, "h w c"]:
    """A hair texture in the colours of a palette: its darkest strands in the shade's, its brightest in the shine's."""
    light = texture[..., :3].astype(np.float32).mean(2)
    seen = light[texture[..., 3] > 128] if texture.shape[2] == 4 else light.ravel()
    low, high = np.percentile(seen, (4, 96)) if len(seen) else (0.0, 255.0)
    t = np.clip((light - low) / max(float(high - low), 1.0), 0, 1)[..., None]
    shade, body, shine = palette.astype(np.float32)
    color = np.where(t < 0.5, shade + (body - shade) * t * 2, body + (shine - body) * (t * 2 - 1))
    picture = np.round(np.clip(color, 0, 1) * 255).astype(np.uint8)
    return picture if texture.shape[2] == 3 else np.dstack([picture, texture[..., 3]])


def strands(
    width: int, height: int, palette: Float[np.ndarray, "3 3"], seed: int = 0, wave: float = 2.0, contrast: float = 0.9
) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]]:
    """Hair that runs along v: noise far longer than wide, coloured through the palette. Also the noise (sigma 1)."""
    rng = np.random.default_rng(seed)
    noise = np.zeros((height, width), np.float32)
    rows = max(height // 8, 16)  # nothing changes fast along a strand
    for across, along, amount in ((0.7, 0.16, 0.8), (2.5, 0.3, 0.9), (9, 0.4, 0.35), (0.5, 0.05, 0.5)):
        layer = rng.normal(size=(rows, width)).astype(np.float32)
        layer = np.concatenate([layer[:, -40:], layer, layer[:, :40]], 1)
        layer = cv2.GaussianBlur(layer, (0, 0), sigmaX=across, sigmaY=along * rows)[:, 40:-40]
        layer = cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC)
        noise += amount * layer / layer.std()
    noise /= noise.std()
    row, column = np.mgrid[:height, :width].astype(np.float32)
    turn = 2 * np.pi * column / width  # whole waves around, so that the picture closes
    shift = wave * (np.sin(row / height * 9 + 6 * turn) + np.sin(3 * turn + row / height * 5))
    noise = cv2.remap(noise, ((column + shift) % (width - 1)).astype(np.float32), row, cv2.INTER_LINEAR)
    t = np.clip(noise * 0.33 * contrast + 0.5, 0, 1)[..., None]
    shade, body, shine = palette
    return np.where(t < 0.5, shade + (body - shade) * t * 2, body + (shine - body) * (t * 2 - 1)), noise


def grain(
    sample: Float[np.ndarray, "h w 3"], width: int, height: int, seed: int = 0
) -> Float[np.ndarray, "height width 3"]:
    """A picture without end that has the sample's mean, contrast and correlations, and no direction of its own making:
    asymptotic discrete spot noise (Galerne, Gousseau, Morel: Random phase textures, 2011). It closes at its edges.
    """
    rows, columns = sample.shape[:2]
    window = np.outer(np.hanning(rows + 2)[1:-1], np.hanning(columns + 2)[1:-1])[..., None]
    mean = (sample * window).sum((0, 1)) / window.sum()
    spot = np.zeros((height, width, 3))
    spot[:rows, :columns] = (sample - mean) * window / np.sqrt((window**2).sum())
    noise = np.fft.rfft2(np.random.default_rng(seed).normal(size=(height, width)))
    return mean + np.fft.irfft2(np.fft.rfft2(spot, axes=(0, 1)) * noise[..., None], (height, width), (0, 1))


def paint_cards(palette: Float[np.ndarray, "3 3"], columns: int = 4, size: int = 512) -> UInt8[np.ndarray, "h w 4"]:
    """Strand cards side by side, roots at the top: ragged edges, tips that thin out, each column a little different."""
    cards = []
    width = size // columns
    for column in range(columns):
        rng = np.random.default_rng(column)
        color, noise = strands(width, size, palette * rng.uniform(0.93, 1.05), column)
        edge = cv2.GaussianBlur(rng.normal(size=(1, width)).astype(np.float32), (0, 0), 1.2)[0]
        edge /= edge.std()
        x = np.abs((np.arange(width) + 0.5) / width * 2 - 1)
        y = (np.arange(size) + 0.5) / size
        outline = np.clip((1 - x) * 3.2 + edge * 0.35, 0, 1)[None]
        tip = np.clip((1 - y)[:, None] * 4 + edge[None] * 0.55 - 0.15, 0, 1)
        gaps = smoothstep(-2.2, -1.2, noise + 0.9 * (1 - y)[:, None])
        shade = (0.62 + 0.38 * smoothstep(0, 0.25, y))[:, None, None]
        cards.append(to_rgba(np.clip(color * shade, 0, 1), outline * tip * gaps))
    return np.concatenate(cards, 1)

"""How a point of a surface answers to light, as small numba functions that the rasteriser inlines; gl.py repeats them.

Camera frame (OpenCV: +Y down, +Z away from the viewer); colours are linear light for the lit models. Constants are the
"soft look" that was found on photographs: most of the light stays in the texture, the lamps only model the form.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from digitalme.spaces import linear_to_srgb, srgb_to_linear

UNLIT, LIT, HAIR, EYE, TOON = 0, 1, 2, 3, 4

# Columns of the lamp table: direction to the lamp, colour, whether the baked key visibility applies.
LAMP_COLUMNS = 7
# Rows of the ambient table: up direction, sky colour, ground colour, toon shadow tints (light step, dark step).
AMBIENT_ROWS = 5

jit = njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"contract", "arcp", "nsz", "reassoc"}, inline="always"
)

LINEAR_FROM_SRGB = srgb_to_linear(np.arange(256) / 255.0).astype(np.float32)
ENCODE_STEPS = 8192
# square-root spacing puts the table's points where sRGB is steep
SRGB_FROM_ROOT = (linear_to_srgb((np.arange(ENCODE_STEPS + 1) / ENCODE_STEPS) ** 2) * 255).astype(np.float32)


@jit
@no_type_check
def decode_texel(level):
    """sRGB 0..255, between levels, to linear 0..1."""
    low = np.int64(min(max(level, np.float32(0)), np.float32(254.99)))
    part = level - np.float32(low)
    return LINEAR_FROM_SRGB[low] + (LINEAR_FROM_SRGB[low + 1] - LINEAR_FROM_SRGB[low]) * part


@jit
@no_type_check
def encode_srgb(linear):
    """Linear 0..1 to sRGB 0..255."""
    root = np.sqrt(min(max(linear, np.float32(0)), np.float32(1)))
    return SRGB_FROM_ROOT[np.int64(root * np.float32(ENCODE_STEPS) + np.float32(0.5))]


@jit
@no_type_check
def _ramp(a, b, x):
    t = min(max((x - a) / (b - a), np.float32(0)), np.float32(1))
    return t * t * (np.float32(3) - np.float32(2) * t)


@jit
@no_type_check
def lit_color(
    model, nx, ny, nz, tx, ty, tz, vx, vy, vz, red, green, blue, occlusion, visible,
    specular, roughness, wrap, soft, scatter, lamps, ambient,
):  # fmt: skip
    """Linear colour of a lit point.

    n, t, v: unit normal, hair direction (HAIR only) and direction to the viewer. occlusion: how much of the
    surroundings is seen; visible: how much of the key lamp is. soft: the part that is left unlit.
    """
    up = (nx * ambient[0, 0] + ny * ambient[0, 1] + nz * ambient[0, 2]) * np.float32(0.5) + np.float32(0.5)
    dr = (ambient[2, 0] + (ambient[1, 0] - ambient[2, 0]) * up) * occlusion
    dg = (ambient[2, 1] + (ambient[1, 1] - ambient[2, 1]) * up) * occlusion
    db = (ambient[2, 2] + (ambient[1, 2] - ambient[2, 2]) * up) * occlusion
    sr = sg = sb = np.float32(0)
    facing = max(nx * vx + ny * vy + nz * vz, np.float32(0))
    # GGX (Walter et al. 2007) with Karis' approximate visibility: no power function, so quick on a CPU
    alpha = max(roughness * roughness, np.float32(0.02))
    alpha *= alpha
    for i in range(lamps.shape[0]):
        lx, ly, lz = lamps[i, 0], lamps[i, 1], lamps[i, 2]
        toward = nx * lx + ny * ly + nz * lz
        shade = visible if lamps[i, 6] > np.float32(0.5) else occlusion
        w = (toward + wrap) / (np.float32(1) + wrap)
        if w <= np.float32(0):
            continue
        diffuse = w * w * shade
        # light that went in and came out again is red, and reaches a little past the terminator
        glow = scatter * _ramp(np.float32(0), np.float32(0.35), w)
        glow *= (np.float32(1) - _ramp(np.float32(0.35), np.float32(0.8), w)) * (
            np.float32(0.4) + np.float32(0.6) * shade
        )
        dr += lamps[i, 3] * (diffuse + glow)
        dg += lamps[i, 4] * (diffuse + glow * np.float32(0.22))
        db += lamps[i, 5] * (diffuse + glow * np.float32(0.12))
        hx, hy, hz = lx + vx, ly + vy, lz + vz
        norm = np.float32(1) / np.sqrt(max(hx * hx + hy * hy + hz * hz, np.float32(1e-8)))
        hx, hy, hz = hx * norm, hy * norm, hz * norm
        if model == HAIR:
            # Kajiya-Kay with the shift of Marschner's two highlights: one white, one in the hair's colour
            th = tx * hx + ty * hy + tz * hz
            first, second = th + np.float32(0.10), th - np.float32(0.16)
            a = max(np.float32(1) - first * first, np.float32(0))  # sin^2, to the 32nd power
            a *= a
            a *= a
            a *= a
            a *= a
            a *= a
            b = max(np.float32(1) - second * second, np.float32(0))  # to the 8th
            b *= b
            b *= b
            b *= b
            amount = specular * shade * max(toward * np.float32(0.8) + np.float32(0.2), np.float32(0))
            sr += lamps[i, 3] * amount * (a * np.float32(0.16) + b * red)
            sg += lamps[i, 4] * amount * (a * np.float32(0.16) + b * green)
            sb += lamps[i, 5] * amount * (a * np.float32(0.16) + b * blue)
        elif specular > np.float32(0) and toward > np.float32(0):
            nh = max(nx * hx + ny * hy + nz * hz, np.float32(0))
            vh = max(vx * hx + vy * hy + vz * hz, np.float32(0))
            grazed = np.float32(1) - vh
            fresnel = np.float32(0.04) + np.float32(0.96) * grazed * grazed * grazed * grazed * grazed
            spread = nh * nh * (alpha - np.float32(1)) + np.float32(1)
            lobe = alpha / (
                spread * spread * max(vh * vh, np.float32(0.1)) * (roughness * np.float32(4) + np.float32(2))
            )
            amount = specular * fresnel * lobe * toward * shade
            if model == EYE:
                # a soft box instead of a point: the catch light has an edge
                amount += specular * np.float32(2.4) * _ramp(np.float32(0.980), np.float32(0.990), nh) * shade
            sr += lamps[i, 3] * amount
            sg += lamps[i, 4] * amount
            sb += lamps[i, 5] * amount
    grazing = np.float32(1) - facing
    rim = grazing * grazing
    rim = rim * rim * np.float32(0.10) * occlusion * min(specular * np.float32(4), np.float32(1))
    if model == HAIR:
        rim = np.float32(0)
    keep = soft * (np.float32(0.55) + np.float32(0.45) * occlusion)
    lit = np.float32(1) - soft
    r = red * (dr * lit + keep) + (sr + rim * ambient[1, 0]) * lit
    g = green * (dg * lit + keep) + (sg + rim * ambient[1, 1]) * lit
    b = blue * (db * lit + keep) + (sb + rim * ambient[1, 2]) * lit
    r = r * np.float32(1.1) / (np.float32(1) + np.float32(0.1) * r)
    g = g * np.float32(1.1) / (np.float32(1) + np.float32(0.1) * g)
    b = b * np.float32(1.1) / (np.float32(1) + np.float32(0.1) * b)
    return r, g, b


@jit
@no_type_check
def toon_color(nx, ny, nz, vx, vy, vz, red, green, blue, specular, lamps, ambient):
    """Two warm shadow steps with narrow soft edges, after cel painting; colours in sRGB."""
    half = (nx * lamps[0, 0] + ny * lamps[0, 1] + nz * lamps[0, 2]) * np.float32(0.5) + np.float32(0.5)
    bright = _ramp(np.float32(0.44), np.float32(0.50), half)
    middle = _ramp(np.float32(0.18), np.float32(0.23), half)
    rim = _ramp(np.float32(0.68), np.float32(0.74), np.float32(1) - max(nx * vx + ny * vy + nz * vz, np.float32(0)))
    hx, hy, hz = lamps[0, 0] + vx, lamps[0, 1] + vy, lamps[0, 2] + vz
    norm = np.float32(1) / np.sqrt(max(hx * hx + hy * hy + hz * hz, np.float32(1e-8)))
    shine = specular * _ramp(np.float32(0.93), np.float32(0.95), (nx * hx + ny * hy + nz * hz) * norm)
    r = ambient[4, 0] + (ambient[3, 0] - ambient[4, 0]) * middle
    g = ambient[4, 1] + (ambient[3, 1] - ambient[4, 1]) * middle
    b = ambient[4, 2] + (ambient[3, 2] - ambient[4, 2]) * middle
    add = rim * np.float32(0.10) * bright
    r = red * (r + (np.float32(1) - r) * bright + add) + shine
    g = green * (g + (np.float32(1) - g) * bright + add) + shine
    b = blue * (b + (np.float32(1) - b) * bright + add) + shine
    return r, g, b

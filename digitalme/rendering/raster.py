"""The rasteriser's kernels (numba, CPU): triangles to covered samples, watertight and in order.

A frame is cut into tiles. Every tile holds its colours and depths in a small buffer of its own, takes the triangles
that touch it in the order in which they were given, and writes finished pixels: so tiles can be drawn by any number of
threads and the picture stays the same bit for bit. Corners are snapped to 1/256 pixel and edges are evaluated in
integers with the top-left rule, so that triangles sharing an edge leave no hole and cover no sample twice.

Coverage and depth are taken at four rotated-grid samples a pixel, colour once a pixel and triangle (multisampling).
`scene.py` is the way in; `rasterise_ids` is for those who need to know which triangle is seen where.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32, Int, Int32
from numba import njit

from digitalme.spaces import linear_to_srgb, srgb_to_linear

SUBPIXEL = 256
TILE = 32
NEAR = 0.01
"""Metres; what is nearer to the camera is cut away."""

# Sample positions in 1/256 pixel: the rotated grid for four samples, the pixel's centre for one.
SAMPLES = {
    4: np.array([[96, 32], [224, 96], [32, 160], [160, 224]], np.int64),
    1: np.array([[128, 128]], np.int64),
}

UNLIT, LIT, HAIR, EYE, TOON = 0, 1, 2, 3, 4

# Columns of the lamp table: direction to the lamp, colour, whether the baked key visibility applies.
LAMP_COLUMNS = 7
# Rows of the ambient table: up direction, sky colour, ground colour, toon shadow tints (light step, dark step).
AMBIENT_ROWS = 5
OPAQUE, MASK, BLEND = 0, 1, 2

# Columns of the integer table of drawables ...
I_SHADING, I_BLEND, I_DEPTH_WRITE, I_CULL, I_FLIP, I_TEXTURE, I_NORMAL_MAP, I_HAS_COLOR, I_DEPTH_TEST = range(9)
INT_COLUMNS = 9
# ... and of the float table. Colour is in the working space (sRGB 0..1 or linear).
F_RED, F_GREEN, F_BLUE, F_ALPHA, F_CUTOFF, F_SPECULAR, F_ROUGHNESS, F_WRAP, F_SOFT, F_RELIEF, F_SCATTER = range(11)
FLOAT_COLUMNS = 11

# Kernels also carry @no_type_check, so that the test run's shape checks leave them to numba.
FAST = {"contract", "arcp", "nsz", "reassoc"}
jit = njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
inlined = njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST, inline="always")

LINEAR_FROM_SRGB = srgb_to_linear(np.arange(256) / 255.0).astype(np.float32)
ENCODE_STEPS = 8192
# square-root spacing puts the table's points where sRGB is steep
SRGB_FROM_ROOT = (linear_to_srgb((np.arange(ENCODE_STEPS + 1) / ENCODE_STEPS) ** 2) * 255).astype(np.float32)

_pools: dict[int, ThreadPoolExecutor] = {}


def _workers() -> int:
    return min(8, int(os.environ.get("NUMBA_NUM_THREADS", 0)) or os.cpu_count() or 1)


def in_parallel(work: Callable[[int, int], None], parts: int) -> None:
    """Run work(part, parts) for every part on the renderer's threads; kernels release the lock while they run."""
    workers = _workers()
    if workers == 1 or parts == 1:
        for part in range(parts):
            work(part, parts)
        return
    # one pool per process: threads do not survive a fork
    if os.getpid() not in _pools:
        _pools[os.getpid()] = ThreadPoolExecutor(workers, "raster")
    pool = _pools[os.getpid()]
    for done in [pool.submit(work, part, parts) for part in range(parts)]:
        done.result()


@jit
@no_type_check
def project_vertices(positions, rotation, translation, focal, cx, cy, bias, view, pixels):
    """World positions (v, 3) to camera frame `view` (v, 3) and `pixels` (v, 3): x, y in pixels and 1 / depth."""
    for i in range(positions.shape[0]):
        x, y, z = positions[i, 0], positions[i, 1], positions[i, 2]
        a = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + translation[0]
        b = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + translation[1]
        c = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + translation[2]
        view[i, 0], view[i, 1], view[i, 2] = a, b, c
        # behind the near plane the pixel is meaningless: assemble() clips such triangles in the camera frame
        inverse = 1.0 / max(c, 1e-6)
        pixels[i, 0] = focal * a * inverse + cx
        pixels[i, 1] = focal * b * inverse + cy
        pixels[i, 2] = 1.0 / max(c - bias, 1e-6)


@jit
@no_type_check
def rotate_vectors(vectors, rotation, out):
    """Unit vectors (v, 3) of the world, rotated into the camera frame."""
    for i in range(vectors.shape[0]):
        x, y, z = vectors[i, 0], vectors[i, 1], vectors[i, 2]
        for k in range(3):
            out[i, k] = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z


@jit
@no_type_check
def add_normals(positions, faces, normals):
    """Area-weighted vertex normals into `normals` (v, 3), which must be 0."""
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, bx = positions[j, 0] - positions[i, 0], positions[k, 0] - positions[i, 0]
        ay, by = positions[j, 1] - positions[i, 1], positions[k, 1] - positions[i, 1]
        az, bz = positions[j, 2] - positions[i, 2], positions[k, 2] - positions[i, 2]
        x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for c in range(3):
            normals[faces[f, c], 0] += x
            normals[faces[f, c], 1] += y
            normals[faces[f, c], 2] += z
    for v in range(normals.shape[0]):
        x, y, z = normals[v, 0], normals[v, 1], normals[v, 2]
        scale = np.float32(1) / np.sqrt(max(x * x + y * y + z * z, np.float32(1e-30)))
        normals[v, 0], normals[v, 1], normals[v, 2] = x * scale, y * scale, z * scale


@jit
@no_type_check
def _snap(value):
    return np.int64(np.floor(min(max(value, -2.0e6), 2.0e6) * SUBPIXEL + 0.5))


@jit
@no_type_check
def _emit(count, face, clip, ax, ay, az, bx, by, bz, cx, cy, cz, cull, width, height, corners, depths, source):
    """Store one triangle in pixels if it faces a side that is wanted and meets the picture; the new count."""
    x0, y0, x1, y1, x2, y2 = _snap(ax), _snap(ay), _snap(bx), _snap(by), _snap(cx), _snap(cy)
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    # counter-clockwise seen from outside is negative here: y runs down
    if area == 0 or (area > 0 and cull):
        return count
    if max(x0, x1, x2) < 0 or max(y0, y1, y2) < 0 or min(x0, x1, x2) >= width * SUBPIXEL:
        return count
    if min(y0, y1, y2) >= height * SUBPIXEL:
        return count
    front = area < 0
    corners[count, 0], corners[count, 1] = x0, y0
    depths[count, 0] = az
    if front:
        corners[count, 2], corners[count, 3], corners[count, 4], corners[count, 5] = x2, y2, x1, y1
        depths[count, 1], depths[count, 2] = cz, bz
    else:
        corners[count, 2], corners[count, 3], corners[count, 4], corners[count, 5] = x1, y1, x2, y2
        depths[count, 1], depths[count, 2] = bz, cz
    source[count, 0], source[count, 1], source[count, 2] = face, 1 if front else 0, clip
    return count + 1


@jit
@no_type_check
def assemble(
    faces, face_drawable, table, bias, view, pixels, focal, cx, cy, width, height, corners, depths, source, cut
):
    """Triangles that can be seen, clipped at the near plane, as integer corners, 1 / depth and source.

    source (n, 3): face, whether it shows its front, and the row of `cut` (m, 3, 3) that holds the barycentrics of a
    clipped triangle's corners in its face (-1: unclipped). Returns (n, m).
    """
    count, clipped = 0, 0
    poly = np.empty((4, 3), np.float32)
    for f in range(faces.shape[0]):
        drawable = face_drawable[f]
        cull = table[drawable, I_CULL] != 0
        if table[drawable, I_CULL] == 2:  # hidden
            continue
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        zi, zj, zk = view[i, 2], view[j, 2], view[k, 2]
        if zi > NEAR and zj > NEAR and zk > NEAR:
            count = _emit(
                count, f, -1, pixels[i, 0], pixels[i, 1], pixels[i, 2], pixels[j, 0], pixels[j, 1], pixels[j, 2],
                pixels[k, 0], pixels[k, 1], pixels[k, 2], cull, width, height, corners, depths, source,
            )  # fmt: skip
        elif zi > NEAR or zj > NEAR or zk > NEAR:
            # Sutherland-Hodgman against one plane: three or four corners stay, as barycentrics of the face
            n = 0
            for a in range(3):
                b = (a + 1) % 3
                za, zb = view[faces[f, a], 2], view[faces[f, b], 2]
                if za > NEAR:
                    poly[n, :] = 0
                    poly[n, a] = 1
                    n += 1
                if (za > NEAR) != (zb > NEAR):
                    t = (NEAR - za) / (zb - za)
                    poly[n, :] = 0
                    poly[n, a] = 1 - t
                    poly[n, b] = t
                    n += 1
            for last in range(2, n):
                px = np.empty((3, 3), np.float64)
                for corner in range(3):
                    row = 0 if corner == 0 else last - 2 + corner
                    x = y = z = 0.0
                    for a in range(3):
                        cut[clipped, corner, a] = poly[row, a]
                        x += poly[row, a] * view[faces[f, a], 0]
                        y += poly[row, a] * view[faces[f, a], 1]
                        z += poly[row, a] * view[faces[f, a], 2]
                    z = max(z, NEAR)
                    px[corner, 0], px[corner, 1] = focal * x / z + cx, focal * y / z + cy
                    px[corner, 2] = 1 / max(z - bias[drawable], 1e-6)
                before = count
                count = _emit(
                    count, f, clipped, px[0, 0], px[0, 1], px[0, 2], px[1, 0], px[1, 1], px[1, 2],
                    px[2, 0], px[2, 1], px[2, 2], cull, width, height, corners, depths, source,
                )  # fmt: skip
                clipped += count - before
    return count, clipped


@jit
@no_type_check
def bin_triangles(corners, count, width, height, start, items):
    """Lists of triangles by tile: items[start[t]:start[t + 1]], in drawing order. Returns how many entries it takes;
    when `items` is too short for them nothing is filled in."""
    columns = (width + TILE - 1) // TILE
    rows = (height + TILE - 1) // TILE
    span = SUBPIXEL * TILE
    start[:] = 0
    for t in range(count):
        xs = min(corners[t, 0], corners[t, 2], corners[t, 4])
        xe = max(corners[t, 0], corners[t, 2], corners[t, 4])
        ys = min(corners[t, 1], corners[t, 3], corners[t, 5])
        ye = max(corners[t, 1], corners[t, 3], corners[t, 5])
        for row in range(max(ys // span, 0), min(ye // span, rows - 1) + 1):
            for column in range(max(xs // span, 0), min(xe // span, columns - 1) + 1):
                start[row * columns + column + 1] += 1
    for tile in range(rows * columns):
        start[tile + 1] += start[tile]
    total = start[rows * columns]
    if total > items.shape[0]:
        return total
    for t in range(count):
        xs = min(corners[t, 0], corners[t, 2], corners[t, 4])
        xe = max(corners[t, 0], corners[t, 2], corners[t, 4])
        ys = min(corners[t, 1], corners[t, 3], corners[t, 5])
        ye = max(corners[t, 1], corners[t, 3], corners[t, 5])
        for row in range(max(ys // span, 0), min(ye // span, rows - 1) + 1):
            for column in range(max(xs // span, 0), min(xe // span, columns - 1) + 1):
                tile = row * columns + column
                items[start[tile]] = t
                start[tile] += 1
    for tile in range(rows * columns, 0, -1):  # each start has moved to its end: shift back
        start[tile] = start[tile - 1]
    start[0] = 0
    return total


@jit
@no_type_check
def _top_left(ax, ay, bx, by):
    """0 for the top and left edges of a triangle of positive area (y down), which own the samples on them, else -1."""
    dx, dy = bx - ax, by - ay
    if dy < 0 or (dy == 0 and dx > 0):
        return 0
    return -1


@jit
@no_type_check
def fill_ids(part, parts, perspective, corners, depths, source, start, items, width, height, face_id, bary, depth):
    """The nearest triangle at every pixel centre of this part's tiles."""
    columns = (width + TILE - 1) // TILE
    rows = (height + TILE - 1) // TILE
    for tile in range(part, rows * columns, parts):
        left, top = (tile % columns) * TILE, (tile // columns) * TILE
        right, bottom = min(left + TILE, width), min(top + TILE, height)
        for entry in range(start[tile], start[tile + 1]):
            t = items[entry]
            x0, y0, x1 = np.int64(corners[t, 0]), np.int64(corners[t, 1]), np.int64(corners[t, 2])
            y1, x2, y2 = np.int64(corners[t, 3]), np.int64(corners[t, 4]), np.int64(corners[t, 5])
            inverse_area = np.float32(1.0) / np.float32((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0))
            b0, b1, b2 = _top_left(x1, y1, x2, y2), _top_left(x2, y2, x0, y0), _top_left(x0, y0, x1, y1)
            xs = max(left, (min(x0, x1, x2) - 128) >> 8)
            xe = min(right, ((max(x0, x1, x2) + 128) >> 8) + 1)
            ys = max(top, (min(y0, y1, y2) - 128) >> 8)
            ye = min(bottom, ((max(y0, y1, y2) + 128) >> 8) + 1)
            for y in range(ys, ye):
                py = np.int64(y) * SUBPIXEL + 128
                for x in range(xs, xe):
                    px = np.int64(x) * SUBPIXEL + 128
                    e0 = (x2 - x1) * (py - y1) - (y2 - y1) * (px - x1)
                    e1 = (x0 - x2) * (py - y2) - (y0 - y2) * (px - x2)
                    e2 = (x1 - x0) * (py - y0) - (y1 - y0) * (px - x0)
                    if (e0 + b0) | (e1 + b1) | (e2 + b2) < 0:
                        continue
                    w0, w1 = np.float32(e0) * inverse_area, np.float32(e1) * inverse_area
                    w2 = np.float32(e2) * inverse_area
                    z = w0 * depths[t, 0] + w1 * depths[t, 1] + w2 * depths[t, 2]
                    if perspective:
                        z = np.float32(1.0) / z
                    if z > depth[y, x]:
                        continue
                    depth[y, x] = z
                    face_id[y, x] = source[t, 0]
                    if perspective:
                        w0, w1, w2 = w0 * z * depths[t, 0], w1 * z * depths[t, 1], w2 * z * depths[t, 2]
                    if source[t, 1] == 1:  # the corners of a front face were turned round
                        w1, w2 = w2, w1
                    bary[y, x, 0], bary[y, x, 1], bary[y, x, 2] = w0, w1, w2


@jit
@no_type_check
def sample_bilinear(texels, offset, width, height, u, v):
    """Four channels of a texture at (u, v) (0, 0 = top left corner), clamped at the border, each in 1/256 of a level.

    Texels are RGBA in one 32-bit word; all four channels are weighted at once in the 16-bit lanes of a 64-bit word.
    """
    x = min(max(u * np.float32(width) - np.float32(0.5), np.float32(0)), np.float32(width - 1))
    y = min(max(v * np.float32(height) - np.float32(0.5), np.float32(0)), np.float32(height - 1))
    xi, yi = np.int64(x), np.int64(y)
    fx, fy = np.int64((x - np.float32(xi)) * np.float32(256)), np.int64((y - np.float32(yi)) * np.float32(256))
    right = np.int64(1) if xi + 1 < width else np.int64(0)
    below = np.int64(width) if yi + 1 < height else np.int64(0)
    at = offset + yi * width + xi
    w11 = (fx * fy + 128) >> 8
    w01, w10 = fx - w11, fy - w11
    w00 = 256 - fx - fy + w11
    total = (
        _spread(texels[at]) * np.uint64(w00) + _spread(texels[at + right]) * np.uint64(w01)
        + _spread(texels[at + below]) * np.uint64(w10) + _spread(texels[at + below + right]) * np.uint64(w11)
    )  # fmt: skip
    return total


@jit
@no_type_check
def _spread(texel):
    """0xAABBGGRR to 0x00AA00BB00GG00RR."""
    wide = np.uint64(texel)
    wide = (wide | (wide << np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    return (wide | (wide << np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)


@jit
@no_type_check
def lane(total, k):
    """Channel k of a sampled texel, 0..255 as float32."""
    return np.float32((total >> np.uint64(16 * k)) & np.uint64(0xFFFF)) * np.float32(1 / 256)


@jit
@no_type_check
def _level(textures, texture, u0, v0, u1, v1, u2, v2, pixel_area):
    """Mip level that fits a triangle, as a float: half the log2 of texels per pixel."""
    area = abs((u1 - u0) * (v2 - v0) - (u2 - u0) * (v1 - v0))
    texels = area * np.float32(textures[texture, 1] * textures[texture, 2])
    if texels <= pixel_area:
        return np.float32(0)
    level = np.float32(0.5) * np.log2(texels / max(pixel_area, np.float32(1e-6))) - np.float32(0.25)
    return min(max(level, np.float32(0)), np.float32(textures[texture, 3] - 1))


@jit
@no_type_check
def sample_mip(texels, textures, texture, level, u, v):
    """Channels (r, g, b, a), 0..255, between the two mip levels around `level`."""
    low = np.int64(level)
    part = level - np.float32(low)
    row = texture + low
    first = sample_bilinear(texels, textures[row, 0], textures[row, 1], textures[row, 2], u, v)
    r, g, b, a = lane(first, 0), lane(first, 1), lane(first, 2), lane(first, 3)
    if part > np.float32(0.04):
        second = sample_bilinear(texels, textures[row + 1, 0], textures[row + 1, 1], textures[row + 1, 2], u, v)
        r += (lane(second, 0) - r) * part
        g += (lane(second, 1) - g) * part
        b += (lane(second, 2) - b) * part
        a += (lane(second, 3) - a) * part
    return r, g, b, a


# How a point of a surface answers to light (gl.py repeats these). Camera frame: +Y down, +Z away from the viewer;
# linear light for the lit models. The constants are the "soft look" that was found on photographs: much of the light
# stays in the texture, the lamps only model the form. They stand in this file because numba's cache notices changes of
# the kernel's own file only.


@inlined
@no_type_check
def decode_texel(level):
    """sRGB 0..255, between levels, to linear 0..1."""
    low = np.int64(min(max(level, np.float32(0)), np.float32(254.99)))
    part = level - np.float32(low)
    return LINEAR_FROM_SRGB[low] + (LINEAR_FROM_SRGB[low + 1] - LINEAR_FROM_SRGB[low]) * part


@inlined
@no_type_check
def encode_srgb(linear):
    """Linear 0..1 to sRGB 0..255."""
    root = np.sqrt(min(max(linear, np.float32(0)), np.float32(1)))
    return SRGB_FROM_ROOT[np.int64(root * np.float32(ENCODE_STEPS) + np.float32(0.5))]


@inlined
@no_type_check
def _ramp(a, b, x):
    t = min(max((x - a) / (b - a), np.float32(0)), np.float32(1))
    return t * t * (np.float32(3) - np.float32(2) * t)


@inlined
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
    keep = soft * (np.float32(0.40) + np.float32(0.50) * occlusion + np.float32(0.12) * visible)
    lit = np.float32(1) - soft
    r = red * (dr * lit + keep) + (sr + rim * ambient[1, 0]) * lit
    g = green * (dg * lit + keep) + (sg + rim * ambient[1, 1]) * lit
    b = blue * (db * lit + keep) + (sb + rim * ambient[1, 2]) * lit
    r = r * np.float32(1.1) / (np.float32(1) + np.float32(0.1) * r)
    g = g * np.float32(1.1) / (np.float32(1) + np.float32(0.1) * g)
    b = b * np.float32(1.1) / (np.float32(1) + np.float32(0.1) * b)
    return r, g, b


@inlined
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


@jit
@no_type_check
def draw_tiles(
    part, parts, samples, linear, width, height,
    corners, depths, source, cut, start, items,
    faces, face_drawable, corner_uv, view, normals, colors, light,
    table, surface, texels, textures, lamps, ambient, background, picture,
):  # fmt: skip
    """Draw this part's tiles: visibility at `samples`, shading, blending, and the resolved pixels into `picture`.

    corner_uv (f, 3, 2); view, normals (v, 3) in the camera frame; colors (v, 4) in the working space, 0..1; light
    (v, 2) baked occlusion and key visibility; table, surface: one row for each drawable (I_* and F_*); textures (n, 4):
    offset, width, height and number of mip levels; background, picture (h, w, 3) uint8. The working space is linear
    light when `linear`, else sRGB; tile colours are 0..1.
    """
    f32 = np.float32
    columns = (width + TILE - 1) // TILE
    rows = (height + TILE - 1) // TILE
    count = samples.shape[0]
    everything = (1 << count) - 1
    tile_depth = np.empty((TILE * TILE, count), np.float32)
    tile_color = np.empty((TILE * TILE, count, 3), np.float32)
    split = np.empty(TILE * TILE, np.uint8)  # 0: all samples of the pixel share the colour of sample 0
    # the opaque surface that was drawn last in each pixel, where, and a sample that holds its colour
    owner = np.empty(TILE * TILE, np.int32)
    owner_near = np.empty(TILE * TILE, np.float32)
    owner_sample = np.empty(TILE * TILE, np.uint8)
    offsets = np.empty((3, 4), np.int64)
    sample_depth = np.empty(4, np.float32)
    share = f32(1.0) / f32(count)
    for tile in range(part, rows * columns, parts):
        left, top = (tile % columns) * TILE, (tile // columns) * TILE
        right, bottom = min(left + TILE, width), min(top + TILE, height)
        if start[tile] == start[tile + 1]:
            for y in range(top, bottom):
                for x in range(left, right):
                    picture[y, x, 0] = background[y, x, 0]
                    picture[y, x, 1] = background[y, x, 1]
                    picture[y, x, 2] = background[y, x, 2]
            continue
        tile_depth[:] = f32(0)
        split[:] = 0
        owner[:] = -1
        for y in range(top, bottom):
            for x in range(left, right):
                at = (y - top) * TILE + x - left
                for k in range(3):
                    level = f32(background[y, x, k])
                    tile_color[at, 0, k] = decode_texel(level) if linear else level * f32(1 / 255)

        for entry in range(start[tile], start[tile + 1]):
            t = items[entry]
            x0, y0, x1 = np.int64(corners[t, 0]), np.int64(corners[t, 1]), np.int64(corners[t, 2])
            y1, x2, y2 = np.int64(corners[t, 3]), np.int64(corners[t, 4]), np.int64(corners[t, 5])
            face, front, clip = source[t, 0], source[t, 1], source[t, 2]
            drawable = face_drawable[face]
            key = drawable * 2 + front
            double_area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
            inverse_area = f32(1.0) / f32(double_area)
            broad = double_area > 8 * SUBPIXEL * SUBPIXEL  # more than four pixels
            z0, z1, z2 = depths[t, 0], depths[t, 1], depths[t, 2]
            # 1 / depth is a plane over the picture: its slope in 1/256 pixel
            slope_x = inverse_area * (f32(y1 - y2) * z0 + f32(y2 - y0) * z1 + f32(y0 - y1) * z2)
            slope_y = inverse_area * (f32(x2 - x1) * z0 + f32(x0 - x2) * z1 + f32(x1 - x0) * z2)
            b0, b1, b2 = _top_left(x1, y1, x2, y2), _top_left(x2, y2, x0, y0), _top_left(x0, y0, x1, y1)
            # steps of the three edge functions by one pixel in x
            ax0 = (y1 - y2) * SUBPIXEL
            ax1 = (y2 - y0) * SUBPIXEL
            ax2 = (y0 - y1) * SUBPIXEL
            for s in range(count):
                sx, sy = samples[s, 0], samples[s, 1]
                offsets[0, s] = (y1 - y2) * sx + (x2 - x1) * sy + b0
                offsets[1, s] = (y2 - y0) * sx + (x0 - x2) * sy + b1
                offsets[2, s] = (y0 - y1) * sx + (x1 - x0) * sy + b2
            xs, xe = max(left, min(x0, x1, x2) >> 8), min(right, (max(x0, x1, x2) >> 8) + 1)
            ys, ye = max(top, min(y0, y1, y2) >> 8), min(bottom, (max(y0, y1, y2) >> 8) + 1)

            model = table[drawable, I_SHADING]
            blend = table[drawable, I_BLEND]
            depth_write = table[drawable, I_DEPTH_WRITE] != 0
            depth_test = table[drawable, I_DEPTH_TEST] != 0
            texture = table[drawable, I_TEXTURE]
            relief = table[drawable, I_NORMAL_MAP]
            tinted = table[drawable, I_HAS_COLOR] != 0
            flip_back = table[drawable, I_FLIP] != 0
            base_r, base_g, base_b = surface[drawable, F_RED], surface[drawable, F_GREEN], surface[drawable, F_BLUE]
            base_alpha, cutoff = surface[drawable, F_ALPHA], surface[drawable, F_CUTOFF]
            specular, roughness = surface[drawable, F_SPECULAR], surface[drawable, F_ROUGHNESS]
            wrap, soft = surface[drawable, F_WRAP], surface[drawable, F_SOFT]
            scatter, amount = surface[drawable, F_SCATTER], surface[drawable, F_RELIEF]
            # corners in the order of the integer triangle: the last two change places for a front face
            c1, c2 = (2, 1) if front == 1 else (1, 2)
            i0, i1, i2 = faces[face, 0], faces[face, c1], faces[face, c2]
            u0 = v0 = u1 = v1 = u2 = v2 = level = level_relief = f32(0)
            pixel_area = f32(double_area) * f32(1.0 / (SUBPIXEL * SUBPIXEL))
            tangent_x = tangent_y = tangent_z = bitangent_x = bitangent_y = bitangent_z = f32(0)
            if texture >= 0 or relief >= 0 or model == HAIR:
                u0, v0 = corner_uv[face, 0, 0], corner_uv[face, 0, 1]
                u1, v1 = corner_uv[face, c1, 0], corner_uv[face, c1, 1]
                u2, v2 = corner_uv[face, c2, 0], corner_uv[face, c2, 1]
                if texture >= 0 and clip < 0:
                    level = _level(textures, texture, u0, v0, u1, v1, u2, v2, pixel_area)
                if relief >= 0 and clip < 0:
                    level_relief = _level(textures, relief, u0, v0, u1, v1, u2, v2, pixel_area)
                if relief >= 0 or model == HAIR:
                    du1, dv1, du2, dv2 = u1 - u0, v1 - v0, u2 - u0, v2 - v0
                    det = du1 * dv2 - du2 * dv1
                    flip = f32(1) if det >= 0 else f32(-1)
                    ex, ey, ez = view[i1, 0] - view[i0, 0], view[i1, 1] - view[i0, 1], view[i1, 2] - view[i0, 2]
                    gx, gy, gz = view[i2, 0] - view[i0, 0], view[i2, 1] - view[i0, 1], view[i2, 2] - view[i0, 2]
                    tangent_x = (ex * dv2 - gx * dv1) * flip
                    tangent_y = (ey * dv2 - gy * dv1) * flip
                    tangent_z = (ez * dv2 - gz * dv1) * flip
                    bitangent_x = (gx * du1 - ex * du2) * flip
                    bitangent_y = (gy * du1 - ey * du2) * flip
                    bitangent_z = (gz * du1 - ez * du2) * flip

            for y in range(ys, ye):
                base_y = np.int64(y) * SUBPIXEL
                base_x = np.int64(xs) * SUBPIXEL
                e0 = (x2 - x1) * (base_y - y1) - (y2 - y1) * (base_x - x1) - ax0
                e1 = (x0 - x2) * (base_y - y2) - (y0 - y2) * (base_x - x2) - ax1
                e2 = (x1 - x0) * (base_y - y0) - (y1 - y0) * (base_x - x0) - ax2
                for x in range(xs, xe):
                    e0 += ax0
                    e1 += ax1
                    e2 += ax2
                    mask = 0
                    for s in range(count):
                        if (e0 + offsets[0, s]) | (e1 + offsets[1, s]) | (e2 + offsets[2, s]) >= 0:
                            mask |= 1 << s
                    if mask == 0:
                        continue
                    at = (y - top) * TILE + x - left
                    # attributes at the middle of the pixel, or of the covered samples: never outside the triangle
                    mx, my, covered = 128, 128, count
                    if mask != everything:
                        mx = my = covered = 0
                        for s in range(count):
                            if mask >> s & 1:
                                mx += samples[s, 0]
                                my += samples[s, 1]
                                covered += 1
                        mx //= covered
                        my //= covered
                        if linear:
                            # lit surfaces are smooth: taken at the middle when that is hardly outside the triangle, so
                            # that the triangles which share a pixel agree about its colour
                            slack = -double_area >> 3
                            middle_0 = e0 + (y1 - y2) * 128 + (x2 - x1) * 128
                            middle_1 = e1 + (y2 - y0) * 128 + (x0 - x2) * 128
                            middle_2 = e2 + (y0 - y1) * 128 + (x1 - x0) * 128
                            if middle_0 > slack and middle_1 > slack and middle_2 > slack:
                                mx = my = 128
                    w0 = f32(e0 + (y1 - y2) * mx + (x2 - x1) * my) * inverse_area
                    w1 = f32(e1 + (y2 - y0) * mx + (x0 - x2) * my) * inverse_area
                    w2 = f32(e2 + (y0 - y1) * mx + (x1 - x0) * my) * inverse_area
                    near = w0 * z0 + w1 * z1 + w2 * z2
                    for s in range(count):
                        if mask >> s & 1:
                            depth = near + (slope_x * f32(samples[s, 0] - mx) + slope_y * f32(samples[s, 1] - my))
                            sample_depth[s] = depth
                            if depth_test and depth < tile_depth[at, s]:
                                mask &= ~(1 << s)
                    if mask == 0:
                        continue
                    # a pixel on the border of two triangles of one surface is shaded once
                    again = linear and broad and blend != BLEND and owner[at] == key
                    again = again and abs(near - owner_near[at]) < f32(0.001) * near
                    scale = f32(1) / near
                    w0, w1, w2 = w0 * z0 * scale, w1 * z1 * scale, w2 * z2 * scale
                    if clip >= 0:  # weights of the cut triangle's corners to weights of the face's corners
                        p0 = w0 * cut[clip, 0, 0] + w1 * cut[clip, c1, 0] + w2 * cut[clip, c2, 0]
                        p1 = w0 * cut[clip, 0, c1] + w1 * cut[clip, c1, c1] + w2 * cut[clip, c2, c1]
                        p2 = w0 * cut[clip, 0, c2] + w1 * cut[clip, c1, c2] + w2 * cut[clip, c2, c2]
                        w0, w1, w2 = p0, p1, p2

                    red, green, blue, alpha = base_r, base_g, base_b, base_alpha
                    u = v = f32(0)
                    if texture >= 0 or relief >= 0:
                        u, v = u0 * w0 + u1 * w1 + u2 * w2, v0 * w0 + v1 * w1 + v2 * w2
                    if texture >= 0 and (blend == MASK or not again):
                        tr, tg, tb, ta = sample_mip(texels, textures, texture, level, u, v)
                        if linear:
                            red, green, blue = red * decode_texel(tr), green * decode_texel(tg), blue * decode_texel(tb)
                        else:
                            red, green, blue = (
                                red * tr * f32(1 / 255),
                                green * tg * f32(1 / 255),
                                blue * tb * f32(1 / 255),
                            )
                        alpha *= ta * f32(1 / 255)
                    if tinted and (blend == MASK or not again):
                        red *= colors[i0, 0] * w0 + colors[i1, 0] * w1 + colors[i2, 0] * w2
                        green *= colors[i0, 1] * w0 + colors[i1, 1] * w1 + colors[i2, 1] * w2
                        blue *= colors[i0, 2] * w0 + colors[i1, 2] * w1 + colors[i2, 2] * w2
                        alpha *= colors[i0, 3] * w0 + colors[i1, 3] * w1 + colors[i2, 3] * w2

                    if blend == MASK:
                        # alpha to coverage: the cut-out's edge is as smooth as a triangle's
                        fill = (alpha - cutoff) * f32(2) + f32(0.5)
                        for s in range(count):
                            if fill <= (f32(s) + f32(0.5)) * share:
                                mask &= ~(1 << s)
                        if mask == 0:
                            continue
                        alpha = f32(1)
                    elif blend == BLEND and alpha <= f32(0.002):
                        continue

                    if again:
                        held = owner_sample[at] if split[at] != 0 else 0
                        red, green, blue = tile_color[at, held, 0], tile_color[at, held, 1], tile_color[at, held, 2]
                    elif model != UNLIT:
                        nx = normals[i0, 0] * w0 + normals[i1, 0] * w1 + normals[i2, 0] * w2
                        ny = normals[i0, 1] * w0 + normals[i1, 1] * w1 + normals[i2, 1] * w2
                        nz = normals[i0, 2] * w0 + normals[i1, 2] * w1 + normals[i2, 2] * w2
                        if front == 0 and flip_back:
                            nx, ny, nz = -nx, -ny, -nz
                        norm = f32(1) / np.sqrt(max(nx * nx + ny * ny + nz * nz, f32(1e-12)))
                        nx, ny, nz = nx * norm, ny * norm, nz * norm
                        vx = -(view[i0, 0] * w0 + view[i1, 0] * w1 + view[i2, 0] * w2)
                        vy = -(view[i0, 1] * w0 + view[i1, 1] * w1 + view[i2, 1] * w2)
                        vz = -(view[i0, 2] * w0 + view[i1, 2] * w1 + view[i2, 2] * w2)
                        norm = f32(1) / np.sqrt(vx * vx + vy * vy + vz * vz)
                        vx, vy, vz = vx * norm, vy * norm, vz * norm
                        tx = ty = tz = f32(0)
                        if relief >= 0 or model == HAIR:
                            # tangent and bitangent of this triangle, made square to the smooth normal
                            d = tangent_x * nx + tangent_y * ny + tangent_z * nz
                            px, py, pz = tangent_x - d * nx, tangent_y - d * ny, tangent_z - d * nz
                            norm = f32(1) / np.sqrt(max(px * px + py * py + pz * pz, f32(1e-20)))
                            px, py, pz = px * norm, py * norm, pz * norm
                            d = bitangent_x * nx + bitangent_y * ny + bitangent_z * nz
                            tx, ty, tz = bitangent_x - d * nx, bitangent_y - d * ny, bitangent_z - d * nz
                            norm = f32(1) / np.sqrt(max(tx * tx + ty * ty + tz * tz, f32(1e-20)))
                            tx, ty, tz = tx * norm, ty * norm, tz * norm
                            if relief >= 0:
                                rr, rg, rb, _ = sample_mip(texels, textures, relief, level_relief, u, v)
                                rx = (rr * f32(2 / 255) - f32(1)) * amount
                                # the map's green points up the picture, v runs down it
                                ry = -(rg * f32(2 / 255) - f32(1)) * amount
                                rz = max(rb * f32(2 / 255) - f32(1), f32(0.05))
                                qx = px * rx + tx * ry + nx * rz
                                qy = py * rx + ty * ry + ny * rz
                                qz = pz * rx + tz * ry + nz * rz
                                norm = f32(1) / np.sqrt(max(qx * qx + qy * qy + qz * qz, f32(1e-12)))
                                nx, ny, nz = qx * norm, qy * norm, qz * norm
                        if model == TOON:
                            red, green, blue = toon_color(
                                nx, ny, nz, vx, vy, vz, red, green, blue, specular, lamps, ambient
                            )
                        else:
                            occlusion = light[i0, 0] * w0 + light[i1, 0] * w1 + light[i2, 0] * w2
                            visible = light[i0, 1] * w0 + light[i1, 1] * w1 + light[i2, 1] * w2
                            red, green, blue = lit_color(
                                model, nx, ny, nz, tx, ty, tz, vx, vy, vz, red, green, blue, occlusion, visible,
                                specular, roughness, wrap, soft, scatter, lamps, ambient,
                            )  # fmt: skip

                    if depth_write:
                        for s in range(count):
                            if mask >> s & 1:
                                tile_depth[at, s] = sample_depth[s]
                    if blend != BLEND:
                        alpha = f32(1)
                        owner[at], owner_near[at] = key, near
                        owner_sample[at] = 0
                        while not mask >> owner_sample[at] & 1:
                            owner_sample[at] += 1
                    else:
                        owner[at] = -1
                    keep = f32(1) - alpha
                    red, green, blue = red * alpha, green * alpha, blue * alpha
                    if mask == everything and (split[at] == 0 or blend != BLEND):
                        split[at] = 0
                        tile_color[at, 0, 0] = tile_color[at, 0, 0] * keep + red
                        tile_color[at, 0, 1] = tile_color[at, 0, 1] * keep + green
                        tile_color[at, 0, 2] = tile_color[at, 0, 2] * keep + blue
                        continue
                    if split[at] == 0:
                        split[at] = 1
                        for s in range(1, count):
                            for k in range(3):
                                tile_color[at, s, k] = tile_color[at, 0, k]
                    for s in range(count):
                        if mask >> s & 1:
                            tile_color[at, s, 0] = tile_color[at, s, 0] * keep + red
                            tile_color[at, s, 1] = tile_color[at, s, 1] * keep + green
                            tile_color[at, s, 2] = tile_color[at, s, 2] * keep + blue

        for y in range(top, bottom):
            for x in range(left, right):
                at = (y - top) * TILE + x - left
                for k in range(3):
                    value = tile_color[at, 0, k]
                    if split[at] != 0:
                        # averaged after clipping: a highlight's overshoot must not fray its own edge
                        value = min(value, f32(1))
                        for s in range(1, count):
                            value += min(tile_color[at, s, k], f32(1))
                        value *= share
                    value = encode_srgb(value) if linear else min(max(value, f32(0)), f32(1)) * f32(255)
                    picture[y, x, k] = np.uint8(value + f32(0.5))


def rasterise_ids(
    points_px: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], width: int, height: int, *,
    cull: bool = False, perspective: bool = True,
) -> tuple[Int32[np.ndarray, "h w"], Float32[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:  # fmt: skip
    """Which triangle is seen at every pixel centre, where in it, and how deep.

    points_px: x, y in pixels (y down, pixel centres at +0.5) and depth > 0, as from Camera.project; triangles with a
    corner at depth <= 0 are left out. Returns face index (-1 where nothing is), barycentrics of the face's three
    corners (perspective-correct; plain linear ones when `perspective` is False, as for orthographic views and UV maps)
    and depth (infinity where nothing is). `cull` leaves out back faces (clockwise in the picture seen with y up).
    """
    points = np.ascontiguousarray(points_px, np.float32)
    faces = np.ascontiguousarray(faces, np.int32)
    face_id = np.full((height, width), -1, np.int32)
    bary = np.zeros((height, width, 3), np.float32)
    depth = np.full((height, width), np.inf, np.float32)
    if not len(faces):
        return face_id, bary, depth
    view, pixels = points, points.copy()
    if perspective:
        faces_used = np.flatnonzero((points[faces, 2] > NEAR).all(1)).astype(np.int32)
        with np.errstate(divide="ignore"):
            pixels[:, 2] = 1 / points[:, 2]
    else:
        faces_used = np.arange(len(faces), dtype=np.int32)
        view = points.copy()
        view[:, 2] = 1
    table = np.zeros((1, INT_COLUMNS), np.int64)
    table[0, I_CULL] = cull
    kept = np.ascontiguousarray(faces[faces_used])
    corners = np.empty((len(kept), 6), np.int32)
    depths = np.empty((len(kept), 3), np.float32)
    source = np.empty((len(kept), 3), np.int32)
    cut = np.zeros((1, 3, 3), np.float32)
    count, _ = assemble(
        kept, np.zeros(len(kept), np.int32), table, np.zeros(1, np.float32), view, pixels, 1.0, 0.0, 0.0,
        width, height, corners, depths, source, cut,
    )  # fmt: skip
    start, items = bin_all(corners, count, width, height, np.empty(2 * count + 1024, np.int32))
    in_parallel(
        lambda part, parts: fill_ids(
            part, parts, perspective, corners, depths, source, start, items, width, height, face_id, bary, depth
        ),
        2 * _workers(),
    )
    if len(kept) != len(faces):
        seen = face_id >= 0
        face_id[seen] = faces_used[face_id[seen]]
    return face_id, bary, depth


def bin_all(
    corners: np.ndarray, count: int, width: int, height: int, items: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Tile lists (start, items); `items` is used again when it is long enough, else a longer one is made."""
    tiles = -(-width // TILE) * -(-height // TILE)
    start = np.empty(tiles + 1, np.int64)
    needed = bin_triangles(corners, count, width, height, start, items)
    if needed > len(items):
        items = np.empty(needed + needed // 2, np.int32)
        bin_triangles(corners, count, width, height, start, items)
    return start, items

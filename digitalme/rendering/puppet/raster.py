"""Drawing of the puppet's layers: unlit textured triangles with alpha, depth-tested, posed and projected in one go.

Smaller than the general rasteriser (digitalme.rendering.raster) on purpose: every layer wears a piece of the photo, so
there is no light, no clipping and no material, and a frame is drawn by one thread, so that frames can run in parallel.
All kernels release the interpreter's lock.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

SUBPIXEL = 64
"""Corners are snapped to this part of a sample, and edges evaluated in integers: shared edges meet exactly."""

# Kernels also carry @no_type_check, so that the test run's shape checks leave them to numba.
jit = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "arcp", "nsz", "reassoc"})


@jit
@no_type_check
def posed_pixels(rest, basis, weights, turn, rotation, pivot, shift, camera, focal, cx, cy, world, out):
    """Move vertices and project them.

    rest (v, 3) metres; basis (k, v, 3) displacement of each action; weights (k,); turn (v,): how much of the head's
    `rotation` (3, 3) about `pivot` and of `shift` a vertex follows; camera (3, 4). Writes the moved vertices to
    `world` (v, 3) and (x, y, depth) to `out` (v, 3).
    """
    count = rest.shape[0]
    for i in range(count):
        for c in range(3):
            world[i, c] = rest[i, c]
    for k in range(weights.shape[0]):
        w = weights[k]
        if w != 0.0:
            for i in range(count):
                for c in range(3):
                    world[i, c] += w * basis[k, i, c]
    for i in range(count):
        x, y, z = world[i, 0] - pivot[0], world[i, 1] - pivot[1], world[i, 2] - pivot[2]
        t = turn[i]
        for c in range(3):
            turned = rotation[c, 0] * x + rotation[c, 1] * y + rotation[c, 2] * z + pivot[c] + shift[c]
            world[i, c] += t * (turned - world[i, c])
        x, y, z = world[i, 0], world[i, 1], world[i, 2]
        a = camera[0, 0] * x + camera[0, 1] * y + camera[0, 2] * z + camera[0, 3]
        b = camera[1, 0] * x + camera[1, 1] * y + camera[1, 2] * z + camera[1, 3]
        d = camera[2, 0] * x + camera[2, 1] * y + camera[2, 2] * z + camera[2, 3]
        out[i, 0], out[i, 1], out[i, 2] = focal * a / d + cx, focal * b / d + cy, d


@jit
@no_type_check
def draw_triangles(corners, faces, uvs, shade, texture, opacity, nearer, color, depth, x0, y0, scale, solid=0.02):
    """Blend textured triangles over `color` (h, w, 3) float32 where they are nearer than `depth` (h, w).

    corners (v, 3): pixels and depth of posed vertices. Sample (0, 0) of the canvas has its centre at pixel
    (x0, y0) + 0.5 / scale; `scale` samples make a pixel. faces (f, 3) into corners; uvs (v, 2) in texels; shade (v,)
    multiplies the colour; texture (th, tw, 4) uint8; opacity multiplies alpha; `nearer` (metres) is taken off the
    depth before the test. Where alpha is above `solid`, what is drawn later and lies behind is hidden.
    """
    height, width = depth.shape
    th, tw = texture.shape[0], texture.shape[1]
    half = SUBPIXEL // 2
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax = np.int64(np.floor((corners[i, 0] - x0) * scale * SUBPIXEL + 0.5))
        ay = np.int64(np.floor((corners[i, 1] - y0) * scale * SUBPIXEL + 0.5))
        bx = np.int64(np.floor((corners[j, 0] - x0) * scale * SUBPIXEL + 0.5))
        by = np.int64(np.floor((corners[j, 1] - y0) * scale * SUBPIXEL + 0.5))
        gx = np.int64(np.floor((corners[k, 0] - x0) * scale * SUBPIXEL + 0.5))
        gy = np.int64(np.floor((corners[k, 1] - y0) * scale * SUBPIXEL + 0.5))
        area = (bx - ax) * (gy - ay) - (by - ay) * (gx - ax)
        if area == 0:
            continue
        if area < 0:  # both sides are drawn: turn the triangle over
            j, k = k, j
            bx, by, gx, gy = gx, gy, bx, by
            area = -area
        left = max(0, (min(ax, bx, gx) - half) // SUBPIXEL)
        right = min(width - 1, (max(ax, bx, gx) - half) // SUBPIXEL + 1)
        top = max(0, (min(ay, by, gy) - half) // SUBPIXEL)
        bottom = min(height - 1, (max(ay, by, gy) - half) // SUBPIXEL + 1)
        if left > right or top > bottom:
            continue
        inverse = 1.0 / area
        # top-left rule: a sample on an edge that two triangles share belongs to one of them
        ja = 0 if (gy - by < 0 or (gy == by and gx - bx > 0)) else -1
        jb = 0 if (ay - gy < 0 or (ay == gy and ax - gx > 0)) else -1
        jc = 0 if (by - ay < 0 or (by == ay and bx - ax > 0)) else -1
        zi, zj, zk = corners[i, 2], corners[j, 2], corners[k, 2]
        si, sj, sk = shade[i], shade[j], shade[k]
        for row in range(top, bottom + 1):
            py = row * SUBPIXEL + half
            px = left * SUBPIXEL + half
            wa = (gx - bx) * (py - by) - (gy - by) * (px - bx)
            wb = (ax - gx) * (py - gy) - (ay - gy) * (px - gx)
            wc = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
            da, db, dc = -(gy - by) * SUBPIXEL, -(ay - gy) * SUBPIXEL, -(by - ay) * SUBPIXEL
            for column in range(left, right + 1):
                if wa + ja >= 0 and wb + jb >= 0 and wc + jc >= 0:
                    la, lb, lc = wa * inverse, wb * inverse, wc * inverse
                    z = la * zi + lb * zj + lc * zk - nearer
                    if z < depth[row, column]:
                        u = la * uvs[i, 0] + lb * uvs[j, 0] + lc * uvs[k, 0] - 0.5
                        v = la * uvs[i, 1] + lb * uvs[j, 1] + lc * uvs[k, 1] - 0.5
                        u = min(max(u, 0.0), tw - 1.001)
                        v = min(max(v, 0.0), th - 1.001)
                        iu, iv = int(u), int(v)
                        fu, fv = u - iu, v - iv
                        ju, jv = min(iu + 1, tw - 1), min(iv + 1, th - 1)
                        w00, w01 = (1 - fu) * (1 - fv), fu * (1 - fv)
                        w10, w11 = (1 - fu) * fv, fu * fv
                        alpha = (
                            w00 * texture[iv, iu, 3]
                            + w01 * texture[iv, ju, 3]
                            + w10 * texture[jv, iu, 3]
                            + w11 * texture[jv, ju, 3]
                        ) * (opacity / 255.0)
                        if alpha > 0.02:
                            if alpha > solid:
                                depth[row, column] = z
                            light = la * si + lb * sj + lc * sk
                            for c in range(3):
                                texel = (
                                    w00 * texture[iv, iu, c]
                                    + w01 * texture[iv, ju, c]
                                    + w10 * texture[jv, iu, c]
                                    + w11 * texture[jv, ju, c]
                                )
                                color[row, column, c] += alpha * (texel * light - color[row, column, c])
                wa += da
                wb += db
                wc += dc


@jit
@no_type_check
def averaged(color, factor, out):
    """Average blocks of factor x factor samples (h, w, 3) float32 into pixels (h / factor, w / factor, 3) uint8."""
    share = 1.0 / (factor * factor)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for c in range(3):
                total = 0.0
                for a in range(factor):
                    for b in range(factor):
                        total += color[y * factor + a, x * factor + b, c]
                out[y, x, c] = np.uint8(min(max(total * share + 0.5, 0.0), 255.0))


@jit
@no_type_check
def nearest_depth(corners, faces, depth):
    """Depth of the nearest triangle at each pixel centre; `depth` (h, w) comes filled with inf."""
    height, width = depth.shape
    for f in range(faces.shape[0]):
        ax, ay, az = corners[faces[f, 0], 0], corners[faces[f, 0], 1], corners[faces[f, 0], 2]
        bx, by, bz = corners[faces[f, 1], 0], corners[faces[f, 1], 1], corners[faces[f, 1], 2]
        gx, gy, gz = corners[faces[f, 2], 0], corners[faces[f, 2], 1], corners[faces[f, 2], 2]
        area = (bx - ax) * (gy - ay) - (by - ay) * (gx - ax)
        if abs(area) < 1e-9:
            continue
        for y in range(max(0, int(min(ay, by, gy) - 0.5)), min(height - 1, int(max(ay, by, gy) + 0.5)) + 1):
            for x in range(max(0, int(min(ax, bx, gx) - 0.5)), min(width - 1, int(max(ax, bx, gx) + 0.5)) + 1):
                px, py = x + 0.5, y + 0.5
                wa = ((bx - px) * (gy - py) - (by - py) * (gx - px)) / area
                wb = ((gx - px) * (ay - py) - (gy - py) * (ax - px)) / area
                wc = 1.0 - wa - wb
                if wa >= 0 and wb >= 0 and wc >= 0:
                    z = wa * az + wb * bz + wc * gz
                    if z < depth[y, x]:
                        depth[y, x] = z

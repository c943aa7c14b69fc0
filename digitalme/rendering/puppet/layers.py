"""The layers that the photo is taken apart into, from back to front. Each wears a piece of the photo, completed where
the photo shows something else, on a surface that knows how far it follows the head and the face.

Hair, ears and skin share photo and depth ("rest of the head"), so a wrong hair mask is nearly invisible; only the face
itself is the fitted mesh.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8
from scipy import sparse
from scipy.spatial import cKDTree

from digitalme.body import landmarks as lm
from digitalme.rendering.puppet.pictures import (
    Mask,
    Picture,
    Soft,
    blurred,
    filled,
    grown,
    shrunk,
    smoothstep,
    with_alpha,
)
from digitalme.rendering.puppet.raster import draw_triangles
from digitalme.rendering.puppet.view import View

GRID_STEP = 0.02
"""Cell of the depth grids in face heights."""


@dataclass(frozen=True)
class Layer:
    """A textured surface. World frame, metres; UVs are texels of `texture`."""

    name: str
    rest: Float32[np.ndarray, "v 3"]
    faces: Int32[np.ndarray, "f 3"]
    uvs: Float32[np.ndarray, "v 2"]
    texture: UInt8[np.ndarray, "h w 4"]
    turn: Float32[np.ndarray, "v"]
    """How far each vertex follows the head's rotation, 0..1."""
    follow: sparse.csr_matrix | None = None
    """(v, body vertices): which of the body's displacements each vertex makes its own; None: not moved by the face."""
    shade: Float32[np.ndarray, "v"] | None = None
    """Multiplies the colour; 1 if None."""
    nearer: float = 0.0
    """Metres taken off the depth: settles who is in front where two layers share a surface."""
    shown_by: Float[np.ndarray, "3"] | None = None
    """A direction of the head, world frame: the layer fades in as a turn brings it toward the camera; None: always."""
    hidden_by: Float[np.ndarray, "3"] | None = None
    """The same: when what this turn shows is all there, the layer fades out."""


def on_mesh(
    view: View, name: str, faces: np.ndarray, texture: np.ndarray, rest: np.ndarray | None = None, **more
) -> Layer:
    """A layer of some of the body's triangles; wears the photo by projection unless `uvs` is given."""
    used, local = np.unique(faces, return_inverse=True)
    rest = view.vertices if rest is None else rest
    uvs = more.pop("uvs", view.camera.project(rest)[:, :2])[used]
    follow = sparse.csr_matrix(
        (np.ones(len(used), np.float32), (np.arange(len(used)), used)), shape=(len(used), len(view.vertices))
    )
    if "shade" in more:
        more["shade"] = more["shade"][used].astype(np.float32)
    return Layer(
        name,
        rest[used].astype(np.float32),
        local.reshape(faces.shape).astype(np.int32),
        uvs.astype(np.float32),
        texture,
        np.ones(len(used), np.float32),
        follow,
        **more,
    )


def on_grid(view: View, name: str, depth: Soft, color: Picture, alpha: Soft) -> Layer:
    """A layer that hangs on a regular grid of pixels at some depth; cells without alpha are left out."""
    n = len(depth)
    step = max(2, round(GRID_STEP * view.face_height))
    ticks = np.unique(np.append(np.arange(0, n, step), n - 1))
    x, y = np.meshgrid(ticks, ticks)
    points = view.unproject(x + 0.5, y + 0.5, depth[y, x]).reshape(-1, 3)
    row, column = np.meshgrid(np.arange(len(ticks) - 1), np.arange(len(ticks) - 1), indexing="ij")
    corner = row * len(ticks) + column
    quads = np.stack([corner, corner + len(ticks), corner + len(ticks) + 1, corner + 1], -1).reshape(-1, 4)
    seen = cv2.dilate(alpha.astype(np.float32), np.ones((2 * step + 1, 2 * step + 1)))[y, x].ravel()
    quads = quads[seen[quads].max(1) > 0.01]
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    used, local = np.unique(faces, return_inverse=True)
    uvs = np.stack([x + 0.5, y + 0.5], -1).reshape(-1, 2)
    return Layer(
        name,
        points[used].astype(np.float32),
        local.reshape(-1, 3).astype(np.int32),
        uvs[used].astype(np.float32),
        with_alpha(color, alpha),
        turning(view, points[used]),
    )


def turning(view: View, points: Float[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n"]:
    """How far points follow the head: nothing 8 cm below the chin, all at the chin."""
    return smoothstep(view.chin[1] - 0.080, view.chin[1] - 0.004, points[:, 1]).astype(np.float32)


def sampled(view: View, field: Soft | Mask | Picture, uvs: Float[np.ndarray, "n 2"]) -> np.ndarray:
    """A picture's values at working pixels."""
    index = np.clip(uvs.astype(int), 0, len(field) - 1)
    return field[index[:, 1], index[:, 0]]


# ---- behind everything -------------------------------------------------------------------------------------------


def background(view: View, moving: Soft) -> UInt8[np.ndarray, "n n 3"]:
    """What stands still: the photo, with what moves (`moving`, 0..1) taken out and filled from around it."""
    hole = moving > 0.02
    around = ~grown(hole | ((view.person > 0.04) & (view.height > -0.4)), 0.013 * view.face_height)
    fill = _continued(view, around, filled(view.image, around.astype(np.float32), 0.5))
    grain = blurred(np.random.default_rng(0).normal(size=view.image.shape), 1.0) * 4
    share = blurred(grown(hole, 0.011 * view.face_height), 1.2)[..., None]
    return np.clip(np.round(view.image * (1 - share) + (fill + grain) * share), 0, 255).astype(np.uint8)


def _continued(view: View, known: Mask, smooth: Picture) -> Picture:
    """Where the background is not known: what lies as far on the known side of the edge as the pixel lies on this one,
    so that a pattern goes on behind the head; deep behind it, and where that is no background, `smooth`."""
    fh = view.face_height
    away, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(known)
    if not len(rows):
        return smooth
    nearest = np.zeros((labels.max() + 1, 2), np.float32)
    nearest[labels[rows, columns]] = np.stack([columns, rows], -1)
    y, x = np.indices(known.shape, np.float32)
    step = nearest[labels] - np.stack([x, y], -1)
    step = np.where(known[..., None], 0, blurred(step, 0.02 * fh))  # an outline of hair is rough
    place = np.stack([x, y], -1) + 2 * step

    def look_up(picture: np.ndarray) -> np.ndarray:
        return cv2.remap(picture, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)

    sure = look_up(known.astype(np.float32)) * smoothstep(0.45 * fh, 0.20 * fh, away)
    share = blurred(np.where(known, 0, sure), 0.012 * fh)[..., None]
    softer = look_up(blurred(view.image, 0.008 * fh))
    return smooth + (softer - smooth) * np.clip(share, 0, 1)


# ---- neck and shoulders ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FaceShare:
    """Which pixels the face's mesh draws."""

    core: Mask
    alpha: Soft


def face_share(view: View) -> FaceShare:
    """The oval, grown a little where the colour is skin."""
    fh = view.face_height
    core = grown(view.oval, 0.03 * fh) & (view.height < 0.48) & (view.unlike_skin < np.where(view.height > -0.3, 5, 8))
    core |= view.oval
    core = cv2.morphologyEx(core.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
    inside = np.clip(1.5 * blurred(view.is_person, 1.0) - 0.25, 0, 1)
    return FaceShare(core, np.clip(blurred(core, 0.012 * fh), 0, 1) * inside)


def neck(view: View, face: FaceShare) -> Layer:
    """Neck, collar and shoulders, with the skin under the chin completed from the neck that is seen.

    Skin bends with the head, cloth stays, long hair goes along.
    """
    fh, height, hair = view.face_height, view.height, view.is_hair
    person = view.is_person
    wide_oval = grown(view.oval, 0.05 * fh)
    cloth = blurred(
        (view.unlike_skin > 5) & ~view.long_hair & (height < -0.25) & ~grown(view.oval, 0.02 * fh), 0.015 * fh
    )
    skin = (
        person
        & ~grown(view.oval, 0.022 * fh)
        & (height < -0.45)
        & (view.unlike_skin < 6)
        & ~hair
        & (np.abs(view.side) < 0.6)
    )
    if skin.sum() < 200:
        skin = person & ~wide_oval & (height < -0.4)
    spread = filled(view.image, skin.astype(np.float32))
    light = np.clip(spread.mean(2, keepdims=True) / view.skin_color.mean(), 0.5, 1.0)
    under_chin = 1 - 0.10 * smoothstep(-0.54, -0.42, height)  # the chin's shadow
    completed = (0.85 * spread + 0.15 * view.skin_color * light) * under_chin[..., None]
    hidden = blurred(shrunk(face.core, 0.016 * fh), 0.006 * fh)[..., None]
    hair_share = np.clip(1.3 * blurred(view.long_hair & ~grown(view.oval, 2), 0.04 * fh), 0, 1)
    seen = view.image + hair_share[..., None] * (view.foreground - view.image)
    color = seen * (1 - hidden) + completed * hidden

    alpha = np.where(wide_oval, np.maximum(view.person, blurred(wide_oval & person, 2)), view.person)
    in_oval = blurred(wide_oval, 0.02 * fh) > 0.5
    alpha = alpha * np.where(in_oval, smoothstep(0, -0.08, height), smoothstep(-0.24, -0.36, height))
    alpha[grown(view.oval, 2) & (height > -0.1)] = 0
    # behind the face the neck is as wide as it is seen just below the jaw: wider would flap out under the ears
    low, high = _neck_extent(view)
    taper = 0.03 * smoothstep(-0.5, -0.1, height)
    inside = smoothstep(low + taper - 0.02, low + taper + 0.03, view.side)
    inside = inside * smoothstep(high - taper + 0.02, high - taper - 0.03, view.side)
    behind_face = smoothstep(0.2, 0.4, blurred(face.core, 2)) * smoothstep(-0.54, -0.50, height)
    beside_jaw = (
        smoothstep(-0.47, -0.41, height)
        * np.clip(1 - 2 * cloth, 0, 1)
        * (1 - blurred(grown(view.long_hair & ~view.oval, 2), 2))
    )
    alpha = alpha * (1 - np.maximum(behind_face, beside_jaw) * (1 - inside))

    body = view.body.parts["body"].faces
    above_chest = view.vertices[body][:, :, 1].mean(1) > view.body.head_center[1] - 0.30
    seen = view.depth_of(body[above_chest])
    known = np.isfinite(seen) & ~wide_oval & (height < -0.5)
    chin_depth = float(view.camera.project(view.chin)[2])
    if known.sum() > 50:
        depth = blurred(filled(np.where(known, seen, 0), known.astype(np.float32)), 0.04 * fh)
    else:
        depth = np.full(height.shape, chin_depth + 0.06, np.float32)
    depth = np.maximum(depth, chin_depth + 0.030)
    # behind the mouth it makes room for the mouth's inside
    depth += 0.08 * blurred(view.area(lm.LIPS_OUTER, 0.12 * fh), 0.02 * fh)
    layer = on_grid(view, "neck", depth.astype(np.float32), color, alpha)

    bends = 0.8 * np.clip(1 - 1.6 * blurred(cloth, 0.015 * fh), 0, 1)
    bends = bends * smoothstep(low - 0.10, low - 0.03, view.side) * smoothstep(high + 0.10, high + 0.03, view.side)
    material = hair_share + (1 - hair_share) * bends
    turn = layer.turn * sampled(view, material, layer.uvs)
    return replace(layer, turn=turn.astype(np.float32))


def _neck_extent(view: View) -> tuple[float, float]:
    """Left and right end of the neck just below the jaw, in face widths from the chin. Of a head that its photo shows
    turned, the chin lies aside of the neck."""
    middle = -0.6 * float(view.away[0])
    seen = view.is_person & ~view.is_hair & (view.unlike_skin < 5)
    seen &= (np.abs(view.height + 0.66) < 0.05) & (np.abs(view.side - middle) < 0.7)
    if seen.sum() < 80:
        return middle - 0.36, middle + 0.36
    low, high = np.percentile(view.side[seen], [2, 98]) - middle
    return middle + float(np.clip(low, -0.45, -0.25)), middle + float(np.clip(high, 0.25, 0.45))


# ---- the head around the face ------------------------------------------------------------------------------------


def _template(view: View) -> np.ndarray:
    return view.body.template - view.body.head_center


def _is_ear(view: View) -> np.ndarray:
    """Vertices of the ears: they are drawn by the grid, for every photo's ears differ from the template's."""
    p = _template(view)
    return (np.abs(p[:, 0]) > 0.066) & (np.abs(p[:, 1]) < 0.055) & (p[:, 2] < 0.005)


def skin_under(view: View, skin: Picture) -> Layer:
    """Skin of the jaw's and the neck's side, which comes to light below the ear when the head turns, and of the face's
    rim: there the face and what is around it part by a crack."""
    faces = np.concatenate([view.body.parts["head"].faces, view.body.parts["body"].faces])
    center = view.vertices[faces].mean(1)
    up, back = center[:, 1] - view.chin[1], view.body.head_center[2] - center[:, 2]
    keep = (view.facing[faces] > -0.97).all(1)
    keep &= (up > 0.012) | (view.facing[faces].max(1) < 0.35)  # the throat is the neck layer's
    table = lm.landmark_table()
    far = cKDTree(view.vertices[np.concatenate([table.lip_upper, table.lip_lower])]).query(center)[0]
    fh, last = view.face_height, len(view.image) - 1
    rim = grown(view.oval, 0.02 * fh) & ~shrunk(view.oval, 0.13 * fh) & ~grown(view.eyes, 0.06 * fh)
    across, down = np.clip(view.pixels[faces].mean(1)[:, :2].astype(int), 0, last).T
    faces = faces[keep & (far > 0.025) & (up > -0.035) & ((up < 0.11) | rim[down, across]) & (back < 0.10)]
    stray = (view.unlike_skin > 5) & (view.height < -0.3) & ~view.oval
    inside = np.clip(2 * blurred(view.is_person, 1.5) - 0.5, 0, 1)
    inside = inside * (1 - smoothstep(0, 0.5, blurred(grown(stray, 0.01 * view.face_height), 0.012 * view.face_height)))
    alpha = inside * smoothstep(-0.50, -0.38, view.height)
    # set back from the outline: there the photo's edge is in front, and at rest nothing of this is seen
    rest = view.vertices - 0.003 * view.normals + 0.007 * view.away
    stock = _template(view)
    root = _is_ear(view) & (np.abs(stock[:, 0]) < 0.069)
    reach = np.median(np.abs(view.vertices[root, 0]))  # ears are pressed flat: the photo's own are in front
    rest[_is_ear(view), 0] = np.clip(rest[_is_ear(view), 0], -reach, reach)
    # it turns away from the light toward the back and lies in the jaw's shadow below
    shade = (0.94 - 0.16 * smoothstep(0.1, -0.8, view.facing)) * (
        1 - 0.12 * smoothstep(0.02, -0.02, view.vertices[:, 1] - view.chin[1])
    )
    # seen at a slant in the photo, its pixels are stretched when the head turns: only their tone is of use
    tone = blurred(skin, 0.015 * view.face_height)
    layer = on_mesh(view, "skin_under", faces, with_alpha(tone, alpha), rest, shade=shade)
    return replace(layer, turn=turning(view, layer.rest))


def rest_of_head(view: View, face: FaceShare, face_layer: Layer) -> Layer:
    """Hair, ears, temples, glasses' arms: photo on a depth map that is the mesh's where there is one, and falls back
    to the plane through the head's axis at the outline. Near the face it goes along with the jaw and the cheeks."""
    fh, height = view.face_height, view.height
    mesh = view.depth_of(view.body.parts["head"].faces)
    known = shrunk(np.isfinite(mesh), 0.02 * fh)
    axis = view.body.head_center + np.array([0, 0, -0.045])
    axis_depth = float(view.camera.project(axis)[2])
    outline = ((view.person < 0.5) & (height > -0.6)).astype(np.float32) * 0.6 * ~grown(known, 0.08 * fh)
    depth = filled(np.where(known, mesh, axis_depth), known + outline, 0.15)
    depth = blurred(np.where(known, np.minimum(depth, mesh), depth), 0.012 * fh) + 0.0025

    hair = view.is_hair
    middle = shrunk(view.oval, 0.07 * fh) | (shrunk(view.oval, 0.015 * fh) & (height < -0.28))
    middle &= height < 0.44
    fringe = np.clip(1.4 * blurred(hair, 0.8 * view.unit) - 0.2, 0, 1) * (blurred(view.oval & (height < 0.1), 2) < 0.5)
    alpha = view.person * np.maximum(1 - blurred(middle, 0.012 * fh), fringe)
    cloth = (view.unlike_skin > 5) & ~view.long_hair & (height < -0.2) & ~view.oval
    cloth = blurred(grown(cloth, 0.01 * fh) & ~view.oval, 0.008 * fh)
    above = smoothstep(-0.55, -0.42, height) * np.clip(1 - 1.5 * cloth, 0, 1)
    hanging = np.clip(1.3 * blurred(grown(view.long_hair, 2 * view.unit), 1.5 * view.unit), 0, 1)
    alpha = alpha * np.maximum(above, hanging * smoothstep(-1.0, -0.6, height))
    layer = on_grid(view, "rest_of_head", depth, view.foreground, alpha)

    # skin beside a moving jaw moves with it: each node takes the motion of the face's nearest vertices
    distance, nearest = cKDTree(face_layer.rest).query(layer.rest, k=6)
    weight = 1 / (distance + 0.002)
    weight *= np.exp(-((np.clip(distance[:, :1] - 0.004, 0, 1) / 0.012) ** 2)) / weight.sum(1, keepdims=True)
    weight[weight < 1e-3] = 0
    rows = np.repeat(np.arange(len(layer.rest)), 6)
    mix = sparse.csr_matrix(
        (weight.ravel().astype(np.float32), (rows, nearest.ravel())), shape=(len(layer.rest), len(face_layer.rest))
    )
    return replace(layer, follow=(mix @ face_layer.follow).tocsr())


def bangs(view: View) -> Layer | None:
    """Hair that falls over the face, a second time in front of it, but only inside the oval above the mouth."""
    fh = view.face_height
    hair = view.is_hair
    alpha = view.person * np.clip(1.5 * blurred(hair, 0.8 * view.unit) - 0.25, 0, 1)
    alpha = alpha * np.clip(blurred(grown(view.oval, 0.03 * fh), 0.012 * fh), 0, 1)
    alpha = alpha * smoothstep(-0.2, 0.0, view.height)
    if (alpha > 0.5).sum() < 30:
        return None
    mesh = view.depth_of(view.body.parts["head"].faces)
    known = np.isfinite(mesh)
    depth = filled(np.where(known, mesh, 0), known.astype(np.float32))
    lift = 0.013 * np.clip(1.5 * blurred(hair, 0.02 * fh), 0, 1) + 0.002
    return on_grid(view, "bangs", (blurred(depth, 0.012 * fh) - lift).astype(np.float32), view.foreground, alpha)


# ---- the face ----------------------------------------------------------------------------------------------------


def plain_skin(view: View) -> Picture:
    """Skin everywhere: the photo's, spread over everything that is not skin."""
    # the outline's pixels are half wall
    good = shrunk(view.is_person, 1.5 * view.unit) & ~grown(view.is_hair, 1.5 * view.unit) & (view.unlike_skin < 4)
    good &= ~grown(view.eyes, 0.3 * view.unit) & ~grown(view.mouth_opening, 0.4 * view.unit)
    return filled(view.image, good.astype(np.float32))


def face_skin(view: View, face: FaceShare, skin: Picture) -> Picture:
    """The photo with hair, eye openings and the inner mouth replaced by what lies under or around them, and with the
    outline's last pixels replaced by skin: stretched over a turning cheek they would be streaks of background."""
    unit = view.unit
    eyes = grown(view.eyes, 0.3 * unit)
    known = (view.is_person & ~eyes & ~grown(view.mouth_opening, 0.4 * unit) & ~grown(view.is_hair, 1.5 * unit)).astype(
        np.float32
    )
    lid = filled(view.image, known * _lid_neighbours(view, eyes), 0.02) * 0.93
    red = known * view.area(lm.LIPS_OUTER) + 1e-4 * known
    lip = filled(view.image, red, 0.01) * np.array([0.93, 0.85, 0.85])
    under_hair = np.clip(1.2 * blurred(shrunk(view.is_hair, 2.2 * unit) & view.oval, 1.2 * unit), 0, 1)
    under_hair = under_hair * smoothstep(-0.1, 0.08, view.height)
    jaw = view.is_person & ((view.unlike_skin < 6) | shrunk(view.oval, 0.03 * view.face_height))
    outside = ~shrunk(jaw & grown(face.core, 2), 0.007 * view.face_height) & (view.height < 0.1)
    color = view.image.astype(np.float32)
    for share, fill in (
        (blurred(outside, 0.7 * unit), skin),
        (under_hair, skin),
        (np.clip(blurred(eyes, 0.5 * unit), 0, 1), lid),
        (np.clip(blurred(grown(view.mouth_opening, 0.2 * unit), 0.4 * unit), 0, 1), lip),
    ):
        color += share[..., None] * (fill - color)
    return color


def _lid_neighbours(view: View, eyes: Mask) -> Soft:
    """Weight of pixels that may colour the lids: skin above the eye; little below it, nothing dark, no brow."""
    weight = np.ones(eyes.shape, np.float32)
    x = np.arange(len(eyes)) + 0.5
    for group in (lm.EYE_RIGHT, lm.EYE_LEFT):
        lower = view.landmarks[[group[0], *group[9:], group[8]]]
        order = np.argsort(lower[:, 0])
        edge = np.interp(x, lower[order, 0], lower[order, 1])
        weight[(np.arange(len(eyes))[:, None] > edge - 1) & grown(eyes, 6 * view.unit)] = 0.02
    weight *= (view.unlike_skin < 3.2) & (view.image.mean(2) > 0.6 * view.skin_color.mean())
    for brow in (lm.BROW_RIGHT, lm.BROW_LEFT):
        weight *= ~view.area(brow, 2 * view.unit)
    return weight


def face_layer(view: View, face: FaceShare, color: Picture) -> Layer:
    """The fitted mesh where it looks at the camera, and a little around the jaw."""
    faces = view.body.parts["head"].faces
    n = len(view.image)
    place = np.clip(view.pixels[faces].mean(1)[:, :2].astype(int), 0, n - 1)
    inside = shrunk(face.core, 0.03 * view.face_height)[place[:, 1], place[:, 0]]
    front = view.vertices[faces][:, :, 2].mean(1) > view.body.head_center[2] - 0.02
    high = view.vertices[faces][:, :, 1].mean(1) > view.chin[1] - 0.012
    facing = view.facing[faces]
    keep = (facing > 0.03).all(1) | (inside & front & high & (facing.max(1) > -0.6))
    keep &= ~_is_ear(view)[faces].any(1)
    # what the chin hides in the photo would wear the chin: the throat is the neck layer's
    right, down, behind = ((view.vertices[faces].mean(1) - view.chin) @ view.camera.camera_from_world[:, :3].T).T
    keep &= ~((down > -0.012) & ((facing.max(1) < 0.1) | (behind > 0.015)) & (np.abs(right) < 0.03))
    keep &= ~((down > 0.003) & ((facing.max(1) < 0.4) | (behind > 0.012)))
    return on_mesh(view, "face", faces[keep], with_alpha(color, face.alpha))


@dataclass(frozen=True)
class FarSide:
    """The side of a head, turned in its photo, that the photo shows at a slant or not at all. Stretched over it, the
    photo's last pixels are shards of outline; it wears the other side, in its own light, once a turn shows it."""

    toward: Float[np.ndarray, "3"]
    """World frame: where this side looks."""
    slant: float
    """0 where the photo shows both sides alike, 1 where it shows this one badly."""
    mirror: Int32[np.ndarray, "v"]
    """For each of the body's vertices the one on the other side."""
    light: Float32[np.ndarray, "n n 3"]
    """What a colour of the seen side is multiplied with to lie in this side's light, at the seen side's pixels."""


def far_side(view: View, color: Picture) -> FarSide | None:
    """Which side that is; None where the photo looks the person in the face."""
    slant = float(smoothstep(0.05, 0.14, abs(view.away[0])))
    if slant == 0:
        return None
    stock = view.body.template
    mirror = cKDTree(stock).query(stock * [-1, 1, 1])[1].astype(np.int32)
    toward = np.array([np.sign(view.away[0]), 0.0, 0.0])
    # where the photo shows both sides well, how much darker or redder this one is
    own, other = view.facing, view.facing[mirror]
    soft = blurred(color, 0.015 * view.face_height)
    both = np.flatnonzero((view.vertices @ toward > 0.005) & (own > 0.45) & (own < 0.85) & (other > 0.5))
    here, there = view.pixels[both, :2], view.pixels[mirror[both], :2]
    skin = (sampled(view, view.sure_skin, here) & sampled(view, view.sure_skin, there)).astype(bool)
    n = len(color)
    light = np.zeros((n, n, 3), np.float32)
    if skin.sum() >= 20:
        gain = np.log(np.maximum(sampled(view, soft, here[skin]), 4) / np.maximum(sampled(view, soft, there[skin]), 4))
        x, y = np.clip(there[skin].astype(int), 0, n - 1).T
        known = np.zeros((n, n), np.float32)
        light[y, x], known[y, x] = np.clip(gain, -0.7, 0.7), 1
        light, known = (blurred(field, 0.12 * view.face_height) for field in (light, known))
        light = filled(light / (known[..., None] + 1e-9), (known > 0.02 * known.max()).astype(np.float32))
    return FarSide(toward, slant, mirror, np.exp(light))


def far_cheek(view: View, far: FarSide, face: FaceShare, color: Picture) -> Layer | None:
    """The far cheek and jaw: the face's mesh in the other cheek's skin."""
    own, other = view.facing, view.facing[far.mirror]
    lacks = smoothstep(0.60, 0.38, own) * smoothstep(0.15, 0.35, other - own) * smoothstep(0.25, 0.45, other)
    lacks = lacks * smoothstep(0.020, 0.035, view.vertices @ far.toward)  # a nose has its own shade
    faces = view.body.parts["head"].faces
    corners = view.vertices[faces]
    front = corners[:, :, 2].mean(1) > view.body.head_center[2] - 0.02
    above = corners[:, :, 1].mean(1) > view.chin[1] - 0.004
    faces = faces[front & above & (lacks[faces].max(1) > 0.01) & (own[faces].min(1) > -0.75)]
    faces = faces[~_is_ear(view)[faces].any(1)]
    if len(faces) < 30:
        return None
    n = len(color)
    pixels = view.pixels[far.mirror].astype(np.float32)
    share = np.zeros((n, n, 3), np.float32)
    draw_triangles(
        pixels, faces, np.ones((len(pixels), 2), np.float32), lacks.astype(np.float32),
        np.full((2, 2, 4), 255, np.uint8), 1.0, 0.0, share, np.full((n, n), np.inf, np.float32), 0.0, 0.0, 1,
    )  # fmt: skip
    alpha = blurred(share[..., 0] / 255, 0.01 * view.face_height) * face.alpha
    texture = with_alpha(color * far.light, alpha)
    return on_mesh(view, "far_cheek", faces, texture, uvs=pixels[:, :2], nearer=0.0006, shown_by=far.toward)


BESIDE_M = 0.058
"""Metres from the head's middle where its sides begin: ears and what hair is beside them."""


def alike_beside(view: View, far: FarSide) -> bool:
    """Whether the far ear and the hair around it may be the near ones in a mirror: where the hair leaves ears free.
    Nothing says that what hangs beside a face does so on both sides, and it hides what the turn would show."""
    hangs = view.is_hair & (view.height > -0.35) & (view.height < 0) & ~grown(view.oval, 2)
    return far.slant == 1 and hangs.sum() < 0.01 * view.face_height**2


def with_mirrored(view: View, far: FarSide, layer: Layer) -> list[Layer]:
    """A layer in three: the near side in a mirror; before it the far side as the photo shows it, which fades out after
    the mirrored one has come in; before both what always stays, with a soft edge. At rest the last two are the photo.
    """
    # less of it above: the hair on top is one
    top = 0.4 * np.clip(layer.rest[:, 1] - view.body.head_center[1] - 0.03, 0, None)
    across = layer.rest @ far.toward
    aside, here = across - top, -across - top
    near, beyond = ((part > BESIDE_M - 0.040)[layer.faces].all(1) for part in (here, aside))
    used, local = np.unique(layer.faces[near], return_inverse=True)
    if len(used) < 30:
        return [layer]
    alpha = layer.texture[..., 3] / 255

    def faded(share: np.ndarray) -> Soft:
        """The texture's alpha, multiplied by what each vertex has."""
        n = len(alpha)
        pixels, seen = view.camera.project(layer.rest).astype(np.float32), np.zeros((n, n, 3), np.float32)
        draw_triangles(
            pixels, layer.faces, np.ones((len(share), 2), np.float32), share.astype(np.float32),
            np.full((2, 2, 4), 255, np.uint8), 1.0, 0.0, seen, np.full((n, n), np.inf, np.float32), 0.0, 0.0, 1,
        )  # fmt: skip
        return alpha * seen[..., 0] / 255

    shown = smoothstep(BESIDE_M - 0.038, BESIDE_M - 0.026, here)
    shown = shown * smoothstep(0.020, 0.045, layer.rest[:, 1] - view.chin[1])  # the neck is another layer's
    follow = layer.follow
    if follow is not None:
        entries = follow[used].tocoo()
        follow = sparse.csr_matrix((entries.data, (entries.row, far.mirror[entries.col])), shape=entries.shape)
    other = Layer(
        f"{layer.name}_mirrored",
        layer.rest[used] * np.float32([-1, 1, 1]),
        local.reshape(-1, 3).astype(np.int32),
        layer.uvs[used],
        with_alpha(layer.texture[..., :3] * far.light, faded(shown)),
        layer.turn[used],
        follow,
        nearer=-0.0020,
        shown_by=far.toward,
    )
    stays = with_alpha(layer.texture[..., :3], faded(smoothstep(BESIDE_M - 0.002, BESIDE_M - 0.020, aside)))
    return [
        other,
        replace(layer, faces=layer.faces[beyond], name=f"{layer.name}_far", nearer=-0.0010, hidden_by=far.toward),
        replace(layer, texture=stays),
    ]


def lids(view: View, face: FaceShare, color: Picture, faces: np.ndarray) -> Layer:
    """Closed lids: skin that the open eye hides, with a lash line and a crease, faded in over the stretched photo."""
    unit = view.unit
    travel = np.linalg.norm(view.body.displacement("eyeBlinkLeft") + view.body.displacement("eyeBlinkRight"), axis=1)
    eyes = grown(view.eyes, 0.3 * unit)
    front = view.vertices[faces][:, :, 2].mean(1) > view.body.head_center[2] - 0.02

    def covered(least: float) -> Mask:
        mask = np.zeros(eyes.shape, np.uint8)
        for triangle in view.pixels[faces[(travel[faces] > least).any(1) & front], :2]:
            cv2.fillConvexPoly(mask, np.round(triangle - 0.5).astype(np.int32), 1)
        return mask > 0

    zone = covered(0.0032) | eyes
    brows = view.area(lm.BROW_RIGHT) | view.area(lm.BROW_LEFT)
    wide_brows = view.area(lm.BROW_RIGHT, 2.5 * unit) | view.area(lm.BROW_LEFT, 2.5 * unit)
    kept_brows = brows & ~covered(0.0025)
    good = view.is_person & ~grown(zone, unit) & ~wide_brows & ~grown(view.is_hair, 1.5 * unit)
    good &= (view.unlike_skin < 3.2) & (view.image.mean(2) > 0.6 * view.skin_color.mean())
    # skin from around the eye, a little darker and redder as lids are, and darker where they curve to the lashes
    around = blurred(filled(view.image, good.astype(np.float32), 0.02), 1.2 * unit)
    limit = view.skin_color * 1.12
    texture = limit * np.tanh(around / limit * 1.15) / np.tanh(1.15) * np.array([0.95, 0.915, 0.90])
    edge = cv2.distanceTransform((~view.eyes).astype(np.uint8), cv2.DIST_L2, 3) / unit
    texture = texture * (1 - 0.10 * np.exp(-edge / 2.5))[..., None] + _skin_grain(view)[..., None]
    share = np.clip(blurred(zone & ~(kept_brows & ~eyes), 1.6 * unit), 0, 1)[..., None]
    texture = color * (1 - share) + texture * share
    texture = _paint_lid_lines(view, texture)

    alpha = np.clip(blurred(grown(zone, 2 * unit), 1.5 * unit), 0, 1) * ~(kept_brows & ~grown(view.eyes, 1.5 * unit))
    alpha = blurred(alpha, 2 * unit) * blurred(zone, 1.6 * unit)
    alpha = np.maximum(alpha, np.clip(1.2 * blurred(grown(eyes, 1.2 * unit), 0.8 * unit), 0, 1))
    faces = faces[(travel[faces] > 0.0003).any(1)]
    return on_mesh(view, "lids", faces, with_alpha(texture, alpha * face.alpha), nearer=0.0004)


def _skin_grain(view: View) -> Soft:
    """Noise as fine and as strong as the cheeks' pores and the camera's grain."""
    brightness = view.image.mean(2).astype(np.float32)
    fine = (brightness - blurred(brightness, 0.8 * view.unit))[view.sure_skin]
    strength = 1.48 * np.median(np.abs(fine - np.median(fine)))
    noise = np.random.default_rng(1).normal(size=brightness.shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.8 * view.unit, sigmaY=0.2 * view.unit)  # a closing lid stretches it
    return np.clip(noise / noise.std(), -2.5, 2.5).astype(np.float32) * min(float(strength), 8.0)


def _paint_lid_lines(view: View, color: Picture) -> Picture:
    """A dark line at the upper lid's edge, where the lashes root, and a soft crease above it."""
    unit = view.unit
    lash, crease = np.zeros(color.shape[:2], np.float32), np.zeros(color.shape[:2], np.float32)
    arch = np.sin(np.linspace(0.25, np.pi - 0.25, 9))
    _, up, _ = view.axes
    for group in (lm.EYE_RIGHT, lm.EYE_LEFT):
        edge = view.landmarks[list(group[:9])]
        for canvas, line, width in (
            (lash, edge, 1.1),
            (crease, edge + 0.032 * view.face_height * arch[:, None] * up, 0.8),
        ):
            points = np.round((line - 0.5) * 8).astype(np.int32).reshape(-1, 1, 2)
            cv2.polylines(canvas, [points], False, 1.0, max(1, round(width * unit)), cv2.LINE_AA, 3)
    root = blurred(lash, 1)
    dark = np.percentile(view.image[root >= min(0.4, root.max())], 15, axis=0)  # a thin line in a small picture is pale
    color = color * (1 - 0.16 * np.clip(1.5 * blurred(crease, 0.8 * unit), 0, 1)[..., None])
    share = np.clip(1.1 * blurred(lash, 0.5 * unit), 0, 0.85)[..., None]
    return color * (1 - share) + dark * share


def eyes(view: View) -> list[Layer]:
    """Eyeballs that wear the photo's eyes, continued beyond the lids, before dark sockets."""
    opening = grown(view.eyes, 1.8 * view.unit).astype(np.float32)
    texture = with_alpha(filled(view.image, opening), np.ones(opening.shape, np.float32))
    parts = view.body.parts
    front = np.concatenate([parts[f"eye_{s}"].faces[: view.body.eye_front_faces] for s in ("left", "right")])
    socket = np.concatenate([parts[f"eye_socket_{s}"].faces for s in ("left", "right")])
    return [on_mesh(view, "eyes", front, texture), plain(view, "sockets", socket, 0.45 * view.skin_color)]


def plain(view: View, name: str, faces: np.ndarray, color: np.ndarray, rest: np.ndarray | None = None, **more) -> Layer:
    """A layer of one colour (0..255)."""
    texel = np.append(np.clip(color, 0, 255), 255).astype(np.uint8)
    texture = np.broadcast_to(texel, (2, 2, 4)).copy()
    return on_mesh(view, name, faces, texture, rest, uvs=np.ones((len(view.vertices), 2)), **more)

"""Glasses: rims before the eyes, a bridge, temples to the ears; of a kind, or with a front as a photo shows it.

A front lies on a sheet that stands before the face as glasses do: flat between the eyes, bent back towards the ears.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8

from digitalme.artifacts.avatar import AvatarMesh, Material
from digitalme.body.character import vertex_normals
from digitalme.body.hair_cards import head_mesh
from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.body.scalp import ear_vertices

ARM = 9
"""Points along an arm, from the hinge to above the ear."""
FRAME = (0.16, 0.13, 0.14, 1.0)
LENS = (0.05, 0.05, 0.06, 0.93)
ANGLES = 72
"""Directions in which a front's rims are known."""
SHEET_BEND, SHEET_FLAT = 5.4, 0.02
"""The sheet lies `SHEET_BEND` (|x| - SHEET_FLAT)^2 behind its middle, metres."""
SHEET_BEFORE = 0.010
"""How far the sheet's middle lies before the bridge of the nose, metres."""
DRAWN_MOST = np.array([0.027, 0.0195])
"""Half width and height that a lens of a drawn face may have, metres before it grows."""
TURN = 2 * np.pi * np.arange(ANGLES) / ANGLES
"""Directions about a lens's middle: 0 points to the ear, a quarter turn is up."""
KINDS = {  # half width and height of a rim (metres), and how round it is
    "round": ((0.0235, 0.0225), 1.0),
    "square": ((0.0275, 0.0190), 0.4),
    "sunglasses": ((0.0285, 0.0215), 2 / 3),
}


@dataclass(frozen=True)
class GlassesFront:
    """What glasses look like from the front, on the sheet; left comes first. Metres in the head's frame."""

    plane: float
    """z of the sheet's middle."""
    middles: Float[np.ndarray, "2 2"]
    """x and y of the lenses' middles."""
    inner: Float[np.ndarray, "2 angles"]
    """From there to the rims' inner edges, in the directions TURN."""
    outer: Float[np.ndarray, "2 angles"]
    seen: Bool[np.ndarray, "2 angles"]
    """Whether there is a rim: half-rimmed glasses have none below."""
    bridge: Float[np.ndarray, "n 3"]
    """x, y of the lower edge and y of the upper edge, from the left lens to the right one."""
    tint: tuple[float, float, float, float] = (0.75, 0.78, 0.80, 0.03)
    """The lenses' colour (sRGB) and how far they cover, 0..1."""


def on_sheet(plane: float, places: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 3"]:
    """Points of the sheet at x and y."""
    back = SHEET_BEND * np.clip(np.abs(places[..., :1]) - SHEET_FLAT, 0, 1) ** 2
    return np.concatenate([places, plane - back], -1)


def around_lens(
    middle: Float[np.ndarray, "2"], radii: Float[np.ndarray, "angles *n"]
) -> Float[np.ndarray, "angles *n 2"]:
    """x and y at radii about the middle of a lens, which is the left one where x > 0."""
    turn = TURN.reshape(-1, *(1,) * (radii.ndim - 1))
    return np.stack([middle[0] + np.sign(middle[0]) * radii * np.cos(turn), middle[1] + radii * np.sin(turn)], -1)


def usual_front(
    vertices: Float[np.ndarray, "vertices 3"],
    eyes: Float[np.ndarray, "2 3"],
    half_size: tuple[float, float] = (0.027, 0.021),
    corner: float = 2 / 3,
    drop: float = 0.001,
    thickness: float = 0.0013,
) -> GlassesFront:
    """Rounded rectangles about the eyes, as `rim_lines` has them, joined by an arched bridge."""
    wide, high = half_size
    power = 2 / corner
    rim = ((np.abs(np.cos(TURN)) / wide) ** power + (np.abs(np.sin(TURN)) / high) ** power) ** (-1 / power)
    x = np.sign(eyes[:, 0]) * np.maximum(np.abs(eyes[:, 0]), wide + 0.003)
    rims = np.stack([rim, rim])
    gap = max(0.003, np.abs(x).min() - wide)
    along = np.linspace(gap, -gap, 9)
    arch = eyes[:, 1].mean() - drop + 0.28 * high + 0.004 * (1 - (along / gap) ** 2)
    return GlassesFront(
        plane=float(landmark_points(vertices)[6, 2]) + SHEET_BEFORE,
        middles=np.column_stack([x, eyes[:, 1] - drop]),
        inner=rims - thickness, outer=rims + thickness, seen=np.ones((2, ANGLES), bool),
        bridge=np.column_stack([along, arch - thickness, arch + thickness]),
    )  # fmt: skip


def drawn_front(
    front: GlassesFront,
    own_eyes: Float[np.ndarray, "2 3"],
    vertices: Float[np.ndarray, "vertices 3"],
    eyes: Float[np.ndarray, "2 3"],
    grow: float,
) -> GlassesFront:
    """A front for a drawn face: alike on both sides, as much larger (but for lenses that no drawn cheek has room for),
    about its eyes nearly as it was about one's own."""
    edge = around_lens(np.array([0.001, 0.0]), front.inner.mean(0))
    grow *= float(np.min([1.0, *(DRAWN_MOST / (np.ptp(edge, axis=0) / 2))]))
    inner, outer = (np.tile(grow * radii.mean(0), (2, 1)) for radii in (front.inner, front.outer))
    thin = np.clip(0.0016 * grow - (outer - inner), 0, None) / 2  # a wire must be seen among drawn lines
    inner, outer = inner - thin, outer + thin
    nasal = (-np.cos(TURN) * outer[0]).max()
    away = grow * (np.abs(front.middles[:, 0]) - np.abs(own_eyes[:, 0])).mean()
    x = np.maximum(np.abs(eyes[:, 0]) + max(away, 0), nasal + 0.003)
    level = eyes[:, 1] + 0.4 * grow * (front.middles[:, 1] - own_eyes[:, 1]).mean()
    rim = around_lens(np.array([x.mean(), 0.0]), (inner + outer)[0] / 2)
    heights = grow * (front.bridge[:, 1:] - front.middles[:, 1].mean())
    by_nose = slice(3 * ANGLES // 4, ANGLES // 4, -1)
    reach = np.interp(heights.mean(), rim[by_nose, 1], rim[by_nose, 0])
    along = np.linspace(reach, -reach, len(heights))
    return replace(
        front, plane=float(landmark_points(vertices)[6, 2]) + SHEET_BEFORE, inner=inner, outer=outer,
        middles=np.column_stack([np.sign(eyes[:, 0]) * x, level]),
        bridge=np.column_stack([along, heights + level.mean()]),
    )  # fmt: skip


def glasses_of_front(front: GlassesFront, vertices: Float[np.ndarray, "vertices 3"]) -> tuple[AvatarMesh, AvatarMesh]:
    """Frame and lenses. The frame's texture shows the sheet's part `sheet_box`; the lenses' is `lens_picture`."""
    pieces = []
    for side in (0, 1):
        middle = front.middles[side]
        edges = (around_lens(middle, radii[side]) for radii in (front.inner, front.outer))
        inner, outer = (on_sheet(front.plane, edge) for edge in edges)
        pieces.append(_bar(inner, outer, closed=True, kept=front.seen[side]))
        pieces.append(_temple(front, side, vertices))
    low, high = (on_sheet(front.plane + 0.0005, front.bridge[:, [0, k]]) for k in (1, 2))
    pieces.append(_bar(low, high, closed=False))
    places, faces, shown = [], [], []
    for points, triangles, at in pieces:
        a, b, c = (points[triangles[:, k]] - points.mean(0) for k in range(3))
        outward = (np.cross(a, b) * c).sum() >= 0  # pieces of the right side are mirrored
        faces.append((triangles if outward else triangles[:, ::-1]) + sum(map(len, places)))
        places.append(points)
        shown.append(points[:, :2] if at is None else np.broadcast_to(at, (len(points), 2)))
    points, triangles = np.concatenate(places), np.concatenate(faces)
    left, bottom, right, top = sheet_box(front)
    uvs = (np.concatenate(shown) - (left, top)) / (right - left, bottom - top)
    material = Material("Glasses", "glass", (1.0, 1.0, 1.0, 1.0), roughness=0.4, texture="glasses", double_sided=True)
    frame = head_mesh("glasses", points, vertex_normals(points, triangles), uvs, triangles, material)
    return frame, _panes(front)


def sheet_box(front: GlassesFront) -> tuple[float, float, float, float]:
    """Least x and y, then greatest x and y of the sheet's part that the front lies in."""
    edges = np.concatenate([around_lens(front.middles[side], front.outer[side]) for side in (0, 1)])
    low, high = edges.min(0) - 0.002, edges.max(0) + 0.002
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def hinge(front: GlassesFront, side: int) -> int:
    """The direction, of TURN, in which a rim reaches out to its temple: its upper outer end."""
    edge = around_lens(front.middles[side], front.outer[side])
    reach = np.abs(edge[:, 0]) + 0.35 * np.clip(edge[:, 1] - front.middles[side, 1], 0, 1)
    return int(np.where((np.degrees(TURN) < 65) & (front.seen[side] | ~front.seen[side].any()), reach, -1).argmax())


def _bar(
    first: Float[np.ndarray, "n 3"], second: Float[np.ndarray, "n 3"], closed: bool, kept: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, None]:
    """Points and triangles of a bevelled bar whose outlines from the front are two lines; a ring where `closed`.

    `kept`: at which places there is a bar at all.
    """
    count = len(first)
    across = second - first
    breadth = np.linalg.norm(across, axis=1, keepdims=True)
    deep = np.clip(0.7 * breadth, 0.0008, 0.0026) / 2 * np.array([0, 0, 1.0])
    bevel = np.minimum(0.22 * breadth, 0.0006) * across / np.maximum(breadth, 1e-9)
    section = [first, first + bevel + deep, second - bevel + deep, second, second - bevel - deep, first + bevel - deep]
    points = np.stack(section, 1).reshape(-1, 3)
    index = np.arange(6 * count).reshape(count, 6)
    here, after = (index, np.roll(index, -1, 0)) if closed else (index[:-1], index[1:])
    if kept is not None:
        there = kept & np.roll(kept, -1)
        here, after = here[there], after[there]
    a, b, c, d = here, after, np.roll(after, -1, 1), np.roll(here, -1, 1)
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    cut = [] if closed else [(0, 1), (count - 1, -1)]
    ends = [np.stack([index[k, [0] * 4], index[k, 1:5], index[k, 2:6]], 1)[:, ::way] for k, way in cut]
    return points, np.concatenate([faces, *ends]), None


def _temple(
    front: GlassesFront, side: int, vertices: Float[np.ndarray, "vertices 3"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points and triangles of the arm from a rim's outer end over the ear, and whose colour it has (x and y)."""
    at, model = hinge(front, side), load_body()
    radii = np.stack([front.inner[side], front.outer[side]], 1)
    outside = around_lens(front.middles[side], radii)[at, 1]
    way = np.sign(front.middles[side, 0])
    thick = float(np.clip(np.ptp(radii[at]), 0.0012, 0.0045))
    start = on_sheet(front.plane, outside - (way * 0.3 * thick, 0))
    ears = vertices[ear_vertices(model)]
    ears = ears[ears[:, 0] * way > 0]
    # over the ear's root, which lies lower or higher than the hinge by a little
    height = np.clip(np.percentile(ears[:, 1], 85), start[1] - 0.010, start[1] + 0.004)
    temple = landmark_points(vertices)[454 if way > 0 else 234]
    ear = np.array([way * (max(abs(start[0]), abs(temple[0])) + 0.006), height, ears[:, 2].mean() - 0.004])
    line = start + np.linspace(0, 1, ARM)[:, None] * (ear - start)
    line = _outside_head(line, vertices, 0.0016)
    high = np.clip(np.interp(np.arange(ARM), [0, 2, ARM - 1], [0.9 * thick, 0.7 * thick, 0.6 * thick]), 0.0013, 1) / 2
    wide = np.clip(0.5 * high, 0.0006, 0.0008)
    up, out = np.array([0, 1.0, 0]) * high[:, None], np.array([way, 0, 0]) * wide[:, None]
    section = [line - up - 0.4 * out, line - 0.6 * up + out, line + 0.6 * up + out, line + up - 0.4 * out,
               line + 0.6 * up - out, line - 0.6 * up - out]  # fmt: skip
    points = np.stack(section, 1).reshape(-1, 3)
    index = np.arange(6 * ARM).reshape(ARM, 6)
    a, b, c, d = index[:-1], index[1:], np.roll(index[1:], -1, 1), np.roll(index[:-1], -1, 1)
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    ends = [np.stack([index[k, [0] * 4], index[k, 1:5], index[k, 2:6]], 1)[:, ::turn] for k, turn in ((0, 1), (-1, -1))]
    above = around_lens(front.middles[side], radii)[(at + 3) % ANGLES]  # there the bar is, not the wing's blurred tip
    return points, np.concatenate([faces, *ends]), above.mean(0)


PANE_RINGS = (0.0, 0.9, 1.0)
"""Radii of a pane's rings of points in parts of the whole; the texture's rows are spaced evenly over them."""


def _panes(front: GlassesFront) -> AvatarMesh:
    """The lenses, slightly arched; they end within the rims, and where there is no rim with the rim's outer edge."""
    points, uvs, faces = [], [], []
    for side in (0, 1):
        share = np.where(front.seen[side], 0.3, 1.0)
        radii = front.inner[side] + share * (front.outer[side] - front.inner[side])
        start = len(points) * (1 + 2 * ANGLES)
        rings = [on_sheet(front.plane, around_lens(front.middles[side], part * radii)) for part in PANE_RINGS[1:]]
        rings[0][:, 2] += 0.0006
        middle = on_sheet(front.plane, front.middles[side]) + (0, 0, 0.0016)
        points.append(np.concatenate([middle[None], *rings]))
        across = (np.arange(ANGLES) + 0.5) / ANGLES
        uvs.append(np.concatenate([[[0.5, 0.0]], *(np.column_stack([across, 0 * across + v]) for v in (0.5, 1.0))]))
        first = start + 1 + np.arange(ANGLES)
        after = np.roll(first, -1)
        fans = [np.stack([0 * first + start, first, after], 1), np.stack([first, first + ANGLES, after], 1),
                np.stack([after, first + ANGLES, after + ANGLES], 1)]  # fmt: skip
        faces.append(np.concatenate(fans)[:, :: 1 if front.middles[side, 0] > 0 else -1])
    places, triangles = np.concatenate(points), np.concatenate(faces)
    material = Material(
        "Lenses", "glass", (1.0, 1.0, 1.0, 1.0), roughness=0.08, alpha_mode="BLEND", texture="lenses", double_sided=True
    )
    normals = vertex_normals(places, triangles)
    return head_mesh("lenses", places, normals, np.concatenate(uvs), triangles, material)


def lens_picture(front: GlassesFront) -> UInt8[np.ndarray, "rows angles 4"]:
    """The panes' texture: from the middle (row 0) to the edge, which shows where no rim holds the glass."""
    color = np.array(front.tint)
    picture = np.tile(color, (16, ANGLES, 1))
    bare = ~front.seen.any(0)
    picture[-2:, bare, 3] = np.maximum(picture[-2:, bare, 3], 0.45)
    return np.round(255 * picture).astype(np.uint8)


def glasses_of_kind(
    kind: str, vertices: Float[np.ndarray, "vertices 3"], eyes: Float[np.ndarray, "2 3"], grow: float = 1.0
) -> list[AvatarMesh]:
    """The meshes of a kind of glasses, none for "none"; those of sunglasses have dark lenses."""
    if kind == "none":
        return []
    (wide, high), corner = KINDS[kind]
    frame = glasses_mesh(vertices, eyes, (wide * grow, high * grow), 0.0013 * grow, corner)
    return [frame, _lenses(frame)] if kind == "sunglasses" else [frame]


def _lenses(frame: AvatarMesh) -> AvatarMesh:
    """Dark panes in the rims, which are the frame's first tubes (36 rings of 6 points, then an arm)."""
    points, faces = [], []
    for first in (0, 36 * 6 + ARM * 6):
        rim = frame.positions[first : first + 36 * 6].reshape(36, 6, 3).mean(1)
        start = len(points) * 37
        faces += [[start, start + 1 + k, start + 1 + (k + 1) % 36] for k in range(36)]
        points.append(np.concatenate([rim.mean(0, keepdims=True), rim]))
    places = np.concatenate(points)
    normals = np.tile(np.array([0.0, 0, 1], np.float32), (len(places), 1))
    material = Material("Lenses", "glass", LENS, roughness=0.15, alpha_mode="BLEND", double_sided=True)
    return head_mesh("lenses", places, normals, np.zeros((len(places), 2)), np.array(faces), material)


def rim_lines(
    vertices: Float[np.ndarray, "vertices 3"],
    eyes: Float[np.ndarray, "2 3"],
    half_size: tuple[float, float],
    drop: float = 0.001,
    corner: float = 2 / 3,
) -> list[Float[np.ndarray, "36 3"]]:
    """The middle lines of the two rims. `drop`: how far their middles lie below the eyeballs', metres."""
    turn = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    round_x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** corner
    round_y = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** corner
    plane = float(landmark_points(vertices)[6, 2]) + SHEET_BEFORE
    rims = []
    for center in eyes:
        middle = np.sign(center[0]) * max(abs(center[0]), half_size[0] + 0.003)
        places = np.column_stack([middle + round_x * half_size[0], center[1] - drop + round_y * half_size[1]])
        rims.append(on_sheet(plane, places))
    return rims


def glasses_mesh(
    vertices: Float[np.ndarray, "vertices 3"],
    eyes: Float[np.ndarray, "2 3"],
    half_size: tuple[float, float] = (0.027, 0.021),
    thickness: float = 0.0013,
    corner: float = 2 / 3,
    drop: float = 0.001,
) -> AvatarMesh:
    """Glasses of wire on this face. `eyes`: the eyeballs' centres; `half_size`: half width and height of a rim; metres.

    `corner`: 1 makes the rims round, towards 0 they become rectangles; `drop` as in `rim_lines`."""
    mark = landmark_points(vertices)
    tubes = []
    rims = rim_lines(vertices, eyes, half_size, drop, corner)
    ears = ear_vertices(load_body())
    for center, rim in zip(eyes, rims, strict=True):
        tubes.append((rim, True, thickness))
        side = np.sign(center[0])
        start = rim[np.argmax(rim[:, 0] * side)] + np.array([0, 0.3 * half_size[1], 0])
        temple = mark[454 if side > 0 else 234]
        behind = vertices[ears][vertices[ears][:, 0] * side > 0, 2].mean()
        ear = np.array([side * (max(abs(start[0]), abs(temple[0])) + 0.006), start[1] + 0.002, behind - 0.004])
        arm = start + np.linspace(0, 1, ARM)[:, None] * (ear - start)
        tubes.append((_outside_head(arm, vertices, 1.2 * thickness), False, 0.85 * thickness))
    inner = max(0.003, min(np.abs(rim[:, 0]).min() for rim in rims))
    x = np.linspace(inner, -inner, 7)
    arc = np.stack(
        [x, eyes[0, 1] - drop + 0.28 * half_size[1] + 0.004 * (1 - (x / inner) ** 2), np.full(7, mark[6, 2] + 0.0105)],
        1,
    )
    tubes.append((arc, False, 0.85 * thickness))
    points, normals, faces, count = [], [], [], 0
    for line, closed, radius in tubes:
        p, n, f = tube(line, closed, radius)
        points.append(p)
        normals.append(n)
        faces.append(f + count)
        count += len(p)
    places = np.concatenate(points)
    material = Material("Glasses", "glass", FRAME, roughness=0.4, double_sided=True)
    return head_mesh(
        "glasses",
        places,
        np.concatenate(normals),
        np.zeros((count, 2)),
        np.concatenate(faces),
        material,
    )


def _outside_head(
    arm: Float[np.ndarray, "n 3"], vertices: Float[np.ndarray, "vertices 3"], clear: float
) -> Float[np.ndarray, "n 3"]:
    """An arm of the glasses moved aside where a broad temple would swallow it; over the ear it may lie behind it."""
    model = load_body()
    ids = model.parts["head"].vertex_ids
    side = np.sign(arm[0, 0])
    ids = ids[vertices[ids, 0] * side > 0.02]
    face = vertices[ids[~np.isin(ids, ear_vertices(model))]]
    half = len(arm) // 2
    moved = arm.copy()
    for k in range(1, len(moved)):
        point, before = moved[k], side * moved[k - 1, 0]
        skin = face if k <= half else vertices[ids]
        near = (np.abs(skin[:, 1] - point[1]) < 0.010) & (np.abs(skin[:, 2] - point[2]) < 0.012)
        wanted = max(side * point[0], before - 0.0005)  # an arm does not bend inward
        if near.any():
            wanted = max(wanted, (side * skin[near, 0]).max() + clear)
        # up to the ear it lies on the skin; from there on it runs over the ear, not around it
        point[0] = side * (wanted if k <= half else min(wanted, before + (0.004 if k <= half + 2 else 0.0005)))
    smooth = moved.copy()
    smooth[1:-1, 0] = side * np.maximum(
        side * moved[1:-1, 0], side * (moved[:-2, 0] + 2 * moved[1:-1, 0] + moved[2:, 0]) / 4
    )
    return smooth


def tube(line: np.ndarray, closed: bool, radius: float, sides: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, normals and triangles of a tube around a line."""
    before = np.roll(line, 1, 0) if closed else np.concatenate([line[:1], line[:-1]])
    after = np.roll(line, -1, 0) if closed else np.concatenate([line[1:], line[-1:]])
    tangent = after - before
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    helper = np.where(np.abs(tangent[:, 2:]) > 0.8, np.array([[0.0, 1, 0]]), np.array([[0.0, 0, 1]]))
    first = np.cross(tangent, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(tangent, first)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None, :, None]
    normals = np.cos(angle) * first[:, None] + np.sin(angle) * second[:, None]
    index = np.arange(len(line) * sides).reshape(len(line), sides)
    following = np.roll(index, -1, 0) if closed else index[1:]
    current = index if closed else index[:-1]
    a, b, c, d = current, following, np.roll(following, -1, 1), np.roll(current, -1, 1)
    faces = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)])
    places = line[:, None] + normals * radius
    return places.reshape(-1, 3), normals.reshape(-1, 3), faces

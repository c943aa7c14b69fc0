"""Glasses: round-cornered rims before the eyes, a bridge, temples to the ears."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from digitalme.artifacts.avatar import AvatarMesh, Material
from digitalme.body.hair_cards import head_mesh
from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.body.scalp import ear_vertices

ARM = 9
"""Points along an arm, from the hinge to above the ear."""
FRAME = (0.16, 0.13, 0.14, 1.0)
LENS = (0.05, 0.05, 0.06, 0.93)
KINDS = {  # half width and height of a rim (metres), and how round it is
    "round": ((0.0235, 0.0225), 1.0),
    "square": ((0.0275, 0.0190), 0.4),
    "sunglasses": ((0.0285, 0.0215), 2 / 3),
}


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
    bulge: Float[np.ndarray, "36"] | None = None,
) -> list[Float[np.ndarray, "36 3"]]:
    """The middle lines of the two rims. `drop`: how far their middles lie below the eyeballs', metres.

    `bulge`: how far the left rim reaches beyond that shape at each of its points, metres; the right one mirrors it.
    """
    turn = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    round_x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** corner
    round_y = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** corner
    plane = landmark_points(vertices)[6, 2] + 0.010  # a centimetre before the bridge of the nose
    rims = []
    out = np.stack([round_x * half_size[0], round_y * half_size[1]], 1)
    for center in eyes:
        middle = np.sign(center[0]) * max(abs(center[0]), half_size[0] + 0.003)
        shape = out
        if bulge is not None:
            own = bulge if center[0] > 0 else bulge[(18 - np.arange(36)) % 36]
            shape = out * (1 + own / np.linalg.norm(out, axis=1))[:, None]
        rim = np.column_stack([middle + shape[:, 0], center[1] - drop + shape[:, 1], 0 * turn])
        rim[:, 2] = plane - 5.4 * np.clip(np.abs(rim[:, 0]) - 0.02, 0, 1) ** 2
        rims.append(rim)
    return rims


def glasses_mesh(
    vertices: Float[np.ndarray, "vertices 3"],
    eyes: Float[np.ndarray, "2 3"],
    half_size: tuple[float, float] = (0.027, 0.021),
    thickness: float = 0.0013,
    corner: float = 2 / 3,
    drop: float = 0.001,
    color: tuple[float, float, float] = FRAME[:3],
    bulge: Float[np.ndarray, "36"] | None = None,
    breadth: Float[np.ndarray, "36"] | None = None,
) -> AvatarMesh:
    """Glasses on this face. `eyes`: the eyeballs' centres; `half_size`: half width and height of a rim; metres.

    `corner`: 1 makes the rims round, towards 0 they become rectangles; `drop` and `bulge` as in `rim_lines`; `color`:
    sRGB 0..1. `breadth`: how much farther outward than a wire the frame reaches at each point of the left rim, metres.
    The texture runs from the rims' upper ends (v = 0) to the lower ones."""
    mark = landmark_points(vertices)
    tubes = []
    rims = rim_lines(vertices, eyes, half_size, drop, corner, bulge)
    ears = ear_vertices(load_body())
    for center, rim in zip(eyes, rims, strict=True):
        wide = np.zeros(36)
        if breadth is not None:
            wide = breadth if center[0] > 0 else breadth[(18 - np.arange(36)) % 36]
        out = rim - rim.mean(0)
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        tubes.append((rim + out * wide[:, None] / 2, True, thickness, wide / 2))
        side = np.sign(center[0])
        hinge = rim[np.argmax(rim[:, 0] * side)] + np.array([0, 0.3 * half_size[1], 0])
        temple = mark[454 if side > 0 else 234]
        behind = vertices[ears][vertices[ears][:, 0] * side > 0, 2].mean()
        ear = np.array([side * (max(abs(hinge[0]), abs(temple[0])) + 0.006), hinge[1] + 0.002, behind - 0.004])
        arm = hinge + np.linspace(0, 1, ARM)[:, None] * (ear - hinge)
        tubes.append((_outside_head(arm, vertices, 1.2 * thickness), False, 0.85 * thickness, None))
    inner = max(0.003, min(np.abs(rim[:, 0]).min() for rim in rims))
    x = np.linspace(inner, -inner, 7)
    arc = np.stack(
        [x, eyes[0, 1] - drop + 0.28 * half_size[1] + 0.004 * (1 - (x / inner) ** 2), np.full(7, mark[6, 2] + 0.0105)],
        1,
    )
    tubes.append((arc, False, 0.85 * thickness, None))
    points, normals, faces, count = [], [], [], 0
    for line, closed, radius, wider in tubes:
        p, n, f = tube(line, closed, radius, wider=wider)
        points.append(p)
        normals.append(n)
        faces.append(f + count)
        count += len(p)
    places = np.concatenate(points)
    low, high = (end(rims[0][:, 1]) for end in (np.min, np.max))
    material = Material("Glasses", "glass", (*color, 1.0), roughness=0.4, double_sided=True)
    return head_mesh(
        "glasses",
        places,
        np.concatenate(normals),
        np.column_stack([np.full(count, 0.5), np.clip((high - places[:, 1]) / (high - low), 0, 1)]),
        np.concatenate(faces),
        material,
    )


def _outside_head(
    arm: Float[np.ndarray, "n 3"], vertices: Float[np.ndarray, "vertices 3"], clear: float
) -> Float[np.ndarray, "n 3"]:
    """An arm of the glasses moved aside where a broad temple would swallow it; over the ear it may lie behind it."""
    model = load_body()
    skin = vertices[np.setdiff1d(model.parts["head"].vertex_ids, ear_vertices(model))]
    side = np.sign(arm[0, 0])
    skin = skin[skin[:, 0] * side > 0.02]
    moved = arm.copy()
    for k in range(1, len(moved)):
        point, before = moved[k], side * moved[k - 1, 0]
        near = (np.abs(skin[:, 1] - point[1]) < 0.010) & (np.abs(skin[:, 2] - point[2]) < 0.012)
        wanted = max(side * point[0], before - 0.0005)  # an arm does not bend inward
        if near.any():
            wanted = max(wanted, (side * skin[near, 0]).max() + clear)
        # from half way on it runs over the ear, not around it
        point[0] = side * (wanted if k <= len(moved) // 2 else min(wanted, before + 0.003))
    smooth = moved.copy()
    smooth[1:-1, 0] = side * np.maximum(
        side * moved[1:-1, 0], side * (moved[:-2, 0] + 2 * moved[1:-1, 0] + moved[2:, 0]) / 4
    )
    return smooth


def tube(
    line: np.ndarray, closed: bool, radius: float, sides: int = 6, wider: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, normals and triangles of a tube around a line. `wider`: what the radius is more at each of its points, at
    right angles to the line in the plane of the face."""
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
    if wider is not None:
        places += np.cos(angle) * first[:, None] * wider[:, None, None]
    return places.reshape(-1, 3), normals.reshape(-1, 3), faces

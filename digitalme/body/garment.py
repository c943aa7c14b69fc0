"""Clothes cut from the body's clothing cages: T-shirt or hoodie, trousers, dress; the skin under them is taken away.

A garment is a signed field on the template (metres, > 0 inside the cloth), so that cuts sit at the same place on any
body. Hems are cut through triangles where the field crosses zero, and folded inside by a few millimetres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.spatial import cKDTree

from digitalme.artifacts.avatar import Avatar, AvatarMesh, Material, with_alpha
from digitalme.body.character import humanoid_weights, vertex_normals
from digitalme.body.model import BodyModel, load_body

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Cut:
    """How a garment is cut: which cage, how far off the skin (metres), how often the cage is smoothed."""

    cage: str
    offset: float
    smoothing: int


CUTS = {
    "tshirt": Cut("cage_tights", 0.015, 4),
    "hoodie": Cut("cage_tights", 0.022, 6),
    "trousers": Cut("cage_tights", 0.006, 3),
    "dress": Cut("cage_tights", 0.014, 4),
    "skirt": Cut("cage_skirt", 0.010, 4),
}
OUTFITS = {
    "tshirt": ("trousers", "tshirt"),
    "hoodie": ("trousers", "hoodie"),
    "dress": ("skirt", "dress"),
    "skirt": ("skirt", "tshirt"),
    "none": (),
}
"""What an outfit consists of, innermost first."""
HEM = 0.006


def cut_field(name: str, places: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n"]:
    """Signed distance-like field of a garment at head-centred template places (x, up, forward)."""
    x, up, forward = places[:, 0], places[:, 1], places[:, 2]
    if name == "trousers":
        return np.minimum(-0.63 - up, up + 1.60)
    if name == "skirt":
        return np.minimum(up + 1.10, -0.60 - up)
    # a plane tilted forward around the neck, rising over the shoulders
    drop = {"tshirt": 0.0, "hoodie": -0.012, "dress": 0.015}[name]
    rise = 0.5 * np.clip(np.abs(x) - 0.065, 0, None)
    neckline = -0.160 - drop - 0.62 * (forward + 0.055) + rise - up
    neckline = np.where(up < -0.30, 0.05, neckline)
    sleeve = {"tshirt": 0.335, "hoodie": 0.52, "dress": 0.30}[name] - np.abs(x)
    return np.minimum.reduce([up + (0.72 if name != "dress" else 0.66), sleeve, neckline])


def _smooth(points: np.ndarray, faces: np.ndarray, passes: int) -> np.ndarray:
    """Uniform Laplacian smoothing (half a step each) of the points that `faces` use."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    both = np.concatenate([edges, edges[:, ::-1]])
    ring = sparse.csr_matrix((np.ones(len(both)), both.T), (len(points), len(points)))
    ring.data[:] = 1
    degree = np.maximum(np.asarray(ring.sum(1)).ravel(), 1)
    used = np.unique(faces)
    out = points.copy()
    for _ in range(passes):
        out[used] = 0.5 * out[used] + 0.5 * ((ring @ out) / degree[:, None])[used]
    return out


def _cut_at_zero(
    faces: np.ndarray, field: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """Triangles where field > 0, those that cross zero cut there.

    Returns the new vertices as (first, second, share of the second) of old ones, the triangles over them, and the
    directed edges along the cut.
    """
    pairs: dict[tuple[int, int], int] = {}
    first: list[int] = []
    second: list[int] = []
    share: list[float] = []

    def vertex(a: int, b: int) -> int:
        key = (a, b) if a <= b else (b, a)
        if key not in pairs:
            pairs[key] = len(first)
            t = 0.0 if a == b else float(field[key[0]] / (field[key[0]] - field[key[1]]))
            first.append(key[0])
            second.append(key[1])
            share.append(t)
        return pairs[key]

    inside = field > 0
    kept, rim = [], []
    for a, b, c in faces[inside[faces].any(1)]:
        flags = inside[[a, b, c]]
        while flags.sum() in (1, 2) and not (flags[0] and (flags.sum() == 1 or flags[1])):
            a, b, c = b, c, a
            flags = np.roll(flags, -1)
        if flags.all():
            kept.append((vertex(a, a), vertex(b, b), vertex(c, c)))
        elif flags.sum() == 1:
            ab, ca = vertex(a, b), vertex(c, a)
            kept.append((vertex(a, a), ab, ca))
            rim.append((ab, ca))
        else:
            bc, ca = vertex(b, c), vertex(c, a)
            kept += [(vertex(a, a), vertex(b, b), bc), (vertex(a, a), bc, ca)]
            rim.append((bc, ca))
    return np.stack([first, second], 1), np.array(share), np.array(kept, np.int32), rim


def _smooth_rim(points: np.ndarray, rim: list[tuple[int, int]], passes: int = 12) -> np.ndarray:
    """Points with the cut edge's own curve smoothed along itself: the cage's facets make it zigzag."""
    edges = np.array(rim)
    count = len(points)
    ring = sparse.csr_matrix(
        (np.ones(2 * len(edges)), (np.r_[edges[:, 0], edges[:, 1]], np.r_[edges[:, 1], edges[:, 0]])), (count, count)
    )
    degree = np.asarray(ring.sum(1)).ravel()
    ids = np.flatnonzero(degree >= 2)
    out = points.copy()
    for _ in range(passes):
        out[ids] = 0.4 * out[ids] + 0.6 * ((ring @ out)[ids] / degree[ids, None])
    return out


def _clear_of_skin(
    points: np.ndarray, faces: np.ndarray, vertices: np.ndarray, model: BodyModel, clearance: float
) -> np.ndarray:
    """Cloth points moved out until they stand `clearance` over the nearest skin: smoothing draws cloth into limbs."""
    skin = np.concatenate([model.parts["body"].faces, model.parts["head"].faces])
    ids = np.unique(skin)
    normals = vertex_normals(vertices, skin)[ids].astype(np.float64)
    tree = cKDTree(vertices[ids])
    out = points.copy()
    for _ in range(4):
        distance, nearest = tree.query(out)
        depth = np.einsum("ij,ij->i", out - vertices[ids][nearest], normals[nearest])
        lack = np.where(distance < 0.05, np.clip(clearance - depth, 0, 0.03), 0)
        out += _smooth(normals[nearest] * lack[:, None], faces, 2)
    return out


def sew(
    name: str, vertices: Float[np.ndarray, "vertices 3"], model: BodyModel, color: Rgb, ease: float = 1.0
) -> AvatarMesh:
    """One garment over these bind-pose vertices, with the body's skin weights and a folded hem."""
    cut = CUTS[name]
    offset = cut.offset * ease
    cage = model.parts[cut.cage]
    field = cut_field(name, model.template - model.head_center)
    smooth = _smooth(np.asarray(vertices, float), cage.faces, cut.smoothing)
    pairs, share, faces, rim = _cut_at_zero(cage.faces, field)
    mix = share[:, None]
    points = smooth[pairs[:, 0]] * (1 - mix) + smooth[pairs[:, 1]] * mix
    points = _smooth_rim(points, rim)
    normals = vertex_normals(points, faces)
    points = _clear_of_skin(points + normals * offset, faces, vertices, model, 0.6 * offset)
    points = _smooth_rim(points, rim, 5)

    # the hem: the rim again, folded back inside, so that cloth has thickness
    rim_ids = np.unique(rim)
    fold = np.full(len(points), -1)
    fold[rim_ids] = len(points) + np.arange(len(rim_ids))
    folded = points[rim_ids] - normals[rim_ids] * min(HEM, offset * 0.8)
    quads = [tri for a, b in rim for tri in ((b, a, fold[a]), (b, fold[a], fold[b]))]
    points = np.concatenate([points, folded])
    pairs, share = np.concatenate([pairs, pairs[rim_ids]]), np.concatenate([share, share[rim_ids]])
    shell = vertex_normals(points, faces)
    normals = np.concatenate([shell[: len(normals)], normals[rim_ids]])
    faces = np.concatenate([faces, np.array(quads, np.int32)])

    joints, weights = _blend_weights(model, pairs, share)
    place = model.template[pairs[:, 0]] * (1 - share[:, None]) + model.template[pairs[:, 1]] * share[:, None]
    around = np.arctan2(place[:, 0], place[:, 2] - model.head_center[2]) / (2 * np.pi) + 0.5
    uvs = np.stack([around, np.clip((model.head_center[1] - place[:, 1]) / 1.7, 0, 1)], 1)
    material = Material(name.capitalize(), "cloth", with_alpha(color), roughness=0.85, double_sided=True)
    return AvatarMesh(
        name, points.astype(np.float32), normals.astype(np.float32), uvs.astype(np.float32), faces, joints, weights,
        material,
    )  # fmt: skip


def _blend_weights(model: BodyModel, pairs: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Skin weights of cut vertices: those of both ends mixed, the four strongest joints kept."""
    joints, weights = humanoid_weights(model)
    full = np.zeros((len(pairs), int(joints.max()) + 1))
    rows = np.arange(len(pairs))
    for end, part in ((0, 1 - share), (1, share)):
        for slot in range(4):
            np.add.at(full, (rows, joints[pairs[:, end], slot]), weights[pairs[:, end], slot] * part)
    best = np.argsort(-full, 1, kind="stable")[:, :4]
    kept = np.take_along_axis(full, best, 1)
    best = np.where(kept > 0, best, 0)
    return best.astype(np.int32), (kept / kept.sum(1, keepdims=True)).astype(np.float32)


def hidden_vertices(names: tuple[str, ...], model: BodyModel, depth: float = 0.012) -> np.ndarray:
    """Mask (vertices,) of skin at least `depth` metres inside one of these garments: it can be taken away."""
    places = model.template - model.head_center
    hidden = np.zeros(len(places), bool)
    for name in names:
        if name == "skirt":
            hidden |= (places[:, 1] < -0.63) & (places[:, 1] > -1.02) & (np.abs(places[:, 0]) < 0.30)
        else:
            hidden |= (cut_field(name, places) > depth) & (places[:, 1] < -0.17)
    return hidden


def dress(
    avatar: Avatar,
    vertices: Float[np.ndarray, "vertices 3"],
    outfit: str,
    colors: Mapping[str, Rgb],
    hide: float = 0.012,
    ease: float = 1.0,
) -> Avatar:
    """The avatar with an outfit on and the covered skin removed.

    `colors` holds "top" and "bottom", sRGB 0..1. `hide`: how deep inside the cloth (metres on the template) skin must
    lie to be taken away. `ease` scales how far the cloth stands off the skin.
    """
    model = load_body()
    names = OUTFITS[outfit]
    if not names:
        return avatar
    hidden = hidden_vertices(names, model, hide)
    meshes = []
    for mesh in avatar.meshes:
        if mesh.name == "body" and mesh.body_vertices is not None:
            mesh = keep_faces(mesh, ~hidden[mesh.body_vertices[mesh.faces]].all(1))
        meshes.append(mesh)
    for name in names:
        whole = outfit == "dress"
        meshes.append(
            sew(name, vertices, model, colors["bottom" if name in ("trousers", "skirt") and not whole else "top"], ease)
        )
    return replace(avatar, meshes=tuple(meshes))


def keep_faces(mesh: AvatarMesh, keep: np.ndarray) -> AvatarMesh:
    """The mesh with only these triangles, and without the vertices that no triangle uses any more."""
    used = np.unique(mesh.faces[keep])
    renumber = np.full(len(mesh.positions), -1, np.int32)
    renumber[used] = np.arange(len(used))
    morphs = {}
    for name, morph in mesh.morphs.items():
        stays = renumber[morph.index] >= 0
        if stays.any():
            morphs[name] = replace(morph, index=renumber[morph.index[stays]], delta=morph.delta[stays])
    return replace(
        mesh,
        positions=mesh.positions[used],
        normals=mesh.normals[used],
        uvs=mesh.uvs[used],
        faces=renumber[mesh.faces[keep]],
        joints=mesh.joints[used],
        weights=mesh.weights[used],
        morphs=morphs,
        body_vertices=None if mesh.body_vertices is None else mesh.body_vertices[used],
    )

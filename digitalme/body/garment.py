"""Clothes cut from the body's clothing cages: T-shirt or hoodie, trousers, dress; the skin under them is taken away.

A garment is a signed field on the template (metres, > 0 inside the cloth), so that cuts sit at the same place on any
body. Hems are cut through triangles where the field crosses zero, and folded inside by a few millimetres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse
from scipy.spatial import cKDTree

from digitalme.artifacts.avatar import Avatar, AvatarMesh, Material, with_alpha
from digitalme.body.character import humanoid_weights, split_at_seams, vertex_normals
from digitalme.body.model import BodyModel, load_body
from digitalme.geometry.uv_map import spread_over_uvs
from digitalme.imaging.drawing import smoothstep

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
FOLDS = "cloth_folds"
"""The texture of the folds, a normal map that all garments share."""


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
    points: np.ndarray, faces: np.ndarray, vertices: np.ndarray, model: BodyModel, clearance: np.ndarray
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
) -> tuple[AvatarMesh, Float[np.ndarray, "n 3"]]:
    """One garment over these bind-pose vertices, with the body's skin weights and a folded hem; and where its vertices
    lie on the template, head-centred."""
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
    # towards the neck's opening the cloth comes to the skin: a collar that stands off all around looks like a pipe
    place = model.template[pairs[:, 0]] * (1 - mix) + model.template[pairs[:, 1]] * mix - model.head_center
    stand = offset * (1 - 0.62 * _near_neck(place))
    points = _clear_of_skin(points + normals * stand[:, None], faces, vertices, model, 0.6 * stand)
    points = _smooth_rim(points, rim, 5)

    # the hem: the rim again, folded back inside, so that cloth has thickness
    rim_ids = np.unique(rim)
    fold = np.full(len(points), -1)
    fold[rim_ids] = len(points) + np.arange(len(rim_ids))
    folded = points[rim_ids] - normals[rim_ids] * np.minimum(HEM, stand[rim_ids] * 0.8)[:, None]
    quads = [tri for a, b in rim for tri in ((b, a, fold[a]), (b, fold[a], fold[b]))]
    points = np.concatenate([points, folded])
    pairs, share = np.concatenate([pairs, pairs[rim_ids]]), np.concatenate([share, share[rim_ids]])
    shell = vertex_normals(points, faces)
    normals = np.concatenate([shell[: len(normals)], normals[rim_ids]])
    faces = np.concatenate([faces, np.array(quads, np.int32)])

    joints, weights = _blend_weights(model, pairs, share)
    place = model.template[pairs[:, 0]] * (1 - share[:, None]) + model.template[pairs[:, 1]] * share[:, None]
    source, uvs, faces = split_at_seams(faces, cloth_uvs(place - model.head_center, faces))
    material = Material(
        name.capitalize(), "cloth", with_alpha(color), normal_texture=FOLDS, roughness=0.85, double_sided=True
    )
    mesh = AvatarMesh(
        name, points[source].astype(np.float32), normals[source].astype(np.float32), uvs.astype(np.float32), faces,
        joints[source], weights[source], material,
    )  # fmt: skip
    return mesh, (place - model.head_center)[source]


def _near_neck(places: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n"]:
    """1 at the neck .. 0 on the shoulders and below; head-centred template places."""
    away = np.hypot(places[:, 0], places[:, 2] + 0.055)
    return smoothstep(0.150, 0.085, away) * smoothstep(-0.30, -0.22, places[:, 1])


_LIMB = 0.19
"""Metres from the middle where the torso's cloth ends and a sleeve begins, in UVs."""
_LEG = -0.93
"""Height where trousers part into legs."""


def cloth_uvs(places: Float[np.ndarray, "n 3"], faces: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "f 3 2"]:
    """UVs for each corner, charts side by side: torso around its axis, each sleeve along its arm, each leg.

    `places`: head-centred template places. One layout for all garments, so that they share a map of folds. (u, v) from
    the top left corner.
    """
    corner = places[faces].astype(np.float64)
    middle = corner.mean(1)
    chart = np.zeros(len(faces), int)
    sleeve = (np.abs(middle[:, 0]) > _LIMB) & (middle[:, 1] > -0.75)
    leg = middle[:, 1] < _LEG
    chart[sleeve] = np.where(middle[sleeve, 0] > 0, 1, 2)
    chart[leg] = np.where(middle[leg, 0] > 0, 3, 4)
    x, up, forward = corner[..., 0], corner[..., 1], corner[..., 2]
    # torso and skirts: the angle around the body's axis; limbs: the angle around the limb's
    arm = _arm_axis(np.abs(x))
    lift, depth = up - arm[..., 1], forward - arm[..., 2]
    leg_x = np.abs(x) - np.interp(-up, [0.9, 1.6], [0.085, 0.10])
    angle = np.where(
        sleeve[:, None], np.arctan2(lift, depth), np.where(leg[:, None], np.arctan2(leg_x, forward + 0.05),
                                                          np.arctan2(x, forward + 0.055)),
    )  # fmt: skip
    turn = angle / (2 * np.pi) + 0.5
    wraps = np.ptp(turn, axis=1) > 0.5  # a triangle over the seam goes on past the chart's end
    turn = np.where(wraps[:, None] & (turn < 0.5), turn + 1, turn)
    down = np.where(sleeve[:, None], (np.abs(x) - _LIMB) / 0.45, np.where(leg[:, None], (_LEG - up) / 0.75, -up / 1.12))
    left = np.array([0.0, 0.56, 0.56, 0.80, 0.80])[chart][:, None]
    wide = np.array([0.50, 0.19, 0.19, 0.17, 0.17])[chart][:, None]
    top = np.array([0.0, 0.0, 0.5, 0.0, 0.5])[chart][:, None]
    tall = np.array([1.0, 0.48, 0.48, 0.48, 0.48])[chart][:, None]
    u = left + wide * turn
    v = top + tall * np.clip(down, 0, 1)
    return np.clip(np.stack([u, v], -1), 0.001, 0.999)


def _arm_axis(out: np.ndarray) -> np.ndarray:
    """The arm's middle (x, up, forward) where it is `out` metres from the body's; template, head-centred."""
    return np.stack(
        [out, np.interp(out, [0.16, 0.33, 0.52], [-0.215, -0.34, -0.50]),
         np.interp(out, [0.16, 0.33, 0.52], [-0.075, -0.085, -0.055])], -1,
    )  # fmt: skip


def fold_height(places: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n"]:
    """Height of the cloth's folds, metres, at head-centred template places: where bodies bend and cloth hangs.

    Folds radiate from the armpits over chest and sleeve, lie around waist and elbow, and fall from the hips.
    """
    x, up, forward = places.T
    out = np.abs(x)
    wobble = _waves(places, 11.0, 1)
    height = np.zeros(len(places))

    armpit = np.hypot(out - 0.175, up + 0.335)
    toward = np.arctan2(up + 0.335, 0.175 - out)
    pull = smoothstep(0.20, 0.03, armpit) * smoothstep(0.005, 0.03, armpit)
    height += 0.0042 * pull * _ridge(7.5 * toward + 1.3 * wobble)

    waist = np.exp(-(((up + 0.60) / 0.085) ** 2)) * smoothstep(0.26, 0.18, out)
    height += 0.0036 * waist * _ridge(95 * (up + 0.16 * out * (1 + 0.6 * np.sin(6 * x))) + 2.4 * wobble)

    elbow = np.exp(-(((out - 0.345) / 0.055) ** 2)) * smoothstep(-0.15, -0.20, up)
    height += 0.0034 * elbow * _ridge(125 * out + 40 * (up - _arm_axis(out)[..., 1]) + 2.2 * wobble)
    cuff = smoothstep(0.40, 0.50, out)
    height += 0.0026 * cuff * _ridge(140 * out + 2.6 * wobble)

    drape = smoothstep(-0.40, -0.56, up) * smoothstep(-0.80, -0.68, up) * smoothstep(0.24, 0.18, out)
    height += 0.0022 * drape * _ridge(9 * np.arctan2(x, forward + 0.055) + 5 * up + 1.8 * wobble)
    chest = smoothstep(-0.22, -0.30, up) * smoothstep(-0.52, -0.42, up) * smoothstep(0.17, 0.10, out)
    height += 0.0016 * chest * _ridge(5 * np.arctan2(x, forward + 0.055) + 16 * up * np.sign(x) + 1.5 * wobble)

    knee = np.exp(-(((up + 1.12) / 0.06) ** 2)) + smoothstep(-1.42, -1.52, up)
    crotch = smoothstep(0.16, 0.03, np.hypot(out, up + 0.86)) * (up < -0.7)
    height += 0.0034 * knee * _ridge(105 * up + 22 * out + 2.4 * wobble) * (up < -0.95)
    height += 0.0036 * crotch * _ridge(8 * np.arctan2(up + 0.80, out + 0.02) + 1.5 * wobble)
    skirt = smoothstep(-0.66, -0.80, up) * (up > -1.2)
    height += 0.0016 * skirt * _ridge(10 * np.arctan2(x, forward + 0.055) + 1.2 * wobble)
    return 1.7 * height + 0.0006 * _waves(places, 38.0, 2)


def _ridge(phase: np.ndarray) -> np.ndarray:
    """A wave with narrow crests and broad troughs, as folds have; 0..1."""
    return (0.5 + 0.5 * np.sin(phase)) ** 1.8


def _waves(places: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """Smooth noise of about unit size: a few plane waves of random directions; `rate` in waves per 2 pi metres."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(9, 3))
    directions *= rate * rng.uniform(0.5, 1.4, (9, 1)) / np.linalg.norm(directions, axis=1, keepdims=True)
    return np.sin(places @ directions.T + rng.uniform(0, 2 * np.pi, 9)).sum(1) / np.sqrt(4.5)


def paint_folds(meshes: list[AvatarMesh], places: list[np.ndarray], size: int = 1024) -> np.ndarray:
    """Tangent-space normal map (+Y up) of the folds over `cloth_uvs`, from garments and their template places
    (n, 3)."""
    ground = np.zeros((size, size, 3), np.float32)
    covered = np.zeros((size, size), bool)
    for mesh, place in zip(meshes, places, strict=True):
        own, inside = spread_over_uvs(place.astype(np.float64), mesh.uvs.astype(np.float64), mesh.faces, size)
        ground[inside & ~covered] = own[inside & ~covered]
        covered |= inside
    height = np.zeros((size, size), np.float32)
    height[covered] = fold_height(ground[covered].astype(np.float64))
    picture = np.empty((size, size, 3), np.float32)
    slopes = []
    for axis in (1, 0):
        ahead, behind = np.roll(ground, -1, axis), np.roll(ground, 1, axis)
        both = covered & np.roll(covered, -1, axis) & np.roll(covered, 1, axis)
        step = np.linalg.norm(ahead - behind, axis=2)
        both &= (step > 1e-6) & (step < 0.03)  # not over a chart's edge
        rise = np.roll(height, -1, axis) - np.roll(height, 1, axis)
        slopes.append(np.where(both, rise / np.maximum(step, 1e-6), 0))
    picture[..., 0], picture[..., 1], picture[..., 2] = -slopes[0], slopes[1], 1
    rng = np.random.default_rng(4)  # the weave
    picture[..., :2] += 0.035 * rng.normal(size=(size, size, 2))
    picture /= np.linalg.norm(picture, axis=2, keepdims=True)
    return np.round(picture * 127.5 + 127.5).astype(np.uint8)


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
    folds: bool = True,
) -> Avatar:
    """The avatar with an outfit on and the covered skin removed.

    `colors` holds "top" and "bottom", sRGB 0..1. `hide`: how deep inside the cloth (metres on the template) skin must
    lie to be taken away. `ease` scales how far the cloth stands off the skin. `folds`: with a normal map (a drawing
    has none).
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
    whole = outfit == "dress"
    garments, places = [], []
    for name in names:
        part = "bottom" if name in ("trousers", "skirt") and not whole else "top"
        garment, place = sew(name, vertices, model, colors[part], ease)
        garments.append(garment)
        places.append(place)
    if not folds:
        flat = [replace(mesh, material=replace(mesh.material, normal_texture=None)) for mesh in garments]
        return replace(avatar, meshes=(*meshes, *flat))
    relief = paint_folds(garments[::-1], places[::-1])  # where charts overlap, the outer garment's folds count
    return replace(avatar, meshes=(*meshes, *garments), textures=avatar.textures | {FOLDS: relief})


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

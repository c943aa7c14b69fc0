"""The inside of the mouth, and what makes this face's lips and lids meet.

The fitted face keeps the photo's own smile and parted lips, so a stock "lips closed" weight does not close them.
`Seal` solves for it on this face's mesh; `closing_lids` makes eyeBlink 1 shut these eyes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8
from scipy.spatial import cKDTree

from digitalme.body import landmarks as lm
from digitalme.rendering.puppet.layers import Layer, on_mesh, plain
from digitalme.rendering.puppet.pictures import Mask, blurred, filled, grown, shrunk, smoothstep, with_alpha
from digitalme.rendering.puppet.raster import draw_triangles
from digitalme.rendering.puppet.view import View, vertex_normals

BEHIND = -0.004
"""Metres that the mouth's and the eyes' insides stand back in the depth test, so that they never poke through skin."""

_WIDTHS_MM = np.array([8.6, 6.8, 7.6, 7.0, 6.8, 10.0])
"""Upper teeth from the middle: incisors, canine, premolars, molar (usual anatomical means)."""


# ---- teeth, tongue, cavity ---------------------------------------------------------------------------------------


def photo_teeth(view: View) -> Mask:
    """Bright, unsaturated pixels between the lips: teeth that the photo shows. Empty where there are too few."""
    hsv = cv2.cvtColor(view.image, cv2.COLOR_RGB2HSV)
    mask = shrunk(view.mouth_opening, 0.8 * view.unit) & (hsv[..., 1] < 110)
    mask &= view.image.mean(2) > 0.62 * view.skin_color.mean()
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    return mask if mask.sum() > 0.006 * view.face_height**2 else np.zeros_like(mask)


def inside_of_mouth(view: View) -> list[Layer]:
    """Cavity, tongue and teeth. Light falls off behind the lips."""
    body, vertices = view.body, view.vertices
    table = lm.landmark_table()
    lips = np.concatenate([table.lip_lower, table.lip_upper])
    middle = vertices[lips].mean(0)
    near_lips = cKDTree(vertices[lips])

    def light_at(points: np.ndarray) -> np.ndarray:
        return np.exp(-np.clip(near_lips.query(points)[0] - 0.005, 0, None) / 0.020)

    cavity = body.parts["mouth_cavity"].faces
    cavity = cavity[(np.abs(vertices[cavity] - middle) < [0.055, 0.034, 0.2]).all((1, 2))]
    far = near_lips.query(vertices)[0]
    # back in the head, not away from the camera: of a head that its photo shows turned that is out through the cheek
    walls = vertices - (0.014 * smoothstep(0.005, 0.018, far))[:, None] * [0, 0, 1]
    color = np.array([92, 33, 28]) * view.exposure
    shade = 0.34 + 0.70 * light_at(vertices)
    teeth = photo_teeth(view)
    white = np.median(view.image[teeth], 0) if teeth.any() else np.array([247, 235, 214]) * _default_white(view)
    rest = _placed(view, bool(teeth.any()))
    if teeth.any():
        rest = _stretched_to_photo(view, rest, teeth)
    light = light_at(rest)

    faces = body.parts["tongue"].faces
    upward = vertex_normals(rest, faces) @ np.array([0, 0.6, 0.8])
    tongue = plain(
        view, "tongue", faces, np.array([196, 92, 90]) * view.exposure, rest,
        shade=np.maximum(light, 0.25) ** 0.5 * (0.72 + 0.28 * np.clip(upward, 0, 1)), nearer=BEHIND,
    )  # fmt: skip
    return [
        plain(view, "cavity", cavity, color, walls, shade=shade, nearer=BEHIND),
        tongue,
        _lower_teeth(view, rest, white * [0.90, 0.84, 0.77], light),
        _upper_teeth(view, rest, white, light, teeth),
    ]


def _default_white(view: View) -> float:
    return min(238.0, view.skin_color.mean() * 1.2 + 35) / 255


def _placed(view: View, has_teeth: bool) -> Float[np.ndarray, "v 3"]:
    """The template's teeth and tongue, set behind this face's lips: the upper row hangs from the upper lip, both are
    at most 0.88 of the mouth wide."""
    body, vertices = view.body, view.vertices.copy()
    table = lm.landmark_table()
    lips = np.concatenate([table.lip_lower, table.lip_upper])
    fitted, stock = vertices[lips], body.template[lips]
    middle, stock_middle = fitted.mean(0), stock.mean(0)
    width = np.clip(np.ptp(fitted[:, 0]) / np.ptp(stock[:, 0]), 0.88, 1.15)
    half = np.abs(fitted[:, 0] - middle[0]).max()
    for part, down, back in (
        ("teeth_upper", 0.0030, 0.0005),
        ("teeth_lower", 0.0075, 0.001),
        ("tongue", 0.0125, 0.007),
    ):
        used = body.parts[part].vertex_ids
        p = body.template[used] - stock_middle
        p[:, 0] *= width
        if part != "tongue" and not (part == "teeth_upper" and has_teeth):
            p[:, 0] *= np.clip(half * 0.88 / np.abs(p[:, 0]).max(), 0.6, 1.0)
        if part == "teeth_lower":
            p[:, 2] = 0.8 * p[:, 2] - 0.0025
        anchor = view.vertices[table.lip_upper].mean(0) - [0, 0.0005, 0] if part == "teeth_upper" else middle
        vertices[used] = anchor + p - [0, down, back]
    return vertices


def _stretched_to_photo(view: View, rest: np.ndarray, teeth: Mask) -> np.ndarray:
    """Scale the upper row in height until its front ends where the photo's teeth end."""
    used = view.body.parts["teeth_upper"].vertex_ids
    center = int(view.landmarks[13, 0])
    rows = np.flatnonzero(teeth[:, center - 4 : center + 5].any(1))
    if not len(rows):
        return rest
    pixels = view.camera.project(rest[used])
    front = np.abs(rest[used, 0] - rest[used, 0].mean()) < 0.006
    depth = pixels[:, 2].min()
    lower = (pixels[front, 1].max() - rows.max()) * depth / view.camera.focal_px
    top, bottom = rest[used, 1].max(), rest[used, 1].min()
    rest = rest.copy()
    rest[used, 1] = top + (rest[used, 1] - top) * np.clip(1 - lower / (top - bottom), 0.7, 2.0)
    return rest


def _row_coordinates(points: Float[np.ndarray, "n 3"], upper: bool) -> Float[np.ndarray, "n 2"]:
    """Along the dental arch (millimetres from the middle, person's right negative) and from gum (0) to edge (1)."""
    back = points[:, 2].min()
    angle = np.arctan2(points[:, 0] - points[:, 0].mean(), points[:, 2] - back + 0.004)
    bins = np.linspace(angle.min(), angle.max(), 25)
    which = np.clip(np.digitize(angle, bins) - 1, 0, 23)
    used = np.unique(which)
    line = np.array([points[which == b][:, [0, 2]].mean(0) for b in used])
    at = np.array([angle[which == b].mean() for b in used])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    along = np.interp(angle, at, length) - np.interp(0, at, length)
    down = (points[:, 1].max() - points[:, 1]) / np.ptp(points[:, 1])
    return np.stack([along * 1000, down if upper else 1 - down], -1)


def _row_texture(white: np.ndarray, gum: np.ndarray, widths: np.ndarray) -> UInt8[np.ndarray, "192 1024 4"]:
    """A row of teeth, unrolled: 100 mm wide, gum at the top, edges at the bottom; alpha rounds the edges."""
    height, width, span = 192, 1024, 100.0
    x = (np.arange(width) + 0.5) / width * span - span / 2
    y = ((np.arange(height) + 0.5) / height)[:, None]
    ends = np.cumsum(widths)
    tooth = np.clip(np.searchsorted(ends, np.abs(x)), 0, len(widths) - 1)
    start = np.concatenate([[0], ends])[tooth]
    across = np.clip((np.abs(x) - start) / widths[tooth] * 2 - 1, -1, 1)[None]  # -1..1 within a tooth
    length = np.array([1.0, 0.94, 0.985, 0.95, 0.94, 0.93])[tooth][None]
    edge = length - 0.035 * np.abs(across) ** 4  # rounded corners
    neck = 0.47 - 0.07 * (1 - across**2)  # the gum's scallops
    gap = smoothstep(0.88, 1.0, np.abs(across)) * smoothstep(0.40, 0.55, y)
    form = 1 - 0.10 * across**2  # round: darker toward the sides
    tip = 1 - 0.08 * smoothstep(0.86, 1.0, y / length)
    tooth_color = white * (form * tip * (1 - 0.20 * gap) * (0.82 + 0.18 * smoothstep(0.45, 0.8, y)))[..., None]
    in_gum = smoothstep(0.02, -0.02, y - neck)[..., None]
    color = tooth_color * (1 - in_gum) + gum * in_gum
    alpha = smoothstep(0.012, -0.012, y - edge)
    return with_alpha(color, alpha)


def _row_uvs(view: View, rest: np.ndarray, part: str) -> np.ndarray:
    """UVs in texels of `_row_texture` for one row's vertices, zero elsewhere."""
    used = view.body.parts[part].vertex_ids
    uvs = np.zeros((len(view.vertices), 2))
    uvs[used] = _row_coordinates(rest[used], part == "teeth_upper") * [1024 / 100, 192] + [512, 0]
    return uvs


def _gum(view: View) -> np.ndarray:
    return np.array([178, 98, 96]) * view.exposure


def _lower_teeth(view: View, rest: np.ndarray, white: np.ndarray, light: np.ndarray) -> Layer:
    texture = _row_texture(white, _gum(view), _WIDTHS_MM * [0.62, 0.85, 0.9, 1, 1, 1.1])
    uvs = _row_uvs(view, rest, "teeth_lower")
    faces = view.body.parts["teeth_lower"].faces
    return on_mesh(view, "teeth_lower", faces, texture, rest, uvs=uvs, shade=light**0.7, nearer=BEHIND)


def _upper_teeth(view: View, rest: np.ndarray, white: np.ndarray, light: np.ndarray, teeth: Mask) -> Layer:
    """The upper row. Where the photo shows teeth it wears them; what the lips hide is made to match."""
    faces = view.body.parts["teeth_upper"].faces
    texture, uvs = _row_texture(white, _gum(view), _WIDTHS_MM), _row_uvs(view, rest, "teeth_upper")
    if not teeth.any():
        shade = np.maximum(light, 0.1) ** 0.8
        return on_mesh(view, "teeth_upper", faces, texture, rest, uvs=uvs, shade=shade, nearer=BEHIND)
    drawn = _projected(view, rest, faces, uvs, texture, np.maximum(light, 0.2) ** 0.3)
    photo = filled(view.image, teeth.astype(np.float32))
    # beside the teeth the photo shows the mouth's dark corners, which belong to the row as well
    columns = np.flatnonzero(teeth.any(0))
    corners = shrunk(view.mouth_opening, 0.6 * view.unit)
    corners[:, columns[0] : columns[-1] + 1] = False
    corners &= view.image.mean(2) < 0.5 * view.skin_color.mean()
    # and above them gum or lip, so that at rest the mouth is the photo's
    edge = _photo_edge(view, teeth)
    row = np.arange(len(teeth))[:, None] + 0.5
    above = grown(view.mouth_opening, 1.5 * view.unit) & (row < edge - 2 * view.unit)
    photo = np.where((corners | above)[..., None], view.image, photo)
    seen = blurred(grown(teeth | corners | above, 1.0 * view.unit), 0.6 * view.unit)[..., None]
    color = drawn[..., :3] * (1 - seen) + photo * seen
    alpha = np.minimum(smoothstep(1.0, -1.0, row - edge), np.maximum(drawn[..., 3] / 255, seen[..., 0]))
    alpha = np.maximum(alpha, blurred(grown(corners, 1.0 * view.unit), 0.6 * view.unit))
    return on_mesh(view, "teeth_upper", faces, with_alpha(color, alpha), rest, nearer=BEHIND)


def _photo_edge(view: View, teeth: Mask) -> Float[np.ndarray, "n"]:
    """The row where the photo's upper teeth end in each column: as seen, smoothed, and a parabola beyond."""
    columns = np.flatnonzero(teeth.sum(0) > 2)
    ends = len(teeth) - 1 - teeth[::-1, columns].argmax(0) + 1.0
    curve = np.polynomial.Polynomial.fit(columns, ends, 2)
    for _ in range(3):  # lower teeth and lip highlights do not count
        near = np.abs(ends - curve(columns)) < 2.5 * view.unit
        if near.sum() < 8:
            break
        curve = np.polynomial.Polynomial.fit(columns[near], ends[near], 2)
    x = np.arange(teeth.shape[1])
    smooth = curve(np.clip(x, columns[0] - 6 * view.unit, columns[-1] + 6 * view.unit))
    seen = np.interp(x, columns, np.clip(ends - curve(columns), -1.5 * view.unit, 1.5 * view.unit), left=0, right=0)
    lip = np.where(view.mouth_opening.any(0), len(teeth) - view.mouth_opening[::-1].argmax(0), 0)
    smooth = smooth + np.clip(lip - smooth, 0, 0.6 * view.unit)  # where the teeth stand on the lip no gap shows
    return smooth + blurred(seen[None].astype(np.float32), 1.2 * view.unit)[0]


def _projected(
    view: View, rest: np.ndarray, faces: np.ndarray, uvs: np.ndarray, texture: np.ndarray, shade: np.ndarray
) -> Float32[np.ndarray, "n n 4"]:
    """A textured part as the photo's camera would see it alone: colour and alpha, 0..255."""
    n = len(view.image)
    corners = view.camera.project(rest)
    planes: list[np.ndarray] = []
    for channels in (
        texture,
        np.dstack([np.repeat(texture[..., 3:], 3, 2), np.full(texture.shape[:2], 255, np.uint8)]),
    ):
        opaque = channels.copy()
        opaque[..., 3] = 255
        canvas, depth = np.zeros((n, n, 3), np.float32), np.full((n, n), np.inf, np.float32)
        light = np.ones(len(shade)) if planes else shade
        draw_triangles(corners, faces, uvs, light, opaque, 1.0, 0.0, canvas, depth, 0.0, 0.0, 1)
        planes.append(canvas)
    return np.dstack([planes[0], planes[1][..., :1]])


# ---- sealing lips ------------------------------------------------------------------------------------------------

_OPENERS = ("mouthLowerDown", "mouthUpperUp", "jawOpen")


@dataclass(frozen=True)
class Seal:
    """Lip gaps of the fitted face as a linear function of the weights, and shapes that close what is left of them."""

    gap: Float[np.ndarray, "pairs"]
    """Gap of each lip pair in the photo beyond its gap when shut, metres (positive: open)."""
    per_weight: dict[str, np.ndarray]
    """Action name to the change (pairs,) of the gaps at weight 1."""
    nodes: Float[np.ndarray, "nodes pairs"]
    """Rows sum to 1: mean gap near each node along the mouth."""
    shapes: Float32[np.ndarray, "nodes v 3"]
    """Displacements that close a gap of one metre near each node."""
    open_in_photo: dict[str, float]
    """The photo's own weights that part the lips."""

    def gaps(self, weights: Mapping[str, float]) -> Float[np.ndarray, "pairs"]:
        total = self.gap.copy()
        for name, weight in weights.items():
            if weight and name in self.per_weight:
                total += weight * self.per_weight[name]
        return total

    def middle_gap(self, vector: Float32[np.ndarray, "k"]) -> float:
        """Mean gap of the mouth's middle for coefficients of the actions followed by those of `shapes`, metres."""
        middle = slice(len(self.gap) // 5, -(len(self.gap) // 5))
        changes = np.array([change[middle].mean() for change in self.per_weight.values()])
        closing = vector[len(changes) :]
        return float(self.gap[middle].mean() + changes @ vector[: len(changes)] - closing[3:-3].mean())

    def closed(self, weights: dict[str, float], seal: float) -> tuple[dict[str, float], Float[np.ndarray, "nodes"]]:
        """Weights whose lips are shut by `seal` (0..1), and coefficients of `shapes` for the rest of the way.

        First the photo's own parting is taken back, then mouthClose works until the mean gap is gone; the shapes
        close what remains, pair by pair, for a smile leaves the corners and the middle differently open.
        """
        if seal < 1e-3:
            return weights, np.zeros(len(self.nodes))
        shut = dict(weights)
        middle = slice(len(self.gap) // 5, -(len(self.gap) // 5))
        for name, limit in self.open_in_photo.items():
            open_now, change = self.gaps(shut)[middle].mean(), self.per_weight[name][middle].mean()
            if open_now <= 0 or change < 1e-5:
                continue
            shut[name] = max(-limit, shut.get(name, 0.0) - open_now / change)
        open_now, change = self.gaps(shut)[middle].mean(), self.per_weight["mouthClose"][middle].mean()
        if open_now > 0 and change < -1e-5:
            shut["mouthClose"] = min(0.9, shut.get("mouthClose", 0.0) - open_now / change)
        mixed = {k: weights.get(k, 0.0) * (1 - seal) + shut.get(k, 0.0) * seal for k in shut}
        left = self.nodes @ np.clip(self.gaps(shut), -0.0006, None)
        return mixed, seal * (left + 0.0002)


def solve_seal(view: View, displacement: dict[str, np.ndarray], expression: Mapping[str, float]) -> Seal:
    """Lip gaps and closing shapes of this face. `expression` is the photo's."""
    table = lm.landmark_table()
    shut = np.minimum(lm.lip_gap(view.body.template)[:, 1], 0.0006)
    gap = lm.lip_gap(view.vertices)[:, 1] - shut
    per_weight = {name: lm.lip_gap(moved)[:, 1] for name, moved in displacement.items()}
    middle_line = (view.vertices[table.lip_upper] + view.vertices[table.lip_lower]) / 2
    x = middle_line[:, 0]
    ticks = np.linspace(x.min(), x.max(), 11)
    width = ticks[1] - ticks[0]

    def hats(at: np.ndarray) -> np.ndarray:
        return np.clip(1 - np.abs(at[None] - ticks[:, None]) / width, 0, 1)

    nodes = hats(x) + 1e-6 * np.exp(-(((x[None] - ticks[:, None]) / width) ** 2))
    nodes /= nodes.sum(1, keepdims=True)

    is_lower = -displacement["jawOpen"][:, 1] > 0.006
    lower, upper = view.vertices[table.lip_lower], view.vertices[table.lip_upper]
    moves = np.zeros(len(view.vertices))
    for side, line, share in ((is_lower, lower, 0.65), (~is_lower, upper, -0.35)):
        distance, _ = cKDTree(line).query(view.vertices)
        moves = np.where(side, share * np.exp(-((np.clip(distance - 0.003, 0, 1) / 0.008) ** 2)), moves)
    moves[np.abs(moves) < 0.01] = 0
    for part in ("teeth_upper", "teeth_lower", "tongue"):
        moves[view.body.parts[part].vertex_ids] = 0
    shapes = np.zeros((len(ticks), len(view.vertices), 3), np.float32)
    shapes[:, :, 1] = hats(np.clip(view.vertices[:, 0], ticks[0], ticks[-1])) * moves
    open_in_photo = {
        f"{name}{side}": max(0.0, expression.get(f"{name}{side}", 0.0)) * (1.0 if name != "mouthUpperUp" else 0.9)
        for name in _OPENERS
        for side in (("",) if name == "jawOpen" else ("Left", "Right"))
    }
    # a jaw that the photo's smile holds open is mostly lips: on every p the chin must not jump
    open_in_photo["jawOpen"] = 0.35 * open_in_photo["jawOpen"] + 0.02
    return Seal(gap, per_weight, nodes, shapes, open_in_photo)


# ---- lids --------------------------------------------------------------------------------------------------------

_LID_OVERLAP = 0.0005
"""Metres by which shut lids overlap."""


def closing_lids(view: View, displacement: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """eyeBlinkLeft/Right of this face: weight 1 shuts the eye as it is in the photo, wide or narrow."""
    points = lm.landmark_points(view.vertices)
    result = {}
    for side, group in (("Right", lm.EYE_RIGHT), ("Left", lm.EYE_LEFT)):
        name = f"eyeBlink{side}"
        blink = displacement[name]
        upper, lower = list(group[1:8]), list(group[:8:-1])
        gap = points[upper, 1] - points[lower, 1] + _LID_OVERLAP
        moved = lm.landmark_points(blink)
        change = moved[upper, 1] - moved[lower, 1]
        strength = float(np.clip(-gap[1:-1].mean() / change[1:-1].mean(), 0.4, 1.8))
        left = gap + strength * change
        # what one strength for the whole lid leaves open or overlaps is closed along the lid
        order = np.argsort(points[upper, 0])
        along = np.interp(view.vertices[:, 0], points[upper, 0][order], left[order])
        distance, _ = cKDTree(points[upper]).query(view.vertices)
        is_upper = blink[:, 1] < -0.0015
        correction = np.zeros_like(blink)
        correction[:, 1] = -along * np.exp(-((distance / 0.005) ** 2)) * is_upper
        result[name] = (strength * blink + correction).astype(np.float32)
    return result

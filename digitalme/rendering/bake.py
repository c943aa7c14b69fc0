"""The head's texture from one photo: project, weigh, even out the light, complete what was not seen, add pores.

The head has a square of its own (HEAD_UV_BOX of the body's UV atlas), so that the face gets 4x the texels. Whatever
is smooth is worked out on a grid of half the size; only the fine detail is sampled at full size, and only in the
rectangle that the photo shows or that its mirror image fills.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, UInt8
from scipy.spatial import cKDTree

from digitalme.artifacts import Camera, Portrait
from digitalme.body.beard import grainy_chin
from digitalme.body.character import HEAD_UV_BOX
from digitalme.body.landmarks import (
    BROW_LEFT,
    BROW_RIGHT,
    CHIN,
    EYE_LEFT,
    EYE_RIGHT,
    FOREHEAD_TOP,
    LIPS_INNER,
    LIPS_OUTER,
    OVAL,
)
from digitalme.body.model import load_body
from digitalme.rendering.frames import frames_mask
from digitalme.rendering.raster import rasterise_ids
from digitalme.spaces import srgb_to_linear

if TYPE_CHECKING:
    from digitalme.geometry.fit import FittedHead

Grid = Float32[np.ndarray, "t t"]
Colors = Float32[np.ndarray, "t t 3"]
Crop = Float32[np.ndarray, "high wide 3"]
Pores = Float32[np.ndarray, "full full"]
Picture = Float32[np.ndarray, "h w"]

LIGHT_REMOVED = 0.25
"""Exponent on the estimated light. 0.7 relights better but looks older and harsher; 0.85 left bright patches."""
SIDE_LIGHT_REMOVED = 0.6
"""The same for what makes the face's two sides differ."""
BAND_SIGMA = 14 / 2048
"""Where the low band ends and the high band begins, in widths of the texture."""
DETAIL_LIMIT = 0.12
"""Skin detail beyond this (sRGB, 0..1) is bent back: smile folds fade, pores stay. Brows, eyes, lips and hair are
exempt. 0.035 is smoother and costs likeness (0.03 of descriptor distance on one face)."""
TONE_PULL = (0.05, 0.25, 0.25)
"""How far the low band goes towards the skin's own colour in Lab; more in colour than in lightness."""
EDGE_PULL = (0.5, 0.65, 0.65)
"""The same where the photo's part ends: there the light falls off, and hair and collar throw their shadows."""
INNER_LIP_TINT = np.array([0.9, 0.78, 0.78], np.float32)
"""The wet inside of the lips against the lips' colour."""
LID_TINT = np.array([0.92, 0.87, 0.85], np.float32)
"""What an open eye folds away, against the skin: the photo shows no more of it than the shadow of the brow."""
PORE_SLOPE = 12.0
"""Slope of the normal map per step of detail (sRGB 0..1) from one texel of 2048 to the next. Chosen by eye."""
GRAZING = (0.10, 0.40)
"""Trust in a texel rises from 0 to 1 while the cosine to the camera rises over this range."""
TONE_GRAZING = (0.20, 0.60)
"""The same for the photo's tone alone."""
MOTTLE_TINT = np.array([0.8, 1.0, 1.0], np.float32)
"""Blotches of skin are blood: they change red least."""
SAME_SURFACE_M = 0.006
"""A texel is hidden when the photo's camera sees something nearer by more than this."""

NOSTRILS = (64, 98, 97, 2, 326, 327, 294, 278, 1, 48)
FEATURES = ((EYE_RIGHT, 4), (EYE_LEFT, 4), (LIPS_OUTER, 3), (BROW_RIGHT, 3), (BROW_LEFT, 3), (NOSTRILS, 1))
"""Landmark rings that keep their detail, and by how many pixels of a 110-pixel face they are grown."""


@dataclass(frozen=True)
class HeadTexture:
    """What bake_head makes; rows top-down (row 0 is v' = 1)."""

    albedo: UInt8[np.ndarray, "t t 3"]
    normal_map: UInt8[np.ndarray, "t t 3"]
    """Tangent-space normals, +Y up (OpenGL)."""
    coverage: UInt8[np.ndarray, "t t"]
    """255 where the texel comes from the photo alone."""
    head_uv_box: tuple[float, float, float, float]


@dataclass(frozen=True)
class _Surface:
    """What lies behind each texel of the head's square, as the photo's camera sees it. 0 where nothing does."""

    covered: Bool[np.ndarray, "t t"]
    pixel: Float32[np.ndarray, "t t 2"]
    depth: Grid
    normal: Float32[np.ndarray, "t t 3"]
    facing: Grid
    """Cosine between the normal and the direction to the camera; less where the photo's expression folds the skin:
    it is at most the area seen, over the area at rest."""
    lid: Grid
    """1 where a blink stretches the skin far: what the open eye folds away."""
    to_neck: Grid
    """Metres to the line where the head's square ends and the body begins."""


@dataclass(frozen=True)
class _Trust:
    """How far the photo holds for each texel, 0..1."""

    skin: Grid
    """It shows plain skin: tone, light and what is unseen are worked out from these texels."""
    seen: Grid
    """It shows this place of the head, be it in shade, under a highlight or covered with hair that lies on it."""
    features: Grid
    """Brows, eyes, lips, nostrils."""
    kept: Grid
    """Where detail of any strength stays: features and hair."""
    fold: Grid
    """Where the skin of the lids lies folded, apart from the lash line."""
    mouth: Grid
    """Where the mouth opens."""


def head_faces() -> Bool[np.ndarray, "faces"]:
    """Which triangles of part "head" lie in HEAD_UV_BOX; the others are pieces of the neck in the body's island."""
    return load_body().parts["head"].uvs[..., 0].min(1) > HEAD_UV_BOX[0]


def bake_head(portrait: Portrait, fitted: FittedHead, size: int = 2048) -> HeadTexture:
    """Bake the photo into the head's square of the UV atlas.

    Eyes, the inside of the mouth, hair and background never enter: they are cut by the portrait's landmarks and
    mattes and filled from the skin around them. Colours stay sRGB, as the photo's own tone curve is not known.
    """
    vertices = fitted.vertices(with_expression=True, with_residual=True)
    surface = _project_surface(fitted, vertices, size // 2)
    photo = portrait.image.astype(np.float32) / 255
    glasses = frames_mask(portrait, fitted.camera, vertices)
    trust = _weights(portrait, photo, surface, _depth_picture(vertices, fitted.camera), glasses)
    weight, seen, fold, mouth = trust.skin, trust.seen, trust.fold, trust.mouth
    flat = _sample(photo, surface.pixel)
    evened = _light_correction(flat, surface.normal, weight)
    flat *= evened[..., None]
    skin = _skin_tone(flat[(weight > 0.8) & (trust.features < 0.1) & (surface.facing > 0.7)])

    mean = _masked_mean(flat, np.maximum(weight, seen), BAND_SIGMA * size / 2)
    low, unseen = _low_band(flat, weight, surface, skin)
    # with the detail below: the photo itself; its tone where it is seen at a slant is the rim light's or the wall's
    low += (mean - low) * (seen * _smoothstep(*TONE_GRAZING, surface.facing))[..., None]
    mottled = (1 - np.maximum(weight, seen)) * _smoothstep(0.015, 0.060, surface.to_neck)
    low += (_mottle(flat, weight, trust.features) * mottled)[..., None] * MOTTLE_TINT
    unseen *= 1 - seen
    low += (np.array(portrait.lip_color, np.float32) * INNER_LIP_TINT - low) * (0.7 * mouth)[..., None]
    low += (skin * LID_TINT - low) * (0.45 * fold)[..., None]
    rows, columns = _photo_rectangle(np.maximum(weight, seen))
    detail = _sample(photo, _twice(surface.pixel, rows, columns), cv2.INTER_CUBIC)
    detail *= _twice(evened, rows, columns)[..., None]
    detail -= _twice(mean, rows, columns)
    pores = _pore_noise(size, _skin_roughness(flat, weight, trust.features, size))
    quiet = (1 - unseen) * (1 - 0.7 * mouth) * (1 - 0.85 * fold)
    relief = _fill_detail(detail, pores, trust, quiet, rows, columns)
    return HeadTexture(
        _compose(low, relief, pores, rows, columns),
        _normal_map(relief, pores, rows, columns),
        np.round(np.maximum(weight, seen) * 255).astype(np.uint8).repeat(2, 0).repeat(2, 1),
        HEAD_UV_BOX,
    )


def _smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma)


def _mirrored(texture: np.ndarray) -> np.ndarray:
    """The texture of the person in a mirror: HEAD_UV_BOX is centred on the face's middle line."""
    return texture[::-1]


def _sample(photo: np.ndarray, pixel: Float32[np.ndarray, "h w 2"], method: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Read the photo (pixel centres at +0.5) where each texel lies."""
    return cv2.remap(photo, pixel[..., 0] - 0.5, pixel[..., 1] - 0.5, method, borderMode=cv2.BORDER_REPLICATE)


def _twice(grid: np.ndarray, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
    """A part of a half-size grid at full size."""
    part = grid[rows, columns]
    return cv2.resize(part, (part.shape[1] * 2, part.shape[0] * 2), interpolation=cv2.INTER_LINEAR)


@lru_cache(maxsize=2)
def unwrapped_head(size: int) -> tuple[Int32[np.ndarray, "t t"], Float32[np.ndarray, "t t 3"]]:
    """Triangle of part "head" (-1 for none) and barycentric weights of every texel."""
    part = load_body().parts["head"]
    chosen = np.flatnonzero(head_faces())
    u0, v0, width, height = HEAD_UV_BOX
    corners = part.uvs[chosen].reshape(-1, 2)
    x = (corners[:, 0] - u0) / width * size
    y = (1 - (corners[:, 1] - v0) / height) * size
    points = np.stack([x, y, np.ones_like(x)], 1)
    faces = np.arange(len(points), dtype=np.int32).reshape(-1, 3)
    face, bary, _ = rasterise_ids(points, faces, size, size, perspective=False)
    return np.where(face < 0, -1, chosen[face]).astype(np.int32), bary.astype(np.float32)


def _vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> Float[np.ndarray, "v 3"]:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    normals = np.stack([np.bincount(faces.ravel(), np.repeat(across[:, k], 3), len(vertices)) for k in range(3)], 1)
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)


def _project_surface(fitted: FittedHead, vertices: Float[np.ndarray, "v 3"], size: int) -> _Surface:
    body, camera = load_body(), fitted.camera
    face, bary = unwrapped_head(size)
    covered = face >= 0
    corners = body.parts["head"].faces[face[covered]]
    skin = np.concatenate([body.parts["head"].faces, body.parts["body"].faces])
    normals = _vertex_normals(vertices, skin)
    towards = camera.position - vertices
    facing = (normals * towards).sum(1) / np.linalg.norm(towards, axis=1)
    facing = np.minimum(facing, _seen_share(vertices, fitted.vertices(False, False), camera, skin))
    edge = np.intersect1d(body.parts["head"].faces[head_faces()], body.parts["body"].faces)
    to_neck, _ = cKDTree(vertices[edge]).query(vertices)
    columns = [camera.project(vertices), normals, facing, _blink_stretch(fitted, skin), to_neck]
    per_vertex = np.column_stack(columns).astype(np.float32)
    values = np.zeros((size, size, per_vertex.shape[1]), np.float32)
    values[covered] = np.einsum("nk,nkc->nc", bary[covered], per_vertex[corners])
    pixel, normal, scalars = values[..., :2].copy(), values[..., 3:6], np.moveaxis(values[..., 6:], 2, 0)
    return _Surface(covered, pixel, values[..., 2], normal, *scalars)


def _blink_stretch(fitted: FittedHead, faces: Int32[np.ndarray, "f 3"]) -> Float[np.ndarray, "v"]:
    """0 where a blink leaves the skin's area about as it is, 1 where it makes it 2.6 times as large."""
    body = load_body()
    rest = fitted.vertices(with_expression=False, with_residual=False)
    shut = rest + body.displacements(["eyeBlinkLeft", "eyeBlinkRight"]).sum(0)

    def area(vertices: np.ndarray) -> np.ndarray:
        a, b, c = (vertices[faces[:, k]] for k in range(3))
        size = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        return np.bincount(faces.ravel(), np.repeat(size, 3), len(vertices))

    return _smoothstep(1.5, 2.6, area(shut) / (area(rest) + 1e-12))


def _seen_share(
    posed: Float[np.ndarray, "v 3"], rest: Float[np.ndarray, "v 3"], camera: Camera, faces: Int32[np.ndarray, "f 3"]
) -> Float[np.ndarray, "v"]:
    """Area in the picture (brought to metres) over the area at rest, around each vertex; below 0 seen from behind."""

    def around(area: np.ndarray) -> np.ndarray:
        return np.bincount(faces.ravel(), np.repeat(area, 3), len(posed))

    seen = camera.project(posed)
    flat = seen[:, :2] * seen[:, 2:] / camera.focal_px
    (ax, ay), (bx, by) = ((flat[faces[:, k]] - flat[faces[:, 0]]).T for k in (1, 2))
    edge_a, edge_b = (rest[faces[:, k]] - rest[faces[:, 0]] for k in (1, 2))
    at_rest = np.linalg.norm(np.cross(edge_a, edge_b), axis=1)
    return around(ay * bx - ax * by) / (around(at_rest) + 1e-12)


def _depth_picture(vertices: Float[np.ndarray, "v 3"], camera: Camera) -> Picture:
    """Depth in metres of the posed skin at twice the photo's size; infinite where there is none."""
    body = load_body()
    camera = camera.scaled(2)
    faces = np.concatenate([body.parts["head"].faces, body.parts["body"].faces])
    face, _, depth = rasterise_ids(camera.project(vertices), faces, camera.width, camera.height)
    return np.where(face < 0, np.inf, depth).astype(np.float32)


def _polygon(portrait: Portrait, landmarks: tuple[int, ...], grow: float = 0) -> Bool[np.ndarray, "h w"]:
    """The inside of a ring of landmarks, grown (or eroded, below 0) by so many pixels."""
    mask = np.zeros(portrait.image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(portrait.landmarks[list(landmarks), :2] - 0.5).astype(np.int32)], 1)
    return _grown(mask, grow)


def _grown(mask: np.ndarray, pixels: float) -> Bool[np.ndarray, "h w"]:
    radius = round(abs(pixels))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    change = cv2.dilate if pixels > 0 else cv2.erode
    return (change(mask.astype(np.uint8), kernel) if radius else mask).astype(bool)


def _soft(mask: np.ndarray, sigma: float) -> Picture:
    return _blur(mask.astype(np.float32), sigma)


def _weights(
    portrait: Portrait, photo: np.ndarray, surface: _Surface, depth: Picture, glasses: Bool[np.ndarray, "rows columns"]
) -> _Trust:
    top, chin = portrait.landmarks[[FOREHEAD_TOP, CHIN], :2]
    face_height = float(np.linalg.norm(chin - top))
    unit = face_height / 110  # the recipes' constants were found on a face 110 pixels high

    places = np.indices(depth[::2, ::2].shape)[::-1].transpose(1, 2, 0)
    below_chin = ((places - chin) @ (chin - top)) / face_height**2
    # Collar, earring, hair wisps: not skin, and outside the face proper.
    oddities = (portrait.skin < 0.5) & ~_polygon(portrait, OVAL, -0.08 * face_height)
    if grainy_chin(portrait):  # a beard grows up to the jaw's edge
        corners = portrait.landmarks[[61, 291], :2].mean(0)
        oddities &= ~(_polygon(portrait, OVAL, -0.01 * face_height) & ((places - corners) @ (chin - top) > 0))
    hair = portrait.hair > 0.5
    brows, eyes = (portrait.landmarks[list(ids), :2].mean(0) for ids in ((105, 334), (33, 263)))
    middle = _polygon(portrait, OVAL, -0.12 * face_height)  # bangs lie on the forehead down to the eyes
    hanging = hair & ((places - np.where(middle[..., None], eyes, brows)) @ (chin - top) > 0)
    crown = (places - brows) @ (chin - top) < 0
    nobody = portrait.person < 0.5
    foreign = np.maximum.reduce([
        _soft(_grown(hair, 5 * unit), 1.6 * unit),
        _soft(_grown(nobody, 2 * unit), 1.5 * unit),
        _soft(below_chin > 0.22, 4 * unit),
        _soft(_grown(oddities, 2 * unit), 1.5 * unit),
        _soft(glasses, 0.5 * unit),
    ])  # fmt: skip
    # Hair above the brows lies on the head: its picture may stay there. Hair before a cheek may not.
    covering = np.maximum.reduce([
        _soft(_grown(hanging, 1 * unit), 1.0 * unit),
        _soft(_grown(nobody, 1 * unit), 1.0 * unit),
        _soft(below_chin > 0.22, 4 * unit),
        _soft(_grown(oddities & ~hair & ~crown, 1 * unit), 1.5 * unit),
        _soft(glasses, 0.5 * unit),
    ])  # fmt: skip
    eyes = np.maximum.reduce([_soft(_polygon(portrait, eye, 0), 0.3 * unit) for eye in (EYE_RIGHT, EYE_LEFT)])
    mouth = _soft(_polygon(portrait, LIPS_INNER, 0), 0.25 * unit)
    inside = _soft(_polygon(portrait, OVAL, -0.02 * face_height) | crown, 1.5 * unit)
    strands = _soft(_grown(hair & ~hanging, 2 * unit), 1.5 * unit)
    masks = np.stack([np.clip(foreign, 0, 1), np.clip(eyes + mouth, 0, 1), mouth, np.clip(covering, 0, 1)], 2)
    foreign, holes, mouth, covering = np.moveaxis(_sample(masks, surface.pixel), 2, 0)
    inside, strands = np.moveaxis(_sample(np.stack([inside, strands], 2), surface.pixel), 2, 0)

    nearest = cv2.remap(depth, surface.pixel[..., 0] * 2 - 0.5, surface.pixel[..., 1] * 2 - 0.5, cv2.INTER_NEAREST,
                        borderMode=cv2.BORDER_CONSTANT, borderValue=0)  # fmt: skip
    visible = surface.covered & (np.abs(nearest - surface.depth) < SAME_SURFACE_M)
    faced = _smoothstep(*GRAZING, surface.facing) * visible * (1 - holes)
    weight = faced * (1 - foreign)

    features = np.any([_polygon(portrait, ring, pixels * unit) for ring, pixels in FEATURES], 0)
    features = _sample(_soft(features, 1.5 * unit), surface.pixel) * (surface.facing > 0.1)
    lashes = np.any([_polygon(portrait, eye, 1.5 * unit) for eye in (EYE_RIGHT, EYE_LEFT)], 0)
    fold = surface.lid * (1 - _sample(_soft(lashes, 0.5 * unit), surface.pixel))
    features *= 1 - fold
    skin_like = np.maximum(_plausible_skin(_sample(photo, surface.pixel), weight, features), features)
    weight *= skin_like
    seen = faced * (1 - covering) * np.maximum(skin_like, inside)
    weight, seen = (cv2.erode(grid.astype(np.float32), np.ones((3, 3), np.uint8)) for grid in (weight, seen))
    mouth = _blur((mouth * (visible & (surface.facing > 0.15))).astype(np.float32), 2.5)
    kept = np.maximum(features, strands * seen).astype(np.float32)
    return _Trust(weight, _blur(seen, 1.5), features.astype(np.float32), kept, fold.astype(np.float32), mouth)


def _plausible_skin(colour: Colors, weight: Grid, features: Grid) -> Grid:
    """1 for colours like the trusted skin's, 0 for outliers. Robust distance in Lab where lightness counts less."""
    lab = cv2.cvtColor(colour, cv2.COLOR_RGB2Lab)
    trusted = lab[(weight > 0.6) & (features < 0.1)]
    middle = np.median(trusted, 0)
    spread = np.median(np.abs(trusted - middle), 0) * 1.48 + 1
    distance = np.sqrt((((lab - middle) / (spread * np.array([1.6, 1, 1], np.float32))) ** 2).sum(-1))
    return _smoothstep(3.6, 2.2, _blur(distance.astype(np.float32), 1.5))


def _light_correction(colour: Colors, normal: np.ndarray, weight: Grid) -> Grid:
    """Factor on sRGB that takes LIGHT_REMOVED of the light's variation out of the skin.

    The light is second-order spherical harmonics (Ramamoorthi and Hanrahan 2001) of the luminance over the fitted
    normals, by robust least squares on a sample of the trusted texels; the ridge holds the second order small.
    """

    def harmonics(n: np.ndarray) -> np.ndarray:
        x, y, z = n[..., 0], n[..., 1], n[..., 2]
        return np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - z * z, 3 * y * y - 1], -1)

    trusted = np.flatnonzero(weight.ravel() > 0.6)
    if len(trusted) < 100:
        return np.ones_like(weight)
    sample = trusted[:: max(1, len(trusted) // 20000)]
    basis = harmonics(normal.reshape(-1, 3)[sample])
    light = srgb_to_linear(colour.reshape(-1, 3)[sample]) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    ridge = np.diag([0, 0.02, 0.02, 0.02, 0.3, 0.3, 0.3, 0.3, 0.3]) * len(sample)
    certainty = np.ones(len(sample))
    for _ in range(8):
        weighted = basis * certainty[:, None]
        coefficients = np.linalg.solve(weighted.T @ basis + ridge, weighted.T @ light)
        error = np.abs(light - basis @ coefficients)
        certainty = 1 / (1 + (error / (2.25 * np.median(error) + 1e-4)) ** 2)
    middle = np.median(basis @ coefficients)
    gain, other_side = (
        np.clip(harmonics(normal * side) @ coefficients.astype(np.float32) / middle, 0.55, 1.6)
        for side in (np.ones(3, np.float32), np.array([-1, 1, 1], np.float32))
    )
    even = np.sqrt(gain * other_side)
    removed = even**LIGHT_REMOVED * (gain / even) ** SIDE_LIGHT_REMOVED
    return (removed ** (-1 / 2.2)).astype(np.float32)


def _skin_tone(colours: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "3"]:
    """Median of the brighter part without its highlights: what is in shade is not the skin's own colour."""
    light = colours.mean(1)
    low, high = np.percentile(light, [40, 80])
    return np.median(colours[(light >= low) & (light <= high)], 0)


def _masked_mean(colour: Colors, weight: Grid, sigma: float) -> Colors:
    """Local mean of the trusted texels."""
    return _blur(colour * weight[..., None], sigma) / (_blur(weight, sigma)[..., None] + 1e-4)


def _push_pull(colour: Colors, weight: Grid, levels: int = 8) -> Colors:
    """Fill what has no weight from ever coarser means (Gortler et al. 1996, "The Lumigraph", section 3.4)."""
    pyramid = [(colour * weight[..., None], weight)]
    for _ in range(levels):
        pyramid.append(tuple(cv2.pyrDown(grid) for grid in pyramid[-1]))
    total, share = pyramid.pop()
    filled = total / (share[..., None] + 1e-8)
    for total, share in reversed(pyramid):
        above = cv2.pyrUp(filled, dstsize=(share.shape[1], share.shape[0]))
        own = _smoothstep(0, 0.15, share)[..., None]
        filled = above * (1 - own) + total / (share[..., None] + 1e-8) * own
    return filled


def _low_band(colour: Colors, weight: Grid, surface: _Surface, skin: np.ndarray) -> tuple[Colors, Grid]:
    """The smooth colour of the whole square, and how far each texel lies outside what the photo shows (0..1)."""
    size = len(weight)
    mirror = 0.225 * _mirrored(weight) * (1 - weight)
    total = weight + mirror
    both = colour * weight[..., None] + _mirrored(colour) * mirror[..., None]
    both /= total[..., None] + 1e-6
    low = _push_pull(_masked_mean(both, total, BAND_SIGMA * size), total * surface.covered)
    low = _blur(low, 0.4 * BAND_SIGMA * size)

    def softly(grid: np.ndarray, sigma: float) -> np.ndarray:
        """A wide blur, worked out at a quarter of the size."""
        small = cv2.resize(grid, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        return cv2.resize(_blur(small, sigma * size / 8192), (size, size), interpolation=cv2.INTER_LINEAR)

    near = softly(total * surface.covered, 70)
    target = cv2.cvtColor(skin.reshape(1, 1, 3).astype(np.float32), cv2.COLOR_RGB2Lab)
    smooth = cv2.cvtColor(np.clip(softly(low, 60), 0, 1), cv2.COLOR_RGB2Lab)
    edge = _smoothstep(0.95, 0.45, near)[..., None]
    pull = np.array(TONE_PULL, np.float32) * (1 - edge) + np.array(EDGE_PULL, np.float32) * edge
    lab = cv2.cvtColor(np.clip(low, 0, 1), cv2.COLOR_RGB2Lab)
    lab += (target - smooth) * pull
    low = cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)
    # Last, after the tone is settled: doing it before made a seam at the neck.
    unseen = np.maximum(_smoothstep(0.20, 0.0, near), _smoothstep(0.030, 0.010, surface.to_neck))
    low += (skin - low) * unseen[..., None]
    return low.astype(np.float32), unseen.astype(np.float32)


def _photo_rectangle(weight: Grid) -> tuple[slice, slice]:
    """Rows and columns of the half-size grid where the photo or its mirror image gives detail; symmetric in rows."""
    ys, xs = np.nonzero(weight > 0)
    size = len(weight)
    reach = round(0.01 * size)
    top = max(0, min(ys.min(), size - 1 - ys.max()) - reach)
    return slice(top, size - top), slice(max(0, xs.min() - reach), min(size, xs.max() + 1 + reach))


def _skin_roughness(colour: Colors, weight: Grid, features: Grid, size: int) -> float:
    """Standard deviation of the skin's fine grain, from the trusted skin apart from features."""
    grain = (colour - _masked_mean(colour, weight, 1.5 * size / 2048)).mean(2)
    plain = grain[(weight > 0.9) & (features < 0.05)]
    return float(np.clip(1.48 * np.median(np.abs(plain)), 0.004, 0.02)) if len(plain) > 50 else 0.012


def _mottle(colour: Colors, weight: Grid, features: Grid) -> Grid:
    """Noise as blotchy as the trusted skin, in two bands (5 to 30 texels of 2048), for skin that no photo shows."""
    size = len(weight)
    plain = (weight > 0.9) & (features < 0.05)
    total = np.zeros((size, size), np.float32)
    if plain.sum() < 500:
        return total
    light = cv2.merge([colour.mean(2), np.ones_like(weight)]) * weight[..., None]
    sigmas = [s * size / 1024 for s in (2.5, 6.0, 15.0)]
    levels = [np.divide(*np.moveaxis(_blur(light, sigma) + 1e-5, 2, 0)) for sigma in sigmas]
    noise = np.random.default_rng(2).normal(size=(size, size)).astype(np.float32)
    for fine, coarse, near, far in zip(levels, levels[1:], sigmas, sigmas[1:], strict=False):
        deviation = min(1.48 * float(np.median(np.abs((fine - coarse)[plain]))), 0.02)
        band = _blur(noise, near) - _blur(noise, far)
        total += band * (0.6 * deviation / band.std())
    return total


def _pore_noise(size: int, deviation: float) -> Grid:
    """Band-passed noise (1.6 to 5 texels), one periodic tile repeated: the same for everyone, so that builds repeat."""
    tile, margin = 512, 32
    noise = np.random.default_rng(1).normal(size=(tile, tile)).astype(np.float32)
    noise = np.pad(noise, margin, mode="wrap")
    noise = (_blur(noise, 1.6) - _blur(noise, 5.0))[margin:-margin, margin:-margin]
    noise *= deviation / noise.std()
    repeats = -(-size // tile)
    return np.tile(noise, (repeats, repeats))[:size, :size]


def _fill_detail(detail: Crop, pores: Pores, trust: _Trust, quiet: Grid, rows: slice, columns: slice) -> Crop:
    """The high band inside the rectangle: the photo's own, else its mirror image's, else pores."""
    keep = _twice(trust.kept, rows, columns)[..., None]
    bent = DETAIL_LIMIT * np.tanh(detail / DETAIL_LIMIT)
    detail = bent + (detail - bent) * keep
    del bent
    skin = _blur(trust.skin, 1.5) * np.clip(trust.skin * 3, 0, 1)
    own = np.maximum(skin, trust.seen)
    other = _mirrored(skin) * (1 - own)
    share_own, share_other = _twice(own, rows, columns), _twice(other, rows, columns)
    relief = _mirrored(detail) * share_other[..., None]
    relief += detail * share_own[..., None]
    window = (slice(rows.start * 2, rows.stop * 2), slice(columns.start * 2, columns.stop * 2))
    rest = np.clip(1 - share_own - share_other, 0, 1)
    relief += (0.8 * pores[window] * rest)[..., None]
    calm = _twice(quiet, rows, columns)
    relief *= calm[..., None]
    relief += (0.8 * pores[window] * (1 - calm))[..., None]
    return relief


def _compose(low: Colors, relief: Crop, pores: Pores, rows: slice, columns: slice) -> UInt8[np.ndarray, "full full 3"]:
    """Low band plus relief (pores outside the rectangle), in strips to hold memory down."""
    size = 2 * len(low)
    albedo = np.empty((size, size, 3), np.uint8)
    inner = (slice(rows.start * 2, rows.stop * 2), slice(columns.start * 2, columns.stop * 2))
    full = cv2.resize(low, (size, size), interpolation=cv2.INTER_LINEAR)
    outside = 0.8 * pores[..., None]
    for top in range(0, size, 256):
        strip = slice(top, top + 256)
        albedo[strip] = np.round(np.clip(full[strip] + outside[strip], 0, 1) * 255)
    albedo[inner] = np.round(np.clip(full[inner] + relief, 0, 1) * 255)
    return albedo


def _normal_map(relief: Crop, pores: Pores, rows: slice, columns: slice) -> UInt8[np.ndarray, "full full 3"]:
    """Darker is deeper: the relief's mean as height. Slopes are bent at 0.5, so that brows do not become ridges."""
    height = 0.8 * pores
    height[rows.start * 2 : rows.stop * 2, columns.start * 2 : columns.stop * 2] = relief.mean(2)
    strength = PORE_SLOPE * len(height) / 2048
    right = 0.5 * np.tanh(strength * cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125) / 0.5)
    down = 0.5 * np.tanh(strength * cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125) / 0.5)
    z = 1 / np.sqrt(1 + right**2 + down**2)
    normal = cv2.merge([-right * z, down * z, z])
    return np.round(normal * 127 + 128).clip(0, 255).astype(np.uint8)

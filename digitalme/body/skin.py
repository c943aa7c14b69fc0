"""Skin that was never photographed: colour and relief of a head's texture, painted from a person's parameters.

Everything that does not depend on the person (where lips, brows and beards are, where lines come with age) is worked
out once for a size, in places of the body model's template; a person's skin mixes those maps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from digitalme.body import landmarks as marks
from digitalme.body.character import HEAD_UV_BOX
from digitalme.body.model import load_body
from digitalme.body.people import Person, brow_color
from digitalme.geometry.uv_map import spread_over_uvs
from digitalme.imaging.drawing import smoothstep

MAP_SIZE = 1024
"""Smooth maps are made no larger than this, and enlarged; strokes and pores are made at the texture's own size."""
RELIEF_SLOPE = 12.0
"""As in digitalme.rendering.bake: slope of the normal map per step of relief from one texel of 2048 to the next."""
LINES = {"child": 0.0, "teen": 0.0, "young": 0.0, "adult": 0.1, "middle": 0.6, "old": 1.25}
"""How deep the lines of each age are."""
_TROUGHS = ((31, 228, 229, 230, 231, 232), (261, 448, 449, 450, 451, 452))
_FOLDS = ((129, 203, 206, 216, 212), (358, 423, 426, 436, 432))
_CORNERS = ((61, 43, 202, 210), (291, 273, 422, 430))
"""From the corners of the mouth down to the jaw."""
_POUCHES = ((116, 117, 118, 119, 120), (345, 346, 347, 348, 349))
"""Where the cheek begins below the bag under an eye."""

Map = Float32[np.ndarray, "t t"]


@dataclass(frozen=True)
class Face:
    """The parts of a face in the head's square, 0..1, the same for everyone."""

    place: Float32[np.ndarray, "t t 3"]
    """Head-centred template position, metres."""
    lips: Map
    seam: Map
    """Where the lips meet."""
    ruddy: Map
    """Cheeks, nose, chin, ears: where blood shows."""
    hollow: Map
    """Around the eyes: thinner, darker skin."""
    lids: Map
    lines: Map
    """Depth of the lines of age."""
    sag: Map
    """Where skin that has sunk lies in its own shade: along the folds, under the eyes, in the cheeks."""
    beards: dict[str, Map]
    """Where each kind of beard grows."""


@dataclass(frozen=True)
class Skin:
    """Textures of the head's square, rows top-down (row 0 is v' = 1)."""

    albedo: UInt8[np.ndarray, "t t 3"]
    normal_map: UInt8[np.ndarray, "t t 3"]


@lru_cache(maxsize=2)
def _mark_texels() -> Float[np.ndarray, "468 2"]:
    """Places of the landmarks in the head's square, 0..1: x right, y down."""
    body, table = load_body(), marks.landmark_table()
    part = body.parts["head"]
    uv_of = np.zeros((len(body.template), 2))
    uv_of[part.faces.ravel()] = part.uvs.reshape(-1, 2)
    u0, v0, width, height = HEAD_UV_BOX
    uv = np.einsum("lkc,lk->lc", uv_of[table.triangles], table.weights)
    return np.stack([(uv[:, 0] - u0) / width, 1 - (uv[:, 1] - v0) / height], 1)


def _ring(ring: tuple[int, ...], size: int, soft: float) -> Map:
    mask = np.zeros((size, size), np.float32)
    points = np.round(_mark_texels()[list(ring)] * size * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], 1.0, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(mask, (0, 0), max(soft * size / 1024, 0.4))


@lru_cache(maxsize=3)
def face_maps(size: int) -> Face:
    """The parts of the face at this size (0.5 s at 1024, kept)."""
    body = load_body()
    part = body.parts["head"]
    inside = (part.uvs[..., 0] > HEAD_UV_BOX[0]).all(1)
    corners = (part.uvs[inside] - np.array(HEAD_UV_BOX[:2])) / np.array(HEAD_UV_BOX[2:])
    uvs = corners.reshape(-1, 2) * [1, -1] + [0, 1]
    values = (body.template - body.head_center)[part.faces[inside]].reshape(-1, 3)
    faces = np.arange(len(values)).reshape(-1, 3)
    place, _ = spread_over_uvs(values.astype(np.float64), uvs, faces, size)
    place = place.astype(np.float32)
    mark = marks.landmark_points(body.template) - body.head_center

    def spots(*each: tuple[np.ndarray, float]) -> Map:
        total = np.zeros((size, size), np.float32)
        for center, sigma in each:
            away = ((place - center.astype(np.float32)) ** 2).sum(2)
            total = np.maximum(total, np.exp(-away / np.float32(2 * sigma**2)))
        return total

    eyes = [mark[list(ring)].mean(0) for ring in (marks.EYE_RIGHT, marks.EYE_LEFT)]
    ears = [np.array([side * 0.078, mark[33, 1] - 0.02, -0.02]) for side in (-1, 1)]
    ruddy = spots(
        *((mark[i] + [0, -0.004, 0], 0.017) for i in (50, 280)), (mark[4], 0.009), (mark[CHIN_TIP], 0.010),
        *((ear, 0.020) for ear in ears),
    )  # fmt: skip
    hollow = spots(*((eye + [0, -0.004, 0.004], 0.013) for eye in eyes))
    lids = np.maximum(_ring(marks.EYE_RIGHT, size, 7), _ring(marks.EYE_LEFT, size, 7))
    lips = np.clip(_ring(marks.LIPS_OUTER, size, 2.2), 0, 1)
    seam = _ring(marks.LIPS_INNER, size, 2.0)
    return Face(place, lips, seam, ruddy, hollow, lids, *_age_lines(place, mark), _beards(place, mark, lips))


CHIN_TIP = 199


def _age_lines(place: Float32[np.ndarray, "t t 3"], mark: np.ndarray) -> tuple[Map, Map]:
    """Lines of the forehead, crow's feet, troughs under the eyes, folds beside nose and mouth, 0..1; and the broad
    shade of what has sunk."""
    depth, shade = (np.zeros(place.shape[:2], np.float32) for _ in range(2))
    front = np.flatnonzero((place[..., 2] > -0.01).ravel() & (np.abs(place).max(2) > 0).ravel())
    points = place.reshape(-1, 3)[front].astype(np.float64)
    surface = cKDTree(points[:, :2])
    rng = np.random.default_rng(4)

    def carve(line: np.ndarray, width: float, amount: float, broad: float = 0.0, start: float = 0.0) -> None:
        """A smooth line that fades towards its ends (from `start` of its depth) into the depth, and `broad` of a
        shade four times as wide."""
        way = CubicSpline(np.linspace(0, 1, len(line)), line)(np.linspace(0, 1, 65))
        fade = np.interp(np.linspace(0, 1, 65), [0, 0.25, 0.6, 1], [start, 1, 1, 0])
        reach = (10 if broad else 3) * width
        near = np.flatnonzero(((points > way.min(0) - reach) & (points < way.max(0) + reach)).all(1))
        far, nearest = cKDTree(way).query(points[near])
        for picture, wide, most in ((depth, width, amount), (shade, 4 * width, broad)):
            flat = picture.reshape(-1)
            flat[front[near]] = np.maximum(flat[front[near]], most * fade[nearest] * np.exp(-((far / wide) ** 2)))

    def on_skin(line: np.ndarray) -> np.ndarray:
        """A line of x and y on the face's surface."""
        return points[surface.query(line)[1]]

    brow = mark[[105, 334], 1].mean()
    top = mark[marks.FOREHEAD_TOP, 1]
    for k, share in enumerate((0.30, 0.48, 0.66, 0.82)):
        reach = 0.040 - 0.006 * abs(k - 1.5)
        x = np.linspace(-reach, reach, 12)
        y = brow + share * (top - brow) + 0.0016 * np.sin(x / 0.013 + k) - 3.0 * x**2 + rng.normal(size=12) * 0.0003
        carve(on_skin(np.stack([x, y], 1)), 0.0012, 0.7)
    for corner, side in ((33, -1), (263, 1)):
        for angle, length in ((0.62, 0.015), (0.25, 0.020), (-0.1, 0.022), (-0.45, 0.018)):
            way = np.linspace(0.004, length, 6)
            bend = angle * (1 + 12 * (way - 0.004))
            carve(on_skin(mark[corner, :2] + np.stack([side * np.cos(bend), np.sin(bend)], 1) * way[:, None]),
                  0.0010, 0.75, start=0.8)  # fmt: skip
    for line in _TROUGHS:
        carve(mark[list(line)], 0.0014, 0.75, 0.7, 0.5)
    for line in _POUCHES:
        carve(mark[list(line)], 0.0014, 0.45, 0.45)
    for line in _FOLDS:
        carve(mark[list(line)], 0.0018, 1.0, 1.0, 0.7)
    for line in _CORNERS:
        carve(mark[list(line)], 0.0015, 0.8, 0.6, 0.2)
    for x in (-0.006, 0.006):  # between the brows
        carve(mark[9] + np.array([[x, -0.008, 0], [0.9 * x, 0, 0], [0.8 * x, 0.008, 0]]), 0.0010, 0.7)
    return depth, shade


def _beards(place: Float32[np.ndarray, "t t 3"], mark: np.ndarray, lips: Map) -> dict[str, Map]:
    x, y, z = np.moveaxis(place, 2, 0)
    mouth, nose, chin = (mark[13] + mark[14]) / 2, mark[2], mark[marks.CHIN]
    across = np.abs(x) / abs(float(mark[454, 0]))
    edge = mouth[1] + 0.003 + 0.055 * np.clip(across - 0.42, 0, 1) ** 1.3
    known = np.abs(place).max(2) > 0
    forward = smoothstep(-0.055, -0.025, z) * known
    cheeks = smoothstep(0.006, -0.006, y - edge) * smoothstep(chin[1] - 0.045, chin[1] - 0.022, y) * forward
    lip_top = mouth[1] * 0.40 + nose[1] * 0.60
    upper = np.exp(-(((x / 0.027) ** 4) + ((y - lip_top) / 0.0058) ** 4)) * (z > nose[2] - 0.045)
    upper = upper * smoothstep(0.0005, -0.002, y - nose[1] + 0.003)
    around = np.exp(-(((x / 0.021) ** 4) + ((y - (chin[1] + 0.006)) / 0.020) ** 4)) * forward
    bare = 1 - smoothstep(0.05, 0.5, cv2.GaussianBlur(lips, (0, 0), max(len(lips) / 700, 0.5)))
    full = np.clip(np.maximum(cheeks, upper), 0, 1) * bare
    maps = {"full": full, "stubble": full, "moustache": upper * bare, "goatee": np.maximum(upper, around) * bare}
    return {name: np.asarray(field, np.float32) for name, field in maps.items()}


@lru_cache(maxsize=8)
def _noise(size: int, low: float, high: float, seed: int) -> Map:
    """Periodic noise between two scales (texels of 2048), deviation 1."""
    tile = min(size, 512)
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.normal(size=(tile, tile)))
    radius = np.hypot(np.fft.fftfreq(tile)[:, None], np.fft.rfftfreq(tile)[None]) * 2 * np.pi
    scale = 2048 / size
    spectrum *= np.exp(-0.5 * (radius * low / scale) ** 2) - np.exp(-0.5 * (radius * high / scale) ** 2)
    noise = np.fft.irfft2(spectrum, (tile, tile)).astype(np.float32)
    repeats = -(-size // tile)
    return np.tile(noise / max(float(noise.std()), 1e-9), (repeats, repeats))[:size, :size]


@lru_cache(maxsize=24)
def _hairs(kind: str, size: int, variant: int) -> Map:
    """Coverage of the hairs of "brows", or of a beard, drawn one by one."""
    rng = np.random.default_rng([variant, len(kind)])
    mask = np.zeros((size, size), np.uint8)
    texels = _mark_texels()

    def stroke(start: np.ndarray, way: np.ndarray, bend: np.ndarray, strength: int, thickness: int = 1) -> None:
        t = np.linspace(0, 1, 5)[:, None]
        line = (start + way * t + bend * t * t) * size
        cv2.polylines(mask, [np.round(line * 16).astype(np.int32)], False, strength, thickness, cv2.LINE_AA, 4)

    if kind == "brows":
        dense = rng.uniform(0.8, 1.25)
        for (
            upper,
            lower,
        ) in (
            ((70, 63, 105, 66, 107), (46, 53, 52, 65, 55)),
            ((300, 293, 334, 296, 336), (276, 283, 282, 295, 285)),
        ):  # from the temple to the nose
            high, low = texels[list(upper)], texels[list(lower)]
            for _ in range(int(420 * dense)):
                t = rng.uniform(0.02, 4 - 0.02)
                i, f = min(int(t), 3), t - min(int(t), 3)
                a, b = high[i] * (1 - f) + high[i + 1] * f, low[i] * (1 - f) + low[i + 1] * f
                thick = np.interp(t, [0, 1, 3, 4], [0.30, 0.62, 0.80, 0.66])
                start = b + (a - b) * (0.5 + thick * rng.uniform(-0.5, 0.42))
                outward = (high[max(i - 1, 0)] - high[min(i + 1, 4)]) / 2
                lift = (a - b) * np.interp(t, [0, 2, 4], [-0.15, 0.25, 0.75])
                way = (outward * 0.42 + lift) * rng.uniform(0.5, 0.9)
                stroke(start, way, outward * 0.10, int(rng.uniform(140, 230)))
        width = max(size / 1024, 0.5)
        return np.clip(cv2.GaussianBlur(mask, (0, 0), 0.55 * width).astype(np.float32) / 255 * 1.3, 0, 1)

    field = face_maps(min(size, MAP_SIZE)).beards[kind]
    scale = size / len(field)
    place = face_maps(min(size, MAP_SIZE)).place
    rows, columns = np.nonzero(field > 0.05)
    weights = field[rows, columns].astype(np.float64)
    long = {"stubble": 0.0025, "full": 0.009, "moustache": 0.008, "goatee": 0.009}[kind]
    count = {"stubble": 5200, "full": 6500, "moustache": 1500, "goatee": 2600}[kind]
    picks = rng.choice(len(rows), count, p=weights / weights.sum())
    # down in space is a direction in the texture, from the slope of the height over the texels
    height = cv2.GaussianBlur(place[..., 1], (0, 0), 3)
    down = -np.stack([cv2.Sobel(height, cv2.CV_32F, 1, 0), cv2.Sobel(height, cv2.CV_32F, 0, 1)], -1)
    down /= np.linalg.norm(down, axis=2, keepdims=True) + 1e-9
    for pick in picks:
        r, c = rows[pick], columns[pick]
        start = (np.array([c, r]) + rng.uniform(0, 1, 2)) * scale / size
        way = down[r, c] * long * rng.uniform(0.6, 1.3) + rng.normal(size=2) * long * 0.25
        stroke(start, way, np.zeros(2), int(rng.uniform(120, 230)))
    width = max(size / 1024, 0.5)
    return np.clip(cv2.GaussianBlur(mask, (0, 0), 0.5 * width).astype(np.float32) / 255 * 1.1, 0, 1)


def paint_skin(person: Person, size: int = 2048) -> Skin:
    """The head's colour and relief for this person; 20 ms at 512."""
    small = min(size, MAP_SIZE)
    face = face_maps(small)
    rng = np.random.default_rng([77, person.seed])
    tone = np.array(person.skin_color, np.float32)
    light = float(tone.mean())

    color = np.empty((small, small, 3), np.float32)
    color[:] = tone
    mottle = np.roll(_noise(small, 24, 90, 1), tuple(rng.integers(0, small, 2)), (0, 1))
    blotch = np.roll(_noise(small, 8, 24, 2), tuple(rng.integers(0, small, 2)), (0, 1))
    color *= (1 + 0.020 * mottle + 0.012 * blotch)[..., None]
    flush = rng.uniform(0.5, 1.2) * face.ruddy
    color *= 1 - flush[..., None] * np.array([0.00, 0.11, 0.09], np.float32)
    color *= 1 + (0.5 * mottle * 0.03)[..., None] * np.array([0.4, -0.6, -0.6], np.float32)
    tired = {"old": 1.3, "middle": 1.0}.get(person.attributes["age"], 0.4) * rng.uniform(0.7, 1.2)
    color *= 1 - (face.hollow * tired)[..., None] * np.array([0.10, 0.15, 0.10], np.float32)
    made_up = person.attributes["gender"] == "woman" and person.attributes["age"] != "child"
    color *= 1 - ((0.26 if made_up else 0.10) * face.lids)[..., None] * np.array([0.6, 1.0, 1.0], np.float32)
    old = LINES[person.attributes["age"]] * rng.uniform(0.8, 1.15)
    color *= _aged(face, old, light, small)

    spots = _spots(face, rng, light, person.attributes["age"])
    color *= 1 - spots[..., None] * np.array([0.35, 0.50, 0.60], np.float32)
    lips = face.lips[..., None]
    wet = np.array(person.lip_color, np.float32) * (1 + 0.05 * blotch[..., None])
    color += (wet - color) * lips * 0.88
    color *= 1 - (0.45 * face.seam * face.lips)[..., None] * np.array([0.7, 1, 1], np.float32)

    kind = person.attributes["beard"]
    hair = np.array(person.hair_color if person.attributes["age"] == "old" else _ungreyed(person), np.float32)
    if kind != "none":
        share = {"stubble": 0.22, "full": 0.55, "moustache": 0.5, "goatee": 0.5}[kind]
        field = face.beards[kind] * np.clip(1 + 0.18 * blotch, 0.4, 1.4)
        color += (hair * 0.85 - color) * np.clip(share * field, 0, 1)[..., None]
    elif person.attributes["gender"] == "man" and person.attributes["age"] not in ("child", "teen"):
        color *= 1 - (rng.uniform(0.02, 0.09) * face.beards["full"])[..., None]  # the shadow of a shaven beard
    if size != small:
        color = cv2.resize(color, (size, size), interpolation=cv2.INTER_LINEAR)

    pores = _noise(size, 1.6, 5.0, 3)
    relief = 0.011 * pores - _sized(face.lips, size) * 0.006 * pores
    relief = relief * (1.0 + 0.5 * old)
    color *= (1 + 0.9 * relief)[..., None]
    variant = int(rng.integers(4))
    brows = _hairs("brows", size, variant)
    brow_tone = np.array(person.brow_color, np.float32)
    thick = rng.uniform(0.75, 1.0) * (0.8 if made_up else 1.0)
    color += (brow_tone - color) * (thick * brows)[..., None]
    relief = relief + 0.012 * brows
    if kind != "none":
        strands = _hairs(kind, size, variant % 2) * {"stubble": 0.62, "full": 0.85}.get(kind, 0.85)
        tone_of_strand = hair * (0.8 + 0.45 * (pores[..., None] * 0.25 + 0.5))
        color += (tone_of_strand - color) * strands[..., None]
        relief = relief + 0.02 * strands
    albedo = np.round(np.clip(color, 0, 1) * 255).astype(np.uint8)
    return Skin(albedo, _normals(relief - _sunk(face, old, size)))


def _ungreyed(person: Person) -> tuple[float, float, float]:
    """The colour of the brows before they greyed: a beard greys later."""
    return brow_color(replace(person, attributes=person.attributes | {"age": "adult"}))


def _aged(face: Face, deep: float, light: float, size: int) -> Float32[np.ndarray, "size size 3"]:
    """What lines and sunken skin leave of the colour. Of dark skin more: less of a shade is seen on it."""
    more = 1 + 2.0 * max(0.8 - light, 0.0)
    lines = (0.26 * deep * more * _sized(face.lines, size))[..., None] * np.array([0.8, 1.0, 1.0], np.float32)
    shade = (0.20 * deep * more * _sized(face.sag, size))[..., None] * np.array([0.9, 1.0, 1.0], np.float32)
    return (1 - lines) * (1 - shade)


def _sunk(face: Face, deep: float, size: int) -> Map:
    """How far lines and sunken skin lie below the rest."""
    return deep * _sized(0.055 * face.lines + 0.09 * face.sag, size)


def with_age(
    albedo: UInt8[np.ndarray, "t t 3"], normals: UInt8[np.ndarray, "t t 3"], age: str
) -> tuple[UInt8[np.ndarray, "t t 3"], UInt8[np.ndarray, "t t 3"]]:
    """A head's textures as they are at another age: deeper lines and hollows, or for the young evened out."""
    size = len(albedo)
    face = face_maps(min(size, MAP_SIZE))
    deep = LINES[age]
    color = albedo.astype(np.float32)
    if deep < LINES["adult"]:
        even = cv2.bilateralFilter(albedo, 9, 22, 9).astype(np.float32)
        share = (1 - np.clip(_sized(face.lids + face.lips, size), 0, 1))[..., None]
        color += 0.75 * share * (even - color)
        flat = np.array([128, 128, 255], np.float32)
        return _whole(color), _whole(flat + 0.6 * (normals - flat))
    color *= _aged(face, deep, float(np.median(albedo)) / 255, size)
    color *= 1 - (deep * _sized(face.hollow, size))[..., None] * np.array([0.10, 0.15, 0.10], np.float32)
    lines = _normals(-_sunk(face, deep, size)).astype(np.float32) - 128
    both = normals.astype(np.float32)
    both[..., :2] += lines[..., :2]
    return _whole(color), _whole(both)


def _whole(picture: Float32[np.ndarray, "t t 3"]) -> UInt8[np.ndarray, "t t 3"]:
    return np.round(np.clip(picture, 0, 255)).astype(np.uint8)


def _sized(field: Map, size: int) -> Float32[np.ndarray, "size size"]:
    return field if len(field) == size else cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR)


def _spots(face: Face, rng: np.random.Generator, light: float, age: str) -> Map:
    """Moles, freckles on light skin, spots of age; 0..1."""
    size = len(face.lips)
    spots = np.zeros((size, size), np.uint8)
    texels = _mark_texels()
    many = int(rng.integers(0, 4))
    if light > 0.62 and rng.uniform() < 0.35:
        many += int(rng.integers(60, 220))
    if age == "old":
        many += int(rng.integers(10, 40))
    triangles = rng.integers(0, len(texels), (many, 3))
    weights = rng.dirichlet((1, 1, 1), many)
    centers = np.einsum("nkc,nk->nc", texels[triangles], weights) if many else np.zeros((0, 2))
    centers = texels[rng.integers(0, len(texels), many)] * 0.35 + centers * 0.65
    for k, center in enumerate(centers):
        radius = rng.uniform(0.0005, 0.0012) * (1.6 if k < 3 else 1.0) * size
        strength = int(rng.uniform(90, 230) if k < 3 else rng.uniform(25, 90))
        cv2.circle(
            spots, tuple(np.round(center * size * 16).astype(int)), int(radius * 16), strength, -1, cv2.LINE_AA, 4
        )
    return cv2.GaussianBlur(spots, (0, 0), max(size / 1100, 0.5)).astype(np.float32) / 255


def _normals(relief: Map) -> UInt8[np.ndarray, "t t 3"]:
    """Tangent-space normals (+Y up) of a height field."""
    strength = RELIEF_SLOPE * len(relief) / 2048
    right = 0.5 * np.tanh(strength * cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=0.125) / 0.5)
    down = 0.5 * np.tanh(strength * cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=0.125) / 0.5)
    z = 1 / np.sqrt(1 + right**2 + down**2)
    normal = cv2.merge([-right * z, down * z, z])
    return np.round(normal * 127 + 128).clip(0, 255).astype(np.uint8)

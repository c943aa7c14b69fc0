"""The person's own hair: a shell around the skull that fills the photo's silhouette and shows the photo's hair.

What the photo saw is projected; what it did not see is mirrored from beside it and brought to the palette's tones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from digitalme.artifacts.avatar import AvatarMesh, Material
from digitalme.artifacts.likeness import Camera
from digitalme.artifacts.portrait import Portrait
from digitalme.body.character import JOINT_NAMES, vertex_normals
from digitalme.body.garment import keep_faces
from digitalme.body.hair_color import grain, hair_palette, strands
from digitalme.body.hair_traits import hair_traits
from digitalme.body.landmarks import OVAL
from digitalme.body.model import BodyModel
from digitalme.body.scalp import Scalp, ear_vertices, hairline
from digitalme.imaging.drawing import smoothstep

_BINS = 72
_ENLARGE = 3
_EQUATOR = np.radians(95)
"""Polar angle where the shell stops following the skull and falls straight down."""
_TEXEL = 0.0008
"""Height of a texel, metres."""
_EDGE, _SOFT = 0.012, 0.014
"""Parts of the face's height: what of the hair's edge shows the wall too, and the softness of the hairline."""
_SKULL_ROWS = 224
_PIPE_STEP = 0.008
_AZIMUTHS = 96
_STRAIGHT, _CURLED = 0.8, 0.45
"""Coherence of the strands (`digitalme.body.hair_traits`) above which they all run alike, and below which they have no
direction.
"""
MIDDLE = (168, 280, 291, 17, 61, 50)
"""Landmarks around nose and mouth: bridge, cheeks, corners of the mouth, below the lip."""
MISTAKEN = 0.25
"""Part of that middle which hair may hide; where a mask says more, it took skin for hair."""
_DEEP = 0.015
"""An ear that lies deeper under the shell, metres, is covered: it would be seen through a tunnel."""
_SAMPLE = (32, 72)
"""Rows and columns of the shell's texture from which curls are learnt."""
_ROOT, _ROOTED = 0.0015, (0.002, 0.024)
"""Thickness at the hair's edge, and the distances from it, metres, where the shell lies that low and is free of it."""
_ROUNDS, _COARSE = 3, 192
"""Times that the edge is looked for, and columns of the sheet in which it is."""
_WIDTH, _FINE = 768, 2
"""Columns in which hair is made up that no photo shows, and how many times finer the texture is."""
_DETAIL = 0.06
"""Contrast of single hairs in what is made up, for it is enlarged."""
_SHORT_DROP = 0.125
"""Hair whose pipe is shorter than this, metres, ends above the jaw: it lies on the nape and fades into the skin."""


@dataclass(frozen=True)
class HairShell:
    """A surface around the skull that ends in a pipe: from the equator on it falls straight down, as hair does.

    Its coordinates are the azimuth (0 at the front, pi/2 the person's left) and v, from the crown (0) to the pipe's
    lower end (1). The texture is laid out likewise.
    """

    scalp: Scalp
    thickness: Float[np.ndarray, "p a"]
    """Over the skull, metres; polar angle by azimuth, as the scalp's maps."""
    pipe: Float[np.ndarray, "rows turns"]
    """Horizontal distance from the vertical through scalp.center, metres; evenly from the equator to the end."""
    drop: float
    """Height of the pipe, metres."""
    texture: UInt8[np.ndarray, "h w 4"]

    @property
    def skull_share(self) -> float:
        """The part of v that lies over the skull."""
        return _SKULL_ROWS / (_SKULL_ROWS + round(self.drop / _TEXEL))

    def points(self, azimuth: np.ndarray, v: np.ndarray, height: float = 0.0) -> np.ndarray:
        """World points at these places, `height` metres outside the shell."""
        share = self.skull_share
        polar = np.minimum(v / share, 1) * _EQUATOR
        thickness = np.maximum(self.scalp.sample(self.thickness, azimuth, polar) + height, 0.001)
        over_skull = self.scalp.surface(azimuth, polar, thickness)
        fallen = np.clip((v - share) / (1 - share), 0, 1)
        reach = _around(self.pipe, azimuth, fallen * (len(self.pipe) - 1)) + height
        hanging = self.scalp.center + self.outward(azimuth) * reach[..., None]
        hanging[..., 1] = over_skull[..., 1] - fallen * self.drop
        return np.where((v > share)[..., None], hanging, over_skull)

    def outward(self, azimuth: np.ndarray) -> np.ndarray:
        """Horizontal unit vectors in which the pipe's wall lies."""
        return _outward(self.scalp, azimuth)


def _outward(scalp: Scalp, azimuth: np.ndarray) -> np.ndarray:
    direction = scalp.directions(azimuth, np.full(np.shape(azimuth), _EQUATOR)) * [1, 0, 1]
    return direction / np.linalg.norm(direction, axis=-1, keepdims=True)


def _around(values: Float[np.ndarray, "rows turns"], azimuth: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Bilinear look-up in a map that closes around; `row` counts rows."""
    rows, turns = values.shape
    x = np.asarray(azimuth) % (2 * np.pi) / (2 * np.pi) * turns
    y = np.clip(row, 0, rows - 1.001)
    column, above = np.floor(x).astype(int), y.astype(int)
    fx, fy = x - column, y - above
    left, right = column % turns, (column + 1) % turns
    upper = values[above, left] * (1 - fx) + values[above, right] * fx
    lower = values[above + 1, left] * (1 - fx) + values[above + 1, right] * fx
    return upper * (1 - fy) + lower * fy


@dataclass(frozen=True)
class _View:
    """The photo's axes in the world: toward the camera, right and up in the picture."""

    toward: np.ndarray
    right: np.ndarray
    up: np.ndarray

    @classmethod
    def of(cls, camera: Camera) -> _View:
        rotation = np.asarray(camera.camera_from_world)[:, :3]
        return cls(-rotation[2], rotation[0], -rotation[1])


def _draped(scalp: Scalp, thickness: Float[np.ndarray, "p a"]) -> Float[np.ndarray, "p a"]:
    """Long hair does not follow the back of the head inward: from where that is widest it falls straight."""
    azimuth, polar = scalp.grid()
    offset = scalp.surface(azimuth, polar, thickness) - scalp.center
    away = np.hypot(offset[..., 0], offset[..., 2])
    missing = 0.99 * np.maximum.accumulate(away, 0) - away
    level = np.linalg.norm(scalp.directions(azimuth, polar)[..., [0, 2]], axis=-1)
    side = np.abs((azimuth + np.pi) % (2 * np.pi) - np.pi)
    behind = smoothstep(np.radians(65), np.radians(110), side)
    more = np.clip(missing, 0, 0.06) / np.maximum(level, 0.3) * behind
    more[polar > _EQUATOR + 0.1] = 0
    wide = cv2.GaussianBlur(np.concatenate([more] * 3, 1).astype(np.float32), (0, 0), 1.5)
    return thickness + wide[:, more.shape[1] : 2 * more.shape[1]]


def silhouette_reach(hair: np.ndarray, scalp: Scalp, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """How far the hair reaches from the projected centre, metres, in 72 picture directions (0 where there is none).

    Also the lowest hair on the picture's left and right as world heights (99th percentile).
    """
    center = camera.project(scalp.center)
    scale = center[2] / camera.focal_px
    rows, columns = np.nonzero(hair > 0.5)
    x, y = columns + 0.5 - center[0], -(rows + 0.5 - center[1])
    bins = ((np.arctan2(y, x) + np.pi) / (2 * np.pi) * _BINS).astype(int) % _BINS
    reach = np.zeros(_BINS)
    distance = np.hypot(x, y) * scale
    for i in range(_BINS):
        if (bins == i).any():
            reach[i] = np.percentile(distance[bins == i], 99.5)
    lowest = [scalp.center[1] + (np.percentile(y[side], 1) * scale if side.any() else 0.0) for side in (x < 0, x >= 0)]
    return reach, np.array(lowest)


def fit_thickness(scalp: Scalp, reach: np.ndarray, view: _View) -> Float[np.ndarray, "p a"]:
    """Hair thickness over the skull so that the silhouette is the photo's: thin at the face, full at the rim."""
    azimuth, polar = scalp.grid()
    direction = scalp.directions(azimuth, polar)
    facing = direction @ view.toward
    around = np.arctan2(direction @ view.up, direction @ view.right)
    place = (around + np.pi) / (2 * np.pi) * _BINS
    bare = np.zeros(_BINS)
    rim = np.where(np.abs(facing) < 0.5, scalp.radius * np.sqrt(1 - facing**2), 0)
    np.maximum.at(bare, place.astype(int).ravel() % _BINS, rim.ravel())
    full = np.where(reach > 0, np.maximum(reach - bare, 0.004), 0)
    centers = (np.arange(_BINS) + 0.5) / _BINS * 2 * np.pi - np.pi
    full = np.where(np.sin(centers) < -0.3, np.minimum(full, 0.03), full)  # what hangs is the pipe's business
    smooth = cv2.GaussianBlur(np.concatenate([full] * 3)[None].astype(np.float32), (0, 0), 1.2)[0, _BINS : 2 * _BINS]
    low = np.floor(place - 0.5).astype(int)
    share = place - 0.5 - low
    here = smooth[low % _BINS] * (1 - share) + smooth[(low + 1) % _BINS] * share
    above = full[(np.sin(centers) > 0.5) & (reach > 0)]
    on_top = float(np.median(above)) if len(above) else 0.006

    beta = np.arccos(np.clip(facing, -1, 1))
    front = np.where(beta < np.pi / 2, 0.30 + 0.70 * smoothstep(np.radians(20), np.radians(80), beta), 1.0)
    back = np.clip(beta / (np.pi / 2) - 1, 0, 1)
    # behind, hair thins out toward the nape
    nape = (hairline(azimuth) - polar) * scalp.radius
    level = full[(np.abs(np.sin(centers)) < 0.35) & (reach > 0)]
    at_ears = float(np.median(level)) if len(level) > 4 else 0.0
    behind = at_ears + (on_top - at_ears) * smoothstep(-0.2, 0.7, direction @ view.up)
    behind = np.maximum(0.6 * here, 0.85 * behind) * (0.35 + 0.65 * smoothstep(-0.01, 0.07, nape))
    thickness = here * front * (1 - back) + behind * back
    # before the hairline hair lies on the forehead and the temples, however far the outline reaches beside them
    side = np.abs((azimuth + np.pi) % (2 * np.pi) - np.pi)
    before = smoothstep(-0.15, 0.05, polar - hairline(azimuth)) * smoothstep(np.radians(80), np.radians(50), side)
    thickness += (np.minimum(thickness, 0.007) - thickness) * before
    wrapped = np.concatenate([np.maximum(thickness, 0.004)] * 3, 1).astype(np.float32)
    blurred = cv2.GaussianBlur(wrapped, (0, 0), 2.2)[:, thickness.shape[1] : 2 * thickness.shape[1]]
    blurred[0] = blurred[0].mean()
    return blurred.astype(np.float64)


def hanging_width(
    hair: np.ndarray, scalp: Scalp, camera: Camera, heights: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "2 n"]:
    """How far the hair reaches to the person's right and left (metres from the middle) at these world heights.

    0 where there is none: the picture is laid on the plane through the head's middle that faces the camera.
    """
    view, center = _View.of(camera), camera.project(scalp.center)
    rows, columns = np.nonzero(hair > 0.5)
    scale = center[2] / camera.focal_px
    across, along = (columns + 0.5 - center[0]) * scale, -(rows + 0.5 - center[1]) * scale
    x = across * view.right[0] + along * view.up[0]
    y = scalp.center[1] + across * view.right[1] + along * view.up[1]
    reach = np.zeros((2, len(heights)))
    place = np.round((heights[0] - y) / (heights[0] - heights[1])).astype(int)
    for side, these in enumerate((x < 0, x >= 0)):
        for i in range(len(heights)):
            here = np.abs(x[these & (place == i)])
            if len(here) > 3:
                reach[side, i] = np.percentile(here, 97)
    return reach


def _skin_reach(scalp: Scalp, heights: np.ndarray, turns: int) -> Float[np.ndarray, "n turns"]:
    """Horizontal distance of head and neck (no shoulders) from the vertical through the middle, by height and turn."""
    assert scalp.skin_points is not None
    offset = scalp.skin_points - scalp.center
    distance = np.hypot(offset[:, 0], offset[:, 2])
    near = (distance < 0.105) | (offset[:, 1] > -0.13)
    row = np.round((heights[0] - scalp.skin_points[:, 1]) / (heights[0] - heights[1])).astype(int)
    column = np.round(np.arctan2(offset[:, 0], offset[:, 2]) / (2 * np.pi) * turns).astype(int) % turns
    near &= (row >= 0) & (row < len(heights))
    found = np.zeros((len(heights), turns), np.float32)
    np.maximum.at(found, (row[near], column[near]), distance[near])
    wide = np.concatenate([found] * 3, 1)
    for sigma in (1.0, 2.0, 4.0, 8.0, 16.0):
        known = (wide > 0).astype(np.float32)
        share = cv2.GaussianBlur(known, (0, 0), sigma)
        filled = cv2.GaussianBlur(wide * known, (0, 0), sigma) / np.maximum(share, 1e-6)
        wide = np.where(known > 0, wide, np.where(share > 0.05, filled, 0)).astype(np.float32)
    return cv2.GaussianBlur(wide, (0, 0), 1.0)[:, turns : 2 * turns].astype(np.float64)


def fit_pipe(
    scalp: Scalp, thickness: np.ndarray, hair: np.ndarray, camera: Camera, drop: float
) -> Float[np.ndarray, "rows turns"]:
    """The pipe's wall: the skin and the hair's thickness where hair is short, the photo's outline where it hangs."""
    rows, turns = round(drop / _PIPE_STEP) + 1, _AZIMUTHS
    azimuth = np.arange(turns) / turns * 2 * np.pi
    joint = scalp.surface(azimuth, np.full(turns, _EQUATOR), scalp.sample(thickness, azimuth, np.full(turns, _EQUATOR)))
    outward = _outward(scalp, azimuth)
    at_joint = np.linalg.norm((joint - scalp.center)[:, [0, 2]], axis=1)
    fallen = np.linspace(0, drop, rows)[:, None]
    y = joint[:, 1] - fallen
    heights = np.arange(scalp.center[1] + 0.08, y.min() - 0.02, -_PIPE_STEP)
    at_height = (heights[0] - y) / _PIPE_STEP
    turn = np.broadcast_to(np.arctan2(outward[:, 0], outward[:, 2]), y.shape)
    skin = _around(_skin_reach(scalp, heights, turns), turn, at_height)
    places = scalp.center + outward * skin[..., None]
    places[..., 1] = y
    wall = skin + np.minimum(scalp.sample(thickness, *scalp.angles(places)), 0.03)

    reach = hanging_width(hair, scalp, camera, heights)
    there = reach > 0
    smooth = np.stack([_smoothed(side, seen) for side, seen in zip(reach, there, strict=True)])
    sides = [_around(np.repeat(side[:, None], 2, 1), np.zeros_like(y), at_height) for side in smooth]
    seen = [_around(np.repeat(side[:, None].astype(float), 2, 1), np.zeros_like(y), at_height) for side in there]
    left = smoothstep(-0.3, 0.3, np.sin(turn))
    aside = sides[0] * (1 - left) + sides[1] * left
    sure = seen[0] * (1 - left) + seen[1] * left
    back = at_joint[len(at_joint) // 2]  # long hair hangs down from the back of the head and covers the neck
    behind = back + np.maximum(skin + 0.02 - back, -0.025) * smoothstep(0.0, 0.16, fallen)
    deep = np.where(np.cos(turn) > 0, 0.065, np.maximum(behind, 0.03))
    oval = 1 / np.sqrt((np.sin(turn) / np.maximum(aside, 0.03)) ** 2 + (np.cos(turn) / deep) ** 2)
    wall = np.maximum(wall, oval * np.clip(sure, 0, 1))
    if drop < _SHORT_DROP:
        wall = skin + np.maximum((wall - skin) * (1 - 0.8 * smoothstep(0.2, 0.9, fallen / drop)), 0.0025)
    # where it goes in it goes in slowly, or the skull's part stands over it like a mushroom's cap
    eased = np.minimum(fallen / (0.035 + 2.2 * np.clip(at_joint - wall, 0, 0.03)), 1)
    wall = at_joint + (wall - at_joint) * smoothstep(0.0, 1.0, eased)
    wide = cv2.GaussianBlur(np.concatenate([wall] * 3, 1).astype(np.float32), (0, 0), 1.2)
    wall[1:] = wide[1:, turns : 2 * turns]
    low = y < scalp.center[1] - 0.12
    if low.any():  # over the shoulders, not through them
        places = scalp.center + np.broadcast_to(outward, (*y.shape, 3))[low] * wall[low][:, None]
        places[:, 1] = y[low]
        pushed = scalp.push_out(places, 0.004) - scalp.center
        wall[low] = np.maximum(wall[low], np.minimum(np.hypot(pushed[:, 0], pushed[:, 2]), wall[low] + 0.03))
    return wall


def _smoothed(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Running mean of the known values, about 2 cm wide."""
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)
    share = np.convolve(known.astype(float), kernel, "same")
    return np.convolve(values * known, kernel, "same") / np.maximum(share, 1e-6)


def hair_outside_face(portrait: Portrait) -> np.ndarray:
    """The hair mask without what lies on the cheeks: inside the eroded face oval, below the brows."""
    points = portrait.landmarks[:, :2]
    inner = np.zeros(portrait.hair.shape, np.uint8)
    cv2.fillPoly(inner, [np.round(points[list(OVAL)]).astype(np.int32)], 1)
    face = np.linalg.norm(points[152] - points[10])
    step = np.ones((3, 3), np.uint8)
    inner = cv2.erode(inner, step, iterations=max(1, round(0.02 * face)))
    up = (points[10] - points[152]) / face
    rows, columns = np.mgrid[: inner.shape[0], : inner.shape[1]]
    height = (columns - points[168, 0]) * up[0] + (rows - points[168, 1]) * up[1]
    bare = (inner > 0) & (height < 0.05 * face)
    beside = (inner == 0) & (height < 0.05 * face) & (height > -0.6 * face)
    least = 0.02 if portrait.traits.get("hat", 0.0) > 0.5 else 0.06
    if (portrait.hair * beside).sum() < least * face**2:  # too little for hair beside the face: lit ears and cheeks
        bare = height < -0.02 * face
    else:  # long hair may fall over the cheeks
        bare &= cv2.erode(inner, step, iterations=max(1, round(0.14 * face))) > 0
    return np.where(bare, 0, portrait.hair)


def _photo_of_hair(portrait: Portrait) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Enlarged: hair colours carried outward over its edge (0..1); hair, and where its own detail is seen (0..1 both);
    and what is not bare person."""
    big = cv2.resize(portrait.image, None, fx=_ENLARGE, fy=_ENLARGE, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    hair = cv2.resize(hair_outside_face(portrait), None, fx=_ENLARGE, fy=_ENLARGE, interpolation=cv2.INTER_CUBIC)
    face = _ENLARGE * float(np.linalg.norm(portrait.landmarks[152, :2] - portrait.landmarks[10, :2]))
    edge = 2 * max(3, round(_EDGE * face)) + 1  # there hair and wall are mixed
    person = cv2.resize(portrait.person, None, fx=_ENLARGE, fy=_ENLARGE, interpolation=cv2.INTER_LINEAR)
    inside = cv2.erode((person > 0.5).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (edge, edge)))
    core = (cv2.erode((hair > 0.5).astype(np.uint8), np.ones((5, 5), np.uint8)) * inside).astype(np.float32)
    small = tuple(max(1, side // 6) for side in core.shape[::-1])  # so wide a blur loses nothing but time
    near, share = (
        cv2.GaussianBlur(cv2.resize(each, small, interpolation=cv2.INTER_AREA), (0, 0), 1.5 * edge / 6)
        for each in (big * core[..., None], core)
    )
    spread = cv2.resize(near / (share[..., None] + 1e-4), core.shape[::-1], interpolation=cv2.INTER_LINEAR)
    # over the skin the photo shows how hair begins; over the wall only the hair's own colour goes on
    shown = cv2.GaussianBlur(np.maximum(core, inside * (hair > 0.02)).astype(np.float32), (0, 0), 1.0)[..., None]
    color = (spread + (big - spread) * shown) / 255
    there = cv2.GaussianBlur(np.dstack([hair > 0.5, core > 0.5]).astype(np.float32), (0, 0), 2.0)
    open_ = cv2.resize(np.maximum(hair_outside_face(portrait), 1 - portrait.person), None, fx=_ENLARGE, fy=_ENLARGE,
                       interpolation=cv2.INTER_CUBIC)  # fmt: skip
    return color.astype(np.float32), there, cv2.GaussianBlur(open_, (0, 0), max(2.2, _SOFT * face))


@dataclass(frozen=True)
class _Sides:
    """What other pictures show of the shell, over its texture."""

    color: np.ndarray
    """(h, w, 3) 0..1 at the first picture's tones."""
    share: np.ndarray
    """(h, w) how well hair is seen in them."""
    shown: np.ndarray
    """(h, w) how squarely any of them looks at the place, hair or not."""
    covered: np.ndarray
    """(h, w) 1 where they show hair or what is behind the person, 0 where bare skin."""


def _hair_on_face(portrait: Portrait) -> float:
    """The share of nose, mouth and the inner cheeks that the hair mask covers: long hair falls beside them."""
    middle = np.zeros(portrait.hair.shape, np.uint8)
    cv2.fillPoly(middle, [np.round(portrait.landmarks[list(MIDDLE), :2]).astype(np.int32)], 1)
    return float(portrait.hair[middle > 0].mean()) if middle.any() else 0.0


def side_views(others: Sequence[tuple[Portrait, Camera]]) -> list[tuple[Portrait, Camera]]:
    """Of both sides the picture that looks at the head from nearest to 60 degrees aside, from 25 degrees on.

    Pictures where skin was taken for hair tell nothing of where hair ends: they are passed over.
    """
    others = [(portrait, camera) for portrait, camera in others if _hair_on_face(portrait) < MISTAKEN]
    chosen = []
    for sign in (-1, 1):
        aside = [(np.arctan2(*_View.of(camera).toward[[0, 2]]) * sign, k) for k, (_, camera) in enumerate(others)]
        aside = [(abs(angle - np.radians(60)), k) for angle, k in aside if angle > np.radians(25)]
        if aside:
            chosen.append(others[min(aside)[1]])
    return chosen


def _seen_aside(
    others: Sequence[tuple[Portrait, Camera]], points: np.ndarray, direction: np.ndarray,
    first: np.ndarray, first_known: np.ndarray,
) -> _Sides:  # fmt: skip
    """Lay pictures from the sides over the shell. `first` (h, w, 3) is what the first one shows where it is known."""
    shape = points.shape[:2]
    color, total = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    shown, covered = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for portrait, camera in side_views(others):
        picture, there, open_ = _photo_of_hair(portrait)
        place = (camera.project(points)[..., :2] * _ENLARGE - 0.5).astype(np.float32)
        laid, hair, free = (
            cv2.remap(each, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for each in (picture, there, open_)
        )
        beta = np.degrees(np.arccos(np.clip(direction @ _View.of(camera).toward, -1, 1)))
        square = smoothstep(80, 45, beta).astype(np.float32)
        known = square * hair[..., 0]
        both = (known > 0.3) & (first_known > 0.3)
        if both.sum() > 200:  # the lamps differ from picture to picture
            laid = laid * np.clip(np.median(first[both], 0) / (np.median(laid[both], 0) + 1e-3), 0.5, 2)
        weight = known**3
        color += laid.astype(np.float32) * weight[..., None]
        total += weight
        covered += free * square**3
        shown += square**3
    return _Sides(
        color / (total[..., None] + 1e-6), np.clip(np.cbrt(total), 0, 1), np.clip(np.cbrt(shown), 0, 1),
        covered / (shown + 1e-6),
    )  # fmt: skip


HAIRS_OWN = 0.15
"""Colours (sRGB 0..1) as near to the hair's as this are hair's below a hat, unless nearly all of a hat is."""


def _hat(portrait: Portrait, scalp: Scalp, camera: Camera) -> tuple[Float[np.ndarray, "3"], float]:
    """The colour of a hat's lower half, sRGB 0..1, which goes on around the head; and the world height that it comes
    down to. What of the mask is nearer to the hair's colour is hair below it."""
    masked = portrait.hair > 0.5
    points = portrait.landmarks[:, :2]
    axis = points[10] - points[152]
    rows, columns = np.nonzero(masked)
    up = (columns - points[10, 0]) * axis[0] + (rows - points[10, 1]) * axis[1]
    colors = portrait.image[rows, columns] / 255
    other = np.linalg.norm(colors - portrait.hair_color, axis=1) > HAIRS_OWN
    other = other if other.mean() > 0.2 else np.full(len(up), True)
    brim = np.median(colors[other & (up < np.median(up[other]))], 0)
    felt = np.linalg.norm(colors - brim, axis=1) < np.linalg.norm(colors - portrait.hair_color, axis=1)
    center = camera.project(scalp.center)
    lowest = np.percentile(center[1] - rows[felt], 3) if felt.any() else 0.0
    return brim, float(scalp.center[1] + lowest * center[2] / camera.focal_px)


def _ears_free(portrait: Portrait) -> bool:
    """Whether no hair hangs beside the middle of the cheeks' edges, where ears are."""
    ends = portrait.landmarks[[234, 454], :2]
    places = ends + 0.06 * (ends - ends[::-1])
    x, y = np.clip(places.T, 0, np.array(portrait.hair.shape[::-1])[:, None] - 1).astype(int)
    return bool(portrait.hair[y, x].mean() < 0.3)


def _ear_height(portrait: Portrait, scalp: Scalp, camera: Camera) -> float:
    """World height of the middle of the ears, by the face's landmarks before them."""
    center = camera.project(scalp.center)
    return float(scalp.center[1] + (center[1] - portrait.landmarks[[234, 454], 1].mean()) * center[2] / camera.focal_px)


class _Sheet:
    """The shell's texture as a grid of places: azimuth runs along rows, v down the columns."""

    def __init__(self, shell: HairShell, camera: Camera, width: int, height: int) -> None:
        azimuth, v = np.meshgrid((np.arange(width) + 0.5) / width * 2 * np.pi, (np.arange(height) + 0.5) / height)
        self.shell, self.camera, self.view = shell, camera, _View.of(camera)
        self.width, self.height, self.v = width, height, v
        self.points = shell.points(azimuth, v)
        self.polar = shell.scalp.angles(self.points)[1]
        self.skull = v <= shell.skull_share
        self.direction = np.where(
            self.skull[..., None], shell.scalp.directions(azimuth, np.minimum(v / shell.skull_share, 1) * _EQUATOR),
            shell.outward(azimuth),
        )  # fmt: skip
        self.beta = np.degrees(np.arccos(np.clip(self.direction @ self.view.toward, -1, 1)))
        """Degrees between the surface's way out and the camera."""
        self.side = (azimuth + np.pi) % (2 * np.pi) - np.pi

    def look_up(self, picture: np.ndarray, at: np.ndarray | None = None) -> np.ndarray:
        """What an enlarged picture of the camera shows at these world points, by default the sheet's own."""
        points = self.points if at is None else at
        place = (self.camera.project(points)[..., :2] * _ENLARGE - 0.5).astype(np.float32)
        return cv2.remap(picture, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def known(self, there: np.ndarray) -> np.ndarray:
        """How well the camera's picture shows hair at each place, 0..1. Channels of `there`: hair, its own detail."""
        hair, detail = np.moveaxis(self.look_up(there), -1, 0)
        return hair * (0.25 * smoothstep(82, 50, self.beta) * (1 - detail) + smoothstep(86, 66, self.beta) * detail)

    def blur(self, picture: np.ndarray, sigma: float) -> np.ndarray:
        """A Gaussian blur that goes around the head; `sigma` in texels of a sheet that is _WIDTH wide."""
        sigma = sigma * self.width / _WIDTH
        shrink = 4 if sigma > 12 else 1
        small = cv2.resize(
            picture.astype(np.float32), (self.width // shrink, self.height // shrink), interpolation=cv2.INTER_AREA
        )
        wrapped = cv2.GaussianBlur(np.concatenate([small] * 3, 1), (0, 0), sigma / shrink)
        return cv2.resize(wrapped[:, self.width // shrink : 2 * (self.width // shrink)], (self.width, self.height))

    def falling(self, lowest: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Metres above the hair's lower end, and inside the nape's hairline; both ragged by `noise`."""
        scalp, ragged = self.shell.scalp, np.clip(noise, -2, 2) * 0.0025
        half = np.where((self.points - scalp.center) @ self.view.right < 0, lowest[0], lowest[1])
        above = self.points[..., 1] - self.blur(half, 30) + ragged
        return above, (hairline(self.side) - self.polar) * scalp.radius.mean() + ragged


def _noise(width: int, height: int) -> np.ndarray:
    return strands(width, height, np.ones((3, 3)), wave=4)[1]


def _alpha(
    sheet: _Sheet, lowest: np.ndarray, noise: np.ndarray, open_: np.ndarray, aside: _Sides | None
) -> Float[np.ndarray, "h w"]:
    """Where the shell is hair: in front the photo decides (only bare face and neck cut it), behind the hairline and the
    lowest hair do. `open_`: what of the enlarged photo is not bare person. `aside`: what other pictures show."""
    shell = sheet.shell
    above_bottom, nape = sheet.falling(lowest, noise)
    fade = 0.022 if shell.drop < _SHORT_DROP else 0.009
    behind = smoothstep(-0.003, fade, np.maximum(above_bottom - 0.004, nape))
    front = smoothstep(0.25, 0.75, sheet.look_up(open_) + 0.04 * noise) * smoothstep(-0.012, 0.004, above_bottom)
    use_photo = smoothstep(98, 82, sheet.beta)
    if aside is not None:
        # where the first one looks along the surface, or past it, the others say where skin is bare
        use_photo = use_photo * (1 - aside.shown * smoothstep(34, 50, sheet.beta))
        bare = smoothstep(0.25, 0.75, aside.covered + 0.04 * noise) * smoothstep(-0.012, 0.004, above_bottom)
        behind = behind + (bare - behind) * aside.shown * (1 - use_photo)
    alpha = front * use_photo + behind * (1 - use_photo)
    if aside is not None:  # where the first hands over to the others both may be right by halves: no veil stays there
        alpha = alpha * smoothstep(0.25, 0.5, alpha)
    slanted = _slanted(sheet)
    alpha = alpha + (alpha[:, ::-1] - alpha) * slanted
    alpha[-_texels(8, sheet) :] = 0
    alpha = alpha.astype(np.float32)
    shrink = max(1, sheet.width // 384)  # so wide a reach needs no more
    small = cv2.resize(alpha, (sheet.width // shrink, sheet.height // shrink), interpolation=cv2.INTER_AREA)
    far, near = (
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(1, round(reach)) + 1,) * 2)
        for reach in (_texels(20, sheet) / shrink, _texels(5, sheet))
    )
    closed = cv2.morphologyEx(np.concatenate([small] * 3, 1), cv2.MORPH_CLOSE, far)
    closed = cv2.resize(closed[:, small.shape[1] : 2 * small.shape[1]], (sheet.width, sheet.height))
    alpha = cv2.morphologyEx(alpha, cv2.MORPH_CLOSE, near)
    top = sheet.skull & (sheet.polar < np.radians(52))
    alpha = np.where(top, np.maximum(alpha, closed), alpha)  # no holes on the top of the head
    return _without_islands(sheet.blur(alpha, 1.5))


def _texels(count: int, sheet: _Sheet) -> int:
    """So many texels of a sheet that is _WIDTH wide in this one's."""
    return max(1, round(count * sheet.width / _WIDTH))


def _slanted(sheet: _Sheet) -> Float[np.ndarray, "h w"]:
    """How much the far side of a turned head is seen at a slant: the near side says better where hair begins there."""
    return (
        smoothstep(28, 48, sheet.beta) * smoothstep(10, 20, sheet.beta - sheet.beta[:, ::-1])
        * (np.abs(sheet.side) < np.radians(100))
    )  # fmt: skip


def _behind_ears(portrait: Portrait, sheet: _Sheet) -> Float[np.ndarray, "h w"] | float:
    """What is left of the shell below a hat: hair that comes out beside the jaw hangs down behind free ears."""
    if portrait.traits.get("hat", 0.0) < 0.5 or not _ears_free(portrait):
        return 1.0
    low = sheet.points[..., 1] < _ear_height(portrait, sheet.shell.scalp, sheet.camera)
    return 1 - low * smoothstep(np.radians(100), np.radians(90), np.abs(sheet.side))


def paint_shell(
    portrait: Portrait,
    camera: Camera,
    shell: HairShell,
    lowest: np.ndarray,
    own: tuple[np.ndarray, np.ndarray, np.ndarray],
    others: Sequence[tuple[Portrait, Camera]] = (),
) -> UInt8[np.ndarray, "h w 4"]:
    """The shell's texture over (azimuth, v), strands running from the crown down. `own`: the portrait's
    `_photo_of_hair`. `others` see what the first does not; what none of them sees is made up.

    What is made up is made at half the size: it has no more to show.
    """
    color, there, open_ = own
    coarse = _Sheet(shell, camera, _WIDTH, _rows(shell))
    unseen, shade = _unseen(portrait, coarse, lowest, color, there)

    sheet = _Sheet(shell, camera, _FINE * coarse.width, _FINE * coarse.height)
    size = sheet.width, sheet.height

    def enlarged(picture: np.ndarray) -> np.ndarray:
        return cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)

    noise = _noise(*size)
    hat = portrait.traits.get("hat", 0.0) > 0.5
    mix = sheet.blur(sheet.known(there), 5)[..., None]
    detail = noise - cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 1.2)
    made_up = enlarged(unseen) * (1 + (0.0 if hat else _DETAIL) * detail[..., None])
    picture = sheet.look_up(color) * mix + made_up * (1 - mix)
    sides = None
    if others:
        aside = _seen_aside(others, coarse.points, coarse.direction, coarse.look_up(color), coarse.known(there))
        seen, shown, covered = (np.clip(enlarged(each), 0, 1) for each in (aside.share, aside.shown, aside.covered))
        sides = _Sides(enlarged(aside.color), seen, shown, covered)
        own_share = (np.clip(sheet.blur(seen, 6) * 1.3 - 0.15, 0, 1) * seen)[..., None] * (1 - mix)
        picture = picture * (1 - own_share) + sides.color * own_share
    picture = picture + (picture[:, ::-1] - picture) * _slanted(sheet)[..., None]
    alpha = _alpha(sheet, lowest, noise, open_, sides) * _behind_ears(portrait, sheet)
    rgba = np.concatenate([np.clip(picture * (1 - enlarged(shade)[..., None] * (1 - mix)), 0, 1), alpha[..., None]], -1)
    return np.round(rgba * 255).astype(np.uint8)


def _rows(shell: HairShell) -> int:
    return _SKULL_ROWS + round(shell.drop / _TEXEL)


def _unseen(
    portrait: Portrait, sheet: _Sheet, lowest: np.ndarray, color: np.ndarray, there: np.ndarray
) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]]:
    """Hair where the photo shows none, and how much darker it is toward its end.

    Behind the ears the azimuth is folded back into the strip at the side that the photo saw, its light levelled.
    """
    shell, blur, polar, side = sheet.shell, sheet.blur, sheet.polar, sheet.side
    photo, known = sheet.look_up(color), sheet.known(there)
    # The strip: 38 to 60 degrees over the skull, 62 to 84 where hair hangs and the face is in front.
    strip = 38 + 24 * smoothstep(0.8, 1.1, sheet.v / shell.skull_share)
    fold = np.abs((np.abs(np.degrees(side)) - strip) % 44 - 22) + strip
    fold = np.where(np.degrees(np.abs(side)) > strip + 22, fold, np.abs(np.degrees(side)))
    left_share = smoothstep(-0.35, 0.35, np.sin(side))[..., None]
    mirrored, mirrored_known = np.zeros_like(photo), np.zeros(photo.shape[:2], np.float32)
    for sign, share in ((1, left_share), (-1, 1 - left_share)):
        folded = shell.points(sign * np.radians(fold), sheet.v)
        mirrored += (sheet.look_up(color, folded) * share).astype(np.float32)
        mirrored_known += (sheet.look_up(there, folded)[..., 0] * share[..., 0]).astype(np.float32)
    hat = portrait.traits.get("hat", 0.0) > 0.5
    palette, tones, size = hair_palette(portrait), np.array([[0.92], [1.0], [0.97]]), (sheet.width, sheet.height)
    drawn, noise = strands(*size, palette * tones, wave=4, contrast=0.75)
    base = np.broadcast_to(palette[1], drawn.shape)
    if hat:  # down to its lower edge
        felt, edge = _hat(portrait, shell.scalp, sheet.camera)
        worn = smoothstep(-0.003, 0.003, sheet.points[..., 1] - edge)[..., None]
        plain, _ = strands(*size, np.repeat(felt[None], 3, 0) * tones, wave=4, contrast=0.08)  # felt has no strands
        drawn, base = drawn + (plain - drawn) * worn, base + (felt - base) * worn

    # fine structure: the photo's where it can be mirrored, drawn strands elsewhere, or curls like those in front
    trust = blur(mirrored_known, 4)[..., None]
    trust = trust * smoothstep(30, 60, np.degrees(polar))[..., None]  # a fold at the crown would show as a star
    weight = known * (there.max() > 0)
    made_up = 0.6 * (drawn - blur(drawn, 18))
    sample = None if hat else _best_seen(weight, *_SAMPLE)
    if sample is not None:
        curled = max(
            smoothstep(_STRAIGHT, _CURLED, hair_traits(portrait).coherence),
            smoothstep(_SHORT_DROP, 0.6 * _SHORT_DROP, shell.drop),
        )
        spots = grain((photo - blur(photo, 18))[sample], sheet.width, sheet.height)
        made_up += curled * (0.8 * spots - made_up)
    # folded over and over, the strip would show its pattern at the back
    trust = trust * (1 - smoothstep(48, 72, np.degrees(np.abs(side))))[..., None]
    fine = (mirrored - blur(mirrored, 18)) * trust + made_up * (1 - 0.7 * trust)
    seen, widely = blur(weight, 45)[..., None], blur(weight, 110)[..., None]
    near = blur(photo * weight[..., None], 110) / (widely + 1e-6)
    near += (blur(photo * weight[..., None], 45) / (seen + 1e-6) - near) * np.clip(seen * 4, 0, 1)
    certain = np.clip(widely * 3, 0, 1)
    base = base * (0.97 - 0.12 * smoothstep(40, 120, np.degrees(polar))[..., None])
    follow = 0.2 if hat else 0.75  # a badge in front says nothing of the back
    fine = fine * (0.3 if hat else 1.0)
    # darker toward its lower end, which is the nape's where the photo's lowest hair is at the temples
    shade = 0.35 * smoothstep(0.03, 0.0, np.maximum(*sheet.falling(lowest, noise)))
    return base * (1 - follow * certain) + near * follow * certain + fine, shade


def _best_seen(known: np.ndarray, rows: int, columns: int) -> tuple[slice, slice] | None:
    """The window of this size in which the photo shows most of the hair; None where it shows too little."""
    share = cv2.boxFilter(known.astype(np.float32), -1, (columns, rows), anchor=(0, 0))
    share = share[: known.shape[0] - rows, : known.shape[1] - columns]
    if not share.size or share.max() < 0.6:
        return None
    row, column = np.unravel_index(int(share.argmax()), share.shape)
    return slice(int(row), int(row) + rows), slice(int(column), int(column) + columns)


def _without_islands(alpha: np.ndarray) -> np.ndarray:
    """Alpha without small pieces that float beside the hair (the left edge continues at the right one)."""
    wide = np.concatenate([alpha] * 2, 1) > 0.25
    count, labels, stats, _ = cv2.connectedComponentsWithStats(wide.astype(np.uint8), connectivity=4)
    if count < 3:
        return alpha
    small = np.isin(labels, np.flatnonzero(stats[:, 4] < 0.05 * stats[1:, 4].max()))
    width = alpha.shape[1]
    return np.where(small[:, :width] & small[:, width:], 0, alpha)


RIM = 0.25
"""Cosine to the camera within which a place of the skull lies on the picture's outline."""


def joint_thickness(
    scalp: Scalp, shots: Sequence[tuple[Float[np.ndarray, "_ _"], Camera]], guess: Float[np.ndarray, "p a"]
) -> Float[np.ndarray, "p a"]:
    """Hair thickness over the skull from the outlines of several pictures' hair: each tells what lies on its rim.

    `guess` holds, weakly, where no outline runs.
    """
    directions = scalp.directions(*scalp.grid())
    total, share = 0.08 * guess, np.full(guess.shape, 0.08)
    for hair, camera in shots:
        view = _View.of(camera)
        reach, _ = silhouette_reach(hair, scalp, camera)
        around = np.arctan2(directions @ view.up, directions @ view.right)
        place = ((around + np.pi) / (2 * np.pi) * _BINS).astype(int) % _BINS
        weight = np.exp(-((directions @ view.toward / RIM) ** 2)) * (reach[place] > 0)
        total = total + weight * fit_thickness(scalp, reach, view)
        share = share + weight
    return total / share


def fit_shell(
    portrait: Portrait, camera: Camera, scalp: Scalp, others: Sequence[tuple[Portrait, Camera]] = ()
) -> HairShell:
    """The photo's hair around this skull (0.5 s). The camera is the portrait's, the head at the body model's place.

    `others`: further pictures of the head, whose outlines tell how thick the hair is at the sides and behind, and
    which show the hair there.
    """
    hair = hair_outside_face(portrait)
    reach, lowest = silhouette_reach(hair, scalp, camera)
    thickness = fit_thickness(scalp, reach, _View.of(camera))
    if others:
        shots = [(hair, camera), *((hair_outside_face(each), seen_by) for each, seen_by in others)]
        thickness = joint_thickness(scalp, shots, thickness)
    drop = float(np.clip(scalp.center[1] + 0.05 - lowest.min(), 0.10, 0.40))
    if drop > _SHORT_DROP:
        thickness = _draped(scalp, thickness)
    color, there, open_ = _photo_of_hair(portrait)
    # skin that the photo shows beyond this skull's outline has nothing to lie on but the shell
    own = color, there, np.maximum(open_, 1 - _skull_seen(scalp, camera, open_.shape))
    shell = HairShell(scalp, thickness, np.zeros((2, 1)), drop, np.zeros((1, 1, 4), np.uint8))
    for _ in range(_ROUNDS):  # a lower shell shows the photo's edge elsewhere
        shell = replace(shell, pipe=fit_pipe(scalp, shell.thickness, hair, camera, drop))
        sheet = _Sheet(shell, camera, _COARSE, _rows(shell))
        aside = None
        if others:
            aside = _seen_aside(others, sheet.points, sheet.direction, sheet.look_up(own[0]), sheet.known(own[1]))
        edge = _alpha(sheet, lowest, _noise(sheet.width, sheet.height), own[2], aside) * _behind_ears(portrait, sheet)
        shell = replace(shell, thickness=_rooted(shell, thickness, edge))
    shell = replace(shell, pipe=fit_pipe(scalp, shell.thickness, hair, camera, drop))
    return replace(shell, texture=paint_shell(portrait, camera, shell, lowest, own, others))


def _skull_seen(scalp: Scalp, camera: Camera, shape: tuple[int, ...]) -> Float[np.ndarray, "h w"]:
    """Where a picture, enlarged to this shape, shows the skull or what is below it: 1, soft at its outline."""
    azimuth, polar = scalp.grid()
    above = polar[:, 0] <= _EQUATOR
    spots = camera.project(scalp.surface(azimuth[above], polar[above]))[..., :2].reshape(-1, 2) * _ENLARGE - 0.5
    outline = cv2.convexHull(np.round(spots).astype(np.int32))[:, 0]
    seen = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(seen, outline, 1)
    left, right = outline[:, 0].min(), outline[:, 0].max()
    seen[int(np.clip(outline[outline[:, 0] == left][0, 1], 0, shape[0])) :, max(left, 0) : right + 1] = 1
    seen = cv2.erode(seen, np.ones((2 * _ENLARGE + 1,) * 2, np.uint8))
    return cv2.GaussianBlur(seen.astype(np.float32), (0, 0), _ENLARGE)


def _rooted(
    shell: HairShell, full: Float[np.ndarray, "p a"], alpha: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "p a"]:
    """The thickness `full`, going down to the skin at the edge of the hair, as far back as the ears: hair grows there.

    `alpha`: what of the shell, as it is now, is hair.
    """
    h, w = alpha.shape[0], round(2 * np.pi * float(shell.scalp.radius.mean()) / _TEXEL)
    edge = cv2.resize(alpha.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
    wide = np.concatenate([edge] * 3, 1) > 0.5
    far = cv2.distanceTransform(wide.astype(np.uint8), cv2.DIST_L2, 5)[:, w : 2 * w] * _TEXEL
    azimuth, polar = shell.scalp.grid()
    v = np.minimum(polar / _EQUATOR, 1) * shell.skull_share
    place = np.stack([azimuth % (2 * np.pi) / (2 * np.pi) * w - 0.5, v * h - 0.5], -1).astype(np.float32)
    away = cv2.remap(far, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    side = np.abs((azimuth + np.pi) % (2 * np.pi) - np.pi)
    share = smoothstep(_ROOTED[1], _ROOTED[0], away) * smoothstep(np.radians(110), np.radians(85), side)
    share = share * smoothstep(np.radians(35), np.radians(50), polar)
    return full + (np.minimum(full, _ROOT) - full) * share


def shell_meshes(shell: HairShell, azimuths: int = 96, over_skull: int = 40) -> list[AvatarMesh]:
    """Two layers, the inner one darker; only quads that show. About 15,000 triangles together; texture "hair"."""
    share = shell.skull_share
    hanging = round(shell.drop / 0.009)
    steps = np.r_[np.linspace(0, share, over_skull), share + (1 - share) * np.arange(1, hanging + 1) / hanging]
    turn, down = np.meshgrid(np.linspace(0, 2 * np.pi, azimuths + 1), steps)
    index = np.arange(turn.size).reshape(turn.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    h, w = shell.texture.shape[:2]
    near, far = (np.ones((2 * round(reach * w / _WIDTH) + 1,) * 2, np.uint8) for reach in (4, 15))
    alpha = cv2.dilate(shell.texture[..., 3], near)
    uvs = np.stack([turn / (2 * np.pi), down], -1).reshape(-1, 2)
    spots = np.clip((uvs[faces].mean(1) * [w, h]).astype(int), 0, [w - 1, h - 1])
    shown = alpha[spots[:, 1], spots[:, 0]] > 20
    # the inner layer ends before the outer one's edge, or it would look out from behind it as a dark line
    inside = cv2.erode(shell.texture[..., 3], far)[spots[:, 1], spots[:, 0]] > 200
    meshes = []
    for name, height, brightness in (("hair_inner", -0.0035, 0.75), ("hair", 0.0, 1.0)):
        points = shell.points(turn, down, height).reshape(-1, 3)
        wrap = np.where(index % (azimuths + 1) == azimuths, index - azimuths, index).ravel()
        normals = vertex_normals(points, wrap[faces])[wrap]
        count = len(points)
        joints = np.zeros((count, 4), np.int32)
        joints[:, 0] = JOINT_NAMES.index("Head")
        weights = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
        material = Material(
            "Hair", "hair", (brightness, brightness, brightness, 1.0), "hair", roughness=0.85, alpha_mode="MASK",
            alpha_cutoff=0.6, double_sided=True,
        )  # fmt: skip
        mesh = AvatarMesh(
            name, points.astype(np.float32), normals, uvs.astype(np.float32), faces.astype(np.int32), joints, weights,
            material,
        )  # fmt: skip
        meshes.append(keep_faces(mesh, shown & inside if name == "hair_inner" else shown))
    # the edge is drawn once more, blended: a mask's edge looks cut out
    corners = np.clip((uvs * [w, h]).astype(int), 0, [w - 1, h - 1])
    least = cv2.erode(shell.texture[..., 3], near)[corners[:, 1], corners[:, 0]]
    soft = shown & (least[faces].min(1) < 250)
    outer = meshes[-1]
    if soft.any():
        material = replace(outer.material, name="HairEdge", alpha_mode="BLEND", double_sided=False)
        edge = replace(mesh, name="hair_edge", material=material)
        meshes.append(keep_faces(edge, soft))
    return meshes


def settle_ears(
    vertices: np.ndarray,
    shell: HairShell,
    portrait: Portrait,
    camera: Camera,
    model: BodyModel,
    others: Sequence[tuple[Portrait, Camera]] = (),
) -> tuple[Float[np.ndarray, "vertices 3"], HairShell]:
    """Each ear that the photo's hair covers is pulled inside the shell; around the others the shell is cut out, but
    where one of `others` looks at that side: then it is cut already as that picture shows it."""
    ears = ear_vertices(model)
    tucked = np.array(vertices, np.float64)
    texture = shell.texture.copy()
    sides = {side: ears[np.sign(vertices[ears, 0]) == side] for side in (-1, 1)}
    aside = {int(np.sign(_View.of(seen_by).toward[0])): (each, seen_by) for each, seen_by in side_views(others)}
    # from the front the cheek is before a covered ear's root: of long hair, which seldom leaves it free, the rim tells
    outer, least = (80, 0.25) if shell.drop > _SHORT_DROP else (0, 0.3)
    covered = {}
    for side, ids in sides.items():
        seen, seen_by = aside.get(side, (portrait, camera))
        h, w = seen.hair.shape
        out = np.abs(vertices[ids, 0])
        told = ids[out >= np.percentile(out, 60 if side in aside else outer)]  # aside the skull behind shows, too
        x, y = np.clip(seen_by.project(vertices[told])[:, :2].astype(int), 0, [w - 1, h - 1]).T
        rim = vertices[ids[out >= np.percentile(out, 80)]]
        azimuth, polar = shell.scalp.angles(rim)
        above = shell.scalp.sample(shell.scalp.radius + shell.thickness, azimuth, polar)
        depth = float(np.median(above - np.linalg.norm(rim - shell.scalp.center, axis=1)))
        hidden = 0.6 if side in aside else least
        if seen.hair[y, x].mean() >= hidden or (side not in aside and depth > _DEEP):
            covered[side] = True
        elif (seen.skin * (1 - seen.hair))[y, x].mean() > 0.3:
            covered[side] = False
    for side, ids in sides.items():
        if not covered.get(side, covered.get(-side, False)):  # one that cannot be seen is worn like the other
            if side not in aside:
                texture[..., 3] = np.minimum(texture[..., 3], _away_from(vertices[ids], shell))
            continue
        azimuth, polar = shell.scalp.angles(vertices[ids])
        limit = shell.scalp.sample(shell.scalp.radius + 0.45 * shell.thickness, azimuth, polar)
        offset = vertices[ids] - shell.scalp.center
        scale = np.minimum(1, limit / np.linalg.norm(offset, axis=1))
        tucked[ids] = shell.scalp.center + offset * scale[:, None]
    return tucked, replace(shell, texture=texture)


def _away_from(ear: np.ndarray, shell: HairShell) -> UInt8[np.ndarray, "h w"]:
    """Alpha that is 0 on an ear and 255 around it."""
    h, w = shell.texture.shape[:2]
    places = shell.points(*np.meshgrid((np.arange(w) + 0.5) / w * 2 * np.pi, (np.arange(h) + 0.5) / h))
    side = np.sign(ear[0, 0])
    middle, half = (ear.max(0) + ear.min(0)) / 2, (ear.max(0) - ear.min(0)) / 2
    up, forward = places[..., 1] - middle[1], places[..., 2] - middle[2]
    inside = np.hypot(up / (half[1] + 0.002), forward / (half[2] + 0.002))
    keep = smoothstep(0.60, 0.75, inside)
    keep = np.where(places[..., 0] * side > 0.03, keep, 1.0)
    return np.round(255 * keep).astype(np.uint8)

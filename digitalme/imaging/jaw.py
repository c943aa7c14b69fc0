"""The jaw of the landmarks laid onto the jaw of the picture.

The detector draws the face's outline as a smooth oval and guesses it where hair, a collar or the chin's shadow lies
beside the jaw: on slim and old faces it runs beyond it, and the avatar's jaw comes out too wide and too long. Where the
picture clearly shows the skin end inside the oval, the oval is drawn in to that edge, and landmarks near it go along.

Edges are looked for in a strip of the picture that is unrolled along the jaw: columns from the person's left ear over
the chin to the right one, rows from inside the face outwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.sparse import diags_array
from scipy.sparse.linalg import spsolve

from digitalme.body import landmarks as marks
from digitalme.imaging.appearance import beard_score
from digitalme.imaging.masks import PLAIN, FaceFrame, plain_seed, skin_distance, skin_seed
from digitalme.imaging.matting import smoothstep

JAW = marks.OVAL[8:29]
"""The oval from the left ear (454) over the chin to the right one (234)."""
FACE_PX = 220
"""The face's height at which edges are looked for."""
COLUMNS = 200
STEP = 1 / 400
"""A row of the strip in face heights, as all lengths below."""
DEEP, FAR = -0.19, 0.06
"""Where the strip begins, inside the face, and where it ends."""
REFERENCE = -0.13
"""From DEEP to here the rows tell the skin's colour beside each spot of the jaw."""
DEEPEST, INWARD, OUTWARD = -0.12, -0.07, 0.03
"""Edges are looked for from the first to the last; what comes from beyond the second is hair over the cheek."""
BESIDE = 0.02
"""A step is taken between the means over so much on both sides of an edge."""
ABRUPT, ALIKE, UNLIKE = 14.0, 16.0, 18.0
"""A clear edge: so much of a step, so little difference from the skin's colour on its inner side and so much on its
outer one (Lab; shade changes skin's lightness, hence LIGHTNESS)."""
DARK, SHADED = 40.0, 0.6
"""Before what differs by this much skin may differ by this share of it: the chin turns into its own deep shadow."""
LIGHTNESS = 0.7
EAR, GAP = 16, 5
"""Columns at both ends that show ears and cheeks, not jaw; columns without an edge that do not part two edges."""
SMOOTH, TIGHT = 3.0, 5.0
"""Edges are evened over so many columns; where none is clear the jaw goes back to the detector's over so many."""
SURE_FROM, SURE_TO = 0.008, 0.016
"""Less than the first is the detector's noise; from the second on an edge is followed to the full."""
BEARD = 0.1
"""A face with so much of a beard (a score of 0..1) stays as found: hair grows up to the jaw's edge, and beyond it."""
TURNED = 0.3
"""As does one whose sides differ by this share of its width: the far side's edge is the cheek, not the jaw."""
REACH = 0.16
"""Landmarks farther inside than this stay where they are."""


@dataclass(frozen=True)
class JawStrip:
    """A picture unrolled along a jaw, and what is clear in it."""

    line: Float[np.ndarray, "columns 2"]
    """The detector's jaw, pixels."""
    outward: Float[np.ndarray, "columns 2"]
    """Unit vectors."""
    colors: Float32[np.ndarray, "rows columns 3"]
    """Lab, its lightness weighted."""
    away: Float32[np.ndarray, "rows columns"]
    """Distance from this person's skin, as `skin_distance` gives it."""

    @classmethod
    def of(cls, image: UInt8[np.ndarray, "h w 3"], landmarks: Float32[np.ndarray, "478 3"]) -> JawStrip:
        face = FaceFrame.of(landmarks, image.shape)
        scale = min(1.0, FACE_PX / face.height_px)
        if scale < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            face = FaceFrame.of(landmarks * np.float32(scale), image.shape)
        lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
        seed = plain_seed(lab, skin_seed(face), face)
        line = _even(face.points[list(JAW)])
        along = np.gradient(line, axis=0)
        outward = np.stack([along[:, 1], -along[:, 0]], 1)
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        outward *= np.sign((outward * (line - face.points[1])).sum())  # away from the nose
        rows = np.arange(DEEP, FAR + STEP / 2, STEP) * face.height_px
        at = (line + rows[:, None, None] * outward - 0.5).astype(np.float32)
        away = skin_distance(lab, seed)
        seen = cv2.remap(np.dstack([lab, away]), at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return cls(line / scale, outward, seen[..., :3] * np.float32([LIGHTNESS, 1, 1]), seen[..., 3])


def _even(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "columns 2"]:
    """A line of points at even steps along a polygon, its corners rounded."""
    length = np.r_[0, np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum()]
    at = np.linspace(0, length[-1], COLUMNS)
    line = np.stack([np.interp(at, length, points[:, k]) for k in (0, 1)], 1)
    return gaussian_filter1d(line, 2.5, axis=0, mode="nearest")


def _rows(low: float, high: float) -> slice:
    return slice(round((low - DEEP) / STEP), round((high - DEEP) / STEP) + 1)


def clear_edges(strip: JawStrip) -> tuple[Float[np.ndarray, "columns"], Bool[np.ndarray, "columns"]]:
    """Where the skin ends in each column, face heights outward of the detector's jaw; and where that is clear."""
    deep = _rows(DEEP, REFERENCE)
    skin = median_filter(np.median(strip.colors[deep], 0), (31, 1), mode="nearest")
    known = np.median(strip.away[deep], 0) < PLAIN  # no beard, no hair over the cheek
    unlike = np.linalg.norm(strip.colors - skin, axis=2)[..., None]
    size = round(BESIDE / STEP) - 1  # without the edge's own blur

    def means(of: np.ndarray) -> np.ndarray:
        """Of `size` rows from each on."""
        total = np.concatenate([np.zeros((1, *of.shape[1:])), of.astype(np.float64).cumsum(0)])
        return (total[size:] - total[:-size]) / size

    rows = _rows(DEEPEST, OUTWARD)
    places = np.arange(rows.start, rows.stop)
    before, after = places - 1 - size, places + 2
    colors, differ = means(strip.colors), means(unlike)[..., 0]
    step = np.linalg.norm(colors[after] - colors[before], axis=2)
    beyond = differ[after]
    differ[: deep.stop] = 0
    inside = np.maximum.accumulate(differ, 0)[before]  # all that lies between the reference and the edge must be skin
    allowed = np.where(beyond > DARK, np.maximum(SHADED * beyond, ALIKE), ALIKE)
    clear = (step > ABRUPT) & (inside < allowed) & (beyond > UNLIKE) & known
    path = _best_path(np.where(clear, step / 50, 0))
    edge = places[path] * STEP + DEEP
    return edge, _jaw_only(edge, clear[path, np.arange(COLUMNS)])


def _jaw_only(edge: Float[np.ndarray, "columns"], clear: Bool[np.ndarray, "columns"]) -> Bool[np.ndarray, "columns"]:
    """The clear edges without those that come down over the face from where no jaw is: of hair before the cheek."""
    columns = np.flatnonzero(clear)
    kept = clear.copy()
    for run in np.split(columns, np.flatnonzero(np.diff(columns) > GAP) + 1):
        at_ear = (run < EAR) | (run >= COLUMNS - EAR)
        if len(run) and ((edge[run] < INWARD) | (at_ear & (edge[run] < -SURE_FROM))).any():
            kept[run] = False
    return kept


def _best_path(worth: Float[np.ndarray, "places columns"], stiff: float = 0.15) -> np.ndarray:
    """The place of each column that together are worth most, at a price for each row between neighbours (Viterbi)."""
    count = len(worth)
    price = stiff * np.abs(np.arange(count)[:, None] - np.arange(count)[None])
    best, back = worth[:, 0], []
    for column in worth.T[1:]:
        options = best[None] - price
        back.append(options.argmax(1))
        best = options.max(1) + column
    path = [int(best.argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    return np.array(path[::-1])


def jaw_shift(strip: JawStrip) -> Float[np.ndarray, "columns"]:
    """How far the jaw is to be moved outward at each column, face heights; none is above 0."""
    edge, clear = clear_edges(strip)
    edge, weight = np.minimum(edge, 0), clear.astype(float)
    ends = np.zeros(COLUMNS)
    ends[[0, -1]] = 1e3
    back = np.where(clear, 0, (SMOOTH / TIGHT) ** 2)
    slope = diags_array([-1.0, 1.0], offsets=[0, 1], shape=(COLUMNS - 1, COLUMNS))
    for _ in range(5):
        system = diags_array(weight + ends + back) + SMOOTH**2 * (slope.T @ slope)
        shift = spsolve(system.tocsc(), weight * edge)
        weight = clear / (1 + ((edge - shift) / 0.015) ** 2)  # a tuft, a mark on the skin
    shift = gaussian_filter1d(shift, 2, mode="nearest")
    return shift * smoothstep(SURE_FROM, SURE_TO, -shift)


def onto_jaw(
    image: UInt8[np.ndarray, "h w 3"], landmarks: Float32[np.ndarray, "478 3"]
) -> Float32[np.ndarray, "478 3"]:
    """The landmarks, the jaw's drawn in to where the picture clearly shows the skin end; where in doubt as found."""
    sides = np.linalg.norm(landmarks[[234, 454], :2] - landmarks[1, :2], axis=1)
    if (
        abs(sides[0] - sides[1]) > TURNED * sides.sum()
        or beard_score(image, FaceFrame.of(landmarks, image.shape)) > BEARD
    ):
        return landmarks
    strip = JawStrip.of(image, landmarks)
    shift = jaw_shift(strip)
    if not shift.any():
        return landmarks
    height = np.linalg.norm(landmarks[marks.FOREHEAD_TOP, :2] - landmarks[marks.CHIN, :2])
    away = np.linalg.norm(landmarks[:, None, :2] - strip.line, axis=2) / height
    nearest = away.min(1)
    share = np.exp(-0.5 * ((away - nearest[:, None]) / (0.02 + 0.5 * nearest[:, None])) ** 2)
    move = share @ (shift[:, None] * strip.outward) / share.sum(1, keepdims=True)
    moved = landmarks.copy()
    moved[:, :2] += (move * smoothstep(REACH, 0.0, nearest)[:, None] * height).astype(np.float32)
    return moved

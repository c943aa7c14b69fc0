"""What a face does in each picture of a video: action weights and head pose that explain its landmarks.

Identity is fitted once on several pictures (digitalme.geometry.fit). Then each picture is a small bounded least-squares
problem in the 52 actions and the six numbers of the pose, started from the picture before. The landmarks answer to the
actions as the detector sees them (assets/seen_actions.npz, by tools/make_seen_actions.py), not as the mesh moves: a
detector shuts its eyes less than a face does. What the face reader tells from the picture itself
(digitalme.imaging.face_reader) joins in, each action as far as the reader is to be trusted. A second pass lays the
skin of the picture at rest onto every other one (digitalme.geometry.skin_motion), and the lip reader compares the two
mouths (digitalme.imaging.lip_reader).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from digitalme.body import landmarks as marks
from digitalme.body.landmarks import pose_terms
from digitalme.geometry.fit import EYE_SPAN, fit_identity, linear_head
from digitalme.geometry.skin_motion import SHARPNESS, Place, Skin, SkinSight
from digitalme.imaging.face_tracking import crop_from_picture
from digitalme.imaging.lip_reader import lip_reader
from digitalme.paths import asset
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, euler_from_rotation

POINTS = marks.COUNT + 2
"""Landmarks of the skin, then the middles of the right and left iris."""
IDENTITY_VIEWS = 6
SKIN_VIEWS, SKIN_ROUNDS = 75, 2
"""Pictures that the skin's rest is looked for in, and how often; with fewer than a dozen there is no rest to find."""
FOCALS = (0.9, 1.5, 2.6)
"""Focal lengths to choose from, in longest sides of the picture: a phone at arm's length, a webcam, a long lens."""
EYES, GAP = (33, 263), (13, 14)
"""Landmarks: outer corners of the eyes; middles of the lips' inner rims."""
SHORTLY = 8
"""Pictures within which lips that are shut for a consonant part again."""
LIPS, SAID_BETTER = 8.0, ("jaw",)
"""How much the lip reader counts beside the skin; what landmarks tell better than it."""
LOW, LOW_PUCKER = 5, 18
"""Where an action rests, in percent of the pictures in which its neighbours do least. Lips that are pressed or
stretched look less puckered than at rest."""


@dataclass(frozen=True)
class SeenActions:
    """How the detector's landmarks answer to actions and pose, metres. Picture axes: the head's right, down, away."""

    names: tuple[str, ...]
    moves: Float[np.ndarray, "470 3 actions"]
    """At weight 1, head frame."""
    drift: Float[np.ndarray, "470 3 terms"]
    """How far a landmark slides as the head turns, for each of digitalme.body.landmarks.pose_terms; picture axes."""
    modes: Float[np.ndarray, "470 3 modes"]
    """What the detector gets wrong together, one deviation each; picture axes."""
    deviation: Float[np.ndarray, "470 3"]
    """What each landmark gets wrong on its own; picture axes."""


@dataclass(frozen=True)
class Reading:
    """What was told of the action weights from the pictures themselves, beside the landmarks."""

    weights: Float[np.ndarray, "frames actions"]
    """NaN rows where there was no face."""
    deviation: Float[np.ndarray, "actions"]
    """How far off each is; infinite where nothing is told."""


@dataclass(frozen=True)
class FaceMotion:
    """What was found, one row for each picture."""

    names: tuple[str, ...]
    weights: Float32[np.ndarray, "frames actions"]
    head: Float32[np.ndarray, "frames 3"]
    """(pitch, yaw, roll) towards the camera, radians."""
    seen: Bool[np.ndarray, "frames"]
    """False where there was no face; its row is bridged."""
    miss_mm: Float32[np.ndarray, "frames"]
    """RMS distance of the landmarks from the fit, at the face's scale; NaN where there was no face."""


@lru_cache(maxsize=1)
def seen_actions() -> SeenActions:
    """Read assets/seen_actions.npz."""
    with np.load(asset("seen_actions.npz")) as data:
        names = tuple(str(name) for name in data["names"])
        numbers = {key: data[key].astype(float) for key in ("moves", "drift", "modes", "deviation")}
        return SeenActions(names, **numbers)


def points_of(found: Float32[np.ndarray, "478 3"]) -> Float[np.ndarray, "470 3"]:
    """The landmarks that are fitted: pixels, and the detector's guess of the depth in the same unit."""
    spots = found.astype(np.float64)
    return np.concatenate([spots[: marks.COUNT], spots[[marks.IRIS_RIGHT[0], marks.IRIS_LEFT[0]]]])


class FaceSolver:
    """Solves picture after picture for one person and camera."""

    def __init__(
        self, rest: Float[np.ndarray, "470 3"], focal_px: float, center: tuple[float, float], actions: SeenActions
    ):
        self.rest, self.focal, self.center, self.actions = rest, focal_px, np.array(center, float), actions
        self.prior, self.cost = action_prior(actions.names)
        self.still = np.zeros((POINTS, 3))
        """Where the landmarks of this person at rest lie beside `rest`: metres, head frame."""
        self.rotation = CAMERA_FROM_WORLD_FRONT.copy()
        self.translation = np.array([0.0, 0.0, 1.0])
        self.weights = np.zeros(len(actions.names))
        self.lowest = np.zeros(len(actions.names))
        """Below 0 while the face at rest is not known: a weight may then lie below what is taken for rest."""
        self.miss = 0.0

    def start(self, spots: Float[np.ndarray, "470 3"]) -> None:
        """A first guess of the pose from the eyes and the face's height."""
        flat = spots[:, :2]
        right, left, top, chin = (flat[i] for i in (33, 263, marks.FOREHEAD_TOP, marks.CHIN))
        span = max(np.linalg.norm(left - right), np.linalg.norm(top - chin) * EYE_SPAN / 0.155)
        roll = np.arctan2(*(left - right)[::-1])
        self.rotation = cv2.Rodrigues(np.array([0, 0, roll]))[0] @ CAMERA_FROM_WORLD_FRONT
        depth = self.focal * EYE_SPAN / span
        self.translation = np.r_[(flat.mean(0) - self.center) * depth / self.focal, depth]
        self.weights = np.zeros_like(self.weights)
        for _ in range(8):
            self._step(spots, pose_only=True)

    def solve(
        self,
        spots: Float[np.ndarray, "470 3"],
        iterations: int = 3,
        read: Float[np.ndarray, "actions"] | None = None,
        precision: Float[np.ndarray, "actions"] | None = None,
    ) -> None:
        """Weights and pose for these landmarks, from where the last picture left them.

        `read`: weights told by the picture, with their `precision`, 1 / deviation^2.
        """
        for _ in range(iterations):
            self._step(spots, read=read, precision=precision)

    def solve_with_skin(
        self,
        spots: Float[np.ndarray, "470 3"],
        sight: SkinSight,
        read: Float[np.ndarray, "actions"],
        precision: Float[np.ndarray, "actions"],
        share: float,
        lips: Callable[[Place], tuple[np.ndarray, np.ndarray]],
    ) -> None:
        """As `solve`, with what the skin tells, counted `share` times; the skin's pose is the sight's own.

        `lips`: what is told of the weights by the mouth laid back with that pose, and its precision.
        """
        for turn in range(len(SHARPNESS)):
            before = self.weights
            if turn == len(SHARPNESS) - 1:
                told, sure = lips(sight.place)
                both = precision + sure
                read, precision = (precision * read + sure * told) / np.maximum(both, 1e-12), both
            normal, pull = sight.told(before, turn)
            self._step(spots, read=read, precision=precision, skin=(share * normal, share * pull))
            sight.follow(self.weights - before)

    def errors(self, spots: Float[np.ndarray, "470 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(470, 3) what is seen minus what is expected, metres, in the picture axes of the head; those axes as a
        rotation from the camera's; and the expected landmarks in the camera frame. Depth counts from its own mean."""
        points = self.rest + self.still + self.actions.moves @ self.weights
        seen = points @ self.rotation.T + self.translation
        terms, axes = pose_terms(self.rotation)
        upright = np.eye(3)
        upright[:2, :2] = axes
        pixels = self.focal * seen[:, :2] / seen[:, 2:] + self.center
        scale = seen[:, 2] / self.focal
        deep = spots[:, 2] * scale.mean() - seen[:, 2]
        error = np.c_[(spots[:, :2] - pixels) * scale[:, None], deep - deep.mean()] @ upright.T
        return error - self.actions.drift @ terms, upright, seen

    def _step(
        self,
        spots: np.ndarray,
        pose_only: bool = False,
        read: np.ndarray | None = None,
        precision: np.ndarray | None = None,
        skin: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        error, upright, seen = self.errors(spots)
        trust = self._trust(error)
        count, modes = len(self.weights), self.actions.modes.shape[2]
        slope = np.tile(np.eye(3), (POINTS, 1, 1))
        slope[:, :2, 2] = -seen[:, :2] / seen[:, 2:]
        slope = upright @ slope
        arm = seen - self.translation
        x, y, z = arm.T
        zero = np.zeros(POINTS)
        turning = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], -1).reshape(-1, 3, 3)
        away = np.zeros((POINTS, 3, 1))
        away[:, 2] = 1  # the detector's depth has no origin
        pose = np.concatenate([slope @ turning, slope, away], -1)
        jacobian = pose if pose_only else np.concatenate(
            [(slope @ self.rotation) @ self.actions.moves, pose, self.actions.modes], -1
        )  # fmt: skip
        flat = (jacobian * trust[..., None]).reshape(3 * POINTS, -1)
        normal, pull = flat.T @ flat, flat.T @ (error * trust).ravel()
        if pose_only:
            self._move(np.linalg.solve(normal + 1e-6 * np.eye(7), pull))
            return
        normal[:count, :count] += self.prior
        pull[:count] -= self.prior @ self.weights + self.cost * (self.lowest == 0)
        if read is not None and precision is not None:
            normal[:count, :count] += np.diag(precision)
            pull[:count] += precision * (read - self.weights)
        if skin is not None:
            normal[:count, :count] += skin[0]
            pull[:count] += skin[1]
        normal[-modes:, -modes:] += np.eye(modes)
        step = _bounded(normal, pull, self.weights, self.lowest)
        self.weights = np.clip(self.weights + step[:count], self.lowest, 1)
        self._move(step[count : count + 6])
        self.miss = float(np.sqrt(np.median((error[:, :2] ** 2).sum(1))) * 1000)

    def _trust(self, error: np.ndarray) -> np.ndarray:
        """1 / deviation of each number, less where a landmark lies far off; closed eyes show no iris."""
        variance = self.actions.deviation**2 + (self.actions.modes**2).sum(2)
        far = (error**2 / variance).sum(1)
        blink = [self.weights[self.actions.names.index(f"eyeBlink{side}")] for side in ("Right", "Left")]
        open_eyes = np.clip(1.4 - 2 * np.array(blink), 0.02, 1)
        trust = np.sqrt(np.r_[np.ones(POINTS - 2), open_eyes] / (1 + far / 48))
        return trust[:, None] / self.actions.deviation

    def _move(self, step: np.ndarray) -> None:
        self.rotation = cv2.Rodrigues(step[:3])[0] @ self.rotation
        self.translation = self.translation + step[3:6]
        self.translation[2] = max(self.translation[2], 0.1)


ANTAGONISTS = (
    ("browDown{}", "browInnerUp"), ("browDown{}", "browOuterUp{}"), ("eyeBlink{}", "eyeWide{}"),
    ("eyeSquint{}", "eyeWide{}"), ("mouthSmile{}", "mouthFrown{}"), ("mouthStretch{}", "mouthPucker"),
    ("mouthSmile{}", "mouthPucker"), ("jawOpen", "mouthShrugLower"), ("jawLeft", "jawRight"),
    ("mouthLeft", "mouthRight"), ("eyeLookUp{}", "eyeLookDown{}"), ("eyeLookIn{}", "eyeLookOut{}"),
)  # fmt: skip
"""Pairs that hardly act together: two large weights that nearly cancel are no explanation."""
USUAL = (
    "jawOpen", "eyeBlink", "mouthSmile", "mouthPucker", "mouthFunnel", "browInnerUp", "browOuterUp",
    "browDown", "eyeLook",
)  # fmt: skip
"""What faces do all the time; the rest has to be seen more clearly."""
FAINT = ("mouthPucker", "browInnerUp")
"""Usual ones that landmarks answer to so faintly that a price would hold them down: what is read decides."""


RESTING = ("jawOpen", "eyeBlink", "mouthSmile", "mouthPucker", "mouthFunnel", "browInnerUp", "browOuterUp", "browDown")
"""Actions whose rest is looked for; that of the others is hidden in noise."""
CHOICES, UPPER = 3, 0.2
"""How often the picture at rest is chosen by the mouth; how much brows, lids and the head's turn count then."""


def action_prior(
    names: Sequence[str],
) -> tuple[Float[np.ndarray, "actions actions"], Float[np.ndarray, "actions"]]:
    """What the weights cost before anything is seen: a quadratic form and a price for each; both sides act alike."""
    count = len(names)
    form = 4.0 * np.eye(count)
    at = {name: i for i, name in enumerate(names)}
    for name, i in at.items():
        if name.endswith("Left") and (j := at.get(f"{name[:-4]}Right")) is not None and not name.startswith("eyeLook"):
            form[np.ix_([i, j], [i, j])] += 8.0 * np.array([[1, -1], [-1, 1]])
    for one, other in ANTAGONISTS:
        for side in ("Left", "Right") if "{}" in one + other else ("",):
            i, j = at[one.format(side)], at[other.format(side)]
            form[i, j] += 3.0
            form[j, i] += 3.0
    for stem in ("eyeLookIn", "eyeLookOut"):  # the eyes look one way
        i, j = at[f"{stem}Left"], at[f"{'eyeLookOut' if stem == 'eyeLookIn' else 'eyeLookIn'}Right"]
        form[np.ix_([i, j], [i, j])] += 30.0 * np.array([[1, -1], [-1, 1]])
    for stem in ("eyeLookUp", "eyeLookDown"):
        i, j = at[f"{stem}Left"], at[f"{stem}Right"]
        form[np.ix_([i, j], [i, j])] += 30.0 * np.array([[1, -1], [-1, 1]])
    usual = np.array([name.startswith(USUAL) for name in names])
    faint = np.array([name.startswith(FAINT) for name in names])
    form += np.diag(np.where(usual, np.where(faint, -3.0, 0.0), 20.0))
    return form, np.where(usual, np.where(faint, 0.0, 0.5), 10.0)


def _bounded(normal: np.ndarray, pull: np.ndarray, weights: np.ndarray, lowest: np.ndarray) -> np.ndarray:
    """The step that minimises the quadratic while weights + step stay in lowest..1: a few rounds of an active set."""
    count = len(weights)
    step = np.zeros(len(pull))
    held = np.zeros(len(pull), bool)
    for _ in range(6):
        free = ~held
        step[free] = np.linalg.solve(normal[np.ix_(free, free)], pull[free] - normal[np.ix_(free, held)] @ step[held])
        goal = weights + step[:count]
        out = ((goal < lowest - 1e-9) | (goal > 1 + 1e-9)) & ~held[:count]
        if not out.any():
            break
        step[:count][out] = np.clip(goal[out], lowest[out], 1) - weights[out]
        held[:count] |= out
    return step


def face_motion(
    track: Sequence[Float32[np.ndarray, "478 3"] | None],
    width: int,
    height: int,
    reading: Reading | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    crops: Sequence[UInt8[np.ndarray, "144 128"]] | None = None,
    skin: float = 1.0,
) -> FaceMotion:
    """Fit every picture's landmarks, then its skin where `crops` are given, the gray `face_crop` of each picture.

    At least one picture must show a face; `reading` has the actions of the body in the order of seen_actions().
    `skin`: how much the skin counts beside the rest.
    """
    seen = np.array([found is not None for found in track])
    spots = {i: points_of(found) for i, found in enumerate(track) if found is not None}
    if reading is None:
        reading = Reading(np.zeros((len(track), len(seen_actions().names))), np.full(len(seen_actions().names), np.inf))
    solver, shape = _settled([track[i] for i in _telling(spots)], spots, width, height, reading)
    count, precision = len(solver.actions.names), reading.deviation**-2.0
    weights = np.full((len(track), count), np.nan, np.float32)
    head = np.full((len(track), 3), np.nan, np.float32)
    miss = np.full(len(track), np.nan, np.float32)
    places: dict[int, Place] = {}
    for i in range(len(track)):
        if seen[i]:
            if i == 0 or not seen[i - 1]:
                solver.start(spots[i])
                solver.solve(spots[i], 4, reading.weights[i], precision)
            solver.solve(spots[i], 3, reading.weights[i], precision)
            weights[i], miss[i] = solver.weights, solver.miss
            head[i] = euler_from_rotation(CAMERA_FROM_WORLD_FRONT.T @ solver.rotation)
            found = track[i]
            assert found is not None
            places[i] = Place(solver.rotation, solver.translation, crop_from_picture(found))
        progress(i + 1, (2 if crops is not None else 1) * len(track))
    if crops is not None and skin > 0 and len(spots) >= 12:
        person = Skin(shape, solver.actions.names, solver.focal, solver.center)
        again = _SkinPass(solver, person, skin, spots, places, crops, reading)
        again.find_rest(weights, head)
        for i in again.frames:
            weights[i], head[i] = again.solved(i, weights[i])
            progress(len(track) + i + 1, 2 * len(track))
    return FaceMotion(solver.actions.names, bridged(weights, seen), bridged(head, seen), seen, miss)


class _SkinPass:
    """The second pass: pictures again, with the skin at rest laid onto them."""

    def __init__(
        self, solver: FaceSolver, skin: Skin, share: float, spots: dict[int, np.ndarray], places: dict[int, Place],
        crops: Sequence[np.ndarray], reading: Reading,
    ) -> None:  # fmt: skip
        self.solver, self.skin, self.share = solver, skin, share
        self.spots, self.places, self.crops, self.reading = spots, places, crops, reading
        self.frames = sorted(spots)
        self.mouth_precision, self.told_at = _lip_precision(solver.actions.names)

    def lips(self, i: int, place: Place) -> tuple[np.ndarray, np.ndarray]:
        """What the lip reader tells of picture i from the mouth, laid back with this pose; and its precision."""
        (rest, rest_view), (mouth, view) = self.skin.resting_mouth, self.skin.mouth_seen(self.crops[i], place)
        told = self.skin.doing.copy()
        told[self.told_at] += lip_reader().change(rest, mouth, np.concatenate([rest_view, view]))
        return told, self.mouth_precision

    def solved(self, i: int, start: Float[np.ndarray, "actions"]) -> tuple[np.ndarray, np.ndarray]:
        """Weights of picture i, and the head's angles: midway between what landmarks and skin show. Skin is nearer on a
        bare face, landmarks on one with glasses, which hang before the skin."""
        solver, place = self.solver, self.places[i]
        solver.rotation, solver.translation = place.rotation, place.translation
        solver.weights = start.astype(float)
        sight = SkinSight(self.skin, self.crops[i], place)
        solver.solve_with_skin(
            self.spots[i], sight, self.reading.weights[i], self.reading.deviation**-2.0, self.share,
            lambda place: self.lips(i, place),
        )  # fmt: skip
        both = [np.array(euler_from_rotation(CAMERA_FROM_WORLD_FRONT.T @ at.rotation)) for at in (place, sight.place)]
        return solver.weights, (both[0] + both[1]) / 2

    def find_rest(self, weights: Float32[np.ndarray, "frames actions"], head: Float32[np.ndarray, "frames 3"]) -> None:
        """Choose the picture at rest, and find out what little the face does there.

        As rest is not known to the landmarks, it is looked for anew: some pictures are solved against a first choice,
        with weights that may lie below it, and rest is where each action lies while the others about it are low.
        """
        solver, names = self.solver, self.solver.actions.names
        some = self.frames[:: max(1, len(self.frames) // SKIN_VIEWS)]
        sought = np.array([name.startswith(RESTING) for name in names])
        at = self._most_restful(some, weights, head)
        doing = weights[at].astype(float)
        for _ in range(SKIN_ROUNDS):
            self.skin.rest(self.crops[at], self.places[at], doing, self.spots[at])
            solver.lowest = np.where(sought, -1.0, 0.0)
            found = np.array([self.solved(i, weights[i])[0] for i in some])
            low = _resting_weights(names, found)
            missed = []
            for i, each in zip(some, found, strict=True):
                solver.rotation, solver.translation = self.places[i].rotation, self.places[i].translation
                solver.weights = each - low
                error, upright, _ = solver.errors(self.spots[i])
                missed.append(error @ upright @ solver.rotation)
            solver.still = solver.still + np.median(missed, 0)
            solver.lowest = np.zeros(len(names))
            doing = np.where(sought, np.clip(found[some.index(at)] - low, 0, 1), 0)
        self.skin.rest(self.crops[at], self.places[at], doing, self.spots[at])

    def _most_restful(self, some: list[int], weights: Float32[np.ndarray, "frames actions"], head: np.ndarray) -> int:
        """Which of some pictures does least: first by the landmarks, then, over and over, by what the lip reader tells
        beside the one chosen before: it sees pressed lips and small puckers."""
        names = self.solver.actions.names
        mouth = np.array([name.startswith(("jaw", "mouth", "tongue")) for name in names])
        above = np.array([not name.startswith("eyeLook") for name in names]) & ~mouth
        turned = 3 * np.linalg.norm(head[some] - np.median(head[self.frames], 0), axis=1)
        aside, doing = weights[some][:, above].sum(1) + turned, weights[some][:, mouth].sum(1)
        apart, less = (np.array(each)[[self.frames.index(i) for i in some]] for each in self._lips())
        at = int(np.argmin(aside + doing + 10 * apart + 30 * less))
        for _ in range(CHOICES):
            i = some[at]
            self.skin.rest(self.crops[i], self.places[i], np.zeros(len(names)), self.spots[i])
            doing = np.array([self.lips(i, self.places[i])[0].sum() for i in some])
            at = int(np.argmin(doing + UPPER * aside))
        return some[at]

    def _lips(self) -> tuple[Float[np.ndarray, "seen"], Float[np.ndarray, "seen"]]:
        """How far the lips part in each picture with a face, beyond what is least; and how much further they part
        shortly before and after: then they are pressed for a p, b or m, not at rest. Distances of the eyes."""
        points = np.stack([self.spots[i][:, :2] for i in self.frames])
        eyes, gap = (np.linalg.norm(points[:, a] - points[:, b], axis=1) for a, b in (EYES, GAP))
        apart = gap / eyes
        about = np.lib.stride_tricks.sliding_window_view(np.pad(apart, SHORTLY), SHORTLY + 1).max(1)
        less = np.minimum(about[: len(apart)], about[SHORTLY:]) - apart
        return np.maximum(apart - np.percentile(apart, 10), 0), less


def _lip_precision(names: Sequence[str]) -> tuple[Float[np.ndarray, "actions"], list[int]]:
    """How far the lip reader is to be trusted, 1 / deviation^2, 0 where it tells nothing; and where its actions are."""
    reader = lip_reader()
    at = [names.index(name) for name in reader.names]
    precision = np.zeros(len(names))
    precision[at] = LIPS * np.maximum(reader.deviation, 0.02) ** -2.0
    precision[[name.startswith(SAID_BETTER) for name in names]] = 0
    return precision, at


def _resting_weights(names: Sequence[str], found: Float[np.ndarray, "frames actions"]) -> Float[np.ndarray, "actions"]:
    """Where each action of RESTING rests: low, in the half of the pictures in which its neighbours do least."""
    low = np.zeros(len(names))
    sought = [i for i, name in enumerate(names) if name.startswith(RESTING)]
    bottom = np.percentile(found, 10, axis=0)
    for i in sought:
        if names[i].startswith("eye"):  # eyes are open most of the time
            low[i] = np.median(found[:, i])
            continue
        brow, own = names[i].startswith("brow"), names[i].replace("Left", "").replace("Right", "")
        others = [
            j for j in sought
            if names[j].startswith("brow") == brow and not names[j].startswith(("eye", own))
        ]  # fmt: skip
        doing = (found - bottom)[:, others].sum(1)
        share = LOW_PUCKER if own == "mouthPucker" else LOW
        low[i] = np.percentile(found[doing <= np.median(doing), i], share)
    return low


def _settled(
    telling: list, spots: dict[int, np.ndarray], width: int, height: int, reading: Reading
) -> tuple[FaceSolver, dict[str, float]]:
    """A solver that knows the person, identity and rest, for the lens of FOCALS that leaves the least unexplained;
    and the identity's coefficients."""
    frames = sorted(spots)
    some = {i: spots[i] for i in frames[:: max(1, len(frames) // 30)]}
    best: tuple[float, FaceSolver, dict[str, float]] | None = None
    for focal in FOCALS:
        focal_px = focal * max(width, height)
        rest, shape = _identity(telling, width, height, focal_px)
        solver = FaceSolver(rest, focal_px, (width / 2, height / 2), seen_actions())
        _settle_rest(solver, some, reading)
        misses = []
        for i, spot in some.items():
            solver.start(spot)
            solver.solve(spot, 3, reading.weights[i], reading.deviation**-2.0)
            misses.append(solver.miss)
        miss = float(np.median(misses))
        if best is None or miss < best[0]:
            best = (miss, solver, shape)
    assert best is not None
    if len(some) < len(frames):
        _settle_rest(best[1], {i: spots[i] for i in frames[:: max(1, len(frames) // 120)]}, reading)
    return best[1], best[2]


def _telling(spots: dict[int, np.ndarray]) -> list[int]:
    """Pictures to fit the identity on: the sharpest spread over the clip that look at the camera, mouth nearly shut."""
    frames = np.array(list(spots))
    points = np.stack([spots[i] for i in frames])
    eyes = np.linalg.norm(points[:, 33] - points[:, 263], axis=1)
    gap = np.linalg.norm(points[:, 13] - points[:, 14], axis=1) / eyes
    middle = np.abs(points[:, 1, 0] - (points[:, 33, 0] + points[:, 263, 0]) / 2) / eyes
    cost = gap + 0.5 * middle
    chosen = []
    for part in np.array_split(np.arange(len(frames)), min(IDENTITY_VIEWS, len(frames))):
        chosen.append(int(frames[part[cost[part].argmin()]]))
    return chosen


def _identity(
    found: list, width: int, height: int, focal_px: float
) -> tuple[Float[np.ndarray, "470 3"], dict[str, float]]:
    """The person's landmarks at rest, head frame, and shape."""
    head = linear_head()
    identity = fit_identity(found, width, height, focal_px)
    shape = {name: float(value) for name, value in zip(head.names, identity, strict=False) if abs(value) > 1e-4}
    return head.mean + head.basis[:, :, : head.identities] @ identity, shape


def _settle_rest(solver: FaceSolver, spots: dict[int, np.ndarray], reading: Reading) -> None:
    """Find out the solver's `still`: where this person's landmarks lie while the face rests.

    First the mean face of these pictures is taken for rest; then some actions may lie below it, and the lowest
    fifth of each is where it rests.
    """
    solver.still = np.zeros((POINTS, 3))

    def missed_by(follow: Callable[[int], None]) -> np.ndarray:
        missed = []
        for i in spots:
            follow(i)
            error, upright, _ = solver.errors(spots[i])
            missed.append(error @ upright @ solver.rotation)
        return np.median(np.array(missed), 0)

    for _ in range(2):  # the mean face, whatever it does
        solver.still = solver.still + missed_by(lambda i: solver.start(spots[i]))
    names = solver.actions.names
    solver.lowest = np.array([-1.0 * name.startswith(RESTING) for name in names])
    found: list[np.ndarray] = []

    def follow(i: int) -> None:
        solver.start(spots[i])
        solver.solve(spots[i], 3, reading.weights[i], reading.deviation**-2.0)
        found.append(solver.weights.copy())

    left = missed_by(follow)
    usual = [50 if name.startswith("eye") else 20 for name in names]  # eyes are open most of the time
    low = np.array([np.percentile(column, share) for column, share in zip(np.array(found).T, usual, strict=True)])
    solver.still = solver.still + left + solver.actions.moves @ np.where(solver.lowest < 0, np.minimum(low, 0), 0)
    solver.lowest = np.zeros(len(names))


def bridged(
    rows: Float32[np.ndarray, "frames columns"], seen: Bool[np.ndarray, "frames"]
) -> Float32[np.ndarray, "frames columns"]:
    """Rows with those that were not seen filled in: a smooth passage between the neighbours, the ends held."""
    if seen.all():
        return rows
    filled = rows.copy()
    known = np.flatnonzero(seen)
    for gap in np.split(np.flatnonzero(~seen), np.flatnonzero(np.diff(np.flatnonzero(~seen)) > 1) + 1):
        before, after = known[known < gap[0]], known[known > gap[-1]]
        first = rows[before[-1]] if len(before) else rows[after[0]]
        last = rows[after[0]] if len(after) else first
        part = (np.arange(len(gap)) + 1) / (len(gap) + 1)
        part = (part * part * (3 - 2 * part))[:, None]
        filled[gap] = first * (1 - part) + last * part
    return filled

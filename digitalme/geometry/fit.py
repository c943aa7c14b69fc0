"""Fit the body model's head to a portrait's landmarks: camera, pose, identity and expression together.

The landmarks are linear in the model's coefficients, so a damped Gauss-Newton iteration with analytic derivatives
(Levenberg 1944, Marquardt 1963) and iteratively reweighted residuals (the log loss of Black and Anandan 1996) needs
some thirty small linear solves. Several photos of one person share the identity and keep the rest apart.

What may look like identity but is expression is steered by priors: shapes of the mouth and cheeks are tight, and a
penalty keeps the lips of the neutral face shut, so that a smile goes where it can be left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Float32
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree

from digitalme.artifacts.likeness import Camera
from digitalme.artifacts.portrait import Portrait
from digitalme.body import landmarks as marks
from digitalme.body.landmarks import landmark_drift, landmark_points, landmark_table
from digitalme.body.model import load_body
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, euler_from_rotation

FACE_PREFIXES = (
    "cheek", "l-cheek", "r-cheek", "chin", "eyebrows", "l-eye", "r-eye", "forehead", "head", "mouth", "nose", "neck",
)  # fmt: skip
"""Local changes that a face seen from the front can tell; ears and what is below the neck stay as they are."""
PHENOTYPES = (
    "gender-", "gender+", "age-", "age+", "weight-", "weight+", "muscle-", "muscle+", "african", "asian", "caucasian",
)  # fmt: skip
EYE_SPAN = 0.090
"""Distance of the outer eye corners of the template, metres: turns pixels into a first guess of the distance."""
NOISE = 0.0015
"""Landmark noise that residuals are measured in, metres on the face."""
IRIS_WEIGHT = 0.5
SHUT = 0.0035
"""Metres between the lids below which an eye hides where it looks."""
RIGID = {"eye_left": marks.EYE_LEFT, "eye_right": marks.EYE_RIGHT, "teeth_upper": (13, 82, 312),
         "teeth_lower": (14, 87, 317), "tongue": (14, 87, 317)}  # fmt: skip
"""Parts that move as a piece, and the landmarks that they go along with."""


@dataclass(frozen=True)
class FittedHead:
    """A head that explains a portrait: identity and expression apart, and where the camera stood."""

    shape: dict[str, float]
    """Identity: phenotype and local coefficients."""
    expression: dict[str, float]
    """Actions seen in the photo, 0..1."""
    camera: Camera
    """Pixels of the portrait; the head stays at the body model's place."""
    residual: Float32[np.ndarray, "vertices 3"]
    """Displacement in the picture's plane that brings the landmarks onto the photo's, metres."""
    rms_mm: float
    """Distance of the trusted landmarks from the photo's before the residual, at the fitted head's scale."""
    relief: Float32[np.ndarray, "vertices 3"] | None = None
    """Identity beyond the model's shapes, metres; None: none."""

    def vertices(self, with_expression: bool = True, with_residual: bool = True) -> Float[np.ndarray, "vertices 3"]:
        """Vertices of the body model, world frame, metres."""
        weights = self.shape | (self.expression if with_expression else {})
        vertices = load_body().vertices(weights)
        if self.relief is not None:
            vertices = vertices + self.relief
        return vertices + self.residual if with_residual else vertices


@dataclass(frozen=True)
class _LinearHead:
    """The landmarks (and iris centres) as a linear function of the coefficients."""

    names: tuple[str, ...]
    identities: int
    """The first so many names are identity, the others actions."""
    mean: np.ndarray
    """(470, 3) relative to the head's centre."""
    basis: np.ndarray
    """(470, 3, names)."""
    weight: np.ndarray
    """(470,) trust in each."""
    precision: np.ndarray
    """(names, names) of the Gaussian prior, lip penalty included."""


def _prior_sigma(name: str) -> float:
    """How far a coefficient may reasonably go. Mouth and cheek shapes are tight: they mimic a smile."""
    smile_like = ("angles", "dimples", "laugh", "lowerlip-middle", "upperlip-middle", "lowerlip-ext", "upperlip-ext")
    if name in PHENOTYPES:
        return 0.5
    if name.startswith("mouth"):
        return 0.1 if any(part in name for part in (*smile_like, "trans-out")) else 0.2
    if name.endswith(("head-trans-out", "head-angle-out", "nose-trans-out", "neck-trans-out")):
        return 0.1  # lopsided by nature
    if "cheek" in name:
        return 0.12
    if name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        return 0.15
    if name.startswith("head"):
        return 0.15  # the skull hides under hair: landmarks of the forehead alone would flatten it
    return 0.5 if name in load_body().names("action") else 0.25


def _mirrored(name: str) -> str | None:
    """The shape or action that does the same on the other side; the eyes look one way, so out goes with in."""
    if name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        return None
    if name[:2] in ("l-", "r-"):
        return ("r-" if name[0] == "l" else "l-") + name[2:]
    for side, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(side):
            stem = name[: -len(side)]
            return {"eyeLookIn": "eyeLookOut", "eyeLookOut": "eyeLookIn"}.get(stem, stem) + other
    return None


@lru_cache(maxsize=1)
def _linear_head() -> _LinearHead:
    body, table = load_body(), landmark_table()
    identity = (*PHENOTYPES, *(n for n in body.names("local") if n.startswith(FACE_PREFIXES)))
    names = (*identity, *body.names("action"))
    irises = [iris_vertices(side) for side in ("right", "left")]
    used = np.unique(np.concatenate([table.triangles.ravel(), table.lip_upper, table.lip_lower, *irises]))
    rows = (used[:, None] * 3 + np.arange(3)).ravel()
    columns = [body.shape_names.index(name) for name in names]
    moved = np.asarray(body.basis.tocsr()[rows][:, columns].todense()).reshape(len(used), 3, -1)
    where = np.full(len(body.template), -1)
    where[used] = np.arange(len(used))

    def at(points: np.ndarray) -> np.ndarray:
        surface = np.einsum("lk...,lk->l...", points[where[table.triangles]], table.weights)
        return np.concatenate([surface, *(points[where[ids]].mean(0, keepdims=True) for ids in irises)])

    precision = np.diag([1.5 / _prior_sigma(name) ** 2 for name in names])
    for i, name in enumerate(names):  # a face is nearly symmetric: the difference of left and right is small
        other = _mirrored(name)
        if other in names[i + 1 :]:
            j = names.index(other)
            precision[np.ix_([i, j], [i, j])] += 1.5 / 0.25**2 * np.array([[1, -1], [-1, 1]])
    gap = (moved[where[table.lip_upper]] - moved[where[table.lip_lower]]).reshape(-1, len(names))
    gap = gap[:, : len(identity)] / 0.0004
    precision[: len(identity), : len(identity)] += 0.15 * 15 / len(table.lip_upper) * gap.T @ gap
    return _LinearHead(
        names=names,
        identities=len(identity),
        mean=at(body.template[used].astype(np.float64)) - body.head_center,
        basis=at(moved.astype(np.float64)),
        weight=np.r_[table.trusted.astype(float), IRIS_WEIGHT, IRIS_WEIGHT],
        precision=precision,
    )


@dataclass(frozen=True)
class ShapePrior:
    """What the fit holds likely of identity and expression: a Gaussian about the mean face at rest."""

    names: tuple[str, ...]
    identities: int
    """The first so many names are identity, the others actions."""
    precision: Float[np.ndarray, "names names"]


def shape_prior() -> ShapePrior:
    """The prior of the fit, for those who go on from it."""
    head = _linear_head()
    return ShapePrior(head.names, head.identities, head.precision)


def iris_vertices(side: str) -> np.ndarray:
    """The foremost vertices of an eyeball: their mean is the middle of the iris."""
    body = load_body()
    front = np.unique(body.parts[f"eye_{side}"].faces[: body.eye_front_faces])
    return front[np.argsort(-body.template[front, 2])[:5]]


class _View:
    """One photo's part of the problem: its landmarks, pose and expression."""

    def __init__(self, found: Float32[np.ndarray, "478 3"], width: int, height: int, focal_px: float) -> None:
        head = _linear_head()
        spots = found[:, :2].astype(np.float64)
        self.seen = np.concatenate([spots[: marks.COUNT], spots[[marks.IRIS_RIGHT[0], marks.IRIS_LEFT[0]]]])
        self.height, self.width = height, width
        self.focal, self.center = focal_px, np.array([width, height]) / 2
        # the longer of eye line and face height, so that a turned head is not taken for a distant one
        right, left, top, chin = (spots[i] for i in (33, 263, marks.FOREHEAD_TOP, marks.CHIN))
        span = max(np.linalg.norm(left - right), np.linalg.norm(top - chin) * EYE_SPAN / 0.155)
        self.noise_px = NOISE * span / EYE_SPAN
        self.weights = head.weight.copy()
        roll = np.arctan2(*(left - right)[::-1])
        self.rotation = cv2.Rodrigues(np.array([0, 0, roll]))[0] @ CAMERA_FROM_WORLD_FRONT
        depth = self.focal * EYE_SPAN / span
        self.translation = np.r_[(self.seen.mean(0) - self.center) * depth / self.focal, depth]
        self.expression = np.zeros(len(head.names) - head.identities)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Head-centred landmarks to where the detector would see them, pixels; also their place in the camera frame."""
        seen = points @ self.rotation.T + self.translation
        drift = np.concatenate([landmark_drift(self.rotation), np.zeros((2, 2))])
        return self.focal * (seen[:, :2] + drift) / seen[:, 2:] + self.center, seen

    def linearised(self, identity: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Weighted Jacobian (2 * 470, names + 6), weighted residual and the robust loss, in units of the noise."""
        head = _linear_head()
        points = head.mean + head.basis @ np.r_[identity, self.expression]
        pixels, seen = self.project(points)
        error = (pixels - self.seen) / self.noise_px
        squared = (error**2).sum(1)
        loss = float((self.weights * 4 * np.log1p(squared / 4)).sum())
        root = np.sqrt(self.weights / (1 + squared / 4))
        depth = seen[:, 2]
        slope = np.zeros((len(points), 2, 3))
        slope[:, 0, 0] = slope[:, 1, 1] = self.focal / depth
        slope[:, :, 2] = -self.focal * seen[:, :2] / depth[:, None] ** 2
        slope *= (root / self.noise_px)[:, None, None]
        arm = seen - self.translation
        x, y, z = arm.T
        zero = np.zeros(len(arm))
        turning = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], -1).reshape(-1, 3, 3)  # d(w x arm) / dw
        jacobian = np.concatenate([(slope @ self.rotation) @ head.basis, slope @ turning, slope], -1)
        return jacobian.reshape(-1, jacobian.shape[-1]), (error * root[:, None]).ravel(), loss

    def loss(self, identity: np.ndarray) -> float:
        head = _linear_head()
        pixels, _ = self.project(head.mean + head.basis @ np.r_[identity, self.expression])
        squared = (((pixels - self.seen) / self.noise_px) ** 2).sum(1)
        return float((self.weights * 4 * np.log1p(squared / 4)).sum())

    def state(self) -> tuple:
        return self.rotation, self.translation, self.expression

    def moved(self, state: tuple, expression_step: np.ndarray, pose_step: np.ndarray) -> None:
        rotation, translation, expression = state
        self.rotation = cv2.Rodrigues(pose_step[:3])[0] @ rotation
        self.translation = translation + pose_step[3:]
        self.translation[2] = max(self.translation[2], 0.1)
        self.expression = np.clip(expression + expression_step, 0, 1)


def fit_head(portrait: Portrait) -> FittedHead:
    """Fit one portrait; see `fit_heads`."""
    return fit_heads([portrait])[0]


def fit_heads(portraits: list[Portrait], iterations: int = 40) -> list[FittedHead]:
    """Fit several portraits of one person: one identity, and for each its own camera, pose and expression."""
    views = [_View(p.landmarks, p.image.shape[1], p.image.shape[0], p.focal_px) for p in portraits]
    for view in views:
        _settle_pose(view)
    identity = _solve(views, iterations)
    return [_finished(view, identity) for view in views]


def fit_landmarks(landmarks: Float32[np.ndarray, "478 3"], width: int, height: int, focal_px: float) -> FittedHead:
    """Fit a head of which nothing but landmarks are known: those of a drawing."""
    view = _View(landmarks, width, height, focal_px)
    _settle_pose(view)
    return _finished(view, _solve([view], 40))


def face_angles(
    landmarks: Float32[np.ndarray, "478 3"], width: int, height: int, focal_px: float
) -> tuple[float, float, float]:
    """(pitch, yaw, roll) of a head towards its camera, from the mean face; radians, as in digitalme.spaces."""
    view = _View(landmarks, width, height, focal_px)
    _settle_pose(view)
    return euler_from_rotation(CAMERA_FROM_WORLD_FRONT.T @ view.rotation)


def mean_landmarks(points: Float[np.ndarray, "4 2"]) -> Float32[np.ndarray, "478 3"]:
    """The mean face's landmarks where right eye, left eye, tip of the nose and middle of the mouth lie at `points`.

    For pictures in which no landmarks are found: the nearest similarity (Umeyama 1991) from the front.
    """
    template = load_body().template.astype(np.float64)
    irises = [np.repeat(template[iris_vertices(side)].mean(0, keepdims=True), 5, 0) for side in ("right", "left")]
    for iris in irises:
        iris[1:] += 0.0058 * np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    seen = np.concatenate([landmark_points(template), *irises]) * [1, -1, -1]
    known = np.stack([seen[ids, :2].mean(0) for ids in ([33, 133], [362, 263], [1], [13, 14])])
    middle, target = known.mean(0), points.mean(0)
    a, b = (known - middle) @ [1, 1j], (points - target) @ [1, 1j]
    turn = (np.conj(a) @ b) / (np.conj(a) @ a)  # a rotation and a scale as one complex number
    flat = (seen[:, :2] - middle) @ [1, 1j] * turn
    place = np.stack([flat.real, flat.imag], 1) + target
    return np.c_[place, (seen[:, 2] - seen[:468, 2].mean()) * abs(turn)].astype(np.float32)


def camera_of_shape(portrait: Portrait, shape: dict[str, float]) -> tuple[Camera, float]:
    """The camera that sees a head of known shape as the portrait shows it, and the landmarks' rms miss, mm."""
    vertices = load_body().vertices(shape)
    points, seen = landmark_points(vertices), portrait.landmarks[: marks.COUNT, :2].astype(np.float64)
    used = landmark_table().trusted
    height, width = portrait.image.shape[:2]
    intrinsic = np.array([[portrait.focal_px, 0, width / 2], [0, portrait.focal_px, height / 2], [0, 0, 1.0]])
    _, turn, move = cv2.solvePnP(points[used], seen[used], intrinsic, None, flags=cv2.SOLVEPNP_SQPNP)
    _, turn, move = cv2.solvePnP(points[used], seen[used], intrinsic, None, turn, move, True)
    camera = Camera(portrait.focal_px, width, height, np.c_[cv2.Rodrigues(turn)[0], move])
    found = camera.project(points)[used]
    away = np.linalg.norm(found[:, :2] - seen[used], axis=1) * found[:, 2] / portrait.focal_px
    return camera, float(np.sqrt((away**2).mean()) * 1000)


def _settle_pose(view: _View) -> None:
    """Pose alone, for the mean face, so that the joint iteration starts near."""
    mean = np.zeros(_linear_head().identities)
    nothing = np.zeros_like(view.expression)
    for _ in range(12):
        jacobian, error, _ = view.linearised(mean)
        pose = jacobian[:, -6:]
        step = -np.linalg.solve(pose.T @ pose + 1e-6 * np.eye(6), pose.T @ error)
        view.moved(view.state(), nothing, step)
        if np.abs(step).max() < 1e-5:
            return


def _solve(views: list[_View], iterations: int) -> np.ndarray:
    """Levenberg-Marquardt over [identity | expression and pose of each view], actions kept in 0..1."""
    head = _linear_head()
    n, m = head.identities, len(head.names) - head.identities
    size = n + len(views) * (m + 6)
    blocks = [np.arange(n + k * (m + 6), n + (k + 1) * (m + 6)) for k in range(len(views))]
    prior = np.zeros((size, size))
    prior[:n, :n] = head.precision[:n, :n]
    for block in blocks:
        prior[np.ix_(block[:m], block[:m])] = head.precision[n:, n:]
    identity, damping = np.zeros(n), 1e-2

    def stacked() -> np.ndarray:
        return np.concatenate([identity, *(np.r_[view.expression, np.zeros(6)] for view in views)])

    def total(values: np.ndarray) -> float:
        return sum(view.loss(identity) for view in views) + float(values @ prior @ values)

    before = total(stacked())
    for _ in range(iterations):
        values = stacked()
        normal, pull = prior.copy(), prior @ values
        for view, block in zip(views, blocks, strict=True):
            jacobian, error, _ = view.linearised(identity)
            columns = np.r_[np.arange(n), block]
            normal[np.ix_(columns, columns)] += jacobian.T @ jacobian
            pull[columns] += jacobian.T @ error
        # an action at its bound whose step would leave the range is held there
        actions = np.zeros(size, bool)
        for block in blocks:
            actions[block[:m]] = True
        free = ~(actions & (((values <= 0) & (pull > 0)) | ((values >= 1) & (pull < 0))))
        states, start = [view.state() for view in views], identity
        while damping < 1e6:
            step = np.zeros(size)
            damped = normal[np.ix_(free, free)] + damping * np.diag(np.diag(normal)[free])
            step[free] = -np.linalg.solve(damped, pull[free])
            identity = np.clip(start + step[:n], -1.2, 1.2)
            for view, state, block in zip(views, states, blocks, strict=True):
                view.moved(state, step[block[:m]], step[block[m:]])
            after = total(stacked())
            if after <= before:
                damping = max(damping / 5, 1e-5)
                break
            damping *= 5
        else:  # no step of any length helps: this is the minimum
            identity = start
            for view, state in zip(views, states, strict=True):
                view.rotation, view.translation, view.expression = state
            break
        if before - after < 1e-4 * after:
            break
        before = after
    return identity


def _finished(view: _View, identity: np.ndarray) -> FittedHead:
    head, body = _linear_head(), load_body()
    names, n = head.names, head.identities
    shape = {name: float(value) for name, value in zip(names, identity, strict=False) if abs(value) > 1e-4}
    expression = {name: float(v) for name, v in zip(names[n:], view.expression, strict=True) if v > 1e-3}
    move = view.translation - view.rotation @ body.head_center.astype(float)
    camera = Camera(view.focal, view.width, view.height, np.c_[view.rotation, move])
    laid = laid_onto_seen(view.seen[: marks.COUNT], shape, expression, camera, None)
    looking = {name: weight for name, weight in (expression | gaze_of(laid, view.seen)).items() if weight > 1e-3}
    return laid_onto_seen(view.seen[: marks.COUNT], shape, looking, camera, None)


def gaze_of(head: FittedHead, seen: Float[np.ndarray, "470 2"]) -> dict[str, float]:
    """The eyeLook actions with which both irises stand where they are seen: landmarks of the skin, then the middles of
    the right and left iris. The eyeballs went along with the lids when the head was laid onto the landmarks.

    Of an eye that is nearly shut nothing is said.
    """
    body, vertices, told = load_body(), head.vertices(), {}
    for side, iris, (above, below) in (("right", seen[-2], (159, 145)), ("left", seen[-1], (386, 374))):
        front = iris_vertices(side)
        x, y, depth = head.camera.project(vertices[front].mean(0, keepdims=True))[0]
        metres = depth / head.camera.focal_px
        if np.linalg.norm(seen[above] - seen[below]) * metres < SHUT:
            continue
        rotation = head.camera.camera_from_world[:, :3]
        away = np.array([iris[0] - x, iris[1] - y]) * metres
        name = side.capitalize()
        ways = [(f"eyeLookOut{name}", f"eyeLookIn{name}"), (f"eyeLookUp{name}", f"eyeLookDown{name}")]
        slope = np.stack(
            [(body.displacement(one)[front] - body.displacement(other)[front]).mean(0) / 2 for one, other in ways], 1
        )
        turn = np.linalg.solve((rotation @ slope)[:2], away)
        for (one, other), more in zip(ways, turn, strict=True):
            weight = head.expression.get(one, 0.0) - head.expression.get(other, 0.0) + float(more)
            told[one], told[other] = float(np.clip(weight, 0, 1)), float(np.clip(-weight, 0, 1))
    return told


def laid_onto(
    portrait: Portrait,
    shape: dict[str, float],
    expression: dict[str, float],
    camera: Camera,
    relief: Float[np.ndarray, "vertices 3"] | None,
) -> FittedHead:
    """A head that was fitted otherwise, with the residual that lays it onto a portrait's landmarks."""
    seen = portrait.landmarks[: marks.COUNT, :2].astype(np.float64)
    return laid_onto_seen(seen, shape, expression, camera, relief)


def laid_onto_seen(
    spots: Float[np.ndarray, "468 2"],
    shape: dict[str, float],
    expression: dict[str, float],
    camera: Camera,
    relief: Float[np.ndarray, "vertices 3"] | None,
) -> FittedHead:
    """The same from the landmarks' places in the picture."""
    vertices = load_body().vertices(shape | expression)
    if relief is not None:
        vertices = vertices + relief
    points = camera.project(landmark_points(vertices))
    seen = spots - landmark_drift(camera.camera_from_world[:, :3]) * camera.focal_px / points[:, 2:]
    away = np.linalg.norm(points[:, :2] - seen, axis=1) * points[:, 2] / camera.focal_px
    rms = float(np.sqrt((away[landmark_table().trusted] ** 2).mean()) * 1000)
    residual = _residual(vertices, camera, seen)
    relief = None if relief is None else relief.astype(np.float32)
    return FittedHead(shape, expression, camera, residual.astype(np.float32), rms, relief)


def _residual(vertices: np.ndarray, camera: Camera, seen: np.ndarray) -> np.ndarray:
    """Smooth displacement parallel to the picture that carries the landmarks onto `seen` (468, 2), metres.

    A linear radial basis interpolates the landmarks' misses; upper and lower lip are warped apart, because their
    landmarks lie close together and move against each other. It fades out 15 mm beyond the landmarks.
    """
    body, table = load_body(), landmark_table()
    points = landmark_points(vertices)
    pixels = camera.project(points)
    miss = seen - pixels[:, :2]
    lift = np.c_[miss * pixels[:, 2:] / camera.focal_px, np.zeros(len(miss))] @ camera.camera_from_world[:, :3]
    size = np.linalg.norm(miss, axis=1)
    keep = table.trusted & (size < 1.5 * np.percentile(size, 99))
    keep[[*marks.LIP_INNER_UPPER, *marks.LIP_INNER_LOWER]] = True
    away, _ = cKDTree(points[keep]).query(vertices)
    near = away < 0.045
    fade = np.exp(-((np.clip(away - 0.008, 0, None) / 0.015) ** 2))
    lower = body.displacement("jawOpen")[:, 1] < -0.006
    moved = np.zeros_like(vertices)
    for these, other_lip in ((near & ~lower, marks.LIP_LOWER), (near & lower, marks.LIP_UPPER)):
        used = keep.copy()
        used[list(other_lip)] = False
        warp = RBFInterpolator(points[used] * 1000, lift[used] * 1000, smoothing=0.3, kernel="linear")
        moved[these] = warp(vertices[these] * 1000) / 1000 * fade[these, None]
    # what is rigid or hidden goes along as a piece
    for part, indices in RIGID.items():
        moved[body.parts[part].vertex_ids] = lift[list(indices)].mean(0)
    return moved


def linear_head() -> _LinearHead:
    """The landmarks as a linear function of identity and actions, for those who go on from here."""
    return _linear_head()


def fit_identity(
    found: list[Float32[np.ndarray, "478 3"]], width: int, height: int, focal_px: float
) -> Float[np.ndarray, "identities"]:
    """The identity coefficients of one person seen in several pictures of one size, in the order of `linear_head`."""
    views = [_View(landmarks, width, height, focal_px) for landmarks in found]
    for view in views:
        _settle_pose(view)
    return _solve(views, 25)

"""fit_heads on people of the model's own: landmarks projected with noise, so that the true head and camera are known.

Errors are mean vertex distances over the front of the head after a similarity alignment, and stand beside those of
the mean face.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from digitalme.artifacts import Camera, Portrait
from digitalme.body import landmarks as marks
from digitalme.body.landmarks import landmark_drift, landmark_points, landmark_table, lip_gap
from digitalme.body.model import load_body
from digitalme.geometry.fit import FACE_PREFIXES, FittedHead, face_angles, fit_head, fit_heads, iris_vertices
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler

WIDTH, HEIGHT = 900, 1000
NEUTRAL: dict[str, float] = {}
SMILE = {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7, "jawOpen": 0.1, "cheekSquintLeft": 0.3, "cheekSquintRight": 0.3}


def random_identity(rng: np.random.Generator) -> dict[str, float]:
    body = load_body()
    shape = {name: rng.normal(0, 0.25) for name in body.names("local") if name.startswith(FACE_PREFIXES)}
    for name in shape:
        if name.startswith("r-"):
            shape[name] = shape["l-" + name[2:]] + rng.normal(0, 0.05)
        if name.startswith("mouth") or "cheek" in name:
            shape[name] *= 0.5
        if "trans-out" in name and name[1] != "-":
            shape[name] *= 0.2
    shape |= {kind + rng.choice(["-", "+"]): rng.uniform(0, 0.5) for kind in ("gender", "age", "weight", "muscle")}
    return shape | {str(rng.choice(["african", "asian", "caucasian"])): rng.uniform(0, 1)}


def photographed(
    shape: dict[str, float],
    expression: dict[str, float],
    rng: np.random.Generator,
    yaw: float = 0.0,
    noise_mm: float = 1.0,
) -> tuple[Portrait, Camera]:
    """A portrait with landmarks only, and the camera that took it."""
    body = load_body()
    vertices = body.vertices(shape | expression).astype(float)
    rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(rng.normal(0, 0.08), yaw, rng.normal(0, 0.08))
    focal, depth = 1300.0, rng.uniform(0.6, 0.9)
    middle = body.head_center + [rng.normal(0, 0.02), 0, 0]
    camera = Camera(focal, WIDTH, HEIGHT, np.c_[rotation, -rotation @ middle + [0, 0, depth]])
    irises = [vertices[iris_vertices(side)].mean(0) for side in ("right", "left")]
    spots, far = np.split(camera.project(np.concatenate([landmark_points(vertices), irises])), [2], 1)
    spots[: marks.COUNT] += landmark_drift(rotation) * focal / far[: marks.COUNT]  # as the detector would see them
    spots += rng.normal(0, noise_mm / 1000 * focal / depth, spots.shape)
    found = np.zeros((478, 3), np.float32)
    found[: marks.COUNT, :2] = spots[: marks.COUNT]
    found[[marks.IRIS_RIGHT[0], marks.IRIS_LEFT[0]], :2] = spots[marks.COUNT :]
    nothing, grey = np.zeros((HEIGHT, WIDTH), np.float32), (0.5, 0.5, 0.5)
    portrait = Portrait(
        image=np.zeros((HEIGHT, WIDTH, 3), np.uint8), landmarks=found, person=nothing, hair=nothing, skin=nothing,
        focal_px=focal, original_from_image=np.eye(2, 3, dtype=np.float32), skin_color=grey, hair_color=grey,
        iris_color=grey, lip_color=grey, brow_color=grey, quality={}, traits={},
    )  # fmt: skip
    return portrait, camera


def regions() -> dict[str, np.ndarray]:
    """Vertices of the face, and of parts of it."""
    body = load_body()
    head = body.parts["head"].vertex_ids
    x, y, z = body.template[head].T
    near_eyes = (np.abs(np.abs(x) - 0.031) < 0.025) & (np.abs(y - 1.722) < 0.018) & (z > 0.11)
    return {
        "face": head[(z > 0.06) & (y > 1.60)],
        "nose": head[(np.abs(x) < 0.022) & (y > 1.66) & (y < 1.725) & (z > 0.14)],
        "jaw": head[(y < 1.65) & (y > 1.60) & (z > 0.06)],
        "eyes": head[near_eyes],
    }


def errors_mm(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Mean distance in mm per region, after the similarity that best aligns the faces (Umeyama 1991)."""
    face = regions()["face"]
    a, b = found[face], true[face]
    u, stretch, vt = np.linalg.svd((b - b.mean(0)).T @ (a - a.mean(0)))
    scale = stretch.sum() / ((a - a.mean(0)) ** 2).sum()
    aligned = scale * (found - a.mean(0)) @ (u @ vt).T + b.mean(0)
    return {name: np.linalg.norm((aligned - true)[ids], axis=1).mean() * 1000 for name, ids in regions().items()}


def test_identity_is_found_better_than_the_mean_face():
    rng, body = np.random.default_rng(0), load_body()
    found, mean = [], []
    for person in range(8):
        shape = random_identity(rng)
        portrait, _ = photographed(shape, SMILE if person % 2 else NEUTRAL, rng, yaw=rng.normal(0, 0.2))
        true = body.vertices(shape)
        found.append(errors_mm(fit_head(portrait).vertices(False, False), true)["face"])
        mean.append(errors_mm(body.template, true)["face"])
    assert np.mean(found) < 0.6 * np.mean(mean), f"{np.mean(found):.2f} mm, mean face {np.mean(mean):.2f} mm"
    assert np.mean(found) < 1.8


def test_nine_photos_beat_three_beat_one():
    rng, body = np.random.default_rng(1), load_body()
    errors = {count: [] for count in (1, 3, 9)}
    for _ in range(4):
        shape = random_identity(rng)
        photos = [
            photographed(shape, SMILE if i % 3 == 1 else NEUTRAL, rng, yaw=yaw)[0]
            for i, yaw in enumerate(np.radians([0, -30, 30, -15, 15, -45, 45, 8, -8]))
        ]
        for count, values in errors.items():
            fitted = fit_heads(photos[:count])
            assert all(head.shape == fitted[0].shape for head in fitted), "one person, one identity"
            values.append(errors_mm(fitted[0].vertices(False, False), body.vertices(shape))["face"])
    one, three, nine = (np.mean(errors[count]) for count in (1, 3, 9))
    assert nine < three < one
    assert nine < 0.6 * one


def test_camera_is_recovered():
    rng = np.random.default_rng(2)
    for yaw in (-0.3, 0.0, 0.4):
        portrait, camera = photographed(random_identity(rng), NEUTRAL, rng, yaw=yaw)
        found = fit_head(portrait).camera
        turned = found.camera_from_world[:, :3] @ camera.camera_from_world[:, :3].T
        assert np.arccos(np.clip((np.trace(turned) - 1) / 2, -1, 1)) < np.radians(4)
        away = np.linalg.norm(camera.position - load_body().head_center)
        assert np.linalg.norm(found.position - camera.position) < 0.12 * away
        np.testing.assert_allclose(
            found.camera_from_world[:, :3] @ found.camera_from_world[:, :3].T, np.eye(3), atol=1e-9
        )


def test_a_smile_goes_to_the_expression():
    """The same person neutral and smiling is nearly one identity, and the neutral lips stay shut."""
    rng = np.random.default_rng(3)
    for _ in range(3):
        shape = random_identity(rng)
        rest = fit_head(photographed(shape, NEUTRAL, rng, noise_mm=0.5)[0])
        smile = fit_head(photographed(shape, SMILE, rng, noise_mm=0.5)[0])
        assert smile.expression["mouthSmileLeft"] > 0.35
        assert rest.expression.get("mouthSmileLeft", 0) < 0.15
        lips = [*marks.LIPS_OUTER, *marks.LIPS_INNER]
        moved = landmark_points(smile.vertices(False, False)) - landmark_points(rest.vertices(False, False))
        moved = moved[lips] - moved[lips].mean(0)
        true = landmark_points(load_body().vertices(SMILE) - load_body().template)[lips]
        assert np.linalg.norm(moved, axis=1).mean() < 0.35 * np.linalg.norm(true, axis=1).mean()
        closed = np.linalg.norm(lip_gap(load_body().template), axis=1).mean()
        assert np.linalg.norm(lip_gap(smile.vertices(False, False)), axis=1).mean() < closed + 0.0004


def test_expressions_stay_in_their_range():
    rng = np.random.default_rng(4)
    fitted = fit_head(photographed(random_identity(rng), {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}, rng)[0])
    assert all(0 < weight <= 1 for weight in fitted.expression.values())
    assert min(fitted.expression["eyeBlinkLeft"], fitted.expression["eyeBlinkRight"]) > 0.6
    assert set(fitted.expression) <= set(load_body().names("action"))
    assert not set(fitted.shape) & set(load_body().names("action"))


def test_wild_landmarks_are_ignored():
    rng, body = np.random.default_rng(5), load_body()
    shape = random_identity(rng)
    portrait, _ = photographed(shape, NEUTRAL, rng)
    clean = fit_head(portrait)
    wrong = rng.choice(marks.COUNT, 25, replace=False)
    portrait.landmarks[wrong, :2] += rng.normal(0, 60, (25, 2)).astype(np.float32)
    spoilt = fit_head(portrait)
    moved = np.linalg.norm(clean.vertices(False, False) - spoilt.vertices(False, False), axis=1)[regions()["face"]]
    assert moved.mean() < 0.0012
    assert errors_mm(spoilt.vertices(False, False), body.vertices(shape))["face"] < 2.2


def test_residual_brings_the_landmarks_home_and_stays_in_the_pictures_plane():
    rng = np.random.default_rng(6)
    portrait, _ = photographed(random_identity(rng), SMILE, rng, yaw=0.2)
    fitted = fit_head(portrait)
    trusted, camera = landmark_table().trusted, fitted.camera
    drift = landmark_drift(camera.camera_from_world[:, :3])

    def miss(vertices) -> float:
        points = camera.project(landmark_points(vertices))
        seen = points[:, :2] + drift * camera.focal_px / points[:, 2:]
        return np.linalg.norm(seen - portrait.landmarks[: marks.COUNT, :2], axis=1)[trusted].mean()

    assert miss(fitted.vertices()) < 0.5 * miss(fitted.vertices(with_residual=False))
    along = fitted.residual @ fitted.camera.camera_from_world[2, :3]
    assert np.abs(along).max() < 1e-6
    below = load_body().template[:, 1] < 1.5
    assert np.abs(fitted.residual[below]).max() < 1e-6


def test_rms_is_the_landmarks_distance_in_millimetres():
    rng = np.random.default_rng(7)
    shape = random_identity(rng)
    quiet = fit_head(photographed(shape, NEUTRAL, rng, noise_mm=0.1)[0]).rms_mm
    noisy = fit_head(photographed(shape, NEUTRAL, rng, noise_mm=2.0)[0]).rms_mm
    assert quiet < 0.7
    assert noisy == pytest.approx(2.0 * np.sqrt(2), rel=0.15)


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.15, 0.3, -0.2), (-0.1, -0.4, 0.5)])
def test_face_angles_follow_the_frames_convention(angles):
    """A head that is turned in the world, seen by a camera straight ahead."""
    body = load_body()
    turned = (landmark_points(body.template.astype(float)) - body.head_center) @ rotation_from_euler(*angles).T
    seen = turned @ CAMERA_FROM_WORLD_FRONT.T + [0, 0, 0.7]
    found = np.zeros((478, 3), np.float32)
    drift = landmark_drift(CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(*angles))
    found[: marks.COUNT, :2] = 1300 * (seen[:, :2] + drift) / seen[:, 2:] + [WIDTH / 2, HEIGHT / 2]
    found[marks.COUNT :, :2] = found[33, :2]
    np.testing.assert_allclose(face_angles(found, WIDTH, HEIGHT, 1300.0), angles, atol=0.05)


def test_a_fit_takes_no_time():
    rng = np.random.default_rng(8)
    portrait, _ = photographed(random_identity(rng), SMILE, rng)
    assert isinstance(fit_head(portrait), FittedHead)
    took = []
    for _ in range(3):
        start = time.process_time()
        fit_head(portrait)
        took.append(time.process_time() - start)
    assert min(took) < 0.7

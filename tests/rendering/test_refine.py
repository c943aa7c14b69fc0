"""Several pictures of one head: outlines and flow measured against known heads, and a whole turn against one photo."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from digitalme.artifacts import Camera, Portrait
from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.geometry.fit import fit_head
from digitalme.rendering.contour import outline
from digitalme.rendering.flow import pair_flow
from digitalme.rendering.raster import rasterise_ids
from digitalme.rendering.refine import fit_together, whole_relief
from digitalme.rendering.shots import Shot, draw_shot, head_basis
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler
from tests.geometry.test_fit import errors_mm

SIZE, FOCAL = 400, 900.0
NOTHING = np.zeros(52)


def seen_from(yaw: float) -> Camera:
    rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(0, yaw, 0)
    middle = load_body().head_center - [0, 0.01, 0.05]
    return Camera(FOCAL, SIZE, SIZE, np.c_[rotation, -rotation @ middle + [0, 0, 0.8]])


def pictured(vertices: np.ndarray, camera: Camera, colors: np.ndarray) -> Portrait:
    """The bare head with a colour at each vertex before a plain wall; its mask and landmarks are exact."""
    part = load_body().parts["head"]
    points = camera.project(vertices)
    face, bary, _ = rasterise_ids(points * [4, 4, 1], part.faces, 4 * SIZE, 4 * SIZE)
    covered = face >= 0
    image = np.full((4 * SIZE, 4 * SIZE, 3), 60.0)
    image[covered] = (bary[covered][..., None] * colors[part.faces[face[covered]]]).sum(1)
    small = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    mask = cv2.resize(covered.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    marks = camera.project(landmark_points(vertices))
    marks = np.concatenate([marks, np.repeat(marks[:1], 10, 0)]).astype(np.float32)
    nothing, grey = np.zeros((SIZE, SIZE), np.float32), (0.5, 0.5, 0.5)
    return Portrait(
        small.astype(np.uint8), marks, mask, nothing, mask, FOCAL, np.eye(2, 3, dtype=np.float32),
        grey, grey, grey, grey, grey, {}, {},
    )  # fmt: skip


@pytest.fixture(scope="module")
def mottled() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(len(load_body().template), 1)) * 14
    return np.array([200.0, 160, 140]) + noise * [1, 1, 1]


def test_modes_are_smooth_fade_out_and_stay_small():
    basis = head_basis()
    behind = basis.mean[:, 2] + load_body().head_center[2] < 0.04
    assert np.abs(basis.modes[behind]).max() == 0
    rough = np.abs(basis.modes[basis.edges[:, 0]] - basis.modes[basis.edges[:, 1]]).mean(0) / np.abs(basis.modes).mean(
        0
    )
    assert rough[0] < 0.3 * rough[-1], "slow ones first"
    assert np.abs(basis.modes).max() < 0.0015
    identity = np.zeros(basis.size)
    identity[basis.identities] = 1.0
    relief = whole_relief(basis, identity)
    np.testing.assert_allclose(relief[basis.ids], basis.displacement(identity))
    eye = relief[load_body().parts["eye_left"].vertex_ids]
    assert np.ptp(eye, axis=0).max() == 0, "an eyeball moves as a piece"


def test_slopes_are_the_derivatives_of_project(mottled):
    basis = head_basis()
    shot = Shot(pictured(load_body().template.astype(float), seen_from(0.3), mottled), seen_from(0.3), NOTHING)
    points = basis.vertices(np.zeros(basis.size), NOTHING)[::50]
    by_point, by_pose, by_zoom = shot.slopes(points)
    here, h = shot.project(points)[:, :2], 1e-6
    for k in range(3):
        there = shot.project(points + h * np.eye(3)[k])[:, :2]
        np.testing.assert_allclose(by_point[..., k], (there - here) / h, rtol=1e-3, atol=0.05)
    for k in range(7):
        other = Shot(shot.portrait, seen_from(0.3), NOTHING)
        step = np.zeros(58)
        if k < 6:
            step[52 + k] = h
        other.moved(step, h if k == 6 else 0.0)
        slope = by_pose[..., k] if k < 6 else by_zoom
        np.testing.assert_allclose(slope, (other.project(points)[:, :2] - here) / h, rtol=1e-3, atol=0.05)


def test_a_lens_that_points_elsewhere_sees_the_head_where_it_was(mottled):
    portrait = pictured(load_body().template.astype(float), seen_from(0.2), mottled)
    plain, moved = (Shot(portrait, seen_from(0.2), NOTHING, center) for center in (None, (150.0, 260.0)))
    points = head_basis().mean[::40]
    middle = np.zeros((1, 3))
    np.testing.assert_allclose(moved.project(middle)[:, :2], plain.project(middle)[:, :2], atol=1e-6)
    np.testing.assert_allclose(moved.project(points)[:, :2], plain.project(points)[:, :2], atol=6.0)  # perspective
    assert moved.camera.center == (150.0, 260.0)


@pytest.mark.parametrize("shift", [(3.0, 0.0), (0.0, -4.0), (-2.0, 2.5)])
def test_outline_tells_how_far_the_head_lies_beside_the_picture(shift, mottled):
    basis, camera = head_basis(), seen_from(-0.9)
    portrait = pictured(load_body().template.astype(float), camera, mottled)
    shot = Shot(portrait, camera, NOTHING)
    shot.translation = shot.translation - np.r_[shift, 0] * shot.translation[2] / FOCAL
    drawn = draw_shot(shot, basis, np.zeros(basis.size))
    found = outline([shot], [drawn], 0, basis)
    wanted = found.across @ np.array(shift)
    assert len(found.miss) > 30
    assert np.median(np.abs(found.miss - wanted)) < 0.6  # corners of the outline pass each other


def test_flow_finds_the_depth_that_the_head_has_and_the_fit_has_not(mottled):
    """The picture shows a head with a nose 3 mm longer than the fitted one's: flow says so, and nothing elsewhere."""
    basis, body = head_basis(), load_body()
    x, y, z = (basis.mean + body.head_center).T
    nose = np.exp(-((x / 0.014) ** 2 + ((y - 1.69) / 0.016) ** 2)) * (z > 0.1)
    true = body.template.astype(float)
    true[basis.ids, 2] += 0.003 * nose
    cameras = [seen_from(0.0), seen_from(-0.35)]
    portraits = [pictured(true, camera, mottled) for camera in cameras]
    shots = [Shot(portrait, camera, NOTHING) for portrait, camera in zip(portraits, cameras, strict=True)]
    drawn = [draw_shot(shot, basis, np.zeros(basis.size)) for shot in shots]
    greys = [cv2.cvtColor(p.image, cv2.COLOR_RGB2GRAY).astype(np.float32) for p in portraits]
    found = pair_flow(drawn, greys, [p.person > 0.9 for p in portraits], 0, 1, basis)
    expected = np.array([np.sin(-0.35) * 0.003 * FOCAL / 0.75, 0.0]) * nose[found.vertices, None]
    bare = nose[found.vertices] < 0.02
    assert np.median(np.linalg.norm(found.miss[bare], axis=1)) < 0.25
    ridge = nose[found.vertices] > 0.7
    assert ridge.sum() > 10
    moved = np.abs(np.median(found.miss[ridge, 0])) / np.abs(np.median(expected[ridge, 0]))
    assert 0.6 < moved < 1.4
    assert np.sign(np.median(found.miss[ridge, 0])) == np.sign(np.median(expected[ridge, 0]))


def test_one_portrait_is_fitted_as_ever(mottled):
    body = load_body()
    portrait = replace(pictured(body.template.astype(float), seen_from(0.0), mottled))
    together = fit_together([portrait], [(SIZE / 2, SIZE / 2)])
    assert len(together) == 1
    assert together[0].shape == fit_head(portrait).shape
    assert together[0].relief is None


@pytest.mark.slow
def test_a_turn_of_photos_beats_one_photo_in_the_profile():
    """A synthetic person with hair under changing light through the whole detector; see tools/bench/turn.py."""
    from digitalme.stages.encode_photo import encode_photo
    from tests.turns import TURN, nine_photos, photo_of, profile_mm, sitter

    person = sitter(102)
    shots = nine_photos(person, TURN[[0, 1, 2, 5, 6]])
    portraits = [encode_photo(photo_of(picture, f"{i}.png")) for i, (picture, _) in enumerate(shots)]
    centers = [
        tuple((np.array([450, 550]) - p.original_from_image[:, 2]) / p.original_from_image[0, 0]) for p in portraits
    ]
    heads = fit_together(portraits, centers)
    together, alone = heads[0].vertices(False, False), fit_head(portraits[0]).vertices(False, False)
    assert errors_mm(together, person.vertices)["face"] < errors_mm(alone, person.vertices)["face"]
    assert profile_mm(together, person.vertices) < 0.5 * profile_mm(alone, person.vertices)
    assert all(np.array_equal(head.relief, heads[0].relief) for head in heads), "one person"

"""The landmark table sits where a face has these features, on the model's skin, left like right."""

import numpy as np
import pytest

from digitalme.body import landmarks
from digitalme.body.landmarks import landmark_drift, landmark_points, landmark_table, lip_gap
from digitalme.body.model import load_body
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler


@pytest.fixture(scope="module")
def points():
    return landmark_points(load_body().template.astype(float))


def test_weights_are_barycentric_and_on_the_head():
    table, body = landmark_table(), load_body()
    np.testing.assert_allclose(table.weights.sum(1), 1, atol=1e-5)
    assert table.weights.min() >= 0
    assert np.isin(table.triangles, body.parts["head"].vertex_ids).all()


def test_left_mirrors_right_within_four_millimetres(points):
    flip = np.array([-1, 1, 1])
    for right, left in ((landmarks.EYE_RIGHT, landmarks.EYE_LEFT), (landmarks.BROW_RIGHT, landmarks.BROW_LEFT)):
        np.testing.assert_allclose(points[list(right)] * flip, points[list(left)], atol=0.004)


def test_features_are_in_order_down_the_face(points):
    forehead, brow, eye, nose_tip, lips, chin = (points[i, 1] for i in (10, 105, 159, 1, 13, 152))
    assert forehead > brow > eye > nose_tip > lips > chin
    assert points[:, 2].argmax() in (1, 4), "the nose tip is the foremost landmark"


def test_eye_landmarks_ring_the_eyeballs(points):
    body = load_body()
    for ring, part in ((landmarks.EYE_LEFT, "eye_left"), (landmarks.EYE_RIGHT, "eye_right")):
        ball = body.template[body.parts[part].vertex_ids]
        assert np.abs(points[list(ring)].mean(0) - ball.mean(0))[:2].max() < 0.003


def test_opening_the_jaw_moves_the_lower_lip_only():
    drop = landmark_points(load_body().displacement("jawOpen"))[:, 1]
    upper, lower = drop[list(landmarks.LIP_INNER_UPPER)], drop[list(landmarks.LIP_INNER_LOWER)]
    assert (upper - lower).min() > 0.015
    assert upper.min() > -0.007
    assert lower.max() < -0.02


def test_lip_pairs_touch_at_rest_and_part_with_the_jaw():
    body = load_body()
    assert np.linalg.norm(lip_gap(body.template), axis=1).max() < 0.0026
    opened = lip_gap(body.displacement("jawOpen"))[:, 1]
    middle = np.abs(body.template[landmark_table().lip_upper, 0]) < 0.012
    assert opened[middle].min() > 0.02
    assert opened.min() > 0.002
    assert np.all(np.diff(body.template[landmark_table().lip_upper, 0]) >= 0)


def test_most_landmarks_are_found_at_the_same_place_on_all_people():
    table = landmark_table()
    assert np.median(table.spread) < 0.0018
    assert table.trusted.mean() > 0.95


def test_drift_is_none_from_the_front_mirrors_and_rolls_with_the_picture():
    def drift(yaw: float, camera_roll: float = 0.0):
        return landmark_drift(
            rotation_from_euler(0, 0, camera_roll) @ CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(0, yaw, 0)
        )

    assert np.abs(drift(0.0)).max() < 1e-6, "the table is what the detector sees from the front"
    left, right = drift(0.5), drift(-0.5)
    assert np.linalg.norm(left, axis=1).max() > 0.005, "the far side's rim slides along"
    np.testing.assert_allclose(left[list(landmarks.EYE_LEFT)] * [-1, 1], right[list(landmarks.EYE_RIGHT)], atol=2e-3)
    np.testing.assert_allclose(drift(0.5, 0.3), left @ rotation_from_euler(0, 0, 0.3)[:2, :2].T, atol=1e-9)

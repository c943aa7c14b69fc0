"""Glasses, teeth and eyes of a known photo: what is drawn into the picture is found again on the character."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from digitalme.body.eyes import IRIS_RADIUS, iris_share, paint_eye
from digitalme.body.glasses import ARM, glasses_mesh
from digitalme.body.landmarks import EYE_LEFT, EYE_RIGHT, IRIS_LEFT, IRIS_RIGHT, LIPS_INNER, landmark_points
from digitalme.body.model import load_body
from digitalme.body.mouth import with_mouth
from digitalme.body.scalp import ear_vertices
from digitalme.geometry.fit import fit_landmarks, iris_vertices
from digitalme.rendering.bake_eyes import eye_from_photo
from digitalme.rendering.bake_teeth import HIDDEN, seen_teeth, with_own_teeth
from digitalme.rendering.frames import eye_centers
from digitalme.rendering.pose import pose_avatar
from tests.body.people import IRIS, SKIN, bare_avatar, seen_pixels, synthetic_person


@pytest.fixture(scope="module")
def person():
    """A portrait of even skin from hair to chin, so that what the tests draw is all there is."""
    portrait, likeness = synthetic_person({}, style="short", size=720)
    plain = np.full_like(portrait.image, np.round(np.array(SKIN) * 255))
    return replace(portrait, image=plain), likeness


@pytest.mark.parametrize("aside", [0.0, 0.25])
def test_the_photos_eye_is_on_the_ball(person, aside):
    """An even iris and white drawn where a ball that looks aside has them come back on its texture, at its middle."""
    portrait, likeness = person
    look = {"eyeLookOutLeft": aside, "eyeLookInRight": aside}
    avatar = bare_avatar({})
    mesh, size = avatar.mesh("eye_left"), 512
    share = iris_share(mesh.positions)
    painted = paint_eye(IRIS, share, size)
    vertices = load_body().vertices(likeness.shape | look)
    middle = likeness.camera.project(vertices[iris_vertices("left")].mean(0, keepdims=True))[0]
    radius = IRIS_RADIUS * likeness.camera.focal_px / middle[2]
    marks, image = portrait.landmarks.copy(), portrait.image.copy()
    opening = marks[list(EYE_LEFT), :2]
    marks[list(IRIS_LEFT), :2] = middle[:2] + radius * np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]])
    for ring in (EYE_LEFT, EYE_RIGHT):
        cv2.fillPoly(image, [np.round(marks[list(ring), :2]).astype(np.int32)], (200, 200, 210))
    cv2.circle(image, tuple(np.round(middle[:2]).astype(int).tolist()), round(radius), (20, 60, 200), -1)
    seen = replace(portrait, landmarks=marks, image=image, iris_color=(20 / 255, 60 / 255, 200 / 255))
    posed = {name: pose for name, pose in zip((m.name for m in avatar.meshes), pose_avatar(avatar, look), strict=True)}
    eye = eye_from_photo(painted, mesh, posed["eye_left"], seen, replace(likeness, expression=look))
    centre, beside = eye[size // 2, size // 2].astype(int), eye[size // 2, size // 2 - round(0.8 * share * size)]
    np.testing.assert_allclose(centre, (20, 60, 200), atol=12)
    np.testing.assert_allclose(beside.astype(int), (200, 200, 210), atol=12)
    above = eye[size // 2 - round(1.1 * share * size), size // 2].astype(int)  # hidden by the lid: the white's shade
    np.testing.assert_allclose(above - above.mean(), np.array((200, 200, 210)) - 203.3, atol=20)
    shut = marks.copy()
    shut[list(EYE_LEFT), 1] = opening[:, 1].mean()
    lids = replace(seen, landmarks=shut, image=portrait.image)
    closed = eye_from_photo(painted, mesh, posed["eye_left"], lids, likeness)
    np.testing.assert_allclose(closed.astype(int), painted, atol=1)
    dark = replace(seen, image=(image * 0.1).astype(np.uint8))
    hidden = eye_from_photo(painted, mesh, posed["eye_left"], dark, likeness)
    np.testing.assert_allclose(hidden.astype(int), painted, atol=1)


def test_both_irises_stand_where_they_are_seen(person):
    """Whatever way the eyes look, and however the lids' landmarks shift the balls."""
    portrait, likeness = person
    body = load_body()
    look = {"eyeLookInLeft": 0.3, "eyeLookOutRight": 0.35, "eyeLookUpLeft": 0.2, "eyeLookUpRight": 0.2}
    vertices = body.vertices(likeness.shape | look)
    marks = portrait.landmarks.copy()
    marks[:468, :2] = likeness.camera.project(landmark_points(vertices))[:, :2]
    marks[list(EYE_LEFT), :2] += (2.0, -1.0)
    for ids, side in ((IRIS_LEFT, "left"), (IRIS_RIGHT, "right")):
        marks[list(ids), :2] = likeness.camera.project(vertices[iris_vertices(side)].mean(0, keepdims=True))[0, :2]
    fitted = fit_landmarks(marks, portrait.image.shape[1], portrait.image.shape[0], portrait.focal_px)
    found = fitted.vertices()
    for ids, side in ((IRIS_LEFT, "left"), (IRIS_RIGHT, "right")):
        at = fitted.camera.project(found[iris_vertices(side)].mean(0, keepdims=True))[0, :2]
        assert np.linalg.norm(at - marks[ids[0], :2]) < 1.0


def test_teeth_that_the_photo_shows_are_worn(person):
    portrait, likeness = person
    avatar = with_mouth(bare_avatar({}))
    assert not seen_teeth(portrait).any()  # closed lips
    assert with_own_teeth(avatar, portrait, likeness) is avatar
    expression = {"jawOpen": 0.35, "mouthUpperUpLeft": 0.6, "mouthUpperUpRight": 0.6}
    marks = portrait.landmarks.copy()
    marks[:468, :2] = likeness.camera.project(landmark_points(load_body().vertices(expression)))[:, :2]
    image = portrait.image.copy()
    cv2.fillPoly(image, [np.round(marks[list(LIPS_INNER), :2]).astype(np.int32)], (225, 240, 225))
    smiling = replace(portrait, landmarks=marks, image=image)
    assert seen_teeth(smiling).sum() > 500
    worn = with_own_teeth(avatar, smiling, replace(likeness, expression=expression))
    greenish = np.abs(worn.textures["teeth"][..., :3].astype(int) - (225, 240, 225)).max(2) < 6
    assert greenish.mean() > 0.01


def test_teeth_draw_back_where_an_open_mouth_shows_none(person):
    portrait, likeness = person
    avatar = with_mouth(bare_avatar({}))
    opened = replace(likeness, expression={"jawOpen": 0.45})
    vertices = load_body().vertices(likeness.shape | opened.expression)
    marks = portrait.landmarks.copy()
    marks[:468, :2] = likeness.camera.project(landmark_points(vertices))[:, :2]
    dark = portrait.image.copy()
    cv2.fillPoly(dark, [np.round(marks[list(LIPS_INNER), :2]).astype(np.int32)], (45, 18, 18))
    toothless = replace(portrait, landmarks=marks, image=dark)
    hidden = with_own_teeth(avatar, toothless, opened)
    moved = hidden.mesh("teeth").positions - avatar.mesh("teeth").positions
    upper = np.isin(avatar.mesh("teeth").body_ids, load_body().parts["teeth_upper"].vertex_ids)
    assert moved[upper, 1].min() > 0.001
    assert np.abs(moved).max() <= HIDDEN + 1e-6
    before, after = (seen_pixels(each, opened.expression)["teeth"] for each in (avatar, hidden))
    assert after < 0.5 * before
    shut = replace(toothless, landmarks=portrait.landmarks)
    assert with_own_teeth(avatar, shut, likeness) is avatar


def test_arms_stay_outside_a_broad_head(person):
    _, likeness = person
    broad = load_body().vertices(likeness.shape) * np.array([1.12, 1, 1])
    mesh = glasses_mesh(broad, eye_centers(broad), (0.023, 0.018))
    skin = broad[np.setdiff1d(load_body().parts["head"].vertex_ids, ear_vertices(load_body()))]
    rim = 36 * 6
    arm = mesh.positions[rim : rim + ARM * 6].reshape(ARM, 6, 3).mean(1)[2:-2]
    for point in arm:
        near = (np.abs(skin[:, 1:] - point[1:]) < 0.006).all(1) & (np.sign(skin[:, 0]) == np.sign(point[0]))
        if near.any():
            assert abs(point[0]) > np.abs(skin[near, 0]).max()

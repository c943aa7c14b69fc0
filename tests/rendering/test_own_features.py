"""Glasses, teeth and eyes of a known photo: what is drawn into the picture is found again on the character."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from digitalme.body.eyes import IRIS_RADIUS, iris_share, paint_eye
from digitalme.body.glasses import ARM, glasses_mesh, rim_lines
from digitalme.body.landmarks import EYE_LEFT, EYE_RIGHT, IRIS_LEFT, IRIS_RIGHT, LIPS_INNER, landmark_points
from digitalme.body.model import load_body
from digitalme.body.mouth import with_mouth
from digitalme.body.scalp import ear_vertices
from digitalme.geometry.fit import fit_landmarks, iris_vertices
from digitalme.rendering.bake_eyes import eye_from_photo
from digitalme.rendering.bake_teeth import HIDDEN, seen_teeth, with_own_teeth
from digitalme.rendering.frames import eye_centers, find_frames, frames_mask
from digitalme.rendering.pose import pose_avatar
from tests.body.people import IRIS, SKIN, bare_avatar, seen_pixels, synthetic_person


@pytest.fixture(scope="module")
def person():
    """A portrait of even skin from hair to chin, so that what the tests draw is all there is."""
    portrait, likeness = synthetic_person({}, style="short", size=720)
    plain = np.full_like(portrait.image, np.round(np.array(SKIN) * 255))
    return replace(portrait, image=plain), likeness


@pytest.mark.parametrize("size", [(0.024, 0.018), (0.030, 0.023)])
def test_rims_are_found(person, size):
    portrait, likeness = person
    vertices = load_body().vertices(likeness.shape)
    image, drawn = portrait.image.copy(), np.zeros(portrait.person.shape, np.uint8)
    for rim in rim_lines(vertices, eye_centers(vertices), size, 0.002):
        points = np.round(likeness.camera.project(rim)[:, :2]).astype(np.int32)
        cv2.polylines(image, [points[:, None]], True, (40, 30, 30), 3)
        cv2.polylines(drawn, [points[:, None]], True, 1, 3)
    worn = replace(portrait, image=image, traits={"glasses": 1.0})
    frames = find_frames(worn, likeness.camera, vertices)
    np.testing.assert_allclose(frames.half_size, size, atol=0.0021)
    assert abs(frames.drop - 0.002) < 0.0021
    assert np.max(frames.color) < 0.4
    mask = frames_mask(worn, likeness.camera, vertices)
    assert mask[drawn > 0].mean() > 0.8
    assert mask.mean() < 0.05
    assert not frames_mask(replace(worn, traits={}), likeness.camera, vertices).any()


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


def test_cat_eye_corners_are_found_and_drawn(person):
    portrait, likeness = person
    vertices = load_body().vertices(likeness.shape)
    eyes = eye_centers(vertices)
    bulge = np.zeros(36)
    bulge[2:6] = [0.002, 0.0045, 0.0045, 0.002]  # up and outward
    image = portrait.image.copy()
    for rim in rim_lines(vertices, eyes, (0.026, 0.018), 0.002, bulge=bulge):
        points = np.round(likeness.camera.project(rim)[:, :2]).astype(np.int32)
        cv2.polylines(image, [points[:, None]], True, (40, 30, 30), 3)
    frames = find_frames(replace(portrait, image=image, traits={"glasses": 1.0}), likeness.camera, vertices)
    assert frames.bulge[3:5].min() > 0.002
    assert np.abs(frames.bulge[14:34]).max() < 0.0016
    plain, own = (glasses_mesh(vertices, eyes, (0.026, 0.018), drop=0.002, bulge=b) for b in (None, frames.bulge))
    rims = [mesh.positions[: 36 * 6].reshape(36, 6, 3).mean(1) for mesh in (plain, own)]
    assert np.linalg.norm(rims[1] - rims[0], axis=1)[3:5].min() > 0.002


def test_a_broad_dark_upper_bar_over_light_rims_is_found(person):
    """Broad above, a wire below, dark above and tan below; a frame of wire has no breadth."""
    portrait, likeness = person
    vertices = load_body().vertices(likeness.shape)
    eyes = eye_centers(vertices)
    scale = likeness.camera.focal_px / likeness.camera.project(eyes[0])[2]
    plain, barred = portrait.image.copy(), portrait.image.copy()
    for rim in rim_lines(vertices, eyes, (0.026, 0.018), 0.002):
        points = np.round(likeness.camera.project(rim)[:, :2]).astype(np.int32)
        for image in (plain, barred):
            cv2.polylines(image, [points[:, None]], True, (150, 90, 50), 3)
        out = (rim - rim.mean(0)) / np.linalg.norm(rim - rim.mean(0), axis=1, keepdims=True)
        above = slice(2, 17)
        bar = np.concatenate([rim[above] - 0.001 * out[above], (rim[above] + 0.004 * out[above])[::-1]])
        cv2.fillPoly(barred, [np.round(likeness.camera.project(bar)[:, :2]).astype(np.int32)], (25, 20, 20))
    wire, broad = (
        find_frames(replace(portrait, image=image, traits={"glasses": 1.0}), likeness.camera, vertices)
        for image in (plain, barred)
    )
    assert scale * 0.005 > 5  # the bar has pixels
    assert wire.breadth.max() < 0.0006
    assert broad.breadth[5:14].min() > 0.0012
    assert broad.breadth[20:34].max() < 0.0006
    assert broad.shades[:2].max() < 0.3
    np.testing.assert_allclose(broad.shades[-2:], np.tile(np.array([150, 90, 50]) / 255, (2, 1)), atol=0.12)
    thin, thick = (
        glasses_mesh(vertices, eyes, (0.026, 0.018), drop=0.002, bulge=f.bulge, breadth=f.breadth)
        for f in (wire, broad)
    )
    height = [np.ptp(mesh.positions[: 36 * 6].reshape(36, 6, 3)[9], 0)[1] for mesh in (thin, thick)]
    assert height[1] > height[0] + 0.0012


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

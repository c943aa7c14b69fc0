"""Glasses of a known photo: fronts of many designs, drawn onto a face, are found again and made into meshes."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from digitalme.body.glasses import (
    ANGLES,
    TURN,
    around_lens,
    drawn_front,
    glasses_of_front,
    lens_picture,
    on_sheet,
    sheet_box,
    usual_front,
)
from digitalme.body.model import load_body
from digitalme.body.scalp import ear_vertices
from digitalme.metrics.likeness import overlap
from digitalme.rendering.frames import eye_centers, find_frames, frames_mask
from tests.body.people import SKIN, synthetic_person
from tests.glasses import DESIGNS, designed_front, seen_front


@pytest.fixture(scope="module", params=[0.0, 0.25], ids=["front", "turned"])
def person(request):
    """A portrait of even skin from hair to chin, so that what the tests draw is all there is."""
    portrait, likeness = synthetic_person({}, style="short", size=720, yaw=request.param)
    plain = np.full_like(portrait.image, np.round(np.array(SKIN) * 255))
    return replace(portrait, image=plain, hair=np.zeros_like(portrait.hair)), likeness


def wearing(person, design):
    """The portrait with glasses painted onto it; their front; and the pixels that the frame covers."""
    portrait, likeness = person
    vertices = load_body().vertices(likeness.shape)
    front = designed_front(design, vertices, eye_centers(vertices))
    image, camera = portrait.image.astype(np.float32), likeness.camera
    red, green, blue, cover = front.tint
    for side in (0, 1):
        edge = camera.project(on_sheet(front.plane, around_lens(front.middles[side], front.inner[side])))[:, :2]
        pane = np.zeros(image.shape[:2], np.uint8)
        cv2.fillPoly(pane, [np.round(edge).astype(np.int32)], 1)
        if cover > 0.2:
            image[pane > 0] += (255 * np.array([red, green, blue]) - image[pane > 0]) * cover
    drawn = seen_front(list(glasses_of_front(front, vertices)), camera)
    rows = np.flatnonzero(drawn.any(1))
    share = np.clip(((np.arange(len(image)) - rows[0]) / np.ptp(rows) - 0.35) / 0.25, 0, 1)[:, None]
    paint = 255 * (np.array(design.upper) * (1 - share) + np.array(design.lower) * share)
    image = np.where(drawn[..., None], paint[:, None], image)
    image = np.round(cv2.GaussianBlur(image, (0, 0), 0.7)).astype(np.uint8)
    return replace(portrait, image=image, traits={"glasses": 1.0}), front, drawn


@pytest.mark.parametrize(
    ("name", "least"),
    [("thick black rectangle", 0.80), ("cat-eye", 0.75), ("panto brown", 0.75), ("thin round gold", 0.45)],
)
def test_fronts_are_found(person, name, least):
    design = DESIGNS[name]
    portrait, front, drawn = wearing(person, design)
    camera, vertices = person[1].camera, load_body().vertices(person[1].shape)
    frames = find_frames(portrait, camera, vertices)
    assert frames.followed
    assert frames.front.seen.all()
    found = seen_front(list(glasses_of_front(frames.front, vertices)), camera)
    assert overlap(found, drawn) > least
    level = [(each.bridge[:, 1:].mean() - each.middles[:, 1].mean()) for each in (front, frames.front)]
    assert abs(level[0] - level[1]) < 0.0015
    rows = frames.picture.reshape(len(frames.picture), -1, 3) / 255
    np.testing.assert_allclose(np.median(rows[:8], (0, 1)), design.upper, atol=0.15)
    np.testing.assert_allclose(np.median(rows[-8:], (0, 1)), design.lower, atol=0.15)
    assert frames.front.tint[3] < 0.1
    mask = frames_mask(portrait, camera, vertices)
    assert mask[drawn].mean() > 0.97
    assert mask.mean() < 0.06
    assert not frames_mask(replace(portrait, traits={}), camera, vertices).any()


def test_wings_reach_beyond_the_rim(person):
    portrait = wearing(person, DESIGNS["cat-eye"])[0]
    found = find_frames(portrait, person[1].camera, load_body().vertices(person[1].shape)).front
    corner = np.argmin(np.abs(TURN - np.radians(34)))
    for side in (0, 1):
        breadth = found.outer[side] - found.inner[side]
        assert breadth[corner - 1 : corner + 2].max() > 0.008
        assert breadth[ANGLES * 5 // 8 : -2].max() < 0.0035


def test_a_half_rim_is_open_below(person):
    portrait = wearing(person, DESIGNS["half rim"])[0]
    frames = find_frames(portrait, person[1].camera, load_body().vertices(person[1].shape))
    assert frames.front.seen[:, 3 : ANGLES // 2 - 3].all()
    assert not frames.front.seen[:, np.abs(TURN - 1.5 * np.pi) < 0.6].any()
    frame, _ = glasses_of_front(frames.front, load_body().vertices(person[1].shape))
    whole, _ = glasses_of_front(
        replace(frames.front, seen=np.ones((2, ANGLES), bool)), np.asarray(load_body().template)
    )
    assert len(frame.faces) < 0.85 * len(whole.faces)
    edge = lens_picture(frames.front)[-1]
    assert edge[ANGLES * 3 // 4, 3] > 80  # the bare glass shows its edge
    assert edge[ANGLES // 4, 3] < 20


def test_dark_lenses_are_told_from_clear_ones(person):
    design = DESIGNS["sunglasses"]
    portrait, front, drawn = wearing(person, design)
    camera, vertices = person[1].camera, load_body().vertices(person[1].shape)
    frames = find_frames(portrait, camera, vertices)
    red, green, blue, cover = frames.front.tint
    assert cover > 0.75
    assert max(red, green, blue) < 0.3
    whole = []
    for each in (front, frames.front):
        mask = np.zeros(drawn.shape, np.uint8)
        for side in (0, 1):
            edge = camera.project(on_sheet(each.plane, around_lens(each.middles[side], each.outer[side])))[:, :2]
            cv2.fillPoly(mask, [np.round(edge).astype(np.int32)], 1)
        whole.append(mask > 0)
    assert overlap(*whole) > 0.93
    assert frames_mask(portrait, camera, vertices)[whole[0]].mean() > 0.97  # nothing of them stays on the skin


def test_rims_that_are_not_seen_are_wires_of_the_bridges_colour(person):
    portrait, front, _ = wearing(person, DESIGNS["rimless"])
    frames = find_frames(portrait, person[1].camera, load_body().vertices(person[1].shape))
    assert not frames.followed
    assert 0.020 < np.median(frames.front.outer) < 0.036
    np.testing.assert_allclose(frames.front.outer[0], frames.front.outer[1])
    assert (frames.front.outer - frames.front.inner).max() < 0.002
    assert abs(frames.front.bridge[:, 1:].mean() - front.bridge[:, 1:].mean()) < 0.002
    np.testing.assert_allclose(np.median(frames.picture, (0, 1)) / 255, DESIGNS["rimless"].upper, atol=0.15)


def test_meshes_face_outward_and_stand_before_the_head():
    vertices = load_body().vertices({})
    eyes = eye_centers(vertices)
    for name in ("cat-eye", "half rim"):
        front = designed_front(DESIGNS[name], vertices, eyes)
        frame, panes = glasses_of_front(front, vertices)
        for mesh in (frame, panes):
            corners = mesh.positions[mesh.faces].astype(np.float64)
            across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            assert (np.linalg.norm(across, axis=1) > 1e-12).all(), "no empty triangles"
            assert ((mesh.uvs >= 0) & (mesh.uvs <= 1)).all()
        front_faces = frame.normals[: 6 * ANGLES].reshape(ANGLES, 6, 3)[:, 1:3, 2]
        assert (front_faces[front.seen[0]] > 0.3).mean() > 0.95
        assert (panes.normals[:, 2] > 0.5).mean() > 0.95
        left, bottom, right, top = sheet_box(front)
        rim = frame.positions[: 6 * ANGLES]
        assert rim[:, 0].min() > left - 1e-6
        assert rim[:, 0].max() < right + 1e-6
        assert rim[:, 1].max() < top + 1e-6
        assert rim[:, 1].min() > bottom - 1e-6
        away = np.abs(panes.positions[:, None, :2] - eyes[None, :, :2]).max(2).min(1) < 0.01
        assert panes.positions[away, 2].min() > eyes[:, 2].max() + 0.012


def test_a_drawn_face_wears_the_same_shape():
    """Cat-eyes stay cat-eyes: as much larger as told, even on both sides, apart at the nose, about the drawn eyes."""
    vertices = load_body().vertices({})
    eyes = eye_centers(vertices)
    own = designed_front(DESIGNS["cat-eye"], vertices, eyes)
    larger = np.array([[0.045, 1.70, 0.15], [-0.045, 1.70, 0.15]])
    drawn = drawn_front(own, eyes, vertices, larger, 1.2)
    np.testing.assert_allclose(drawn.outer[0], drawn.outer[1])
    ratio = (drawn.outer / own.outer)[0]
    assert ratio.max() < 1.25
    assert ratio.min() > 1.0
    rims = [around_lens(drawn.middles[side], drawn.outer[side]) for side in (0, 1)]
    assert rims[0][:, 0].min() > 0.0025
    assert rims[1][:, 0].max() < -0.0025
    np.testing.assert_allclose(drawn.middles[:, 1], 1.70, atol=0.006)
    assert np.abs(drawn.bridge[0, 0]) < np.abs(drawn.middles[0, 0])


def test_temples_stay_outside_a_broad_head_and_reach_the_ears():
    broad = load_body().vertices({}) * np.array([1.12, 1, 1])
    front = usual_front(broad, eye_centers(broad), (0.023, 0.018))
    frame, _ = glasses_of_front(front, broad)
    ears = ear_vertices(load_body())
    skin = broad[np.setdiff1d(load_body().parts["head"].vertex_ids, ears)]
    arm = frame.positions[6 * ANGLES : 6 * ANGLES + 54].reshape(9, 6, 3).mean(1)
    assert arm[-1, 2] < broad[ears, 2].mean()
    for point in arm[2:-2]:
        near = (np.abs(skin[:, 1:] - point[1:]) < 0.006).all(1) & (skin[:, 0] > 0)
        if near.any():
            assert point[0] > skin[near, 0].max()

"""The jaw's landmarks are drawn in to the skin's edge where it is clear, on synthetic people whose jaw is known."""

import cv2
import numpy as np
import pytest
from scipy.spatial import Delaunay

from digitalme.body import landmarks as marks
from digitalme.body.landmarks import landmark_drift, landmark_points
from digitalme.imaging import portraits
from digitalme.imaging.jaw import JAW, onto_jaw
from digitalme.imaging.masks import FaceFrame
from tests.body.people import IDENTITIES, synthetic_person
from tests.turns import nine_photos, sitter

DARK, SIZE = (45, 33, 28), 720
FAR_INSIDE = (1, 33, 133, 362, 263, 61, 291, 13, 105, 334)
"""Nose, corners of eyes and mouth, upper lip, brows."""


def jaw_line(landmarks):
    """Points along the jaw as close as its pixels, and the outward direction at each."""
    corners = landmarks[list(JAW), :2].astype(float)
    line = np.concatenate([np.linspace(a, b, 40) for a, b in zip(corners, corners[1:], strict=False)])
    along = np.gradient(cv2.GaussianBlur(line.astype(np.float32), (1, 61), 15), axis=0)
    outward = np.stack([along[:, 1], -along[:, 0]], 1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    return line, outward * np.sign((outward * (line - landmarks[1, :2])).sum())


def face_height(landmarks):
    return np.linalg.norm(landmarks[10, :2] - landmarks[152, :2])


def off_jaw(found, true):
    """Distance of the jaw's landmarks from the true jaw, face heights."""
    away = np.linalg.norm(found[list(JAW), None, :2] - jaw_line(true)[0], axis=2)
    return away.min(1) / face_height(true)


def moved(a, b):
    return np.linalg.norm((a - b)[:, :2], axis=1) / face_height(b)


def pushed_out(true, share):
    """What a detector finds that takes the jaw for wider and longer by this share of the face's height."""
    line, outward = jaw_line(true)
    away = np.linalg.norm(true[:, None, :2] - line, axis=2)
    nearest, distance = away.argmin(1), away.min(1) / face_height(true)
    along = np.linspace(0, 1, len(line))
    amount = share * np.interp(along, [0, 0.12, 0.25, 0.75, 0.88, 1], [0, 0, 1, 1, 0, 0])
    found = true.copy()
    found[:, :2] += (amount[nearest] * np.clip(1 - distance / 0.15, 0, 1) * face_height(true))[:, None] * outward[
        nearest
    ]
    return found


def dark_behind(person, color=DARK, level=-0.12):
    """The photo with hair or a raised collar behind the jaw, from the ears' lobes down: the jaw's edge is known."""
    face = FaceFrame.of(person.landmarks, person.image.shape)
    ring = person.landmarks[list(marks.OVAL), :2]
    inside = cv2.fillPoly(np.zeros((4 * SIZE, 4 * SIZE)), [np.round(4 * ring - 0.5).astype(int)], 1)
    inside = cv2.resize(inside, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    share = ((face.up < level) * (1 - inside))[..., None]
    image = person.image * (1 - share) + share * np.array(color)
    noisy = image * np.random.default_rng(1).normal(1, 0.06, image.shape)
    return cv2.GaussianBlur(np.clip(noisy, 0, 255).astype(np.uint8), (0, 0), 1.0)


@pytest.fixture(scope="module", params=["woman", "old man"])
def person(request):
    return synthetic_person(IDENTITIES[request.param], "short", size=SIZE)[0]


@pytest.mark.parametrize("share", [0.03, 0.06])
@pytest.mark.parametrize("color", [DARK, (30, 30, 60), (235, 235, 240)], ids=["hair", "collar", "white"])
def test_a_jaw_found_too_wide_and_too_long_is_drawn_in_to_the_skins_edge(person, share, color):
    true = person.landmarks
    found = pushed_out(true, share)
    laid = onto_jaw(dark_behind(person, color), found)
    before, after = off_jaw(found, true), off_jaw(laid, true)
    assert before.max() > 0.95 * share
    lower = slice(5, 16)  # from one jaw corner over the chin to the other
    assert after[lower].max() < 0.01
    assert after.max() < 0.016
    assert moved(laid, found)[list(FAR_INSIDE)].max() < 0.002
    mesh = Delaunay(true[:468, :2])
    flat = [np.cross(*np.diff(each[mesh.simplices, :2], axis=1).transpose(1, 0, 2)) for each in (found, laid)]
    assert (np.sign(flat[0]) != np.sign(flat[1]))[np.abs(flat[0]) > 1].mean() < 0.01  # hardly a triangle turned over


def test_a_jaw_that_is_right_stays(person):
    for image in (person.image, dark_behind(person), dark_behind(person, (235, 235, 240))):
        assert moved(onto_jaw(image, person.landmarks), person.landmarks).max() < 0.004


@pytest.mark.parametrize("style", ["bob", "long", "twintails"])
def test_hair_before_the_cheeks_is_no_jaw(style):
    hairy = synthetic_person({"gender-": 0.5}, style, size=SIZE)[0]
    for landmarks in (hairy.landmarks, pushed_out(hairy.landmarks, 0.03)):
        assert moved(onto_jaw(hairy.image, landmarks), landmarks).max() < 0.01


@pytest.mark.parametrize("reach", [0.03, 0.06, 0.12])
def test_a_beard_belongs_to_the_face(person, reach):
    face = FaceFrame.of(person.landmarks, person.image.shape)
    grown = face.polygon(marks.OVAL) & ~face.polygon(marks.OVAL, -reach) & (face.up < -0.05)
    grown |= face.polygon(marks.LIPS_OUTER, 0.06) & ~face.polygon(marks.LIPS_OUTER, 0.01)
    image = person.image.astype(float)
    image[grown] = 0.25 * image[grown] + 0.75 * np.array(DARK)
    image = cv2.GaussianBlur(image.astype(np.uint8), (0, 0), 1.5)
    assert moved(onto_jaw(image, person.landmarks), person.landmarks).max() < 0.004


def test_the_far_cheek_of_a_turned_head_is_no_jaw():
    turned = synthetic_person({}, "short", size=SIZE, yaw=0.7)[0]
    found = turned.landmarks
    assert np.array_equal(onto_jaw(dark_behind(turned), found), found)


def test_a_jaw_at_the_pictures_edge_stays(person):
    chin = int(person.landmarks[152, 1]) - 2
    assert moved(onto_jaw(person.image[:chin], person.landmarks), person.landmarks).max() < 0.004


def test_what_the_detector_finds_of_a_person_with_hair_beside_the_jaw_comes_nearer_to_the_truth(monkeypatch):
    found = []

    def noted(image, landmarks):
        found.append(landmarks)
        return onto_jaw(image, landmarks)

    monkeypatch.setattr(portraits, "onto_jaw", noted)
    person = sitter(4)
    (picture, camera), *_ = nine_photos(person, yaws=(0.0,))
    portrait = portraits.portrait_of(picture, None, "sitter", portraits.EncodePhotoConfig())
    to_original = portrait.original_from_image
    spots = camera.project(landmark_points(person.vertices))
    true = spots[:, :2] + landmark_drift(camera.camera_from_world[:, :3]) * camera.focal_px / spots[:, 2:]
    true = np.c_[(true - to_original[:, 2]) / to_original[0, 0], spots[:, 2]].astype(np.float32)
    before, after = off_jaw(found[0], true), off_jaw(portrait.landmarks, true)
    drawn_in = moved(portrait.landmarks, found[0])[list(JAW)] > 0.004
    assert drawn_in.sum() >= 3
    assert after[drawn_in].mean() < 0.75 * before[drawn_in].mean()
    assert after.mean() < before.mean()

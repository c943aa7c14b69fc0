"""Hidden faces: things of several kinds, colours and places before a rendered face are told from its other pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from digitalme.body.landmarks import landmark_points
from digitalme.imaging.hidden import HIDDEN_SHARE, hidden_faces, hidden_mouths, hidden_shares, laid_out
from tests.turns import camera_at, drawn, lamps, room, sitter

YAWS = (0.0, 0.25, -0.25, 0.5, -0.5)
SIZE = (300, 360)


@pytest.fixture(scope="module")
def turned():
    """Five pictures under different lamps, with the landmarks' true places."""
    person, rng = sitter(1), np.random.default_rng(5)
    images, spots = [], []
    for yaw in YAWS:
        camera = camera_at(yaw, rng, *SIZE, 520.0)
        images.append(drawn(person, camera, {}, room(*SIZE, rng), lamps(rng, camera)))
        found = camera.project(landmark_points(person.vertices))
        spots.append(np.concatenate([found, np.zeros((10, 3))]).astype(np.float32))
    return images, spots


def covered(image: np.ndarray, spots: np.ndarray, thing: str, color) -> np.ndarray:
    """The picture with a hand, a cup or a telephone before a part of the face."""
    unit = np.linalg.norm(spots[10, :2] - spots[152, :2])
    mask = np.zeros(image.shape[:2], np.float32)
    mouth, nose, eye = (spots[k, :2] for k in (13, 1, 159))
    if thing == "hand":
        palm = mouth + [-0.30 * unit, 0.12 * unit]
        cv2.circle(mask, np.round(palm).astype(int).tolist(), round(0.2 * unit), 1, -1)
        for finger in range(4):
            start = palm + [0.05 * unit, (finger - 1.5) * 0.1 * unit]
            end = start + [0.42 * unit, -0.05 * unit]
            cv2.line(mask, *(np.round(p).astype(int).tolist() for p in (start, end)), 1, round(0.085 * unit))
    elif thing == "cup":
        cv2.ellipse(
            mask, np.round(nose).astype(int).tolist(), (round(0.22 * unit), round(0.28 * unit)), 0, 0, 360, 1, -1
        )
    else:
        box = cv2.boxPoints((eye.tolist(), (0.5 * unit, 0.36 * unit), 20.0))
        cv2.fillPoly(mask, [np.round(box).astype(np.int32)], 1.0)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.0)[..., None]
    shade = 0.75 + 0.35 * cv2.GaussianBlur(mask, (0, 0), 0.05 * unit)[..., None]
    return np.clip(image * (1 - mask) + np.asarray(color) * shade * mask, 0, 255).astype(np.uint8)


def test_nothing_is_hidden_where_only_light_and_yaw_change(turned):
    assert max(hidden_shares(*turned, list(YAWS))) < HIDDEN_SHARE
    assert hidden_faces(*turned, list(YAWS)) == {}


def test_a_thing_before_the_face_is_found_and_only_there(turned):
    """Three things in five colours before two of the pictures. Of a hand in the very colour of the cheek, before the
    cheek and half of the mouth of a head turned by 30 degrees, too little can be told."""
    colors = {"pale": (235, 200, 180), "dark": (110, 75, 55), "blue": (60, 90, 170), "black": (25, 25, 25)}
    missed = set()
    for place in (0, 3):
        x, y = turned[1][place][50, :2].round().astype(int)
        own = turned[0][place][y - 5 : y + 5, x - 5 : x + 5].reshape(-1, 3).mean(0)
        for thing in ("hand", "cup", "telephone"):
            for name, color in (colors | {"own": own}).items():
                images = list(turned[0])
                images[place] = covered(images[place], turned[1][place], thing, color)
                found = set(hidden_faces(images, turned[1], list(YAWS)))
                assert found <= {place}, (thing, name, place)
                if not found:
                    missed.add((thing, name, place))
    assert missed <= {("hand", "own", 3)}


def test_lips_that_are_no_redder_than_the_skin_are_hidden(turned):
    """Whatever the light: a hand of the skin's own colour, just before the mouth, is told from the others' lips."""
    images, spots = list(turned[0]), turned[1]
    assert hidden_mouths(images, spots, list(YAWS)) == {}
    for place in range(len(images)):
        x, y = spots[place][50, :2].round().astype(int)
        own = images[place][y - 5 : y + 5, x - 5 : x + 5].reshape(-1, 3).mean(0)
        spoilt = images[place].copy()
        middle, reach = spots[place][[13, 14, 61, 291], :2].mean(0), np.ptp(spots[place][[61, 291], 0])
        cv2.circle(spoilt, np.round(middle).astype(int).tolist(), round(0.75 * reach), own.tolist(), -1)
        found = hidden_mouths([*images[:place], spoilt, *images[place + 1 :]], spots, list(YAWS))
        assert list(found) == [place]
        assert 0.01 < found[place] < 0.1
        assert place in hidden_faces([*images[:place], spoilt, *images[place + 1 :]], spots, list(YAWS))
    warm = [np.clip(image * [1.2, 0.95, 0.7], 0, 255).astype(np.uint8) for image in images[:2]]
    assert hidden_mouths([*warm, *images[2:]], spots, list(YAWS)) == {}


def test_a_fringe_that_moves_over_the_forehead_hides_nothing(turned):
    """One picture shows it where the others show skin; a blue telephone before forehead and eye is found, too."""
    images, masks = [], []
    for place, (image, spots) in enumerate(zip(*turned, strict=True)):
        ring = (10, 338, 297, 334) if place == 0 else (10, 109, 67, 105)  # one half of the forehead, down to a brow
        mask = np.zeros(image.shape[:2], np.float32)
        cv2.fillPoly(mask, [np.round(spots[[*ring, 9], :2]).astype(np.int32)], 1.0)
        masks.append(cv2.GaussianBlur(mask, (0, 0), 1))
        images.append(np.round(image + masks[-1][..., None] * ((70, 30, 20) - image.astype(float))).astype(np.uint8))
    assert hidden_faces(images, turned[1], list(YAWS)) == {0: pytest.approx(0.12, abs=0.04)}
    assert hidden_faces(images, turned[1], list(YAWS), masks) == {}
    for place in range(len(YAWS)):
        spoilt = list(images)
        spoilt[place] = covered(images[place], turned[1][place], "telephone", (60, 90, 170))
        assert list(hidden_faces(spoilt, turned[1], list(YAWS), masks)) == [place]


def test_two_pictures_tell_nothing(turned):
    assert hidden_shares(turned[0][:2], turned[1][:2], [0.0, 0.25]) == [0.0, 0.0]
    assert hidden_faces([], [], []) == {}


def test_faces_are_laid_over_each_other(turned):
    """The common square shows the same places: features of two pictures correlate, upside down they do not."""
    squares = [laid_out(*each) for each in zip(*turned, strict=True)][:2]
    both = squares[0][1] & squares[1][1]
    assert both.mean() > 0.3
    greys = [
        cv2.GaussianBlur(face.mean(2), (0, 0), 1) - cv2.GaussianBlur(face.mean(2), (0, 0), 8) for face, _ in squares
    ]
    alike = np.corrcoef(greys[0][both], greys[1][both])[0, 1]
    flipped = both & both[::-1]
    assert alike > 0.6
    assert np.corrcoef(greys[0][flipped], greys[1][::-1][flipped])[0, 1] < 0.3

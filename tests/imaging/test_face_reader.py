"""The face reader: crops sit in one place whatever the head does; numpy layers are convolutions; a rendered face's
brows, lips and gaze are told against its own rest."""

import numpy as np
import pytest

from digitalme.body.people import random_person
from digitalme.body.person_avatar import avatar_of
from digitalme.imaging import face_reader as readers
from digitalme.imaging.face_tracking import FACE_SIZE, STEADY, face_crop, find_landmarks
from digitalme.rendering.studio import Studio, portrait_camera


def test_a_crop_undoes_place_size_and_turn():
    random = np.random.default_rng(0)
    picture = np.zeros((200, 200, 3), np.uint8)
    marks = np.zeros((478, 3), np.float32)
    from digitalme.imaging.face_tracking import _steady_places

    angle, scale, shift = 0.4, 0.7, np.array([90.0, 20.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    places = _steady_places() @ turn.T + shift
    marks[list(STEADY), :2] = places
    spot = np.array([64.0, 90.0]) @ turn.T + shift
    y, x = np.mgrid[:200, :200]
    picture[np.hypot(x - spot[0], y - spot[1]) < 4] = 255
    crop = face_crop(picture, marks + random.normal(0, 1e-3, marks.shape).astype(np.float32))
    assert crop.shape == (FACE_SIZE[1], FACE_SIZE[0], 3)
    rows, columns = np.nonzero(crop[..., 0] > 128)
    np.testing.assert_allclose([columns.mean(), rows.mean()], [64, 90], atol=0.7)


@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_by_hand(stride):
    random = np.random.default_rng(1)
    x, kernel = random.normal(size=(2, 6, 8, 3)), random.normal(size=(4, 3, 3, 3))
    fast = readers.convolved(x, kernel, stride)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    assert fast.shape == (2, 6 // stride, 8 // stride, 4)
    for row in range(fast.shape[1]):
        for column in range(fast.shape[2]):
            part = padded[:, row * stride : row * stride + 3, column * stride : column * stride + 3]
            np.testing.assert_allclose(fast[:, row, column], np.einsum("nhwc,ochw->no", part, kernel))


def test_light_changes_nothing_of_what_the_network_is_given():
    crops = np.random.default_rng(2).integers(60, 120, (2, 144, 128, 3), np.uint8)
    brighter = (crops.astype(int) * 2).astype(np.uint8)
    np.testing.assert_allclose(readers.standardised(crops), readers.standardised(brighter), atol=0.8)
    ratio = readers.standardised(crops).std() / readers.standardised(brighter).std()
    assert 0.7 < ratio < 1


@pytest.fixture(scope="module")
def shown():
    """Features of a person that the network never saw, by what they do; each in another pose of the head."""
    studio = Studio(avatar := avatar_of(random_person(9104), 512), "studio")
    camera = portrait_camera(avatar, width=320, height=320)
    reader, found = readers.face_reader(), {}
    deeds = {
        "rest": {}, "calm": {"jawOpen": 0.04}, "brows": {"browInnerUp": 0.9}, "pucker": {"mouthPucker": 0.9},
        "smile": {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8},
        "aside": {"eyeLookOutLeft": 0.7, "eyeLookInRight": 0.7},
    }  # fmt: skip
    for number, (name, weights) in enumerate(deeds.items()):
        picture = studio.picture(camera, weights, (0.04 * (number % 3 - 1), 0.06 * (number % 2), 0.0))
        found[name] = reader.features(face_crop(picture, find_landmarks(picture))[None])[0]
    return found


@pytest.mark.parametrize(
    ("deed", "curve"),
    [("smile", "mouthSmileLeft"), ("aside", "eyeLookOutLeft")],
)
def test_what_landmarks_hardly_show_is_told(shown, deed, curve):
    reader = readers.face_reader()
    names = list(shown)
    told = reader.weights(np.stack([shown[name] for name in names]), shown["rest"])[:, reader.names.index(curve)]
    print(curve, dict(zip(names, told.round(2), strict=True)))
    assert told[names.index(deed)] > 0.4
    assert told[names.index("calm")] < 0.15
    assert max(value for name, value in zip(names, told, strict=True) if name != deed) < 0.5 * told[names.index(deed)]

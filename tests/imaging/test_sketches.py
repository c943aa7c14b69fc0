"""Drawings of people whose shape, hair and colours are known: lines taken from their pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from digitalme.artifacts import Description, Photo
from digitalme.body.people import person_from
from digitalme.errors import InputError
from digitalme.imaging.face_detection import face_landmarks
from digitalme.imaging.sketches import read_sketch
from digitalme.rendering.people import View, picture_of
from digitalme.stages.generate_portrait import GeneratePortraitConfig, generate_portrait


def lines_of(picture: np.ndarray) -> np.ndarray:
    """Black lines on white (XDoG, Winnemoeller 2012)."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    edge = cv2.GaussianBlur(grey, (0, 0), 1.4) - 0.97 * cv2.GaussianBlur(grey, (0, 0), 2.3)
    ink = np.where(edge < 0.012, 1 + np.tanh(60 * (edge - 0.012)), 1)
    return np.repeat((np.clip(ink, 0, 1) * 255).astype(np.uint8)[..., None], 3, 2)


def sitter(seed: int, **attributes: str) -> np.ndarray:
    person = person_from({"look": "photo", "glasses": "none", "expression": "neutral", **attributes}, seed)
    return picture_of(person, View(key=(0.35, 0.6, 0.8), backdrop=(0.95, 0.95, 0.95)), 384)


def proportions(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks in units of the face's height, about its middle."""
    flat = landmarks[:468, :2] - landmarks[[10, 152], :2].mean(0)
    return flat / np.linalg.norm(landmarks[10, :2] - landmarks[152, :2])


@pytest.fixture(scope="module")
def narrow() -> np.ndarray:
    """A man with a narrow face."""
    person = person_from({"gender": "man", "hair_style": "short", "beard": "none", "glasses": "none", "skin": "light",
                          "expression": "neutral", "look": "photo"}, 3)  # fmt: skip
    shape = person.shape | {"chin-width-incr": -0.8, "chin-height-incr": 0.8, "nose-scale-vert-incr": 0.7}
    lean = type(person)(**{**vars(person), "shape": shape})
    return picture_of(lean, View(key=(0.35, 0.6, 0.8), backdrop=(0.95, 0.95, 0.95)), 512)


def test_the_portrait_has_the_drawings_face(narrow):
    drawing = lines_of(narrow)
    data = cv2.imencode(".png", drawing)[1].tobytes()
    said = Description("a man", "en", (), {"gender": "man", "hair_style": "short"}, np.zeros(0, np.float32))
    config = GeneratePortraitConfig(seed=11)
    truth = proportions(face_landmarks(narrow))
    drafts = [generate_portrait(said, config, each) for each in (Photo(data, "s.png"), None)]
    off = [float(np.abs(proportions(face_landmarks(draft.image)) - truth).mean()) for draft in drafts]
    assert off[0] < 0.75 * off[1]
    assert drafts[0].attributes["hair_style"] == "short"  # words win
    other = generate_portrait(Description("a person", "en", (), {}, np.zeros(0, np.float32)), config, None)
    assert other.source == drafts[0].source == "body"


def test_hair_is_seen_and_colours_where_there_are_some(narrow):
    assert read_sketch(lines_of(sitter(5, gender="woman", hair_style="long")), "s").attributes == {"hair_style": "long"}
    assert read_sketch(lines_of(sitter(5, gender="man", hair_style="bald")), "s").attributes["hair_style"] == "bald"
    painted = read_sketch(sitter(6, gender="woman", hair_style="bob", hair_color="pink", skin="dark"), "s").attributes
    assert painted["hair_color"] == "pink"
    assert painted["skin"] in ("dark", "brown")


def test_a_simple_drawing_is_enough():
    page = np.full((400, 400, 3), 255, np.uint8)
    cv2.ellipse(page, (200, 210), (86, 113), 0, 0, 360, (0, 0, 0), 3, cv2.LINE_AA)
    for x in (166, 234):
        cv2.ellipse(page, (x, 195), (19, 9), 0, 0, 360, (0, 0, 0), 2, cv2.LINE_AA)
        cv2.circle(page, (x, 195), 6, (0, 0, 0), -1, cv2.LINE_AA)
        cv2.line(page, (x - 20, 176), (x + 20, 173), (0, 0, 0), 3, cv2.LINE_AA)
    cv2.polylines(page, [np.array([[200, 203], [194, 238], [208, 239]])], False, (0, 0, 0), 2, cv2.LINE_AA)
    cv2.ellipse(page, (200, 265), (28, 7), 0, 0, 180, (0, 0, 0), 3, cv2.LINE_AA)
    found = read_sketch(page, "s")
    eyes = found.landmarks[[468, 473], :2] / found.image.shape[0] * 400
    assert np.abs(eyes - [[166, 195], [234, 195]]).max() < 8


def test_an_empty_page_is_refused():
    with pytest.raises(InputError, match=r"--sketch s.png: no face is recognised"):
        read_sketch(np.full((300, 300, 3), 255, np.uint8), "s.png")

"""Hair is told from skin by colour and by place, on synthetic people whose hair is known."""

import cv2
import numpy as np
import pytest

from digitalme.body import landmarks as marks
from digitalme.imaging import masks
from digitalme.imaging.masks import FaceFrame, hair_mask, plain_seed, skin_distance, skin_seed
from tests.body.people import HAIR, SKIN, synthetic_person

GINGER = (0.62, 0.36, 0.22)
BROWN_SKIN = (0.62, 0.40, 0.29)


def painted(portrait, true, skin, hair, lighter_below=0.0):
    """The person in these colours; the hair gets lighter from the crown to the chin by this share."""
    rng = np.random.default_rng(3)
    face = FaceFrame.of(portrait.landmarks, portrait.image.shape)
    image = portrait.image.astype(float)
    plain = (portrait.skin > 0.5) & ~true
    image[plain] = 255 * np.array(skin) * rng.normal(1, 0.08, (int(plain.sum()), 1))
    shade = 1 + lighter_below * np.clip(0.4 - face.up, 0, 1)[true, None]
    image[true] = 255 * np.array(hair) * shade * rng.uniform(0.7, 1.3, (int(true.sum()), 1))
    return cv2.GaussianBlur(np.round(np.clip(image, 0, 255)).astype(np.uint8), (0, 0), 0.8), face


def found_hair(image, face, person):
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    seed = plain_seed(lab, skin_seed(face), face)
    return hair_mask(image, person, skin_distance(lab, seed), seed, face)


def found_share(found, true, where):
    return (found & true & where).sum() / (true & where).sum()


@pytest.fixture(scope="module")
def person():
    portrait, _ = synthetic_person({"gender-": 0.5}, "long", size=360)
    return portrait


@pytest.mark.parametrize(("skin", "hair"), [(SKIN, HAIR), ((0.64, 0.44, 0.33), GINGER), (BROWN_SKIN, HAIR)])
def test_long_hair_is_found_though_it_resembles_the_skin(person, skin, hair):
    true, body = person.hair > 0.5, person.person > 0.5
    image, face = painted(person, true, skin, hair)
    found = found_hair(image, face, body)
    region = (face.up > -0.5) & body
    assert found_share(found, true, region) > 0.85
    bare = (person.skin > 0.5) & ~true & region & (face.side < 0.45)
    assert (found & bare).sum() / bare.sum() < 0.15


def test_hair_that_is_lighter_below_is_followed_down_from_its_dark_crown(monkeypatch):
    person = synthetic_person({"gender-": 0.5}, "twintails", size=360)[0]
    true, body = person.hair > 0.5, person.person > 0.5
    image, face = painted(person, true, BROWN_SKIN, (0.24, 0.16, 0.11), lighter_below=0.75)
    region = (face.up > -0.45) & (face.up < 0.1) & body
    found = found_hair(image, face, body)
    assert found_share(found, true, region) > 0.8
    monkeypatch.setattr(masks, "ROUNDS", 1)
    assert found_share(found_hair(image, face, body), true, region) < found_share(found, true, region) - 0.05


def test_hair_that_hangs_over_the_cheeks_is_no_skin(person):
    body = person.person > 0.5
    face = FaceFrame.of(person.landmarks, person.image.shape)
    curtain = body & (face.side > 0.38) & (face.up > -0.35) & (face.up < 0.6)
    true = (person.hair > 0.5) | curtain
    image, face = painted(person, true, (0.45, 0.30, 0.22), (0.62, 0.60, 0.58))
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    seed = skin_seed(face)
    over = curtain & face.polygon(marks.OVAL, -0.06) & (face.up < 0.12)
    assert (seed & over).sum() > 0.3 * over.sum()  # by its place alone it is taken for skin
    assert (plain_seed(lab, seed, face) & over).sum() < 0.05 * over.sum()
    assert found_share(found_hair(image, face, body), true, over) > 0.7


def test_a_beard_is_not_taken_for_hair_over_the_cheeks(person):
    true, body = person.hair > 0.5, person.person > 0.5
    image, face = painted(person, true, SKIN, HAIR)
    beard = face.polygon(marks.OVAL, -0.02) & (face.up < -0.18) & ~face.polygon(marks.LIPS_OUTER, 0.02)
    dark = painted(person, beard, SKIN, HAIR)[0]
    image[beard] = dark[beard]
    assert found_share(found_hair(image, face, body), beard, face.side < 0.3) < 0.1

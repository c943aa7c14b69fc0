"""A hat is told from hair by its parts of very different lightness, and hair below it is found."""

import cv2
import numpy as np
import pytest

from digitalme.body.landmarks import OVAL
from digitalme.imaging.appearance import colors, traits
from digitalme.imaging.masks import FaceFrame, hair_below_hat, plain_seed, skin_distance, skin_seed
from tests.body.people import synthetic_person


def test_a_hat_is_recognised_and_hair_is_not():
    portrait, _ = synthetic_person({}, "short", size=360)
    face = FaceFrame.of(portrait.landmarks, portrait.image.shape)
    seed = portrait.skin > 0.5
    assert traits(portrait.image, seed, portrait.hair, face)["hat"] < 0.1
    above = (portrait.hair > 0.5) & (face.up > 0.5)
    image = portrait.image.copy()
    image[above] = np.where((face.up[above] > 0.62)[:, None], 240, 15)  # a white crown over a dark band
    assert traits(image, seed, portrait.hair, face)["hat"] > 0.9


def hatted(style, hair, level=0.30):
    """A person whose hair is covered from this height on by a dark band and a white crown; what is left of the hair."""
    portrait, _ = synthetic_person({"gender-": 0.5}, style, size=480)
    face = FaceFrame.of(portrait.landmarks, portrait.image.shape)
    rng = np.random.default_rng(2)
    image, strands = portrait.image.astype(float), portrait.hair > 0.5
    plain = (portrait.skin > 0.5) & ~strands
    image[plain] *= rng.normal(1, 0.06, (int(plain.sum()), 1))
    image[strands] = 255 * np.array(hair) * rng.uniform(0.75, 1.25, (int(strands.sum()), 1))
    hat = (portrait.person > 0.5) & (face.up > level)
    image[hat] = np.where((face.up[hat] > 0.62)[:, None], 240, 15)
    image = cv2.GaussianBlur(np.clip(image, 0, 255).astype(np.uint8), (0, 0), 0.8)
    return portrait, face, image, hat, strands & ~hat


@pytest.mark.parametrize("style", ["bob", "long"])
@pytest.mark.parametrize("hair", [(0.62, 0.60, 0.58), (0.25, 0.16, 0.10)], ids=["grey", "brown"])
def test_hair_below_a_hat_is_found_and_neither_hat_nor_skin_are(style, hair):
    portrait, face, image, hat, true = hatted(style, hair)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    seed = plain_seed(lab, skin_seed(face), face)
    found = hair_below_hat(image, portrait.person > 0.5, hat, skin_distance(lab, seed), face)
    where = (face.up > -0.4) & (face.up < 0.25) & (face.side < 0.75) & ~face.polygon(OVAL, -0.02)
    assert (found & true & where).sum() > 0.85 * (true & where).sum()
    assert (found & ~true).sum() < 0.1 * found.sum()
    told = colors(image, seed, found.astype(np.float32), portrait.landmarks, face, below_hat=True)["hair_color"]
    np.testing.assert_allclose(told, hair, atol=0.12)


def test_below_a_hat_that_covers_all_hair_none_is_found():
    portrait, face, image, hat, _ = hatted("buzz", (0.25, 0.16, 0.10), level=0.1)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    seed = plain_seed(lab, skin_seed(face), face)
    assert not hair_below_hat(image, portrait.person > 0.5, hat, skin_distance(lab, seed), face).any()

"""A hat is told from hair by its parts of very different lightness."""

import numpy as np

from digitalme.imaging.appearance import traits
from digitalme.imaging.masks import FaceFrame
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

"""Hair is told from skin by colour and by place, on synthetic people whose hair is known."""

import cv2
import numpy as np
import pytest

from digitalme.imaging.masks import FaceFrame, hair_mask, skin_distance, skin_seed
from tests.body.people import HAIR, SKIN, synthetic_person

GINGER = (0.62, 0.36, 0.22)


@pytest.mark.parametrize(("skin", "hair"), [(SKIN, HAIR), ((0.64, 0.44, 0.33), GINGER), ((0.62, 0.40, 0.29), HAIR)])
def test_long_hair_is_found_though_it_resembles_the_skin(skin, hair):
    portrait, _ = synthetic_person({"gender-": 0.5}, "long", size=360)
    rng = np.random.default_rng(3)
    true, person = portrait.hair > 0.5, portrait.person > 0.5
    image = portrait.image.astype(float)
    image[portrait.skin > 0.5] = 255 * np.array(skin)
    image[portrait.skin > 0.5] *= rng.normal(1, 0.08, (int((portrait.skin > 0.5).sum()), 1))
    image[true] = 255 * np.array(hair) * rng.uniform(0.7, 1.3, (int(true.sum()), 1))
    image = cv2.GaussianBlur(np.round(np.clip(image, 0, 255)).astype(np.uint8), (0, 0), 0.8)
    face = FaceFrame.of(portrait.landmarks, image.shape)
    seed = skin_seed(face) & (portrait.skin > 0.5)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    found = hair_mask(image, person, skin_distance(lab, seed), seed, face)
    region = (face.up > -0.5) & person
    assert (found & true & region).sum() / (true & region).sum() > 0.85
    skin_pixels = (portrait.skin > 0.5) & region & (face.side < 0.45)
    assert (found & skin_pixels).sum() / skin_pixels.sum() < 0.15

"""Light that is missing is made up for, dark skin stays dark, a cast is lessened, good light is left alone."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from digitalme.body.landmarks import EYE_LEFT, EYE_RIGHT
from digitalme.imaging.exposure import light_gains, well_lit, well_lit_together
from digitalme.spaces import linear_to_srgb, srgb_to_linear
from tests.body.people import synthetic_person

FAIR, DARK, SHADED_WHITE = (0.80, 0.60, 0.51), (0.36, 0.23, 0.17), (0.56, 0.54, 0.53)
LIGHT = np.array([0.2126, 0.7152, 0.0722])


def lit(skin, factors=(1.0, 1.0, 1.0), traits=None):
    """A synthetic portrait of such skin, whites as lids shade them, in light of these strengths."""
    portrait, _ = synthetic_person({}, "bald", size=360, traits=traits)
    image = np.where(portrait.skin[..., None] > 0.5, skin, portrait.image / 255)
    eyes = np.zeros(portrait.skin.shape, np.uint8)
    for ring in (EYE_RIGHT, EYE_LEFT):
        cv2.fillPoly(eyes, [np.round(portrait.landmarks[list(ring), :2]).astype(np.int32)], 1)
    image = np.where(eyes[..., None] > 0, SHADED_WHITE, image)
    dimmed = linear_to_srgb(srgb_to_linear(image) * np.array(factors))
    color = tuple(float(v) for v in linear_to_srgb(srgb_to_linear(np.array(skin)) * np.array(factors)))
    return replace(portrait, image=np.round(255 * np.clip(dimmed, 0, 1)).astype(np.uint8), skin_color=color)


@pytest.mark.parametrize("skin", [FAIR, DARK])
def test_good_light_is_left_alone(skin):
    portrait = lit(skin)
    assert well_lit(portrait) is portrait


def test_a_dim_photo_of_fair_skin_is_brightened_to_fair_skin():
    portrait = lit(FAIR, (0.3,) * 3)
    better = well_lit(portrait)
    assert srgb_to_linear(np.array(portrait.skin_color)) @ LIGHT < 0.13
    assert 0.2 < srgb_to_linear(np.array(better.skin_color)) @ LIGHT < 0.36
    np.testing.assert_allclose(np.median(better.image[portrait.skin > 0.5], 0) / 255, better.skin_color, atol=0.02)
    assert (better.image.astype(int) >= portrait.image).all()


def test_dark_skin_is_not_taken_for_dim_light():
    assert light_gains(lit(DARK)).max() == 1
    dim = well_lit(lit(DARK, (0.4,) * 3))
    assert srgb_to_linear(np.array(dim.skin_color)) @ LIGHT < 1.1 * srgb_to_linear(np.array(DARK)) @ LIGHT


def test_behind_glasses_whites_tell_nothing():
    assert light_gains(lit(DARK, (0.3,) * 3, traits={"glasses": 1.0})).max() == 1


@pytest.mark.parametrize("factors", [(1.0, 0.9, 1.6), (1.25, 0.95, 0.5)])
def test_a_cast_is_lessened(factors):
    def away(portrait):
        pair = np.array([portrait.skin_color, FAIR], np.float32)[None]
        one, other = cv2.cvtColor(pair, cv2.COLOR_RGB2Lab)[0]
        return np.hypot(*(one - other)[1:])

    portrait = lit(FAIR, factors)
    assert away(well_lit(portrait)) < 0.85 * away(portrait)


def test_pictures_of_one_person_are_brought_to_what_they_have_in_common():
    """Casts and exposures of nine pictures go; one picture in coloured light moves nothing."""
    rng = np.random.default_rng(3)
    factors = np.exp(rng.normal(0, 0.12, (9, 3)))
    given = [lit(FAIR, each) for each in factors]

    def skins(portraits):
        colors = np.array([portrait.skin_color for portrait in portraits], np.float32)
        return cv2.cvtColor(colors[None], cv2.COLOR_RGB2Lab)[0]

    even = well_lit_together(given)
    true = cv2.cvtColor(np.array([[FAIR]], np.float32), cv2.COLOR_RGB2Lab)[0]
    assert skins(even).std(0).max() < 0.15 * skins(given).std(0).min()
    before = np.linalg.norm(skins(given) - true, axis=1)
    assert np.linalg.norm(skins(even) - true, axis=1).max() < 0.6 * np.median(before)
    for portrait in even:
        skin = np.median(portrait.image[portrait.skin > 0.5], 0) / 255
        np.testing.assert_allclose(skin, portrait.skin_color, atol=0.02)
    odd = well_lit_together([*given[:8], lit(FAIR, (0.3, 0.5, 0.9))])
    np.testing.assert_allclose(skins(odd)[0], skins(even)[0], atol=2.5)


def test_one_picture_alone_is_lit_as_ever():
    portrait = lit(FAIR, (0.3,) * 3)
    (alone,) = well_lit_together([portrait])
    np.testing.assert_array_equal(alone.image, well_lit(portrait).image)

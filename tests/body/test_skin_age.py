"""Age is seen on every skin: folds beside the nose and bags under the eyes darken step by step, brows grey."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from digitalme.body.people import SKIN_TONES, person_from
from digitalme.body.skin import face_maps, paint_skin, with_age

SIZE = 256
AGES = ("young", "adult", "middle", "old")


def sitter(skin, age, **more):
    words = {"gender": "woman", "beard": "none", "hair_color": "black", "skin": skin, "age": age} | more
    return person_from(words, 3)


def fold_depth(albedo):
    """Lab lightness that skin beside the folds has more than the folds themselves."""
    face = face_maps(SIZE)
    light = rgb2lab(albedo)[..., 0]
    bare = (face.sag < 0.02) & (face.lines < 0.02) & (np.abs(face.place[..., 0]) < 0.05) & (face.place[..., 2] > 0.03)
    bare &= (face.lips < 0.01) & (face.lids < 0.01) & (face.hollow < 0.2)
    return float(np.median(light[bare]) - np.median(light[face.sag > 0.6]))


@pytest.mark.parametrize("skin", SKIN_TONES)
def test_folds_deepen_with_age_on_every_skin(skin):
    depths = [fold_depth(paint_skin(sitter(skin, age), SIZE).albedo) for age in AGES]
    assert abs(depths[0]) < 3.5
    assert depths[2] > depths[1] + 4, depths
    assert depths[3] > depths[2] + 4, depths


def test_dark_skin_shows_age_as_much_as_light_skin():
    gains = {}
    for skin in ("pale", "dark"):
        young, old = (fold_depth(paint_skin(sitter(skin, age), SIZE).albedo) for age in ("young", "old"))
        gains[skin] = old - young
    assert gains["dark"] > 0.65 * gains["pale"], gains


def test_relief_sinks_where_lines_are():
    young, old = (paint_skin(sitter("tan", age), SIZE).normal_map.astype(float) for age in ("young", "old"))
    rim = face_maps(SIZE).sag > 0.3
    tilt = [np.abs(normals[..., :2] - 128)[rim].mean() for normals in (young, old)]
    assert tilt[1] > 1.5 * tilt[0], tilt


def test_old_brows_are_grey_and_young_ones_are_not():
    young, middle, old = (np.array(sitter("light", age).brow_color) for age in ("young", "middle", "old"))
    assert young.mean() < middle.mean() < old.mean()
    assert old.mean() > 0.3 > young.mean()
    dark = np.array(sitter("dark", "old").brow_color)
    assert dark.mean() > np.mean(sitter("dark", "old").skin_color)  # grey hair on dark skin is the lighter of the two


def test_growing_older_in_a_photo_deepens_the_same_folds():
    skin = paint_skin(sitter("brown", "young"), SIZE)
    depths = [fold_depth(with_age(skin.albedo, skin.normal_map, age)[0]) for age in ("adult", "middle", "old")]
    assert depths[0] + 2 < depths[1] < depths[2] - 2, depths


def test_stubble_is_seen_on_dark_skin_of_the_middle_aged():
    """Their brows grey already; were the stubble of that grey, it would be the skin's own lightness."""
    words = {"gender": "man", "hair_color": "black"}
    bare, grown = (
        paint_skin(sitter("dark", "middle", beard=beard, **words), SIZE).albedo for beard in ("none", "stubble")
    )
    field = face_maps(SIZE).beards["stubble"] > 0.7
    assert bare[field].mean() - grown[field].mean() > 8

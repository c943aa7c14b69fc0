"""What a drawing tells of somebody: woman or man, their age, the colour of their eyes."""

import colorsys

import numpy as np
import pytest
from skimage.color import rgb2lab

from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.body.moe import MoeColors, MoeStyle, drawn_as, moe_avatar
from digitalme.body.moe_hair import moe_hair
from digitalme.body.moe_paint import paint_moe_eye
from digitalme.body.people import EYE_COLORS
from digitalme.body.scalp import build_scalp
from tests.body.people import HAIR, IDENTITIES, IRIS, SKIN, both, seen_pixels

MANNERS = (("woman", "adult"), ("woman", "old"), ("man", "adult"), ("man", "old"))


@pytest.fixture(scope="module")
def people():
    """The same face drawn in each manner: avatar and vertices."""
    colors = MoeColors(SKIN, HAIR, IRIS, HAIR)
    return {
        manner: moe_avatar(IDENTITIES["plain"], colors, MoeStyle(drawn=drawn_as(*manner)))[:2] for manner in MANNERS
    }


def area(mesh):
    """Of all triangles, seen from the front."""
    a, b, c = np.moveaxis(mesh.positions[mesh.faces][..., :2].astype(float), 1, 0)
    return np.abs(np.cross(b - a, c - a)).sum() / 2


@pytest.mark.parametrize("manner", MANNERS, ids=" ".join)
def test_eyes_of_every_manner_shut(people, manner):
    avatar, _ = people[manner]
    rest, shut = seen_pixels(avatar, {}), seen_pixels(avatar, both(eyeBlink=1.0))
    assert min(rest["eye_left"], rest["eye_right"]) > 700
    assert shut["eye_left"] + shut["eye_right"] <= 2


def test_a_man_has_a_wider_jaw_and_thicker_brows_and_a_woman_longer_lashes(people):
    (woman, hers), (man, his) = (people[gender, "adult"] for gender in ("woman", "man"))
    jaw = [np.ptp(landmark_points(vertices)[[172, 397], 0]) for vertices in (hers, his)]
    assert jaw[1] > 1.04 * jaw[0]
    assert area(woman.mesh("lashes")) > 1.3 * area(man.mesh("lashes"))
    dark = [(avatar.textures["head"].max(2) < 110).sum() for avatar in (woman, man)]  # brows are all that is so dark
    assert dark[1] > 1.3 * dark[0]


def test_lines_come_with_age(people):
    """Texels clearly darker than the skin around them, lips' and brows' own left out by taking the same gender."""
    for gender in ("woman", "man"):
        young, old = (people[gender, age][0].textures["head"].astype(int).min(2) for age in ("adult", "old"))
        assert ((old < 150) & (young > 200)).sum() > 500


def below_the_pupil(name):
    """The drawn iris's colour where it glows, sRGB 0..1."""
    painted = paint_moe_eye(EYE_COLORS[name][0], 256).astype(float) / 255
    return np.median(painted[164:190, 104:136].reshape(-1, 3), 0)


@pytest.mark.parametrize("name", EYE_COLORS)
def test_a_drawn_eye_has_the_hue_of_its_word(name):
    hue, saturation, _ = colorsys.rgb_to_hsv(*below_the_pupil(name))
    if name in ("black", "grey"):
        assert saturation < 0.45
        return
    turn = abs(hue - colorsys.rgb_to_hsv(*EYE_COLORS[name][0])[0])
    assert min(turn, 1 - turn) < 0.03


def test_no_two_words_give_the_same_drawn_eye():
    """Ten units of Lab are told apart at a glance."""
    shades = {name: rgb2lab(below_the_pupil(name)[None, None])[0, 0] for name in EYE_COLORS}
    away = {(a, b): np.linalg.norm(shades[a] - shades[b]) for a in shades for b in shades if a < b}
    assert min(away.values()) > 10, min(away, key=lambda pair: away[pair])


def test_a_drawn_buzz_cut_ends_in_points():
    """Its edge over the forehead goes up and down; that of other caps is even."""
    scalp = build_scalp(load_body().vertices({}), load_body())

    def turns(cut):
        cap = moe_hair(scalp, cut, False, 0.03, np.array([0.4, 0.3, 0.2]))[0]
        azimuth, polar = np.degrees(
            scalp.angles(cap.positions.reshape(24 if cut == "buzz" else 40, -1, 3)[-1].astype(float))
        )
        edge = polar[np.abs((azimuth + 180) % 360 - 180) < 40]
        steps = np.diff(edge)
        return (np.diff(np.sign(steps[np.abs(steps) > 0.3])) != 0).sum()

    assert turns("buzz") >= 12  # six points and more
    assert turns("short") <= 2

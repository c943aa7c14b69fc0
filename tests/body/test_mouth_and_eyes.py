"""Teeth, tongue and eyes stay behind the skin: counted in flat-colour close-ups of 420 x 420 pixels, over identities.

The limits are what a mouth line of a pixel's width gives, not what was measured.
"""

import numpy as np
import pytest

from digitalme.body.eyes import iris_share, paint_eye, paint_lashes
from digitalme.body.model import load_body
from digitalme.body.moe import MoeColors, MoeStyle, moe_avatar
from digitalme.body.mouth import paint_teeth
from tests.body.people import HAIR, IDENTITIES, IRIS, SKIN, bare_avatar, both, close_up, seen_pixels

SHUT = 15  # pixels of teeth, tongue and cavity that a closed mouth may show: a fifth of its line
INSIDE = ("teeth", "tongue", "mouth")


def inside(counts):
    return sum(counts[name] for name in INSIDE)


@pytest.fixture(scope="module", params=IDENTITIES, ids=str)
def person(request):
    return bare_avatar(IDENTITIES[request.param])


@pytest.fixture(scope="module", params=["plain", "old man"])
def drawn(request):
    return moe_avatar(IDENTITIES[request.param], MoeColors(SKIN, HAIR, IRIS, HAIR), MoeStyle())[0]


def test_eyes_are_seen_and_a_blink_hides_them(person):
    rest = seen_pixels(person, {})
    assert min(rest["eye_left"], rest["eye_right"]) > 250
    for shut in (1.0, 0.9):
        blink = seen_pixels(person, both(eyeBlink=shut))
        assert blink["eye_left"] == blink["eye_right"] == 0


@pytest.mark.parametrize(
    "weights",
    [{}, {"jawOpen": 0.5, "mouthClose": 0.5}, {"jawOpen": 1.0, "mouthClose": 1.0}, {"mouthPucker": 1.0}],
    ids=["rest", "half sealed", "sealed", "pucker"],
)  # fmt: skip
def test_closed_mouths_show_nothing_of_their_inside(person, weights):
    assert inside(seen_pixels(person, weights)) <= SHUT


def test_an_open_jaw_shows_tongue_and_depth_behind_it(person):
    seen = seen_pixels(person, {"jawOpen": 0.5})
    assert seen["tongue"] > 400
    assert seen["mouth"] > 20


def test_a_smile_with_raised_lips_shows_the_upper_teeth(person):
    seen = seen_pixels(person, both(mouthSmile=0.8, mouthUpperUp=0.8) | {"jawOpen": 0.2})
    assert seen["teeth"] > 150


def test_no_action_alone_pushes_eyes_out_of_their_sockets():
    """No action may show more of the eyes than eyes wide open do, nor sockets through the lids."""
    person, camera = bare_avatar({}), close_up(210)
    wide = seen_pixels(person, both(eyeWide=1.0), camera)
    for name in load_body().names("action"):
        seen = seen_pixels(person, {name: 1.0}, camera)
        eyes = seen["eye_left"] + seen["eye_right"]
        assert eyes <= 1.1 * (wide["eye_left"] + wide["eye_right"]), name
        assert seen["sockets"] <= 0.12 * eyes + 4, name


def test_drawn_eyes_are_big_and_shut(drawn):
    rest, blink = seen_pixels(drawn, {}), seen_pixels(drawn, both(eyeBlink=1.0))
    assert rest["eye_left"] > 2000
    assert blink["eye_left"] == blink["eye_right"] == 0
    one = seen_pixels(drawn, {"eyeBlinkLeft": 1.0})
    assert one["eye_left"] == 0
    assert one["eye_right"] == pytest.approx(rest["eye_right"], rel=0.01)


def test_drawn_mouth_is_sealed_at_rest_and_opens(drawn):
    assert inside(seen_pixels(drawn, {})) <= SHUT
    assert inside(seen_pixels(drawn, {"jawOpen": 0.5, "mouthClose": 0.5})) <= SHUT
    assert inside(seen_pixels(drawn, {"jawOpen": 0.5})) > 300


def test_iris_has_the_person_s_colour_and_a_real_size():
    eyeball = load_body().template[load_body().parts["eye_left"].vertex_ids]
    radius = iris_share(eyeball)
    assert radius * np.pi / 2 * np.ptp(eyeball[:, 0]) / 2 == pytest.approx(0.0058, rel=0.03)  # along the ball
    blue, brown = (paint_eye(color, radius).astype(float) for color in ((0.3, 0.45, 0.7), (0.4, 0.25, 0.12)))
    axis = (np.arange(512) + 0.5) / 256 - 1
    r = np.hypot(axis[:, None], axis[None]) / radius
    ring = (r > 0.5) & (r < 0.75)
    assert blue[ring][:, 2].mean() > 1.5 * blue[ring][:, 0].mean()
    assert brown[ring][:, 0].mean() > 1.5 * brown[ring][:, 2].mean()
    assert blue[r < 0.3].max() < 10  # the pupil
    assert blue[r > 1.2].min() > 150  # the white


def test_teeth_have_gaps_and_lashes_are_thin():
    teeth = paint_teeth().astype(float)[20, :, :3].mean(1)
    middle = teeth[150:362]
    dark = (middle[1:-1] < middle[:-2]) & (middle[1:-1] <= middle[2:]) & (middle[1:-1] < 0.85 * middle.max())
    assert 5 <= dark.sum() <= 14
    assert 0.01 < (paint_lashes()[..., 3] > 60).mean() < 0.25

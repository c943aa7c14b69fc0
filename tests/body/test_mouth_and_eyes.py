"""Teeth, tongue and eyes stay behind the skin: counted in flat-colour close-ups of 420 x 420 pixels, over identities.

The limits are what a mouth line of a pixel's width gives, not what was measured.
"""

import numpy as np
import pytest

from digitalme.body.eyes import AWAKE, awake_lids, iris_share, paint_eye, paint_lashes, paint_lids
from digitalme.body.model import load_body
from digitalme.body.moe import MoeColors, MoeStyle, moe_avatar
from digitalme.body.mouth import paint_teeth, settle_mouth
from digitalme.geometry.uv_map import spread_over_uvs
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


def test_an_open_jaw_shows_tongue_and_teeth(person):
    assert seen_pixels(person, {"jawOpen": 0.5})["tongue"] > 400
    assert seen_pixels(person, {"jawOpen": 0.9})["teeth"] > 100


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
    assert np.median(blue[r > 1.2]) > 180  # the white
    assert blue[246:266][(r > 1.2)[246:266]].min() > 150  # beside the iris; above it lies the lid's shadow


def test_teeth_have_gaps_and_lashes_are_thin():
    teeth = paint_teeth().astype(float)[20, :, :3].mean(1)
    middle = teeth[150:362]
    dark = (middle[1:-1] < middle[:-2]) & (middle[1:-1] <= middle[2:]) & (middle[1:-1] < 0.85 * middle.max())
    assert 5 <= dark.sum() <= 14
    assert 0.01 < (paint_lashes()[..., 3] > 60).mean() < 0.25


def test_a_neutral_face_is_awake_and_a_wide_one_stays_as_it_is():
    """The upper lid's edge stands AWAKE over the pupil; nothing but the eyes' surroundings moves."""
    model = load_body()
    wide = {f"eyeWide{side}": 1.0 for side in ("Left", "Right")}
    for shape in ({}, {"asian": 1.0}, wide):
        vertices = settle_mouth(model.vertices(shape), model)
        opened = awake_lids(vertices, model)
        heights = []
        for side in ("left", "right"):
            ball = vertices[model.parts[f"eye_{side}"].vertex_ids]
            center = (ball.max(0) + ball.min(0)) / 2
            rim = np.intersect1d(model.parts["head"].faces, model.parts[f"eye_socket_{side}"].faces)
            middle = rim[np.abs(vertices[rim, 0] - center[0]) < 0.006]
            heights.append(opened[middle, 1].max() - center[1])
        assert min(heights) > AWAKE - 0.0006
        moved = np.linalg.norm(opened - vertices, axis=1)
        assert moved.max() < (1e-9 if shape is wide else 0.004)
        assert not moved[model.parts["mouth_cavity"].vertex_ids].any()


def test_lids_get_a_lash_line_and_a_crease_and_nothing_else_is_painted():
    avatar = bare_avatar({})
    head = avatar.mesh("head")
    skin = np.full((512, 512, 3), 200, np.uint8)
    painted = paint_lids(skin, head, (avatar.mesh("eye_left"), avatar.mesh("eye_right"))).astype(int)
    places, covered = spread_over_uvs(head.positions.astype(float), head.uvs, head.faces, 512)
    changed = (painted.mean(2) < 196) & covered
    centers = [avatar.mesh(name).positions.mean(0) for name in ("eye_left", "eye_right")]
    away = np.min([np.linalg.norm((places[changed] - c)[:, :2], axis=1) for c in centers], 0)
    assert 100 < changed.sum() < 0.03 * 512 * 512
    assert away.max() < 0.042
    assert painted[changed].min() < 110  # the lash line
    assert np.median(painted[changed]) > 150  # the crease is soft


def test_lashes_curve_up_and_hang_down_in_a_blink():
    lashes = bare_avatar({}).mesh("lashes")
    model = load_body()
    for side in ("Left", "Right"):
        own = np.isin(lashes.body_ids, model.parts[f"lashes_upper_{side.lower()}"].vertex_ids)
        tips = own & (lashes.uvs[:, 1] < 0.1)
        blink = lashes.morphs[f"eyeBlink{side}"].dense(len(lashes.positions))
        plain = model.displacement(f"eyeBlink{side}")[lashes.body_ids]
        assert (blink - plain)[tips, 1].min() < -0.002
        roots = own & (lashes.uvs[:, 1] > 0.48)
        np.testing.assert_allclose(lashes.positions[roots], model.template[lashes.body_ids[roots]], atol=2e-3)

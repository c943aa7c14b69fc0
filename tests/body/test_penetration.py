"""No face action, viseme or pair that speech uses pushes teeth, tongue or eyes through the skin, over identities.

Depths are by sight (digitalme.metrics.penetration): at most `DEPTH` mm over 2 square millimetres. And what leaves the
lips shut shows no more of the mouth's inside than a closed mouth does.
"""

from dataclasses import replace

import numpy as np
import pytest

from digitalme.body.actions import OPENING, Lips
from digitalme.body.model import load_body
from digitalme.body.moe import MoeColors, MoeStyle, moe_avatar
from digitalme.body.mouth import settle_mouth
from digitalme.body.visemes import VISEMES, arkit_weights
from digitalme.metrics.penetration import PenetrationMeter
from tests.body.people import HAIR, IDENTITIES, IRIS, SKIN, bare_avatar, both, close_up, seen_pixels

DEPTH = 0.8
"""Millimetres: a pixel of a head-and-shoulders picture of 512 pixels."""
SHUT = 15
EXTREMES = {
    "heavy": {"weight+": 1.0, "gender+": 0.6},
    "thin": {"weight-": 1.0, "muscle-": 1.0},
    "child": {"age-": 1.0},
    "old woman": {"age+": 1.0, "gender-": 1.0},
    "full lips": {"african": 1.0, "mouth-upperlip-volume-incr": 1.0, "mouth-lowerlip-volume-incr": 1.0},
    "thin lips": {"mouth-upperlip-volume-incr": -1.0, "mouth-lowerlip-volume-incr": -1.0,
                  "mouth-scale-horiz-incr": -0.8},
    "big eyes": {"l-eye-scale-incr": 1.0, "r-eye-scale-incr": 1.0},
    "small eyes": {"asian": 1.0, "l-eye-scale-incr": -1.0, "r-eye-scale-incr": -1.0},
}  # fmt: skip
EVERYONE = IDENTITIES | EXTREMES


def poses() -> dict[str, dict[str, float]]:
    """Every action alone, every viseme, and the pairs that fluent speech and its blinks make."""
    found = {name: {name: 1.0} for name in load_body().names("action")}
    found |= {f"viseme {viseme}": arkit_weights(viseme) for viseme in VISEMES}
    for first, second in (("PP", "aa"), ("FF", "O"), ("aa", "U"), ("E", "PP"), ("TH", "I"), ("SS", "O"), ("U", "FF")):
        mixed = {}
        for viseme in (first, second):
            for name, weight in arkit_weights(viseme).items():
                mixed[name] = mixed.get(name, 0.0) + 0.5 * weight
        found[f"between {first} and {second}"] = mixed
    found |= {
        "open seal": {"jawOpen": 1.0, "mouthClose": 1.0},
        "tongue in an open mouth": {"jawOpen": 0.5, "tongueOut": 1.0},
        "tongue half out": {"tongueOut": 0.5},
        "toothy smile": both(mouthSmile=0.8, mouthUpperUp=0.8) | {"jawOpen": 0.2},
        "press and roll": both(mouthPress=1.0) | {"mouthRollLower": 0.6, "mouthRollUpper": 0.4},
        "pucker open": {"mouthPucker": 1.0, "jawOpen": 0.3},
        "half blink": both(eyeBlink=0.5),
        "smiling blink": both(eyeBlink=1.0, cheekSquint=0.5, mouthSmile=0.6),
        "blink looking down": both(eyeBlink=0.6, eyeLookDown=0.6),
    }
    return found


def assert_nothing_comes_through(avatar, limit=DEPTH):
    meter = PenetrationMeter(avatar)
    for title, weights in poses().items():
        for part, depth in meter.measure(weights).items():
            assert depth <= limit, f"{title}: {part} stands {depth:.2f} mm before the skin"


def test_nothing_comes_through_the_skin():
    assert_nothing_comes_through(bare_avatar({}))


@pytest.mark.slow
@pytest.mark.parametrize("who", [who for who in EVERYONE if who != "plain"])
def test_nothing_comes_through_anyone_s_skin(who):
    assert_nothing_comes_through(bare_avatar(EVERYONE[who]))


def test_the_meter_sees_teeth_pushed_forward():
    """The control: the same face with its teeth moved through the lips, and with its eyes grown out of the lids."""
    avatar = bare_avatar({})
    assert max(PenetrationMeter(avatar).measure({}).values()) < 0.3
    for name, move, part in (("teeth", 0.012, "teeth"), ("eye_left", 0.006, "eye_left")):
        meshes = tuple(
            replace(mesh, positions=mesh.positions + np.array([0, 0, move], np.float32)) if mesh.name == name else mesh
            for mesh in avatar.meshes
        )
        depth = PenetrationMeter(replace(avatar, meshes=meshes)).measure({})[part]
        assert 3 * DEPTH < depth < 1.1 * 1000 * move


@pytest.mark.parametrize("who", ["plain", "old man", "thin lips", "full lips"])
def test_what_leaves_the_lips_shut_shows_no_teeth(who):
    avatar, camera = bare_avatar(EVERYONE[who]), close_up(420)
    shut = {"press": both(mouthPress=1.0), "rest": {}, "PP": arkit_weights("PP")}
    shut |= {n: {n: 1.0} for n in ("mouthShrugUpper", "mouthRollLower", "mouthRollUpper", "jawForward", "cheekPuff")}
    for title, weights in shut.items():
        seen = seen_pixels(avatar, weights, camera)
        assert seen["teeth"] + seen["tongue"] + seen["mouth"] <= SHUT, title


def test_lips_meet_along_their_line_whatever_they_do():
    """The gap of the rim over the middle three quarters, in millimetres, in every action that should not part them."""
    model = load_body()
    lips = Lips(model)
    for who in ("plain", "thin lips", "child"):
        vertices = settle_mouth(model.vertices(EVERYONE[who]), model)
        avatar = bare_avatar(EVERYONE[who])
        head = avatar.mesh("head")
        for name in model.names("action"):
            if name.startswith(("mouth", "cheek", "jaw")) and not name.startswith(OPENING):
                moved = vertices.copy()
                moved[head.body_vertices] = head.positions + head.morphs[name].dense(len(head.positions))
                middle, half = moved[lips.rim, 0].mean(), np.ptp(moved[lips.rim, 0]) / 2
                across = middle + np.linspace(-0.75, 0.75, 33) * half
                assert 1000 * lips.gap(moved, across).max() < 0.4, (who, name)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["plain", "child"])
def test_nothing_comes_through_a_drawn_face(who):
    drawn, _, _ = moe_avatar(EVERYONE[who], MoeColors(SKIN, HAIR, IRIS, HAIR), MoeStyle())
    assert_nothing_comes_through(drawn)

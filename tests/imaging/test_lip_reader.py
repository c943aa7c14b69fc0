"""The lip reader: a mouth is laid back onto the same spots however the head is turned; what a drawn mouth does is told
beside the same mouth at rest, and one thing is not taken for another."""

import cv2
import numpy as np
import pytest

from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth
from digitalme.body.people import random_person
from digitalme.body.person_avatar import avatar_of
from digitalme.imaging.lip_reader import CORNERS, SIZE, SPAN, lip_reader, mouth_spots, standardised
from digitalme.rendering.studio import Studio, portrait_camera

DEEDS = {
    "rest": {}, "pucker": {"mouthPucker": 0.8}, "open": {"jawOpen": 0.4}, "funnel": {"mouthFunnel": 0.7},
    "smile": {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8},
    "pressed": {"mouthPressLeft": 0.7, "mouthPressRight": 0.7, "mouthRollLower": 0.4, "mouthRollUpper": 0.4},
    "lifted": {"mouthUpperUpLeft": 0.6, "mouthUpperUpRight": 0.6, "jawOpen": 0.1},
}  # fmt: skip


def test_spots_lie_on_the_skin_about_the_mouth():
    body = load_body()
    head = body.template.astype(float)[np.unique(body.parts["head"].faces)]
    marks = landmark_points(body.template.astype(float))
    spots = mouth_spots(head, marks)
    assert spots.shape == (SIZE[0] * SIZE[1], 3)
    rows = spots.reshape(SIZE[1], SIZE[0], 3)
    np.testing.assert_allclose(rows[:, :, 0], -rows[:, ::-1, 0], atol=1e-3)  # the template is symmetrical
    np.testing.assert_allclose(np.diff(rows[:, :, 0]), SPAN / SIZE[0], atol=1e-9)
    assert (np.diff(rows[:, :, 1], axis=0) < 0).all()
    lips = marks[[*CORNERS, 0, 17, 13, 14]]
    apart = np.linalg.norm(lips[:, None] - spots, axis=2).min(1)
    assert apart.max() < 0.008


def test_light_changes_nothing_of_what_the_network_is_given():
    pair = np.random.default_rng(2).integers(60, 120, (2, *SIZE[::-1]), np.uint8)
    brighter = (pair.astype(int) * 2).astype(np.uint8)
    np.testing.assert_allclose(standardised(pair), standardised(brighter), atol=0.25)


@pytest.fixture(scope="module", params=[9105, 9106])
def told(request) -> dict[str, dict[str, float]]:
    """What the reader tells of a person that it did not learn from, whose head is turned a little in each picture."""
    body, person = load_body(), random_person(request.param)
    studio = Studio(avatar := avatar_of(person, 256), "studio")
    camera = portrait_camera(avatar, width=256, height=256, span=0.3)
    rest = settle_mouth(body.vertices(person.shape), body).astype(float)
    spots = mouth_spots(rest[np.unique(body.parts["head"].faces)], landmark_points(rest))
    reader, seen, found = lip_reader(), {}, {}
    for number, (deed, weights) in enumerate(DEEDS.items()):
        angles = (0.05 * (number % 3 - 1), 0.1 * (number % 4 - 1.5), 0.03)
        picture = cv2.cvtColor(studio.picture(camera, weights, angles), cv2.COLOR_RGB2GRAY)
        view, head = camera.camera_from_world, studio.rig.head_transform(angles)[1]
        placed = (spots @ head[:, :3].T + head[:, 3]) @ view[:, :3].T + view[:, 3]
        at = (camera.focal_px * placed[:, :2] / placed[:, 2:] + 128).astype(np.float32).reshape(SIZE[1], SIZE[0], 2)
        seen[deed] = cv2.remap(picture, at, None, cv2.INTER_LINEAR), (view[:, :3] @ head[:, :3])[2, :2]
    for deed, (mouth, way) in seen.items():
        change = reader.change(seen["rest"][0], mouth, np.concatenate([seen["rest"][1], way]))
        found[deed] = dict(zip(reader.names, change.tolist(), strict=True))
        print(request.param, deed, {name: round(told, 2) for name, told in found[deed].items() if abs(told) > 0.1})
    return found


def test_the_mouth_at_rest_does_nothing(told):
    assert max(map(abs, told["rest"].values())) < 0.1


@pytest.mark.parametrize(
    ("deed", "curve"),
    [("pucker", "mouthPucker"), ("open", "jawOpen"), ("funnel", "mouthFunnel"), ("smile", "mouthSmileLeft"),
     ("pressed", "mouthPressLeft"), ("lifted", "mouthUpperUpLeft")],
)  # fmt: skip
def test_what_the_mouth_does_is_told(told, deed, curve):
    """A person's own gain is not known: a full pucker of one is two thirds of another's."""
    share = told[deed][curve] / DEEDS[deed][curve]
    assert 0.6 < share < 2.0
    others = {other: told[other][curve] / told[deed][curve] for other in DEEDS if curve not in DEEDS[other]}
    assert max(map(abs, others.values())) < 0.3, others


@pytest.mark.parametrize("deed", ["pressed", "lifted", "smile", "open", "funnel"])
def test_nothing_else_is_taken_for_a_pucker(told, deed):
    """By skin and landmarks alone, pressed lips look less puckered than rest, and lifted ones more."""
    assert abs(told[deed]["mouthPucker"]) < 0.16 * told["pucker"]["mouthPucker"]

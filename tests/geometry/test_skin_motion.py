"""Skin laid from one picture onto another tells what moved, and how the head turned; the ground truth is a mesh whose
vertices carry random shades."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from digitalme.body.actions import settled_actions
from digitalme.body.landmarks import COUNT, landmark_points
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth
from digitalme.geometry.face_motion import _resting_weights, _SkinPass, action_prior
from digitalme.geometry.fit import iris_vertices
from digitalme.geometry.skin_motion import SHARPNESS, Place, Skin, SkinSight, _bare
from digitalme.imaging.face_tracking import FACE_SIZE, crop_from_picture
from digitalme.rendering.raster import rasterise_ids
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler

SIZE, FOCAL = 400, 1500.0
CENTER = np.array([SIZE / 2, SIZE / 2])


class Puppet:
    """A face of mottled skin."""

    def __init__(self) -> None:
        self.body = load_body()
        self.rest = settle_mouth(self.body.vertices({}), self.body)
        self.moves = settled_actions(self.rest, self.body)
        self.names = self.body.names("action")
        self.faces = np.concatenate([self.body.parts[part].faces for part in ("head", "eye_left", "eye_right")])
        self.shades = 60 + 140 * np.random.default_rng(5).random(len(self.rest))

    def seen(self, weights: dict[str, float], head: tuple[float, float, float], light: float = 1.0, behind: int = 30):
        """(gray crop, landmarks, place) of the face doing this; `behind`: the shade of all that is no skin."""
        points = self.rest + sum(weight * self.moves[name] for name, weight in weights.items())
        points = points - self.body.head_center
        rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(*head)
        translation = np.array([0.0, 0.02, 1.6])

        def flat(spots: np.ndarray) -> np.ndarray:
            seen = spots @ rotation.T + translation
            return np.c_[FOCAL * seen[:, :2] / seen[:, 2:] + CENTER, seen[:, 2]]

        eyes = np.stack([points[iris_vertices(side)].mean(0) for side in ("right", "left")])
        spots = flat(np.concatenate([landmark_points(points), eyes]))
        marks = np.concatenate([spots[:COUNT], np.repeat(spots[COUNT:], 5, 0)]).astype(np.float32)
        found, bary, _ = rasterise_ids(flat(points) + [0.5, 0.5, 0], self.faces, SIZE, SIZE)
        picture = np.where(found >= 0, (self.shades[self.faces[found]] * bary).sum(2) * light, behind)
        way = crop_from_picture(marks)
        crop = cv2.warpAffine(picture.astype(np.uint8), way, FACE_SIZE, flags=cv2.INTER_LINEAR)
        return crop, spots, Place(rotation, translation, way)


@pytest.fixture(scope="module")
def puppet() -> Puppet:
    return Puppet()


def followed(puppet: Puppet, crop: np.ndarray, place: Place) -> tuple[dict[str, float], Place]:
    """Weights by the skin alone, and the prior of faces."""
    skin = Skin({}, puppet.names, FOCAL, CENTER)
    rest, spots, where = puppet.seen({}, (0.0, 0.0, 0.0))
    skin.rest(rest, where, np.zeros(len(puppet.names)), spots)
    form, _ = action_prior(puppet.names)
    sight, weights = SkinSight(skin, crop, place), np.zeros(len(puppet.names))
    for turn in (*range(len(SHARPNESS)), *[len(SHARPNESS) - 1] * 3):
        normal, pull = sight.told(weights, turn)
        step = np.linalg.solve(normal + form, pull - form @ weights)
        sight.follow(step)
        weights = weights + step
    return dict(zip(puppet.names, weights, strict=True)), sight.place


def test_faint_actions_and_the_turn_are_found(puppet):
    doing = {"browInnerUp": 0.7, "mouthPucker": 0.6, "browOuterUpLeft": 0.4}
    crop, _, place = puppet.seen(doing, (0.05, 0.12, 0.02), light=0.8)
    guess = Place(CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(0.07, 0.10, 0.03), place.translation, place.crop)
    found, at = followed(puppet, crop, guess)
    for name, weight in doing.items():
        assert abs(found[name] - weight) < 0.08, (name, found[name])
    assert max(abs(found[name]) for name in ("mouthSmileLeft", "browDownLeft", "jawOpen", "mouthFunnel")) < 0.12
    assert np.degrees(np.arccos((np.trace(at.rotation.T @ place.rotation) - 1) / 2)) < 0.5


@pytest.mark.parametrize("inside", [0, 255])
def test_what_an_open_mouth_shows_does_not_matter(puppet, inside):
    doing = {"jawOpen": 0.2, "mouthPucker": 0.5, "mouthFunnel": 0.2}
    crop, _, place = puppet.seen(doing, (0.0, 0.0, 0.0), behind=inside)
    found, _ = followed(puppet, crop, place)
    print(inside, {k: round(v, 3) for k, v in found.items() if abs(v) > 0.04})
    for name, weight in doing.items():
        assert abs(found[name] - weight) < 0.08, (name, found[name])


def test_the_same_picture_shows_nothing(puppet):
    crop, _, place = puppet.seen({}, (0.0, 0.0, 0.0))
    found, at = followed(puppet, crop, place)
    assert max(map(abs, found.values())) < 0.01
    np.testing.assert_allclose(at.rotation, place.rotation, atol=1e-3)


def test_a_blank_picture_tells_nothing(puppet):
    _, _, place = puppet.seen({}, (0.0, 0.0, 0.0))
    found, _ = followed(puppet, np.full(FACE_SIZE[::-1], 90, np.uint8), place)
    assert max(map(abs, found.values())) < 0.01


def test_where_no_skin_is_seen_nothing_is_told(puppet):
    crop, spots, place = puppet.seen({}, (0.0, 0.0, 0.0))
    assert not _bare(crop, np.full_like(spots[:, :2], 60)).any()
    sight = SkinSight(Skin({}, puppet.names, FOCAL, CENTER), crop, place)
    normal, pull = sight.told(np.zeros(len(puppet.names)), 0)
    assert not normal.any()
    assert not pull.any()
    sight.follow(np.ones(len(puppet.names)))
    np.testing.assert_array_equal(sight.place.rotation, place.rotation)


def test_rest_is_where_neighbours_rest():
    """A smile that drags the pucker down is no rest of the pucker."""
    names = ("mouthPucker", "mouthSmileLeft", "mouthSmileRight", "browInnerUp", "eyeBlinkLeft")
    found = np.zeros((100, 5))
    found[:40, 0] = 0.2 + 0.5 * np.linspace(0, 1, 40) ** 2
    found[40:, 0] = 0.2
    found[80:, 1:3], found[80:, 0] = 0.8, -0.6
    found[5:11, 0] = 0.0  # pressed lips
    found[:, 3] = -0.1 + 0.5 * (np.arange(100) % 10 > 5)
    found[:, 4] = 0.05
    low = _resting_weights(names, found)
    assert low == pytest.approx([0.2, 0.0, 0.0, -0.1, 0.05], abs=0.02)


def test_lips_shut_for_a_consonant_are_not_at_rest():
    """Shut from 0 to 9 and from 60 to 89, and for a p from 30 to 33."""
    spots = np.zeros((90, 470, 2))
    spots[:, 33], spots[:, 263] = (-50, 0), (50, 0)
    gap = np.full(90, 8.0)
    gap[:10] = gap[60:] = gap[30:34] = 0.0
    spots[:, 13], spots[:, 14] = (0, 60), np.c_[np.zeros(90), 60 + gap]
    face = _SkinPass.__new__(_SkinPass)
    face.frames, face.spots = list(range(90)), dict(enumerate(spots))
    apart, less = face._lips()
    np.testing.assert_allclose(apart, gap / 100, atol=1e-12)
    np.testing.assert_allclose(less[30:34], 0.08)
    np.testing.assert_allclose(np.r_[less[:10], less[60:]], 0, atol=1e-12)
    assert not less[gap > 0].any()


def test_the_lips_choose_the_picture_at_rest():
    """Landmarks do not see that lips are pressed (picture 20) and a little puckered (40); the lip reader does."""
    names, count = ("jawOpen", "mouthPucker", "mouthPressLeft", "browInnerUp", "eyeLookUpLeft"), 60
    random = np.random.default_rng(4)
    truth = random.uniform(0.1, 0.5, (count, len(names)))
    truth[7] = [0.02, 0.0, 0.0, 0.1, 0.5]
    truth[20], truth[40] = [0.0, 0.0, 0.4, 0.0, 0.0], [0.0, 0.3, 0.0, 0.0, 0.0]
    blind = np.where([True, False, False, True, True], truth, 0).astype(np.float32)
    spots = np.zeros((count, 470, 2))
    spots[:, 33], spots[:, 263] = (-50, 0), (50, 0)
    chosen: list[int] = []
    face = _SkinPass.__new__(_SkinPass)
    face.solver = SimpleNamespace(actions=SimpleNamespace(names=names))
    face.skin = SimpleNamespace(rest=lambda crop, *_: chosen.append(crop))
    face.frames, face.spots = list(range(count)), dict(enumerate(spots))
    face.crops, face.places = list(range(count)), dict.fromkeys(range(count))
    face.lips = lambda i, place: (np.where(mouth, truth[i] - truth[chosen[-1]], 0), None)
    mouth = np.array([name.startswith(("jaw", "mouth")) for name in names])
    assert face._most_restful(face.frames, blind, np.zeros((count, 3))) == 7
    assert chosen[0] in (20, 40)

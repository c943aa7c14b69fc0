"""Photos of someone else are found among a person's own."""

import numpy as np
import pytest

from digitalme.metrics.likeness import has_descriptor
from digitalme.metrics.people import strangers, strangers_among


def around(center: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return center + rng.normal(0, 0.02, (count, 128))  # some 0.3 apart, as photos of one person are


def test_the_majority_is_the_person():
    rng = np.random.default_rng(0)
    mine, theirs = rng.normal(0, 0.06, (2, 128))  # some 0.95 apart, as two people are
    both = np.concatenate([around(theirs, 2, rng), around(mine, 3, rng)])
    assert strangers_among(both) == [0, 1]
    assert strangers_among(around(mine, 5, rng)) == []
    assert strangers_among(np.stack([mine, theirs])) == [1], "of two the first counts"
    assert strangers_among(mine[None]) == []


@pytest.mark.skipif(not has_descriptor(), reason='needs pip install "digitalme[eval]"')
def test_an_altered_photo_is_the_same_person_and_another_face_is_not(astronaut):
    from dataclasses import replace

    from digitalme.artifacts import Camera
    from digitalme.body.character import base_avatar
    from digitalme.imaging.face_detection import face_landmarks
    from digitalme.rendering.studio import render_avatar
    from digitalme.spaces import CAMERA_FROM_WORLD_FRONT

    dark = replace(astronaut, image=(astronaut.image * 0.5).astype(np.uint8))
    grey = replace(astronaut, image=np.repeat(astronaut.image.mean(2, keepdims=True).astype(np.uint8), 3, 2))
    avatar = base_avatar({"gender+": 1.0, "african": 1.0, "weight+": 0.5})
    bones = avatar.skeleton
    middle = bones.world_from_joint[bones.names.index("LeftEye"), :3, 3] * [0, 1, 1] - [0, 0.02, 0]
    rotation = CAMERA_FROM_WORLD_FRONT
    size = 400
    camera = Camera(1.8 * size, size, size, np.c_[rotation, -rotation @ middle + [0, 0, 0.75]])
    drawn = render_avatar(avatar, camera, {}, background=(0.5, 0.5, 0.5))
    blank = np.zeros((size, size), np.float32)
    spots = face_landmarks(drawn)
    other = replace(astronaut, image=drawn, landmarks=spots, person=blank, hair=blank, skin=blank)
    assert strangers([astronaut, dark, other, grey]) == [2]

"""Textures of several pictures become one."""

from __future__ import annotations

import cv2
import numpy as np

from digitalme.artifacts import Camera
from digitalme.rendering.bake import HeadTexture
from digitalme.rendering.fuse import _of_head, fused_textures, views_to_bake
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler

SIZE = 256
HEAD = (slice(80, 112), slice(16, 190))
"""Texels that the head's square uses for the head."""


def texture(albedo: np.ndarray, coverage: np.ndarray) -> HeadTexture:
    flat = np.full((SIZE, SIZE, 3), (128, 128, 255), np.uint8)
    return HeadTexture(albedo.clip(0, 255).astype(np.uint8), flat, coverage, (0.0, 0.0, 1.0, 1.0))


def halves() -> tuple[np.ndarray, np.ndarray]:
    """What two pictures show: the left and the right, both the middle."""
    x = np.arange(SIZE)[None].repeat(SIZE, 0)
    return np.where(x < 160, 255, 0).astype(np.uint8), np.where(x > 96, 255, 0).astype(np.uint8)


def test_each_part_comes_from_who_saw_it_and_no_seam_is_left():
    left, right = halves()
    rng = np.random.default_rng(0)
    true = 120 + rng.normal(0, 12, (SIZE, SIZE, 1)) + np.linspace(-20, 20, SIZE)[:, None, None]
    true = np.repeat(true, 3, 2)
    unseen = np.full((SIZE, SIZE, 3), 90.0)
    one = texture(np.where(left[..., None] > 0, true, unseen), left)
    two = texture(np.where(right[..., None] > 0, 1.25 * true, unseen), right)
    fused = fused_textures([one, two]).albedo[HEAD].astype(float)
    tone = cv2.blur(fused / true[HEAD], (9, 32))[16].mean(1)
    assert tone.min() > 0.98
    assert tone.max() < 1.27
    assert np.abs(np.diff(tone)).max() < 0.01, "from one exposure to the other there is no step"
    fine = (fused / tone[:, None])[..., 0]
    assert np.corrcoef(fine.ravel(), true[HEAD][..., 0].ravel())[0, 1] > 0.95, "fine detail is kept"


def test_a_cheek_has_the_tone_of_the_picture_that_looks_at_it():
    """Both pictures see all of it, each lit on its side and dark where it looks along the surface."""
    share = np.clip(np.linspace(1.2, -0.2, SIZE), 0.15, 1)[None].repeat(SIZE, 0)
    true = np.full((SIZE, SIZE, 3), 150.0)
    sides = [
        texture(true * (0.6 + 0.4 * np.minimum(2 * seen, 1)[..., None]), np.round(255 * seen).astype(np.uint8))
        for seen in (share, share[:, ::-1])
    ]
    fused = fused_textures(sides)
    error, alone = (np.abs(t.albedo[HEAD].astype(float) - 150).mean() for t in (fused, sides[0]))
    assert error < 0.4 * alone


def test_where_nobody_looked_the_first_ones_filling_goes_on_in_the_common_tone():
    left, _ = halves()
    one = texture(np.full((SIZE, SIZE, 3), 100.0), left)
    two = texture(np.full((SIZE, SIZE, 3), 140.0), left)
    fused = fused_textures([one, two])
    assert np.ptp(fused.albedo[HEAD].astype(int)) <= 4
    assert abs(fused.albedo[HEAD].mean() - 120) < 3
    assert fused.coverage[:, 200:].max() == 0
    assert fused_textures([one]) is one


def test_the_edge_of_what_pictures_show_and_the_neck_stay_with_the_skins_own_tone():
    """A shadow that a second picture has at its edge and on the neck does not enter."""
    left, _ = halves()
    away = np.clip((160 - np.arange(SIZE)) / 10, 0, 1)[None, :, None]
    one = texture(np.full((SIZE, SIZE, 3), 100.0), np.where(np.arange(SIZE) < 120, left, 0).astype(np.uint8))
    two = texture(100 * (0.5 + 0.5 * away) * np.ones((SIZE, SIZE, 3)), left)
    tone = fused_textures([one, two]).albedo[HEAD].mean((0, 2))
    assert tone.min() > 88
    whole = np.full((SIZE, SIZE), 255, np.uint8)
    plain, dark = texture(np.full((SIZE, SIZE, 3), 100.0), left), texture(np.full((SIZE, SIZE, 3), 40.0), whole)
    fused = fused_textures([plain, dark])
    below = (_of_head(SIZE) == 0) & (np.arange(SIZE) > 150)
    assert np.ptp(fused.albedo[below].astype(int)) <= 3


def test_views_are_the_first_and_the_ones_farthest_apart():
    def camera(yaw: float) -> Camera:
        rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(0, yaw, 0)
        return Camera(100.0, 10, 10, np.c_[rotation, [0, 0, 1.0]])

    assert views_to_bake([camera(yaw) for yaw in (0.0, 0.1, -1.0, 0.2, 1.1)], 3) == [0, 4, 2]
    assert views_to_bake([camera(0.0)], 5) == [0]

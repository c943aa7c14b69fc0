"""Textures of several pictures become one."""

from __future__ import annotations

import numpy as np

from digitalme.artifacts import Camera
from digitalme.rendering.bake import HeadTexture
from digitalme.rendering.fuse import fused_textures, views_to_bake
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler

SIZE = 256


def texture(albedo: np.ndarray, coverage: np.ndarray) -> HeadTexture:
    flat = np.full((SIZE, SIZE, 3), (128, 128, 255), np.uint8)
    return HeadTexture(albedo.clip(0, 255).astype(np.uint8), flat, coverage, (0.0, 0.0, 1.0, 1.0))


def halves() -> tuple[np.ndarray, np.ndarray]:
    """What two pictures show: the left and the right, both the middle."""
    x = np.arange(SIZE)[None].repeat(SIZE, 0)
    return np.where(x < 160, 255, 0).astype(np.uint8), np.where(x > 96, 255, 0).astype(np.uint8)


def test_each_part_comes_from_who_saw_it_and_brightness_is_evened():
    left, right = halves()
    rng = np.random.default_rng(0)
    true = 120 + rng.normal(0, 12, (SIZE, SIZE, 1)) + np.linspace(-20, 20, SIZE)[:, None, None]
    true = np.repeat(true, 3, 2)
    unseen = np.full((SIZE, SIZE, 3), 90.0)
    one = texture(np.where(left[..., None] > 0, true, unseen), left)
    two = texture(np.where(right[..., None] > 0, 1.25 * true, unseen), right)
    fused = fused_textures([one, two])
    error = fused.albedo.astype(float) - true
    assert np.abs(error[:, 8:-8]).mean() < 3.0, "the other's brighter exposure is taken out"
    assert np.corrcoef(fused.albedo[:, 200:, 0].ravel(), true[:, 200:, 0].ravel())[0, 1] > 0.95, "fine detail is kept"
    assert fused.coverage.min() > 250


def test_where_nobody_looked_the_first_ones_filling_stays():
    left, _ = halves()
    one = texture(np.full((SIZE, SIZE, 3), 100.0), left)
    two = texture(np.full((SIZE, SIZE, 3), 140.0), left)
    fused = fused_textures([one, two])
    assert np.abs(fused.albedo[:, 200:].astype(int) - 100).max() <= 2
    assert fused.coverage[:, 200:].max() == 0
    assert fused_textures([one]) is one


def test_views_are_the_first_and_the_ones_farthest_apart():
    def camera(yaw: float) -> Camera:
        rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(0, yaw, 0)
        return Camera(100.0, 10, 10, np.c_[rotation, [0, 0, 1.0]])

    assert views_to_bake([camera(yaw) for yaw in (0.0, 0.1, -1.0, 0.2, 1.1)], 3) == [0, 4, 2]
    assert views_to_bake([camera(0.0)], 5) == [0]

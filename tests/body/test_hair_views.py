"""Hair seen from several sides: its thickness behind is what the side views' outlines say."""

from __future__ import annotations

import numpy as np

from digitalme.artifacts import Camera
from digitalme.body.hair_shell import _View, fit_thickness, joint_thickness, silhouette_reach
from digitalme.body.model import load_body
from digitalme.body.scalp import build_scalp
from digitalme.rendering.raster import rasterise_ids
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler

SIZE = 300


def test_a_knot_behind_is_found_from_the_sides():
    body = load_body()
    scalp = build_scalp(body.template.astype(float), body)
    azimuth, polar = scalp.grid()
    behind = np.exp(-(((azimuth - np.pi) / 0.5) ** 2) - ((polar - 1.0) / 0.4) ** 2)
    true = 0.012 + 0.035 * behind
    turn, down = np.meshgrid(np.linspace(0, 2 * np.pi, 97), np.linspace(0, 1.75, 50))
    points = scalp.surface(turn, down, scalp.sample(true, turn, down)).reshape(-1, 3)
    index = np.arange(turn.size).reshape(turn.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])

    def shot(yaw: float) -> tuple[np.ndarray, Camera]:
        rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(0, yaw, 0)
        camera = Camera(2400.0, SIZE, SIZE, np.c_[rotation, -rotation @ scalp.center + [0, 0, 3.0]])
        face, _, _ = rasterise_ids(camera.project(points), faces.astype(np.int32), SIZE, SIZE)
        return (face >= 0).astype(np.float32), camera

    front = shot(0.0)
    reach, _ = silhouette_reach(front[0], scalp, front[1])
    alone = fit_thickness(scalp, reach, _View.of(front[1]))
    joint = joint_thickness(scalp, [front, shot(1.1), shot(-1.1), shot(0.7), shot(-0.7)], alone)
    knot = behind > 0.6
    assert np.abs(joint - true)[knot].mean() < 0.6 * np.abs(alone - true)[knot].mean()
    sides = (np.abs(np.abs((azimuth + np.pi) % (2 * np.pi) - np.pi) - np.pi / 2) < 0.2) & (polar < 1.3)
    assert np.abs(joint - true)[sides].mean() < 0.008
    np.testing.assert_allclose(joint_thickness(scalp, [], alone), alone)

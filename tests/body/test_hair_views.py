"""Hair seen from several sides: its thickness and its picture behind are what the side views say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from digitalme.artifacts import Camera, Portrait
from digitalme.body.hair_shell import (
    HairShell,
    _View,
    fit_shell,
    fit_thickness,
    joint_thickness,
    side_views,
    silhouette_reach,
)
from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth
from digitalme.body.scalp import build_scalp
from digitalme.rendering.raster import rasterise_ids
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler
from tests.body.people import synthetic_person

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


def test_sides_are_what_the_pictures_from_the_sides_show():
    """Dark and light bands, of which the first picture knows nothing, come from pictures of both sides."""
    portrait, likeness = synthetic_person({"gender-": 0.5}, style="long")
    model = load_body()
    vertices = settle_mouth(model.vertices(likeness.shape), model)
    scalp = build_scalp(vertices, model)
    plain = fit_shell(portrait, likeness.camera, scalp)
    turn, down = np.meshgrid(np.linspace(0, 2 * np.pi, 193), np.linspace(0.02, 0.98, 120))
    points = plain.points(turn, down).reshape(-1, 3)
    index = np.arange(turn.size).reshape(turn.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    face_free = np.abs((turn + np.pi) % (2 * np.pi) - np.pi).ravel() > 0.8
    band = np.sign(np.sin(down.ravel() * 2 * np.pi / 0.16))

    def aside(yaw: float, lowest: float = -9.0) -> tuple[Portrait, Camera]:
        rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(0, yaw, 0)
        camera = Camera(900.0, 400, 480, np.c_[rotation, -rotation @ scalp.center + [0, 0, 1.2]])
        face, _, _ = rasterise_ids(camera.project(points), faces.astype(np.int32), 400, 480)
        corner = faces[np.maximum(face, 0), 0]
        image = np.where((face >= 0)[..., None], 90 + 40 * band[corner][..., None], 220).repeat(3, 2)
        spots = camera.project(landmark_points(vertices))
        hair = ((face >= 0) & face_free[corner] & (points[corner, 1] > lowest)).astype(np.float32)
        shown = (face >= 0).astype(np.float32)
        picture = replace(
            portrait, image=image.astype(np.uint8), hair=hair, person=shown, skin=shown - hair,
            landmarks=np.pad(spots, ((0, 10), (0, 0))).astype(np.float32),
        )  # fmt: skip
        return picture, camera

    others = [aside(yaw) for yaw in (-1.0, 0.1, 1.0, 0.6)]
    assert {id(camera) for _, camera in side_views(others)} == {id(others[0][1]), id(others[2][1])}
    mistaken = (replace(others[2][0], hair=others[2][0].person), others[2][1])
    left, right = (camera for _, camera in side_views([*others[:2], mistaken, others[3]]))
    assert {id(left), id(right)} == {id(others[0][1]), id(others[3][1])}, "a mask that calls skin hair is passed over"
    painted = fit_shell(portrait, likeness.camera, scalp, others)
    height, width = painted.texture.shape[:2]
    wanted = np.sign(np.sin((np.arange(height) + 0.5) / height * 2 * np.pi / 0.16))
    rows = slice(round(0.15 * height), round(0.5 * height))
    for middle in (0.25, 0.75):
        columns = slice(round((middle - 0.03) * width), round((middle + 0.03) * width))

        def alike(shell: HairShell, columns: slice = columns) -> float:
            seen = shell.texture[rows, columns, :3].mean((1, 2))
            place = np.arange(len(seen))
            return float(np.corrcoef(seen - np.polyval(np.polyfit(place, seen, 2), place), wanted[rows])[0, 1])

        assert alike(painted) > 0.6
        assert abs(alike(plain)) < 0.4

    # hair that ends above the ears in the pictures from the sides ends there, whatever the first one shows beside it
    level = scalp.center[1] + 0.03
    cropped = fit_shell(portrait, likeness.camera, scalp, [aside(yaw, level) for yaw in (-1.0, 1.0)])
    azimuth, v = np.meshgrid((np.arange(width) + 0.5) / width * 2 * np.pi, (np.arange(height) + 0.5) / height)
    up = painted.points(azimuth, v)[..., 1] - level
    beside = np.abs(np.abs((azimuth + np.pi) % (2 * np.pi) - np.pi) - 1.2) < 0.2
    for shell, shown in ((painted, 0.8), (cropped, 0.0)):
        alpha = shell.texture[..., 3] / 255
        assert alpha[beside & (up > 0.01)].mean() > 0.8
        assert abs(alpha[beside & (up < -0.01) & (up > -0.04)].mean() - shown) < 0.2

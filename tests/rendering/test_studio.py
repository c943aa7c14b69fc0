"""The studio: framing, baked light, and that a face does what its weights say, counted in pixels."""

from dataclasses import replace

import numpy as np
import pytest

from digitalme.artifacts import AvatarMesh, Material
from digitalme.body.character import JOINT_NAMES, base_avatar
from digitalme.rendering.pose import pose_avatar
from digitalme.rendering.preview import avatar_preview
from digitalme.rendering.scene import Drawable, draw
from digitalme.rendering.studio import Studio, portrait_camera, render_avatar
from digitalme.rendering.visibility import bake_visibility


@pytest.fixture(scope="module")
def avatar():
    return base_avatar({})


def count(avatar, weights, names, yaw=0.0):
    """Pixels of each of the named meshes in a close-up, by drawing every mesh in a colour of its own."""
    camera = portrait_camera(avatar, yaw, width=420, height=420, span=0.25)
    drawables = [
        Drawable(posed.positions, mesh.faces, color=(1, 0, 0) if mesh.name in names else (0, 0, 0), cull=False)
        for mesh, posed in zip(avatar.meshes, pose_avatar(avatar, weights), strict=True)
        if mesh.name != "lashes"
    ]
    return int((draw(drawables, camera, (0, 0, 0), supersample=1)[..., 0] > 0).sum())


def test_portrait_camera_frames_head_and_shoulders(avatar):
    for yaw in (0, 0.7, 3.1):
        camera = portrait_camera(avatar, yaw)
        head = camera.project(avatar.mesh("head").positions)
        assert (head[:, :2].min(0) > [60, 40]).all()
        assert (head[:, :2].max(0) < [452, 440]).all()
        assert np.ptp(head[:, 1]) > 0.4 * 512
    left_eye, right_eye = (camera_x(avatar, name) for name in ("eye_left", "eye_right"))
    assert left_eye > 256 > right_eye  # the person's left is the picture's right


def camera_x(avatar, name):
    return portrait_camera(avatar, 0).project(avatar.mesh(name).positions)[:, 0].mean()


def test_blink_hides_the_eyes_and_jaw_shows_the_mouth(avatar):
    eyes, inside = ("eye_left", "eye_right"), ("mouth", "teeth", "tongue")
    open_eyes = count(avatar, {}, eyes)
    assert open_eyes > 700
    assert count(avatar, {"eyeBlinkLeft": 1, "eyeBlinkRight": 1}, eyes) == 0
    closed, opened = count(avatar, {}, inside), count(avatar, {"jawOpen": 0.5}, inside)
    assert opened > 1500
    assert closed < 0.05 * opened
    assert count(avatar, {"jawOpen": 0.5, "mouthClose": 0.5}, inside) < 0.05 * opened


def test_baked_light_of_a_ball_under_a_roof():
    trimesh = pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.05)
    roof = np.array([[-0.2, 0.1, -0.2], [0.2, 0.1, -0.2], [0.2, 0.1, 0.2], [-0.2, 0.1, 0.2]])
    positions = np.concatenate([ball.vertices, roof])
    faces = np.concatenate([ball.faces, np.array([[0, 1, 2], [0, 2, 3]]) + len(ball.vertices)])
    normals = np.concatenate([ball.vertices / 0.05, np.tile([0, -1.0, 0], (4, 1))])
    casting = np.arange(len(faces)) >= len(ball.faces)
    covered = bake_visibility(positions, normals, faces, casting, np.zeros(3))
    free = bake_visibility(positions, normals, faces, np.zeros(len(faces), bool), np.zeros(3))
    top, side = normals[: len(ball.vertices), 1].argmax(), normals[: len(ball.vertices), 0].argmax()
    assert free.occlusion.min() == pytest.approx(1, abs=1e-4)
    assert covered.occlusion[top] < 0.35 < covered.occlusion[side]
    assert covered.of_lamp(np.array([0, 1.0, 0]))[top] < 0.1
    assert covered.of_lamp(np.array([0, -1.0, 1.0]))[side] > 0.9


def test_frames_are_the_same_every_time_and_change_with_the_face(avatar):
    camera = portrait_camera(avatar, width=128, height=128)
    studio = Studio(avatar)
    first = studio.picture(camera, {"jawOpen": 0.5}, (0, 0.1, 0))
    studio.picture(camera, {}, (0.1, 0, 0))
    assert np.array_equal(first, studio.picture(camera, {"jawOpen": 0.5}, (0, 0.1, 0)))
    assert np.array_equal(first, Studio(avatar).picture(camera, {"jawOpen": 0.5}, (0, 0.1, 0)))
    assert np.array_equal(first, render_avatar(avatar, camera, {"jawOpen": 0.5}, (0, 0.1, 0)))
    assert not np.array_equal(first, studio.picture(camera, {}, (0, 0.1, 0)))


def test_moe_look_draws_dark_outlines(avatar):
    camera = portrait_camera(avatar, width=768, height=768)
    white = (255.0, 255.0, 255.0)
    toon = render_avatar(avatar, camera, {}, look="moe", background=white).astype(int)
    lit = render_avatar(avatar, camera, {}, look="studio", background=white).astype(int)
    skin = np.array(avatar.mesh("body").material.base_color[:3]) * 255
    ink = np.abs(toon - skin * 0.42).max(2) < 12
    assert ink.sum() > 300
    assert (np.abs(lit - skin * 0.42).max(2) < 12).sum() < ink.sum() / 4


def test_dark_skin_stays_dark_and_light_skin_stays_light(avatar):
    """The lamps model the form; they may not change who it is: the cheek's colour stays near the texture's."""
    camera = portrait_camera(avatar, width=256, height=256)
    for skin in ((0.32, 0.20, 0.15), (0.55, 0.38, 0.29), (0.90, 0.74, 0.66)):
        meshes = tuple(
            replace(m, material=Material("Skin", "skin", (*skin, 1.0))) if m.material.kind == "skin" else m
            for m in avatar.meshes
        )
        picture = render_avatar(replace(avatar, meshes=meshes), camera, {})
        cheek = camera.project(avatar.mesh("head").positions)
        middle = cheek[:, 0].mean()
        patch = picture[130:140, int(middle) - 18 : int(middle) - 8].reshape(-1, 3).mean(0) / 255
        assert np.abs(patch - skin).max() < 0.12, skin


def test_preview_is_five_views(avatar):
    assert avatar_preview(avatar, 96).shape == (96, 480, 3)


def test_a_slow_turn_does_not_flicker(avatar):
    """Frames 0.1 degree apart: a pixel's change must itself change little, but for a few on edges."""
    studio, camera = Studio(avatar), portrait_camera(avatar, width=256, height=256)
    frames = [studio.picture(camera, {"jawOpen": 0.2}, (0, 0.002 * i, 0)).astype(int) for i in range(6)]
    jumps = np.max([np.abs(a - 2 * b + c).max(2) for a, b, c in zip(frames, frames[1:], frames[2:], strict=False)], 0)
    assert (jumps > 40).mean() < 0.004
    assert (jumps > 80).mean() < 0.001


def test_depth_of_field_keeps_the_eyes_and_softens_what_lies_behind(avatar):
    """A checked back wall of cloth half a metre behind the eyes blurs, the eyes do not; 0 changes nothing."""
    camera = portrait_camera(avatar, width=256, height=256)
    eyes = avatar.skeleton.world_from_joint[avatar.skeleton.names.index("LeftEye"), :3, 3].astype(np.float64)
    corners = np.array([[-0.3, -0.3, 0], [0.3, -0.3, 0], [0.3, 0.3, 0], [-0.3, 0.3, 0]], np.float32)
    corners = corners + (eyes * [0, 1, 1] - [0, 0.05, 0.5]).astype(np.float32)
    checks = np.kron(np.indices((24, 24)).sum(0) % 2, np.ones((8, 8))).astype(np.uint8) * 200
    head = JOINT_NAMES.index("Head")
    wall = AvatarMesh(
        "wall", corners, np.tile(np.array([0, 0, 1], np.float32), (4, 1)),
        np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        np.tile(np.array([head, 0, 0, 0], np.int32), (4, 1)), np.tile(np.array([1, 0, 0, 0], np.float32), (4, 1)),
        Material("Wall", "cloth", texture="wall"),
    )  # fmt: skip
    scene = replace(avatar, meshes=(*avatar.meshes, wall), textures=avatar.textures | {"wall": np.dstack([checks] * 3)})
    studio = Studio(scene)
    sharp = studio.picture(camera, {}).astype(int)
    soft = studio.picture(camera, {}, aperture=1.0).astype(int)
    np.testing.assert_array_equal(studio.picture(camera, {}, aperture=0.0), sharp)
    x, y = camera.project(eyes[None])[0, :2].astype(int)
    eye = np.s_[y - 6 : y + 7, x - 10 : x + 11]
    assert np.abs(soft[eye] - sharp[eye]).max() <= 2
    corner = np.s_[30:80, 10:50]
    contrast = lambda picture: np.quantile(np.abs(np.diff(picture[corner].mean(2), axis=1)), 0.98)  # noqa: E731
    assert contrast(soft) < 0.5 * contrast(sharp)
    assert abs(soft[corner].mean() - sharp[corner].mean()) < 3

"""nerfstudio's files: its cameras see what ours see, and files say what they hold."""

from __future__ import annotations

import json

import numpy as np
import pytest

from digitalme.artifacts import Camera, Likeness
from digitalme.artifacts.files import read_mask, read_png
from digitalme.body.model import load_body
from digitalme.errors import InputError
from digitalme.exporters.nerfstudio import camera_from, camera_path, camera_to_world, turntable, write_scene
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler

ORIGIN = load_body().head_center.astype(float)


def camera(yaw: float) -> Camera:
    rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(0.1, yaw, 0.05)
    return Camera(900.0, 400, 500, np.c_[rotation, -rotation @ ORIGIN + [0.01, 0.02, 0.7]], (190.0, 260.0))


def test_a_point_is_seen_at_the_same_pixel_through_opengls_axes():
    ours = camera(0.4)
    point = ORIGIN + [0.03, 0.05, 0.08]
    matrix = camera_to_world(ours, ORIGIN)
    there = np.array([0.03, -0.08, 0.05])  # z up: our y is its z, our z its -y
    x, y, z = np.linalg.inv(matrix)[:3] @ np.r_[there, 1]
    assert z < 0, "OpenGL looks along -Z"
    pixel = [900 * x / -z + 190, 900 * -y / -z + 260]
    np.testing.assert_allclose(pixel, ours.project(point)[:2], atol=1e-9)
    back = camera_from(matrix, {"fl_x": 900.0, "w": 400, "h": 500, "cx": 190.0, "cy": 260.0}, ORIGIN)
    np.testing.assert_allclose(back.camera_from_world, ours.camera_from_world, atol=1e-12)


def test_scene_names_its_files_and_masks_end_below_the_chin(astronaut, tmp_path):
    cameras = [camera(0.0), camera(0.5)]
    files = write_scene([astronaut, astronaut], cameras, ORIGIN, tmp_path)
    assert {path.name for path in files} == {path.name for path in tmp_path.iterdir()}
    about = json.loads((tmp_path / "transforms.json").read_text())
    assert len(about["frames"]) == 2
    for frame, ours in zip(about["frames"], cameras, strict=True):
        np.testing.assert_array_equal(read_png(tmp_path / frame["file_path"]), astronaut.image)
        mask = read_mask(tmp_path / frame["mask_path"])
        assert mask[int(astronaut.landmarks[1, 1]), int(astronaut.landmarks[1, 0])] == 1
        assert mask[-1].max() == 0
        np.testing.assert_allclose(frame["transform_matrix"], camera_to_world(ours, ORIGIN), atol=1e-5)
        assert (frame["fl_x"], frame["cx"], frame["cy"]) == (900.0, 190.0, 260.0)
    path = json.loads((tmp_path / "camera_path.json").read_text())
    assert len(path["camera_path"]) == 48


def test_turntable_keeps_its_distance_and_looks_at_the_head():
    around = turntable(camera(0.3), ORIGIN, 8)
    far = [np.linalg.norm(each.position - ORIGIN) for each in around]
    np.testing.assert_allclose(far, np.linalg.norm(camera(0.3).position - ORIGIN))
    for each in around:
        np.testing.assert_allclose(each.project(ORIGIN)[:2], [200, 250], atol=1e-6)
    path = camera_path(around, ORIGIN, 24.0)
    assert path["camera_path"][0]["fov"] == pytest.approx(np.degrees(2 * np.arctan(250 / 900)))
    assert path["seconds"] == pytest.approx(8 / 24)


def test_one_picture_is_no_scene(astronaut, astronaut_likeness: Likeness):
    from digitalme.metrics.people import Candidate, gathered
    from digitalme.stages.write_scene import write_scene as stage

    album = gathered([Candidate.of("a", astronaut, (200.0, 200.0))], [])
    with pytest.raises(InputError, match="a scene needs several pictures, and 1 could be used"):
        stage(album, astronaut_likeness)


def test_nerfstudios_own_reader_finds_the_cameras(astronaut, tmp_path):
    """Where nerfstudio is installed (it need not be): its dataparser's cameras see what ours see."""
    parsers = pytest.importorskip("nerfstudio.data.dataparsers.nerfstudio_dataparser")
    cameras = [camera(0.0), camera(0.5), camera(-0.4)]
    write_scene([astronaut] * 3, cameras, ORIGIN, tmp_path)
    config = parsers.NerfstudioDataParserConfig(
        data=tmp_path, auto_scale_poses=False, center_method="none", orientation_method="none", downscale_factor=1,
        eval_mode="all",
    )  # fmt: skip
    read = config.setup().get_dataparser_outputs("train")
    assert [path.name for path in read.image_filenames] == ["view_00.png", "view_01.png", "view_02.png"]
    assert [path.name for path in read.mask_filenames] == ["view_00_mask.png", "view_01_mask.png", "view_02_mask.png"]
    move = read.dataparser_transform.numpy()  # theirs of ours
    for place, ours in enumerate(cameras):
        theirs = read.cameras[place]
        point = ORIGIN + [0.03, 0.05, 0.08]
        laid = move @ np.r_[0.03, -0.08, 0.05, 1]
        pose = np.vstack([theirs.camera_to_worlds.numpy(), [0, 0, 0, 1]])
        x, y, z = np.linalg.inv(pose)[:3] @ np.r_[laid, 1]
        seen = [theirs.fx.item() * x / -z + theirs.cx.item(), -theirs.fy.item() * y / -z + theirs.cy.item()]
        np.testing.assert_allclose(seen, ours.project(point)[:2], atol=1e-2)

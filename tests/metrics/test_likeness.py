"""Likeness figures: exact on drawn cases, and on the demo's avatar better than the controls'."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from digitalme.errors import MissingExtraError
from digitalme.metrics import likeness as metrics


def test_overlap_of_two_squares():
    a, b = np.zeros((2, 10, 10), bool)
    a[:, :6], b[:, 3:9] = True, True
    assert metrics.overlap(a, b) == pytest.approx(3 / 9)


def test_psnr_of_a_known_error():
    a = np.full((8, 8, 3), 100, np.uint8)
    where = np.zeros((8, 8), bool)
    where[2:4] = True
    b = a.copy()
    b[2:4] += 10
    b[6:] = 0  # outside, so it does not count
    assert metrics.psnr(a, b, where) == pytest.approx(20 * np.log10(255 / 10))


def test_nme_is_in_eye_spans():
    marks = np.random.default_rng(0).normal(size=(478, 3)).astype(np.float32) * 50
    marks[33, :2], marks[263, :2] = (-50, 0), (50, 0)
    assert metrics.landmark_nme(marks + np.array([3, 4, 0], np.float32), marks) == pytest.approx(0.05, rel=1e-4)


def test_missing_extra_is_told(monkeypatch):
    metrics._networks.cache_clear()
    monkeypatch.setattr(metrics, "has_descriptor", lambda: False)
    with pytest.raises(MissingExtraError, match=r'pip install "digitalme\[eval\]"'):
        metrics.face_descriptor(np.zeros((64, 64, 3), np.uint8), np.zeros((478, 3), np.float32))


@pytest.fixture(scope="module")
def avatar(astronaut_avatar, tmp_path_factory):
    """The demo's avatar as it comes back from its GLB."""
    from digitalme.exporters.glb import read_glb, write_glb

    path = tmp_path_factory.mktemp("glb") / "avatar.glb"
    write_glb(astronaut_avatar, None, path)
    return read_glb(path)


def test_camera_follows_the_head(astronaut_avatar, avatar, astronaut_likeness):
    """The export stands on the ground; seen by its camera it lies where the groomed avatar lies in the photo."""
    pictures = [
        metrics.flat_picture(one, metrics.camera_on_avatar(one, astronaut_likeness), {})
        for one in (astronaut_avatar, avatar)
    ]
    head = slice(0, pictures[0].shape[0] // 2)
    assert np.abs(pictures[0][head].astype(int) - pictures[1][head]).mean() < 2.0


def test_own_face_beats_the_mean_face(astronaut, astronaut_likeness, avatar):
    scores, sheet = metrics.likeness_scores(astronaut, astronaut_likeness, avatar)
    found = {score.name: score for score in scores}
    assert sheet.shape[2] == 3
    nme, outline = found["landmark_nme"], found["silhouette_iou"]
    assert nme.value < 0.04 < nme.controls["mean face"]
    assert outline.value > 0.88
    assert outline.value > outline.controls["mean face"]
    assert found["face_psnr"].value > found["face_psnr"].controls["mean face"] + 1
    if metrics.has_descriptor():
        for degrees, limit in ((0, 0.33), (20, 0.40), (30, 0.45)):
            score = found[f"descriptor_distance_{degrees}"]
            assert score.value < min(limit, score.controls["mean face"])
    else:
        assert found["descriptor_distance_0"].value is None
        assert "digitalme[eval]" in found["descriptor_distance_0"].note


def test_without_the_extra_the_rest_is_measured(astronaut, astronaut_likeness, avatar, monkeypatch):
    monkeypatch.setattr(metrics, "has_descriptor", lambda: False)
    scores, _ = metrics.likeness_scores(astronaut, astronaut_likeness, avatar)
    by_name = {score.name: score for score in scores}
    assert by_name["landmark_nme"].value is not None
    missing = by_name["descriptor_distance_0"]
    assert missing.value is None
    assert missing.note == metrics.DESCRIPTOR_HINT


def test_mean_face_keeps_what_it_wears(avatar, astronaut_likeness):
    mean = metrics.on_mean_face(avatar, astronaut_likeness)
    assert [mesh.name for mesh in mean.meshes] == [mesh.name for mesh in avatar.meshes]
    assert mean.textures is avatar.textures
    head, own = mean.mesh("head"), avatar.mesh("head")
    assert np.abs(head.positions - own.positions).max() > 0.003
    same = replace(astronaut_likeness, shape={})
    moved = metrics.on_mean_face(avatar, same).mesh("head").positions
    assert np.abs(moved - own.positions).max() < 1e-6

"""A performance through Live Link Face CSV and BVH and back, and files that are neither."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from digitalme.artifacts import Performance
from digitalme.body.character import base_avatar
from digitalme.body.model import load_body
from digitalme.errors import InputError
from digitalme.exporters.bvh import read_bvh, with_head, write_bvh
from digitalme.exporters.formats import export_files
from digitalme.exporters.live_link import read_live_link, write_live_link
from digitalme.exporters.options import ExportConfig


@pytest.fixture
def performance() -> Performance:
    random = np.random.default_rng(2)
    curves = {name: random.random(130).astype(np.float32) for name in load_body().names("action")}
    return Performance(60.0, curves, random.normal(0, 0.1, (130, 3)).astype(np.float32), {})


def test_live_link_keeps_all_52_curves_and_the_head(performance, tmp_path):
    write_live_link(performance, tmp_path / "take.csv")
    again = read_live_link(tmp_path / "take.csv")
    assert set(again.curves) == set(performance.curves)
    for name, curve in performance.curves.items():
        np.testing.assert_allclose(again.curves[name], curve, atol=1e-6)
    np.testing.assert_allclose(again.head, performance.head, atol=1e-6)


def test_live_link_looks_like_apples(performance, tmp_path):
    write_live_link(performance, tmp_path / "take.csv")
    with (tmp_path / "take.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:4] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft", "EyeLookDownLeft"]
    assert rows[0][53:57] == ["TongueOut", "HeadYaw", "HeadPitch", "HeadRoll"]
    assert [rows[1][1], len(rows[0])] == ["61", 63]
    assert [row[0] for row in (rows[1], rows[60], rows[61])] == [
        "00:00:00:00.000",
        "00:00:00:59.000",
        "00:00:01:00.000",
    ]


def test_what_is_no_live_link_file_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no column EyeBlinkLeft"):
        read_live_link(tmp_path / "x.csv")


def test_bvh_keeps_the_head(performance, tmp_path):
    write_bvh(performance, tmp_path / "head.bvh")
    rate, head = read_bvh(tmp_path / "head.bvh")
    assert rate == pytest.approx(60, rel=1e-5)
    np.testing.assert_allclose(head, performance.head, atol=1e-5)


@pytest.mark.parametrize("text", ["hello", "ROOT Head\nCHANNELS 1 Yrotation\nMOTION\nFrames: 2\nFrame Time: 0\n1\n2\n"])
def test_what_is_no_bvh_is_refused(tmp_path, text):
    (tmp_path / "x.bvh").write_text(text)
    with pytest.raises(InputError, match=r"x\.bvh"):
        read_bvh(tmp_path / "x.bvh")


@pytest.mark.parametrize("rate", [24.0, 30.0, 60.0])
def test_live_link_tells_its_rate_by_its_timecodes(performance, tmp_path, rate):
    write_live_link(replace(performance, rate=rate), tmp_path / "take.csv")
    assert read_live_link(tmp_path / "take.csv").rate == rate
    assert read_live_link(tmp_path / "take.csv", 50.0).rate == 50.0


def test_a_bvh_moves_the_head_of_another_performance(performance, tmp_path):
    slow = Performance(30.0, {}, performance.head[::2].copy(), {})
    write_bvh(slow, tmp_path / "head.bvh")
    moved = with_head(performance, *read_bvh(tmp_path / "head.bvh"))
    np.testing.assert_allclose(moved.head[::2], performance.head[::2], atol=1e-4)
    assert moved.curves is performance.curves
    assert moved.frames == performance.frames


def test_a_performance_leaves_in_both_formats_and_comes_back(performance, tmp_path):
    avatar = base_avatar({}, head_albedo=np.zeros((8, 8, 3), np.uint8))
    made = export_files(avatar, performance, tmp_path, ExportConfig(formats=("livelink", "bvh")))
    assert set(made) == {"performance.csv", "performance.bvh"}
    np.testing.assert_allclose(read_live_link(made["performance.csv"]).head, performance.head, atol=1e-6)
    np.testing.assert_allclose(read_bvh(made["performance.bvh"])[1], performance.head, atol=1e-5)
    with pytest.raises(InputError, match="format 'bvh' is a performance, and there is none"):
        export_files(avatar, None, tmp_path, ExportConfig(formats=("bvh",)))

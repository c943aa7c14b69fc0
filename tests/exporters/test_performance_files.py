"""A performance through Live Link Face CSV and BVH and back, and files that are neither."""

import csv

import numpy as np
import pytest

from digitalme.artifacts import Performance
from digitalme.body.model import load_body
from digitalme.errors import InputError
from digitalme.exporters.bvh import read_bvh, write_bvh
from digitalme.exporters.live_link import read_live_link, write_live_link


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

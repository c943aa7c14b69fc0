"""What pages show: the avatar's file, its performance, and the report with or without the built view."""

import json
import re

import numpy as np
import pytest

from digitalme import report
from digitalme.artifacts import Performance
from digitalme.errors import MissingExtraError
from digitalme.exporters.glb import read_glb
from digitalme.licenses import in_the_view
from digitalme.studio import viewer


def test_the_file_is_small_and_whole(avatar, tmp_path):
    viewer.write_view(avatar, tmp_path / "view")
    got = read_glb(tmp_path / "view")
    assert [mesh.name for mesh in got.meshes] == [mesh.name for mesh in avatar.meshes]
    assert len(got.mesh("head").morphs) == 72
    assert (tmp_path / "view").stat().st_size < 2e6


def test_performances_travel_as_json():
    curve = np.linspace(0, 1, 5, dtype=np.float32)
    head = np.arange(15, dtype=np.float32).reshape(5, 3) / 100
    told = viewer.view_of(Performance(60.0, {"jawOpen": curve, "mouthLeft": curve * 0}, head, {}))
    assert json.loads(json.dumps(told)) == {
        "rate": 60.0,
        "frames": 5,
        "curves": {"jawOpen": [0.0, 0.25, 0.5, 0.75, 1.0]},
        "head": [[round(float(x), 4) for x in axis] for axis in head.T],
    }


def test_without_the_built_view(avatar, tmp_path, monkeypatch):
    """The report turns the avatar in a video, and both say how the view is built."""
    monkeypatch.setattr(viewer, "STATIC", tmp_path)
    with pytest.raises(MissingExtraError, match="make viewer"):
        viewer.static("live.js")
    page = report._view(avatar, None)
    assert "data:video/mp4;base64," in page
    assert "make viewer" in page
    assert "<script" not in page


def test_a_report_holds_the_view(avatar, pages):
    """Everything is in the page: no address is fetched, and no text ends its script early."""
    curve = np.linspace(0, 1, 5, dtype=np.float32)
    page = report._view(avatar, Performance(60.0, {"jawOpen": curve}, np.zeros((5, 3), np.float32), {}))
    assert page.count("</script>") == page.count("<script") == 3
    about = json.loads(re.search(r"id=viewer-about>(.*?)</script>", page).group(1))
    assert about["performance"]["frames"] == 5
    assert "happy" in about["expressions"]
    assert not re.search(r"(src|href)=", page.partition("<script>")[0])


def test_what_is_bundled_may_be(pages):
    """The scripts hold three.js and three-vrm, whose licences let anybody pass them on."""
    bundled = {item.name: item.verdict for item in in_the_view()}
    assert {"three", "@pixiv/three-vrm"} <= bundled.keys()
    assert set(bundled.values()) == {"free"}


@pytest.mark.slow
def test_the_report_in_a_browser(avatar, page, tmp_path):
    """Opened from a file: the avatar is there, and a slider moves it."""
    (tmp_path / "report.html").write_text(f"<!doctype html><body>{report._view(avatar, None)}", encoding="utf-8")
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_selector("canvas[data-loaded]")
    page.evaluate("viewer.drawing = false")
    assert page.locator("input[data-morph]").count() == 72
    slider = page.locator("input[data-morph=jawOpen]")
    slider.evaluate("(s) => { s.valueAsNumber = 0.5; s.dispatchEvent(new Event('input')) }")
    page.wait_for_function("viewer.shown('jawOpen') === 0.5")

"""Nothing in a default build is non-commercial or of unknown licence."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from digitalme import licenses
from digitalme.cli import main
from digitalme.licenses import data_files, in_the_view, used_by, verdict_of, with_requirements


@pytest.mark.parametrize("pipeline", ["default", "say"])
def test_default_build_is_clean(pipeline):
    items = used_by(pipeline)
    assert {item.kind for item in items} == {"library", "model", "data"}
    assert {"numpy", "mediapipe", "opencv-python-headless"} <= {item.name for item in items}
    bad = [item for item in items if item.verdict not in ("free", "copyleft")]
    assert bad == []


def test_plain_install_brings_no_copyleft_library_but_ffmpeg():
    """What an extra brings, tqdm with transformers for one, is told by `digitalme licenses` where it is installed."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    plain = with_requirements(re.split(r"[\s<>=!~\[]", wanted, maxsplit=1)[0] for wanted in project["dependencies"])
    found = [item.name for item in used_by() if item.verdict == "copyleft"]
    assert [name for name in found if name.partition(":")[0] in plain] == ["av: FFmpeg with x264 and x265"]


def test_what_the_view_bundles_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(licenses, "VIEW", tmp_path)
    assert list(in_the_view()) == []
    told = [{"name": "three", "version": "0.1", "licence": "MIT"}, {"name": "x", "version": "2", "licence": ""}]
    (tmp_path / "bundled.json").write_text(json.dumps(told))
    items = [item for item in used_by() if item.note == "JavaScript, in the 3D view"]
    found = [(item.name, item.version, item.verdict) for item in items]
    assert found == [("three", "0.1", "free"), ("x", "2", "unknown")]


def test_each_data_file_has_its_line():
    assert [item.name for item in data_files() if item.licence.startswith("not in")] == []


@pytest.mark.parametrize(
    ("licence", "verdict"),
    [
        ("MIT", "free"),
        ("BSD-3-Clause", "free"),
        ("Apache-2.0 WITH LLVM-exception", "free"),
        ("CC0 1.0", "free"),
        ("CC BY-NC-SA 4.0", "restricted"),
        ("free for non-commercial research use", "restricted"),
        ("MIT for academic, non commercial use", "restricted"),
        ("GPL-3.0-or-later", "copyleft"),
        ("GNU Lesser General Public License v3", "copyleft"),
        ("", "unknown"),
        ("not stated", "unknown"),
    ],
)
def test_verdicts(licence, verdict):
    assert verdict_of(licence) == verdict


def test_command(capsys):
    assert main(["licenses", "--json"]) == 0
    assert all(item["licence"] for item in json.loads(capsys.readouterr().out))

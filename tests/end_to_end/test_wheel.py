"""The wheel in a clean environment: the demo runs there, and nothing of the checkout is needed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], check=True, cwd=ROOT)
    (path,) = folder.glob("*.whl")
    return path


def test_owns_one_top_level_name(wheel):
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"digitalme"}


def test_carries_what_the_checkout_has(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("stages", "configs", "assets"):
        for path in ROOT.glob(f"{folder}/**/*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"digitalme/{path.relative_to(ROOT).as_posix()}" in names


def test_demo_in_a_clean_environment(wheel, tmp_path):
    subprocess.run([sys.executable, ROOT / "tools" / "set_up.py", tmp_path / "venv", "--wheel", wheel], check=True)
    (tmp_path / "work" / "stages").mkdir(parents=True)  # a project that has its own stages/
    (tmp_path / "work" / "stages" / "__init__.py").write_text("raise ImportError('not yours')")
    digitalme = tmp_path / "venv" / "bin" / "digitalme"
    command = [digitalme, "demo", "--out", "demo", "--store", tmp_path / "store", "--quiet"]
    subprocess.run(command, check=True, cwd=tmp_path / "work")
    assert (tmp_path / "work" / "demo" / "talking_head.mp4").stat().st_size > 10_000

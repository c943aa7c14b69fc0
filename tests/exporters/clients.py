"""Running the programs that other people load avatars with. A test skips, and says why, where one is missing."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "tools" / "clients"
SETUP = "run tools/clients/setup to have this test"


def need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed; {SETUP}")
    return path


def need_node(package: str) -> None:
    need("node")
    if not (FOLDER / "node_modules" / package).is_dir():
        pytest.skip(f"the npm package {package} is not installed; {SETUP}")


def validate(*files: Path) -> list[dict]:
    """The Khronos validator's report of each file."""
    need_node("gltf-validator")
    done = subprocess.run(
        ["node", "validate.mjs", *map(str, files)], cwd=FOLDER, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def in_browser(page: str, request: dict, folder: Path) -> dict:
    """The answer of a page of tools/clients in headless Chromium; its pictures are written into `folder`."""
    need_node("puppeteer-core")
    chromium = need("chromium")
    (folder / "request.json").write_text(json.dumps(request))
    done = subprocess.run(
        ["node", "browser.mjs", page, str(folder / "request.json")],
        cwd=FOLDER, capture_output=True, text=True, timeout=180, env={**os.environ, "CHROMIUM": chromium},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

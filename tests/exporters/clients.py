"""Running the programs that other people load avatars with. A test skips, and says why, where one is missing."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "tools" / "clients"
SETUP = "run tools/setup_clients.sh to have this test"


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


def bpy_python() -> str:
    """A Python that has Blender as a module: $DIGITALME_BPY_PYTHON, or the one that the set-up script made, or this."""
    own = FOLDER / "blender-venv" / "bin" / "python"
    python = os.environ.get("DIGITALME_BPY_PYTHON") or (str(own) if own.exists() else sys.executable)
    if subprocess.run([python, "-c", "import bpy, os; os._exit(0)"], capture_output=True, timeout=120).returncode:
        pytest.skip(f"Blender as a module is not installed; {SETUP}, or set DIGITALME_BPY_PYTHON")
    return python


def in_blender(file: Path, joints: dict, weights: dict, folder: Path) -> tuple[dict, dict]:
    """What Blender makes of a file: facts, and vertices by object, posed and morphed, in glTF axes."""
    python = bpy_python()
    (folder / "request.json").write_text(json.dumps({"joints": joints, "weights": weights}))
    answer = folder / "answer.npz"
    done = subprocess.run(
        [python, str(FOLDER / "blender_check.py"), str(file), str(folder / "request.json"), str(answer)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert answer.exists(), done.stdout[-2000:] + done.stderr[-4000:]
    with np.load(answer) as data:
        return json.loads(str(data["about"])), {name: data[name] for name in data.files if name != "about"}


def in_godot(glb: Path, folder: Path) -> dict:
    """What Godot's editor imports a GLB as."""
    godot = need("godot3-server")
    (folder / "project.godot").write_text("config_version=4\n")
    shutil.copy(glb, folder / "avatar.glb")
    shutil.copy(FOLDER / "godot_check.gd", folder / "check.gd")
    command = [godot, "--no-window", "--path", str(folder)]
    home = {**os.environ, "HOME": str(folder)}  # its settings and caches stay here
    editor = subprocess.Popen([*command, "-e", "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=home)
    try:  # the editor imports and then stays: wait for the imported file's checksum
        for _ in range(300):
            if list((folder / ".import").glob("avatar.glb*.md5")):
                break
            time.sleep(0.2)
    finally:
        editor.kill()
        editor.wait()
    done = subprocess.run([*command, "-s", "check.gd"], capture_output=True, text=True, timeout=60, env=home)
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    assert lines, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(lines[0].removeprefix("ANSWER "))

"""Make a virtual environment with digitalme in it: `python tools/set_up.py .venv [--extra NAME ...] [--wheel FILE]`.

Needs nothing but Python's standard library. mediapipe is installed without its declared dependencies: they bring a
second OpenCV that needs the system's libGL, and JAX (330 MB), which face detection never imports. What it does import
is installed beside it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMPORTED_BY_MEDIAPIPE = ["absl-py", "attrs", "flatbuffers", "matplotlib", "protobuf>=4.25.3,<5"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--extra", action="append", default=[], help="an extra of pyproject.toml")
    parser.add_argument("--wheel", type=Path, help="install this wheel instead of the checkout")
    options = parser.parse_args()
    if not (3, 11) <= sys.version_info[:2] <= (3, 12):
        sys.exit(f"digitalme needs Python 3.11 or 3.12; this is {sys.version.split()[0]}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in options.extra:
        wanted += project["optional-dependencies"][extra]
    alone = [name for name in wanted if re.match(r"mediapipe\b", name)]
    rest = [name for name in wanted if name not in alone] + IMPORTED_BY_MEDIAPIPE

    if not (options.folder / "pyvenv.cfg").exists():
        venv.create(options.folder, with_pip=True)
    python = options.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    constraints = ["-c", str(ROOT / "constraints.txt")]
    subprocess.run([*pip, *constraints, *rest, "hatchling", "editables"], check=True)
    subprocess.run([*pip, *constraints, "--no-deps", *alone], check=True)
    package = [str(options.wheel)] if options.wheel else ["--no-build-isolation", "--editable", str(ROOT)]
    subprocess.run([*pip, "--no-deps", *package], check=True)


if __name__ == "__main__":
    main()

"""Puts the built 3D view into a wheel: where npm is there it is built anew, else what was built before is taken."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ViewerHook(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        sources = Path(self.root) / "tools" / "viewer"
        if version == "editable" or not sources.is_dir():
            return
        npm = shutil.which("npm")
        if npm is None:
            self.app.display_warning("npm is not there: the wheel carries the 3D view only if `make viewer` built it")
            return
        install = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
        for command in (install, [npm, "run", "build"]):
            if subprocess.run(command, cwd=sources).returncode:
                self.app.display_warning(f"{' '.join(command)} failed: the wheel may lack the 3D view")
                return

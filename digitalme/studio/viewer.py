"""The 3D view: what tools/viewer builds, and the file that it shows."""

from __future__ import annotations

from pathlib import Path

from digitalme.artifacts import Avatar, Performance
from digitalme.errors import MissingExtraError
from digitalme.exporters.glb import write_glb
from digitalme.exporters.options import FOR_THE_WEB, ExportConfig
from digitalme.exporters.vrm import PRESETS, write_vrm

STATIC = Path(__file__).parent / "static"
"""Where `make viewer` puts the pages; the wheel carries them."""
HOW_TO_BUILD = "the 3D view is not built; run `make viewer` (it needs npm), or install a wheel of digitalme"
EXPRESSIONS = {
    name: PRESETS[name] for name in ("neutral", "happy", "sad", "angry", "surprised", "relaxed", "blink")
}  # fmt: skip
"""Buttons of the view, as morph weights."""


def is_built() -> bool:
    return (STATIC / "report.js").is_file()


def static(name: str) -> str:
    """The text of a built file. Raises MissingExtraError where the view was not built."""
    if not is_built():
        raise MissingExtraError(HOW_TO_BUILD)
    return (STATIC / name).read_text(encoding="utf-8")


def write_view(avatar: Avatar, path: Path) -> None:
    """The avatar small enough for a page: a GLB, or for a drawn look a VRM, whose materials draw it."""
    if avatar.look == "moe":
        write_vrm(avatar, path, ExportConfig(image_format="webp", texture_size=1024))
    else:
        write_glb(avatar, None, path, ExportConfig(**FOR_THE_WEB))


def view_of(performance: Performance) -> dict:
    """A performance for the view: the curves that move, to a thousandth."""
    moving = {name: curve for name, curve in performance.curves.items() if abs(curve).max(initial=0) > 1e-3}
    return {
        "rate": performance.rate,
        "frames": performance.frames,
        "curves": {name: [round(float(x), 3) for x in curve] for name, curve in moving.items()},
        "head": [[round(float(x), 4) for x in axis] for axis in performance.head.T],
    }

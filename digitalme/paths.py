"""Where the files that ship with digitalme are, in a checkout and in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(folder: str) -> Path:
    """`assets` or `configs`: inside the package when installed, beside it in a checkout."""
    inside = _PACKAGE / folder
    return inside if inside.is_dir() else _PACKAGE.parent / folder


def asset(name: str) -> Path:
    return shipped("assets") / name


def config(name: str) -> Path:
    return shipped("configs") / name

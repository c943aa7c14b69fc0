"""The table of file formats, and writing several of them into a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from digitalme.artifacts import Avatar, Performance
from digitalme.errors import InputError
from digitalme.events import progress
from digitalme.exporters.options import ExportConfig
from digitalme.exporters.simplify import only_head, simplify

Writer = Callable[[Avatar, Performance | None, Path, ExportConfig], list[Path]]


def _glb(avatar: Avatar, performance: Performance | None, folder: Path, config: ExportConfig) -> list[Path]:
    from digitalme.exporters.glb import write_glb

    path = folder / "avatar.glb"
    write_glb(avatar, performance, path, config)
    return [path]


def _vrm(avatar: Avatar, performance: Performance | None, folder: Path, config: ExportConfig) -> list[Path]:
    from digitalme.exporters.vrm import write_vrm

    path = folder / "avatar.vrm"
    write_vrm(avatar, path, config)
    return [path]


def _vrma(avatar: Avatar, performance: Performance | None, folder: Path, config: ExportConfig) -> list[Path]:
    from digitalme.exporters.vrm import write_vrma

    path = folder / "performance.vrma"
    write_vrma(avatar, _needed("vrma", performance), path, config)
    return [path]


def _usd(avatar: Avatar, performance: Performance | None, folder: Path, config: ExportConfig) -> list[Path]:
    from digitalme.exporters.usd import write_usdz

    path = folder / "avatar.usdz"
    write_usdz(avatar, performance, path, config)
    return [path]


def _obj(avatar: Avatar, performance: Performance | None, folder: Path, config: ExportConfig) -> list[Path]:
    from digitalme.exporters.obj import write_obj

    return write_obj(avatar, folder / "avatar.obj", config)


def _fbx(avatar: Avatar, performance: Performance | None, folder: Path, config: ExportConfig) -> list[Path]:
    from digitalme.exporters.fbx import write_fbx

    path = folder / "avatar.fbx"
    write_fbx(avatar, performance, path, config)
    return [path]


def _live_link(avatar: Avatar, performance: Performance | None, folder: Path, config: ExportConfig) -> list[Path]:
    from digitalme.exporters.live_link import write_live_link

    path = folder / "performance.csv"
    write_live_link(_needed("livelink", performance), path)
    return [path]


def _bvh(avatar: Avatar, performance: Performance | None, folder: Path, config: ExportConfig) -> list[Path]:
    from digitalme.exporters.bvh import write_bvh

    path = folder / "performance.bvh"
    write_bvh(_needed("bvh", performance), path)
    return [path]


def _needed(name: str, performance: Performance | None) -> Performance:
    if performance is None:
        raise InputError(f"format '{name}' is a performance, and there is none; build with --voice or --say first")
    return performance


EXPORTERS: dict[str, Writer] = {
    "glb": _glb, "vrm": _vrm, "vrma": _vrma, "usd": _usd, "obj": _obj, "fbx": _fbx, "livelink": _live_link, "bvh": _bvh,
}  # fmt: skip
"""Format name to a function that writes into a folder and returns the files that it made."""

_IN_LEVELS = ("glb", "vrm", "usd", "fbx")


def export_files(
    avatar: Avatar, performance: Performance | None, folder: Path, config: ExportConfig
) -> dict[str, Path]:
    """Write every format of `config.formats` into `folder`; returns the files by name.

    Raises InputError where the folder cannot be written.
    """
    files: dict[str, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if config.face_only:
            avatar = only_head(avatar)
        if config.triangles:
            avatar = simplify(avatar, config.triangles)
        levels = [simplify(avatar, triangles) for triangles in config.levels]
        for done, name in enumerate(config.formats):
            progress(done, len(config.formats))
            if config.levels and name in _IN_LEVELS:
                made = _leveled(name, levels, performance, folder, config)
            else:
                made = EXPORTERS[name](avatar, performance, folder, config)
            files |= {path.name: path for path in made}
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from None
    progress(len(config.formats), len(config.formats))
    return files


def _leveled(
    name: str, levels: list[Avatar], performance: Performance | None, folder: Path, config: ExportConfig
) -> list[Path]:
    """A file for each level of detail: avatar_LOD0, avatar_LOD1, …; of FBX also one file with all of them."""
    made: list[Path] = []
    for number, level in enumerate(levels):
        for path in EXPORTERS[name](level, performance, folder, config):
            made.append(path.replace(path.with_stem(f"{path.stem}_LOD{number}")))
    if name == "fbx":
        meshes = [
            replace(mesh, name=f"{mesh.name}_LOD{number}")
            for number, level in enumerate(levels)
            for mesh in level.meshes
        ]
        made += EXPORTERS[name](replace(levels[0], meshes=tuple(meshes)), performance, folder, config)
    return made

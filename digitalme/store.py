"""Where artifacts are kept: folders of ordinary files, named by key, that appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from digitalme.errors import DigitalMeError, InputError
from digitalme.scratch import scratch_folder, sweep


class DamagedError(DigitalMeError):
    """A stored object is not what was written."""


def default_root() -> Path:
    """The user's cache folder: $DIGITALME_STORE, or `digitalme` where the system keeps caches."""
    if chosen := os.environ.get("DIGITALME_STORE"):
        return Path(chosen)
    match sys.platform:
        case "darwin":
            caches = Path.home() / "Library" / "Caches"
        case "win32":
            caches = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        case _:
            caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "digitalme"


def digest_of_text(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Store:
    """`objects/ab/abcd…/` holds an artifact's own files and artifact.json, which says what made it.

    The folder belongs to its user alone (0700): it holds faces and voices.
    """

    address: str = ""
    """By which another process opens the same store: `open_store`."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.address = self.address or str(self.root)
        try:
            for folder in (self.root, self.objects, self.runs, self._scratch):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"store {self.root}: cannot be written ({error.strerror}); choose another with --store"
            ) from None
        sweep(self._scratch)

    @property
    def objects(self) -> Path:
        return self.root / "objects"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def _scratch(self) -> Path:
        return self.root / "scratch"

    def path(self, key: str) -> Path:
        """The folder of an object's files."""
        return self._home(key)

    def _home(self, key: str) -> Path:
        return self.objects / key[:2] / key

    def __contains__(self, key: str) -> bool:
        return (self._home(key) / "artifact.json").is_file()

    def about(self, key: str) -> dict[str, Any]:
        """The object's artifact.json. Raises DamagedError where that cannot be read."""
        path = self.path(key) / "artifact.json"
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            return {**about, "files": dict(about["files"]), "content": str(about["content"])}
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise DamagedError(f"{path}: not readable ({error})") from None

    def check(self, key: str) -> None:
        """Compare an object with the digests written beside it. DamagedError names the first file that differs."""
        about = self.about(key)
        folder = self.path(key)
        present = {_name(path, folder) for path in _files(folder)} - {"artifact.json"}
        for name in sorted(present ^ set(about["files"])):
            raise DamagedError(f"{folder / name}: {'unknown file' if name in present else 'missing'}")
        for name, digest in about["files"].items():
            if _digest_of_file(folder / name) != digest:
                raise DamagedError(f"{folder / name}: not the bytes that were written")
        if _content(about["files"]) != about["content"]:
            raise DamagedError(f"{folder / 'artifact.json'}: not what was written")

    def load(self, key: str, artifact_type: Any) -> Any:
        return read_from(self.path(key), artifact_type)

    def all_keys(self) -> Iterator[str]:
        """Keys of all objects."""
        for folder in self.objects.glob("*/*"):
            yield folder.name

    def content(self, key: str) -> str:
        return self.about(key)["content"]

    def save(self, value: Any, about: Mapping[str, Any], key: str | None = None) -> str:
        """Write an artifact to a scratch folder, then rename it into place. Without a key, its content is its key."""
        with self.scratch() as scratch:
            folder = scratch / "object"
            folder.mkdir(mode=0o700)
            value.save(folder)
            files = {_name(path, folder): _digest_of_file(path) for path in _files(folder)}
            content = _content(files)
            key = key or content
            listing = {"type": type(value).__name__, "key": key, "content": content, **about, "files": files}
            text = json.dumps(listing, indent=1, ensure_ascii=False, default=str)
            (folder / "artifact.json").write_text(text + "\n", encoding="utf-8")
            self._place(folder, key)
        return key

    def _place(self, folder: Path, key: str) -> None:
        target = self._home(key)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            os.rename(folder, target)
        except OSError:
            if key not in self:  # not the other writer of the same key, but a full or read-only disk
                raise

    def remove(self, key: str) -> None:
        """Take an object away: first out of its place, in one step, then file by file."""
        with self.scratch() as scratch:
            try:
                os.rename(self._home(key), scratch / "removed")
            except FileNotFoundError:
                return

    def scratch(self) -> AbstractContextManager[Path]:
        """A folder for unfinished files. It goes when the block ends; after a kill, when the store is next opened."""
        return scratch_folder(self._scratch)


def open_store(where: str | Path | None) -> Store:
    """The store in a folder, at an fsspec address (s3://...), or the user's own."""
    if where is None or where == "":
        return Store(default_root())
    if "://" in str(where):
        from digitalme.shared_store import SharedStore

        return SharedStore(str(where))
    return Store(Path(where))


def was_opened_here(where: str) -> bool:
    """Whether a folder or an address is a store that was opened on this computer. A file from someone else may name any
    folder, to have folders made and a folder `scratch` emptied there, or any address, to have it called.
    """
    if "://" in where:
        return copy_of(where).is_dir()
    try:
        return all((Path(where) / name).is_dir() for name in ("objects", "runs", "scratch"))
    except (OSError, ValueError):  # a name that no folder can have
        return False


def copy_of(address: str) -> Path:
    """Where this computer keeps its copy of a store at an fsspec address."""
    return default_root() / "shared" / hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def read_from(folder: Path, artifact_type: Any) -> Any:
    """Read a saved artifact. Files from elsewhere may break their readers in any way: it is told in a line."""
    try:
        return artifact_type.load(folder)
    except DigitalMeError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise InputError(f"{folder}: not a saved {artifact_type.__name__} ({' '.join(what.split())[:200]})") from error


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _content(files: Mapping[str, str]) -> str:
    return digest_of_text(*(f"{name} {digest}" for name, digest in sorted(files.items())))

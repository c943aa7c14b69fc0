"""A store at an fsspec address (s3://bucket/folder, memory://, file://): a local store in front of a shared one.

Stages read and write the local folder, as ever. An object that is missing here is fetched; one that is made here is
pushed, its artifact.json last, so that others see it whole or not at all. Keys name content, so nothing is overwritten
with something else, and no locks are needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from digitalme.errors import InputError, MissingExtraError
from digitalme.store import Store, copy_of


class SharedStore(Store):
    """`root` is the local folder in front; `address` is where everybody's objects are."""

    def __init__(self, address: str, root: Path | None = None) -> None:
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError:
            raise MissingExtraError("a store at an address needs fsspec: pip install 'digitalme[scale]'") from None
        self.address = address
        try:
            self._files, self._there = url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise InputError(f"store {address}: {error}; for s3:// addresses: pip install 'digitalme[s3]'") from None
        super().__init__(root or copy_of(address))

    def _remote(self, key: str, name: str = "") -> str:
        return "/".join(filter(None, [self._there.rstrip("/"), "objects", key[:2], key, name]))

    def __contains__(self, key: str) -> bool:
        return super().__contains__(key) or self._fetch(key)

    def path(self, key: str) -> Path:
        """The folder of an object's files, here: fetched where another machine made it."""
        if not super().__contains__(key):
            self._fetch(key)
        return self._home(key)

    def about(self, key: str) -> dict[str, Any]:
        if not super().__contains__(key):
            self._fetch(key)
        return super().about(key)

    def all_keys(self) -> Iterator[str]:
        """Keys of all objects, here and there."""
        found = set(super().all_keys())
        yield from found
        try:
            there = self._files.find(f"{self._there.rstrip('/')}/objects")
        except FileNotFoundError:
            return
        yield from sorted({path.rsplit("/", 2)[1] for path in there if path.endswith("/artifact.json")} - found)

    def _fetch(self, key: str) -> bool:
        """Bring an object here; whether it is there."""
        try:
            text = self._files.cat_file(self._remote(key, "artifact.json"))
        except FileNotFoundError:
            return False
        try:
            names = list(json.loads(text)["files"])
        except (ValueError, KeyError, TypeError):
            return False
        with self.scratch() as scratch:
            folder = scratch / "object"
            folder.mkdir(mode=0o700)
            for name in names:
                target = folder / name
                if not target.resolve().is_relative_to(folder.resolve()):
                    return False  # a name that leads out of its folder: nobody's object
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    self._files.get_file(self._remote(key, name), str(target))
                except FileNotFoundError:  # artifact.json is pushed last: somebody lost a part of it
                    with contextlib.suppress(FileNotFoundError):
                        self._files.rm(self._remote(key, "artifact.json"))
                    return False  # it is made again, and pushed whole
            (folder / "artifact.json").write_bytes(text)
            self._place(folder, key)
        return True

    def save(self, value: Any, about: Mapping[str, Any], key: str | None = None) -> str:
        key = super().save(value, about, key)
        self._push(key)
        return key

    def _push(self, key: str) -> None:
        if self._files.exists(self._remote(key, "artifact.json")):
            return
        folder = self._home(key)
        names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
        for name in sorted(names, key=lambda name: name == "artifact.json"):
            self._files.makedirs(os.path.dirname(self._remote(key, name)), exist_ok=True)
            self._files.put_file(str(folder / name), self._remote(key, name))

    def remove(self, key: str) -> None:
        """Here, and there: artifact.json first, so that nobody takes the rest for whole."""
        super().remove(key)
        for name in ("artifact.json", ""):
            try:
                self._files.rm(self._remote(key, name), recursive=not name)
            except FileNotFoundError:
                continue

    def evict(self) -> None:
        """Empty the local folder in front; the shared objects stay."""
        for folder in self.objects.iterdir():
            shutil.rmtree(folder)

"""Folders for unfinished files: each goes when its block ends, what a killed process left with the next sweep."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: folders of killed processes stay until they are removed by hand
    fcntl = None  # type: ignore[assignment]


@contextmanager
def scratch_folder(parent: Path, prefix: str = "") -> Iterator[Path]:
    """A folder in `parent`, of this user alone, that is locked as long as the block runs. Raises OSError."""
    folder, lock = _locked(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def sweep(parent: Path, prefix: str = "", rescue: Callable[[Path], None] = lambda folder: None) -> None:
    """Remove the scratch folders of dead processes in `parent`. A living one holds a lock on its folder.

    `rescue` is called with each before it goes, to take out of it what must not be lost.
    """
    for folder in parent.iterdir():
        if folder.name.startswith(prefix) and (lock := _lock(folder)) is not None:
            with suppress(OSError):  # what could not be rescued stays where it is
                rescue(folder)
                shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _locked(parent: Path, prefix: str) -> tuple[Path, int | None]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock = _lock(folder)
        if fcntl is None or (lock is not None and folder.is_dir()):
            return folder, lock
        if lock is not None:  # another process swept the folder before it was locked
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder against the sweep of other processes; None where it is locked already, gone, or a link."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor

"""Faults at every single write of a run: how many, how long, and what was lost.

    PYTHONPATH=. python tools/bench/faults.py

A run of four stages on a store of its own is stopped at its first write, at its second, and so on to the last: by a
full disk, and by SIGKILL. A later run on what is left has to give the right result, whole objects, and no unfinished
file; a result that is not so is a loss. (The same as tests/test_faults.py, counted.)
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from digitalme.errors import DigitalMeError
from digitalme.store import Store
from tests.test_faults import PROGRAM, fault, full_disk, is_sound, total


def with_full_disk(root: Path, at: int) -> bool:
    """Whether the run still made a write number `at`, which failed."""
    fault.arm(root, at, full_disk)
    with contextlib.suppress(DigitalMeError, OSError):
        total(Store(root))
    reached = fault.seen >= at
    fault.rest()
    return reached


def with_kill(root: Path, at: int) -> bool:
    ended = subprocess.run([sys.executable, "-c", PROGRAM, root, str(at)], check=False, capture_output=True)
    if ended.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(ended.stderr.decode())
    return ended.returncode != 0


def walked(inject: Callable[[Path, int], bool], folder: Path) -> tuple[int, int]:
    """Faults injected, and losses."""
    losses = 0
    for at in itertools.count(1):
        root = folder / str(at)
        reached = inject(root, at)
        try:
            is_sound(root)
        except (AssertionError, DigitalMeError, OSError) as error:
            losses += 1
            print(f"write {at}: {error}")
        if not reached:
            return at - 1, losses
    raise AssertionError("endless")


def main() -> None:
    for name, inject in (("full disk", with_full_disk), ("SIGKILL", with_kill)):
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            faults, losses = walked(inject, Path(folder))
            print(f"{name}: {faults} faults, {time.perf_counter() - begin:.1f} s, {losses} losses", flush=True)


if __name__ == "__main__":
    main()

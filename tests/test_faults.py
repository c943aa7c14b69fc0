"""A run is stopped at every single write to the store, by a full disk and by SIGKILL: nothing is lost or half-read."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from digitalme.errors import DigitalMeError
from digitalme.run import run
from digitalme.store import Store
from tests.fakes.numbers import Number
from tests.test_run import sums

WRITES = {"os.mkdir", "os.rename", "os.symlink", "open"}


class Fault:
    """Counts the writes below a folder, told by Python's audit events, and acts at one of them."""

    def __init__(self) -> None:
        self.root, self.at, self.seen, self.act = "", 0, 0, None
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if not self.root or event not in WRITES or not str(arguments[0]).startswith(self.root):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        self.seen += 1
        if self.seen == self.at:
            self.act()

    def arm(self, root: Path, at: int, act) -> None:
        self.root, self.at, self.seen, self.act = str(root), at, 0, act

    def rest(self) -> None:
        self.root = ""


fault = Fault()


def total(store: Store) -> Number:
    return run(sums(), ["total"], store=store, given={"start": Number(9)}).load("total")


def full_disk() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def is_sound(root: Path) -> None:
    """What a later run finds: the right result, whole objects, no unfinished files."""
    store = Store(root)
    assert total(store) == Number(15)
    for folder in store.objects.glob("*/*"):
        store.check(folder.name)
    assert list((root / "scratch").iterdir()) == []


def test_full_disk_at_every_write(tmp_path):
    at, messages = 0, []
    while True:
        at += 1
        root = tmp_path / str(at)
        fault.arm(root, at, full_disk)
        try:
            value = total(Store(root))
        except (DigitalMeError, OSError) as error:
            messages.append(str(error))
        else:
            assert value == Number(15)  # the write was a mkdir of a folder that is there
        reached = fault.seen >= at
        fault.rest()
        is_sound(root)
        if not reached:
            break
    assert at > 30  # every write was walked over: 4 folders, 4 artifacts, 4 links, the log, run.json
    assert len(messages) >= 30
    assert all("No space left" in message for message in messages)


def test_full_disk_while_results_are_handed_over(tmp_path):
    """At every write into --out: each file there is the old one or the new one, whole, and no draft is left."""
    at = 0
    while True:
        at += 1
        out = earlier_build(tmp_path / str(at))
        fault.arm(out, at, full_disk)
        failed = False
        try:
            hand_over(out)
        except (DigitalMeError, OSError):
            failed = True
        reached = fault.seen >= at
        fault.rest()
        found = is_old_or_new(out)
        if failed:
            assert {path.name for path in out.iterdir()} == {*HANDED_OVER, "run"}
        if not reached:
            assert found == "new"
            break
    assert at > 8


HANDED_OVER = ("portrait.txt", "video.txt", "performance.txt")


def earlier_build(out: Path) -> Path:
    (out / "run").mkdir(parents=True)
    (out / "run" / "run.json").write_text("old")
    for name in HANDED_OVER:
        (out / name).write_text("old " * 1000)
    return out


def hand_over(out: Path) -> None:
    from digitalme.product import writing_to

    with writing_to(out) as drafts:
        for name in HANDED_OVER:
            (drafts / name).write_text("new " * 1000)
        (drafts / "run").mkdir()
        (drafts / "run" / "run.json").write_text("new")


def is_old_or_new(out: Path) -> str:
    """Which build run/ tells of. Each file is of one or the other, whole, and run/ says that all is there."""
    found = {(out / name).read_text() for name in HANDED_OVER}
    assert found <= {"old " * 1000, "new " * 1000}
    told = (out / "run" / "run.json").read_text()
    assert told in ("old", "new")
    assert told == "old" or found == {"new " * 1000}
    return told


PROGRAM = """
import os, signal, sys
from pathlib import Path
from digitalme.store import Store
from tests.test_faults import fault, total
at = int(sys.argv[2])
fault.arm(Path(sys.argv[1]), at, lambda: os.kill(os.getpid(), signal.SIGKILL))
total(Store(Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_killed_at_every_write(tmp_path):
    at = 0
    while True:
        at += 1
        root = tmp_path / str(at)
        ended = subprocess.run([sys.executable, "-c", PROGRAM, root, str(at)], check=False, capture_output=True)
        is_sound(root)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert at > 30


HANDING_OVER = """
import os, signal, sys
from pathlib import Path
from tests.test_faults import fault, hand_over
out = Path(sys.argv[1])
fault.arm(out, int(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGKILL))
hand_over(out)
"""


@pytest.mark.slow
def test_killed_while_results_are_handed_over(tmp_path):
    """What reads the folder next finds the old build or the new one; the next build leaves nothing of a dead one."""
    from digitalme.errors import InputError
    from digitalme.product import Built

    told, at = set(), 0
    while True:
        at += 1
        out = earlier_build(tmp_path / str(at))
        ended = subprocess.run([sys.executable, "-c", HANDING_OVER, out, str(at)], check=False, capture_output=True)
        with pytest.raises(InputError, match="not readable"):  # "old" and "new" are no JSON; but a run/ is there
            Built.read(out)
        told.add(is_old_or_new(out))
        hand_over(out)
        assert is_old_or_new(out) == "new"
        assert {path.name for path in out.iterdir()} == {*HANDED_OVER, "run"}
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert at > 8
    assert told == {"old", "new"}


def test_drafts_of_a_living_build_stay(tmp_path):
    """A build that begins sweeps up what dead ones left, not what another one is writing."""
    from digitalme.product import writing_to

    left = tmp_path / ".digitalme-dead"
    left.mkdir()
    (left / "portrait.png").write_bytes(b"a face")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / ".digitalme-link").symlink_to(elsewhere)
    with writing_to(tmp_path) as first:
        (first / "one.txt").write_text("one")
        with writing_to(tmp_path) as second:
            (second / "two.txt").write_text("two")
        assert not left.exists()
        assert (first / "one.txt").exists()
    assert elsewhere.is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {"one.txt", "two.txt", "elsewhere", ".digitalme-link"}


def test_read_only_store(tmp_path, monkeypatch):
    """As a file system that is mounted read-only answers (chmod does not stop root)."""
    store = Store(tmp_path / "store")
    total(store)
    monkeypatch.setattr("tempfile.mkdtemp", lambda **options: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only")))
    with pytest.raises(OSError, match="Read-only"):
        total(store)


def test_clock_that_goes_back(tmp_path, monkeypatch):
    """Two runs at one reading of the clock have folders of their own; keys do not depend on time."""
    import digitalme.run as module

    class Stopped(module.datetime):
        @classmethod
        def now(cls, zone=None):
            return cls(2000, 1, 1, tzinfo=zone)

    store = Store(tmp_path / "store")
    assert total(store) == Number(15)
    monkeypatch.setattr(module, "datetime", Stopped)
    assert total(store) == total(store) == Number(15)
    names = sorted(path.name for path in store.runs.iterdir())
    assert names[:2] == ["20000101-000000", "20000101-000000-2"]


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "..", "a/../../b"])
def test_names_lead_nowhere_else(tmp_path, name):
    """A run.json from someone else cannot name anything but a key."""
    import json

    from digitalme.errors import InputError
    from digitalme.product import Built

    (tmp_path / "me" / "run").mkdir(parents=True)
    about = {"pipeline": "default", "store": str(tmp_path), "settings": {}, "keys": {"avatar": name}}
    (tmp_path / "me" / "run" / "run.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="not a key"):
        Built.read(tmp_path / "me")

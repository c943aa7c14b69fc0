"""What a run tells while it works: one stream of events feeds the progress bar, the log and the web page.

A stage reports with `progress(done, total)`, takes its random numbers from `seed()` and its working folder from
`scratch()`, and leaves remarks with `note(...)`. Outside a run they do nothing, give 0, and a temporary folder.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something happened to an artifact of a run."""

    artifact: str
    what: str
    """started, cached, progress, finished, failed, or damaged (a stored object was, and is made again)."""
    done: float = 0
    total: float = 0
    seconds: float = 0.0
    message: str = ""
    key: str = ""
    """Of what was made, where it is finished or cached."""


Listener = Callable[[Event], None]


@dataclass(frozen=True)
class _Work:
    artifact: str
    seed: int
    scratch: Path
    listener: Listener
    notes: dict[str, Any]


_current: ContextVar[_Work | None] = ContextVar("digitalme_work", default=None)


@contextmanager
def working(artifact: str, seed: int, scratch: Path, listener: Listener) -> Iterator[dict[str, Any]]:
    """Make `progress`, `seed`, `scratch` and `note` speak of one stage's work, in this thread. Gives its notes."""
    notes: dict[str, Any] = {}
    token = _current.set(_Work(artifact, seed, scratch, listener, notes))
    try:
        yield notes
    finally:
        _current.reset(token)


def progress(done: float, total: float) -> None:
    """Say from inside a stage how far it is."""
    work = _current.get()
    if work is not None:
        work.listener(Event(work.artifact, "progress", done, total))


def seed() -> int:
    """The seed of the stage that runs: derived from its key, so the same inputs give the same numbers."""
    work = _current.get()
    return work.seed if work is not None else 0


def scratch() -> Path:
    """A folder for a stage's unfinished files, on the store's disk; it is removed when the stage is done or dead."""
    work = _current.get()
    return work.scratch if work is not None else Path(tempfile.mkdtemp(prefix="digitalme-"))


def note(**facts: Any) -> None:
    """Facts for artifact.json that are no part of the artifact: how long a part took, which renderer drew."""
    work = _current.get()
    if work is not None:
        work.notes.update(facts)


def to_all(*listeners: Listener) -> Listener:
    """One listener that passes each event on to several."""

    def listener(event: Event) -> None:
        for each in listeners:
            each(event)

    return listener


def json_lines(path: Path) -> Listener:
    """A listener that appends each event to a file, one JSON object a line."""

    def listener(event: Event) -> None:
        line = {"time": round(time.time(), 3), **{k: v for k, v in asdict(event).items() if v not in ("", 0)}}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    return listener

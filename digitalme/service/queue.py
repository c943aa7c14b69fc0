"""A queue of orders in one SQLite file: it survives a restart, a killed worker, and many clients at once.

A job is `waiting`, `running`, `done`, `failed` or `cancelled`. Who takes a job beats for it while it works; a job whose
worker no longer beats goes back to waiting, until it has been tried TRIES times.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from digitalme.service.orders import Order

TRIES = 3
"""How often a job is begun, at most: a worker may die under it, a disk may be full for a while."""
LEASE_SECONDS = 120.0
"""A running job whose worker has not beaten for so long is taken back. (A worker of this machine that ended is missed
at once; on a machine that is far too busy a living one may be silent for a minute.)"""
STATES = ("waiting", "running", "done", "failed", "cancelled")

_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, work TEXT NOT NULL, state TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, worker TEXT NOT NULL DEFAULT '', beat REAL NOT NULL DEFAULT 0,
    created REAL NOT NULL, started REAL NOT NULL DEFAULT 0, finished REAL NOT NULL DEFAULT 0,
    stage TEXT NOT NULL DEFAULT '', part REAL NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '',
    place INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS by_state ON jobs (state, place);
CREATE INDEX IF NOT EXISTS by_owner ON jobs (owner, place);
"""


@dataclass(frozen=True)
class Job:
    """An order in the queue, and how it stands. Times are seconds since 1970."""

    id: str
    owner: str
    name: str
    order: Order
    state: str
    tries: int
    created: float
    started: float
    finished: float
    stage: str
    """The artifact that is being made."""
    part: float
    """How much of it is done, 0..1."""
    message: str
    """Why it failed, in a line."""


_COLUMNS = "id, owner, name, work, state, tries, created, started, finished, stage, part, message"


class Queue:
    """Every method is one transaction; any number of processes and threads may use the same file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._open() as table:
            table.executescript("PRAGMA journal_mode = WAL;" + _TABLE)
        path.chmod(0o600)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._open() as table:
            table.execute("BEGIN IMMEDIATE")
            try:
                yield table
            except BaseException:
                table.execute("ROLLBACK")
                raise
            table.execute("COMMIT")

    def add(self, order: Order, owner: str = "", name: str = "", id: str = "") -> str:
        """Put an order in; the job's id. An id that is known already stays as it is: a batch may be told again."""
        id = id or secrets.token_hex(8)
        with self._change() as table:
            table.execute(
                "INSERT OR IGNORE INTO jobs (id, owner, name, work, state, created, place)"
                " VALUES (?, ?, ?, ?, 'waiting', ?, (SELECT coalesce(max(place), 0) + 1 FROM jobs))",
                (id, owner, name, order.to_json(), time.time()),
            )
        return id

    def claim(self, worker: str) -> Job | None:
        """Take the oldest waiting job; None where there is none."""
        with self._change() as table:
            row = table.execute("SELECT id FROM jobs WHERE state = 'waiting' ORDER BY place LIMIT 1").fetchone()
            if row is None:
                return None
            now = time.time()
            table.execute(
                "UPDATE jobs SET state = 'running', worker = ?, beat = ?, started = ?, tries = tries + 1, stage = '',"
                " part = 0, message = '' WHERE id = ?",
                (worker, now, now, row[0]),
            )
            return _job(table.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", row).fetchone())

    def beat(self, id: str, worker: str, stage: str = "", part: float = 0.0) -> bool:
        """Say that the job is being worked on; False where it is the worker's no more (cancelled, or taken back)."""
        with self._open() as table:
            if stage:
                done = table.execute(
                    "UPDATE jobs SET beat = ?, stage = ?, part = ? WHERE id = ? AND worker = ? AND state = 'running'",
                    (time.time(), stage, part, id, worker),
                )
            else:
                done = table.execute(
                    "UPDATE jobs SET beat = ? WHERE id = ? AND worker = ? AND state = 'running'",
                    (time.time(), id, worker),
                )
            return done.rowcount == 1

    def finish(self, id: str, worker: str, error: str = "", again: bool = False) -> None:
        """The job is done; or it failed, and waits again where that may help and tries are left."""
        with self._change() as table:
            row = table.execute(
                "SELECT tries FROM jobs WHERE id = ? AND worker = ? AND state = 'running'", (id, worker)
            ).fetchone()
            if row is None:
                return
            state = "done" if not error else "waiting" if again and row[0] < TRIES else "failed"
            table.execute(
                "UPDATE jobs SET state = ?, message = ?, finished = ?, worker = '' WHERE id = ?",
                (state, error, time.time(), id),
            )

    def take_back(self, worker: str | None = None, seconds: float = LEASE_SECONDS) -> int:
        """Let the jobs of a dead worker wait again, or without a name all that have not beaten for `seconds`."""
        with self._change() as table:
            which, given = ("worker = ?", worker) if worker is not None else ("beat < ?", time.time() - seconds)
            rows = table.execute(f"SELECT id, tries FROM jobs WHERE state = 'running' AND {which}", (given,)).fetchall()
            for id, tries in rows:
                lost = tries >= TRIES
                table.execute(
                    "UPDATE jobs SET state = ?, message = ?, finished = ?, worker = '' WHERE id = ?",
                    (
                        "failed" if lost else "waiting",
                        f"its worker died {tries} times" if lost else "",
                        time.time(),
                        id,
                    ),
                )
            return len(rows)

    def running(self) -> list[tuple[str, str]]:
        """(job, worker) of every job that somebody works on."""
        with self._open() as table:
            return table.execute("SELECT id, worker FROM jobs WHERE state = 'running'").fetchall()

    def cancel(self, id: str) -> bool:
        """Stop a job that waits or runs; whether there was one."""
        with self._change() as table:
            done = table.execute(
                "UPDATE jobs SET state = 'cancelled', worker = '', finished = ? WHERE id = ?"
                " AND state IN ('waiting', 'running')",
                (time.time(), id),
            )
            return done.rowcount == 1

    def retry(self, states: tuple[str, ...] = ("failed",)) -> int:
        """Let jobs that failed wait once more, their tries counted anew."""
        with self._change() as table:
            marks = ", ".join("?" * len(states))
            done = table.execute(
                f"UPDATE jobs SET state = 'waiting', tries = 0, message = '' WHERE state IN ({marks})", states
            )
            return done.rowcount

    def remove(self, id: str) -> None:
        with self._change() as table:
            table.execute("DELETE FROM jobs WHERE id = ?", (id,))

    def get(self, id: str) -> Job | None:
        with self._open() as table:
            row = table.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (id,)).fetchone()
            return _job(row) if row else None

    def jobs(self, owner: str | None = None, limit: int = -1, offset: int = 0) -> list[Job]:
        """Jobs in the order of coming."""
        which, given = ("WHERE owner = ?", (owner,)) if owner is not None else ("", ())
        with self._open() as table:
            rows = table.execute(
                f"SELECT {_COLUMNS} FROM jobs {which} ORDER BY place LIMIT ? OFFSET ?", (*given, limit, offset)
            ).fetchall()
        return [_job(row) for row in rows]

    def counts(self, owner: str | None = None) -> dict[str, int]:
        """Jobs by state."""
        which, given = ("WHERE owner = ?", (owner,)) if owner is not None else ("", ())
        with self._open() as table:
            found = dict(table.execute(f"SELECT state, count(*) FROM jobs {which} GROUP BY state", given).fetchall())
        return {state: found.get(state, 0) for state in STATES}


def worker_name() -> str:
    """A name that no other process, of this or another machine, has."""
    return f"{os.uname().nodename}-{os.getpid()}-{secrets.token_hex(4)}"


def _job(row: tuple) -> Job:
    id, owner, name, work, *rest = row
    return Job(id, owner, name, Order.from_json(work), *rest)

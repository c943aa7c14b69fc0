"""Workers: processes that take orders from a queue, and the crew that keeps so many of them alive.

    python -m digitalme.service.worker QUEUE.sqlite [--until-empty] [--jobs N]

A worker ends after some jobs, so that memory stays flat over a night; the crew starts another. One that is killed
costs its job a try and nothing else: what its finished stages made is in the store.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from digitalme.errors import DigitalMeError, InputError
from digitalme.events import Event
from digitalme.service.queue import Job, Queue, worker_name

BEAT_SECONDS = 5.0
PROGRESS_SECONDS = 0.5
"""How often progress is written down, at most."""
JOBS_EACH = 25
"""Jobs that one worker process does before it makes room for a fresh one."""


class CancelledError(DigitalMeError):
    """The job is not wanted any more."""


def work(queue: Queue, until_empty: bool = False, jobs: int = JOBS_EACH) -> int:
    """Take jobs and do them, one after another; how many were done. Ends with its parent process."""
    me, parent, done = worker_name(), os.getppid(), 0
    while done < jobs and os.getppid() == parent:
        job = queue.claim(me)
        if job is not None:
            do(queue, job, me)
            done += 1
        elif until_empty:
            break
        else:
            time.sleep(0.3)
    return done


def do(queue: Queue, job: Job, me: str) -> None:
    """Carry out one claimed job and write down how it ended."""
    ended, wanted, parent = threading.Event(), threading.Event(), os.getppid()
    wanted.set()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            if not queue.beat(job.id, me):
                wanted.clear()
            if os.getppid() != parent:
                os._exit(1)  # the crew is gone: the job waits for the next one

    last = [0.0]

    def on_event(event: Event) -> None:
        if not wanted.is_set():
            raise CancelledError("cancelled")
        now = time.monotonic()
        if event.what in ("started", "progress") and now - last[0] > PROGRESS_SECONDS:
            last[0] = now
            if not queue.beat(job.id, me, event.artifact, event.done / event.total if event.total else 0.0):
                wanted.clear()

    heart = threading.Thread(target=beat, daemon=True)
    heart.start()
    try:
        job.order.carry_out(on_event)
    except CancelledError:
        queue.finish(job.id, me, "cancelled")
    except InputError as error:
        queue.finish(job.id, me, line_of(error))
    except Exception as error:  # noqa: BLE001  whatever happens to one person, the next ones are made
        queue.finish(job.id, me, line_of(error), again=True)
    else:
        queue.finish(job.id, me)
    finally:
        ended.set()
        heart.join()
        give_back_memory()


def give_back_memory() -> None:
    """Let the system have what the C library holds for later: between people it keeps some 10 MB more for each."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; others give back by themselves
    if trim is not None:
        trim(0)


def line_of(error: Exception) -> str:
    """An error as one line, for a table or a page."""
    text = str(error) if isinstance(error, DigitalMeError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:500] or type(error).__name__


class Crew:
    """So many worker processes over one queue. `keep` starts what is missing; call it now and then."""

    def __init__(self, queue: Queue, workers: int, until_empty: bool = False, log: Path | None = None) -> None:
        if workers < 1:
            raise InputError(f"{workers} workers; expected at least one")
        self.queue, self.workers, self.until_empty = queue, workers, until_empty
        self.log = log or queue.path.with_name("workers.log")
        self.members: list[subprocess.Popen] = []
        self.deaths = 0
        """Workers that ended otherwise than by themselves."""

    def keep(self) -> None:
        """Take back what dead workers held, and start others as long as there is work for them."""
        alive = []
        for member in self.members:
            if member.poll() is None:
                alive.append(member)
                continue
            self.deaths += member.returncode != 0
            self._take_back(member)
        self.members = alive
        self.queue.take_back()
        counts = self.queue.counts()
        needed = counts["waiting"] + counts["running"] if self.until_empty else self.workers
        while len(self.members) < min(self.workers, needed):
            self.members.append(self._start())

    def _take_back(self, member: subprocess.Popen) -> None:
        for _, worker in self.queue.running():
            if worker.startswith(f"{os.uname().nodename}-{member.pid}-"):
                self.queue.take_back(worker)

    def _start(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "digitalme.service.worker", str(self.queue.path)]
        command += ["--until-empty"] if self.until_empty else []
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
            )

    def _environment(self) -> Mapping[str, str]:
        """Each worker's libraries take their share of the cores, and find this very digitalme."""
        share = str(max(1, (os.cpu_count() or 1) // self.workers))
        names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        here = str(Path(__file__).parents[2])
        paths = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
        return {**dict.fromkeys(names, share), **os.environ, "PYTHONPATH": paths}

    def stop(self, seconds: float = 10.0) -> None:
        """End the workers; their jobs wait for the next crew."""
        for member in self.members:
            member.terminate()
        for member in self.members:
            try:
                member.wait(seconds)
            except subprocess.TimeoutExpired:
                member.kill()
                member.wait()
            self._take_back(member)
        self.members = []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("queue", type=Path)
    parser.add_argument("--until-empty", action="store_true")
    parser.add_argument("--jobs", type=int, default=JOBS_EACH)
    given = parser.parse_args()
    work(Queue(given.queue), given.until_empty, given.jobs)


if __name__ == "__main__":
    main()

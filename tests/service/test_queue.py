"""No order is lost, done twice at once or kept for ever: by many threads, by dead workers, after a restart."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from digitalme.errors import InputError
from digitalme.service import worker as worker_module
from digitalme.service.orders import Order
from digitalme.service.queue import TRIES, Queue
from digitalme.service.worker import Crew, do, give_back_memory, work


@pytest.fixture
def queue(tmp_path) -> Queue:
    return Queue(tmp_path / "queue.sqlite")


def test_order_travels_as_text():
    order = Order("out", "me.jpg", say="Grüße 你好", settings={"render": {"size": 256}})
    assert Order.from_json(order.to_json()) == order


def test_first_come_first_served(queue):
    names = [queue.add(Order(str(n))) for n in range(5)]
    assert [queue.claim("w").id for _ in names] == names
    assert queue.claim("w") is None


def test_each_job_goes_to_one_worker(queue):
    for number in range(40):
        queue.add(Order(str(number)))

    def take(worker: int) -> list[str]:
        taken = []
        while (job := queue.claim(str(worker))) is not None:
            taken.append(job.id)
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = [id for each in pool.map(take, range(8)) for id in each]
    assert Counter(taken) == Counter(job.id for job in queue.jobs())


def test_told_again_stays_as_it_is(queue):
    queue.add(Order("a"), id="one")
    queue.finish(queue.claim("w").id, "w")
    queue.add(Order("b"), id="one")
    assert [(job.state, job.order.out) for job in queue.jobs()] == [("done", "a")]


def test_a_job_of_a_dead_worker_waits_again_until_its_tries_are_used_up(queue):
    id = queue.add(Order("x"))
    for attempt in range(1, TRIES + 1):
        assert queue.claim("w").tries == attempt
        assert queue.take_back("w") == 1
    assert queue.get(id).state == "failed"
    assert "died" in queue.get(id).message
    assert queue.retry() == 1
    assert queue.claim("v").tries == 1


def test_only_silence_loses_a_job(queue):
    queue.add(Order("x"))
    job = queue.claim("w")
    assert queue.take_back(seconds=60) == 0
    assert queue.beat(job.id, "w", "avatar", 0.5)
    assert (queue.get(job.id).stage, queue.get(job.id).part) == ("avatar", 0.5)
    assert queue.take_back(seconds=-1) == 1
    assert not queue.beat(job.id, "w")
    queue.finish(job.id, "w")  # too late: it is somebody else's now
    assert queue.get(job.id).state == "waiting"


def test_survives_a_restart(tmp_path):
    id = Queue(tmp_path / "q.sqlite").add(Order("x", say="hello"), owner="anna", name="Anna")
    job = Queue(tmp_path / "q.sqlite").get(id)
    assert (job.owner, job.name, job.order.say) == ("anna", "Anna", "hello")
    assert (tmp_path / "q.sqlite").stat().st_mode & 0o077 == 0


def test_owners_see_their_own(queue):
    queue.add(Order("a"), owner="anna")
    queue.add(Order("b"), owner="ben")
    assert [job.order.out for job in queue.jobs("anna")] == ["a"]
    assert queue.counts("ben")["waiting"] == 1
    assert queue.counts()["waiting"] == 2


# ---------------------------------------------------------------- what a worker makes of a job


def carried_out(monkeypatch, action):
    monkeypatch.setattr(Order, "carry_out", lambda self, on_event: action(self, on_event))


def test_an_unusable_input_is_final_and_another_failure_is_tried_again(queue, monkeypatch):
    def action(order, on_event):
        if order.out == "bad":
            raise InputError("no face\nin it")
        raise OSError("disk full")

    carried_out(monkeypatch, action)
    bad, unlucky = queue.add(Order("bad")), queue.add(Order("unlucky"))
    assert work(queue, until_empty=True) == 1 + TRIES
    assert (queue.get(bad).state, queue.get(bad).message) == ("failed", "no face in it")
    assert (queue.get(unlucky).tries, queue.get(unlucky).message) == (TRIES, "OSError: disk full")


def test_cancelled_while_running(queue, monkeypatch):
    from digitalme.events import Event

    monkeypatch.setattr(worker_module, "PROGRESS_SECONDS", 0)

    def action(order, on_event):
        queue.cancel(id)
        on_event(Event("avatar", "progress", 1, 2))
        on_event(Event("avatar", "progress", 2, 2))
        raise AssertionError("went on")

    carried_out(monkeypatch, action)
    id = queue.add(Order("x"))
    do(queue, queue.claim("w"), "w")
    assert queue.get(id).state == "cancelled"


def test_crew_replaces_a_killed_worker(queue, tmp_path):
    """SIGKILL under a job: it is taken back at once, a new worker does it, and the answer is the job's own."""
    queue.add(Order(str(tmp_path / "out"), "missing.jpg"))
    queue.claim("nobody")  # as held by a machine that burnt down
    crew = Crew(queue, 1)
    crew.keep()
    os.kill(crew.members[0].pid, signal.SIGKILL)
    crew.members[0].wait()
    queue.take_back(seconds=-1)
    crew.keep()
    assert crew.deaths == 1
    deadline = time.monotonic() + 60
    while queue.counts()["failed"] == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    crew.stop()
    assert "missing.jpg: no such file" in queue.jobs()[0].message
    assert queue.jobs()[0].tries == 2


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc")
def test_a_worker_gives_memory_back():
    """What was freed between things that stay is the system's again: else each person would leave a worker larger."""

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    blocks = [bytes(60_000) for _ in range(4000)]
    kept = blocks[::100]
    del blocks
    before = resident()
    give_back_memory()
    assert resident() < before - 150
    assert len(kept) == 40

"""Many people: the table, a failed person among others, going on after a stop, a killed worker, a cluster."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from digitalme import batch
from digitalme.batch import enqueue, read_table, run_here, run_on_cluster, write_page
from digitalme.cli import main
from digitalme.errors import InputError
from digitalme.service.queue import Queue


def table(folder: Path, text: str) -> Path:
    path = folder / "people.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows(tmp_path):
    text = (
        "name, selfie, voice, say, look, render.size, consent\n"
        'Anna,a.jpg,,"Hello, you",moe,256,yes\n'
        ",faces/Ben Ö.png,b.wav,,,,\n"
        "anna,/abs/c.jpg,,,,,\n"
        ",,,,,,\n"
        "../../Eve,e.jpg,,,,,\n"
    )
    people = read_table(table(tmp_path, text), tmp_path / "many", {"look": "studio"}, "s3://bucket")
    assert [person.folder for person in people] == ["Anna", "Ben Ö", "anna-2", "Eve"]
    anna, ben, other, _ = (person.order for person in people)
    assert (anna.say, anna.look, anna.settings) == ("Hello, you", "moe", {"render": {"size": "256"}})
    assert anna.selfie == str(tmp_path / "a.jpg")
    assert (ben.voice, ben.look, ben.store) == (str(tmp_path / "b.wav"), "studio", "s3://bucket")
    assert other.selfie == "/abs/c.jpg"
    assert all(Path(person.order.out).parent == tmp_path / "many" for person in people)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds nobody"),
        ("name,selfie\n", "holds nobody"),
        ("name,selfy\nA,a.jpg\n", "did you mean 'selfie'"),
        ("name,selfie,prompt\nA,a.jpg,a man\n", "line 2: expected a selfie or a prompt"),
        ("name,selfie\nA,\n", "line 2: expected a selfie or a prompt"),
        ("name,selfie\nA,a.jpg,more\n", "line 2: has more cells"),
    ],
)
def test_unusable_tables(tmp_path, text, told):
    with pytest.raises(InputError, match=told):
        read_table(table(tmp_path, text), tmp_path)


def people(tmp_path: Path, count: int) -> list[batch.Person]:
    rows = "".join(f"P{n},missing-{n}.jpg\n" for n in range(count))
    return read_table(table(tmp_path, "name,selfie\n" + rows), tmp_path / "many")


def test_a_table_told_again(tmp_path):
    queue = Queue(tmp_path / "many" / "batch.sqlite")
    enqueue(people(tmp_path, 3), queue)
    done = queue.claim("w")
    queue.finish(done.id, "w")
    (Path(done.order.out) / "run").mkdir(parents=True)
    (Path(done.order.out) / "run" / "run.json").write_text("{}")
    enqueue(people(tmp_path, 4), queue)
    assert queue.counts()["done"] == 1
    assert queue.counts()["waiting"] == 3
    (Path(done.order.out) / "run" / "run.json").unlink()  # what was made is gone: it is made again
    enqueue(people(tmp_path, 2), queue)
    assert queue.counts() == {"waiting": 2, "running": 0, "done": 0, "failed": 0, "cancelled": 0}


def test_a_failed_person_stops_nobody(tmp_path):
    queue = Queue(tmp_path / "many" / "batch.sqlite")
    enqueue(people(tmp_path, 3), queue)
    assert run_here(queue, 2, lambda: None) == 0
    assert queue.counts()["failed"] == 3
    assert all("no such file" in job.message for job in queue.jobs())
    write_page(queue, tmp_path / "many", "<b>")
    page = (tmp_path / "many" / "index.html").read_text()
    assert page.count('<section class="failed">') == 3
    assert "<b>" not in page


def test_command(tmp_path, capsys):
    arguments = ["batch", str(table(tmp_path, "name,selfie\n\x1b[31mX,missing.jpg\n")), "--out", str(tmp_path / "many")]
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert "missing.jpg: no such file" in told.out
    assert "\x1b" not in told.out
    assert main(arguments) == 1
    assert "1 of 1 were made or refused before" in capsys.readouterr().out


@pytest.mark.skipif(find_spec("distributed") is None, reason="Dask is not installed")
@pytest.mark.filterwarnings("ignore")
def test_on_a_cluster(tmp_path):
    from distributed import LocalCluster

    queue = Queue(tmp_path / "many" / "batch.sqlite")
    enqueue(people(tmp_path, 3), queue)
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        run_on_cluster(queue, cluster.scheduler_address, lambda: None)
    assert queue.counts()["failed"] == 3
    assert all(job.tries == 1 and "no such file" in job.message for job in queue.jobs())


@pytest.mark.skipif(find_spec("distributed") is None, reason="Dask is not installed")
@pytest.mark.filterwarnings("ignore")
def test_no_scheduler_there(tmp_path, monkeypatch):
    import distributed

    def refused(address, timeout):
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr(distributed, "Client", refused)
    with pytest.raises(InputError, match="cannot be reached"):
        run_on_cluster(Queue(tmp_path / "q.sqlite"), "tcp://127.0.0.1:1", lambda: None)


@pytest.mark.slow
def test_real_people_and_a_killed_worker(tmp_path):
    """Three portraits of the demo's person; a worker is killed under the first. All are made, none twice at once."""
    from digitalme.demo import demo_photo

    rows = "".join(f"P{n},{demo_photo()}\n" for n in range(3))
    people = read_table(table(tmp_path, "name,selfie\n" + rows), tmp_path / "many", {"consent": "a test"})
    people = [
        replace(each, order=replace(each.order, until="portrait", store=str(tmp_path / each.name))) for each in people
    ]
    queue = Queue(tmp_path / "many" / "batch.sqlite")
    enqueue(people, queue)
    killed = []

    def kill_once() -> None:
        running = queue.running()
        if running and not killed:
            pid = int(running[0][1].split("-")[-2])
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    assert run_here(queue, 2, kill_once) == 1
    assert queue.counts()["done"] == 3
    assert sum(job.tries for job in queue.jobs()) == 4
    assert all((tmp_path / "many" / person.folder / "portrait.png").is_file() for person in people)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_whose_store_is_a_bucket(tmp_path, monkeypatch):
    """Two people by a Dask worker, artifacts at s3://; another machine, with nothing of its own, finds them there."""
    for needed in ("distributed", "s3fs", "moto", "flask"):
        pytest.importorskip(needed)
    from distributed import LocalCluster

    from digitalme.artifacts import Portrait
    from digitalme.demo import demo_photo
    from digitalme.product import Built
    from digitalme.shared_store import SharedStore
    from tests.service.test_shared_store import bucket

    monkeypatch.setenv("DIGITALME_STORE", str(tmp_path / "one"))
    made_there = bucket()
    address = next(made_there)
    try:
        rows = "".join(f"P{n},{demo_photo()},{n + 1} of us\n" for n in range(2))
        people = read_table(table(tmp_path, "name,selfie,consent\n" + rows), tmp_path / "many", {}, address)
        people = [replace(each, order=replace(each.order, until="portrait")) for each in people]
        queue = Queue(tmp_path / "many" / "batch.sqlite")
        enqueue(people, queue)
        with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
            run_on_cluster(queue, cluster.scheduler_address, lambda: None)
        assert [(job.state, job.message) for job in queue.jobs()] == [("done", "")] * 2
        key = Built.read(tmp_path / "many" / "P0").keys["portrait"]
        other = SharedStore(address, tmp_path / "other")
        assert other.load(key, Portrait).image.shape[2] == 3
    finally:
        made_there.close()

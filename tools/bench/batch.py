"""`digitalme batch` with people who never lived, each with a face and a clip of their own; for a quiet machine.

    python tools/bench/batch.py [--people 8] [--workers 1 2 4]     people an hour, each row with an empty store
    python tools/bench/batch.py --people 200 --workers 2 --plot memory.png --folder many/     the workers' memory, too

A selfie is a picture of the body model; the voice is a second of the demo's, from another moment for each. Everything
between a photo and a GLB, a video and a scorecard is made, in small. The efficiency of n workers on c cores is their
throughput, over min(n, c) times that of one worker on one core. With `--folder` a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from digitalme.artifacts import Voice
from digitalme.artifacts.files import write_png
from digitalme.audio.files import read_voice
from digitalme.batch import QUEUE, enqueue, read_table, run_here, write_page
from digitalme.body.people import random_person
from digitalme.demo import demo_voice
from digitalme.rendering.people import picture_of, random_view
from digitalme.service.queue import Queue
from digitalme.studio.live import wav_bytes

SMALL = {"reconstruct.texture_size": 512, "render.size": 128, "render.fps": 10}
FIRST_PERSON = 5000
"""Seeds from here on are of nobody that a network was trained with, or a test looks at."""
SETTLED = 5
"""People after whom a worker has loaded and compiled whatever it needs."""


def draw_people(folder: Path, count: int, seconds: float) -> Path:
    """A photo and a clip for each of `count` people, and the table of them."""
    voice = read_voice(demo_voice()[0])
    length = round(seconds * voice.rate)
    starts = np.linspace(0, max(0, len(voice.samples) - length), count).astype(int)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [["name", "selfie", "voice", "consent", *SMALL]]
    for number, start in enumerate(starts):
        name = f"P{number:03}"
        if not (folder / f"{name}.wav").is_file():
            seed = FIRST_PERSON + number
            write_png(folder / f"{name}.png", picture_of(random_person(seed), random_view(seed), 384))
            piece = Voice(voice.samples[start : start + length], voice.rate)
            (folder / f"{name}.wav").write_bytes(wav_bytes(piece))
        rows.append([name, f"{name}.png", f"{name}.wav", "nobody: drawn by a program", *map(str, SMALL.values())])
    table = folder / "people.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return table


@dataclass
class Watch:
    """What the workers' memory is, about once a second. Workers are this process's children."""

    begin: float = field(default_factory=time.perf_counter)
    rows: list[tuple[float, int, float]] = field(default_factory=list)
    """Seconds since the beginning, process, resident megabytes."""
    last: float = 0.0

    def look(self) -> None:
        now = time.perf_counter() - self.begin
        if now - self.last < 1:
            return
        self.last = now
        mine = f"\nPPid:\t{os.getpid()}\n"
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
            except OSError:  # it ended just now
                continue
            if mine in text and "VmRSS:" in text:
                resident = int(text.partition("VmRSS:")[2].split()[0]) / 1024
                self.rows.append((now, int(status.parent.name), resident))

    def peak(self) -> float:
        """Of one worker, in megabytes."""
        return max((resident for *_, resident in self.rows), default=0.0)

    def total_peak(self) -> float:
        """Of all workers together, in megabytes."""
        totals: dict[float, float] = {}
        for now, _, resident in self.rows:
            totals[now] = totals.get(now, 0.0) + resident
        return max(totals.values(), default=0.0)


def growth(watch: Watch, queue: Queue) -> list[tuple[int, float]]:
    """Of each worker process: how many people it made, and megabytes that it grew by with each, once it had settled.

    A person's figure is the largest that their worker held between the end of the one before and their own end; the
    growth is the slope of a line through those (least squares).
    """
    offset = time.time() - (time.perf_counter() - watch.begin)
    ends = np.sort([job.finished - offset for job in queue.jobs() if job.state == "done"])
    found = []
    for pid in dict.fromkeys(pid for _, pid, _ in watch.rows):
        rows = np.array([(now, resident) for now, each, resident in watch.rows if each == pid])
        inside = ends[(ends > rows[0, 0]) & (ends <= rows[-1, 0] + 1)]
        # whose end it was, of several workers, is not known here: equal parts of its life stand for its people
        people = max(1, round(len(inside) / max(1, _beside(watch, pid))))
        edges = np.linspace(rows[0, 0], rows[-1, 0] + 1e-6, people + 1)
        peaks = [rows[(rows[:, 0] >= a) & (rows[:, 0] < b), 1] for a, b in zip(edges, edges[1:], strict=False)]
        highest = np.array([part.max() for part in peaks[SETTLED:] if len(part)])
        if len(highest) > 4:
            found.append((people, float(np.polyfit(np.arange(len(highest)), highest, 1)[0])))
    return found


def _beside(watch: Watch, pid: int) -> float:
    """How many workers lived, on average, while this one did."""
    lived = [now for now, each, _ in watch.rows if each == pid]
    return len([now for now, _, _ in watch.rows if lived[0] <= now <= lived[-1]]) / len(lived)


def plot(watch: Watch, queue: Queue, path: Path) -> None:
    """The workers' memory, and the people made, over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, 1, figsize=(9, 4.6), sharex=True, height_ratios=(3, 1))
    for number, pid in enumerate(dict.fromkeys(pid for _, pid, _ in watch.rows)):
        rows = np.array([(now / 60, resident) for now, each, resident in watch.rows if each == pid])
        above.plot(rows[:, 0], rows[:, 1], lw=0.9, color=f"C{number % 2}", alpha=0.85)
    above.set(ylabel="a worker's memory, MB", ylim=(0, None))
    offset = time.time() - (time.perf_counter() - watch.begin)
    ends = np.sort([(job.finished - offset) / 60 for job in queue.jobs() if job.finished])
    below.step(ends[ends > 0], np.arange(len(ends))[ends > 0] + 1, where="post", color="0.3", lw=1.2)
    below.set(xlabel="minutes", ylabel="people", ylim=(0, None))
    for axis in (above, below):
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def one_run(table: Path, folder: Path, workers: int, cores: int) -> tuple[Queue, Watch, float, float]:
    """A table done by so many workers on so many cores: the queue, memory, seconds, processor seconds."""
    queue, watch = Queue(folder / QUEUE), Watch()
    enqueue(read_table(table, folder, store=str(folder / "store")), queue)
    allowed = os.sched_getaffinity(0)
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    os.sched_setaffinity(0, sorted(allowed)[:cores])  # its children have it, too
    try:
        run_here(queue, workers, watch.look)
    finally:
        os.sched_setaffinity(0, allowed)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return queue, watch, time.perf_counter() - begin, spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--voice", type=float, default=1.0, help="seconds that each of them speaks")
    parser.add_argument("--folder", type=Path, help="keep what is made here, and go on with what is there")
    parser.add_argument("--plot", type=Path, help="write a picture of the workers' memory")
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    alone = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        table = draw_people(folder / "given", given.people, given.voice)
        print(
            "| workers | cores | people | failed | seconds | processor s a person | people an hour | efficiency |"
            " largest worker, MB | all workers, MB |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
            flush=True,
        )
        for workers in given.workers:
            used = min(workers, cores)
            out = folder / f"by-{workers}"
            queue, watch, seconds, spent = one_run(table, out, workers, used)
            made = sum(job.started > time.time() - seconds - 1 for job in queue.jobs())  # not in an earlier run
            counts = queue.counts()
            rate = made / seconds * 3600
            alone = alone or (rate if workers == 1 else 0.0)
            efficiency = f"{rate / alone / used:.2f}" if alone else ""
            print(
                f"| {workers} | {used} | {made} | {counts['failed']} | {seconds:.1f} | {spent / max(1, made):.1f} |"
                f" {rate:.0f} | {efficiency} | {watch.peak():.0f} | {watch.total_peak():.0f} |",
                flush=True,
            )
            for job in queue.jobs():
                if job.state != "done" or job.tries != 1:
                    print(f"{job.name}: {job.state} after {job.tries} tries: {job.message}")
            if given.plot:
                write_page(queue, out, f"{given.people} people")
                plot(watch, queue, given.plot)
                for people, slope in growth(watch, queue):
                    print(f"a worker that made {people}: {slope:+.2f} MB a person")


if __name__ == "__main__":
    main()

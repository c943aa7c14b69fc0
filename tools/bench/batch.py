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


class Watch:
    """What the workers' memory is, about once a second. Workers are this process's children.

    It is written down beside the queue, so that a run that goes on where it was stopped goes on here, too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = np.loadtxt(path, ndmin=2).tolist() if path.is_file() else []
        """Seconds of the run, seconds since 1970, process, resident megabytes."""
        before = self.rows[-1][0] if self.rows else 0.0
        self.begin, self.last = time.time() - before, before

    def look(self) -> None:
        now = time.time()
        if now - self.begin - self.last < 1:
            return
        self.last = now - self.begin
        mine, new = f"\nPPid:\t{os.getpid()}\n", []
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
            except OSError:  # it ended just now
                continue
            if mine in text and "VmRSS:" in text:
                resident = int(text.partition("VmRSS:")[2].split()[0]) / 1024
                new.append([round(self.last, 1), round(now, 1), int(status.parent.name), round(resident, 1)])
        self.rows += new
        with self.path.open("a") as file:
            file.writelines(" ".join(map(str, row)) + "\n" for row in new)

    def peaks(self) -> tuple[float, float]:
        """Of one worker, and of all together; megabytes."""
        totals: dict[float, float] = {}
        for now, _, _, resident in self.rows:
            totals[now] = totals.get(now, 0.0) + resident
        return max((row[3] for row in self.rows), default=0.0), max(totals.values(), default=0.0)

    def lives(self) -> list[np.ndarray]:
        """Each worker's (minutes, megabytes)."""
        table = np.array(self.rows).reshape(-1, 4)
        return [table[table[:, 2] == pid][:, [0, 3]] / (60, 1) for pid in dict.fromkeys(table[:, 2])]

    def minutes(self, when: np.ndarray) -> np.ndarray:
        """Seconds since 1970 as minutes of the run, in which it was stopped for no time; NaN: before it."""
        table = np.array(self.rows).reshape(-1, 4)
        return np.interp(when, table[:, 1], table[:, 0], left=np.nan) / 60


def plot(watch: Watch, queue: Queue, path: Path) -> None:
    """The workers' memory, and the people made, over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, 1, figsize=(9, 4.6), sharex=True, height_ratios=(3, 1))
    for number, life in enumerate(watch.lives()):
        above.plot(life[:, 0], life[:, 1], lw=0.9, color=f"C{number % 2}", alpha=0.85)
    above.set(ylabel="a worker's memory, MB", ylim=(0, None))
    ends = watch.minutes(np.sort([job.finished for job in queue.jobs() if job.finished]))
    below.step(ends, np.arange(len(ends)) + 1, where="post", color="0.3", lw=1.2)
    below.set(xlabel="minutes", ylabel="people", ylim=(0, None))
    for axis in (above, below):
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def one_run(table: Path, folder: Path, workers: int, cores: int) -> tuple[Queue, Watch, float, float]:
    """A table done by so many workers on so many cores: the queue, memory, seconds, processor seconds."""
    queue = Queue(folder / QUEUE)
    watch = Watch(folder / "memory.txt")
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
                f" {rate:.0f} | {efficiency} | {watch.peaks()[0]:.0f} | {watch.peaks()[1]:.0f} |",
                flush=True,
            )
            for job in queue.jobs():
                if job.state != "done" or job.tries != 1:
                    print(f"{job.name}: {job.state} after {job.tries} tries: {job.message}")
            if given.plot:
                write_page(queue, out, f"{given.people} people")
                plot(watch, queue, given.plot)
                for life in watch.lives():
                    fifths = [part.max() for part in np.array_split(life[:, 1], 5) if len(part)]
                    if len(fifths) == 5:
                        print(f"a worker of {np.ptp(life[:, 0]):.1f} min: at most, by fifths of it,", np.round(fifths))


if __name__ == "__main__":
    main()

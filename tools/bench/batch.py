"""People an hour of `digitalme batch`, for 1, 2 and 4 workers, each with an empty store. To be run on a quiet machine.

    python tools/bench/batch.py [--people 8] [--workers 1 2 4] [--voice]

The people are the demo's portrait, each shifted by other pixels, so that no two share an artifact.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from digitalme.artifacts.files import write_png
from digitalme.batch import QUEUE, enqueue, read_table, run_here
from digitalme.demo import demo_photo, demo_voice
from digitalme.service.queue import Queue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--voice", action="store_true", help="with the demo's voice and a video")
    given = parser.parse_args()
    picture, alone = cv2.imread(str(demo_photo()))[..., ::-1], None
    print(
        "| workers | people | failed | seconds | people an hour | efficiency | largest worker, MB |\n"
        "|---|---|---|---|---|---|---|"
    )
    for workers in given.workers:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            rows = ["name,selfie,voice,consent,render.size"]
            for number in range(given.people):
                write_png(folder / f"{number}.png", np.roll(picture, number + 1, 1))
                rows.append(f"P{number},{number}.png,{demo_voice()[0] if given.voice else ''},a bench,256")
            (folder / "people.csv").write_text("\n".join(rows) + "\n")
            queue = Queue(folder / "many" / QUEUE)
            enqueue(read_table(folder / "people.csv", folder / "many", store=str(folder / "store")), queue)
            begin = time.perf_counter()
            run_here(queue, workers, lambda: None)
            seconds = time.perf_counter() - begin
            counts = queue.counts()
        rate = counts["done"] / seconds * 3600
        alone = alone or rate / workers
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"| {workers} | {given.people} | {counts['failed']} | {seconds:.1f} | {rate:.0f} |"
            f" {rate / alone / workers:.2f} | {peak:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

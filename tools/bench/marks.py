"""What the marks cost: whole builds of the demo's photo and voice, with the marks and without, one after the other.

    PYTHONPATH=. python tools/bench/marks.py [--rounds 3] [--look photo]

With: every frame, the face's texture and all that is handed over are marked and signed, as is the habit. Without:
none of it. Each build is a process of its own with an empty store. Medians of CPU seconds (user and system) and of the
clock; on a busy machine only the first mean something.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = """
import sys
from pathlib import Path
from digitalme import product
from digitalme.demo import DEMO_CONSENT, demo_photo, demo_voice
import digitalme.trust.provenance as provenance
folder, look, marks = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "with"
settings = product.merged(product.look_settings(look))
if not marks:
    settings = product.merged(settings, {"finish": {"watermark": False}, "export": {"watermark": False}})
    provenance.seal = lambda folder, about: None
voice, words = demo_voice()
how = product.How(settings=settings, store=str(folder / "store"), consent=DEMO_CONSENT)
product.build(product.Inputs(demo_photo(), voice, words), folder / "out", how)
"""


def once(look: str, marks: str) -> tuple[float, float]:
    """(CPU, clock) seconds of one build."""
    with tempfile.TemporaryDirectory() as folder:
        before, begin = os.times(), time.perf_counter()
        subprocess.run([sys.executable, "-c", BUILD, folder, look, marks], check=True, stdout=subprocess.DEVNULL)
        wall, after = time.perf_counter() - begin, os.times()
    return (after.children_user + after.children_system) - (before.children_user + before.children_system), wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--look", default="photo")
    given = parser.parse_args()
    seen: dict[str, list[tuple[float, float]]] = {"with": [], "without": []}
    for number in range(given.rounds):
        for marks in ("with", "without") if number % 2 else ("without", "with"):
            seen[marks].append(once(given.look, marks))
            print(f"{marks}: CPU {seen[marks][-1][0]:.2f} s, clock {seen[marks][-1][1]:.2f} s", flush=True)
    for place, name in enumerate(("CPU", "clock")):
        with_, without = (statistics.median(each[place] for each in seen[marks]) for marks in ("with", "without"))
        print(f"{name}: {with_:.2f} s with, {without:.2f} s without: {with_ / without - 1:+.1%}")


if __name__ == "__main__":
    main()

"""How long a build takes and how much memory: medians, with the machine and the commit beside them.

    python tools/bench/build.py [--runs 3] [--write docs/benchmarks.md]

Every figure is of a process of its own. "First" means right after the install: no compiled kernels, an empty store.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]


def in_a_process(task: str, store: Path, kernels: Path | None = None) -> dict:
    """Run one of the tasks below; its report, with the seconds and the peak memory of the whole process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DIGITALME_STORE": str(store)}
    if kernels is not None:
        environment["NUMBA_CACHE_DIR"] = str(kernels)
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, __file__, "--task", task], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"{task} failed; run: python {__file__} --task {task}")
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return {**json.loads(said.splitlines()[-1]), "process": seconds, "peak_mb": usage.ru_maxrss / scale}


# ---------------------------------------------------------------- tasks: each runs in a process of its own


def given(seconds: float | None = None) -> dict:
    """The demo's sources; the voice repeated and cut to a length."""
    import numpy as np

    from digitalme.demo import demo_photo, demo_voice
    from digitalme.product import Inputs, sources_of

    voice, words = demo_voice()
    sources = sources_of(Inputs(demo_photo(), voice, words if seconds is None else ""))
    if seconds is not None:
        samples = np.resize(sources["voice"].samples, round(seconds * sources["voice"].rate))
        sources["voice"] = replace(sources["voice"], samples=samples)
    return sources


def stages(targets: list[str], seconds: float | None = None, without: tuple[str, ...] = ()) -> dict:
    """Seconds of each stage that a run made, and when each began, counted from the process' start of work."""
    from digitalme.pipeline import read_pipeline
    from digitalme.run import run
    from digitalme.store import Store, default_root

    begin = time.perf_counter()
    spent: dict[str, float] = {}
    began: dict[str, float] = {}

    def listener(event) -> None:
        if event.what == "finished":
            spent[event.artifact] = event.seconds
        if event.what == "started":
            began[event.artifact] = time.perf_counter() - begin

    sources = {name: value for name, value in given(seconds).items() if name not in without}
    run(read_pipeline("default"), targets, store=Store(default_root()), given=sources, on_event=listener)
    return {"run": time.perf_counter() - begin, "spent": spent, "began": began}


def task_demo() -> dict:
    from digitalme.cli import main

    with tempfile.TemporaryDirectory() as out:
        assert main(["demo", "--out", out, "--quiet"]) == 0
    return {}


def task_glb() -> dict:
    return stages(["exports"], without=("voice",))


def task_fit() -> dict:
    """The fit alone, warm: the median of five."""
    from digitalme.geometry.fit import fit_head
    from digitalme.pipeline import read_pipeline
    from digitalme.run import run
    from digitalme.store import Store, default_root

    portrait = run(read_pipeline("default"), ["portrait"], store=Store(default_root()), given=given()).load("portrait")
    times = []
    for _ in range(6):
        start = time.perf_counter()
        fit_head(portrait)
        times.append(time.perf_counter() - start)
    return {"fit": statistics.median(times[1:])}


def task_video() -> dict:
    return stages(["video"], seconds=10.0)


def task_talk() -> dict:
    return stages(["video"], seconds=9.0)


TASKS = {name.removeprefix("task_"): task for name, task in globals().items() if name.startswith("task_")}


# ---------------------------------------------------------------- the table


def measure(runs: int) -> list[tuple[str, str, str]]:
    """Rows of (what, wanted, measured)."""
    first, glb, fit, video, talk, peak = [], [], [], [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            done = in_a_process("demo", Path(folder) / "store", kernels=Path(folder) / "kernels")
            first.append(done["process"])
            peak.append(done["peak_mb"])
        with tempfile.TemporaryDirectory() as folder:
            glb.append(in_a_process("glb", Path(folder))["process"])
            fit.append(in_a_process("fit", Path(folder))["fit"])
            made = in_a_process("video", Path(folder))
            video.append(made["spent"]["frames"] + made["spent"]["video"])
            said = in_a_process("talk", Path(folder))
            talk.append(said["process"] - said["run"] + said["began"]["frames"])
    row = lambda what, wanted, values, unit: (what, wanted, f"{statistics.median(values):.2f} {unit}")  # noqa: E731
    return [
        row("`digitalme demo`, first time after the install", "<= 60 s", first, "s"),
        row("photo to GLB from then on, whole process", "<= 15 s", glb, "s"),
        row("fit alone", "<= 0.7 s", fit, "s"),
        row("render and encode 10 s at 512x512, 25 fps", "<= 10 s", video, "s"),
        row("`talk` on a built avatar: until rendering starts", "<= 3 s", talk, "s"),
        row("peak memory of `digitalme demo`", "< 2000 MB", peak, "MB"),
    ]


def machine() -> str:
    processor = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    load = os.getloadavg()[0]
    return (
        f"{processor}, {os.cpu_count()} cores, no GPU, Python {platform.python_version()}, "
        f"commit {commit.stdout.strip() or 'unknown'}, load before the runs {load:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", type=Path, help="put the table into this Markdown file, in place of its last one")
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(TASKS[options.task]()))
        return
    where = machine()
    lines = [
        "## Builds",
        "",
        f"{where}. Medians of {options.runs}.",
        "",
        "| what | wanted | measured |",
        "|---|---|---|",
    ]
    lines += [f"| {' | '.join(row)} |" for row in measure(options.runs)]
    table = "\n".join(lines) + "\n"
    print(table)
    if options.write:
        text = options.write.read_text() if options.write.exists() else "# Benchmarks\n\n"
        before, _, after = text.partition("## Builds")
        rest = after[after.index("\n## ") + 1 :] if "\n## " in after else ""
        options.write.write_text(before + table + (f"\n{rest}" if rest else ""))


if __name__ == "__main__":
    main()

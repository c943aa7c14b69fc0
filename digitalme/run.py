"""Making artifacts: each stage once, on any executor, with what is already in the store left as it is."""

from __future__ import annotations

import graphlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from digitalme.config import plain
from digitalme.errors import DigitalMeError, InputError, PipelineError
from digitalme.events import Event, Listener, json_lines, to_all, working
from digitalme.pipeline import Node, Pipeline, Stage
from digitalme.store import DamagedError, Store, open_store

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Given:
    """An artifact that is in the store already, by its key."""

    key: str


@dataclass
class Run:
    """What a run made: keys by artifact, and where the readable links to them are."""

    pipeline: Pipeline
    store: Store
    folder: Path
    keys: dict[str, str] = field(default_factory=dict)
    cached: set[str] = field(default_factory=set)

    def load(self, artifact: str) -> Any:
        return self.store.load(self.keys[artifact], self.pipeline.type_of(artifact))

    def path(self, artifact: str) -> Path:
        return self.store.path(self.keys[artifact])

    def link(self, artifact: str) -> None:
        """Put `03-reconstruct -> objects/ab/abcd…` into the run's folder."""
        node = self.pipeline.nodes.get(artifact)
        name = f"{self.pipeline.number(artifact):02d}-{node.stage.name if node else artifact}"
        (self.folder / name).symlink_to(os.path.relpath(self.path(artifact), self.folder))


def run(
    pipeline: Pipeline,
    targets: Iterable[str],
    *,
    store: Store,
    given: Mapping[str, Any],
    configs: Mapping[str, Any] | None = None,
    redo_from: str | None = None,
    executor: Executor | None = None,
    on_event: Listener = lambda event: None,
) -> Run:
    """Make the artifacts `targets`, and what they need, reusing every one whose code, knobs and inputs are unchanged.

    `given` holds the sources, and may hold any other artifact in place of the one that its stage would make: a value,
    or `Given(key)`. `redo_from` names a stage or artifact that is made again, with all that follows from it.
    Raises InputError (a stage found its input unusable) or PipelineError (one line; the inputs' folders).
    """
    done = Run(pipeline, store, _new_folder(store))
    listener = to_all(on_event, json_lines(done.folder / "log.jsonl"))
    for name, value in given.items():
        done.keys[name] = _take(pipeline, store, name, value)
        done.link(name)
    needed = _needed(pipeline, targets, set(done.keys))
    redo = {pipeline.node(redo_from).artifact} if redo_from else set()
    order = graphlib.TopologicalSorter(
        {name: [taken for taken in takes.values() if taken in needed] for name, takes in needed.items()}
    )
    order.prepare()
    workers = executor or ThreadPoolExecutor(thread_name_prefix="digitalme")
    # Events of a stage's inside travel only where the stage runs in this process.
    inside = listener if isinstance(workers, ThreadPoolExecutor) else None
    running: dict[Future[float], str] = {}
    try:
        while order.is_active():
            for name in order.get_ready():
                node, takes = pipeline.nodes[name], needed[name]
                config = (configs or {}).get(name) or (node.stage.config_type() if node.stage.config_type else None)
                inputs = {parameter: done.keys[taken] for parameter, taken in takes.items()}
                key = node.stage.key(config, {parameter: store.content(each) for parameter, each in inputs.items()})
                done.keys[name] = key
                if redo & {name, *takes.values()}:
                    redo.add(name)
                    store.remove(key)
                elif _is_intact(store, key, name, listener):
                    done.cached.add(name)
                    done.link(name)
                    listener(Event(name, "cached", key=key))
                    order.done(name)
                    continue
                listener(Event(name, "started"))
                running[workers.submit(_make, store.address, node, key, inputs, config, inside)] = name
            if not running:
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                try:
                    seconds = future.result()
                except Exception as error:  # a stage may raise anything; it is told, never swallowed
                    listener(Event(name, "failed", message=f"{type(error).__name__}: {error}"))
                    explained = _explained(error, pipeline.nodes[name], needed[name], done)
                    if explained is error:
                        raise
                    raise explained from error
                done.link(name)
                listener(Event(name, "finished", seconds=seconds, key=done.keys[name]))
                order.done(name)
    finally:
        if executor is None:
            workers.shutdown(cancel_futures=True)
    about = {"targets": list(targets), "keys": done.keys, "store": str(store.root)}
    (done.folder / "run.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return done


def _make(
    address: str, node: Node, key: str, inputs: Mapping[str, str], config: Any, listener: Listener | None
) -> float:
    """Run one stage on any worker that sees the store: keys go in, files come out, arrays never travel."""
    store, stage = open_store(address), node.stage
    start = time.perf_counter()
    seed = int(key[:8], 16)
    with store.scratch() as scratch, working(node.artifact, seed, scratch, listener or (lambda event: None)) as notes:
        values = {parameter: store.load(each, stage.inputs[parameter]) for parameter, each in inputs.items()}
        result = stage.function(**values, **({"config": config} if stage.config_type else {}))
        if not isinstance(result, stage.output):
            raise TypeError(f"promised {stage.output.__name__}, returned {type(result).__name__}")
        seconds = time.perf_counter() - start
        store.save(result, {**_provenance(stage, inputs, config, seed, seconds), "notes": notes}, key)
    return seconds


def _provenance(stage: Stage, inputs: Mapping[str, str], config: Any, seed: int, seconds: float) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "where": stage.where,
        "config": plain(config),
        "inputs": dict(inputs),
        "seed": seed,
        "seconds": round(seconds, 4),
        "peak_memory_mb": peak_memory_mb(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": sys.version.split()[0], **stage.code.versions},
    }


def peak_memory_mb() -> float | None:
    """The most memory that this process has held so far, in MB; None where the system does not tell."""
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def _take(pipeline: Pipeline, store: Store, name: str, value: Any) -> str:
    wanted = pipeline.type_of(name)
    if isinstance(value, Given):
        store.check(value.key)
        return value.key
    if not isinstance(value, wanted):
        raise InputError(f"'{name}' must be {wanted.__name__}, got {type(value).__name__}")
    key = store.save(value, {"stage": "given", "made": datetime.now(UTC).isoformat(timespec="seconds")})
    try:
        store.check(key)
    except DamagedError:  # an older copy of the same bytes, spoilt since
        store.remove(key)
        store.save(value, {"stage": "given"}, key)
    return key


def _needed(pipeline: Pipeline, targets: Iterable[str], given: set[str]) -> dict[str, dict[str, str]]:
    """What has to be made, and what each takes (parameter to artifact), without optional inputs that cannot be made."""
    needed: dict[str, dict[str, str]] = {}
    frontier = list(targets)
    while frontier:
        name = frontier.pop()
        if name in given or name in needed:
            continue
        if name in pipeline.sources:
            raise InputError(f"no {name} was given, and what was asked for needs one")
        node = pipeline.node(name)
        needed[node.artifact] = {
            parameter: taken
            for parameter, taken in node.takes.items()
            if parameter not in node.stage.optional or pipeline.can_be_made(taken, given)
        }
        frontier += needed[node.artifact].values()
    return needed


def _is_intact(store: Store, key: str, name: str, listener: Callable[[Event], None]) -> bool:
    if key not in store:
        return False
    try:
        store.check(key)
    except DamagedError as error:
        listener(Event(name, "damaged", message=str(error)))
        store.remove(key)
        return False
    return True


def _explained(error: Exception, node: Node, takes: Mapping[str, str], done: Run) -> DigitalMeError:
    """One line: stage, cause; then where its inputs are, so that the failure can be looked at."""
    if isinstance(error, DigitalMeError) and not isinstance(error, DamagedError | PipelineError):
        return error  # says it all
    kept = "".join(f"\n  {taken}: {done.path(taken)}" for taken in takes.values())
    cause = str(error) if isinstance(error, DigitalMeError) else f"{type(error).__name__}: {error}"
    return PipelineError(f"{node.artifact}: {node.stage.where} failed: {cause}\nIts inputs are kept in:{kept}")


def _new_folder(store: Store) -> Path:
    """runs/20261121-041605, or with a number behind it where two runs start in one second."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        folder = store.runs / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return folder
    raise PipelineError(f"{store.runs}: a thousand runs in one second")

"""The training loop that all networks share: resumable, logged, drawn.

A run folder holds `recipe.toml`, `log.csv`, `loss.png`, `samples/STEP.png`, `state.safetensors` and `state.json` (where
it stands) and at the end `model.safetensors`. A killed run goes on from its last state when started again.
"""

from __future__ import annotations

import csv
import json
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from digitalme.artifacts.files import write_png


@runtime_checkable
class Task(Protocol):
    """What a network brings to the loop."""

    modules: dict[str, torch.nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    def step(self, step: int, share: float) -> dict[str, float]:
        """One step of training; `share` of the run is done. The losses, by name."""

    def samples(self) -> np.ndarray | None:
        """A picture (h, w, 3) uint8 that shows how far it is."""

    def result(self) -> dict[str, Tensor]:
        """What is worth keeping when it is done."""


class Average(torch.nn.Module):
    """Exponential moving average of a module's parameters and buffers."""

    def __init__(self, module: torch.nn.Module, halflife: float) -> None:
        super().__init__()
        self.halflife = halflife
        for name, tensor in module.state_dict().items():
            self.register_buffer(name.replace(".", "__"), tensor.detach().clone().float())

    @torch.no_grad()
    def update(self, module: torch.nn.Module, step: int) -> None:
        keep = 0.5 ** (1 / max(1.0, min(self.halflife, step / 8)))
        mine = dict(self.named_buffers())
        for name, tensor in module.state_dict().items():
            own = mine[name.replace(".", "__")]
            if tensor.is_floating_point():
                own.lerp_(tensor.float(), 1 - keep)
            else:
                own.copy_(tensor)

    def weights(self) -> dict[str, Tensor]:
        return {name.replace("__", "."): tensor for name, tensor in self.named_buffers()}


@dataclass(frozen=True)
class Plan:
    """How long, and how often something is written."""

    steps: int
    minutes: float = math.inf
    """Wall time after which it stops, whatever the step."""
    log_every: int = 20
    save_seconds: float = 60
    sample_every: int = 500
    threads: int = 1
    extra: dict[str, Any] = field(default_factory=dict)


def train(task: Task, folder: Path, plan: Plan, say: Any = print) -> dict[str, float]:
    """Train until the plan's end, or go on where the folder stands. The last losses, with `steps` and `seconds`."""
    torch.set_num_threads(plan.threads)
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    start, spent = _restore(task, folder)
    begun, saved, cpu = time.monotonic(), time.monotonic(), time.process_time()
    sums: dict[str, float] = {}
    count, step = 0, start
    last: dict[str, float] = {}
    while step < plan.steps:
        wall = spent + time.monotonic() - begun
        share = max(step / plan.steps, wall / 60 / plan.minutes)
        if share >= 1:
            break
        losses = task.step(step, share)
        step += 1
        if not all(math.isfinite(value) for value in losses.values()):
            raise ArithmeticError(f"step {step}: a loss is not a number: {losses}")
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value
        count += 1
        if step % plan.log_every == 0 or step == plan.steps:
            last = {name: value / count for name, value in sums.items()}
            _log(folder / "log.csv", step, spent + time.monotonic() - begun, last)
            say(f"{step} {spent + time.monotonic() - begun:.0f} s " + " ".join(f"{k} {v:.4f}" for k, v in last.items()))
            sums, count = {}, 0
        if step % plan.sample_every == 0:
            _draw(task, folder, step)
        if time.monotonic() - saved > plan.save_seconds:
            _save(task, folder, step, spent + time.monotonic() - begun)
            saved = time.monotonic()
    seconds = spent + time.monotonic() - begun
    _save(task, folder, step, seconds)
    _draw(task, folder, step)
    _plot(folder)
    _write(folder / "model.safetensors", {k: v.contiguous() for k, v in task.result().items()})
    return {**last, "steps": step, "seconds": seconds, "cpu_seconds": time.process_time() - cpu}


def _draw(task: Task, folder: Path, step: int) -> None:
    picture = task.samples()
    if picture is not None:
        write_png(folder / "samples" / f"{step:07d}.png", picture)


def _log(path: Path, step: int, seconds: float, losses: dict[str, float]) -> None:
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "seconds", *losses])
        writer.writerow([step, f"{seconds:.1f}", *(f"{value:.6g}" for value in losses.values())])


def _plot(folder: Path) -> None:
    """loss.png: every logged loss over the steps, each scaled to its own range."""
    import cv2

    with (folder / "log.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    names, values = rows[0][2:], np.array([[float(v) for v in row] for row in rows[1:]])
    picture = np.full((360, 640, 3), 255, np.uint8)
    colors = ((200, 60, 40), (40, 90, 200), (40, 150, 70), (150, 60, 170), (210, 140, 20), (90, 90, 90))
    for k, name in enumerate(names):
        y = values[:, 2 + k]
        low, high = y.min(), max(y.max(), y.min() + 1e-9)
        x = 20 + 600 * (values[:, 0] - values[0, 0]) / max(np.ptp(values[:, 0]), 1)
        points = np.stack([x, 335 - 290 * (y - low) / (high - low)], 1).round().astype(np.int32)
        color = colors[k % len(colors)]
        cv2.polylines(picture, [points], False, color, 1, cv2.LINE_AA)
        label = f"{name} {y[-1]:.3g} ({low:.3g} .. {high:.3g})"
        cv2.putText(picture, label, (330, 20 + 16 * k), cv2.FONT_HERSHEY_SIMPLEX, 0.4, color, 1, cv2.LINE_AA)
    write_png(folder / "loss.png", picture)


def _optimizer_tensors(name: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {}
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            tensors[f"{name}/{index}/{key}"] = value if isinstance(value, Tensor) else torch.tensor(float(value))
    return tensors


def _save(task: Task, folder: Path, step: int, seconds: float) -> None:
    tensors: dict[str, Tensor] = {"random": torch.get_rng_state()}
    for name, module in task.modules.items():
        tensors |= {f"{name}/{key}": tensor for key, tensor in module.state_dict().items()}
    for name, optimizer in task.optimizers.items():
        tensors |= _optimizer_tensors(f"optimizer {name}", optimizer)
    _write(folder / "state.safetensors", {k: v.detach().clone().contiguous() for k, v in tensors.items()},
           {"step": str(step), "seconds": f"{seconds:.1f}"})  # fmt: skip
    (folder / "state.json").write_text(json.dumps({"step": step, "seconds": round(seconds, 1)}) + "\n")


def _write(path: Path, tensors: dict[str, Tensor], about: dict[str, str] | None = None) -> None:
    draft = path.with_suffix(".draft")
    save_file(tensors, draft, about)
    os.replace(draft, path)


def _restore(task: Task, folder: Path) -> tuple[int, float]:
    """Put the task back where the folder stands: steps done, and seconds spent."""
    from safetensors import safe_open

    path = folder / "state.safetensors"
    if not path.is_file():
        return 0, 0.0
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        about = file.metadata()
    torch.set_rng_state(tensors.pop("random"))
    for name, module in task.modules.items():
        own = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
        module.load_state_dict(own)
    for name, optimizer in task.optimizers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(f"optimizer {name}/"):
                _, index, kind = key.split("/")
                state.setdefault(int(index), {})[kind] = value
        whole = optimizer.state_dict()
        whole["state"] = state
        optimizer.load_state_dict(whole)
    return int(about["step"]), float(about["seconds"])

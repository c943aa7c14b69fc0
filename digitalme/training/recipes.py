"""Recipes: which network is trained, on what, how long; read from configs/training, run by `digitalme train`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import util
from pathlib import Path
from typing import Any

from digitalme.config import read_toml, suggestion
from digitalme.errors import InputError, MissingExtraError
from digitalme.paths import asset
from digitalme.paths import config as config_path

HINT = 'training needs torch and diffusers: pip install "digitalme[generate]"'
NEEDS_CODER = ("diffusion", "gan")


def recipe_path(name: str) -> Path:
    """A recipe of configs/training, or a TOML file of the user's own. Raises InputError."""
    path = Path(name) if name.endswith(".toml") else config_path("training") / f"{name}.toml"
    known = sorted(each.stem for each in config_path("training").glob("*.toml") if "network" in read_toml(each))
    if not path.is_file() or "network" not in read_toml(path):
        raise InputError(f"no recipe '{name}'{suggestion(name, known)}; there are: {', '.join(known)}")
    return path


def run_recipe(
    name: str,
    data: Path,
    out: Path,
    coder: Path | None = None,
    changes: Mapping[str, Any] | None = None,
    say: Any = print,
) -> dict[str, float]:
    """Train, or go on where `out` stands. The last losses with steps and seconds."""
    path = recipe_path(name)
    recipe = read_toml(path) | dict(changes or {})
    if util.find_spec("torch") is None or util.find_spec("diffusers") is None:
        raise MissingExtraError(HINT)
    import torch

    from digitalme.training.loop import Plan, train
    from digitalme.training.tasks import TASKS

    if recipe["network"] not in TASKS:
        raise InputError(f"{path}: network '{recipe['network']}' is not known; there are: {', '.join(TASKS)}")
    if recipe["network"] in NEEDS_CODER:
        given = coder or asset("models/coder.safetensors")
        if recipe.get("coder") != "" and not given.is_file():
            raise InputError(f"{name} works on the coder's latents: no file {given}; train it first, or give --coder")
        recipe.setdefault("coder", str(given))
    torch.manual_seed(recipe["seed"])
    torch.set_num_threads(recipe["threads"])
    task = TASKS[recipe["network"]](data, recipe)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, out / "recipe.toml")
    plan = Plan(
        recipe["steps"], recipe["minutes"], recipe.get("log_every", 20), recipe.get("save_seconds", 60),
        recipe.get("sample_every", 500), recipe["threads"],
    )  # fmt: skip
    return train(task, out, plan, say)

"""A data set of pictures with words: made of people who never lived, or of a user's own pictures.

A folder holds `dataset.json` (how it was made), `preview.png`, and shards of a hundred pictures each:
`00007.npz` (`images` (n, s, s, 3) uint8 and `condition` (n, c) float32) and `00007.jsonl`, a line for each picture with
its number, split, captions in both languages, attributes, view and the body's parameters.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from digitalme.artifacts.files import read_json, read_png, write_json, write_png
from digitalme.body.attributes import ATTRIBUTES
from digitalme.body.people import DRAWN_LOOKS, Person, person_from
from digitalme.errors import InputError
from digitalme.models.condition import condition_of
from digitalme.text.captions import caption

SHARD = 100
SPLITS = {"train": 0.70, "validation": 0.15, "test": 0.15}
PICTURES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Recipe:
    """What a made data set is of."""

    count: int
    size: int = 128
    seed: int = 0
    looks: tuple[str, ...] = ("photo",)
    """Looks in turn, one for each picture: photo, moe."""
    balanced: bool = False
    """Every value of an attribute equally often, seen as the video shows somebody: for a classifier to learn from."""


@dataclass(frozen=True)
class Examples:
    """Pictures of one split, with all that is known of them."""

    images: UInt8[np.ndarray, "n s s 3"]
    condition: Float32[np.ndarray, "n c"]
    about: list[dict[str, Any]]
    """A line of the JSON lines for each."""


def split_of(identity: int) -> str:
    """The split that an identity belongs to, whatever the data set's size."""
    share = np.random.default_rng([9, identity]).uniform()
    for name, part in SPLITS.items():
        if share < part:
            return name
        share -= part
    return "test"


def make_dataset(out: Path, recipe: Recipe, workers: int = 2, progress: Any = None) -> None:
    """Render what is missing of a data set. Raises InputError where the folder holds another one."""
    _check(recipe)
    about = {"kind": "made", **asdict(recipe), "attributes": {k: list(v) for k, v in ATTRIBUTES.items()}}
    if not recipe.balanced:  # sets from before there was this choice go on
        del about["balanced"]
    _settle(out, json.loads(json.dumps(about)))
    shards = range(-(-recipe.count // SHARD))
    todo = [shard for shard in shards if not (out / f"{shard:05d}.jsonl").is_file()]
    done = len(shards) - len(todo)
    if workers <= 1 or len(todo) <= 1:
        for shard in todo:
            _make_shard(out, recipe, shard)
            done += 1
            if progress:
                progress(done, len(shards))
    else:
        with ProcessPoolExecutor(min(workers, len(todo)), get_context("spawn")) as pool:
            for finished in as_completed([pool.submit(_make_shard, out, recipe, shard) for shard in todo]):
                finished.result()
                done += 1
                if progress:
                    progress(done, len(shards))
    _write_preview(out)


def _check(recipe: Recipe) -> None:
    if not 1 <= recipe.count <= 1_000_000 or not 16 <= recipe.size <= 1024:
        raise InputError(f"expected count in 1..1000000 and size in 16..1024; got {recipe.count} and {recipe.size}")
    unknown = set(recipe.looks) - {"photo", "moe"}
    if unknown or not recipe.looks:
        raise InputError(f"looks: expected photo and moe; got {', '.join(sorted(unknown)) or 'none'}")


def _settle(out: Path, about: dict[str, Any]) -> None:
    """Write dataset.json, or see that it is the same."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "dataset.json"
    if path.is_file():
        there = read_json(path)
        same = {k: v for k, v in there.items() if k != "count"} == {k: v for k, v in about.items() if k != "count"}
        if not same:
            raise InputError(f"{out}: holds another data set (see dataset.json); choose another folder")
    elif any(out.iterdir()):
        raise InputError(f"{out}: is not empty and holds no dataset.json; choose another folder")
    write_json(path, about)


def _make_shard(out: Path, recipe: Recipe, shard: int) -> None:
    from digitalme.rendering.people import drawn_picture_of, final_view, picture_of, random_view

    cv2.setNumThreads(1)
    images, conditions, lines = [], [], []
    for number in range(shard * SHARD, min((shard + 1) * SHARD, recipe.count)):
        identity = recipe.seed * 10_000_019 + number
        look = recipe.looks[number % len(recipe.looks)]
        if recipe.balanced:
            person, view = person_from(balanced_attributes(identity, look), identity), final_view(identity)
        else:
            person, view = person_from({"look": look}, identity), random_view(identity)
        take = drawn_picture_of if look in DRAWN_LOOKS else picture_of
        images.append(take(person, view, recipe.size))
        conditions.append(condition_of(person.attributes, view_numbers(view)))
        lines.append(_line(number, identity, person, asdict(view)))
    _write_shard(out, shard, images, conditions, lines)


def balanced_attributes(seed: int, look: str) -> dict[str, str]:
    """Attributes drawn evenly: each value of each as often as the others; beards on grown men, most eyes uncovered."""
    rng = np.random.default_rng([17, seed])
    drawn = {name: str(rng.choice(ATTRIBUTES[name])) for name in ("gender", "age", "skin", "hair_style", "hair_color",
                                                                  "eye_color", "beard", "expression")}  # fmt: skip
    grown = drawn["gender"] == "man" and drawn["age"] not in ("child", "teen")
    drawn["glasses"] = str(rng.choice(ATTRIBUTES["glasses"], p=(0.4, 0.25, 0.25, 0.1)))
    if not grown or look != "photo":
        drawn["beard"] = "none"
    if rng.uniform() < 0.7:  # the video's first picture is of a calm face
        drawn["expression"] = "neutral"
    return drawn | {"look": look}


def view_numbers(view: Any) -> tuple[float, float, float, float]:
    """The view's part of a condition; each about 1 in size."""
    return view.yaw / 0.2, view.pitch / 0.1, view.key[0], float(np.mean(view.backdrop)) * 2 - 1


def _line(number: int, identity: int, person: Person, view: dict[str, Any]) -> dict[str, Any]:
    rng = np.random.default_rng([13, identity])
    said = {k: v for k, v in asdict(person).items() if k not in ("attributes", "seed")}
    return {
        "number": number, "identity": identity, "split": split_of(identity),
        "en": caption(person.attributes, "en", rng), "zh": caption(person.attributes, "zh", rng),
        "attributes": person.attributes, "view": view, "parameters": said,
    }  # fmt: skip


def _write_shard(out: Path, shard: int, images: list, conditions: list, lines: list[dict[str, Any]]) -> None:
    """Pictures first, the lines last and in one step: a shard with lines is whole."""
    draft = out / f".{shard:05d}-{os.getpid()}"
    arrays = draft.with_suffix(".npz")
    np.savez_compressed(arrays, images=np.stack(images), condition=np.stack(conditions))
    os.replace(arrays, out / f"{shard:05d}.npz")
    text = draft.with_suffix(".jsonl")
    text.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    os.replace(text, out / f"{shard:05d}.jsonl")


def _write_preview(out: Path) -> None:
    from digitalme.rendering.people import contact_sheet

    with np.load(out / "00000.npz") as data:
        pictures = data["images"][:64]
    side = min(128, len(pictures[0]))
    small = [cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) for picture in pictures]
    write_png(out / "preview.png", contact_sheet(small))


def import_folder(folder: Path, out: Path, size: int = 128) -> int:
    """A data set of a user's own pictures, cut square and brought to one size; how many there are.

    The words of a picture are in `NAME.json` beside it ({"en": ..., "zh": ..., "attributes": {...}}, each optional),
    else they are its file's name with its underscores as blanks.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not files:
        raise InputError(f"{folder}: no pictures in it; expected {', '.join(PICTURES)}")
    _settle(out, {"kind": "imported", "size": size, "count": len(files)})
    for shard in range(-(-len(files) // SHARD)):
        images, conditions, lines = [], [], []
        for number, path in enumerate(files[shard * SHARD : (shard + 1) * SHARD], shard * SHARD):
            picture = read_png(path)
            picture = np.repeat(picture[..., None], 3, 2) if picture.ndim == 2 else picture[..., :3]
            side = min(picture.shape[:2])
            top, left = ((length - side) // 2 for length in picture.shape[:2])
            square = picture[top : top + side, left : left + side]
            images.append(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA))
            beside = path.with_suffix(".json")
            told = read_json(beside) if beside.is_file() else {}
            attributes = {name: str(value) for name, value in told.get("attributes", {}).items()}
            for name, value in attributes.items():
                if value not in ATTRIBUTES.get(name, ()):
                    raise InputError(f"{beside}: attribute {name} = {value!r} is not known")
            words = told.get("en") or path.stem.replace("_", " ")
            lines.append({"number": number, "identity": number, "split": split_of(number), "en": words,
                          "zh": told.get("zh", words), "attributes": attributes, "source": path.name})  # fmt: skip
            conditions.append(condition_of(attributes))
        _write_shard(out, shard, images, conditions, lines)
    _write_preview(out)
    return len(files)


def shards(folder: Path) -> Iterator[tuple[UInt8[np.ndarray, "n s s 3"], Float32[np.ndarray, "n c"], list[dict]]]:
    """The whole shards of a data set, in order: pictures, conditions, lines."""
    if not (folder / "dataset.json").is_file():
        raise InputError(f"{folder}: not a data set (no dataset.json); `digitalme dataset make {folder}` makes one")
    for lines in sorted(folder.glob("[0-9]*.jsonl")):
        about = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
        with np.load(lines.with_suffix(".npz")) as data:
            yield data["images"], data["condition"], about


def read_split(folder: Path, split: str) -> Examples:
    """All pictures of one split, of several ("train+test"), or of "held_out": validation and test.

    Raises InputError where there is none.
    """
    wanted = ("validation", "test") if split == "held_out" else tuple(split.split("+"))
    images, conditions, about = [], [], []
    for pictures, numbers, lines in shards(folder):
        keep = [i for i, line in enumerate(lines) if line["split"] in wanted]
        images.append(pictures[keep])
        conditions.append(numbers[keep])
        about += [lines[i] for i in keep]
    if not about:
        raise InputError(f"{folder}: no picture of the split '{split}'; make a larger data set")
    return Examples(np.concatenate(images), np.concatenate(conditions), about)

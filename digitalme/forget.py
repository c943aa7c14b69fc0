"""Remove everything that was made of a photo or a voice from the store, and look whether anything is left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from digitalme.store import DamagedError, Store
from digitalme.trust.consent import CONSENT_BYTES, forget_consent


@dataclass(frozen=True)
class Forgotten:
    """What was removed, and what a search of the whole store still found of it (nothing, unless something is wrong)."""

    artifacts: int
    runs: int
    bytes: int
    left: tuple[str, ...]


def forget(store: Store, keys: Iterable[str]) -> Forgotten:
    """Remove the artifacts that were given under these keys, the same files under other keys, and all made of them.

    Of `keys` those count that were given from outside (a photo, a voice, an edited file); what a stage made goes with
    what it was made of. Objects that cannot be read are removed too: nobody can say what they hold.
    """
    inputs: dict[str, set[str]] = {}
    files: dict[str, dict[str, str]] = {}
    given: set[str] = set()
    doomed: set[str] = set()
    for key in list(store.all_keys()):
        try:
            about = store.about(key)
        except DamagedError:
            doomed.add(key)
            continue
        inputs[key] = {str(taken) for taken in about.get("inputs", {}).values()}
        files[key] = about["files"]
        if about.get("stage") == "given":
            given.add(key)
    roots = set(keys) & given
    secret = {digest for key in roots for name, digest in files[key].items() if not name.endswith(".json")}
    doomed |= roots | {key for key in given if secret & set(files[key].values())}
    while True:
        more = {key for key, taken in inputs.items() if taken & doomed} - doomed
        if not more:
            break
        doomed |= more

    size = 0
    for key in doomed:
        size += sum(path.stat().st_size for path in store.path(key).rglob("*") if path.is_file())
        for photo in store.path(key).rglob("photo.bin"):
            forget_consent(photo.read_bytes(), store.root)
        for footage in store.path(key).glob("footage.*"):
            with footage.open("rb") as file:  # its JSON is no record's, and does no harm
                forget_consent(file.read(CONSENT_BYTES), store.root)
        store.remove(key)
    runs = [folder for folder in store.runs.iterdir() if _tells_of(folder / "run.json", doomed) or _is_broken(folder)]
    for folder in runs:
        shutil.rmtree(folder)
    return Forgotten(len(doomed), len(runs), size, tuple(_search(store, doomed, secret)))


def _tells_of(path, doomed: set[str]) -> bool:
    try:
        return bool(doomed & set(json.loads(path.read_text(encoding="utf-8"))["keys"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def _is_broken(folder) -> bool:
    return any(path.is_symlink() and not path.exists() for path in folder.iterdir())


def _search(store: Store, doomed: set[str], secret: set[str]) -> Iterable[str]:
    """Places in the store that still hold a removed artifact, one made of it, or the bytes of what was given."""
    for key in store.all_keys():
        about = store.about(key)
        taken = {str(each) for each in about.get("inputs", {}).values()}
        if key in doomed or taken & doomed or secret & set(about["files"].values()):
            yield str(store.path(key))

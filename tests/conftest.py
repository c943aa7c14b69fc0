"""What all tests share: array shapes are checked as annotated, and the demo's portrait and avatar are made once."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

from tests import shape_checks

# Before anything of ours is imported: every annotated array argument and result is checked against its shape.
install_import_hook(["digitalme", "stages"], f"{shape_checks.__name__}.check")

# Tests run beside each other; a library that starts a thread for every core only makes them slower.
os.environ.setdefault("OMP_NUM_THREADS", "2")


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that the session's shared artifacts live in: $DIGITALME_TEST_STORE, to keep it between sessions."""
    kept = os.environ.get("DIGITALME_TEST_STORE")
    return Path(kept) if kept else tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def demo_run(demo_folder: Path):
    """Makes artifacts of the demo: call it with an artifact's name, get the artifact."""
    from digitalme.artifacts import Photo
    from digitalme.audio.files import read_voice
    from digitalme.demo import demo_photo, demo_voice
    from digitalme.pipeline import read_pipeline
    from digitalme.run import run
    from digitalme.store import Store

    photo, (voice, words) = demo_photo(), demo_voice()
    given = {"photo": Photo(photo.read_bytes(), photo.name), "voice": replace(read_voice(voice), text=words)}

    def make(artifact: str):
        return run(read_pipeline("default"), [artifact], store=Store(demo_folder), given=given).load(artifact)

    return make


@pytest.fixture(scope="session")
def astronaut(demo_run):
    """The Portrait of the demo's photo."""
    return demo_run("portrait")


@pytest.fixture(scope="session")
def astronaut_likeness(demo_run):
    return demo_run("likeness")


@pytest.fixture(scope="session")
def astronaut_avatar(demo_run):
    return demo_run("avatar")

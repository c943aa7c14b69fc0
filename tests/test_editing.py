"""`digitalme edit`: words and flags become knobs, knobs change what they name, and nothing else is made anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from digitalme.body.people import EYE_COLORS
from digitalme.cli import main
from digitalme.editing import settings_of, wanted
from digitalme.errors import InputError
from digitalme.product import Built
from digitalme.stages.groom import GroomConfig, groom
from digitalme.store import open_store
from tests.body.people import synthetic_person


@pytest.fixture
def photo(tmp_path) -> Built:
    """As if built of a photo, and edited once."""
    settings = {"groom": {"hair": "long", "changes": ["age=old"]}}
    return Built(tmp_path, "default", open_store(tmp_path / "store"), {"avatar": "k"}, settings)


@pytest.mark.parametrize(
    ("words", "flags", "changes"),
    [
        ("short green hair, no glasses", {}, {"hair_style": "short", "hair_color": "green", "glasses": "none"}),
        ("红色短发，戴圆框眼镜", {}, {"hair_style": "short", "hair_color": "red", "glasses": "round"}),
        ("", {"hair_color": "auburn", "age": "60", "expression": "smile"},
         {"hair_color": "red", "age": "old", "expression": "happy"}),
        ("", {"eye_color": "golden", "beard": "moustache", "glasses": "圆框"},
         {"eye_color": "amber", "beard": "moustache", "glasses": "round"}),
        ("blue eyes", {"eye_color": "green"}, {"eye_color": "green"}),
    ],
)  # fmt: skip
def test_words_and_flags_are_understood(words, flags, changes):
    assert wanted(words, flags) == changes


def test_what_is_not_understood_is_told(photo):
    with pytest.raises(InputError, match="nothing of it is understood"):
        wanted("xyzzy", {})
    with pytest.raises(InputError, match="--hair-style mohawkish: not known; expected one of long, short"):
        wanted("", {"hair_style": "mohawkish"})
    with pytest.raises(InputError, match="nothing to change"):
        settings_of(photo, {})
    with pytest.raises(InputError, match="gender: cannot be changed of somebody in a photo"):
        settings_of(photo, {"gender": "man"})


def test_changes_become_knobs_and_add_up(photo):
    settings = settings_of(photo, {"hair_style": "bob", "eye_color": "green"})
    assert settings["groom"]["changes"] == ("age=old", "eye_color=green", "hair_style=bob")
    assert settings["groom"]["hair"] == "auto"  # what the build was told yields
    assert settings["render"]["look"] == "studio"  # a moving photograph would show nothing of it
    assert settings_of(photo, {"expression": "neutral"})["animate"] == {"emotion": "neutral"}


def test_a_photos_avatar_is_changed_where_asked():
    portrait, likeness = synthetic_person({"gender-": 0.5})
    before = groom(portrait, likeness, GroomConfig())
    knob = ("hair_color=green", "eye_color=blue", "glasses=round", "hair_style=bob", "age=old", "beard=none")
    after = groom(portrait, likeness, GroomConfig(changes=knob))
    assert after.about["hair_style"] == "bob"
    assert after.about["iris"] == pytest.approx(EYE_COLORS["blue"][0])
    names = {mesh.name for mesh in after.meshes}
    assert "glasses" in names
    assert "glasses" not in {mesh.name for mesh in before.meshes}
    hair = next(texture for name, texture in after.textures.items() if name.startswith("hair"))
    red, green, blue = hair[hair[..., 3] > 128][:, :3].mean(0) if hair.shape[2] == 4 else hair.mean((0, 1))
    assert green > red
    assert green > blue
    moved = np.linalg.norm(after.mesh("head").positions - before.mesh("head").positions, axis=1)
    assert 0.0005 < moved.mean() < 0.01  # older by a few millimetres, still the same head
    assert groom(portrait, likeness, GroomConfig(changes=("glasses=none",))).mesh("head").positions == pytest.approx(
        before.mesh("head").positions
    )
    with pytest.raises(InputError, match="expected ATTRIBUTE=VALUE"):
        groom(portrait, likeness, GroomConfig(changes=("green",)))


@pytest.mark.slow
def test_only_what_changes_is_made_anew(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("DIGITALME_STORE", str(tmp_path / "store"))
    me, other = tmp_path / "me", tmp_path / "other"
    assert main(["build", "--prompt", "a bald man with blue eyes", "--out", str(me), "--quiet"]) == 0
    assert main(["edit", str(me), "--glasses", "round", "--out", str(other), "--quiet"]) == 0
    assert {"avatar.glb", "avatar.vrm", "portrait.png", "report.html"} <= {path.name for path in other.iterdir()}
    was, now = Built.read(me), Built.read(other)
    assert was.keys["description"] == now.keys["description"]
    first, second = (built.store.path(built.keys["draft"]) / "draft.json" for built in (was, now))
    told = [json.loads(path.read_text()) for path in (first, second)]
    assert told[0]["attributes"] | {"glasses": "round"} == told[1]["attributes"]
    assert all(told[0][name] == told[1][name] for name in ("shape", "skin_color", "hair_color", "iris_color"))
    # with other words for the same, nothing is left to do
    assert main(["edit", str(other), "round glasses", "--out", str(tmp_path / "again"), "--quiet"]) == 0
    assert "made anew: nothing" in capsys.readouterr().out
    assert Built.read(tmp_path / "again").keys == now.keys

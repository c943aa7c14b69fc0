"""A data set is what was asked for, goes on where it was stopped, and splits people, not pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from digitalme.artifacts.files import write_png
from digitalme.body.attributes import ATTRIBUTES
from digitalme.body.people import person_from
from digitalme.errors import InputError
from digitalme.models.condition import CONDITION, condition_of
from digitalme.rendering.people import View, picture_of
from digitalme.training import dataset
from digitalme.training.dataset import Recipe, import_folder, make_dataset, read_split, shards, split_of


def test_a_made_set_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "SHARD", 2)
    bald = {"hair_style": "bald", "expression": "neutral"}  # one style, as each costs a second to prepare
    monkeypatch.setattr(dataset, "person_from", lambda asked, seed: person_from({**asked, **bald}, seed))
    recipe = Recipe(4, 32, seed=3)
    make_dataset(tmp_path / "a", recipe, workers=1)
    pictures = np.concatenate([images for images, _, _ in shards(tmp_path / "a")])
    lines = [line for _, _, about in shards(tmp_path / "a") for line in about]
    assert pictures.shape == (4, 32, 32, 3)
    assert [line["number"] for line in lines] == [0, 1, 2, 3]
    assert all(line["attributes"]["hair_style"] == "bald" for line in lines)
    assert lines[0]["en"].startswith("a")
    assert "一个" in lines[0]["zh"]
    assert pictures.reshape(4, -1).std(1).min() > 15

    (tmp_path / "a" / "00001.jsonl").unlink()  # as if killed before the second shard was whole
    made = []
    monkeypatch.setattr(dataset, "_make_shard", lambda *a, make=dataset._make_shard: (made.append(a[2]), make(*a)))
    make_dataset(tmp_path / "a", recipe, workers=1)
    assert made == [1]
    again = np.concatenate([images for images, _, _ in shards(tmp_path / "a")])
    assert (again == pictures).all()
    with pytest.raises(InputError, match="holds another data set"):
        make_dataset(tmp_path / "a", Recipe(4, 64), workers=1)


def test_splits_are_of_people():
    parts = [split_of(identity) for identity in range(2000)]
    shares = {name: parts.count(name) / 2000 for name in ("train", "validation", "test")}
    assert abs(shares["train"] - 0.70) < 0.04
    assert abs(shares["test"] - 0.15) < 0.03


def test_a_users_pictures_with_their_words(tmp_path):
    (tmp_path / "mine").mkdir()
    for name, value in (("a_red_wall", (255, 0, 0)), ("b", (0, 0, 255))):
        write_png(tmp_path / "mine" / f"{name}.png", np.full((40, 60, 3), value, np.uint8))
    (tmp_path / "mine" / "b.json").write_text(json.dumps({"zh": "蓝", "attributes": {"hair_color": "blue"}}))
    assert import_folder(tmp_path / "mine", tmp_path / "out", 16) == 2
    ((images, condition, lines),) = shards(tmp_path / "out")
    assert (images[0] == (255, 0, 0)).all()
    assert [line["en"] for line in lines] == ["a red wall", "b"]
    assert lines[1]["zh"] == "蓝"
    assert condition[1].sum() == 1
    assert condition[0].sum() == 0


def test_a_folder_without_pictures_or_set_is_refused(tmp_path):
    with pytest.raises(InputError, match="no pictures"):
        import_folder(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="not a data set"):
        read_split(tmp_path, "train")


def test_a_condition_holds_what_is_said():
    assert len(condition_of({})) == CONDITION
    assert condition_of({}).sum() == 0
    assert condition_of({"gender": "man", "beard": "none"}, (1, 0, 0, 0)).sum() == 3


def test_what_is_asked_is_seen():
    """Skin, hair and cloth have the person's colours, and a turned head shows its other side."""
    who = {"gender": "man", "hair_style": "bald", "expression": "neutral", "glasses": "none", "beard": "none"}
    means = {}
    for skin in ("pale", "dark"):
        person = person_from({**who, "skin": skin}, 3)
        picture = picture_of(person, View(), 64).astype(float)
        means[skin] = picture[24:44, 24:40].mean((0, 1)) / 255
        assert np.abs(means[skin] - np.array(person.skin_color)).max() < 0.2
    assert means["pale"].min() > means["dark"].max() + 0.15
    left, right = (picture_of(person_from(who, 3), View(yaw=yaw, key=(0, 0.6, 1)), 64) for yaw in (-0.3, 0.3))
    assert np.abs(left.astype(float) - right[:, ::-1]).mean() < 6 < np.abs(left.astype(float) - right).mean()


def test_a_balanced_set_has_each_value_as_often_as_the_others():
    drawn = [dataset.balanced_attributes(seed, ("photo", "moe")[seed % 2]) for seed in range(2000)]
    for name in ("gender", "age", "skin", "hair_style", "hair_color", "eye_color"):
        counts = [sum(each[name] == value for each in drawn) for value in ATTRIBUTES[name]]
        usual = 2000 / len(counts)
        assert max(abs(count - usual) for count in counts) < 4.5 * usual**0.5
    bearded = [each for each in drawn if each["beard"] != "none"]
    assert len(bearded) > 150
    for each in bearded:
        assert (each["gender"], each["look"]) == ("man", "photo")
        assert each["age"] not in ("child", "teen")


def test_a_balanced_set_is_its_own_and_is_read_by_parts(tmp_path, monkeypatch):
    bald = {"hair_style": "bald", "expression": "neutral"}
    monkeypatch.setattr(dataset, "person_from", lambda asked, seed: person_from({**asked, **bald}, seed))
    make_dataset(tmp_path, Recipe(12, 32, balanced=True), workers=1)
    with pytest.raises(InputError, match="holds another data set"):
        make_dataset(tmp_path, Recipe(12, 32), workers=1)
    both = read_split(tmp_path, "train+test")
    assert len(both.about) == sum(line["split"] != "validation" for _, _, about in shards(tmp_path) for line in about)
    assert max(abs(line["view"]["yaw"]) for line in both.about) < 0.2  # as the video shows somebody

"""People who never lived: what is asked for is there, and one word more changes nothing else."""

from __future__ import annotations

import pytest

from digitalme.body.attributes import ATTRIBUTES
from digitalme.body.people import (
    EYE_COLORS,
    HAIR_COLORS,
    NAMES,
    SKIN_TONES,
    nearest_word,
    person_from,
    random_person,
)
from digitalme.errors import InputError


def test_what_is_asked_is_there():
    for name in NAMES:
        for value in ATTRIBUTES[name]:
            assert person_from({name: value}, 3).attributes[name] == value


def test_the_same_seed_gives_the_same_person_and_another_another():
    assert random_person(11) == random_person(11)
    assert random_person(11).shape != random_person(12).shape


def test_a_hair_colour_changes_nothing_but_hair():
    plain = person_from({"gender": "woman", "hair_color": "brown"}, 5)
    pink = person_from({"gender": "woman", "hair_color": "pink"}, 5)
    assert pink.shape == plain.shape
    assert pink.iris_color == plain.iris_color
    assert {n for n in NAMES if plain.attributes[n] != pink.attributes[n]} == {"hair_color"}
    red, green, blue = pink.hair_color
    assert red > blue > green


def test_beards_grow_on_men_unless_asked_for():
    people = [random_person(seed).attributes for seed in range(200)]
    assert all(who["gender"] == "man" for who in people if who["beard"] != "none")
    assert {who["age"] for who in people} == {"teen", "young", "adult", "middle", "old"}
    assert all(person_from({"beard": "full"}, seed).attributes["gender"] == "man" for seed in range(5))
    assert person_from({"beard": "full", "gender": "woman"}, 0).attributes["gender"] == "woman"


@pytest.mark.parametrize(
    ("name", "table", "color"),
    [
        ("skin", SKIN_TONES, "skin_color"),
        ("hair_color", HAIR_COLORS, "hair_color"),
        ("eye_color", EYE_COLORS, "iris_color"),
    ],
)
def test_a_persons_colour_is_still_the_word_that_it_was_made_from(name, table, color):
    for value in ATTRIBUTES[name]:
        for seed in range(3):
            assert nearest_word(getattr(person_from({name: value}, seed), color), table) == value


def test_an_unknown_value_is_refused():
    with pytest.raises(InputError, match="hair_color 'plaid' is not known"):
        person_from({"hair_color": "plaid"}, 0)

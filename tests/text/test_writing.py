"""--write with a language model on disk: a tiny random one, which writes nonsense, but always the same."""

import sys

import pytest

from digitalme.errors import InputError, MissingExtraError
from digitalme.text.writing import WritingConfig, _tidied, write_script


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("model")
    words = ["<unk>", "<end>", ".", *(f"{first}{second}" for first in "bdfgklmnprst" for second in "aeiou")]
    table = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Whitespace(), decoders.Fuse()
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>")
    wrapped.save_pretrained(folder)
    torch.manual_seed(1)
    small = transformers.GPT2Config(
        vocab_size=len(words),
        n_positions=128,
        n_embd=16,
        n_layer=1,
        n_head=2,
        bos_token_id=1,
        eos_token_id=1,
        tie_word_embeddings=False,
    )
    transformers.GPT2LMHeadModel(small).save_pretrained(folder)
    return folder


def test_the_same_topic_and_seed_give_the_same_words(model):
    first = write_script("the sea", model)
    assert first
    assert write_script("the sea", model) == first
    others = {write_script("the sea", model, WritingConfig(seed=seed)) for seed in range(1, 4)}
    assert others - {first}


def test_what_cannot_be_used_is_told(model, tmp_path):
    with pytest.raises(InputError, match="nothing to write about"):
        write_script("  ", model)
    with pytest.raises(InputError, match=r"expected a folder with a Hugging Face model"):
        write_script("the sea", tmp_path)
    with pytest.raises(InputError, match="the topic is too long for this model"):
        write_script("sea " * 140, model)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(InputError, match="cannot be read as a causal language model"):
        write_script("the sea", tmp_path)


def test_without_transformers_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'digitalme\[lm\]'"):
        write_script("the sea", tmp_path)


def test_a_draft_is_cut_at_whole_sentences():
    assert _tidied("# Title.\n**One** here. Two? Three. Fo", 4) == "Title. One here. Two? Three."
    assert _tidied("One. Two. Three.", 2) == "One. Two."
    with pytest.raises(InputError, match="wrote no words"):
        _tidied(" ... ", 2)

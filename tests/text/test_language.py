"""Languages by script and words; sentences and tokens put together again are the text."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitalme.text.language import LANGUAGES, language_of, sentences_of, tokens_of

SAID = {
    "en": ["The train leaves at nine.", "How are you?", "I never saw him again", "Good morning, everyone", "My sister lives by the sea"],
    "zh": ["火车九点开。", "你好吗？", "我再也没有见过他", "早上好", "我的 iPhone 坏了"],
    "ja": ["電車は九時に出ます。", "お元気ですか", "おはようございます", "東京タワーに行きたい", "ありがとう"],
    "de": ["Der Zug fährt um neun Uhr ab.", "Wie geht es Ihnen?", "Ich habe ihn nie wieder gesehen", "Guten Morgen", "Meine Schwester wohnt am Meer"],
    "fr": ["Le train part à neuf heures.", "Comment allez-vous ?", "Je ne l'ai jamais revu", "Bonjour à tous", "Ma sœur habite près de la mer"],
    "es": ["El tren sale a las nueve.", "¿Cómo estás?", "Nunca lo volví a ver", "Buenos días a todos", "Mi hermana vive junto al mar"],
    "ru": ["Поезд отправляется в девять.", "Как дела?", "Я больше его не видел", "Доброе утро", "Моя сестра живёт у моря"],
}  # fmt: skip


@pytest.mark.parametrize(("language", "text"), [(name, text) for name, texts in SAID.items() for text in texts])
def test_the_seven_languages(language, text):
    assert language in LANGUAGES
    assert language_of(text) == language


def test_without_letters_the_answer_is_the_callers():
    assert language_of("12:30 !", "ru") == "ru"
    assert language_of("", "zh") == "zh"


def test_sentences_end_where_they_should():
    text = 'Mr. Smith paid 3.5 dollars. "Why?" she asked... Then nothing! 你好！我叫小明。“你是谁？”他问。OK'
    assert sentences_of(text) == [
        "Mr. Smith paid 3.5 dollars.", '"Why?"', "she asked...", "Then nothing!", "你好！", "我叫小明。", "“你是谁？”", "他问。", "OK",
    ]  # fmt: skip


def test_tokens_are_words_numbers_signs_and_marks():
    assert tokens_of("I don't, 3.5!") == ["I", "don't", ",", "3.5", "!"]
    assert tokens_of("我爱你") == ["我", "爱", "你"]
    assert tokens_of("タワー") == ["タワー"]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80))
def test_nothing_is_lost(text):
    def bare(pieces):
        return re.sub(r"[\s_]", "", "".join(pieces))

    assert bare(sentences_of(text)) == bare([text])
    assert set(re.findall(r"[a-z0-9]", text)) <= set("".join(tokens_of(text)))
    assert language_of(text) in LANGUAGES

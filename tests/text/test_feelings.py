"""Sentiment and emotions of sentences in English and Chinese, with what negation and intensity do to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitalme.text.feelings import EMOTIONS, feeling_of

SENTENCES = {
    "happy": ["I am so happy to see you!", "What a wonderful day, I love it.", "我今天非常高兴！", "太棒了，我们赢了", "I can't wait to see you :)"],
    "sad": ["My dog died and I miss him.", "I'm not happy about this.", "She cried the whole night.", "妈妈去世了，我很难过", "我一点也不开心。"],
    "angry": ["Get out of my house, you liar!", "I am sick of your stupid games.", "你给我滚！", "他太过分了，我很生气", "How dare you!"],
    "surprised": ["No way, that's incredible!", "I never expected to find you here.", "天哪，怎么可能！", "没想到他居然来了", "Wow!"],
    "afraid": ["I was terrified of the dark.", "I'm worried about tomorrow.", "我好害怕", "吓死我了", "She trembled with fear."],
    "disgusted": ["Yuck, the milk is rotten.", "This is disgusting.", "这太恶心了", "臭得令人作呕", "Eww, gross!"],
    "": ["The train leaves at nine.", "会议在三点开始。", "He put the book on the table.", "这是一张桌子", "I am not angry."],
}  # fmt: skip


@pytest.mark.parametrize(("emotion", "sentence"), [(name, text) for name, texts in SENTENCES.items() for text in texts])
def test_the_strongest_emotion(emotion, sentence):
    emotions = feeling_of(sentence).emotions
    assert max(emotions, key=lambda name: emotions[name], default="") == emotion


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        ("I am happy", "I am very happy"), ("I am a little sad", "I am sad"), ("我有点生气", "我非常生气"), ("It is not good", "It is good"),
        ("这不好看", "这很好看"), ("It was nice, but the end was terrible", "The end was terrible, but it was nice"),
        ("I don't like it", "I like it"), ("I am not happy", "I am not sad"), ("It isn't very good", "It isn't bad"),
    ],
)  # fmt: skip
def test_degree_and_denial(weaker, stronger):
    sign = -1 if ("sad" in stronger and "not" not in stronger) or "生气" in stronger else 1
    assert sign * feeling_of(weaker).sentiment < sign * feeling_of(stronger).sentiment


def test_a_mark_ends_what_a_negator_denies():
    assert feeling_of("No, I am happy.").emotions["happy"] == feeling_of("I am happy.").emotions["happy"]
    assert feeling_of("I never felt so alone.").emotions["sad"] > 0.3


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_numbers_in_range(text):
    feeling = feeling_of(text)
    assert -1 <= feeling.sentiment <= 1
    assert set(feeling.emotions) <= set(EMOTIONS)
    assert all(0 < strength <= 1 and np.isfinite(strength) for strength in feeling.emotions.values())

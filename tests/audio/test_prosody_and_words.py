"""Pitch, level, words and letters: against sounds and spellings whose answer is known."""

import numpy as np
import pytest

from digitalme.audio.ipa import arpabet
from digitalme.audio.languages import say_how
from digitalme.audio.phone_net import log_mel, log_posteriors
from digitalme.audio.phones import PHONES
from digitalme.audio.prosody import level_db, pitch
from digitalme.audio.words import letters_to_sounds, pronunciations, spell_number, spoken_words

RATE = 16000


def buzz(hertz: np.ndarray) -> np.ndarray:
    """A sound of ten harmonics with the given fundamental, Hz at each sample."""
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    return sum(np.sin(k * phase) / k for k in range(1, 11)).astype(np.float32) * 0.1


@pytest.mark.parametrize("hertz", [80.0, 123.4, 220.0, 390.0])
def test_pitch_of_a_steady_buzz(hertz):
    found, voiced = pitch(buzz(np.full(RATE, hertz)), RATE)
    assert len(found) == 100
    np.testing.assert_allclose(found[5:-5], hertz, rtol=0.01)
    assert voiced[5:-5].min() > 0.8


def test_pitch_follows_a_glide_and_leaves_noise_and_silence_unvoiced():
    glide = np.linspace(110, 220, RATE)
    noise = 0.05 * np.random.default_rng(0).normal(size=RATE)
    found, voiced = pitch(np.concatenate([buzz(glide), noise, np.zeros(RATE)]).astype(np.float32), RATE)
    np.testing.assert_allclose(found[8:92], glide[80::160][8:92], rtol=0.02)
    assert np.mean(found[105:] > 0) < 0.03
    assert voiced[205:].max() < 0.05


def test_level_of_a_full_scale_square_wave_is_0_dbfs():
    square = np.sign(np.sin(np.arange(RATE) * 2 * np.pi * 100 / RATE) + 1e-9).astype(np.float32)
    level = level_db(np.concatenate([square, 0.1 * square]), RATE)
    np.testing.assert_allclose(level[5:95], 0, atol=0.1)
    np.testing.assert_allclose(level[105:195], -20, atol=0.1)


def test_words_of_a_text():
    words = " ".join(spoken_words("It's 1,250 o’clock — naïve café, 3.5%!"))
    assert words == "it's one thousand two hundred fifty o'clock naive cafe three point five percent"
    assert spoken_words("... 你好 ...") == []
    assert spell_number(1_000_013) == "one million thirteen"


@pytest.mark.parametrize(
    ("word", "said"),
    [("cat", "K AE T"), ("make", "M EY K"), ("shine", "SH AY N"), ("night", "N AY T"), ("phone", "F OW N")],
)
def test_letters_to_sounds(word, said):
    assert " ".join(letters_to_sounds(word)) == said


def test_every_word_has_a_pronunciation_of_known_phones():
    for word in ("hello", "zorblax", "selfies", "digitalme", "xyzzy", "qqq", "a", "o'leary's"):
        ways = pronunciations(word)
        assert ways
        for way in ways:
            assert way
            assert set(way) <= set(PHONES)


def test_ipa_becomes_arpabet_with_places():
    assert arpabet("tʃˈaɪnə") == [("CH", 0, 3), ("AY", 3, 5), ("N", 5, 6), ("AH", 6, 7)]
    assert [p for p, _, _ in arpabet("dˈɔɪtʃ")] == ["D", "OY", "CH"]
    assert [p for p, _, _ in arpabet("bɔ̃ʒuːʁ")] == ["B", "AO", "ZH", "UW", "HH"]
    assert arpabet("ˈ5 ") == []


def test_english_needs_no_program():
    assert say_how("Hello!", "en-US") == [("hello", pronunciations("hello"))]
    assert say_how(" ", "de") == []


def test_mandarin_has_no_tones_in_its_sounds():
    pytest.importorskip("piper")
    for text, language in (("zhong1 guo2 chi1 cha2", "cmn-latn-pinyin"), ("中国吃茶", "zh")):
        said = say_how(text, language)
        phones = [phone for _, ways in said for phone in ways[0]]
        assert phones == ["CH", "OW", "NG", "K", "UW", "OW", "CH", "IY", "CH", "AA"], (text, phones)


def test_japanese_kanji_are_read():
    pytest.importorskip("piper")
    pytest.importorskip("janome")
    kanji, kana = (say_how(text, "ja") for text in ("今日は良い天気です。", "キョーワヨイテンキデス"))
    sounds = lambda said: [phone for _, ways in said for phone in ways[0]]  # noqa: E731
    assert sounds(kanji) == sounds(kana)
    assert sounds(kanji)[:4] == ["K", "OW", "OW", "W"]


def test_posteriors_are_chances_on_the_100_hz_grid():
    for frames in (1, 2, 99, 100):
        sound = 0.1 * np.random.default_rng(1).normal(size=160 * frames).astype(np.float32)
        assert log_mel(sound).shape == (frames, 40)
        logs = log_posteriors(sound)
        assert logs.shape == (frames, len(PHONES))
        np.testing.assert_allclose(np.exp(logs).sum(1), 1, rtol=1e-5)


def test_posteriors_do_not_depend_on_the_gain():
    sound = buzz(np.full(RATE, 120.0)) + 0.01 * np.random.default_rng(2).normal(size=RATE).astype(np.float32)
    np.testing.assert_allclose(log_posteriors(sound), log_posteriors(sound * 0.25), atol=0.05)

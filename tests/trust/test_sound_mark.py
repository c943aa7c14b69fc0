"""The mark of synthesised speech: found after what happens to sound, far below it, and never where none is."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from digitalme.artifacts import Voice
from digitalme.audio.files import read_voice, resample
from digitalme.demo import demo_voice
from digitalme.trust.provenance import verify
from digitalme.trust.sound_mark import CHANCE, damage_db, detect_sound, mark_sound


@pytest.fixture(scope="module")
def speech() -> tuple[np.ndarray, int]:
    voice = read_voice(demo_voice()[0])
    return voice.samples, voice.rate


@pytest.fixture(scope="module")
def marked(speech) -> np.ndarray:
    return mark_sound(*speech)


def through_aac(sound: np.ndarray, rate: int, bits: int) -> tuple[np.ndarray, int]:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=48000, layout="mono")
        stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(resample(sound, rate, 48000)[None].copy(), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file) as back:
        return np.concatenate([frame.to_ndarray().mean(0) for frame in back.decode(audio=0)]).astype(np.float32), 48000


def noisy(sound: np.ndarray, decibel: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=len(sound)) * np.sqrt(np.mean(sound**2)) * 10 ** (-decibel / 20)
    return (sound + noise).astype(np.float32)


ATTACKS = {
    "none": lambda sound, rate: (sound, rate),
    "AAC 128k": lambda sound, rate: through_aac(sound, rate, 128_000),
    "AAC 96k": lambda sound, rate: through_aac(sound, rate, 96_000),
    "16 kHz": lambda sound, rate: (resample(sound, rate, 16_000), 16_000),
    "noise, 20 dB below": lambda sound, rate: (noisy(sound, 20), rate),
    "3 s of it": lambda sound, rate: (sound[2 * rate : 5 * rate], rate),
    "quieter": lambda sound, rate: (sound * 0.2, rate),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_survives(speech, marked, attack):
    found = detect_sound(*attack(marked, speech[1]))
    assert found.found
    assert not detect_sound(*attack(speech[0], speech[1])).found


def test_is_far_below_the_speech(speech, marked):
    snr, segmental, difference = damage_db(speech[0], marked, speech[1])
    assert snr > 23
    assert segmental > 23
    assert difference < 1.0


def test_unmarked_sound_has_none():
    """Noise of many colours, tones and silence: what is told of chance is true, so the smallest is about 1 in 60."""
    random = np.random.default_rng(1)
    seen = []
    for number in range(60):
        spectrum = np.fft.rfft(random.normal(size=16_000 * 2)) / (1 + np.arange(16_001)) ** random.uniform(0, 1)
        sound = np.fft.irfft(spectrum).astype(np.float32)
        sound *= 1 + np.sin(np.arange(len(sound)) / random.uniform(500, 5000))
        seen.append(detect_sound((sound / np.abs(sound).max()).astype(np.float32), 16_000))
        assert number < 0 or not seen[-1].found
    assert min(each.chance for each in seen) > CHANCE * 100


def test_silence_stays_silent_and_nothing_has_no_mark():
    assert not mark_sound(np.zeros(20_000, np.float32), 16_000).any()
    assert not detect_sound(np.zeros(20_000, np.float32), 16_000).found
    assert not detect_sound(np.ones(10, np.float32), 16_000).found


def test_verify_tells_of_a_file(speech, marked, tmp_path):
    for name, sound in (("marked", marked), ("plain", speech[0])):
        (tmp_path / name).mkdir()
        Voice(sound, speech[1]).save(tmp_path / name)
    found = {name: verify(tmp_path / name / "voice.wav") for name in ("marked", "plain")}
    told = {name: next(each for each in findings if each.what == "speech") for name, findings in found.items()}
    assert told["marked"].holds
    assert "synthesised by digitalme" in told["marked"].words
    assert told["plain"].holds is None

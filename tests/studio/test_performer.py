"""What a live avatar does at each moment, by a clock that the test holds."""

import numpy as np
import pytest

from digitalme.artifacts import Performance
from digitalme.errors import InputError
from digitalme.studio.performer import Performer


def sentence(jaw, seconds=1.0):
    frames = round(60 * seconds) + 1
    return Performance(60.0, {"jawOpen": np.full(frames, jaw, np.float32)}, np.zeros((frames, 3), np.float32), {})


@pytest.fixture(scope="module")
def made():
    return Performer()


@pytest.fixture
def performer(made):
    made.stop()
    made.feel("", -100.0)
    return made


def test_it_idles(performer):
    """Blinks, and a head that sways a little; the mouth is still; the minute starts again where it ended."""
    moments = [performer.at(t / 20) for t in range(20 * 60)]
    blinks = np.array([weights.get("eyeBlinkLeft", 0) for weights, _ in moments])
    assert 8 <= np.sum((blinks[1:] > 0.5) & (blinks[:-1] <= 0.5)) <= 30
    assert max(weights.get("jawOpen", 0) for weights, _ in moments) == 0
    heads = np.array([head for _, head in moments])
    assert 0.005 < np.abs(heads).max() < 0.15
    assert np.abs(np.diff(np.vstack([heads, heads[:1]]), axis=0)).max() < 0.03


def test_sentences_come_one_after_the_other(performer):
    assert performer.say(sentence(0.3), 10.0) == 10.0
    second = performer.say(sentence(0.7), 10.2)
    assert second == pytest.approx(10.0 + sentence(0).seconds)
    assert performer.at(10.5)[0]["jawOpen"] == pytest.approx(0.3)
    assert performer.is_speaking(10.5)
    assert performer.at(second + 0.5)[0]["jawOpen"] == pytest.approx(0.7)
    assert "jawOpen" not in performer.at(second + 3)[0]
    assert not performer.is_speaking(second + 3)


def test_stop(performer):
    performer.say(sentence(0.3), 10.0)
    performer.follow({"jawOpen": 0.5}, 10.1)
    performer.stop()
    assert "jawOpen" not in performer.at(10.2)[0]


def test_a_followed_voice_is_shown_at_once_and_fades_when_it_ends(performer):
    performer.follow({"jawOpen": 0.5, "mouthFunnel": 0.2}, 20.0)
    assert performer.at(20.0)[0]["jawOpen"] == pytest.approx(0.5)
    jaws = [performer.at(20 + t)[0].get("jawOpen", 0) for t in np.linspace(0.3, 0.8, 26)]
    assert jaws[-1] == 0
    assert np.all(np.diff(jaws) <= 0)
    assert max(-np.diff(jaws)) < 0.1


def test_emotions_fade_in_and_yield_to_closed_lips(performer):
    performer.feel("happy:0.8", 30.0)
    assert performer.at(30.0)[0].get("mouthSmileLeft", 0) < 0.02
    smile = performer.at(31.0)[0]["mouthSmileLeft"]
    assert smile == pytest.approx(0.8 * 0.5, abs=1e-3)
    performer.follow({"mouthClose": 1.0}, 31.0)
    assert performer.at(31.0)[0]["mouthSmileLeft"] < 0.3 * smile
    performer.feel("neutral", 40.0)
    assert "mouthSmileLeft" not in performer.at(41.0)[0]


def test_no_such_emotion(performer):
    with pytest.raises(InputError, match="hungry"):
        performer.feel("hungry", 0.0)

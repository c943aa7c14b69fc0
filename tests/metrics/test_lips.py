"""The lip-sync measures: exact on truth, and every control fails as it must."""

import numpy as np
import pytest

from digitalme.artifacts import TimedLabel
from digitalme.audio.phones import PHONES
from digitalme.body.visemes import SIX_CLASSES, VISEME_OF_PHONE, VISEMES
from digitalme.metrics import lips

SENTENCE = "SIL HH AH L OW SIL M AY F R EH N D SIL P IY T S IH T S B AE K SIL"
SPOKEN = SENTENCE.split()


def spoken(shift: float = 0.0, names=SPOKEN) -> tuple[TimedLabel, ...]:
    edges = np.cumsum([0, *([0.11, 0.07, 0.09] * 20)[: len(names)]]) + shift
    return tuple(TimedLabel(n, float(a), float(b)) for n, a, b in zip(names, edges[:-1], edges[1:], strict=True))


SECONDS = spoken()[-1].end


def test_the_truth_scores_one():
    score = lips.score_visemes(spoken(), spoken(), SECONDS)
    assert (score.f1, score.six_f1, score.boundary_ms, score.boundary_hit) == (1, 1, 0, 1)
    assert score.openness_r == pytest.approx(1)


def test_a_shift_costs_what_it_must():
    score = lips.score_visemes(spoken(), spoken(0.03), SECONDS)
    assert score.boundary_ms == pytest.approx(30)
    assert 0.4 < score.f1 < 0.75  # a third of each phone is lost on both sides
    assert lips.score_visemes(spoken(), spoken(0.4), SECONDS).f1 < 0.25


def test_silence_and_one_constant_class_score_next_to_nothing():
    silent = (TimedLabel("SIL", 0.0, SECONDS),)
    constant = (TimedLabel("N", 0.0, SECONDS),)
    assert lips.score_visemes(spoken(), silent, SECONDS).f1 == 0
    assert lips.score_visemes(spoken(), silent, SECONDS).openness_r == 0
    assert lips.score_visemes(spoken(), constant, SECONDS).f1 < 0.05


def test_f1_by_hand():
    truth = np.array([0, 1, 1, 2, 2, 2])
    guess = np.array([1, 1, 0, 2, 2, 1])
    one, two = 2 * 1 / (2 + 3), 2 * 2 / (3 + 2)
    assert lips.weighted_f1(truth, guess) == pytest.approx((2 * one + 3 * two) / 5)


def test_six_classes_keep_silence_apart():
    track = np.arange(len(VISEMES))
    six = lips.six_class_track(track)
    assert six[0] == 0
    assert len(set(six)) == 7
    for a in range(15):
        for b in range(15):
            assert (six[a] == six[b]) == (SIX_CLASSES[VISEMES[a]] == SIX_CLASSES[VISEMES[b]])


def test_every_phone_has_a_viseme_and_every_viseme_a_phone():
    assert set(VISEME_OF_PHONE.values()) == set(VISEMES)
    assert tuple(VISEME_OF_PHONE) == PHONES


@pytest.fixture
def voice_and_mouth():
    random = np.random.default_rng(3)
    loud = np.convolve(random.normal(size=1040), np.hanning(40), "valid")[:1000]
    energy = -25 + 12 * loud / loud.std()
    rate = 25.0
    loudness = lips.envelope(energy.astype(np.float32), rate, 250)
    return loudness, loudness / loudness.max(), rate


def test_lag_is_nought_and_follows_a_shift_of_200_ms(voice_and_mouth):
    loudness, mouth, rate = voice_and_mouth
    assert abs(lips.audio_mouth_lag(mouth, loudness, rate)[0] * rate) < 0.1
    for frames in (5, -5):
        lag, r = lips.audio_mouth_lag(np.roll(mouth, frames), loudness, rate)
        assert lag * rate == pytest.approx(frames, abs=0.2)
        assert r > 0.9


def test_a_shuffled_and_a_still_mouth_do_not_follow(voice_and_mouth):
    loudness, mouth, rate = voice_and_mouth
    assert lips.mouth_energy_correlation(mouth, loudness) > 0.99
    assert (
        abs(np.mean([lips.mouth_energy_correlation(lips.shuffled(mouth, rate, s), loudness) for s in range(20)])) < 0.1
    )
    assert lips.mouth_energy_correlation(np.zeros_like(mouth), loudness) == 0


def test_closure_rate_counts_the_closed_ones():
    rate, phones = 100.0, (TimedLabel("M", 0.5, 0.6), TimedLabel("AA", 0.6, 0.9), TimedLabel("P", 0.9, 1.0))
    mouth = np.ones(200)
    assert lips.closure_rate(mouth, rate, phones) == 0
    mouth[55] = 0
    assert lips.closure_rate(mouth, rate, phones) == 0.5
    assert lips.closure_rate(np.zeros(200), rate, phones) == 1
    assert np.isnan(lips.closure_rate(mouth, rate, phones[1:2]))


def test_blinks_are_counted():
    lids = np.zeros(600)
    lids[[50, 51, 200, 400]] = 1
    assert lips.blinks_per_minute(lids, 60.0) == pytest.approx(18)

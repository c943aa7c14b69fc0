"""A mouth that follows a sound by construction, and mouths that do not."""

from __future__ import annotations

import numpy as np
import pytest

from digitalme.artifacts import Speech, TimedLabel, Voice
from digitalme.metrics.talking import mouth_opening, talking_scores

FPS, RATE, SECONDS = 25.0, 16000, 8.0


def syllables() -> np.ndarray:
    """Loudness over time: a syllable every quarter second, each of its own strength, none at some."""
    times = np.arange(int(SECONDS * RATE)) / RATE
    strength = np.random.default_rng(2).choice([0.0, 0.05, 0.3, 1.0], int(SECONDS * 4) + 1)
    return strength[(times * 4).astype(int)] * np.sin(np.pi * (times * 4 % 1)) ** 2


@pytest.fixture(scope="module")
def voice():
    noise = np.random.default_rng(1).normal(size=int(SECONDS * RATE))
    return Voice((0.2 * syllables() * noise + 1e-4 * noise).astype(np.float32), RATE)


def opening_for(delay: float) -> np.ndarray:
    times = np.arange(int(SECONDS * FPS)) / FPS - delay
    at = np.clip((times * RATE).astype(int), 0, int(SECONDS * RATE) - 1)
    return 0.2 * syllables()[at] ** 0.3


def by_name(opening, voice, speech=None):
    return {score.name: score for score in talking_scores(opening, FPS, voice, speech)}


@pytest.mark.parametrize("delay", [-0.12, 0.0, 0.12])
def test_lag_is_found(voice, delay):
    score = by_name(opening_for(delay), voice)["audio_mouth_lag"]
    assert score.value == pytest.approx(delay * FPS, abs=1)
    assert score.controls["sound 200 ms late"] == pytest.approx(score.value - 5, abs=0.6)


def test_shuffled_mouth_does_not_correlate(voice):
    score = by_name(opening_for(0.0), voice)["mouth_energy_correlation"]
    assert score.value > 0.6
    assert abs(score.controls["mouth shuffled"]) < 0.3


def test_open_lips_in_a_b_are_told(voice):
    phones = (TimedLabel("SIL", 0, 2), TimedLabel("B", 2, 2.1), TimedLabel("AA", 2.1, 4), TimedLabel("M", 4, 4.1))
    grid = np.zeros(int(SECONDS * 100), np.float32)
    speech = Speech((), phones, SECONDS, grid, grid, grid)
    opening = np.full(int(SECONDS * FPS), 0.2)
    opening[:10] = 0
    opening[50:53] = 0
    assert by_name(opening, voice, speech)["bilabial_closure"].value == pytest.approx(0.5)


def test_pictures_without_a_face(voice):
    opening = mouth_opening(np.zeros((60, 64, 64, 3), np.uint8))
    assert np.isnan(opening).all()
    (score,) = talking_scores(opening, FPS, voice, None)
    assert score.value is None
    assert "face" in score.note


def test_mouth_opens_with_the_jaw(astronaut_avatar):
    from digitalme.rendering.studio import portrait_camera, render_avatar

    camera = portrait_camera(astronaut_avatar)
    frames = [render_avatar(astronaut_avatar, camera, {"jawOpen": jaw}) for jaw in (0.0, 0.25, 0.5)]
    gaps = mouth_opening(frames)
    assert gaps[0] < 0.04
    assert gaps[0] < gaps[1] - 0.02 < gaps[2] - 0.04

"""Distances of sets against cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from digitalme.metrics.generation import (
    diversity,
    frechet_distance,
    kernel_distance,
    memorised,
    peak_signal_to_noise,
    precision_recall,
)

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(400, 6))


def test_frechet_distance_of_gaussians():
    # between N(0, 1) and N(m, s^2) in each of d dimensions: d (m^2 + (s - 1)^2)
    made = 2.0 * RNG.normal(size=(20000, 6)) + 3.0
    assert frechet_distance(RNG.normal(size=(20000, 6)), made) == pytest.approx(6 * (9 + 1), rel=0.03)
    assert frechet_distance(REAL, REAL) == pytest.approx(0, abs=1e-6)


def test_kernel_distance_is_unbiased_and_grows():
    same = np.mean([kernel_distance(RNG.normal(size=(100, 6)), RNG.normal(size=(100, 6))) for _ in range(30)])
    near, far = (kernel_distance(REAL, RNG.normal(size=(400, 6)) + shift) for shift in (0.5, 1.5))
    assert abs(same) < 0.03
    assert 0.05 < near < far


def test_precision_and_recall_tell_what_is_missing():
    one_corner = RNG.normal(size=(400, 6)) * 0.1
    precision, recall = precision_recall(REAL, one_corner)
    assert precision > 0.95 > 0.2 > recall
    precision, recall = precision_recall(REAL, RNG.normal(size=(400, 6)) + 20)
    assert precision == recall == 0
    both = precision_recall(REAL, RNG.normal(size=(400, 6)))
    assert min(both) > 0.7


def test_diversity_and_memory():
    assert diversity(REAL, 0.5 * RNG.normal(size=(400, 6))) == pytest.approx(0.5, rel=0.05)
    unseen = RNG.normal(size=(400, 6))
    assert memorised(REAL, unseen, RNG.normal(size=(400, 6))) < 0.04
    assert memorised(REAL, unseen, REAL[:100] + 1e-3) == 1


def test_psnr():
    assert peak_signal_to_noise(np.zeros((4, 4)), np.full((4, 4), 25.5)) == pytest.approx(20)

"""The best paths: exact where the posteriors are sure, and sound where they are not."""

import numpy as np
import pytest

from digitalme.audio.phone_search import align_words, free_phones
from digitalme.audio.phones import PHONES


def sure(names: list[tuple[str, int]], confidence: float = 8.0) -> np.ndarray:
    """Scores (frames, phones) in which each named phone stands out for its frames."""
    rows = [PHONES.index(name) for name, frames in names for _ in range(frames)]
    scores = np.zeros((len(rows), len(PHONES)))
    scores[np.arange(len(rows)), rows] = confidence
    return scores


SPOKEN = [
    ("SIL", 9),
    ("HH", 5),
    ("AH", 6),
    ("L", 7),
    ("OW", 12),
    ("SIL", 20),
    ("M", 6),
    ("M", 4),
    ("AE", 9),
    ("SIL", 5),
]
WAYS = [(("HH", "EH", "L", "OW"), ("HH", "AH", "L", "OW")), (("M",),), (("M", "AE"),)]


def test_known_words_are_found_to_the_frame_with_the_pronunciation_that_was_said():
    labels, _ = align_words(sure(SPOKEN), WAYS)
    names = [label.label for _, label in labels]
    assert names == [name for name, _ in SPOKEN]
    ends = np.cumsum([frames for _, frames in SPOKEN]) / 100
    sharp = [i for i, (name, _) in enumerate(SPOKEN) if not (name == "M" and SPOKEN[i + 1][0] == "M")]
    np.testing.assert_allclose([labels[i][1].end for i in sharp], ends[sharp], atol=1e-9)
    assert [word for word, _ in labels] == [-1, 0, 0, 0, 0, -1, 1, 2, 2, -1]


def test_words_without_pauses_and_without_silence_at_the_ends():
    spoken = [("HH", 5), ("AH", 6), ("L", 7), ("OW", 12), ("M", 9), ("M", 4), ("AE", 9)]
    labels, _ = align_words(sure(spoken), WAYS)
    assert [label.label for _, label in labels] == [name for name, _ in spoken]


def test_the_true_words_score_better_than_others():
    scores = sure(SPOKEN) + np.random.default_rng(0).normal(size=(83, len(PHONES)))
    _, true = align_words(scores, WAYS)
    _, other = align_words(scores, [(("K", "AE", "T"),), (("S", "IH", "T"),)])
    assert true > other + 1


def test_too_little_sound_for_the_words_gives_none():
    assert align_words(sure([("SIL", 8)]), WAYS) is None


@pytest.mark.parametrize("seed", range(3))
def test_free_phones_survive_noise_that_argmax_does_not(seed):
    spoken = [(name, frames) for name, frames in SPOKEN if frames >= 5]
    flat = np.full((len(PHONES), len(PHONES)), -np.log(len(PHONES)))
    noise = np.random.default_rng(seed).normal(size=(sum(f for _, f in spoken), len(PHONES)))
    scores = sure(spoken, 4.0) + 1.2 * noise
    assert (scores.argmax(1) != sure(spoken).argmax(1)).any()
    found = free_phones(scores, flat)
    assert [label.label for label in found] == [name for name, _ in spoken]
    assert found[0].start == 0
    assert found[-1].end == pytest.approx(len(scores) / 100)
    for left, right in zip(found[:-1], found[1:], strict=True):
        assert left.end == right.start
        assert left.end - left.start >= 0.03 - 1e-9

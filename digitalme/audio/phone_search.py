"""From phone posteriors to phones with times: the best path through known words, or through a phone bigram."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from digitalme.artifacts.speech import TimedLabel
from digitalme.audio.phones import PHONES

FRAME = 0.01
_SILENCE = PHONES.index("SIL")
_NEVER = -1e9
_BEAM = 600.0  # nepers below the best path at which a path is dropped

Scores = Float[np.ndarray, "frames phones"]
Ways = tuple[tuple[str, ...], ...]


class _Lattice:
    """A left-to-right graph of states, each one phone for at least one frame; arcs only lead forward."""

    def __init__(self) -> None:
        self.phones: list[int] = []
        self.words: list[int] = []
        self.units: list[int] = []
        """States of one phone in one place share a unit."""
        self.before: list[list[int]] = []

    def chain(self, phones: tuple[int, ...], repeats: int, word: int, after: list[int]) -> int:
        """Append phones of at least `repeats` frames each behind any of the states `after`; the last state."""
        for phone in phones:
            unit = len(self.phones)
            for _ in range(repeats):
                self.phones.append(phone)
                self.words.append(word)
                self.units.append(unit)
                self.before.append(after)
                after = [len(self.phones) - 1]
        return after[0]


def align_words(scores: Scores, ways: list[Ways]) -> tuple[list[tuple[int, TimedLabel]], float] | None:
    """((word number, phone) ..., mean log score a frame) of the best path that says all words in order.

    `scores` (frames, phones) are log posteriors, or better log posteriors less log priors; `ways` gives each word's
    pronunciations. Silence may stand before, between and behind words (word number -1). None where the clip is too
    short for the words.
    """
    lattice = _Lattice()
    start = lattice.chain((_SILENCE,), 1, -1, [])
    ends = [start]
    firsts = [start]
    for number, pronunciations in enumerate(ways):
        first_state = len(lattice.phones)
        out = [lattice.chain(tuple(map(PHONES.index, way)), 2, number, ends) for way in pronunciations]
        if number == 0:  # speech may begin at once
            firsts += [at for at in range(first_state, len(lattice.phones)) if lattice.before[at] is ends]
        pause = lattice.chain((_SILENCE,), 4, -1, out)
        ends = [*out, pause]
    path = _best_path(scores, lattice, firsts, ends)
    if path is None:
        return None
    states, total = path
    labels = []
    cuts = [0, *(np.flatnonzero(np.diff(np.array(lattice.units)[states])) + 1), len(states)]
    for first, last in pairwise(cuts):
        state = states[first]
        label = TimedLabel(PHONES[lattice.phones[state]], first * FRAME, last * FRAME)
        labels.append((lattice.words[state], label))
    return labels, total / len(scores)


def _best_path(
    scores: Scores, lattice: _Lattice, firsts: list[int], lasts: list[int]
) -> tuple[np.ndarray, float] | None:
    """Viterbi over the lattice; only the states between the first and the last that are in the beam are touched."""
    count = len(lattice.phones)
    widest = max(map(len, lattice.before)) + 1
    sources = np.full((count, widest), count)  # the extra state is never reached
    for state, before in enumerate(lattice.before):
        sources[state, : len(before) + 1] = [state, *before]
    phones = np.array(lattice.phones)
    now = np.full(count + 1, _NEVER)
    now[firsts] = scores[0, phones[firsts]]
    low, high = min(firsts), max(firsts) + 1
    reach = max(state - min(before) for state, before in enumerate(lattice.before) if before)
    choices: list[tuple[int, np.ndarray]] = [(0, np.zeros(0, np.int8))]
    for frame in range(1, len(scores)):
        alive = np.flatnonzero(now[low:high] > now[low:high].max() - _BEAM)
        low, high = low + int(alive[0]), min(count, low + int(alive[-1]) + 1 + reach)
        options = now[sources[low:high]]
        choice = options.argmax(1)
        fresh = options[np.arange(high - low), choice] + scores[frame, phones[low:high]]
        now[max(0, low - reach) : low] = _NEVER
        now[low:high] = fresh
        choices.append((low, choice.astype(np.int8)))
    last = lasts[int(now[lasts].argmax())]
    total = now[last]
    if total < _NEVER / 2:
        return None
    states = np.empty(len(scores), np.int64)
    states[-1] = last
    for frame in range(len(scores) - 1, 0, -1):
        low, choice = choices[frame]
        states[frame - 1] = sources[states[frame], choice[states[frame] - low]]
    return states, float(total)


def free_phones(
    scores: Scores, bigram: Float[np.ndarray, "phones phones"], weight: float = 1.0, shortest: int = 3
) -> tuple[TimedLabel, ...]:
    """The best phone sequence without words: each phone at least `shortest` frames, `bigram` (from, to) log chances."""
    frames, count = scores.shape
    now = np.full((shortest, count), _NEVER)
    now[0] = scores[0]
    back = np.zeros((frames, count), np.int16)  # for stage 0: the phone before, or itself within the last stage
    stayed = np.zeros((frames, count), bool)
    jump = weight * bigram
    for frame in range(1, frames):
        entering = now[-1][:, None] + jump
        source = entering.argmax(0)
        fresh = np.empty_like(now)
        fresh[0] = entering[source, np.arange(count)]
        fresh[1:] = now[:-1]
        stayed[frame] = now[-1] >= fresh[-1]
        fresh[-1] = np.maximum(now[-1], fresh[-1])
        now = fresh + scores[frame]
        back[frame] = source
    stage, phone = shortest - 1, int(now[-1].argmax())
    ends = [(frames, phone)]
    starts = []
    for frame in range(frames - 1, 0, -1):
        if stage == shortest - 1 and stayed[frame, phone]:
            continue
        if stage > 0:
            stage -= 1
            continue
        starts.append(frame)
        phone, stage = int(back[frame, phone]), shortest - 1
        ends.append((frame, phone))
    starts.append(0)
    labels = [TimedLabel(PHONES[p], a * FRAME, b * FRAME) for a, (b, p) in zip(starts, ends, strict=True)]
    return tuple(reversed(labels))

"""What is said and when: words and phones in 16 kHz sound, by the phone network, with pocketsphinx's ear for words."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

import numpy as np
from jaxtyping import Float32

from digitalme.artifacts.speech import TimedLabel
from digitalme.audio import sphinx
from digitalme.audio.files import ANALYSIS_RATE
from digitalme.audio.phone_net import bigram, log_posteriors, log_prior
from digitalme.audio.phone_search import align_words, free_phones
from digitalme.audio.phones import PHONES
from digitalme.audio.prosody import level_db
from digitalme.audio.words import pronunciations

Ways = tuple[tuple[str, ...], ...]
Labels = tuple[TimedLabel, ...]
Samples = Float32[np.ndarray, "n"]

_PRIOR = 0.6
"""How much of the phones' log priors is taken off their posteriors where the words are known."""
_PRIOR_WITHOUT_WORDS = 0.2
_BIGRAM = 0.2
_TRUST_IN_NOISE, _TRUST_IN_QUIET = 4.0, 3.0
"""Nepers a frame by which the phone of a recognised word is preferred: times the square of how well the network hears
that word (a mean chance) in noise, times its root in quiet. Chosen on 24 sentences of the network's own voices."""
_SPHINX_TRUST = 0.5
"""Nepers a frame for the phone of pocketsphinx's own alignment: its ear was trained on people, the network's on
synthesisers, so it steadies voices that the network does not know."""


def align(samples: Samples, said: list[tuple[str, Ways]], english: bool = True) -> tuple[Labels, Labels] | None:
    """(words, phones) of sound whose words and their pronunciations are known; None where it is too short for them."""
    words = [word for word, _ in said]
    scores = log_posteriors(samples) - _PRIOR * log_prior()
    if english and (other := sphinx.align(samples, words)):
        for phone in other[1]:
            scores[round(phone.start * 100) : round(phone.end * 100), PHONES.index(phone.label)] += _SPHINX_TRUST
    found = align_words(scores, [ways for _, ways in said])
    if found is None:
        return None
    labels, _ = found
    return _word_labels(labels, words), tuple(label for _, label in labels)


def _word_labels(labels: list[tuple[int, TimedLabel]], words: list[str]) -> Labels:
    spans: dict[int, list[float]] = {}
    for number, label in labels:
        if number >= 0:
            spans.setdefault(number, [label.start, label.end])[1] = label.end
    return tuple(TimedLabel(words[number], *span) for number, span in sorted(spans.items()))


def hear(samples: Samples, english: bool = True) -> tuple[Labels, Labels, str]:
    """(words, phones, "recognised" or "acoustic") of sound whose words are not known.

    In English the words that pocketsphinx hears are aligned first. Each pulls the phones its way as far as the
    network hears it too, so that a wrong word, as noise makes them, does little harm.
    """
    posteriors = log_posteriors(samples)
    scores = posteriors - _PRIOR_WITHOUT_WORDS * log_prior()
    words: tuple[TimedLabel, ...] = ()
    heard = sphinx.recognise(samples) if english else []
    found = align_words(posteriors - _PRIOR * log_prior(), [pronunciations(word) for word in heard]) if heard else None
    if found:
        labels, _ = found
        quiet = _quietness(samples)
        words = _word_labels(labels, heard)
        for _, group in groupby((pair for pair in labels if pair[0] >= 0), key=itemgetter(0)):
            cells = [
                (frame, PHONES.index(label.label))
                for _, label in group
                for frame in range(round(label.start * 100), round(label.end * 100))
            ]
            rows, columns = np.array(cells).T
            fit = np.exp(posteriors[rows, columns]).mean()
            trust = (1 - quiet) * _TRUST_IN_NOISE * fit**2 + quiet * _TRUST_IN_QUIET * np.sqrt(fit)
            scores[rows, columns] += trust
    return words, free_phones(scores, bigram(), _BIGRAM, shortest=2), "recognised" if words else "acoustic"


def _quietness(samples: Samples) -> float:
    """0 where the pauses are less than 20 dB below the speech, 1 where more than 30 dB."""
    quiet, loud = np.percentile(level_db(samples, ANALYSIS_RATE), (10, 95))
    return float(np.clip((loud - quiet - 20) / 10, 0, 1))

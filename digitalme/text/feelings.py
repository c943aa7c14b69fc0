"""What a sentence feels: sentiment and emotions of English and Chinese by a lexicon, with negation and intensity.

A lexicon knows no irony and no context; what it finds is a hint for a face, not a judgement of a person.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from digitalme.paths import asset
from digitalme.text.language import language_of

EMOTIONS = ("happy", "sad", "angry", "surprised", "afraid", "disgusted")
_VALENCE = {"happy": 1.0, "sad": -0.9, "angry": -1.0, "surprised": 0.0, "afraid": -0.7, "disgusted": -1.0,
            "good": 0.8, "bad": -0.8}  # fmt: skip
_HINT = {"good": ("happy", 0.35), "bad": ("sad", 0.4)}
"""A judgement tells a little of a feeling: this share of its strength."""
_DENIED = {"happy": ("sad", 0.6), "good": ("bad", 0.9), "bad": ("good", 0.7), "sad": ("happy", 0.25)}
"""What is left of a word that is denied: "not happy" is rather sad; "not angry" is nothing."""
FAINT = 0.12
"""A weaker emotion is not told."""
NEGATION_REACH = 3
"""A negator denies the words that follow within so many others (in Chinese: signs)."""


@dataclass(frozen=True)
class Feeling:
    """What a sentence feels."""

    sentiment: float
    """-1 (bad) to 1 (good)."""
    emotions: dict[str, float]
    """Emotion to strength 0..1; none where the sentence is plain."""


@dataclass(frozen=True)
class _Lexicon:
    words: Mapping[str, tuple[tuple[str, float], ...]]
    """Word or phrase to (class, strength) of each class that it belongs to."""
    negators: frozenset[str]
    factors: Mapping[str, float]
    """Word that makes the next stronger or weaker."""
    turns: frozenset[str]
    longest: int


def _entries(text: str) -> list[tuple[str, float]]:
    entries = []
    for item in text.split():
        word, _, strength = item.rpartition(":")
        named = bool(word) and re.fullmatch(r"\d*\.\d+", strength) is not None
        entries.append(((word if named else item).replace("_", " "), float(strength) if named else 0.6))
    return entries


@lru_cache(maxsize=1)
def _tables() -> dict:
    return tomllib.loads(asset("feelings.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=2)
def _lexicon(language: str) -> _Lexicon:
    about = _tables()[language]
    words: dict[str, tuple[tuple[str, float], ...]] = {}
    for kind, text in about["words"].items():
        for word, strength in _entries(text):
            words[word] = (*words.get(word, ()), (kind, strength))
    factors = dict.fromkeys((word.replace("_", " ") for word in about["stronger"].split()), 1.35)
    factors |= dict.fromkeys((word.replace("_", " ") for word in about["weaker"].split()), 0.55)
    negators = frozenset(about["negators"].split())
    length = len if language == "zh" else lambda word: len(word.split())
    longest = max(length(word) for word in [*words, *factors, *negators])
    return _Lexicon(words, negators, factors, frozenset(about["turns"].split()), longest)


def feeling_of(sentence: str, language: str = "") -> Feeling:
    """Sentiment and emotions of one sentence; plain (0, {}) in a language other than English and Chinese."""
    language = (language or language_of(sentence)).partition("-")[0]
    strengths: dict[str, float] = {}
    valence = 0.0

    def feel(kind: str, strength: float) -> None:
        nonlocal valence
        strength = min(max(strength, 0.0), 1.0)
        valence += _VALENCE[kind] * strength
        emotion, share = _HINT.get(kind, (kind, 1.0))
        strengths[emotion] = 1 - (1 - strengths.get(emotion, 0.0)) * (1 - share * strength)

    for emotion, signs in _tables()["signs"].items():
        for sign in signs.split():
            alone = re.escape(sign) if not sign.isalpha() else rf"\b{re.escape(sign)}\b"
            if re.search(alone, sentence):
                feel(emotion, 0.6)
                break
    if language in ("en", "zh"):
        lexicon = _lexicon(language)
        units = _units(sentence, language)
        loud = 1.2 if re.search("[!！]", sentence) else 1.0
        for kind, strength in _found(units, lexicon, language):
            feel(kind, loud * strength)
    top = max(strengths.values(), default=0.0)
    emotions = {name: round(s, 3) for name, s in sorted(strengths.items()) if s >= max(FAINT, 0.35 * top)}
    return Feeling(round(max(-1.0, min(1.0, valence)), 3), emotions)


def _units(sentence: str, language: str) -> list[str]:
    """English: lower-case words and marks. Chinese: single signs."""
    if language == "zh":
        return [sign for sign in sentence if not sign.isspace()]
    return re.findall(r"[a-z]+(?:'[a-z]+)?\??|[,.;:!?]", sentence.lower().replace("’", "'"))


def _found(units: list[str], lexicon: _Lexicon, language: str) -> list[tuple[str, float]]:
    """(class, strength) of each word that feels something, negation, intensity and "but" worked in."""
    join = "" if language == "zh" else " "
    found: list[tuple[str, float]] = []
    factor, denied_until, at = 1.0, -1, 0
    while at < len(units):
        for size in range(min(lexicon.longest, len(units) - at), 0, -1):
            phrase = join.join(units[at : at + size])
            senses = _senses(phrase, lexicon, language)
            if senses or phrase in lexicon.factors or phrase in lexicon.negators or phrase in lexicon.turns:
                break
        else:
            size, phrase, senses = 1, units[at], ()
        denies = phrase in lexicon.negators or (language == "en" and phrase.endswith("n't"))
        if senses:
            denied = at <= denied_until
            for kind, strength in senses:
                if denied:
                    kind, share = _DENIED.get(kind, (kind, 0.0))
                    strength *= share
                if strength * factor > 0:
                    found.append((kind, strength * factor))
            factor = 1.0
        elif denies:
            denied_until = at + size - 1 + NEGATION_REACH
            factor = lexicon.factors.get(phrase, 1.0) if phrase in lexicon.factors else factor
        elif phrase in lexicon.factors:
            factor *= lexicon.factors[phrase]
            denied_until += size if at <= denied_until else 0  # "not very happy"
        elif phrase in lexicon.turns:
            found = [(kind, 0.5 * strength) for kind, strength in found]
            factor, denied_until = 1.0, -1
        elif re.fullmatch(r"[,.;:!?，。；：！？、]", phrase):
            factor, denied_until = 1.0, -1
        elif language == "en" and phrase not in ("a", "the", "that", "been", "feeling", "feel"):
            factor = 1.0
        at += size
    return found


def _senses(phrase: str, lexicon: _Lexicon, language: str) -> tuple[tuple[str, float], ...]:
    if phrase in lexicon.words or language == "zh":
        return lexicon.words.get(phrase, ())
    if " " in phrase or phrase in lexicon.factors or phrase in lexicon.negators:
        return ()
    for stem in _stems(phrase.rstrip("?")):
        if stem in lexicon.words:
            return lexicon.words[stem]
    return ()


def _stems(word: str) -> list[str]:
    """A word without the endings of English inflection, likeliest first."""
    stems = [word]
    for ending, instead in (
        ("ies", "y"), ("ied", "y"), ("iest", "y"), ("ier", "y"), ("ily", "y"), ("es", ""), ("s", ""), ("ed", "e"), ("ed", ""),
        ("ing", "e"), ("ing", ""), ("ly", ""), ("er", ""), ("est", ""), ("ness", ""),
    ):  # fmt: skip
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            stem = word[: len(word) - len(ending)] + instead
            stems.append(stem)
            if len(stem) > 3 and stem[-1] == stem[-2]:  # crying, stopped -> stop
                stems.append(stem[:-1])
    return stems

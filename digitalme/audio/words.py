"""English words and how they are said: plain words from written text, dictionary first, letters to sounds otherwise."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_ONES += [f"{stem}teen" for stem in ("thir", "four", "fif", "six", "seven", "eigh", "nine")]
_TENS = ["", "", *(f"{stem}ty" for stem in ("twen", "thir", "for", "fif", "six", "seven", "eigh", "nine"))]
_SIGNS = {"%": " percent ", "&": " and ", "+": " plus ", "=": " equals ", "@": " at ", "$": " dollars ", "€": " euros "}


def spell_number(number: int) -> str:
    """An integer as English words: 1984 -> "one thousand nine hundred eighty four"."""
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = f" {spell_number(number % size)}" if number % size else ""
            return f"{spell_number(number // size)} {name}{rest}"
    if number < 20:
        return _ONES[number]
    return _TENS[number // 10] + (f" {_ONES[number % 10]}" if number % 10 else "")


def spoken_words(text: str) -> list[str]:
    """The words of a text as they are said: lower case, no punctuation, numbers spelt out."""
    text = unicodedata.normalize("NFKD", text).replace("’", "'").lower()
    text = "".join(c for c in text if not unicodedata.combining(c))
    for sign, name in _SIGNS.items():
        text = text.replace(sign, name)
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"(\d+)\.(\d+)", lambda m: f"{m[1]} point {' '.join(m[2])}", text)
    text = re.sub(r"\d+", lambda m: f" {spell_number(int(m[0])) if len(m[0]) < 12 else ' '.join(m[0])} ", text)
    return [word.strip("'") for word in re.findall(r"[a-z']+", text) if word.strip("'")]


@lru_cache(maxsize=1)
def dictionary() -> dict[str, tuple[tuple[str, ...], ...]]:
    """Word -> its pronunciations in ARPAbet, from the dictionary that pocketsphinx ships (CMUdict, 134,000 words)."""
    import pocketsphinx

    entries: dict[str, list[tuple[str, ...]]] = {}
    path = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *phones = line.split()
        entries.setdefault(word.partition("(")[0], []).append(tuple(phones))
    return {word: tuple(ways) for word, ways in entries.items()}


_SUFFIXES = {"'s": ("Z",), "s": ("Z",), "ed": ("D",), "ing": ("IH", "NG"), "ly": ("L", "IY"), "er": ("ER",)}

# Longest match first; a rule for a whole spelling beats its letters.
_LETTERS = {
    "tion": "SH AH N", "sion": "ZH AH N", "ough": "AO", "augh": "AO", "eigh": "EY", "tch": "CH", "dge": "JH",
    "sch": "S K", "igh": "AY", "eau": "OW", "air": "EH R", "ear": "IH R", "our": "AO R", "oor": "AO R", "ure": "Y ER",
    "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "wh": "W", "ck": "K", "ng": "NG", "qu": "K W", "kn": "N",
    "wr": "R", "gn": "N", "gh": "G", "rh": "R", "ee": "IY", "ea": "IY", "oo": "UW", "ou": "AW", "ow": "OW",
    "oi": "OY", "oy": "OY", "ai": "EY", "ay": "EY", "ei": "IY", "ey": "IY", "ie": "IY", "au": "AO", "aw": "AO",
    "ew": "UW", "eu": "UW", "oa": "OW", "ue": "UW", "ui": "UW", "ar": "AA R", "er": "ER", "ir": "ER", "ur": "ER",
    "or": "AO R", "ce": "S", "ci": "S IH", "cy": "S IY", "ge": "JH", "gi": "JH IH", "a": "AE", "b": "B", "c": "K",
    "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N",
    "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IY",
    "z": "Z", "'": "",
}  # fmt: skip
_LONG = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW", "y": "AY"}


def letters_to_sounds(word: str) -> tuple[str, ...]:
    """A guess for a word that no dictionary has: English spelling rules, longest spelling first, silent final e."""
    magic = re.fullmatch(r"(.*)([aeiouy])([bcdfgklmnprstvz])e", word)
    if magic and len(word) > 3:
        soft = {"c": ("S",), "g": ("JH",)}.get(magic[3]) or letters_to_sounds(magic[3])
        return (*letters_to_sounds(magic[1]), _LONG[magic[2]], *soft)
    if len(word) > 2 and word[-1] == "e" and word[-2] not in "aeiouy":
        word = word[:-1] if word[-2] not in "cg" else word
    word = re.sub(r"([bcdfgklmnpqrstvxz])\1", r"\1", word)
    phones: list[str] = []
    if word.startswith("y") and len(word) > 1:
        phones, word = ["Y"], word[1:]
    at = 0
    while at < len(word):
        size = next((n for n in (4, 3, 2, 1) if word[at : at + n] in _LETTERS), 0)
        if size:
            phones += _LETTERS[word[at : at + size]].split()
        at += size or 1
    return tuple(phones)


def pronunciations(word: str) -> tuple[tuple[str, ...], ...]:
    """All ways to say a word, ARPAbet without stress: the dictionary's, a stem's with its ending, or by the letters."""
    known = dictionary()
    if word in known:
        return known[word]
    for suffix, phones in _SUFFIXES.items():
        if word.endswith(suffix) and word.removesuffix(suffix) in known:
            return tuple((*way, *phones) for way in known[word.removesuffix(suffix)])
    for cut in range(3, len(word) - 2):
        if word[:cut] in known and word[cut:] in known:
            return ((*known[word[:cut]][0], *known[word[cut:]][0]),)
    return (letters_to_sounds(word) or ("AH",),)

"""From IPA, which synthesisers speak in, to the ARPAbet phones that the visemes know. For any language: what a sound
looks like on the lips decides where ARPAbet has no letter for it (y -> UW, x -> HH, ø -> OW)."""

from __future__ import annotations

import unicodedata

_TABLE = {
    "p": "P", "b": "B", "m": "M", "β": "B", "ɸ": "F", "f": "F", "v": "V", "ʋ": "V", "θ": "TH", "ð": "DH",
    "t": "T", "d": "D", "ɾ": "D", "ʈ": "T", "ɖ": "D", "ʔ": "T", "k": "K", "g": "G", "ɡ": "G", "q": "K", "c": "K",
    "ɟ": "G", "ŋ": "NG", "h": "HH", "ɦ": "HH", "x": "HH", "χ": "HH", "ɣ": "HH", "ʁ": "HH", "ʀ": "HH", "ħ": "HH",
    "ç": "HH", "tʃ": "CH", "dʒ": "JH", "tɕ": "CH", "dʑ": "JH", "tʂ": "CH", "ʈʂ": "CH", "dʐ": "JH", "ʃ": "SH",
    "ʒ": "ZH", "ɕ": "SH", "ʑ": "ZH", "ʂ": "SH", "ʐ": "ZH", "ts": "S", "dz": "Z", "s": "S", "z": "Z", "n": "N",
    "ɲ": "N", "ɳ": "N", "ɴ": "N", "l": "L", "ɫ": "L", "ʎ": "L", "ɭ": "L", "r": "R", "ɹ": "R", "ɻ": "R", "ɽ": "R",
    "j": "Y", "ʝ": "Y", "w": "W", "ɥ": "W", "ʍ": "W",
    "i": "IY", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "e": "EY", "ɛ": "EH", "æ": "AE", "a": "AA", "ɑ": "AA", "ɒ": "AA",
    "ɔ": "AO", "o": "OW", "ʊ": "UH", "u": "UW", "ʉ": "UW", "ɯ": "UH", "y": "UW", "ʏ": "UH", "ø": "OW", "œ": "AO",
    "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ɤ": "AH", "ɜ": "ER", "ɚ": "ER", "ɝ": "ER", "ɘ": "AH", "ɵ": "OW",
    "aɪ": "AY", "aʊ": "AW", "ɔɪ": "OY", "eɪ": "EY", "oʊ": "OW", "əʊ": "OW", "ai": "AY", "au": "AW", "ei": "EY",
    "ou": "OW", "ɔø": "OY", "ɔʏ": "OY",
}  # fmt: skip


def arpabet(ipa: str) -> list[tuple[str, int, int]]:
    """(phone, first, last + 1) for each sound of an IPA string; positions count characters of the string.

    Marks of stress, length, tone and nasality belong to the sound before them; stress marks to the one behind.
    """
    plain = [unicodedata.normalize("NFD", c)[0] for c in ipa]  # ä is a with a mark
    letters = [(at, c) for at, c in enumerate(plain) if _is_letter(c)]
    sounds: list[tuple[str, int]] = []
    at = 0
    while at < len(letters):
        position, first = letters[at]
        together = first + letters[at + 1][1] if at + 1 < len(letters) else ""
        adjacent = at + 1 < len(letters) and not ipa[position + 1 : letters[at + 1][0]].strip("\u0361ː")
        size = 2 if adjacent and together in _TABLE else 1
        phone = _TABLE.get(together if size == 2 else first)
        if phone:
            sounds.append((phone, position))
        at += size
    ends = [*(position for _, position in sounds), len(ipa)][1:]
    return [(phone, start, end) for (phone, start), end in zip(sounds, ends, strict=True)]


def _is_letter(character: str) -> bool:
    return character in "ᵻ" or unicodedata.category(character) in ("Ll", "Lo")

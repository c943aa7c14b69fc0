"""How a text is said, in any language: the words and their possible phones."""

from __future__ import annotations

import re
import shutil
import subprocess

from digitalme.audio.ipa import arpabet
from digitalme.audio.words import pronunciations, spoken_words

Ways = tuple[tuple[str, ...], ...]
_ESPEAK_NAMES = {"zh": "cmn", "cmn": "cmn", "yue": "yue"}
_SPELT_OUT = ("tʃˈaɪniːz", "dʒˈapəniːz", "lˈɛtə", "lˈe̞tə")  # espeak-ng names letters that it cannot read, in English


def say_how(text: str, language: str) -> list[tuple[str, Ways]] | None:
    """(word, its pronunciations in ARPAbet) in order; [] for no words.

    English by dictionary and letters; other languages by espeak-ng, which comes with the extra [tts] or as a program.
    None where that is not installed or cannot read the script (Japanese wants kana).
    """
    base = language.lower().partition("-")[0]
    if base == "en":
        return [(word, pronunciations(word)) for word in spoken_words(text)]
    if not text.strip():
        return []
    ipa = _phonemize(text, _ESPEAK_NAMES.get(base, base))
    if ipa is None or any(mark in ipa for mark in _SPELT_OUT):
        return None
    ipa = re.sub(r"\([a-z-]+\)", " ", ipa)  # espeak-ng's marks for a change of language
    words = [(word, tuple(phone for phone, _, _ in arpabet(word))) for word in re.split(r"[\s,.;:!?¿¡\"“”]+", ipa)]
    said = [(word, (way,)) for word, way in words if way]
    written = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text)
    if len(written) == len(said):  # else the sounds have to serve as names
        said = [(name, ways) for name, (_, ways) in zip(written, said, strict=True)]
    return said


def _phonemize(text: str, voice: str) -> str | None:
    try:
        from piper.phonemize_espeak import EspeakPhonemizer
    except ModuleNotFoundError:
        program = shutil.which("espeak-ng")
        if not program:
            return None
        said = subprocess.run([program, "-q", "--ipa", "-v", voice, "--", text], capture_output=True, text=True)
        return said.stdout if said.returncode == 0 else None
    try:
        return " ".join("".join(sentence) for sentence in EspeakPhonemizer().phonemize(voice, text))
    except RuntimeError:  # a language that espeak-ng does not have
        return None

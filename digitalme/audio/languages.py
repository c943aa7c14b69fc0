"""How a text is said, in any language: the words and their possible phones."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys

from digitalme.audio.ipa import arpabet
from digitalme.audio.words import pronunciations, spoken_words

Ways = tuple[tuple[str, ...], ...]
_ESPEAK_NAMES = {"zh": "cmn", "zh-cn": "cmn", "zh-tw": "cmn"}
_PIPERS = """
import sys
from piper.phonemize_espeak import EspeakPhonemizer
sentences = EspeakPhonemizer().phonemize(sys.argv[1], sys.argv[2])
sys.stdout.buffer.write(" ".join("".join(sentence) for sentence in sentences).encode())
"""
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
    voice = _ESPEAK_NAMES.get(language.lower(), language.lower())
    ipa = in_ipa(text, voice) or in_ipa(text, base)
    if ipa is None or any(mark in ipa for mark in _SPELT_OUT):
        return None
    ipa = re.sub(r"\([a-z-]+\)", " ", ipa)  # espeak-ng's marks for a change of language
    if voice.startswith("cmn"):
        ipa = re.sub("(?<=[ptkɕsʂ])h", "", ipa)  # aspiration
    words = [(word, tuple(phone for phone, _, _ in arpabet(word))) for word in re.split(r"[\s,.;:!?¿¡\"“”]+", ipa)]
    said: list[tuple[str, Ways]] = [(word, (way,)) for word, way in words if way]
    written = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text)
    if len(written) == len(said):  # else the sounds have to serve as names
        said = [(name, ways) for name, (_, ways) in zip(written, said, strict=True)]
    return said


def in_ipa(text: str, voice: str) -> str | None:
    """IPA of a text by espeak-ng's `voice`, run as a program of its own (it is GPL): the one in the package piper-tts,
    which knows more scripts, else the system's."""
    if importlib.util.find_spec("piper"):
        command = [sys.executable, "-c", _PIPERS, voice, text]
    elif program := shutil.which("espeak-ng"):
        command = [program, "-q", "--ipa", "-v", voice, "--", text]
    else:
        return None
    said = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    return said.stdout if said.returncode == 0 else None

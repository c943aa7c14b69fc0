"""How a text is said, in any language: the words and their possible phones."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from functools import lru_cache

from digitalme.audio.ipa import arpabet
from digitalme.audio.words import pronunciations, spoken_words

Ways = tuple[tuple[str, ...], ...]
_ESPEAK_NAMES = {"zh": "cmn", "zh-cn": "cmn", "zh-tw": "cmn"}
_PIPERS = """
import importlib.util, sys, types
package = types.ModuleType("piper")  # without what the package imports for speaking: 0.1 s instead of 2
package.__path__ = list(importlib.util.find_spec("piper").submodule_search_locations)
sys.modules["piper"] = package
from piper.phonemize_espeak import EspeakPhonemizer
sentences = EspeakPhonemizer().phonemize(sys.argv[1], sys.argv[2])
sys.stdout.buffer.write(" ".join("".join(sentence) for sentence in sentences).encode())
"""
_SPELT_OUT = ("tʃˈaɪniːz", "dʒˈapəniːz", "lˈɛtə", "lˈe̞tə")  # espeak-ng names letters that it cannot read, in English


def say_how(text: str, language: str) -> list[tuple[str, Ways]] | None:
    """(word, its pronunciations in ARPAbet) in order; [] for no words.

    English by dictionary and letters; other languages by espeak-ng, which comes with the extra [tts] or as a program.
    None where that is not installed or cannot read the script (Japanese kanji want the extra [ja]).
    """
    base = language.lower().partition("-")[0]
    if base == "en":
        return [(word, pronunciations(word)) for word in spoken_words(text)]
    if not text.strip():
        return []
    voice = _ESPEAK_NAMES.get(language.lower(), language.lower())
    if base == "ja" and re.search("[\u4e00-\u9fff]", text):
        if (kana := in_kana(text)) is None:
            return None
        text = kana
    ipa = in_ipa(text, voice) or in_ipa(text, base)
    if ipa is None or any(mark in ipa for mark in _SPELT_OUT):
        return None
    ipa = re.sub(r"\([a-z-]+\)", " ", ipa)  # espeak-ng's marks for a change of language
    if voice.startswith("cmn"):
        ipa = plain_mandarin(ipa)
    words = [(word, tuple(phone for phone, _, _ in arpabet(word))) for word in re.split(r"[\s,.;:!?¿¡\"“”]+", ipa)]
    said: list[tuple[str, Ways]] = [(word, (way,)) for word, way in words if way]
    written = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text)
    if len(written) == len(said):  # else the sounds have to serve as names
        said = [(name, ways) for name, (_, ways) in zip(written, said, strict=True)]
    return said


def plain_mandarin(ipa: str) -> str:
    """espeak-ng's Mandarin without tones (digits, ɜ) and aspiration; it writes sh, zh and ng as "s.", "ts.", "nɡ"."""
    ipa = re.sub("[0-9ɜ-]", "", ipa).replace("s.", "ʂ").replace("nɡ", "ŋ")
    return re.sub("(?<=[ptkɕsʂ])h", "", ipa)


@lru_cache(maxsize=1)
def _japanese_words():
    from janome.tokenizer import Tokenizer

    return Tokenizer()


def in_kana(text: str) -> str | None:
    """Japanese as it is said, in katakana, a space between its words; None without the extra [ja] (janome)."""
    if not importlib.util.find_spec("janome"):
        return None
    tokens = _japanese_words().tokenize(text)
    return " ".join(token.surface if token.phonetic == "*" else token.phonetic for token in tokens)


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

"""Speech of the program festival with its own phone times: English voices to learn from, and a Russian one to measure
with (msu_ru_nsh_clunits: a person's recorded speech in pieces; Debian's festvox-ru).

The Russian voice reads the text by itself: nothing in it is shared with espeak-ng, which reads for us, and the phone
network was not trained on it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from digitalme.artifacts.speech import TimedLabel, Voice
from digitalme.audio import synthesis
from digitalme.audio.files import read_voice
from digitalme.errors import MissingExtraError

_VOWELS = {
    "a": "AA", "aa": "AA", "ae": "AE", "ay": "AH", "e": "EH", "ee": "EH", "i": "IY", "ii": "IY", "y": "IH", "yy": "IH",
    "u": "UW", "uu": "UW", "ur": "UH", "oo": "OW",
}  # fmt: skip
_CONSONANTS = {"c": "S", "ch": "CH", "sch": "SH", "sh": "SH", "zh": "ZH", "h": "HH", "hh": "HH", "j": "Y", "pau": "SIL"}


def english_phone(name: str) -> str:
    """ARPAbet of festival's English phone, the same as flite's."""
    return synthesis._FLITE_PHONES.get(name, name.upper())


def russian_phone(name: str) -> str:
    """ARPAbet of festival's Russian phone; a doubled consonant is a soft one."""
    known = _VOWELS.get(name) or _CONSONANTS.get(name)
    return known or name[0].upper()


def say_with_festival(
    text: str, voice: str, language: str = "en", phone_of: Callable[[str], str] = english_phone
) -> Voice:
    with tempfile.TemporaryDirectory() as folder:
        script = f"""(voice_{voice}) (set! u (utt.synth (Utterance Text "{text}")))
        (utt.save.wave u "{folder}/a.wav") (utt.save.segs u "{folder}/a.lab")"""
        subprocess.run(["festival", "--pipe"], input=script, text=True, check=True, capture_output=True)
        sound = read_voice(Path(folder) / "a.wav")
        lines = (Path(folder) / "a.lab").read_text().partition("#\n")[2].splitlines()
    phones, time = [], 0.0
    for end, _, name in (line.split()[:3] for line in lines if line.strip()):
        phones.append(TimedLabel(phone_of(name), time, float(end)))
        time = float(end)
    return Voice(sound.samples, sound.rate, text, language, tuple(phones))


def say_in_russian(text: str) -> Voice:
    if not shutil.which("festival") or not list(Path("/usr/share/festival/voices").glob("russian/msu_ru_nsh_clunits")):
        raise MissingExtraError("festival's Russian voice is not installed; on Debian: apt-get install festvox-ru")
    return say_with_festival(text, "msu_ru_nsh_clunits", "ru", russian_phone)

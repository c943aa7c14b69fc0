"""festival's Russian voice (msu_ru_nsh_clunits: a person's recorded speech in pieces; Debian's festvox-ru).

It reads the text by itself: nothing in it is shared with espeak-ng, which reads for us, and the phone network was not
trained on it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from digitalme.artifacts.speech import TimedLabel, Voice
from digitalme.audio.files import read_voice
from digitalme.errors import MissingExtraError

_VOWELS = {
    "a": "AA", "aa": "AA", "ae": "AE", "ay": "AH", "e": "EH", "ee": "EH", "i": "IY", "ii": "IY", "y": "IH", "yy": "IH",
    "u": "UW", "uu": "UW", "ur": "UH", "oo": "OW",
}  # fmt: skip
_CONSONANTS = {"c": "S", "ch": "CH", "sch": "SH", "sh": "SH", "zh": "ZH", "h": "HH", "hh": "HH", "j": "Y", "pau": "SIL"}


def phone_of(name: str) -> str:
    """ARPAbet of festival's Russian phone; a doubled consonant is a soft one."""
    known = _VOWELS.get(name) or _CONSONANTS.get(name)
    return known or name[0].upper()


def say_with_festival_russian(text: str) -> Voice:
    if not shutil.which("festival") or not list(Path("/usr/share/festival/voices").glob("russian/msu_ru_nsh_clunits")):
        raise MissingExtraError("festival's Russian voice is not installed; on Debian: apt-get install festvox-ru")
    with tempfile.TemporaryDirectory() as folder:
        script = f"""(voice_msu_ru_nsh_clunits) (set! u (utt.synth (Utterance Text "{text}")))
        (utt.save.wave u "{folder}/a.wav") (utt.save.segs u "{folder}/a.lab")"""
        subprocess.run(["festival", "--pipe"], input=script, text=True, check=True, capture_output=True)
        sound = read_voice(Path(folder) / "a.wav")
        lines = (Path(folder) / "a.lab").read_text().partition("#\n")[2].splitlines()
    phones, time = [], 0.0
    for end, _, name in (line.split()[:3] for line in lines if line.strip()):
        phones.append(TimedLabel(phone_of(name), time, float(end)))
        time = float(end)
    return Voice(sound.samples, sound.rate, text, "ru", tuple(phones))

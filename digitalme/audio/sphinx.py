"""pocketsphinx (its wheel carries an English acoustic model): align known words, recognise words, or hear phones."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from digitalme.artifacts.speech import TimedLabel
from digitalme.audio.words import dictionary, pronunciations

FRAME = 0.01  # seconds
_WIDE = {"beam": 1e-200, "wbeam": 1e-200, "pbeam": 1e-200}
_SILENT = {"<s>", "</s>", "<sil>", "[NOISE]", "[SPEECH]", "SIL", "+NSN+", "+SPN+"}
Samples = Float32[np.ndarray, "n"]
Labels = tuple[TimedLabel, ...]


def _decoder(**options: object):
    import pocketsphinx

    model = Path(pocketsphinx.get_model_path()) / "en-us"
    return pocketsphinx.Decoder(hmm=str(model / "en-us"), loglevel="FATAL", **options)


def _model_file(name: str) -> str:
    import pocketsphinx

    return str(Path(pocketsphinx.get_model_path()) / "en-us" / name)


def _listen(decoder, samples: Samples) -> None:
    decoder.start_utt()
    decoder.process_raw(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()


def align(samples: Samples, words: list[str]) -> tuple[Labels, Labels] | None:
    """(words, phones) of 16 kHz sound whose words are known; None where no alignment was found.

    The beams are so wide that noise does not end the search (that fails for one clip in five at the usual ones).
    """
    decoder = _decoder(lm=None, dict=_model_file("cmudict-en-us.dict"), bestpath=False, **_WIDE)
    for word in {word for word in words if word not in dictionary()}:
        for number, way in enumerate(pronunciations(word)):
            decoder.add_word(word if number == 0 else f"{word}({number + 1})", " ".join(way), False)
    try:
        decoder.set_align_text(" ".join(words))
        _listen(decoder, samples)
        if decoder.hyp() is None:
            return None
        decoder.set_alignment()
        _listen(decoder, samples)
    except RuntimeError:  # pocketsphinx's word for "could not be aligned"
        return None
    found_words, found_phones = [], []
    for word in decoder.get_alignment() or ():
        if word.name not in _SILENT:
            label = word.name.partition("(")[0]
            found_words.append(TimedLabel(label, word.start * FRAME, (word.start + word.duration) * FRAME))
        for phone in word:
            name = "SIL" if phone.name in _SILENT else phone.name
            found_phones.append(TimedLabel(name, phone.start * FRAME, (phone.start + phone.duration) * FRAME))
    return (tuple(found_words), tuple(found_phones)) if found_phones else None


@lru_cache(maxsize=1)
def _recogniser():
    """The decoder with words and language model (0.8 s to load)."""
    quick = {"fwdflat": False, "bestpath": False, "maxhmmpf": 3000}
    decoder = _decoder(lm=_model_file("en-us.lm.bin"), dict=_model_file("cmudict-en-us.dict"), **quick)
    return decoder


def recognise(samples: Samples) -> list[str]:
    """The words that pocketsphinx hears in 16 kHz sound, [] where it hears none. About 0.07 s for a second.

    One pass with at most 3000 states: as many words right as with its three passes, at a third of the time.
    """
    decoder = _recogniser()
    decoder.reinit_feat()  # what it learnt of another clip must not change this one's words
    _listen(decoder, samples)
    heard = [segment.word.partition("(")[0] for segment in decoder.seg() or ()]
    return [word for word in heard if word not in _SILENT]


def hear_phones(samples: Samples) -> Labels:
    """Phones without any words, from a phone language model."""
    decoder = _decoder(allphone=_model_file("en-us-phone.lm.bin"), lw=2.0, beam=1e-20, pbeam=1e-20)
    _listen(decoder, samples)
    return tuple(
        TimedLabel("SIL" if s.word in _SILENT else s.word, s.start_frame * FRAME, (s.end_frame + 1) * FRAME)
        for s in decoder.seg() or ()
    )

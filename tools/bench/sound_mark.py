"""The mark of synthesised speech: how loud it is, what it survives, and how unmarked sound scores.

    PYTHONPATH=. python tools/bench/sound_mark.py [--segments 1000] [sound files ...]

The null: 3 s pieces of the demo's voice, of the files named, of espeak-ng, flite and Piper where they are installed, at
random places, speeds and levels.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from digitalme.audio.files import read_voice, resample
from digitalme.audio.synthesis import say_with_espeak, say_with_flite, say_with_piper
from digitalme.demo import DEMO_WORDS, demo_voice
from digitalme.errors import MissingExtraError
from digitalme.trust.sound_mark import damage_db, detect_sound, mark_sound
from tests.trust.test_sound_mark import ATTACKS, through_aac

TEXT = "The quick brown fox jumps over the lazy dog while seventy wise judges think about pure oxygen and warm vases."


def voices(files: list[Path]) -> dict[str, tuple[np.ndarray, int]]:
    found = {"demo voice": read_voice(demo_voice()[0])} | {path.stem: read_voice(path) for path in files}
    for name, say in (
        ("flite slt", lambda: say_with_flite(DEMO_WORDS + TEXT)), ("flite rms", lambda: say_with_flite(TEXT, "rms")),
        ("flite awb", lambda: say_with_flite(TEXT, "awb")), ("piper joe", lambda: say_with_piper(DEMO_WORDS + TEXT)),
        ("espeak en", lambda: say_with_espeak(DEMO_WORDS)),
        ("espeak cmn", lambda: say_with_espeak("你好世界" * 9, "cmn")),
    ):  # fmt: skip
        try:
            found[name] = say()
        except MissingExtraError as error:
            print(f"without {name}: {error}", file=sys.stderr)
    return {name: (voice.samples, voice.rate) for name, voice in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=1000)
    parser.add_argument("files", nargs="*", type=Path)
    given = parser.parse_args()
    known = voices(given.files)
    attacks = {**ATTACKS, "AAC 48k": lambda sound, rate: through_aac(sound, rate, 48_000)}
    attacks["2 s of it, AAC 128k"] = lambda sound, rate: through_aac(sound[rate : 3 * rate], rate, 128_000)
    print("| voice | SNR, dB | segmental | spectral difference, dB | " + " | ".join(attacks) + " |")
    print("|---" * (4 + len(attacks)) + "|")
    begin, seconds = time.process_time(), 0.0
    for name, (sound, rate) in known.items():
        begin = time.process_time()
        marked = mark_sound(sound, rate)
        seconds += time.process_time() - begin
        figures = [f"{figure:.1f}" for figure in damage_db(sound, marked, rate)]
        figures += [f"{detect_sound(*attack(marked, rate)).strength:.1f}" for attack in attacks.values()]
        print(f"| {name} ({len(sound) / rate:.0f} s) | " + " | ".join(figures) + " |")
    total = sum(len(sound) / rate for sound, rate in known.values())
    print(f"\nproof needs a peak of 6.5; marking takes {seconds / total * 1e3:.1f} ms of CPU for a second of speech")
    random, seen = np.random.default_rng(0), []
    for _ in range(given.segments):
        sound, rate = list(known.values())[random.integers(len(known))]
        start = random.integers(0, max(len(sound) - 3 * rate, 1))
        piece = sound[start : start + 3 * rate] * random.uniform(0.1, 1)
        piece = resample(piece.astype(np.float32), 100, int(random.integers(80, 125)))
        seen.append(detect_sound(piece, rate))
    peaks = np.sort([each.strength for each in seen])
    print(f"unmarked, {len(seen)} pieces: {sum(each.found for each in seen)} found; median peak {np.median(peaks):.2f},"
          f" 99 % below {np.quantile(peaks, 0.99):.2f}, highest {peaks[-1]:.2f}; smallest chance"
          f" {min(each.chance for each in seen):.1e}")  # fmt: skip


if __name__ == "__main__":
    main()

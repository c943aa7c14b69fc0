"""Reading a voice from a sound or video file, and bringing sound to another rate."""

from __future__ import annotations

from math import gcd
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float32

from digitalme.artifacts.speech import Voice
from digitalme.errors import InputError

LONGEST_SECONDS = 600.0
SHORTEST_SECONDS = 0.2
SILENCE_DBFS = -60.0
"""A clip whose loudest 10 ms stay below this holds no voice."""
ANALYSIS_RATE = 16_000
MOST_CHANNELS = 64
_KINDS = "expected wav, mp3, m4a, flac, ogg or a video with sound"


def read_voice(path: str | Path, text: str = "", language: str = "en") -> Voice:
    """Decode a clip of at most LONGEST_SECONDS to mono at its own rate; stereo channels are averaged.

    `text` is what is said in it, where that is known.

    Raises InputError for a file that is missing, empty, not sound, too short, too long, or silent. A file that says it
    is too long is refused from its header; one that does not say is refused as soon as the limit is passed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; {_KINDS}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; {_KINDS}")
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.audio:
                raise InputError(f"{path}: holds no sound; {_KINDS}")
            stream = container.streams.audio[0]
            if stream.duration is not None and stream.time_base is not None:
                told = float(stream.duration * stream.time_base)
            else:
                told = (container.duration or 0) / av.time_base
            _check_length(path, told)
            samples, rate = _decode(path, container, stream)
    except av.FFmpegError as error:
        raise InputError(f"{path}: cannot be decoded ({error.strerror}); {_KINDS}") from None
    if len(samples) < SHORTEST_SECONDS * rate:
        raise InputError(f"{path}: {len(samples) / rate:.2f} s of sound; expected at least {SHORTEST_SECONDS} s")
    if not np.isfinite(samples).all():
        raise InputError(f"{path}: holds samples that are not numbers; export the clip again")
    loudest = _loudest_dbfs(samples, rate)
    if loudest < SILENCE_DBFS:
        heard = "digital silence" if np.isinf(loudest) else f"{loudest:.0f} dBFS at its loudest"
        raise InputError(f"{path}: no voice in it ({heard}); record again closer to the microphone")
    return Voice(samples, rate, text, language)


def sound_of_video(path: Path) -> Voice:
    """The sound of a video; silence of the same length where it has none, or nobody speaks in it."""
    try:
        return read_voice(path)
    except InputError as error:
        if not any(said in str(error) for said in ("holds no sound", "no voice in it", "of sound; expected at least")):
            raise
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        told = stream.duration and stream.time_base and float(stream.duration * stream.time_base)
        seconds = float(told or (container.duration or 0) / av.time_base)
    _check_length(path, seconds)
    return Voice(np.zeros(max(1, round(seconds * ANALYSIS_RATE)), np.float32), ANALYSIS_RATE)


def _check_length(path: Path, seconds: float) -> None:
    if seconds > LONGEST_SECONDS:
        limit = f"{LONGEST_SECONDS / 60:.0f} minutes"
        raise InputError(f"{path}: {seconds / 60:.1f} minutes of sound; the limit is {limit}, so cut the clip")


def _decode(path: Path, container: av.container.InputContainer, stream: av.AudioStream) -> tuple[np.ndarray, int]:
    rate = stream.rate if stream.codec_context else 0  # none: a kind of sound that no decoder is for
    if not rate:
        raise InputError(f"{path}: its sound has no sample rate; {_KINDS}")
    # keeps rate and channel layout; packed, for PyAV (18.1) reads past its list of planes from 8 channels on, and dies
    to_float = av.AudioResampler(format="flt")
    blocks, count = [], 0
    for frame in container.decode(stream):
        if frame.layout.nb_channels > MOST_CHANNELS:
            raise InputError(f"{path}: {frame.layout.nb_channels} channels of sound; at most {MOST_CHANNELS} are read")
        try:
            resampled = to_float.resample(frame)
        except ValueError:
            raise InputError(f"{path}: its sound changes channels or rate in the middle; {_KINDS}") from None
        for block in resampled:
            blocks.append(_mono(block))
            count += len(blocks[-1])
        _check_length(path, count / rate)
    for block in to_float.resample(None) if blocks else ():  # one that got nothing has nothing to give back
        blocks.append(_mono(block))
    samples = np.concatenate(blocks) if blocks else np.zeros(0)
    return np.clip(np.asarray(samples, np.float32), -1, 1), rate


def _mono(block: av.AudioFrame) -> np.ndarray:
    """The mean of a packed frame's channels, (n,)."""
    return block.to_ndarray().reshape(-1, block.layout.nb_channels).mean(1)


def _loudest_dbfs(samples: np.ndarray, rate: int) -> float:
    """RMS level of the loudest 10 ms, dBFS; the constant offset of a bad microphone does not count."""
    size = max(1, rate // 100)
    whole = samples[: len(samples) // size * size].astype(np.float64)
    power = float(np.square(whole.reshape(-1, size) - np.mean(whole)).mean(1).max())
    return 10 * np.log10(power) if power > 1e-14 else -np.inf


def resample(samples: Float32[np.ndarray, "n"], rate: int, wanted: int) -> Float32[np.ndarray, "m"]:
    """The same sound at another rate, band-limited (polyphase filter)."""
    if rate == wanted:
        return samples
    from scipy.signal import resample_poly  # 0.2 s to import

    common = gcd(rate, wanted)
    return resample_poly(samples, wanted // common, rate // common).astype(np.float32)

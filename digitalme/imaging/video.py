"""Video files by PyAV: a lossless intermediate that any player opens, the final H.264 + AAC MP4, and contact strips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from digitalme.errors import InputError

AUDIO_RATE = 48000
"""Sampling rate of the MP4's sound: what every player and every phone takes."""
GROUP = 25
"""Frames between key frames: seeking stays fast, size hardly grows."""

LARGEST_PICTURE = 36_000_000
"""Pixels of a frame that is read: 8K and a little."""

_BT709 = 1
_LIMITED_RANGE = 1


def _rate(fps: float) -> Fraction:
    """Frames per second as a fraction that video files can hold (29.97 becomes 2997/100)."""
    return Fraction(fps).limit_denominator(1001)


class LosslessWriter:
    """Writes pictures to a lossless video (H.264 RGB, qp 0, Matroska); use it in a `with` statement.

    The same pictures give the same bytes.
    """

    def __init__(self, path: Path, fps: float, width: int, height: int):
        self._container = av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"})
        self._stream = self._container.add_stream("libx264rgb", rate=_rate(fps))
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "rgb24"
        self._stream.options = {"qp": "0", "preset": "ultrafast", "g": str(GROUP), "threads": "1"}
        self.count = 0
        """Pictures written so far."""

    def write(self, picture: UInt8[np.ndarray, "h w 3"]) -> None:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = self.count, 1 / self._stream.codec_context.framerate
        self._container.mux(self._stream.encode(frame))
        self.count += 1

    def __enter__(self) -> LosslessWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        try:
            if kind is None:
                self._container.mux(self._stream.encode())
        finally:
            self._container.close()


def read_video(path: Path) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """The pictures of a video file, in order, sRGB."""
    with _open(path) as container, _told(path):
        for frame in container.decode(video=0):
            _check_size(path, frame.width, frame.height)
            yield frame.to_ndarray(format="rgb24")


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > LARGEST_PICTURE:
        raise InputError(f"{path}: pictures of {width} x {height}; at most {LARGEST_PICTURE // 10**6} million pixels")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What a decoder raises over damaged data, as one line."""
    try:
        yield
    except (av.error.FFmpegError, EOFError, UnicodeDecodeError) as error:
        why = str(error).partition(";")[0]
        raise InputError(f"{path}: the video is damaged ({why})") from None


def video_seconds(path: Path) -> float:
    """How long a video is, by its container."""
    with _open(path) as container, _told(path):
        stream = container.streams.video[0]
        if container.duration:
            return float(container.duration / av.time_base)
        return float((stream.duration or 0) * (stream.time_base or 0)) or 1.0


def read_video_at(path: Path, step: float) -> Iterator[tuple[float, UInt8[np.ndarray, "h w 3"]]]:
    """(seconds, picture) of a video's frames, at least `step` seconds apart, upright, from the start."""
    after = -1e-6
    with _open(path) as container, _told(path):
        for frame in container.decode(video=0):
            when = float(frame.time or 0.0)
            if when >= after:
                after = max(after, 0.0) + step if after >= 0 else when + step
                yield when, _upright(frame)


def pictures_at(path: Path, times: list[float]) -> Iterator[tuple[float, UInt8[np.ndarray, "h w 3"]]]:
    """(seconds, picture) at the given times, ascending; one pass through the video."""
    wanted = iter(times)
    target = next(wanted, None)
    with _open(path) as container, _told(path):
        for frame in container.decode(video=0):
            if target is None:
                return
            when = float(frame.time or 0.0)
            if when >= target - 1e-6:
                yield when, _upright(frame)
                target = next(wanted, None)


def _upright(frame: av.VideoFrame) -> UInt8[np.ndarray, "h w 3"]:
    """The picture, turned as a phone's file says."""
    picture = frame.to_ndarray(format="rgb24")
    quarters = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, quarters)) if quarters else picture


def timed_pictures(path: Path, seconds_max: float) -> Iterator[tuple[float, int, UInt8[np.ndarray, "h w 3"]]]:
    """(second from the start of the video, pictures that its header promises, picture turned upright).

    Phones film at uneven rates and on their side: times are the file's own, and its display rotation is applied.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        told = stream.duration and stream.time_base and float(stream.duration * stream.time_base)
        promised = stream.frames or round(float(told or 0) * float(stream.average_rate or 25))
        first, last, fps = None, -1.0, float(stream.average_rate or 25)
        for number, frame in enumerate(container.decode(stream)):
            at = frame.time if frame.time is not None else number / fps
            first = at if first is None else first
            seconds = at - first
            if seconds > seconds_max:
                raise InputError(f"{path}: longer than {seconds_max / 60:.0f} minutes; cut the video")
            if seconds <= last:  # a broken clock
                seconds = last + 1 / fps
            last = seconds
            yield seconds, promised, _upright(frame)


def _open(path: Path) -> av.container.InputContainer:
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable video ({error})") from None
    if not container.streams.video:
        container.close()
        raise InputError(f"{path}: holds no video track")
    stream = container.streams.video[0]
    try:
        _check_size(path, stream.codec_context.width, stream.codec_context.height)
    except (InputError, AttributeError) as error:
        container.close()
        raise InputError(f"{path}: {error}" if isinstance(error, AttributeError) else str(error)) from None
    stream.thread_type = "AUTO"
    return container


def encode_mp4(
    path: Path,
    pictures: Iterator[UInt8[np.ndarray, "h w 3"]],
    fps: float,
    size: tuple[int, int],
    samples: Float32[np.ndarray, "n"],
    rate: int,
    crf: int = 18,
    preset: str = "veryfast",
) -> int:
    """Write pictures and mono sound as H.264 + AAC; both tracks start at time 0. Returns the number of pictures.

    `size` is (width, height); odd sizes get one repeated column or row, for 4:2:0 chroma needs even ones. The sound
    is resampled to 48 kHz. The AAC encoder's priming samples are cut by the file's edit list, so that sample 0 is heard
    when picture 0 is seen.
    """
    width, height = size
    even = (width + width % 2, height + height % 2)
    container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"})
    try:
        video = container.add_stream("libx264", rate=_rate(fps))
        video.width, video.height, video.pix_fmt = *even, "yuv420p"
        video.options = {"crf": str(crf), "preset": preset, "g": str(4 * GROUP)}
        context = video.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        sound = container.add_stream("aac", rate=AUDIO_RATE, layout="mono")
        sound.bit_rate = 128_000

        # The tracks are interleaved a second at a time: a player that streams the file never waits for either.
        audio = _audio_frames(samples, rate)
        audio_seconds = 0.0
        count = 0
        for picture in pictures:
            if picture.shape[:2] != even[::-1]:
                picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE)
            frame.pts, frame.time_base = count, 1 / context.framerate
            container.mux(video.encode(frame))
            count += 1
            while audio_seconds < count / fps and (chunk := next(audio, None)) is not None:
                audio_seconds += chunk.samples / AUDIO_RATE
                container.mux(sound.encode(chunk))
        for chunk in audio:
            container.mux(sound.encode(chunk))
        container.mux(video.encode())
        container.mux(sound.encode())
    finally:
        container.close()
    return count


def _audio_frames(samples: Float32[np.ndarray, "n"], rate: int) -> Iterator[av.AudioFrame]:
    """Mono sound as frames of 1024 samples at AUDIO_RATE, stamped from 0."""
    if rate != AUDIO_RATE:
        samples = _resample(samples, rate)
    for start in range(0, len(samples), 1024):
        chunk = np.ascontiguousarray(samples[None, start : start + 1024], np.float32)
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, start, Fraction(1, AUDIO_RATE)
        yield frame


def _resample(samples: Float32[np.ndarray, "n"], rate: int) -> Float32[np.ndarray, "m"]:
    from scipy.signal import resample_poly

    ratio = Fraction(AUDIO_RATE, rate)
    return resample_poly(samples, ratio.numerator, ratio.denominator).astype(np.float32)


def contact_strip(path: Path, n: int = 12, columns: int = 6, side: int = 256) -> UInt8[np.ndarray, "h w 3"]:
    """`n` pictures spread evenly over a video, `columns` to a row, each `side` pixels wide."""
    with _open(path) as container, _told(path):
        stream = container.streams.video[0]
        fps = float(stream.average_rate or 25)
        total = stream.frames or round(float((container.duration or 0) / av.time_base) * fps)
        wanted = [int((i + 0.5) * total / n) for i in range(n)]
        pictures = [_picture_at(container, stream, index / fps) for index in wanted]
    height = max(1, round(pictures[0].shape[0] * side / pictures[0].shape[1]))
    pictures = [cv2.resize(p, (side, height), interpolation=cv2.INTER_AREA) for p in pictures]
    rows = -(-n // columns)
    strip = np.full((rows * height, columns * side, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = i // columns * height, i % columns * side
        strip[y : y + height, x : x + side] = picture
    return strip


def _picture_at(
    container: av.container.InputContainer, stream: av.VideoStream, seconds: float
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture shown at a time; the last one if the video ends before."""
    container.seek(int(seconds * av.time_base), backward=True)
    frame = None
    for frame in container.decode(stream):
        if frame.time is not None and frame.time >= seconds - 0.25 / float(stream.average_rate or 25):
            break
    if frame is None:
        raise InputError(f"{container.name}: the video track holds no pictures")
    return frame.to_ndarray(format="rgb24")

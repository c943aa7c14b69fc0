"""Pictures of voice, speech and performance for previews and the report, drawn with OpenCV."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts.performance import Performance
from digitalme.artifacts.speech import Speech, TimedLabel, Voice

WIDTH, MARGIN, ROW = 1100, 96, 64
INK, FAINT, BLUE, ORANGE, GREEN = (40, 40, 46), (222, 222, 228), (52, 100, 190), (214, 116, 38), (46, 140, 90)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
Picture = UInt8[np.ndarray, "h w 3"]


def _canvas(rows: int, seconds: float) -> np.ndarray:
    """White rows of height ROW over a time axis with a tick at each second (each ten for long clips)."""
    image = np.full((rows * ROW + 26, WIDTH, 3), 255, np.uint8)
    step = 1 if seconds <= 20 else 5 if seconds <= 90 else 30
    for second in range(0, int(seconds) + 1, step):
        x = _column(second, seconds)
        cv2.line(image, (x, 0), (x, rows * ROW), FAINT, 1)
        _write(image, f"{second} s", (x + 2, rows * ROW + 16), 0.36)
    return image


def _column(time: float, seconds: float) -> int:
    return round(MARGIN + (WIDTH - MARGIN - 8) * time / max(seconds, 1e-6))


def _write(image: np.ndarray, text: str, place: tuple[int, int], size: float, color: tuple = INK) -> None:
    cv2.putText(image, text, place, _FONT, size, color, 1, cv2.LINE_AA)


def _name(image: np.ndarray, row: int, name: str, note: str = "") -> None:
    _write(image, name, (6, row * ROW + 28), 0.36)
    _write(image, note, (6, row * ROW + 44), 0.32, (130, 130, 136))
    cv2.line(image, (0, (row + 1) * ROW), (WIDTH, (row + 1) * ROW), FAINT, 1)


def _line(image: np.ndarray, row: int, curve: np.ndarray, low: float, high: float, color: tuple) -> None:
    """A curve sampled evenly over the time axis, in its row; NaN breaks it."""
    if len(curve) < 2:
        return
    x = np.linspace(MARGIN, WIDTH - 8, len(curve))
    part = np.clip((curve - low) / max(high - low, 1e-9), 0, 1)
    y = row * ROW + 4 + (1 - part) * (ROW - 8)
    for run in np.split(np.arange(len(curve)), np.flatnonzero(np.diff(np.isfinite(curve).astype(int))) + 1):
        if np.isfinite(curve[run[0]]):
            points = np.round(np.stack([x[run], y[run]], -1) * 16).astype(np.int32)
            cv2.polylines(image, [points], False, color, 1, cv2.LINE_AA, shift=4)


def _labels(image: np.ndarray, row: int, labels: tuple[TimedLabel, ...], seconds: float, color: tuple) -> None:
    """Boxes from start to end; the text where it fits."""
    for label in labels:
        if label.label == "SIL":
            continue
        left, right = _column(label.start, seconds), _column(label.end, seconds)
        top, bottom = row * ROW + 16, row * ROW + ROW - 16
        cv2.rectangle(image, (left, top), (right, bottom), tuple(255 - (255 - c) // 5 for c in color), -1)
        cv2.rectangle(image, (left, top), (right, bottom), color, 1)
        (wide, _), _ = cv2.getTextSize(label.label, _FONT, 0.34, 1)
        if wide < right - left - 1:
            _write(image, label.label, ((left + right - wide) // 2, row * ROW + ROW // 2 + 4), 0.34)


def waveform_plot(voice: Voice) -> Picture:
    """The waveform: lowest and highest sample of each pixel column."""
    image = _canvas(2, voice.seconds)
    bounds = np.linspace(0, len(voice.samples), WIDTH - 8 - MARGIN + 1).astype(int)
    scale = max(float(np.abs(voice.samples).max()), 1e-6)
    for column, (start, end) in enumerate(pairwise(bounds)):
        piece = voice.samples[start : max(end, start + 1)] / scale
        top, bottom = (round(ROW - (ROW - 6) * float(v)) for v in (piece.max(), piece.min()))
        cv2.line(image, (MARGIN + column, top), (MARGIN + column, bottom), BLUE, 1)
    _write(image, "waveform", (6, ROW - 6), 0.36)
    _write(image, f"{voice.rate} Hz, peak {20 * np.log10(scale):.0f} dB", (6, 2 * ROW - 8), 0.32, (130, 130, 136))
    _write(image, "".join(c if ord(c) < 128 else "?" for c in voice.text[:150]), (MARGIN + 4, 14), 0.38)
    return image


def speech_plot(speech: Speech) -> Picture:
    """Level, pitch, words and phones on one time axis."""
    image = _canvas(4, speech.seconds)
    _line(image, 0, np.clip(speech.energy_db, -70, 0), -70, 0, BLUE)
    _name(image, 0, "level", "-70..0 dBFS")
    pitch = np.where(speech.pitch_hz > 0, speech.pitch_hz, np.nan)
    heard = speech.pitch_hz[speech.pitch_hz > 0]
    low, high = (float(heard.min()) * 0.9, float(heard.max()) * 1.1) if len(heard) else (60.0, 300.0)
    _line(image, 1, np.log(pitch), np.log(low), np.log(high), ORANGE)
    _name(image, 1, "pitch", f"{low:.0f}..{high:.0f} Hz")
    _labels(image, 2, speech.words, speech.seconds, GREEN)
    _name(image, 2, "words", speech.language)
    _labels(image, 3, speech.phones, speech.seconds, BLUE)
    _name(image, 3, "phones", speech.method)
    return image


def performance_plot(performance: Performance) -> Picture:
    """Head angles, and the nine curves that move most (left and right of a pair count once)."""
    moving = {
        name: curve
        for name, curve in performance.curves.items()
        if np.ptp(curve) > 1e-3 and not (name.endswith("Right") and f"{name[:-5]}Left" in performance.curves)
    }
    busiest = sorted(moving, key=lambda name: -float(np.std(moving[name])))[:9]
    image = _canvas(1 + len(busiest), performance.seconds)
    degrees = np.rad2deg(performance.head)
    reach = max(float(np.abs(degrees).max()) if degrees.size else 0, 1.0)
    for axis, color in enumerate((BLUE, ORANGE, GREEN)):
        _line(image, 0, degrees[:, axis], -reach, reach, color)
    _name(image, 0, "head", f"+-{reach:.0f} deg")
    for column, (label, color) in enumerate((("pitch", BLUE), ("yaw", ORANGE), ("roll", GREEN))):
        _write(image, label, (MARGIN + 4 + 46 * column, 12), 0.34, color)
    for row, name in enumerate(busiest, 1):
        top = max(float(moving[name].max()), 0.05)
        _line(image, row, moving[name], 0, top, BLUE)
        _name(image, row, name.removesuffix("Left")[:15], f"0..{top:.2f}")
    return image

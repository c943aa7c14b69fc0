"""Apple Live Link Face CSV, the format that Unreal and most capture apps write: one row a frame, 52 ARKit weights."""

from __future__ import annotations

import csv
from itertools import groupby
from pathlib import Path
from statistics import median

import numpy as np

from digitalme.artifacts.performance import Performance
from digitalme.errors import InputError

_EYE = ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")
_NAMES = [f"eye{what}{side}" for side in ("Left", "Right") for what in _EYE]
_NAMES += ["jawForward", "jawRight", "jawLeft", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker"]
_NAMES += ["mouthRight", "mouthLeft"]
_NAMES += [f"mouth{what}{side}" for what in ("Smile", "Frown", "Dimple", "Stretch") for side in ("Left", "Right")]
_NAMES += ["mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"]
_NAMES += [f"mouth{what}{side}" for what in ("Press", "LowerDown", "UpperUp") for side in ("Left", "Right")]
_NAMES += ["browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff"]
_NAMES += ["cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"]
_HEAD = ("HeadYaw", "HeadPitch", "HeadRoll")
_EYES = [f"{side}Eye{axis}" for side in ("Left", "Right") for axis in ("Yaw", "Pitch", "Roll")]
_COLUMNS = [name[0].upper() + name[1:] for name in _NAMES]


def write_live_link(performance: Performance, path: Path) -> None:
    """Write the curves and the head's (yaw, pitch, roll) in radians, with our signs (digitalme.spaces).

    The eyes' angles are 0: gaze lives in the eyeLook curves.
    """
    zero = np.zeros(performance.frames, np.float32)
    table = np.stack([performance.curves.get(name, zero) for name in _NAMES], 1)
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Timecode", "BlendShapeCount", *_COLUMNS, *_HEAD, *_EYES])
        for frame, weights in enumerate(table):
            pitch, yaw, roll = performance.head[frame]
            numbers = [*weights, yaw, pitch, roll, *[0.0] * len(_EYES)]
            count = len(_NAMES) + len(_HEAD) + len(_EYES)
            writer.writerow([_timecode(frame, performance.rate), count, *(f"{number:.6f}" for number in numbers)])


def _timecode(frame: int, rate: float) -> str:
    """HH:MM:SS:FF.fff, frames counted at the rate rounded up."""
    seconds = frame / rate
    whole = int(seconds + 1e-9)
    part = f"{(seconds - whole) * rate + 1e-9:06.3f}"
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}:{part}"


def read_live_link(path: Path, rate: float | None = None) -> Performance:
    """Read a capture; columns may come in any order. Where you don't say the rate, the timecodes do: rows a second.

    Raises InputError for a file without the 52 columns, or a cell that is not a number.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a Live Link Face CSV ({error})") from None
    header = {name.strip().lower(): column for column, name in enumerate(rows[0])} if rows else {}
    missing = [name for name in _COLUMNS if name.lower() not in header]
    if missing:
        raise InputError(f"{path}: not a Live Link Face CSV: no column {missing[0]}; expected the 52 ARKit names")
    if len(rows) < 3:
        raise InputError(f"{path}: {len(rows) - 1} frames; expected at least two")

    def column(name: str) -> np.ndarray:
        at = header.get(name.lower())
        try:
            return np.array([float(row[at]) if at is not None else 0.0 for row in rows[1:]], np.float32)
        except (ValueError, IndexError):
            raise InputError(f"{path}: column {name} has a cell that is not a number") from None

    curves = {name: column(title) for name, title in zip(_NAMES, _COLUMNS, strict=True)}
    yaw, pitch, roll = (column(name) for name in _HEAD)
    rate = rate or _rate_of([row[0] for row in rows[1:]])
    return Performance(rate, curves, np.stack([pitch, yaw, roll], 1), {})


def _rate_of(timecodes: list[str]) -> float:
    """Rows in a whole second, HH:MM:SS being the same; 60 where no second is whole or there are no timecodes."""
    seconds = [code.strip().rpartition(":")[0] for code in timecodes]
    whole = [len(list(rows)) for _, rows in groupby(seconds)][1:-1]
    rate = median(whole) if whole else 0
    return float(rate) if 10 <= rate <= 240 else 60.0

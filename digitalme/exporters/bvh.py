"""BVH of the head's movement, for programs that take body motion: hips, spine, neck and head; the head turns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from digitalme.artifacts.performance import Performance
from digitalme.errors import InputError

_HIERARCHY = """HIERARCHY
ROOT Hips
{
  OFFSET 0 95 0
  CHANNELS 6 Xposition Yposition Zposition Yrotation Xrotation Zrotation
  JOINT Spine
  {
    OFFSET 0 30 0
    CHANNELS 3 Yrotation Xrotation Zrotation
    JOINT Neck
    {
      OFFSET 0 25 0
      CHANNELS 3 Yrotation Xrotation Zrotation
      JOINT Head
      {
        OFFSET 0 10 0
        CHANNELS 3 Yrotation Xrotation Zrotation
        End Site
        {
          OFFSET 0 20 0
        }
      }
    }
  }
}
"""
_NECK_SHARE = 0.4


def write_bvh(performance: Performance, path: Path) -> None:
    """Centimetres and degrees; channels Y, X, Z are R = Ry Rx Rz, as in digitalme.spaces. The neck takes 40 %."""
    degrees = np.rad2deg(performance.head.astype(np.float64))[:, [1, 0, 2]]
    still = np.zeros((performance.frames, 9))
    still[:, 1] = 95
    table = np.concatenate([still, degrees * _NECK_SHARE, degrees * (1 - _NECK_SHARE)], 1)
    lines = [" ".join(f"{number:.6g}" for number in row) for row in table]
    motion = f"MOTION\nFrames: {performance.frames}\nFrame Time: {1 / performance.rate:.8f}\n"
    Path(path).write_text(_HIERARCHY + motion + "\n".join(lines) + "\n", encoding="utf-8")


def read_bvh(path: Path) -> tuple[float, np.ndarray]:
    """(frames a second, head (n, 3) as (pitch, yaw, roll) radians): Neck and Head added up, small angles.

    Any skeleton with joints named Head and, where there is one, Neck, whose rotations are in degrees.
    """
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    top, _, motion = text.partition("MOTION")
    places: dict[tuple[str, str], int] = {}
    joint, count = "", 0
    for line in top.splitlines():
        match line.split():
            case [("ROOT" | "JOINT"), name, *_]:
                joint = name.lower().rpartition(":")[2]
            case ["CHANNELS", _, *channels]:
                for channel in channels:
                    places[joint, channel.lower()] = count
                    count += 1
    if ("head", "yrotation") not in places:
        raise InputError(f"{path}: no joint Head with rotations; expected a BVH of a person")
    lines = motion.strip().splitlines()
    try:
        frames = int(lines[0].split(":")[1])
        rate = 1 / float(lines[1].split(":")[1])
        table = np.array([line.split() for line in lines[2 : 2 + frames]], float)
        if table.shape != (frames, count):
            raise ValueError(f"{table.shape} numbers, expected {(frames, count)}")
    except (IndexError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{path}: its MOTION part cannot be read ({error})") from None
    head = np.zeros((frames, 3), np.float32)
    for name in ("neck", "head"):
        for axis, letter in enumerate("xyz"):
            if (name, f"{letter}rotation") in places:
                head[:, axis] += np.deg2rad(table[:, places[name, f"{letter}rotation"]])
    return rate, head


def with_head(performance: Performance, rate: float, head: np.ndarray) -> Performance:
    """The performance with its head's movement replaced by (n, 3) radians at `rate`; held where it ends early."""
    times = np.arange(performance.frames) / performance.rate
    moved = [np.interp(times, np.arange(len(head)) / rate, head[:, axis]) for axis in range(3)]
    return replace(performance, head=np.stack(moved, 1).astype(np.float32))

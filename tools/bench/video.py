"""How long the photo look and the encoder take: medians on the demo's portrait, 512 x 512 at 25 frames a second.

    python tools/bench/video.py [--seconds 10] [--runs 3]

The portrait and its likeness are made once, outside the timing; kernels are compiled before (numba keeps them).
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from digitalme.artifacts import Avatar, Performance, Photo, Skeleton, Voice
from digitalme.demo import demo_photo
from digitalme.rendering.puppet import PhotoPuppet
from digitalme.stages.encode_photo import EncodePhotoConfig, encode_photo
from digitalme.stages.finish import FinishConfig, finish
from digitalme.stages.reconstruct import ReconstructConfig, reconstruct
from digitalme.stages.render import RenderConfig, render

NOBODY = Avatar("nobody", Skeleton((), np.zeros(0, np.int32), np.zeros((0, 4, 4), np.float32)), (), {})


def talking(seconds: float) -> Performance:
    """A busy performance: jaw, lips, lids, gaze and head move all the time."""
    t = np.arange(int(np.ceil(seconds * 60))) / 60
    wave = {name: 0.2 * (1 + np.sin(t * (3 + i))) for i, name in enumerate(("jawOpen", "mouthPucker", "mouthFunnel"))}
    wave |= {f"eyeBlink{side}": np.clip(np.sin(t * 2), 0, 1) for side in ("Left", "Right")}
    head = np.deg2rad(np.stack([2 * np.sin(t), 5 * np.sin(0.7 * t), 2 * np.sin(1.3 * t)], 1))
    return Performance(60.0, {k: v.astype(np.float32) for k, v in wave.items()}, head.astype(np.float32), {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    file = demo_photo()
    portrait = encode_photo(Photo(file.read_bytes(), file.name), EncodePhotoConfig())
    likeness = reconstruct(portrait, ReconstructConfig())
    performance = talking(options.seconds)
    rate = 48000
    sound = 0.1 * np.sin(np.arange(round(options.seconds * rate)) * 0.05).astype(np.float32)
    PhotoPuppet(portrait, likeness).frame({"jawOpen": 0.2})  # compiles

    took: dict[str, list[float]] = {"set-up": [], "one frame, one thread": [], "render": [], "finish": []}
    for _ in range(options.runs):
        start = time.perf_counter()
        puppet = PhotoPuppet(portrait, likeness)
        took["set-up"].append(time.perf_counter() - start)
        start = time.perf_counter()
        for i in range(20):
            puppet.frame(*performance.at(i / 4))
        took["one frame, one thread"].append((time.perf_counter() - start) / 20)
        start = time.perf_counter()
        frames = render(portrait, likeness, NOBODY, performance, RenderConfig())
        took["render"].append(time.perf_counter() - start)
        start = time.perf_counter()
        finish(frames, Voice(sound, rate), FinishConfig())
        took["finish"].append(time.perf_counter() - start)
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}; {options.seconds:g} s, {options.runs} runs")
    for name, values in took.items():
        print(f"{name:24} median {statistics.median(values):8.3f} s   least {min(values):8.3f} s")
    clip = statistics.median(took["render"]) + statistics.median(took["finish"])
    print(f"{'render + finish':24} median {clip:8.3f} s   {1000 * clip / frames.count:.1f} ms a frame")


if __name__ == "__main__":
    main()

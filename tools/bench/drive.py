"""Video-driven performances: render a known performance, follow it with encode_video, compare the curves.

    python tools/bench/drive.py [--seconds 8] [--size 400] [--people 9001 9002 9003] [--photo me.jpg ...] [--plain]

People of seeds that nothing was learnt on, in the studio look; the demo's astronaut and other photos in the photo look,
where the pixels are a real person's. --plain: what `animate` makes of the demo's speech, nothing added.
Prints the mean absolute error of each curve and of the head, the same of nothing, and pictures a second.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from digitalme.artifacts import Avatar, Footage, Performance, Photo
from digitalme.audio.files import read_voice
from digitalme.body.people import random_person
from digitalme.body.person_avatar import avatar_of
from digitalme.demo import demo_photo, demo_voice
from digitalme.imaging.video import encode_mp4
from digitalme.rendering.puppet import PhotoPuppet
from digitalme.rendering.studio import Studio, portrait_camera
from digitalme.stages.animate import AnimateConfig, animate
from digitalme.stages.encode_photo import EncodePhotoConfig, encode_photo
from digitalme.stages.encode_speech import EncodeSpeechConfig, encode_speech
from digitalme.stages.encode_video import EncodeVideoConfig, encode_video
from digitalme.stages.reconstruct import ReconstructConfig, reconstruct

WANTED = ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "mouthSmileRight", "mouthPucker", "browInnerUp")
OTHERS = (
    "browOuterUpLeft", "browDownLeft", "mouthFunnel", "mouthClose", "mouthStretchLeft", "mouthLowerDownLeft",
    "mouthUpperUpLeft", "eyeLookOutLeft", "eyeLookInLeft", "eyeLookUpLeft", "eyeSquintLeft", "cheekSquintLeft",
)  # fmt: skip
LIMIT, LIMIT_DEGREES = 0.08, 3.0


def spoken(seconds: float, seed: int) -> Performance:
    """The demo's speech, and nothing else: what `build` would have the avatar do."""
    path, words = demo_voice()
    speech = encode_speech(replace(read_voice(path), text=words), EncodeSpeechConfig())
    talking = animate(
        speech, AnimateConfig(rate=60, blinks_seed=seed, gaze_seed=seed, head_seed=seed, emotion="neutral")
    )
    count = min(talking.frames, round(seconds * 60))
    curves = {name: curve[:count] for name, curve in talking.curves.items()}
    return Performance(60.0, curves, talking.head[:count], {})


def scripted(seconds: float, seed: int) -> Performance:
    """The same with smiles, puckers and brows laid over it, and a head that turns."""
    talking = spoken(seconds, seed)
    rng = np.random.default_rng([3, seed])
    count = talking.frames
    times = np.arange(count) / 60
    curves = {name: curve.astype(float) for name, curve in talking.curves.items()}

    def add(stems: tuple[str, ...], most: float, often: float) -> None:
        total = np.zeros(count)
        for at in np.arange(rng.uniform(0.3, often), seconds, often):
            length = rng.uniform(0.5, 1.1)
            part = np.clip(1 - np.abs(times - at) / length, 0, 1)
            total = np.maximum(total, rng.uniform(0.5, 1) * most * part * part * (3 - 2 * part))
        for name in stems:
            curves[name] = np.clip(curves.get(name, 0) + total, 0, 1)

    add(("mouthSmileLeft", "mouthSmileRight"), 0.8, 2.6)
    add(("mouthPucker",), 0.7, 3.1)
    add(("browInnerUp",), 0.8, 2.4)
    add(("browOuterUpLeft", "browOuterUpRight"), 0.6, 3.3)
    add(("browDownLeft", "browDownRight"), 0.6, 3.7)
    add(("cheekSquintLeft", "cheekSquintRight"), 0.4, 3.9)
    sway = np.stack([np.sin(times * rate + phase) for rate, phase in ((1.1, 0.0), (0.8, 0.3), (0.9, 1.0))], 1)
    head = talking.head + np.radians([5, 11, 4]) * sway
    return Performance(60.0, {k: v.astype(np.float32) for k, v in curves.items()}, head.astype(np.float32), {})


Artist = Callable[[dict[str, float], np.ndarray], np.ndarray]
"""Face weights and the head's angles -> a square picture."""


def in_the_studio(avatar: Avatar, size: int) -> Artist:
    """The avatar in the studio look."""
    studio, camera = Studio(avatar, "studio"), portrait_camera(avatar, width=size, height=size)
    return lambda weights, head: studio.picture(camera, weights, tuple(float(angle) for angle in head))


def as_a_photo(photo: Path, size: int) -> Artist:
    """The photo itself, moved: a real person's skin, brows and lips. What it does counts from the photo's own face."""
    portrait = encode_photo(Photo(photo.read_bytes(), photo.name), EncodePhotoConfig())
    puppet = PhotoPuppet(portrait, reconstruct(portrait, ReconstructConfig()), size)
    return lambda weights, head: puppet.frame(weights, head, 1.0)


def film(artist: Artist, performance: Performance, path: Path, size: int, fps: float = 25.0) -> None:
    """Draw it, as an ordinary MP4."""
    times = np.arange(int(performance.seconds * fps)) / fps
    pictures = (artist(*performance.at(float(seconds))) for seconds in times)
    encode_mp4(path, pictures, fps, (size, size), np.zeros(1600, np.float32), 16000, crf=20)


def compared(truth: Performance, found: Performance) -> dict[str, float]:
    """Mean absolute error of each curve, of the head's three angles in degrees, and of the head but for a constant."""
    times = np.arange(0, min(truth.seconds, found.seconds) - 0.05, 1 / 60)

    def curve(performance: Performance, name: str) -> np.ndarray:
        grid = np.arange(performance.frames) / performance.rate
        return np.interp(times, grid, performance.curves.get(name, np.zeros(performance.frames)))

    errors = {name: float(np.abs(curve(truth, name) - curve(found, name)).mean()) for name in (*WANTED, *OTHERS)}
    heads = []
    for performance in (truth, found):
        grid = np.arange(performance.frames) / performance.rate
        heads.append(np.degrees(np.stack([np.interp(times, grid, performance.head[:, i]) for i in range(3)], 1)))
    apart = heads[1] - heads[0]
    for axis, name in enumerate(("pitch", "yaw", "roll")):
        errors[name] = float(np.abs(apart[:, axis]).mean())
        errors[f"{name} (but a constant)"] = float(np.abs(apart[:, axis] - np.median(apart[:, axis])).mean())
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--size", type=int, default=400)
    parser.add_argument("--people", type=int, nargs="*", default=[9001, 9002, 9003])
    parser.add_argument("--photo", type=Path, nargs="*", default=[])
    parser.add_argument("--no-demo", action="store_true")
    parser.add_argument("--plain", action="store_true", help="the speech alone, with nothing laid over it")
    parser.add_argument("--skin", type=float, default=1.0, help="0: without the skin's movement")
    parser.add_argument("--reader", type=float, default=1.0, help="0: by landmarks alone")
    parser.add_argument("--keep", type=Path, default=None, help="folder for the films and what was found")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    folder = arguments.keep or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    size = arguments.size
    cases = [
        (f"person {seed}", seed, lambda seed=seed: in_the_studio(avatar_of(random_person(seed)), size))
        for seed in arguments.people
    ]
    photos = list(arguments.photo)
    if not arguments.no_demo:
        photos.insert(0, demo_photo())
    cases += [(photo.stem, number, lambda photo=photo: as_a_photo(photo, size)) for number, photo in enumerate(photos)]
    table = []
    for name, seed, make in cases:
        truth = (spoken if arguments.plain else scripted)(arguments.seconds, seed)
        path = folder / f"{name.replace(' ', '_')}.mp4"
        if not path.exists():
            film(make(), truth, path, size)
        start, wall = time.process_time(), time.perf_counter()
        found = encode_video(Footage(path, path.name), EncodeVideoConfig(reader=arguments.reader, skin=arguments.skin))
        spent, wall = time.process_time() - start, time.perf_counter() - wall
        pictures = int(truth.seconds * 25)
        errors = compared(truth, found)
        nothing = Performance(60.0, {}, np.zeros_like(found.head), {})
        table.append((name, errors, compared(truth, nothing)))
        print(f"{name}: {pictures / spent:.1f} pictures a second of processor time, {pictures / wall:.1f} of the clock")
        if arguments.keep:
            found.write(folder / f"{path.stem}.found.json")
            truth.write(folder / f"{path.stem}.truth.json")
    print(f"{'curve':26}" + "".join(f"{name:>16}" for name, _, _ in table) + "   worst     (nothing)")
    for curve in table[0][1]:
        values = [errors[curve] for _, errors, _ in table]
        limit = LIMIT if curve in WANTED else LIMIT_DEGREES if curve in ("pitch", "yaw", "roll") else None
        verdict = "" if limit is None else f"  {'ok' if max(values) <= limit else 'MISSED'} (wanted {limit})"
        control = np.mean([none[curve] for _, _, none in table])
        print(
            f"{curve:26}"
            + "".join(f"{value:16.3f}" for value in values)
            + f"{max(values):8.3f} {control:10.3f}{verdict}"
        )


if __name__ == "__main__":
    main()

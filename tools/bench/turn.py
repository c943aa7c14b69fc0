"""How near the fitted head comes to the true one for 1, 3 and 9 photos of a turn and for a video: mm, by region.

    python tools/bench/turn.py [--people 3] [--first 0] [--no-video] [--budget]

Synthetic people with hair go through the whole way: encode_photo's detector and mattes, the fit, the refinement. They
are not drawn as the fit assumes (tests/turns.py says how they differ). Distances after the similarity that best aligns
the faces; "profile curve" along the normal of the middle line, so that sliding along it does not count. With
`--budget` a 10 s video of 1280 x 720 is built into an avatar, and seconds and memory are told.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tyro

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from digitalme.artifacts import Footage, Portrait  # noqa: E402
from digitalme.body.model import load_body  # noqa: E402
from digitalme.errors import DigitalMeError  # noqa: E402
from digitalme.geometry.fit import fit_head  # noqa: E402
from digitalme.imaging.video import encode_mp4  # noqa: E402
from digitalme.rendering.refine import fit_together  # noqa: E402
from digitalme.stages.encode_photo import encode_photo  # noqa: E402
from digitalme.stages.pick_frames import PickFramesConfig, pick_frames  # noqa: E402
from tests.turns import Sitter, errors_by_region, nine_photos, photo_of, sitter, turning  # noqa: E402

SIZE = (900, 1100)


def photographed(person: Sitter) -> tuple[list[Portrait], list[tuple[float, float]]]:
    """Portraits of a turn, and where their lenses pointed; photos in which no face was found are missing."""
    portraits, centers = [], []
    for place, (picture, _) in enumerate(nine_photos(person, size=SIZE)):
        try:
            portrait = encode_photo(photo_of(picture, f"{place}.png"))
        except DigitalMeError as error:
            print(f"    {error}", file=sys.stderr)
            continue
        portraits.append(portrait)
        to_original = portrait.original_from_image
        x, y = (np.array(SIZE) / 2 - to_original[:, 2]) / to_original[0, 0]
        centers.append((float(x), float(y)))
    return portraits, centers


def film(person: Sitter, path: Path, repeat: int = 1, count: int = 60) -> None:
    frames = [picture for picture, _ in turning(person, count)]
    pictures = (picture for picture in frames for _ in range(repeat))
    encode_mp4(path, pictures, 25.0, (1280, 720), np.zeros(48000, np.float32), 48000)


def budget(person: Sitter) -> None:
    """A build of a 10 s video in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "turn.mp4"
        film(person, video, repeat=5, count=50)
        command = [sys.executable, "-m", "digitalme.cli", "build", "--video", str(video), "--out", f"{folder}/me"]
        environment = {**os.environ, "DIGITALME_STORE": f"{folder}/store", "PYTHONPATH": str(ROOT)}
        start = time.perf_counter()
        subprocess.run([*command, "--quiet", "--until", "exports"], check=True, env=environment, cwd=ROOT)
        wall, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"\n10 s of 1280 x 720 to avatar.glb: {wall:.0f} s wall, {used.ru_utime + used.ru_stime:.0f} s of "
            f"processor time, peak {used.ru_maxrss / 1e3:.0f} MB; load {os.getloadavg()[0]:.1f}"
        )


def main(people: int = 3, first: int = 0, video: bool = True, budget_: bool = False) -> None:
    """Print the table.

    Args:
        people: How many people.
        first: Number of the first one.
        video: Whether the video is fitted too.
        budget_: Whether a whole build of a video is timed.
    """
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in range(first, first + people):
        person = sitter(seed)
        true = person.vertices
        portraits, centers = photographed(person)
        found = {"mean face": load_body().template.astype(float)}
        found["1 photo"] = fit_head(portraits[0]).vertices(False, False)
        for count in (3, 9):
            heads = fit_together(portraits[:count], centers[:count])
            found[f"{count} photos"] = heads[0].vertices(False, False)
        if video:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "turn.mp4"
                film(person, path)
                album = pick_frames(Footage(path, "turn.mp4"), PickFramesConfig())
            heads = fit_together(list(album.portraits), [each.center_px for each in album.shown])
            found["video"] = heads[0].vertices(False, False)
        for name, vertices in found.items():
            rows.setdefault(name, []).append(errors_by_region(vertices, true))
        shares = [rows["9 photos"][-1][k] / rows["1 photo"][-1][k] for k in ("profile", "profile curve")]
        print(f"person {seed}: 9 photos / 1 photo: profile {shares[0]:.2f}, curve {shares[1]:.2f}", flush=True)
    regions = list(rows["mean face"][0])
    print(f"\n| mm, mean of {people} people | {' | '.join(regions)} |\n|---|{'---|' * len(regions)}")
    for name, values in rows.items():
        print(f"| {name} | {' | '.join(f'{np.mean([v[region] for v in values]):.2f}' for region in regions)} |")
    if budget_:
        budget(sitter(first))


if __name__ == "__main__":
    tyro.cli(main)

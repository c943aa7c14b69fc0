"""Does the photo look hold when the head turns by 15 degrees and the jaw drops? Photo by photo.

    python tools/bench/photo_look.py [photo...] [--synthetic 201 207] [--sheets FOLDER]

moves: the greatest difference (levels of 255) between any two of ten poses, at pixels farther than 0.15 face heights
from the person. holes: pixels of the wall (painted green; a quarter of it counts) seen inside the face's convex hull,
in the worst of fourteen poses. lips: the same for wall or neck between the lips. rest: PSNR of the pose at rest against
the photo.
Synthetic people are photographed from 20 degrees aside.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[2]))

from digitalme.artifacts import Photo
from digitalme.artifacts.files import write_png
from digitalme.body.people import random_person
from digitalme.demo import demo_photo
from digitalme.errors import DigitalMeError
from digitalme.rendering.people import View, picture_of
from digitalme.rendering.puppet import PhotoPuppet
from digitalme.rendering.puppet.pictures import grown, shrunk
from digitalme.spaces import rotation_from_euler
from digitalme.stages.encode_photo import EncodePhotoConfig, encode_photo
from digitalme.stages.reconstruct import ReconstructConfig, reconstruct
from tests.rendering.test_puppet import painted

SIZE = 512
ASIDE = 20
"""Degrees that synthetic people are photographed from."""
POSES = [({"jawOpen": jaw}, np.radians([0, yaw, 0])) for yaw, jaw in product((-15, 0, 15), (0.0, 1.0))]
NEAR = [({}, np.radians([0, yaw, 0])) for yaw in (-5, -3, -2, -1, 1, 2, 3, 5)]
"""In which what the far side wears comes in."""
BETWEEN = [({"jawOpen": jaw}, np.radians([0, yaw, 0])) for yaw, jaw in product((-7.5, 7.5), (0.0, 1.0))]


def hull_of(points: np.ndarray) -> np.ndarray:
    """The convex hull of pixels (n, 2) as a mask."""
    hull = cv2.convexHull(np.round(points).astype(np.int32))
    return cv2.fillConvexPoly(np.zeros((SIZE, SIZE), np.uint8), hull, 1) > 0


def holes(puppet: PhotoPuppet) -> tuple[int, int]:
    """Pixels of wall in the face's hull, and of wall or neck between the lips, in the worst pose."""
    green = (0, 255, 0)
    through, throat = painted(puppet, {}, green), painted(puppet, {"neck": green}, green)
    face = painted(puppet, {"face": (0, 0, 255)}, (0, 0, 0))
    x0, y0, x1, y1 = puppet._region
    region = np.zeros((SIZE, SIZE), bool)
    region[y0:y1, x0:x1] = True
    skin = next(posable for posable in puppet.layers if posable.layer.name == "face")
    in_face, in_mouth = [], []
    for weights, head in POSES + NEAR:
        rows, columns = np.nonzero(face.frame(weights, head, 1.0)[..., 2] > 128)
        seen = (through.frame(weights, head, 1.0)[..., 1] > 64) & region
        in_face.append(int((seen & shrunk(hull_of(np.stack([columns, rows], 1)), 3)).sum()))
        lips = puppet._posed(skin, puppet.solved(weights, 1.0), rotation_from_euler(*head))[puppet._lips, :2]
        seen = (throat.frame(weights, head, 1.0)[..., 1] > 100) & region
        in_mouth.append(int((seen & shrunk(hull_of(lips), 1)).sum()))
    return max(in_face), max(in_mouth)


def main(
    photos: tyro.conf.Positional[tuple[Path, ...]] = (),
    /,
    synthetic: tuple[int, ...] = (201, 207),
    sheets: Path | None = None,
) -> None:
    """Print the table.

    Args:
        photos: Photos of people; the demo's when none is given.
        synthetic: Seeds of synthetic people.
        sheets: Where to put the six poses of each person.
    """
    sitters = [Photo(path.read_bytes(), path.name) for path in photos or (demo_photo(),)]
    for seed in synthetic:
        aside = View(yaw=np.radians(ASIDE) * (1 if seed % 2 else -1))
        picture = cv2.cvtColor(picture_of(random_person(seed), aside, 640), cv2.COLOR_RGB2BGR)
        sitters.append(Photo(cv2.imencode(".png", picture)[1].tobytes(), f"synthetic_{seed}.png"))
    print("| person | turned by | still pixels | moves | holes | lips | rest dB |\n|---|---|---|---|---|---|---|")
    for photo in sitters:
        try:
            portrait = encode_photo(photo, EncodePhotoConfig())
        except DigitalMeError as error:
            print(f"| {photo.name} | {error} |")
            continue
        puppet = PhotoPuppet(portrait, reconstruct(portrait, ReconstructConfig()), SIZE)
        view = puppet.view
        frames = [puppet.frame(weights, head, 1.0) for weights, head in POSES + BETWEEN]
        far = (~grown(view.is_person, 0.15 * view.face_height)).astype(np.uint8)
        far = cv2.resize(far, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) > 0
        moves = int(np.ptp(np.stack(frames)[:, far].astype(int), 0).max())
        taken = cv2.resize(view.image, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(float)
        rest = 10 * np.log10(255**2 / np.mean((puppet.frame({}) - taken) ** 2))
        turn = np.degrees(np.arctan2(view.away[0], -view.away[2]))
        cells = (f"{turn:.0f}", int(far.sum()), moves, *holes(puppet), f"{rest:.1f}")
        print(f"| {photo.name} | " + " | ".join(str(cell) for cell in cells) + " |", flush=True)
        if sheets is not None:
            sheets.mkdir(parents=True, exist_ok=True)
            rows = [np.concatenate(frames[jaw : len(POSES) : 2], 1) for jaw in (0, 1)]
            write_png(sheets / f"{Path(photo.name).stem}.png", np.concatenate(rows, 0))


if __name__ == "__main__":
    tyro.cli(main)

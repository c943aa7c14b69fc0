"""Remakes the README's pictures from a built demo: `python tools/make_pictures.py demo docs`."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from digitalme.artifacts import Avatar, Video
from digitalme.artifacts.files import read_png
from digitalme.imaging.video import read_video
from digitalme.product import Built
from digitalme.rendering.preview import avatar_preview

MOVING_SECONDS = 5.0
MOVING_SIDE = 320


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("built", type=Path)
    parser.add_argument("docs", type=Path)
    options = parser.parse_args()
    built = Built.read(options.built)
    options.docs.mkdir(exist_ok=True)

    photo = read_png(options.built / "portrait.png")[..., :3]
    save(options.docs / "photo.jpg", cv2.resize(photo, (MOVING_SIDE, MOVING_SIDE), interpolation=cv2.INTER_AREA))
    save(options.docs / "avatar.jpg", avatar_preview(built.store.load(built.keys["avatar"], Avatar)))
    video: Video = built.store.load(built.keys["video"], Video)
    save(options.docs / "strip.jpg", video.preview())
    frames = islice(read_video(video.path), 0, round(MOVING_SECONDS * video.fps), 2)
    moving = [Image.fromarray(cv2.resize(f, (MOVING_SIDE, MOVING_SIDE), interpolation=cv2.INTER_AREA)) for f in frames]
    step = round(2000 / video.fps)
    moving[0].save(
        options.docs / "talking.webp", save_all=True, append_images=moving[1:], duration=step, loop=0, quality=70
    )


def save(path: Path, picture: np.ndarray) -> None:
    Image.fromarray(picture).save(path, quality=88)


if __name__ == "__main__":
    main()

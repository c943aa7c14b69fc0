"""Remakes the pictures of the README and of the studio.

python tools/make_pictures.py demo docs                              the README's, from a built demo
python tools/make_pictures.py --looks tools/viewer/src/looks         what each look makes of somebody invented
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from digitalme.artifacts import Avatar, Frames, Video, Voice
from digitalme.artifacts.files import read_png
from digitalme.audio.files import read_voice
from digitalme.demo import demo_voice
from digitalme.imaging.video import read_video
from digitalme.product import Built
from digitalme.rendering.preview import avatar_preview
from digitalme.service.orders import Order
from digitalme.store import Store
from digitalme.studio.live import wav_bytes

MOVING_SECONDS = 5.0
MOVING_SIDE = 320


LOOKS = ("photo", "studio", "moe", "toon", "chibi")
SITTER, SITTER_SEED = "a young woman with short black hair and brown eyes", 3
LOOK_SIDE = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("built", type=Path, nargs="?")
    parser.add_argument("docs", type=Path, nargs="?")
    parser.add_argument("--looks", type=Path, help="a folder to write the pictures of the looks to")
    options = parser.parse_args()
    if options.looks:
        picture_looks(options.looks)
    if options.built and options.docs:
        picture_readme(options)


def picture_looks(folder: Path) -> None:
    """A still of a talking head in each look, of a person who never lived."""
    folder.mkdir(exist_ok=True)
    voice = read_voice(demo_voice()[0])
    settings = {"generate_portrait": {"seed": SITTER_SEED}, "render": {"size": 400, "fps": 4}}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        (scratch / "voice.wav").write_bytes(wav_bytes(Voice(voice.samples[: voice.rate // 2], voice.rate)))
        for look in LOOKS:
            keys = Order(
                str(scratch / look), voice=str(scratch / "voice.wav"), prompt=SITTER, look=look, until="frames",
                store=str(scratch / "store"), settings=settings,
            ).carry_out()  # fmt: skip
            frames = Store(scratch / "store").load(keys["frames"], Frames)
            still = cv2.resize(
                next(iter(read_video(frames.path))), (LOOK_SIDE, LOOK_SIDE), interpolation=cv2.INTER_AREA
            )
            Image.fromarray(still).save(folder / f"look-{look}.webp", quality=82)


def picture_readme(options: argparse.Namespace) -> None:
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

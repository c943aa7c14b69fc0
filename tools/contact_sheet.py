"""One page per photo of a folder: the photo, and the avatar from all sides, moving its face, and as moe.

    python tools/contact_sheet.py FOLDER [--out sheets] [--side 360]

Look at the pages until you would use the avatar as your own.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cv2
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))

from digitalme.artifacts import Avatar, Photo, Portrait
from digitalme.artifacts.files import write_png
from digitalme.errors import DigitalMeError
from digitalme.rendering.studio import portrait_camera, render_avatar
from digitalme.stages.encode_photo import EncodePhotoConfig, encode_photo
from digitalme.stages.groom import GroomConfig, groom
from digitalme.stages.reconstruct import ReconstructConfig, reconstruct

PHOTOS = (".jpg", ".jpeg", ".png", ".heic", ".webp", ".bmp", ".tif", ".tiff")
SMILE = {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "cheekSquintLeft": 0.4, "cheekSquintRight": 0.4}
VIEWS: tuple[tuple[str, float, dict[str, float]], ...] = (
    ("front", 0, {}),
    ("three-quarter", 35, {}),
    ("profile", 90, {}),
    ("back", 180, {}),
    ("jaw open", 12, {"jawOpen": 0.5}),
    ("smile", -12, SMILE),
    ("blink", 0, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}),
)
"""(title, degrees that the camera walks round to the person's left, face weights)."""


def titled(picture: np.ndarray, title: str) -> np.ndarray:
    picture = np.ascontiguousarray(picture)
    cv2.putText(picture, title, (9, picture.shape[0] - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 3, cv2.LINE_AA)
    cv2.putText(picture, title, (9, picture.shape[0] - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30,) * 3, 1, cv2.LINE_AA)
    return picture


def face_square(portrait: Portrait, side: int) -> np.ndarray:
    """The photo as the avatar's pictures show the person: head and shoulders, square."""
    top, chin = portrait.landmarks[[10, 152], :2]
    reach = 1.25 * np.linalg.norm(chin - top)
    middle = (top + chin) / 2 + [0, 0.1 * reach]
    to_square = np.array([[side, 0, 0], [0, side, 0]], float) / (2 * reach)
    to_square[:, 2] = side / 2 - to_square[:, :2] @ middle
    return cv2.warpAffine(portrait.image, to_square, (side, side), flags=cv2.INTER_AREA, borderValue=(225,) * 3)


def picture_of(avatar: Avatar, title: str, degrees: float, weights: dict[str, float], side: int) -> np.ndarray:
    camera = portrait_camera(avatar, np.radians(degrees), width=side, height=side)
    return titled(render_avatar(avatar, camera, weights), title)


def page(path: Path, side: int) -> np.ndarray:
    """(2 rows, 5 columns) for one photo. Raises InputError where the photo cannot be used."""
    portrait = encode_photo(Photo(path.read_bytes(), path.name), EncodePhotoConfig())
    likeness = reconstruct(portrait, ReconstructConfig())
    avatar = groom(portrait, likeness, GroomConfig())
    cells = [titled(face_square(portrait, side), path.stem)]
    cells += [picture_of(avatar, *view, side) for view in VIEWS]
    moe = groom(portrait, likeness, GroomConfig(look="moe"))
    cells += [picture_of(moe, *view, side) for view in (("moe", 0, {}), ("moe smile", 35, SMILE))]
    half = len(cells) // 2
    return np.concatenate([np.concatenate(row, 1) for row in (cells[:half], cells[half:])], 0)


def main(folder: tyro.conf.Positional[Path], /, out: Path = Path("sheets"), side: int = 360) -> None:
    """Draw the pages.

    Args:
        folder: Where the photos are.
        out: Where the pages go, named after the photos.
        side: Pixels of one picture.
    """
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTOS)
    if not photos:
        sys.exit(f"{folder}: no photos; expected files ending in {', '.join(PHOTOS)}")
    out.mkdir(parents=True, exist_ok=True)
    for path in photos:
        start = time.perf_counter()
        try:
            write_png(out / f"{path.stem}.png", page(path, side))
        except DigitalMeError as error:
            print(f"{path.name}: {error}")
            continue
        print(f"{out / path.stem}.png  {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    tyro.cli(main)

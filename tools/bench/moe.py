"""Do drawn characters keep people apart? Hair, skin and eye colours seen in the drawing against those of the photos.

    python tools/bench/moe.py [PHOTOS ...] [--people 20] [--first 0] [--look moe] [--sheet sheet.png]

Every person is photographed (synthetic people by the body model's own renderer), goes through the whole pipeline and
is drawn; the colours are then read off the drawing's pixels alone: medians over hair, skin and irises, from the front.
A drawing is brighter than a photo: so both sides are standardised over all people (Lab, each of the three colours less
its mean and over its root mean square) before the nearest photo is looked for. Control: the drawings shuffled.
"""

from __future__ import annotations

import sys
import time
import tomllib
from pathlib import Path

import cv2
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[2]))

from digitalme.artifacts import Avatar, Photo, Portrait
from digitalme.artifacts.files import write_png
from digitalme.body.people import random_person
from digitalme.errors import DigitalMeError
from digitalme.paths import config as shipped_config
from digitalme.rendering.people import View, picture_of
from digitalme.rendering.pose import Rig
from digitalme.rendering.raster import rasterise_ids
from digitalme.rendering.studio import Studio, portrait_camera
from digitalme.stages.encode_photo import EncodePhotoConfig, encode_photo
from digitalme.stages.groom import GroomConfig, groom
from digitalme.stages.reconstruct import ReconstructConfig, reconstruct

SIZE = 384


def lab(color: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.asarray(color, np.float32).reshape(1, -1, 3), cv2.COLOR_RGB2Lab)[0]


def seen_colors(avatar: Avatar, picture: np.ndarray, camera) -> np.ndarray:
    """(3, 3) sRGB 0..1 of hair, skin and irises as the picture shows them; bald heads count their skin twice."""
    posed = Rig(avatar).pose({})
    start = np.cumsum([0, *(len(p.positions) for p in posed)])
    points = camera.project(np.concatenate([p.positions for p in posed]).astype(np.float64))
    for mesh, first, last in zip(avatar.meshes, start, start[1:], strict=False):
        if mesh.material.kind == "glass" and mesh.material.alpha_mode == "BLEND":
            points[first:last, 2] = 0  # one looks through lenses
    faces = np.concatenate([mesh.faces + s for mesh, s in zip(avatar.meshes, start, strict=False)])
    owner = np.repeat(np.arange(len(avatar.meshes)), [len(mesh.faces) for mesh in avatar.meshes])
    ids, bary, _ = rasterise_ids(points, faces, camera.width, camera.height)
    seen = np.where(ids >= 0, owner[ids], -1)
    names = [mesh.name for mesh in avatar.meshes]

    def median(mask: np.ndarray) -> np.ndarray:
        return np.median(picture[mask], 0) / 255

    skin = median(seen == names.index("head"))
    hair = np.isin(seen, [i for i, mesh in enumerate(avatar.meshes) if mesh.material.kind == "hair"])
    iris = np.zeros(seen.shape, bool)
    for name in ("eye_left", "eye_right"):
        mesh, first = avatar.mesh(name), sum(len(m.faces) for m in avatar.meshes[: names.index(name)])
        mine = seen == names.index(name)
        uv = np.einsum("nc,ncx->nx", bary[mine], mesh.uvs[mesh.faces[ids[mine] - first]])
        iris[mine] = np.hypot(*(uv - 0.5).T) < 0.22  # well inside the drawn iris, dark and bright parts alike
    # the iris's own colour: its middle brightnesses, without pupil and lights
    pixels = picture[iris].astype(np.float64) / 255
    low, high = np.percentile(pixels.mean(1), [45, 85]) if len(pixels) else (0, 0)
    between = (pixels.mean(1) >= low) & (pixels.mean(1) <= high)
    eye = np.median(pixels[between], 0) if len(pixels) else skin
    return np.stack([median(hair) if hair.sum() > 200 else skin, skin, eye])


def photo_colors(portrait: Portrait) -> np.ndarray:
    bald = portrait.traits.get("bald", 0.0) > 0.5
    return np.array([portrait.skin_color if bald else portrait.hair_color, portrait.skin_color, portrait.iris_color])


def standard(colors: np.ndarray) -> np.ndarray:
    """(people, 3, 3) sRGB to (people, 9): Lab, each of the three colours with mean 0 and root mean square 1."""
    spread = np.stack([lab(person) for person in colors])
    spread = spread - spread.mean(0)
    return (spread / np.maximum(np.sqrt((spread**2).sum(2).mean(0)), 1e-6)[None, :, None]).reshape(len(colors), 9)


def nearest(drawn: np.ndarray, photos: np.ndarray) -> np.ndarray:
    """For each drawing the index of the photo whose colours are nearest."""
    return np.linalg.norm(standard(drawn)[:, None] - standard(photos)[None], axis=2).argmin(1)


def synthetic_photo(seed: int, size: int = 640) -> np.ndarray:
    """A photograph of somebody that never lived."""
    yaw = float(np.random.default_rng(seed).uniform(-0.12, 0.12))
    return picture_of(random_person(seed), View(yaw=yaw), size)


def groom_config(look: str) -> GroomConfig:
    knobs = tomllib.loads((shipped_config("looks") / f"{look}.toml").read_text())["groom"]
    return GroomConfig(**knobs)


def main(
    photos: tyro.conf.Positional[tuple[Path, ...]] = (), /, people: int = 20, first: int = 0,
    look: str = "moe", sheet: Path | None = None, out: Path | None = None,
) -> None:  # fmt: skip
    """Print who is nearest to whom.

    Args:
        photos: Photos of people, beside the synthetic ones.
        people: How many synthetic people.
        first: The first one's seed: people that nobody has looked at yet.
        look: A preset of configs/looks: moe, chibi or toon.
        sheet: Where to put a page of photos and drawings.
        out: Where to put the colours (npz).
    """
    drawn, shot, titles, seconds, cells = [], [], [], [], []
    config = groom_config(look)
    for source in [*photos, *range(first, first + people)]:
        if isinstance(source, Path):
            photo, title = Photo(source.read_bytes(), source.name), source.stem
        else:
            done, data = cv2.imencode(".png", cv2.cvtColor(synthetic_photo(source), cv2.COLOR_RGB2BGR))
            assert done
            photo, title = Photo(data.tobytes(), f"{source}.png"), f"person {source}"
        try:
            portrait = encode_photo(photo, EncodePhotoConfig())
        except DigitalMeError as error:
            print(f"{title}: {error}")
            continue
        likeness = reconstruct(portrait, ReconstructConfig())
        start = time.process_time()
        avatar = groom(portrait, likeness, config)
        seconds.append(time.process_time() - start)
        camera = portrait_camera(avatar, width=SIZE, height=SIZE)
        picture = Studio(avatar).picture(camera, {})
        drawn.append(seen_colors(avatar, picture, camera))
        shot.append(photo_colors(portrait))
        titles.append(title)
        crop = cv2.resize(portrait.image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        cells.append(np.concatenate([crop, picture], 0))
        print(f"{title}: {avatar.about['hair_style']}, {seconds[-1]:.1f} s of processor time", flush=True)
    found = nearest(np.array(drawn), np.array(shot))
    if out is not None:
        np.savez(out, drawn=np.array(drawn), shot=np.array(shot), titles=np.array(titles))
    right = found == np.arange(len(found))
    shuffled = nearest(np.roll(np.array(drawn), 1, 0), np.array(shot)) == np.arange(len(found))
    for i in np.flatnonzero(~right):
        print(f"{titles[i]} is taken for {titles[found[i]]}")
    print(
        f"{look}: {right.sum()} of {len(right)} ({100 * right.mean():.0f} %) nearest to their own photo; control, "
        f"shuffled: {shuffled.sum()}; drawing takes {np.median(seconds):.1f} s (median, processor time)"
    )
    if sheet is not None and cells:
        while len(cells) % 6:
            cells.append(np.full_like(cells[0], 255))
        rows = [np.concatenate(cells[i : i + 6], 1) for i in range(0, len(cells), 6)]
        write_png(sheet, np.concatenate(rows, 0))


if __name__ == "__main__":
    tyro.cli(main)

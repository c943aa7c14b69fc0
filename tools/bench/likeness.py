"""How much the exported avatars look like their photos, person by person, with the textured mean face beside it.

    python tools/bench/likeness.py [photo...] [--synthetic 8] [--first 0] [--dress] [--sheets FOLDER]

Cells are own / mean face.

Each photo, and each of a number of synthetic people (random shape, skin and hair of the body model, photographed in
the studio), goes through encode_photo, reconstruct, groom and GLB, and is measured on the GLB that was read back.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[2]))

from digitalme.artifacts import Avatar, Camera, Likeness, Photo, Portrait
from digitalme.artifacts.files import write_png
from digitalme.body.beard import beard_meshes
from digitalme.body.character import base_avatar
from digitalme.body.eyes import with_eyes
from digitalme.body.hair_cards import card_meshes, paint_cap
from digitalme.body.hair_color import paint_cards
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth, with_mouth
from digitalme.body.reshape import reshape
from digitalme.body.scalp import build_scalp
from digitalme.demo import demo_photo
from digitalme.errors import DigitalMeError
from digitalme.exporters.glb import read_glb, write_glb
from digitalme.imaging.face_detection import face_landmarks
from digitalme.metrics.likeness import face_descriptor, has_descriptor, likeness_scores, measure_likeness
from digitalme.rendering.frames import eye_centers
from digitalme.rendering.studio import portrait_camera, render_avatar
from digitalme.stages.encode_photo import EncodePhotoConfig, encode_photo
from digitalme.stages.groom import GroomConfig, groom
from digitalme.stages.reconstruct import ReconstructConfig, reconstruct
from tests.glasses import DESIGNS, worn
from tests.turns import HAIRS, IRISES, painted_skin

SKINS = ((0.88, 0.70, 0.61), (0.80, 0.60, 0.50), (0.68, 0.47, 0.36), (0.50, 0.33, 0.24), (0.36, 0.23, 0.17))
STYLES = ("short", "bob", "long")
BEARDS = ("full", "moustache", "short", "goatee", "stubble")
FACE_SHAPES = (
    "nose",
    "chin",
    "cheek",
    "eyebrows",
    "forehead",
    "head-fat",
    "head-scale-horiz",
    "mouth-scale",
    "eye-scale",
)


def synthetic_photo(seed: int) -> np.ndarray:
    """A studio photograph of a person that never lived."""
    avatar, camera, smile, _ = synthetic_sitter(seed)
    return render_avatar(avatar, camera, smile)


def synthetic_sitter(seed: int) -> tuple[Avatar, Camera, dict[str, float], np.ndarray]:
    """The person, the camera, how they smile, and the body's vertices at rest."""
    rng = np.random.default_rng(seed)
    body = load_body()
    shape = {name: float(rng.uniform(-0.6, 0.6)) for name in body.names("local") if name.startswith(FACE_SHAPES)}
    shape = {name: value for name, value in shape.items() if not name.endswith(("trans-out", "angle-out"))}
    for name in list(shape):  # faces are nearly alike on both sides
        if name.startswith("r-"):
            shape[name] = shape.get("l-" + name[2:], 0.0)
    shape |= {rng.choice(["gender-", "gender+"]): float(rng.uniform(0.3, 1.0)), "age+": float(rng.uniform(0, 0.8))}
    shape |= {rng.choice(["african", "asian", "caucasian"]): float(rng.uniform(0.4, 1.0))}
    skin, hair = np.array(SKINS[seed % len(SKINS)]), np.array(HAIRS[seed * 3 % len(HAIRS)])
    vertices = settle_mouth(body.vertices(shape), body)
    avatar = base_avatar(shape, head_albedo=painted_skin(skin, hair, rng))
    avatar = with_mouth(with_eyes(reshape(avatar, vertices), IRISES[seed % len(IRISES)]))
    palette = np.stack([hair * 0.7, hair, np.clip(hair * 1.35, 0, 1)])
    textures = avatar.textures | {"hair_cap": paint_cap(palette, buzz=False), "hair_cards": paint_cards(palette)}
    meshes = avatar.meshes + tuple(card_meshes(build_scalp(vertices, body), STYLES[seed % len(STYLES)]))
    avatar = replace(avatar, meshes=meshes, textures=textures)
    camera = portrait_camera(avatar, yaw=float(rng.uniform(-0.15, 0.15)), pitch=float(rng.uniform(-0.05, 0.1)),
                             width=720, height=720)  # fmt: skip
    smile = float(rng.uniform(0, 0.5))
    return avatar, camera, {"mouthSmileLeft": smile, "mouthSmileRight": smile}, vertices


def dressed_up(seed: int, number: int) -> np.ndarray:
    """A synthetic person's photograph with glasses or, every other time, a beard."""
    avatar, camera, smile, vertices = synthetic_sitter(seed)
    if number % 2 == 0:
        design = list(DESIGNS.values())[number // 2 % len(DESIGNS)]
        avatar = worn(avatar, design, vertices, eye_centers(vertices), seed)
    else:
        color = tuple(float(part) for part in HAIRS[seed * 3 % len(HAIRS)])
        grown, painted = beard_meshes(avatar.mesh("head"), vertices, BEARDS[number // 2 % len(BEARDS)], color, seed)
        avatar = replace(avatar, meshes=avatar.meshes + tuple(grown), textures=avatar.textures | painted)
    return render_avatar(avatar, camera, smile)


def built(photo: Photo) -> tuple[Portrait, Likeness, Avatar]:
    """A photo's portrait and likeness, and its avatar as it comes out of the GLB."""
    portrait = encode_photo(photo, EncodePhotoConfig())
    likeness = reconstruct(portrait, ReconstructConfig())
    avatar = groom(portrait, likeness, GroomConfig())
    with tempfile.TemporaryDirectory() as folder:
        write_glb(avatar, None, Path(folder) / "avatar.glb")
        return portrait, likeness, read_glb(Path(folder) / "avatar.glb")


def main(
    photos: tyro.conf.Positional[tuple[Path, ...]] = (),
    /,
    synthetic: int = 8,
    first: int = 0,
    dress: bool = False,
    sheets: Path | None = None,
) -> None:
    """Print the table.

    Args:
        photos: Photos of people; the demo's when none is given.
        synthetic: How many synthetic people are added.
        first: The first one's seed.
        dress: They wear glasses of the designs in tests/glasses.py and beards, in turn.
        sheets: Where to put a comparison picture of each person.
    """
    sitters = [Photo(path.read_bytes(), path.name) for path in photos or (demo_photo(),)]
    for seed in range(first, first + synthetic):
        drawn = dressed_up(seed, seed - first) if dress else synthetic_photo(seed)
        picture = cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))[1]
        sitters.append(Photo(picture.tobytes(), f"synthetic_{seed}.png"))
    names = ("fit_rms", "landmark_nme", "silhouette_iou", "face_psnr")
    names += tuple(f"descriptor_distance_{degrees}" for degrees in (0, 20, 30))
    print("| person | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    rows, mean_faces, selfies, renders = [], [], [], []
    for photo in sitters:
        try:
            portrait, likeness, avatar = built(photo)
        except DigitalMeError as error:
            print(f"| {photo.name} | {error} |")
            continue
        scores, sheet = likeness_scores(portrait, likeness, avatar)
        found = {score.name: score for score in scores}
        cells = []
        for name in names:
            values = [found[name].value, *found[name].controls.values()]
            cells.append(" / ".join("-" if value is None else f"{value:.3g}" for value in values))
        print(f"| {photo.name} | " + " | ".join(cells) + " |", flush=True)
        rows.append([found[name].value for name in names])
        mean_faces.append([found[name].controls.get("mean face") for name in names])
        if sheets is not None:
            sheets.mkdir(parents=True, exist_ok=True)
            write_png(sheets / f"{Path(photo.name).stem}.png", sheet)
        if has_descriptor():
            frontal = measure_likeness(portrait, likeness, avatar)[1][1]
            seen = face_landmarks(frontal)
            if seen is not None:
                selfies.append(face_descriptor(portrait.image, portrait.landmarks))
                renders.append(face_descriptor(frontal, seen))
    both = [np.ma.masked_invalid(np.array(these, float)) for these in (rows, mean_faces)]
    for title, summed in (("median", np.ma.median), ("lowest", np.ma.min), ("highest", np.ma.max)):
        cells = [[f"{value:.3g}" for value in np.ma.filled(summed(these, 0), np.nan)] for these in both]
        cells = [own if mean == "nan" else f"{own} / {mean}" for own, mean in zip(*cells, strict=True)]
        print(f"| {title} | " + " | ".join(cells) + " |")
    if len(renders) > 1:
        away = np.linalg.norm(np.array(renders)[:, None] - np.array(selfies)[None], axis=2)
        right = (away.argmin(1) == np.arange(len(away))).mean()
        others = away[~np.eye(len(away), dtype=bool)]
        print(f"\nrank-1 retrieval of the selfie from the frontal render: {right:.0%} of {len(away)} people")
        print(f"distance to the others' selfies: median {np.median(others):.3f}, nearest {others.min():.3f}")


if __name__ == "__main__":
    tyro.cli(main)

"""How near the fitted head comes to the true one for 1, 3 and 9 photos of a person: mean vertex distances in mm.

    python tools/bench/photos.py [--people 10]

People of the body model's own (random shapes, some photos smiling, light from anywhere) are drawn turned by up to 45
degrees and go through the real face detector, so its errors are in the figures. Distances are after the similarity
that best aligns the faces, for the whole face and for regions of it, with the mean face's beside them. Drawn heads
are plain skin without brows and hair: the detector tells less of them than of photos.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from make_landmarks import drawn_surface, vertex_normals, z_buffer  # noqa: E402

from digitalme.artifacts import Camera, Portrait  # noqa: E402
from digitalme.body.model import load_body  # noqa: E402
from digitalme.geometry.fit import fit_heads  # noqa: E402
from digitalme.imaging.face_detection import face_landmarks, steady_landmarks  # noqa: E402
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler  # noqa: E402
from tests.geometry.test_fit import errors_mm, random_identity  # noqa: E402

SIZE = 400
YAWS = np.radians([0, -30, 30, -15, 15, -45, 45, 8, -8])


def photograph(
    shape: dict[str, float], expression: dict[str, float], yaw: float, rng: np.random.Generator, surface
) -> Portrait | None:
    """Draw at twice the size, halve, detect."""
    faces, colors = surface
    body = load_body()
    vertices = body.vertices(shape | expression).astype(float)
    rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(rng.normal(0, 0.08), yaw, rng.normal(0, 0.05))
    there = -rotation @ (body.head_center + [0, 0.01, 0]) + [0, 0, 0.75]
    camera = Camera(1.8 * SIZE, SIZE, SIZE, np.c_[rotation, there])
    nearest, weights = z_buffer(camera.scaled(2).project(vertices), faces, 2 * SIZE)
    normals = (vertex_normals(vertices, faces)[faces[nearest]] * weights[..., None]).sum(2)
    light = rng.normal((0, 0.4, 1), (0.5, 0.3, 0))
    lit = 0.4 + 0.6 * np.clip(normals @ light / np.linalg.norm(light), 0, 1)
    picture = np.where((nearest < 0)[..., None], (0.5, 0.55, 0.6), colors[nearest] * lit[..., None])
    picture = (picture.reshape(SIZE, 2, SIZE, 2, 3).mean((1, 3)) * 255).astype(np.uint8)
    found = face_landmarks(picture)
    if found is None:
        return None
    nothing, grey = np.zeros((SIZE, SIZE), np.float32), (0.5, 0.5, 0.5)
    return Portrait(
        image=picture, landmarks=steady_landmarks(picture, found), person=nothing, hair=nothing, skin=nothing,
        focal_px=camera.focal_px, original_from_image=np.eye(2, 3, dtype=np.float32), skin_color=grey, hair_color=grey,
        iris_color=grey, lip_color=grey, brow_color=grey, quality={}, traits={},
    )  # fmt: skip


def main(people: int) -> None:
    body, rng, surface = load_body(), np.random.default_rng(21), drawn_surface(load_body())
    rows: dict[str, list[dict[str, float]]] = {"mean face": [], "1 photo": [], "3 photos": [], "9 photos": []}
    for _ in range(people):
        shape = {name: 0.8 * value for name, value in random_identity(rng).items()}
        photos = []
        for index, yaw in enumerate(YAWS):
            smile, brows = (0.0, 0.0) if index in (0, 1, 3) else (rng.uniform(0, 0.6), rng.uniform(0, 0.5))
            expression = {"mouthSmileLeft": smile, "mouthSmileRight": smile, "browInnerUp": brows}
            photos.append(photograph(shape, expression, yaw, rng, surface))
        true = body.vertices(shape)
        rows["mean face"].append(errors_mm(body.template, true))
        for count, name in ((1, "1 photo"), (3, "3 photos"), (9, "9 photos")):
            seen = [photo for photo in photos[:count] if photo is not None]
            if seen:
                rows[name].append(errors_mm(fit_heads(seen)[0].vertices(False, False), true))
    regions = list(rows["mean face"][0])
    print(f"| mm, mean of {people} people | {' | '.join(regions)} |\n|---|{'---|' * len(regions)}")
    for name, values in rows.items():
        print(f"| {name} | {' | '.join(f'{np.mean([v[region] for v in values]):.2f}' for region in regions)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10)
    main(parser.parse_args().people)

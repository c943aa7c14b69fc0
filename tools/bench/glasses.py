"""How well glasses of known outline and colour are recognised and followed, design by design.

    python tools/bench/glasses.py [--first 201] [--step 3] [--without 20]

Synthetic people (those of tools/bench/likeness.py) are photographed in the studio with glasses that stand, tilt and sit
otherwise than ours do (tests/glasses.py), and go through encode_photo and the fit. "overlap": intersection over union
of the frame as found with the frame as worn, in the photo's camera, parts under hair included; "bridge": height of the
bridge's middle, mm on the face, found minus true; "colour": mean difference in sRGB levels (0..255) where both are.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from likeness import synthetic_photo, synthetic_sitter

from digitalme.artifacts import Camera, Photo, Portrait
from digitalme.artifacts.avatar import AvatarMesh
from digitalme.body.glasses import glasses_of_front
from digitalme.geometry.fit import fit_head
from digitalme.metrics.likeness import overlap
from digitalme.rendering.frames import Frames, eye_centers, find_frames
from digitalme.rendering.scene import Drawable, draw
from digitalme.rendering.studio import render_avatar
from digitalme.stages.encode_photo import encode_photo
from tests.glasses import DESIGNS, THICK, seen_front, worn


def encoded(picture: np.ndarray) -> Portrait:
    data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    return encode_photo(Photo(data, "synthetic.png"))


def in_portrait(mask: np.ndarray, portrait: Portrait) -> np.ndarray:
    """A mask of the original picture, in the portrait's pixels."""
    move = portrait.original_from_image.astype(np.float64)
    move[:, 2] += move[:, :2] @ (0.5, 0.5) - 0.5  # warpAffine counts pixel centres as whole numbers
    size = portrait.image.shape[1::-1]
    return cv2.warpAffine(mask.astype(np.float32), move, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) > 0.5


def colour_error(frames: Frames, frame: AvatarMesh, camera: Camera, portrait: Portrait, both: np.ndarray) -> float:
    """Mean difference of the frame's colours from the photo's, away from the edges, sRGB levels."""
    core = cv2.erode(both.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    core = core if core.sum() > 100 else both
    drawn = draw([Drawable(frame.positions, frame.faces, uvs=frame.uvs, texture=frames.picture, cull=False)], camera)
    return float(np.abs(drawn[core].astype(float) - portrait.image[core]).mean())


def bridge_height(mask: np.ndarray, column: int) -> float:
    rows = np.nonzero(mask[:, column - 3 : column + 4])[0]
    return float(np.median(rows)) if len(rows) else np.nan


def main(first: int = 201, step: int = 3, without: int = 20) -> None:
    """Print the table.

    Args:
        first: Seed of the first person.
        step: From one person's seed to the next one's; every third person has short hair.
        without: How many people without glasses are looked at, from seed 100 on.
    """
    print("| design | recognised | overlap | bridge (mm) | colour |\n|---|---|---|---|---|")
    rows = []
    for number, (name, design) in enumerate(DESIGNS.items()):
        seed = first + step * number
        avatar, camera, smile, vertices = synthetic_sitter(seed)
        avatar = worn(avatar, design, vertices, eye_centers(vertices), seed)
        portrait = encoded(render_avatar(avatar, camera, smile))
        true = in_portrait(seen_front(list(avatar.meshes), camera), portrait)
        fitted = fit_head(portrait)
        head, camera = fitted.vertices(with_expression=False), fitted.camera
        frames = find_frames(portrait, camera, head)
        frame, panes = glasses_of_front(frames.front, head)
        found = seen_front([frame, panes], camera)
        column, _, depth = camera.project(eye_centers(head).mean(0, keepdims=True))[0]
        heights = [bridge_height(mask, int(column)) for mask in (found, true)]
        row = (
            portrait.traits["glasses"], overlap(found, true),
            1000 * (heights[1] - heights[0]) * depth / camera.focal_px,
            colour_error(frames, frame, camera, portrait, found & true),
        )  # fmt: skip
        rows.append(row)
        print(f"| {name} | {row[0]:.2f} | {row[1]:.2f} | {row[2]:+.1f} | {row[3]:.0f} |", flush=True)
    table, thick = np.array(rows), np.array([name in THICK for name in DESIGNS])
    rims = np.array([not design.rimless for design in DESIGNS.values()])  # without rims there is no outline
    for title, chosen in (("median, broad rims", thick), ("median, thin or half rims", ~thick & rims)):
        some = table[chosen]
        bridge = np.nanmedian(np.abs(some[:, 2]))
        print(f"| {title} | | {np.median(some[:, 1]):.2f} | {bridge:.1f} | {np.median(some[:, 3]):.0f} |")
    print(f"\nrecognised: {(table[:, 0] > 0.5).sum()} of {len(table)}")
    taken = [seed for seed in range(100, 100 + without) if encoded(synthetic_photo(seed)).traits["glasses"] > 0.5]
    print(f"people without glasses taken for wearing some: {len(taken)} of {without} {taken or ''}")


if __name__ == "__main__":
    tyro.cli(main)

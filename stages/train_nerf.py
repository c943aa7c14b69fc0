"""train_nerf: an album and its fitted cameras to a small radiance field, on the processor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from digitalme.artifacts import Album, HeldOut, Likeness, Radiance
from digitalme.body.model import load_body
from digitalme.errors import InputError, MissingExtraError
from digitalme.events import progress, seed
from digitalme.exporters.nerfstudio import head_mask, smaller, turntable


@dataclass(frozen=True)
class TrainNerfConfig:
    """How long, and on how large pictures."""

    steps: int = 400
    """Steps of training."""
    side: int = 128
    """Longer side of the pictures, pixels."""
    hold_out: int = 4
    """Every so many-th picture is kept for measuring; 0: none."""
    turntable: int = 8
    """Pictures of the turntable."""


def train_nerf(album: Album, likeness: Likeness, config: TrainNerfConfig = TrainNerfConfig()) -> Radiance:
    """Train on most of the album and measure on the rest. Raises InputError where there are fewer than 3 pictures."""
    try:
        from digitalme.models import nerf
    except ModuleNotFoundError:
        raise MissingExtraError('a radiance field needs torch: pip install "digitalme[nerf]"') from None
    if len(likeness.cameras) < 3:
        raise InputError(f"a radiance field needs 3 pictures or more; {len(album.portraits)} could be used")
    origin = load_body().head_center.astype(float)
    pictures = [smaller(portrait.image, config.side) for portrait in album.portraits]
    masks = [smaller(head_mask(portrait).astype(np.float32), config.side) for portrait in album.portraits]
    cameras = [
        replace(camera.scaled(picture.shape[1] / camera.width), width=picture.shape[1], height=picture.shape[0])
        for camera, picture in zip(likeness.cameras, pictures, strict=True)
    ]
    # by yaw, so that what is held out lies between what is seen
    order = sorted(range(len(cameras)), key=lambda place: cameras[place].camera_from_world[2, 0])
    out = set(order[config.hold_out // 2 :: config.hold_out] if config.hold_out else [])
    seen = [place for place in range(len(cameras)) if place not in out]
    field = nerf.train(
        [pictures[k] for k in seen], [masks[k] for k in seen], [cameras[k] for k in seen], origin,
        steps=config.steps, seed=seed() % 2**31, told=progress,
    )  # fmt: skip
    scores = []
    for place in sorted(out):
        mean = np.median(pictures[place][masks[place] > 0.5], 0)
        drawn = nerf.picture(field, cameras[place], origin)
        scores.append(
            HeldOut(
                album.shown[place].name,
                nerf.psnr(drawn, pictures[place], masks[place]),
                nerf.psnr(np.broadcast_to(mean, drawn.shape), pictures[place], masks[place]),
            )
        )
    strip = [nerf.picture(field, camera, origin) for camera in turntable(cameras[0], origin, config.turntable)]
    weights = {name: value.detach().numpy() for name, value in field.state_dict().items()}
    return Radiance(weights, tuple(scores), np.concatenate(strip, 1))

"""A radiance field of a head, small enough for a laptop: a grid of density and features, and a tiny network.

Volume rendering as in Mildenhall et al. 2020 (NeRF, equation 3); the grid in place of a deep network as in Sun et al.
2022 (DVGO). Read from top to bottom: rays, the field, rendering, training, pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from digitalme.artifacts import Camera

Tensor = torch.Tensor
HALF_BOX = 0.17
"""Metres from the head's middle to the sides of the box that is modelled."""
SOFT_START = -4.0
"""Density before the softplus at the start: nearly nothing is there."""


def rays_of(camera: Camera, origin: np.ndarray) -> tuple[Float[Tensor, "p 3"], Float[Tensor, "p 3"]]:
    """Start (relative to `origin`, metres) and unit direction of the ray through every pixel, row by row."""
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    cx, cy = camera.center
    seen = np.stack([(x - cx) / camera.focal_px, (y - cy) / camera.focal_px, np.ones_like(x)], -1).reshape(-1, 3)
    along = seen @ camera.camera_from_world[:, :3]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    start = np.broadcast_to(camera.position - origin, along.shape)
    return torch.tensor(start, dtype=torch.float32), torch.tensor(along, dtype=torch.float32)


class Field(nn.Module):
    """Density and colour anywhere in the box, colour also by direction."""

    def __init__(self, resolution: int = 56, features: int = 8) -> None:
        super().__init__()
        side = (resolution,) * 3
        self.density = nn.Parameter(torch.full((1, 1, *side), SOFT_START))
        self.features = nn.Parameter(0.1 * torch.randn(1, features, *side))
        self.color = nn.Sequential(nn.Linear(features + 3, 32), nn.ReLU(), nn.Linear(32, 3), nn.Sigmoid())

    def forward(
        self, points: Float[Tensor, "r s 3"], along: Float[Tensor, "r 3"]
    ) -> tuple[Float[Tensor, "r s"], Float[Tensor, "r s 3"]]:
        """Density per metre and colour 0..1; nothing is outside the box."""
        place = (points / HALF_BOX).flip(-1)[None, :, :, None]  # grid_sample's first number runs along the last axis
        both = torch.cat([self.density, self.features], 1)
        values = nn.functional.grid_sample(both, place, align_corners=True, padding_mode="zeros")[0, ..., 0]
        inside = (points.abs() < HALF_BOX).all(-1)
        density = nn.functional.softplus(values[0]) * 200 * inside
        seen = torch.cat([values[1:].movedim(0, -1), along[:, None].expand(*points.shape)], -1)
        return density, self.color(seen)


def rendered(
    field: Field, start: Float[Tensor, "r 3"], along: Float[Tensor, "r 3"], samples: int, jitter: bool
) -> tuple[Float[Tensor, "r 3"], Float[Tensor, "r"]]:
    """Colour (over black) and opacity of rays."""
    middle = -(start * along).sum(1)
    reach = HALF_BOX * 3**0.5
    step = 2 * reach / samples
    offset = torch.rand(len(start), samples) if jitter else torch.full((len(start), samples), 0.5)
    far = (middle - reach)[:, None] + (torch.arange(samples) + offset) * step
    density, color = field(start[:, None] + along[:, None] * far[..., None], along)
    alpha = 1 - torch.exp(-density * step)
    through = torch.cumprod(torch.cat([torch.ones(len(alpha), 1), 1 - alpha + 1e-7], 1), 1)[:, :-1]
    weight = alpha * through
    return (weight[..., None] * color).sum(1), weight.sum(1)


def train(
    pictures: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    cameras: Sequence[Camera],
    origin: np.ndarray,
    steps: int = 300,
    rays: int = 1536,
    samples: int = 56,
    seed: int = 0,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Field:
    """Fit a field to pictures (h, w, 3) uint8 under masks (h, w) 0..1. What a mask leaves out is to be empty: it is
    compared before a random colour that the field cannot know."""
    torch.manual_seed(seed)
    field = Field()
    lines = [rays_of(camera, origin) for camera in cameras]
    start, along = (torch.cat([line[k] for line in lines]) for k in (0, 1))
    color = torch.tensor(np.concatenate([p.reshape(-1, 3) for p in pictures]), dtype=torch.float32) / 255
    share = torch.tensor(np.concatenate([m.ravel() for m in masks]), dtype=torch.float32)
    near = (torch.linalg.cross(start, along).norm(dim=1) < HALF_BOX * 1.5).nonzero()[:, 0]
    optimiser = torch.optim.Adam(
        [
            {"params": [field.density], "lr": 0.25},
            {"params": [field.features], "lr": 0.05},
            {"params": field.color.parameters(), "lr": 4e-3},
        ]
    )
    for step in range(steps):
        for group in optimiser.param_groups:
            group.setdefault("first", group["lr"])
            group["lr"] = group["first"] * 0.1 ** (step / steps)
        these = near[torch.randint(len(near), (rays,))]
        seen, opacity = rendered(field, start[these], along[these], samples, jitter=True)
        behind = torch.rand(rays, 3)
        wanted = color[these] * share[these, None] + behind * (1 - share[these, None])
        loss = ((seen + behind * (1 - opacity[:, None]) - wanted) ** 2).mean()
        smooth = sum(field.density.diff(dim=axis).square().mean() for axis in (2, 3, 4))
        optimiser.zero_grad()
        (loss + 1e-4 * smooth).backward()
        optimiser.step()
        told(step + 1, steps)
    return field


@torch.no_grad()
def picture(field: Field, camera: Camera, origin: np.ndarray, samples: int = 80, behind: float = 0.5) -> np.ndarray:
    """The field seen by a camera, before a plain grey: (h, w, 3) uint8."""
    start, along = rays_of(camera, origin)
    rows = []
    for part in range(0, len(start), 8192):
        color, opacity = rendered(field, start[part : part + 8192], along[part : part + 8192], samples, jitter=False)
        rows.append(color + behind * (1 - opacity[:, None]))
    flat = torch.cat(rows).clamp(0, 1).numpy().reshape(camera.height, camera.width, 3)
    return np.round(flat * 255).astype(np.uint8)


def psnr(seen: np.ndarray, wanted: np.ndarray, mask: np.ndarray) -> float:
    """dB where the mask shows the head."""
    error = ((seen.astype(float) - wanted) ** 2)[mask > 0.5].mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))

"""Pictures to small latents and back: the space in which the generators work.

The encoder is the principal components of 16x16 patches (Hotelling 1933), found in closed form within seconds, the
weak ones made stronger, so that none is drowned in noise; the decoder puts the patches back and a small convolutional
net takes away their seams and puts in what the components leave out. It is trained in minutes on a laptop, where a
variational coder takes hours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PATCH = 16
EVENING = 0.7
"""How far the components' deviations are brought together: 0 leaves them, 1 makes all the same."""


class Coder(nn.Module):
    """(n, 3, s, s) in -1..1 to (n, channels, s / 16, s / 16) with deviation about 1, and back."""

    mean: Tensor
    basis: Tensor
    spread: Tensor

    def __init__(self, channels: int = 40, width: int = 32) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("mean", torch.zeros(3 * PATCH**2))
        self.register_buffer("basis", torch.zeros(3 * PATCH**2, channels))
        self.register_buffer("spread", torch.ones(channels))
        self.first = nn.Conv2d(12 + channels, width, 3, padding=1)
        self.middle = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(4))
        self.last = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    @torch.no_grad()
    def fit(self, pictures: Tensor) -> None:
        """Find the components of (n, 3, s, s) pictures."""
        patches = F.unfold(pictures, PATCH, stride=PATCH).transpose(1, 2).reshape(-1, 3 * PATCH**2)
        self.mean.copy_(patches.mean(0))
        centred = patches - self.mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        self.basis.copy_(vectors[:, -self.channels :].flip(1))
        deviations = values[-self.channels :].flip(0).sqrt()
        scaled = (deviations / deviations[0]) ** (1 - EVENING)
        self.spread.copy_(deviations / scaled * scaled.square().mean().sqrt())

    def encode(self, pictures: Tensor) -> Tensor:
        n, _, height, width = pictures.shape
        patches = F.unfold(pictures, PATCH, stride=PATCH).transpose(1, 2) - self.mean
        latents = patches @ self.basis / self.spread
        return latents.transpose(1, 2).reshape(n, self.channels, height // PATCH, width // PATCH)

    def mosaic(self, latents: Tensor) -> Tensor:
        """The patches put back, without the net."""
        _, _, rows, columns = latents.shape
        patches = latents.flatten(2).transpose(1, 2) * self.spread @ self.basis.T + self.mean
        return F.fold(patches.transpose(1, 2), (rows * PATCH, columns * PATCH), PATCH, stride=PATCH)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures in about -1..1."""
        coarse = self.mosaic(latents)
        context = F.interpolate(latents, scale_factor=PATCH // 2, mode="nearest")
        x = F.leaky_relu(self.first(torch.cat([F.pixel_unshuffle(coarse, 2), context], 1)), 0.2)
        for layer in self.middle:
            x = x + F.leaky_relu(layer(x), 0.2)
        return coarse + F.pixel_shuffle(self.last(x), 2)


def coder_loss(coder: Coder, pictures: Tensor, noise: float = 0.15) -> Tensor:
    """Mean absolute error of pictures and of their slopes; latents get noise, as generated ones are not exact."""
    latents = coder.encode(pictures)
    amount = noise * torch.rand(len(latents), 1, 1, 1) * latents.std((0, 2, 3), keepdim=True)
    found = coder.decode(latents + amount * torch.randn_like(latents))
    slopes = ((found.diff(dim=d) - pictures.diff(dim=d)).abs().mean() for d in (2, 3))
    return (found - pictures).abs().mean() + sum(slopes)

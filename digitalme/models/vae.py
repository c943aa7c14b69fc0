"""A small variational autoencoder (Kingma and Welling 2014) of pictures: another space for the generators to work in.

Eight times smaller each way, as in latent diffusion (Rombach et al. 2022). It keeps more than the components of
digitalme.models.coder, and takes hours where those take minutes; the generators take either.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KL = 1e-4
"""Weight of the divergence from the normal distribution, a number of the latents on average."""


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(min(8, n), n) for n in (inside, outside))
        self.first, self.second = nn.Conv2d(inside, outside, 3, 1, 1), nn.Conv2d(outside, outside, 3, 1, 1)
        self.past = nn.Conv2d(inside, outside, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(F.silu(self.norms[0](x)))
        return self.past(x) + self.second(F.silu(self.norms[1](y)))


class Vae(nn.Module):
    """(n, 3, s, s) in -1..1 to (n, channels, s / 8, s / 8) with deviation about 1, and back."""

    spread: Tensor

    def __init__(self, channels: int = 8, width: int = 32) -> None:
        super().__init__()
        self.channels = channels
        widths = (width, 2 * width, 4 * width, 4 * width)
        self.start = nn.Conv2d(3, width, 3, 1, 1)
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.down = nn.ModuleList(Block(a, b) for a, b in pairs)
        self.code = nn.Conv2d(widths[-1], 2 * channels, 1)
        self.begin = nn.Conv2d(channels, widths[-1], 3, 1, 1)
        self.up = nn.ModuleList(Block(b, a) for a, b in reversed(pairs))
        self.end = nn.Conv2d(width, 3, 3, 1, 1)
        self.register_buffer("spread", torch.ones(()))

    def posterior(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latents, before they are scaled."""
        x = self.start(pictures)
        for block in self.down:
            x = F.avg_pool2d(block(x), 2)
        mean, power = self.code(F.silu(x)).chunk(2, 1)
        return mean, power.clamp(-12, 6)

    def picture(self, latents: Tensor) -> Tensor:
        x = self.begin(latents)
        for block in self.up:
            x = block(F.interpolate(x, scale_factor=2, mode="nearest"))
        return self.end(F.silu(x))

    def encode(self, pictures: Tensor) -> Tensor:
        return self.posterior(pictures)[0] / self.spread

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures in about -1..1."""
        return self.picture(latents * self.spread)

    def loss(self, pictures: Tensor) -> Tensor:
        """Mean absolute error of pictures and of their slopes, and the divergence; keeps the latents' deviation."""
        mean, power = self.posterior(pictures)
        if self.training:
            with torch.no_grad():
                self.spread.lerp_(mean.float().std(), 0.02)
        found = self.picture(mean + (power / 2).exp() * torch.randn_like(mean))
        divergence = 0.5 * (mean.square() + power.exp() - 1 - power).mean()
        slopes = ((found.diff(dim=d) - pictures.diff(dim=d)).abs().mean() for d in (2, 3))
        return (found - pictures).abs().mean() + sum(slopes) + KL * divergence

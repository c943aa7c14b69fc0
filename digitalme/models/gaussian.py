"""What of the pictures is Gaussian, in closed form: their mean for a condition, and how they vary around it.

Where noise is strong the best denoiser of any data is nearly that of its Gaussian (Wang and Vastola 2023, "The hidden
linear structure in score-based models"), so a network that is to be trained in minutes learns what this leaves over.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from digitalme.body.attributes import ATTRIBUTES

SIZES = {name: len(values) for name, values in ATTRIBUTES.items()}
PAIRS = (("hair_style", "hair_color"), ("hair_style", "gender"), ("beard", "hair_color"), ("gender", "age"))
"""Attributes whose effect depends on each other: a colour shows where the style puts hair."""


def features_of(condition: Tensor) -> Tensor:
    """(n, CONDITION) to (n, f): one, the condition, the products of PAIRS, and the yaw's and the lamp's square."""
    parts = dict(zip((*SIZES, "view"), condition.split([*SIZES.values(), condition.shape[1] - sum(SIZES.values())], 1), strict=True))  # fmt: skip # noqa: E501
    products = [(parts[a][:, :, None] * parts[b][:, None]).flatten(1) for a, b in PAIRS]
    return torch.cat([torch.ones(len(condition), 1), condition, *products, parts["view"].square()], 1)


def forgetful(condition: Tensor, share: float | Tensor) -> Tensor:
    """The condition with this share of the attributes unsaid."""
    said = (torch.rand(len(condition), len(SIZES)) >= share).float()
    mask = said.repeat_interleave(torch.tensor(list(SIZES.values())), 1)
    rest = condition.shape[1] - mask.shape[1]
    return condition * torch.cat([mask, torch.ones(len(condition), rest)], 1)


class GaussianPart(nn.Module):
    """N(mean(condition), U diag(values) U^T + rest I) of flattened latents (n, d)."""

    weight: Tensor
    directions: Tensor
    values: Tensor
    rest: Tensor

    def __init__(self, condition: int, dimensions: int, rank: int) -> None:
        super().__init__()
        count = features_of(torch.zeros(1, condition)).shape[1]
        self.register_buffer("weight", torch.zeros(count, dimensions))
        self.register_buffer("directions", torch.zeros(dimensions, rank))
        self.register_buffer("values", torch.ones(rank))
        self.register_buffer("rest", torch.ones(()))

    @torch.no_grad()
    def fit(self, latents: Tensor, condition: Tensor, ridge: float = 8.0) -> None:
        """Ridge regression on conditions of which parts are unsaid, then principal directions of what is left."""
        flat = latents.flatten(1)
        copies = [forgetful(condition, share) for share in (0.0, 0.0, 0.3, 0.6)]
        features = torch.cat([features_of(each) for each in copies])
        normal = features.T @ features + ridge * torch.eye(features.shape[1])
        self.weight.copy_(torch.linalg.solve(normal, features.T @ flat.repeat(len(copies), 1)))
        left = flat - features_of(condition) @ self.weight
        values, vectors = torch.linalg.eigh(left.T @ left / len(left))
        rank = self.values.shape[0]
        self.directions.copy_(vectors[:, -rank:])
        self.values.copy_(values[-rank:])
        self.rest.copy_(values[:-rank].mean() if rank < len(values) else values.min())

    def mean(self, condition: Tensor) -> Tensor:
        return features_of(condition) @ self.weight

    def denoised(self, noisy: Tensor, condition: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
        """The expected clean latents (n, d) of `signal` x + `noise` n; signal and noise are (n, 1)."""
        mean = self.mean(condition)
        away = noisy - signal * mean
        coefficients = away @ self.directions
        gain = signal * self.values / (signal**2 * self.values + noise**2)
        plain = signal * self.rest / (signal**2 * self.rest + noise**2)
        return mean + plain * away + ((gain - plain) * coefficients) @ self.directions.T

    def draw(self, condition: Tensor, generator: torch.Generator) -> Tensor:
        """Latents (n, d) of this Gaussian."""
        z = torch.randn(len(condition), len(self.values), generator=generator)
        return self.mean(condition) + (z * self.values.sqrt()) @ self.directions.T

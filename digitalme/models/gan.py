"""A generative adversarial network after StyleGAN2 (Karras et al. 2020), read top to bottom.

A mapping network turns noise and the condition into a style w; a synthesis network of modulated convolutions turns w
into a picture, or into latents of digitalme.models.coder; a discriminator with projection (Miyato and Koyama 2018)
judges. Losses: non-saturating with R1 (Mescheder et al. 2018) or least squares (Mao et al. 2017), path length (Karras
2020), feature matching (Salimans et al. 2016); adaptive augmentation (Karras et al. 2020, "ADA").
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from digitalme.models.gaussian import GaussianPart


class EqualLinear(nn.Module):
    """A linear layer whose weights have deviation 1 and are scaled when used: all learn at one rate."""

    def __init__(self, inside: int, outside: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside) / rate)
        self.bias = nn.Parameter(torch.full((outside,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(inside), rate

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.rate)


class EqualConv(nn.Module):
    def __init__(self, inside: int, outside: int, kernel: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outside))
        self.scale = 1 / math.sqrt(inside * kernel**2)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.weight.shape[-1] // 2)


class Mapping(nn.Module):
    """(z, condition) to w, four layers; keeps the mean of w for truncation."""

    def __init__(self, z: int, condition: int, w: int, layers: int = 4) -> None:
        super().__init__()
        self.embed = EqualLinear(condition, z)
        sizes = [2 * z, *[w] * layers]
        self.layers = nn.ModuleList(EqualLinear(a, b, rate=0.01) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        self.register_buffer("mean", torch.zeros(w))

    def forward(self, z: Tensor, condition: Tensor, truncation: float = 1.0) -> Tensor:
        embedded = self.embed(condition)
        x = torch.cat([_unit(z), _unit(embedded)], 1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2) * math.sqrt(2)
        if self.training:
            self.mean.lerp_(x.detach().mean(0), 0.005)
        return x if truncation == 1 else self.mean + truncation * (x - self.mean)


def _unit(x: Tensor) -> Tensor:
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class ModulatedConv(nn.Module):
    """A convolution whose inputs are scaled by the style and whose outputs are brought back to deviation 1."""

    def __init__(self, inside: int, outside: int, w: int, kernel: int = 3, demodulate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside, kernel, kernel))
        self.style = EqualLinear(w, inside, bias=1.0)
        self.scale, self.demodulate = 1 / math.sqrt(inside * kernel**2), demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style, weight = self.style(w), self.weight * self.scale
        x = F.conv2d(x * style[:, :, None, None], weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            power = style.square() @ weight.square().sum((2, 3)).T
            x = x * (power + 1e-8).rsqrt()[:, :, None, None]
        return x


class Layer(nn.Module):
    def __init__(self, inside: int, outside: int, w: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(inside, outside, w)
        self.bias = nn.Parameter(torch.zeros(outside))
        self.noise = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, w: Tensor, generator: torch.Generator | None) -> Tensor:
        x = self.conv(x, w)
        grain = torch.randn(len(x), 1, *x.shape[2:], generator=generator)
        return F.leaky_relu(x + self.noise * grain + self.bias[:, None, None], 0.2) * math.sqrt(2)


class Generator(nn.Module):
    """Pictures (n, channels, size, size) from noise and a condition. `widths`: channels at 4, 8, 16, ... pixels."""

    def __init__(
        self, condition: int, channels: int = 3, widths: Sequence[int] = (128, 128, 96), z: int = 64, w: int = 128
    ) -> None:
        super().__init__()
        self.z = z
        # the mean picture of the condition, found beforehand: what is learned is how people differ from it
        self.gaussian = GaussianPart(condition, channels * (4 * 2 ** (len(widths) - 1)) ** 2, 1)
        self.mapping = Mapping(z, condition, w)
        self.const = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.layers, self.outputs = nn.ModuleList(), nn.ModuleList()
        before = widths[0]
        for k, width in enumerate(widths):
            self.layers.append(Layer(before, width, w))
            if k:
                self.layers.append(Layer(width, width, w))
            self.outputs.append(ModulatedConv(width, channels, w, 1, demodulate=False))
            before = width
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    @property
    def styles(self) -> int:
        """How many layers take a style: the length of W+."""
        return len(self.layers) + 1

    def forward(
        self, z: Tensor, condition: Tensor, truncation: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        return self.synthesis(self.mapping(z, condition, truncation), condition, generator)

    def synthesis(self, w: Tensor, condition: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """From w (n, w), or a style for each layer, W+ (n, styles, w)."""
        each = w[:, None].expand(-1, self.styles, -1) if w.ndim == 2 else w
        x = self.const.expand(len(w), -1, -1, -1)
        layer, picture = 0, None
        for k, output in enumerate(self.outputs):
            if k:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
                x = self.layers[layer](x, each[:, layer], generator)
                layer += 1
            x = self.layers[layer](x, each[:, layer], generator)
            layer += 1
            shown = output(x, each[:, layer])
            if picture is not None:
                shown = shown + F.interpolate(picture, scale_factor=2, mode="bilinear", align_corners=False)
            picture = shown
        assert picture is not None
        return self.gaussian.mean(condition).reshape(picture.shape) + picture + self.bias


class Block(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.one, self.two, self.skip = (
            EqualConv(inside, inside), EqualConv(inside, outside), EqualConv(inside, outside, 1)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.one(x), 0.2) * math.sqrt(2)
        y = F.avg_pool2d(F.leaky_relu(self.two(y), 0.2) * math.sqrt(2), 2)
        return (y + self.skip(F.avg_pool2d(x, 2))) / math.sqrt(2)


class Discriminator(nn.Module):
    """One score for each picture, and its features. `widths`: channels from the picture's size down to 4 pixels."""

    def __init__(self, condition: int, channels: int = 3, widths: Sequence[int] = (96, 128, 128)) -> None:
        super().__init__()
        self.first = EqualConv(channels, widths[0], 1)
        self.blocks = nn.ModuleList(Block(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True))
        self.last = EqualConv(widths[-1] + 1, widths[-1])
        self.flat = EqualLinear(widths[-1] * 16, widths[-1])
        self.score = EqualLinear(widths[-1], 1)
        self.embed = EqualLinear(condition, widths[-1])

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        x = F.leaky_relu(self.first(x), 0.2)
        for block in self.blocks:
            x = block(x)
        # how much the pictures of a batch differ (Karras et al. 2018): a collapsed generator gives itself away
        spread = (x.var(0, unbiased=False) + 1e-8).sqrt().mean().expand(len(x), 1, *x.shape[2:])
        x = F.leaky_relu(self.last(torch.cat([x, spread], 1)), 0.2)
        features = F.leaky_relu(self.flat(x.flatten(1)), 0.2) * math.sqrt(2)
        projected = (features * _unit(self.embed(condition))).sum(1) / math.sqrt(features.shape[1])
        return self.score(features)[:, 0] + projected, features


def generator_loss(scores: Tensor, kind: str = "logistic") -> Tensor:
    return F.softplus(-scores).mean() if kind == "logistic" else (scores - 1).square().mean()


def discriminator_loss(real: Tensor, made: Tensor, kind: str = "logistic") -> Tensor:
    if kind == "logistic":
        return F.softplus(-real).mean() + F.softplus(made).mean()
    return (real - 1).square().mean() + made.square().mean()


def gradient_penalty(discriminator: Discriminator, real: Tensor, condition: Tensor) -> Tensor:
    """R1: the squared slope of the score at real pictures."""
    real = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(real, condition)[0].sum(), real, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def path_length_penalty(generator: Generator, w: Tensor, condition: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """How unevenly pictures change with w; and the new running mean of the path's length."""
    pictures = generator.synthesis(w, condition)
    noise = torch.randn_like(pictures) / math.sqrt(pictures.shape[2] * pictures.shape[3])
    (slope,) = torch.autograd.grad((pictures * noise).sum(), w, create_graph=True)
    length = slope.square().sum(1).sqrt()
    mean = mean.lerp(length.mean().detach(), 0.01)
    return (length - mean).square().mean(), mean


def augmented(x: Tensor, chance: float) -> Tensor:
    """ADA's pixel-free part: with this chance each, shifts by whole cells, blanks a square, scales and adds noise."""
    if chance <= 0:
        return x
    n, _, height, width = x.shape
    picked = lambda: torch.rand(n, 1, 1, 1) < chance  # noqa: E731
    reach = max(1, width // 8)
    shifts = torch.randint(-reach, reach + 1, (n, 2))
    shifted = torch.stack([torch.roll(one, (int(a), int(b)), (1, 2)) for one, (a, b) in zip(x, shifts, strict=True)])
    x = torch.where(picked(), shifted, x)
    x = torch.where(picked(), x * (1 + 0.2 * torch.randn(n, 1, 1, 1)), x)
    x = torch.where(picked(), x + 0.1 * torch.randn_like(x), x)
    rows, columns = torch.arange(height)[None, None, :, None], torch.arange(width)[None, None, None, :]
    top, left = torch.randint(0, height, (n, 1, 1, 1)), torch.randint(0, width, (n, 1, 1, 1))
    hole = (rows >= top) & (rows < top + height // 3) & (columns >= left) & (columns < left + width // 3)
    return torch.where(picked() & hole, torch.zeros(()), x)


class Adaptive:
    """ADA's controller: the chance of augmentation rises while the discriminator is too sure of real pictures."""

    def __init__(self, target: float = 0.6, speed: float = 2e-3, highest: float = 0.6) -> None:
        self.chance, self.target, self.speed, self.highest = 0.0, target, speed, highest
        self._sure = 0.0

    def update(self, real_scores: Tensor) -> None:
        self._sure += 0.1 * (float(real_scores.sign().mean()) - self._sure)
        self.chance = min(self.highest, max(0.0, self.chance + math.copysign(self.speed, self._sure - self.target)))


def collapse(pictures: Tensor, real: Tensor) -> float:
    """Mean distance of made pictures from each other, over that of real ones: near 0 they are all alike."""
    return float(torch.pdist(pictures.flatten(1)).mean() / torch.pdist(real.flatten(1)).mean())


def invert(generator: Generator, target: Tensor, condition: Tensor, steps: int = 100, seed: int = 0) -> Tensor:
    """W+ (1, styles, w) whose picture is near `target` (1, c, s, s): Adam from the condition's own w."""
    generator.eval()
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        z = torch.randn(64, generator.z, generator=noise)
        start = generator.mapping(z, condition.expand(64, -1)).mean(0)
    styles = start.expand(1, generator.styles, -1).clone().requires_grad_()
    optimizer = torch.optim.Adam([styles], 0.05)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - step / steps) + 1e-4
        found = generator.synthesis(styles, condition, torch.Generator().manual_seed(seed))
        loss = (found - target).square().mean() + 1e-3 * (styles - start).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return styles.detach()

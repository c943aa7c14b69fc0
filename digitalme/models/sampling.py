"""The shipped networks at work: weights from files, portraits out of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from safetensors.torch import load_file
from torch import Tensor

from digitalme.models.coder import Coder
from digitalme.models.condition import CONDITION
from digitalme.models.gan import Generator
from digitalme.models.vae import Vae


def to_tensor(pictures: UInt8[np.ndarray, "n s s 3"]) -> Tensor:
    """(n, s, s, 3) uint8 to (n, 3, s, s) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pictures(tensor: Tensor) -> UInt8[np.ndarray, "n s s 3"]:
    """(n, 3, s, s) in -1..1 to (n, s, s, 3) uint8."""
    return ((tensor.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


@lru_cache(maxsize=2)
def load_coder(path: Path) -> Coder | Vae:
    weights = load_file(path)
    if "basis" not in weights:
        vae = Vae(weights["begin.weight"].shape[1], weights["start.weight"].shape[0])
        vae.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
        return vae.eval()
    coder = Coder(weights["basis"].shape[1], weights["last.weight"].shape[1])
    coder.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return coder.eval()


@lru_cache(maxsize=2)
def load_generator(path: Path) -> Generator:
    weights = {name: tensor.float() for name, tensor in load_file(path).items()}
    widths = []
    while f"outputs.{len(widths)}.weight" in weights:
        widths.append(weights[f"outputs.{len(widths)}.weight"].shape[1])
    channels, z = weights["bias"].shape[1], weights["mapping.embed.weight"].shape[0]
    generator = Generator(CONDITION, channels, widths, z, weights["mapping.mean"].shape[0])
    generator.load_state_dict(weights)
    return generator.eval()


@lru_cache(maxsize=2)
def load_diffusion(path: Path):
    from digitalme.models.diffusion import LatentDiffusion

    weights = {name: tensor.float() for name, tensor in load_file(path).items()}
    widths: list[int] = []
    while f"unet.down_blocks.{len(widths)}.resnets.0.conv1.weight" in weights:
        widths.append(weights[f"unet.down_blocks.{len(widths)}.resnets.0.conv1.weight"].shape[0])
    channels, rank = weights["unet.conv_out.weight"].shape[0], weights["gaussian.values"].shape[0]
    size = round((weights["gaussian.weight"].shape[1] / channels) ** 0.5)
    model = LatentDiffusion(channels, size, widths, weights["tokens.unsaid"].shape[1], rank)
    model.load_state_dict(weights)
    return model.eval()


@torch.no_grad()
def draw_portrait(
    coder: Path, gan: Path, condition: Float32[np.ndarray, "c"], seed: int, truncation: float = 0.7
) -> UInt8[np.ndarray, "s s 3"]:
    """The GAN's picture of this condition."""
    generator, noise = load_generator(gan), torch.Generator().manual_seed(seed)
    z = torch.randn(1, generator.z, generator=noise)
    latents = generator(z, torch.from_numpy(condition)[None], truncation, noise)
    return to_pictures(load_coder(coder).decode(latents))[0]


@torch.no_grad()
def refined_portrait(
    coder: Path, diffusion: Path, image: UInt8[np.ndarray, "s s 3"], condition: Float32[np.ndarray, "c"], seed: int,
    strength: float = 0.5, steps: int = 20, guidance: float = 2.0,
) -> UInt8[np.ndarray, "side side 3"]:  # fmt: skip
    """The picture after SDEdit: noise of this strength put on its latents, and taken away by the diffusion model."""
    coder_ = load_coder(coder)
    start = coder_.encode(to_tensor(image[None]))
    latents = load_diffusion(diffusion).sample(
        torch.from_numpy(condition)[None], seed, steps, guidance, start, strength
    )
    return to_pictures(coder_.decode(latents))[0]

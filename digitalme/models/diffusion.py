"""Latent diffusion with diffusers: a conditional U-Net learns to take noise out of latents (Ho et al. 2020, "DDPM";
Rombach et al. 2022, "latent diffusion"), sampled by DPM-Solver++ (Lu et al. 2022) with classifier-free guidance (Ho and
Salimans 2021); from a picture by SDEdit (Meng et al. 2022), in a part of a picture by RePaint's mixing (Lugmayr 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor, nn

from digitalme.body.attributes import ATTRIBUTES

SIZES = tuple(len(values) for values in ATTRIBUTES.values())


class ConditionTokens(nn.Module):
    """A condition (n, CONDITION) to tokens (n, attributes + 1, width): one for each attribute, one for the view."""

    def __init__(self, width: int, view_numbers: int = 4) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Linear(size, width, bias=False) for size in SIZES)
        self.unsaid = nn.Parameter(torch.randn(len(SIZES), width) * 0.02)
        self.view = nn.Linear(view_numbers, width)

    def forward(self, condition: Tensor, drop: Tensor | None = None) -> Tensor:
        """`drop` (n, attributes) is 1 where an attribute is to be taken as unsaid."""
        parts = condition.split([*SIZES, condition.shape[1] - sum(SIZES)], 1)
        tokens = torch.stack([table(part) for table, part in zip(self.tables, parts, strict=False)], 1)
        said = torch.stack([part.sum(1) for part in parts[:-1]], 1)
        if drop is not None:
            said = said * (1 - drop)
        said = said[..., None]
        tokens = tokens * said + self.unsaid * (1 - said)
        return torch.cat([tokens, self.view(parts[-1])[:, None]], 1)


class LatentDiffusion(nn.Module):
    """The U-Net with its condition; predicts v (Salimans and Ho 2022) of latents with deviation 1."""

    def __init__(
        self, channels: int = 12, size: int = 16, widths: Sequence[int] = (64, 128, 128), token: int = 64
    ) -> None:
        super().__init__()
        self.channels, self.size = channels, size
        self.tokens = ConditionTokens(token)
        self.unet = UNet2DConditionModel(
            sample_size=size, in_channels=channels, out_channels=channels, layers_per_block=1,
            block_out_channels=tuple(widths), norm_num_groups=16, cross_attention_dim=token, attention_head_dim=4,
            down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * (len(widths) - 1)),
            up_block_types=(*["CrossAttnUpBlock2D"] * (len(widths) - 1), "UpBlock2D"),
        )  # fmt: skip
        self.noise = DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")

    def loss(self, latents: Tensor, condition: Tensor) -> Tensor:
        """One draw of the training objective; words are left out so that any part of them may be asked for."""
        n = len(latents)
        noise, t = torch.randn_like(latents), torch.randint(0, 1000, (n,))
        rate = torch.rand(n, 1) * 0.7
        drop = (torch.rand(n, len(SIZES)) < torch.where(torch.rand(n, 1) < 0.12, torch.ones(1), rate)).float()
        found = self.predict(self.noise.add_noise(latents, noise, t), t, self.tokens(condition, drop))
        return nn.functional.mse_loss(found, self.noise.get_velocity(latents, noise, t))

    def predict(self, noisy: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        return self.unet(noisy, t, encoder_hidden_states=tokens).sample

    @torch.no_grad()
    def sample(
        self, condition: Tensor, seed: int, steps: int = 20, guidance: float = 2.0, start: Tensor | None = None,
        strength: float = 1.0, keep: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Latents (n, c, s, s) of the condition.

        `start`: latents to begin from, noised to `strength` (0 leaves them, 1 forgets them). `keep` (n, 1, s, s): 1
        where `start` stays as it is (inpainting).
        """
        generator = torch.Generator().manual_seed(seed)
        scheduler = DPMSolverMultistepScheduler.from_config(self.noise.config)
        scheduler.set_timesteps(steps)
        times = scheduler.timesteps
        shape = (len(condition), self.channels, self.size, self.size)
        noise = torch.randn(shape, generator=generator)
        x = noise
        if start is not None:
            times = times[min(steps - 1, round(steps * (1 - strength))) :] if strength > 0 else times[:0]
            scheduler.set_begin_index(steps - len(times))
            x = scheduler.add_noise(start, noise, times[:1]) if len(times) else start
        said, unsaid = self.tokens(condition), self.tokens(condition, torch.ones(len(condition), len(SIZES)))
        for t in times:
            both = self.predict(torch.cat([x, x]), t, torch.cat([said, unsaid]))
            with_words, without = both.chunk(2)
            x = scheduler.step(without + guidance * (with_words - without), t, x).prev_sample
            if keep is not None and start is not None:
                known = scheduler.add_noise(start, noise, t.reshape(1)) if t > times[-1] else start
                x = known * keep + x * (1 - keep)
        return x

"""Latent diffusion with diffusers: a conditional U-Net learns to take noise out of latents (Ho et al. 2020, "DDPM";
Rombach et al. 2022, "latent diffusion"), sampled by DPM-Solver++ (Lu et al. 2022) with classifier-free guidance (Ho and
Salimans 2021); from a picture by SDEdit (Meng et al. 2022), in a part of a picture by RePaint's mixing (Lugmayr 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor, nn

from digitalme.models.condition import CONDITION
from digitalme.models.gaussian import SIZES as NAMED
from digitalme.models.gaussian import GaussianPart

SIZES = tuple(NAMED.values())


class ConditionTokens(nn.Module):
    """A condition (n, CONDITION) to tokens (n, attributes + 1, width): one for each attribute, one for the view."""

    def __init__(self, width: int, view_numbers: int = 4) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Linear(size, width, bias=False) for size in SIZES)
        self.unsaid = nn.Parameter(torch.randn(len(SIZES), width) * 0.02)
        self.view = nn.Linear(view_numbers, width)

    def forward(self, condition: Tensor) -> Tensor:
        parts = condition.split([*SIZES, condition.shape[1] - sum(SIZES)], 1)
        tokens = torch.stack([table(part) for table, part in zip(self.tables, parts, strict=False)], 1)
        said = torch.stack([part.sum(1) for part in parts[:-1]], 1)[..., None]
        tokens = tokens * said + self.unsaid * (1 - said)
        return torch.cat([tokens, self.view(parts[-1])[:, None]], 1)


class LatentDiffusion(nn.Module):
    """Predicts v (Salimans and Ho 2022) of latents of deviation 1: the Gaussian part's, and the U-Net's share."""

    def __init__(
        self, channels: int = 40, size: int = 8, widths: Sequence[int] = (96, 160), token: int = 64, rank: int = 512
    ) -> None:
        super().__init__()
        self.channels, self.size = channels, size
        self.gaussian = GaussianPart(CONDITION, channels * size**2, rank)
        self.tokens = ConditionTokens(token)
        self.unet = UNet2DConditionModel(
            sample_size=size, in_channels=2 * channels, out_channels=channels, layers_per_block=1,
            block_out_channels=tuple(widths), norm_num_groups=16, cross_attention_dim=token, attention_head_dim=4,
            down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * (len(widths) - 1)),
            up_block_types=(*["CrossAttnUpBlock2D"] * (len(widths) - 1), "UpBlock2D"),
        )  # fmt: skip
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)
        self.noise = DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")

    def loss(self, latents: Tensor, condition: Tensor) -> Tensor:
        """One draw of the training objective; words are left out so that any part of them may be asked for."""
        n = len(latents)
        noise, t = torch.randn_like(latents), torch.randint(0, 1000, (n,))
        share = torch.where(torch.rand(n, 1) < 0.12, torch.ones(1), torch.rand(n, 1) * 0.7)
        said = (torch.rand(n, len(SIZES)) >= share).float()
        noisy = self.noise.add_noise(latents, noise, t)
        found = self.predict(noisy, t, forgotten(condition, said))
        return nn.functional.mse_loss(found, self.noise.get_velocity(latents, noise, t))

    def predict(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """v of noisy latents (n, c, s, s) at times t."""
        n = len(noisy)
        power = self.noise.alphas_cumprod[t].reshape(-1, 1).expand(n, 1).clamp(1e-4, 1 - 1e-4)
        signal, spread = power.sqrt(), (1 - power).sqrt()
        with torch.autocast("cpu", enabled=False), torch.no_grad():
            clean = self.gaussian.denoised(noisy.float().flatten(1), condition, signal, spread)
            v = ((signal * noisy.float().flatten(1) - clean) / spread).reshape(noisy.shape)
            seen = torch.cat([noisy, clean.reshape(noisy.shape)], 1)
        return v + self.unet(seen, t, encoder_hidden_states=self.tokens(condition)).sample

    @torch.no_grad()
    def sample(
        self, condition: Tensor, seed: int, steps: int = 20, guidance: float = 1.5, start: Tensor | None = None,
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
            if strength <= 0:
                return start
            times = times[min(steps - 1, round(steps * (1 - strength))) :]
            scheduler.set_begin_index(steps - len(times))
            x = scheduler.add_noise(start, noise, times[:1].expand(len(start)))
        both = torch.cat([condition, forgotten(condition, torch.zeros(len(condition), len(SIZES)))])
        for t in times:
            with_words, without = self.predict(torch.cat([x, x]), t.reshape(1), both).chunk(2)
            x = scheduler.step(without + guidance * (with_words - without), t, x).prev_sample
            if keep is not None and start is not None:
                known = scheduler.add_noise(start, noise, t.reshape(1).expand(len(start))) if t > times[-1] else start
                x = known * keep + x * (1 - keep)
        return x


def forgotten(condition: Tensor, said: Tensor) -> Tensor:
    """The condition with only those attributes that are marked in `said` (n, attributes)."""
    mask = said.repeat_interleave(torch.tensor(SIZES), 1)
    rest = torch.ones(len(condition), condition.shape[1] - mask.shape[1])
    return condition * torch.cat([mask, rest], 1)

"""What is trained: the latent coder, the diffusion model, the GAN, the text-image pair, the attribute classifier."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from digitalme.body.attributes import ATTRIBUTES
from digitalme.errors import InputError
from digitalme.models import gan
from digitalme.models.coder import Coder, coder_loss
from digitalme.models.condition import CONDITION, PLAIN_VIEW, VIEW_NUMBERS, condition_of
from digitalme.models.diffusion import LatentDiffusion
from digitalme.models.gaussian import forgetful
from digitalme.models.sampling import load_coder, to_pictures, to_tensor
from digitalme.models.text_image import SIDE, AttributeClassifier, TextImagePair, codes_of
from digitalme.models.vae import Vae
from digitalme.models.views import views_of
from digitalme.rendering.people import contact_sheet
from digitalme.text.captions import caption
from digitalme.training.dataset import read_split
from digitalme.training.loop import Average


def mirrored_condition(condition: Tensor) -> Tensor:
    """The condition of a mirrored picture: yaw and the lamp's side change sign."""
    flipped = condition.clone()
    flipped[:, -VIEW_NUMBERS] *= -1
    flipped[:, -VIEW_NUMBERS + 2] *= -1
    return flipped


def cosine(optimizer: torch.optim.Optimizer, rate: float, step: int, share: float, warm: int = 100) -> None:
    """A short warm-up, then a cosine to a twentieth."""
    factor = min(1.0, (step + 1) / warm) * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * min(share, 1.0))))
    for group in optimizer.param_groups:
        group["lr"] = rate * factor


class CoderTask:
    def __init__(self, data: Path, recipe: Mapping[str, Any]) -> None:
        self.recipe = recipe
        examples = read_split(data, "train")
        self.pictures = examples.images
        self.shown = to_tensor(read_split(data, "validation").images[:16])
        self.coder = self.untrained()
        self.modules: dict[str, torch.nn.Module] = {"coder": self.coder}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "coder": torch.optim.AdamW(self.coder.parameters(), recipe["rate"])
        }

    def untrained(self) -> torch.nn.Module:
        coder = Coder(self.recipe["channels"], self.recipe["width"])
        coder.fit(to_tensor(self.pictures[:: max(1, len(self.pictures) // 600)]))
        return coder

    def loss(self, pictures: Tensor) -> Tensor:
        return coder_loss(self.coder, pictures)

    def step(self, step: int, share: float) -> dict[str, float]:
        optimizer = self.optimizers["coder"]
        cosine(optimizer, self.recipe["rate"], step, share, 20)
        picked = torch.randint(len(self.pictures), (self.recipe["batch"],)).numpy()
        pictures = to_tensor(self.pictures[picked])
        if step % 2:
            pictures = pictures.flip(3)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.get("bf16", False)):
            loss = self.loss(pictures)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    @torch.no_grad()
    def samples(self) -> np.ndarray:
        found = self.coder.decode(self.coder.encode(self.shown))
        return contact_sheet([*to_pictures(self.shown), *to_pictures(found)])

    def result(self) -> dict[str, Tensor]:
        return dict(self.coder.state_dict())


class VaeTask(CoderTask):
    def untrained(self) -> torch.nn.Module:
        return Vae(self.recipe["channels"], self.recipe["width"])

    def loss(self, pictures: Tensor) -> Tensor:
        return self.coder.loss(pictures)


class Latents:
    """A split as latents (without a coder: as pictures), each also mirrored, with their conditions."""

    def __init__(self, data: Path, coder: Coder | Vae | None, split: str = "train") -> None:
        examples = read_split(data, split)
        latents, conditions = [], []
        with torch.no_grad():
            for start in range(0, len(examples.images), 64):
                pictures = to_tensor(examples.images[start : start + 64])
                condition = torch.from_numpy(examples.condition[start : start + 64])
                both = [pictures, pictures.flip(3)]
                latents += both if coder is None else [coder.encode(each) for each in both]
                conditions += [condition, mirrored_condition(condition)]
        self.latents, self.condition = torch.cat(latents), torch.cat(conditions)

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        picked = torch.randint(len(self.latents), (size,))
        return self.latents[picked], self.condition[picked]


SHOWN: tuple[dict[str, str], ...] = (
    {"gender": "woman", "hair_style": "long", "hair_color": "pink", "skin": "pale"},
    {"gender": "man", "age": "old", "beard": "full", "hair_color": "white", "hair_style": "short", "skin": "light"},
    {"gender": "man", "hair_style": "bald", "skin": "dark", "beard": "none"},
    {"gender": "woman", "hair_style": "afro", "hair_color": "black", "skin": "brown", "glasses": "round"},
    {"gender": "woman", "hair_style": "bob", "hair_color": "blond", "skin": "light", "expression": "happy"},
    {"gender": "man", "hair_style": "curly", "hair_color": "red", "skin": "pale", "beard": "stubble"},
    {"gender": "woman", "hair_style": "bun", "hair_color": "blue", "skin": "tan", "glasses": "none"},
    {"gender": "man", "hair_style": "buzz", "hair_color": "brown", "skin": "tan", "glasses": "sunglasses"},
)
"""What sample grids ask for, a column each."""


def shown_conditions(rows: int) -> Tensor:
    return torch.from_numpy(np.stack([condition_of(asked, PLAIN_VIEW) for _ in range(rows) for asked in SHOWN]))


class DiffusionTask:
    def __init__(self, data: Path, recipe: Mapping[str, Any]) -> None:
        self.recipe = recipe
        self.coder = load_coder(Path(recipe["coder"]))
        self.data = Latents(data, self.coder)
        channels, size = self.data.latents.shape[1:3]
        self.model = LatentDiffusion(channels, size, recipe["widths"], recipe["token"], recipe["rank"])
        self.model.gaussian.fit(self.data.latents, self.data.condition)
        self.average = Average(self.model, recipe["average"])
        self.modules: dict[str, torch.nn.Module] = {"model": self.model, "average": self.average}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "model": torch.optim.AdamW(self.model.parameters(), recipe["rate"], betas=(0.9, 0.99), weight_decay=0.01)
        }

    def step(self, step: int, share: float) -> dict[str, float]:
        optimizer = self.optimizers["model"]
        cosine(optimizer, self.recipe["rate"], step, share)
        latents, condition = self.data.batch(self.recipe["batch"])
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.get("bf16", False)):
            loss = self.model.loss(latents, condition)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimizer.step()
        self.average.update(self.model, step)
        return {"loss": loss.item()}

    def averaged(self) -> LatentDiffusion:
        model, recipe = self.model, self.recipe
        model = LatentDiffusion(model.channels, model.size, recipe["widths"], recipe["token"], recipe["rank"])
        model.load_state_dict(self.average.weights())
        return model.eval()

    @torch.no_grad()
    def samples(self) -> np.ndarray:
        latents = self.averaged().sample(shown_conditions(2), 0, 14)
        return contact_sheet(list(to_pictures(self.coder.decode(latents))))

    def result(self) -> dict[str, Tensor]:
        return {name: tensor.half() for name, tensor in self.average.weights().items()}


class GanTask:
    """The GAN on latents of the coder, or with `coder = ""` on pictures themselves."""

    def __init__(self, data: Path, recipe: Mapping[str, Any]) -> None:
        self.recipe = recipe
        self.coder = load_coder(Path(recipe["coder"])) if recipe["coder"] else None
        self.data = Latents(data, self.coder)
        channels = self.data.latents.shape[1]
        self.generator = gan.Generator(CONDITION, channels, recipe["widths"], recipe["z"], recipe["w"])
        self.generator.gaussian.fit(self.data.latents, self.data.condition)
        self.discriminator = gan.Discriminator(CONDITION, channels, recipe["widths"][::-1])
        self.average = Average(self.generator, recipe["average"])
        zero = {name: torch.nn.Parameter(torch.zeros(()), requires_grad=False) for name in ("path", "chance")}
        self.register = torch.nn.ParameterDict(zero)
        self.adaptive = gan.Adaptive()
        self.modules: dict[str, torch.nn.Module] = {
            "generator": self.generator, "discriminator": self.discriminator, "average": self.average,
            "register": self.register,
        }  # fmt: skip
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(self.generator.parameters(), recipe["rate"], betas=(0.0, 0.99)),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), recipe["rate"], betas=(0.0, 0.99)),
        }

    def step(self, step: int, share: float) -> dict[str, float]:
        recipe, kind = self.recipe, self.recipe["loss"]
        self.adaptive.chance = float(self.register["chance"])
        for optimizer in self.optimizers.values():
            cosine(optimizer, recipe["rate"], step, max(0.0, 2 * share - 1), 50)
        real, condition = self.data.batch(recipe["batch"])
        condition = forgetful(condition, 0.25)
        z = torch.randn(recipe["batch"], recipe["z"])
        with torch.no_grad():
            made = self.generator(z, condition)
        chance = self.adaptive.chance
        real_scores, _ = self.discriminator(gan.augmented(real, chance), condition)
        made_scores, _ = self.discriminator(gan.augmented(made, chance), condition)
        loss_d = gan.discriminator_loss(real_scores, made_scores, kind)
        penalty = torch.zeros(())
        if step % 8 == 0:
            penalty = gan.gradient_penalty(self.discriminator, real, condition)
        self._descend("discriminator", loss_d + recipe["r1"] / 2 * 8 * penalty)
        self.adaptive.update(real_scores.detach())
        self.register["chance"].data.fill_(self.adaptive.chance)

        w = self.generator.mapping(torch.randn(recipe["batch"], recipe["z"]), condition)
        made = self.generator.synthesis(w, condition)
        scores, features = self.discriminator(gan.augmented(made, chance), condition)
        loss_g = gan.generator_loss(scores, kind)
        total = loss_g
        if recipe.get("feature_matching", 0) > 0:
            with torch.no_grad():
                _, wanted = self.discriminator(gan.augmented(real, chance), condition)
            total = total + recipe["feature_matching"] * (features.mean(0) - wanted.mean(0)).square().mean()
        if recipe.get("path_length", 0) > 0 and step % 16 == 0 and step > 200:
            half = w.detach()[: max(2, len(w) // 2)].requires_grad_()
            unevenness, mean = gan.path_length_penalty(
                self.generator, half, condition[: len(half)], self.register["path"].data
            )
            self.register["path"].data.copy_(mean)
            total = total + recipe["path_length"] * 16 * unevenness
        self._descend("generator", total)
        self.average.update(self.generator, step)
        return {
            "generator": loss_g.item(), "discriminator": loss_d.item(), "r1": penalty.item() * (step % 8 == 0),
            "augmentation": chance, "spread": gan.collapse(made.detach()[:16], real[:16]),
        }  # fmt: skip

    def _descend(self, name: str, loss: Tensor) -> None:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        self.optimizers[name].step()

    @torch.no_grad()
    def samples(self) -> np.ndarray:
        model = gan.Generator(
            CONDITION, self.data.latents.shape[1], self.recipe["widths"], self.recipe["z"], self.recipe["w"]
        )
        model.load_state_dict(self.average.weights())
        condition = shown_conditions(4)
        noise = torch.Generator().manual_seed(0)
        made = model.eval()(torch.randn(len(condition), self.recipe["z"], generator=noise), condition, 0.8, noise)
        return contact_sheet(list(to_pictures(self.coder.decode(made) if self.coder else made)))

    def result(self) -> dict[str, Tensor]:
        return {name: tensor.half() for name, tensor in self.average.weights().items()}


def varied(pictures: Tensor) -> Tensor:
    """Mirrored by chance, shifted, brightened, blurred, with noise: flaws that a generator's pictures may have too."""
    n = len(pictures)
    pictures = torch.where(torch.rand(n, 1, 1, 1) < 0.5, pictures.flip(3), pictures)
    x, y = torch.randint(-3, 4, (2,)).tolist()
    pictures = torch.roll(pictures, (x, y), (2, 3)) * (1 + 0.1 * torch.randn(n, 1, 1, 1))
    pictures = pictures + 0.06 * torch.randn(n, 1, 1, 1)
    if torch.rand(()) < 0.4:
        small = torch.nn.functional.interpolate(pictures, scale_factor=float(0.4 + 0.4 * torch.rand(())), mode="area")
        pictures = torch.nn.functional.interpolate(small, pictures.shape[2:], mode="bilinear")
    return pictures + 0.05 * torch.rand(n, 1, 1, 1) * torch.randn_like(pictures)


class _PictureTask(ABC):
    """What the pair and the classifier share: small pictures in memory, one optimizer, scores on other people."""

    def __init__(self, data: Path, recipe: Mapping[str, Any], model: torch.nn.Module) -> None:
        self.recipe, self.model = recipe, model
        self.train, self.other = (read_split(data, recipe[part]) for part in ("split", "scored_on"))
        self.pictures, self.unseen = (self.seen(part.images) for part in (self.train, self.other))
        self.modules: dict[str, torch.nn.Module] = {"model": model}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "model": torch.optim.AdamW(model.parameters(), recipe["rate"], weight_decay=0.05)
        }

    def seen(self, pictures: np.ndarray) -> Tensor:
        """Pictures as the model takes them."""
        return shrunk(pictures)

    @abstractmethod
    def batch_loss(self, picked: np.ndarray) -> Tensor:
        """Loss of the pictures at these places."""

    @abstractmethod
    def score(self) -> float:
        """How good the model is on people it never saw; more is better."""

    def step(self, step: int, share: float) -> dict[str, float]:
        optimizer = self.optimizers["model"]
        cosine(optimizer, self.recipe["rate"], step, share, 30)
        self.model.train()
        loss = self.batch_loss(torch.randint(len(self.pictures), (self.recipe["batch"],)).numpy())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    def samples(self) -> None:
        self.model.eval()
        print(f"score on people not seen: {self.score():.3f}", flush=True)

    def result(self) -> dict[str, Tensor]:
        return {k: v.half() if v.is_floating_point() else v for k, v in self.model.state_dict().items()}


def shrunk(pictures: np.ndarray) -> Tensor:
    """As the trunks take them."""
    parts = [
        torch.nn.functional.interpolate(to_tensor(pictures[i : i + 64]), (SIDE, SIDE), mode="area")
        for i in range(0, len(pictures), 64)
    ]
    return torch.cat(parts)


class PairTask(_PictureTask):
    def __init__(self, data: Path, recipe: Mapping[str, Any]) -> None:
        super().__init__(data, recipe, TextImagePair())
        self.random = np.random.default_rng(recipe["seed"])

    def _captions(self, rows: np.ndarray) -> Tensor:
        about = [self.train.about[i] for i in rows]
        words = [("en", "zh")[int(self.random.integers(2))] for _ in about]
        return codes_of([
            caption(line["attributes"], word, self.random) if line["attributes"] else line[word]
            for line, word in zip(about, words, strict=True)
        ])  # fmt: skip

    def batch_loss(self, picked: np.ndarray) -> Tensor:
        return self.model.loss(varied(self.pictures[picked]), self._captions(picked))

    @torch.no_grad()
    def score(self) -> float:
        """How often a caption finds its picture among 64 of people not seen, in both languages."""
        right, count = 0.0, 0
        for start in range(0, min(len(self.unseen), 256) - 63, 64):
            pictures = self.model.of_pictures(self.unseen[start : start + 64])
            for word in ("en", "zh"):
                lines = self.other.about[start : start + 64]
                texts = self.model.of_texts(codes_of([caption(line["attributes"], word) for line in lines]))
                right += float(((texts @ pictures.T).argmax(1) == torch.arange(64)).float().mean())
                count += 1
        return right / max(count, 1)


class ClassifierTask(_PictureTask):
    def __init__(self, data: Path, recipe: Mapping[str, Any]) -> None:
        super().__init__(data, recipe, AttributeClassifier())
        self.condition = torch.from_numpy(self.train.condition)
        if start := recipe.get("start"):  # people are drawn otherwise than they were: what was learnt is not lost
            if not Path(start).is_file():
                raise InputError(f"recipe: start = {start!r}: no such file; train those weights first")
            self.model.load_state_dict({
                name: value.float() if value.is_floating_point() else value for name, value in load_file(start).items()
            })  # fmt: skip

    def seen(self, pictures: np.ndarray) -> Tensor:
        return views_of(pictures)

    def batch_loss(self, picked: np.ndarray) -> Tensor:
        views = self.pictures[picked]
        views = torch.stack([varied(views[:, i]) for i in range(views.shape[1])], 1)
        return self.model.loss(views, self.condition[picked])

    def score(self) -> float:
        """Share of attributes right on people not seen."""
        right = self.hits()
        print(" ".join(f"{name} {np.mean(each):.2f}" for name, each in right.items() if each), flush=True)
        return float(np.mean([hit for each in right.values() for hit in each]))

    def hits(self) -> dict[str, list[bool]]:
        """For each attribute whether it is right, of each person not seen of whom it is known."""
        found = [word for i in range(0, len(self.unseen), 64) for word in self.model.words(self.unseen[i : i + 64])]
        return {
            name: [words[name] == line["attributes"][name] for words, line in zip(found, self.other.about, strict=True)
                   if name in line["attributes"]]
            for name in ATTRIBUTES
        }  # fmt: skip


TASKS: dict[str, Any] = {
    "coder": CoderTask, "vae": VaeTask, "diffusion": DiffusionTask, "gan": GanTask, "pair": PairTask,
    "classifier": ClassifierTask,
}  # fmt: skip
"""A recipe's `network` to what trains it."""

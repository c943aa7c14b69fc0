"""Makes assets/face_reader.safetensors: draws people doing things, and trains the face reader on the pictures.

    python tools/train_face_reader.py draw SIGHTINGS --first 2000 --people 20     (and more, with other seeds)
    python tools/train_face_reader.py train SIGHTINGS --minutes 30

Recipe: configs/training/face_reader.toml. Needs torch, for training only.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from make_seen_actions import random_weights
from torch import nn

from digitalme.artifacts import Camera
from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth
from digitalme.body.people import random_person
from digitalme.body.person_avatar import avatar_of
from digitalme.body.visemes import VISEMES, arkit_weights
from digitalme.imaging.face_reader import FEATURES, HIDDEN, LAYERS, NARROW, standardised
from digitalme.imaging.face_tracking import FACE_SIZE, face_crop
from digitalme.paths import asset, config
from digitalme.rendering.pose import NECK_SHARE
from digitalme.rendering.scene import Lighting
from digitalme.rendering.studio import Studio, portrait_camera, studio_lighting
from digitalme.spaces import rotation_from_euler

RECIPE = tomllib.loads(config("training/face_reader.toml").read_text())
AT_REST = 3
"""The first pictures of each person are at rest."""


# ---- pictures ----


def talking(random: np.random.Generator, chances: dict[str, float]) -> dict[str, float]:
    """Actions as in a talk: the mouth between two visemes, and now and then a few actions more, by their chances."""
    share, size = random.uniform(), float(random.uniform(0.3, 1.5))
    weights: dict[str, float] = {}
    for number, part in zip(random.choice(len(VISEMES), 2), (share, 1 - share), strict=True):
        for name, weight in arkit_weights(VISEMES[number]).items():
            weights[name] = min(1.0, weights.get(name, 0.0) + size * part * weight)
    known = load_body().names("action")
    for stem, chance in chances.items():
        if random.random() < chance:
            weight = float(random.uniform())
            for name in {stem, f"{stem}Left", f"{stem}Right"} & set(known):
                weights[name] = min(1.0, weights.get(name, 0.0) + weight)
    wild = random_weights(random)
    return weights | {name: weight for name, weight in wild.items() if name.startswith("eyeLook")}


def lamps(camera: Camera, random: np.random.Generator) -> Lighting:
    """The studio's lamps turned, tinted and made harder or softer; on some people as they are."""
    usual = studio_lighting(camera)
    if random.random() < 0.3:
        return usual
    turned = rotation_from_euler(*random.normal(0, (0.35, 0.7, 0.2)))
    tint, around = np.exp(random.normal(0, 0.12, 3)), float(np.exp(random.normal(0, 0.35)))
    strength = np.exp(random.normal(0, (0.35, 0.6, 0.5, 0.5)))
    return replace(
        usual,
        lamps=tuple(
            replace(lamp, direction=tuple(turned @ lamp.direction), color=tuple(tint * power * np.array(lamp.color)))
            for lamp, power in zip(usual.lamps, strength, strict=True)
        ),
        sky=tuple(around * tint * np.array(usual.sky)), ground=tuple(around * tint * np.array(usual.ground)),
    )  # fmt: skip


def draw(folder: Path, first: int, people: int, pictures: int) -> None:
    """Pictures of people of seeds from `first` on, as `face_crop` cuts them out; the first three of each at rest."""
    folder.mkdir(parents=True, exist_ok=True)
    model = load_body()
    names = model.names("action")
    rows: dict[str, list] = {"W": [], "S": [], "P": []}
    for number in range(first, first + people):
        random, person = np.random.default_rng([78, number]), random_person(number)
        if person.attributes["glasses"] == "sunglasses":
            person = replace(person, attributes=person.attributes | {"glasses": "none"})
        avatar = avatar_of(person, 512)
        studio = Studio(avatar, "studio")
        marks = landmark_points(settle_mouth(model.vertices(person.shape), model).astype(float))
        bones = avatar.skeleton
        at_neck, at_head = (bones.world_from_joint[bones.names.index(name), :3, 3] for name in ("Neck", "Head"))
        camera = portrait_camera(avatar, width=256, height=256, span=float(random.uniform(0.26, 0.34)))
        lighting, ground = lamps(camera, random), tuple(int(level) for level in random.integers(0, 256, 3))
        for i in range(pictures):
            weights = {} if i < AT_REST else talking(random, RECIPE["actions"]) if i % 3 else random_weights(random)
            angles = np.clip(random.normal(0, (0.13, 0.2, 0.08)), -0.5, 0.5)
            background = ground if number % 2 else None
            picture = studio.picture(camera, weights, tuple(angles), background, lighting=lighting)
            whole, neck = rotation_from_euler(*angles), rotation_from_euler(*(angles * NECK_SHARE))
            placed = (marks - at_head) @ whole.T + neck @ (at_head - at_neck) + at_neck
            seen = placed @ camera.camera_from_world[:, :3].T + camera.camera_from_world[:, 3]
            flat = camera.focal_px * seen / seen[:, 2:] + np.array([128, 128, 0])
            rows["W"].append([weights.get(name, 0) for name in names])
            rows["S"].append(number)
            rows["P"].append(face_crop(picture, np.concatenate([flat, flat[:10]]).astype(np.float32)))
        kinds = {"W": np.float32, "S": np.int64, "P": np.uint8}
        if number % 4 == 3 or number == first + people - 1:
            print(number, flush=True)
            np.savez(folder / f"{first}.tmp.npz", names=names, **{k: np.array(v, kinds[k]) for k, v in rows.items()})
            (folder / f"{first}.tmp.npz").replace(folder / f"{first}.npz")


# ---- network ----


class Reader(nn.Module):
    def __init__(self, actions: int) -> None:
        super().__init__()
        self.conv = nn.ModuleList(nn.Conv2d(a, b, 3, stride, 1) for a, b, stride in LAYERS)
        self.norm = nn.ModuleList(nn.BatchNorm2d(b) for _, b, _ in LAYERS)
        self.narrow = nn.Conv2d(LAYERS[-1][1], NARROW, 1)
        self.describe = nn.Linear(NARROW * (FACE_SIZE[0] // 16) * (FACE_SIZE[1] // 16), FEATURES)
        self.drop = nn.Dropout(RECIPE["dropout"])
        self.mix, self.tell = nn.Linear(3 * FEATURES + 1, HIDDEN), nn.Linear(HIDDEN, actions)

    def features(self, pictures: torch.Tensor) -> torch.Tensor:
        x = pictures
        for conv, norm in zip(self.conv, self.norm, strict=True):
            x = torch.relu(norm(conv(x)))
        return self.describe(self.drop(torch.relu(self.narrow(x)).flatten(1)))

    def forward(self, found: torch.Tensor, rest: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        rest = rest * known
        both = torch.cat([found, (found - rest) * known, rest, known], 1)
        return self.tell(self.drop(torch.relu(self.mix(both))))


class Sightings:
    """Pictures of people doing something, by person."""

    def __init__(self, folder: Path) -> None:
        data = [np.load(path) for path in sorted(folder.glob("*.npz")) if ".tmp" not in path.name]
        self.names = [str(name) for name in data[0]["names"]]
        self.weights, self.person, self.pictures = (np.concatenate([each[key] for each in data]) for key in "WSP")
        self.rows = {number: np.flatnonzero(self.person == number) for number in np.unique(self.person)}
        self.rows = {number: rows for number, rows in self.rows.items() if len(rows) > AT_REST + 2}
        self.learnt = [number for number in self.rows if number % 10 != 9]
        self.kept = [number for number in self.rows if number % 10 == 9]
        self.swap = [self.names.index(other_side(name)) for name in self.names]
        print(f"{len(self.person)} pictures of {len(self.rows)} people", flush=True)


def other_side(name: str) -> str:
    """The action of the face's other half."""
    for one, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(one):
            return name[: -len(one)] + other
    return name


@lru_cache(maxsize=1)
def _grain() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1 << 20) + 3 * FACE_SIZE[0] * FACE_SIZE[1]).astype(np.float32)


class Lens:
    """One person's camera: its light, colours, sharpness and compression; how the crop sits changes from picture to
    picture."""

    def __init__(self, random: np.random.Generator, size: tuple[int, int] = FACE_SIZE) -> None:
        self.random, self.size, self.mirrored = random, size, random.random() < 0.5
        gain = np.exp(random.normal(0, 0.2)) * np.exp(random.normal(0, 0.06, 3))
        levels = np.linspace(0, 1, 256) ** np.exp(random.normal(0, 0.2))
        self.curve = (255 * levels * gain[:, None] + random.uniform(0, 25)).astype(np.float32)
        across, down = np.meshgrid(*(np.linspace(-1, 1, side) for side in size))
        way = random.uniform(0, 2 * np.pi)
        self.shade = (1 + random.uniform(0, 0.4) * (np.cos(way) * across + np.sin(way) * down))[..., None]
        self.shade = self.shade.astype(np.float32)
        self.small = random.uniform(0.35, 1.0) if random.random() < 0.6 else 1.0
        self.noise, self.quality = abs(random.normal(0, 3.5)), int(random.integers(35, 96))
        self.gray = random.random() < 0.1

    def seen(self, picture: np.ndarray) -> np.ndarray:
        """The face crop as another detector would cut it out, taken by this camera."""
        random, (width, height) = self.random, FACE_SIZE
        turn = cv2.getRotationMatrix2D(
            (width / 2, height / 2), random.normal(0, 1.5), float(np.exp(random.normal(0, 0.02)))
        )
        turn[:, 2] += random.normal(0, 1.3, 2)
        x = cv2.warpAffine(picture, turn, FACE_SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return self.taken(x[:, ::-1] if self.mirrored else x)

    def taken(self, picture: np.ndarray) -> np.ndarray:
        """The picture, of this lens's size, as the camera takes it."""
        random, x = self.random, picture
        if self.small < 1:
            x = cv2.resize(x, None, fx=self.small, fy=self.small, interpolation=cv2.INTER_AREA)
            x = cv2.resize(x, self.size, interpolation=cv2.INTER_LINEAR)
        y = np.stack([cv2.LUT(np.ascontiguousarray(x[..., k]), self.curve[k]) for k in range(3)], 2) * self.shade
        if self.gray:
            y = np.repeat(y.mean(2, keepdims=True), 3, 2)
        if self.noise > 0.3:
            at = random.integers(0, 1 << 20)
            y += self.noise * _grain()[at : at + y.size].reshape(y.shape)
        y = np.clip(y, 0, 255).astype(np.uint8)
        return cv2.imdecode(cv2.imencode(".jpg", y, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1], cv2.IMREAD_COLOR)


def batch(sightings: Sightings, random: np.random.Generator) -> tuple[torch.Tensor, ...]:
    """Pictures, the row of each one's rest among the first, whether that is told, and weights."""
    rests, doing, weights, place, known = [], [], [], [], []
    for slot, number in enumerate(random.choice(sightings.learnt, RECIPE["people_a_batch"], replace=False)):
        lens, rows = Lens(random), sightings.rows[number]
        rests.append(lens.seen(sightings.pictures[random.choice(rows[:AT_REST])]))
        told = random.random() >= RECIPE["restless"]
        for row in random.choice(rows, RECIPE["pictures_a_person"], replace=False):
            doing.append(lens.seen(sightings.pictures[row]))
            truth = sightings.weights[row]
            weights.append(truth[sightings.swap] if lens.mirrored else truth)
            place.append(slot)
            known.append(told)
    x = standardised(np.stack(rests + doing)).transpose(0, 3, 1, 2)
    return (
        torch.tensor(np.ascontiguousarray(x)), torch.tensor(place), torch.tensor(known, dtype=torch.float32)[:, None],
        torch.tensor(np.stack(weights)),
    )  # fmt: skip


def judged(model: Reader, sightings: Sightings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """On the people held out: weights told, weights true, person."""
    model.eval()
    told, truth, who = [], [], []
    with torch.no_grad():
        for number in sightings.kept:
            rows = sightings.rows[number]
            x = torch.tensor(standardised(sightings.pictures[rows]).transpose(0, 3, 1, 2).copy())
            found = model.features(x)
            rest = found[:AT_REST].mean(0, keepdim=True).expand_as(found)
            told.append(model(found, rest, torch.ones(len(rows), 1)).clip(0, 1).numpy())
            truth.append(sightings.weights[rows])
            who += [number] * len(rows)
    model.train()
    return np.concatenate(told), np.concatenate(truth), np.array(who)


SHOWN = ("jawOpen", "eyeBlinkLeft", "mouthSmileLeft", "mouthPucker", "browInnerUp", "mouthFunnel", "browOuterUpLeft",
         "browDownLeft", "eyeLookOutLeft", "eyeLookUpLeft", "mouthClose")  # fmt: skip


def folded(model: nn.Module, layers: int) -> dict[str, np.ndarray]:
    """The network's tensors with each batch norm folded into its convolution."""
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    tensors = {name: array for name, array in state.items() if not name.startswith(("conv", "norm"))}
    for number in range(layers):
        scale = state[f"norm.{number}.weight"] / np.sqrt(state[f"norm.{number}.running_var"] + 1e-5)
        bias = (state[f"conv.{number}.bias"] - state[f"norm.{number}.running_mean"]) * scale
        tensors[f"conv{number}.weight"] = state[f"conv.{number}.weight"] * scale[:, None, None, None]
        tensors[f"conv{number}.bias"] = bias + state[f"norm.{number}.bias"]
    return tensors


def write(model: Reader, sightings: Sightings) -> None:
    """Half floats, each batch norm folded into its convolution; and how far off it is."""
    from safetensors.numpy import save_file

    told, truth, _ = judged(model, sightings)
    tensors = folded(model, len(LAYERS))
    tensors["deviation"] = np.sqrt(((told - truth) ** 2).mean(0))
    halves = {name: np.ascontiguousarray(array.astype(np.float16)) for name, array in tensors.items()}
    save_file(halves, asset("face_reader.safetensors"), {"names": " ".join(sightings.names)})
    print("mean error of weights on people held out (and of saying nothing)")
    for name in SHOWN:
        i = sightings.names.index(name)
        print(f"{name:18} {np.abs(told - truth)[:, i].mean():.3f} ({truth[:, i].mean():.3f})", flush=True)


def learn(
    model: nn.Module, average: nn.Module, recipe: dict, folder: Path, minutes: float,
    loss_at: Callable[[int], torch.Tensor], tell: Callable[[], str], every: int,
) -> None:  # fmt: skip
    """Go on from FOLDER/state.safetensors for so many minutes, or to the recipe's last step, and put the state back.

    `loss_at`: the model's loss at a step. `average`: the model's running mean, which is what is used.
    `tell`: how far off that is.
    """
    from safetensors.torch import load_file, save_file

    average.load_state_dict(model.state_dict())
    optimiser = torch.optim.AdamW(model.parameters(), recipe["rate"], weight_decay=recipe["decay"])
    path, step = folder / "state.safetensors", 0
    if path.exists():
        state = load_file(path)
        step = int(state["step"])
        model.load_state_dict({name[6:]: tensor for name, tensor in state.items() if name.startswith("model.")})
        average.load_state_dict({name[8:]: tensor for name, tensor in state.items() if name.startswith("average.")})
        for number, parameter in enumerate(model.parameters()):
            optimiser.state[parameter] = {
                key: state[f"adam.{number}.{key}"] for key in ("exp_avg", "exp_avg_sq", "step")
            }
    begun, mean, first = time.perf_counter(), 0.0, step
    while step < recipe["steps"] and time.perf_counter() - begun < 60 * minutes:
        for group in optimiser.param_groups:
            group["lr"] = recipe["rate"] * min(1, (step + 1) / 50) * 0.5 * (1 + np.cos(np.pi * step / recipe["steps"]))
        loss = loss_at(step)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        mean += (loss.item() - mean) * max(0.02, 1 / (step - first + 1))
        keep = min(recipe["averaging"], (1 + step) / (10 + step))
        with torch.no_grad():
            for mine, theirs in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
                mine.copy_(keep * mine + (1 - keep) * theirs if mine.is_floating_point() else theirs)
        step += 1
        if step % every == 0:
            print(f"{step} steps, {time.process_time():.0f} CPU s, loss {mean:.4f}; held out {tell()}", flush=True)
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    state |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for number, parameter in enumerate(model.parameters()):
        state |= {f"adam.{number}.{key}": tensor for key, tensor in optimiser.state[parameter].items()}
    save_file(state | {"step": torch.tensor(float(step))}, path)


def heavy_of(names: list[str], recipe: dict) -> torch.Tensor:
    """How much each action counts in the loss."""
    counts = [[w for stem, w in recipe["heavy"].items() if name.startswith(stem)] for name in names]
    return torch.tensor([each[0] if each else 1.0 for each in counts])


def train(folder: Path, minutes: float) -> None:
    """Go on training for so many minutes, or to the recipe's last step; then write the asset."""
    torch.manual_seed(RECIPE["seed"])
    torch.set_num_threads(1)
    sightings = Sightings(folder)
    model, average = Reader(len(sightings.names)), Reader(len(sightings.names))
    heavy = heavy_of(sightings.names, RECIPE)

    def loss_at(step: int) -> torch.Tensor:
        pictures, place, known, truth = batch(sightings, np.random.default_rng([RECIPE["seed"], step]))
        found = model.features(pictures)
        rests, doing = found[: RECIPE["people_a_batch"]], found[RECIPE["people_a_batch"] :]
        losses = nn.functional.smooth_l1_loss(model(doing, rests[place], known), truth, beta=0.3, reduction="none")
        return (losses * heavy).mean()

    def tell() -> str:
        told, true, _ = judged(average, sightings)
        return " ".join(f"{np.abs(told - true)[:, sightings.names.index(name)].mean():.3f}" for name in SHOWN)

    learn(model, average, RECIPE, folder, minutes, loss_at, tell, every=100)
    write(average, sightings)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["draw", "train"])
    parser.add_argument("sightings", type=Path)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--first", type=int, default=2000)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--pictures", type=int, default=RECIPE["pictures"])
    arguments = parser.parse_args()
    if arguments.what == "draw":
        draw(arguments.sightings, arguments.first, arguments.people, arguments.pictures)
    else:
        train(arguments.sightings, arguments.minutes)

"""Makes assets/lip_reader.safetensors: draws mouths of people doing things, and trains the lip reader on them.

    python tools/train_lip_reader.py draw MOUTHS --first 2000 --people 100     (and more, with other seeds)
    python tools/train_lip_reader.py train MOUTHS --minutes 9                  (goes on where it stopped)

Recipe: configs/training/lip_reader.toml. Needs torch, for training only.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from make_seen_actions import random_weights
from torch import nn
from train_face_reader import Lens, folded, heavy_of, lamps, learn, other_side, talking

from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth
from digitalme.body.people import random_person
from digitalme.body.person_avatar import avatar_of
from digitalme.imaging.lip_reader import HIDDEN, LAYERS, NARROW, SIZE, mouth_spots, standardised
from digitalme.paths import asset, config
from digitalme.rendering.studio import Studio, portrait_camera
from digitalme.spaces import rotation_from_euler

RECIPE = tomllib.loads(config("training/lip_reader.toml").read_text())
AT_REST = 3
"""The first pictures of each person are at rest."""
LEAST = 0.8
"""The least share of an action told that is stretched back."""
WINDOW = (112, 96)
"""Width and height of what is drawn, pixels: the mouth and what it may be taken for when the pose is off."""
FAR = ("trousers", "tshirt")
"""Meshes that no mouth's picture shows."""
TOLD = ("jaw", "mouth", "cheekPuff", "noseSneer")
"""Actions that a mouth's picture shows."""


# ---- pictures ----


def draw(folder: Path, first: int, people: int, pictures: int) -> None:
    """Mouths of people of seeds from `first` on; the first three of each at rest, the next ones nearly."""
    folder.mkdir(parents=True, exist_ok=True)
    model = load_body()
    names = model.names("action")
    rows: dict[str, list] = {"W": [], "S": [], "P": [], "M": [], "V": [], "G": []}
    for number in range(first, first + people):
        random, person = np.random.default_rng([79, number]), random_person(number)
        avatar = avatar_of(person, 512)
        avatar = replace(avatar, meshes=tuple(mesh for mesh in avatar.meshes if mesh.name not in FAR))
        studio = Studio(avatar, "studio")
        rest = settle_mouth(model.vertices(person.shape), model).astype(float)
        spots = mouth_spots(rest[np.unique(model.parts["head"].faces)], landmark_points(rest))
        whole_face = portrait_camera(avatar, width=256, height=256, span=float(random.uniform(0.26, 0.34)))
        lighting, ground = lamps(whole_face, random), tuple(int(level) for level in random.integers(0, 256, 3))
        rows["G"].append(spots)
        for i in range(pictures):
            wild = i >= AT_REST + RECIPE["nearly"] and i % 3 == 0
            weights = {} if i < AT_REST else random_weights(random) if wild else talking(random, RECIPE["actions"])
            if AT_REST <= i < AT_REST + RECIPE["nearly"]:
                part = float(random.uniform(0, 0.25))
                weights = {name: part * weight for name, weight in weights.items()}
            angles = np.clip(random.normal(0, (0.13, 0.2, 0.08)), -0.5, 0.5)
            view, head = whole_face.camera_from_world, studio.rig.head_transform(angles)[1]
            rotation, move = view[:, :3] @ head[:, :3], view[:, :3] @ head[:, 3] + view[:, 3]
            middle = rotation @ spots.mean(0) + move
            centre = np.array(WINDOW) / 2 - whole_face.focal_px * middle[:2] / middle[2]
            camera = replace(whole_face, width=WINDOW[0], height=WINDOW[1], center_px=(centre[0], centre[1]))
            picture = studio.picture(camera, weights, tuple(angles), ground, lighting=lighting)
            lens = np.array([[camera.focal_px, 0, centre[0]], [0, camera.focal_px, centre[1]], [0, 0, 1]])
            rows["W"].append([weights.get(name, 0) for name in names])
            rows["S"].append(number)
            rows["P"].append(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
            rows["M"].append(lens @ np.c_[rotation, move])
            rows["V"].append(rotation[2, :2])
        kinds = {"W": np.float32, "S": np.int64, "P": np.uint8, "M": np.float64, "V": np.float32, "G": np.float64}
        if number % 10 == 9 or number == first + people - 1:
            print(number, f"{time.process_time():.0f} CPU s", flush=True)
            np.savez(folder / f"{first}.tmp.npz", names=names, **{k: np.array(v, kinds[k]) for k, v in rows.items()})
            (folder / f"{first}.tmp.npz").replace(folder / f"{first}.npz")


# ---- network ----


class Reader(nn.Module):
    def __init__(self, actions: int) -> None:
        super().__init__()
        self.conv = nn.ModuleList(nn.Conv2d(a, b, 3, stride, 1) for a, b, stride in LAYERS)
        self.norm = nn.ModuleList(nn.BatchNorm2d(b) for _, b, _ in LAYERS)
        self.narrow = nn.Conv2d(LAYERS[-1][1], NARROW, 1)
        self.drop = nn.Dropout(RECIPE["dropout"])
        self.mix = nn.Linear(NARROW * (SIZE[0] // 8) * (SIZE[1] // 8) + 4, HIDDEN)
        self.tell = nn.Linear(HIDDEN, actions)

    def forward(self, pictures: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
        x = pictures
        for conv, norm in zip(self.conv, self.norm, strict=True):
            x = torch.relu(norm(conv(x)))
        x = self.drop(torch.relu(self.narrow(x)).flatten(1))
        return self.tell(self.drop(torch.relu(self.mix(torch.cat([x, views], 1)))))


class Mouths:
    """Pictures of mouths, by person."""

    def __init__(self, folder: Path) -> None:
        data = [np.load(path) for path in sorted(folder.glob("*.npz")) if ".tmp" not in path.name]
        every = [str(name) for name in data[0]["names"]]
        kept = [every.index(name) for name in every if name.startswith(TOLD)]
        self.names = [every[i] for i in kept]
        self.weights = np.concatenate([each["W"] for each in data])[:, kept]
        self.pictures, self.lenses, self.views = (np.concatenate([each[key] for each in data]) for key in "PMV")
        person = np.concatenate([each["S"] for each in data])
        people = np.concatenate([np.unique(each["S"]) for each in data])
        self.spots = dict(zip(people.tolist(), np.concatenate([each["G"] for each in data]), strict=True))
        self.rows = {number: np.flatnonzero(person == number) for number in self.spots}
        self.learnt = [number for number in self.rows if number % 10 != 9]
        self.held_out = [number for number in self.rows if number % 10 == 9]
        self.swap = [self.names.index(other_side(name)) for name in self.names]
        print(f"{len(person)} pictures of {len(self.rows)} people", flush=True)


class Sitting:
    """One person before one camera, as a fit that is a little off finds them."""

    def __init__(self, mouths: Mouths, number: int, random: np.random.Generator) -> None:
        off = RECIPE["off"]
        self.mouths, self.random, self.off = mouths, random, off
        self.lens = Lens(random, WINDOW)
        spots = mouths.spots[number]
        middle = spots.mean(0)
        turn = rotation_from_euler(*random.normal(0, np.radians(off["person_degrees"]), 3))
        size = 1 + random.normal(0, off["person_size"])
        self.spots = (spots - middle) @ turn.T * size + middle + random.normal(0, np.array(off["person_mm"]) / 1000)
        self.middle = middle

    def mouth(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """(picture, view) of the mouth."""
        mouths, random = self.mouths, self.random
        turn = rotation_from_euler(*random.normal(0, np.radians(self.off["picture_degrees"]), 3))
        back = self.middle - [0, 0, 0.08]  # heads turn about their middle
        spots = (self.spots - back) @ turn.T + back + random.normal(0, np.array(self.off["picture_mm"]) / 1000)
        seen = spots @ mouths.lenses[row][:, :3].T + mouths.lenses[row][:, 3]
        at = (seen[:, :2] / seen[:, 2:]).astype(np.float32).reshape(SIZE[1], SIZE[0], 2)
        taken = self.lens.taken(cv2.cvtColor(mouths.pictures[row], cv2.COLOR_GRAY2RGB))
        picture = cv2.remap(
            cv2.cvtColor(taken, cv2.COLOR_RGB2GRAY), at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        view = mouths.views[row]
        return (picture[:, ::-1], view * [-1, 1]) if self.lens.mirrored else (picture, view)

    def weights(self, row: int) -> np.ndarray:
        weights = self.mouths.weights[row]
        return weights[self.mouths.swap] if self.lens.mirrored else weights


def batch(mouths: Mouths, people: list[int], each: int, random: np.random.Generator) -> tuple[torch.Tensor, ...]:
    """Pictures of mouths beside their rest, how both were seen, and the difference of what they do."""
    pictures, views, weights = [], [], []
    for number in people:
        sitting, rows = Sitting(mouths, number, random), mouths.rows[number]
        calm = rows[: AT_REST + RECIPE["nearly"]] if random.random() > 0.5 else rows[:AT_REST]
        base = random.choice(rows if random.random() < RECIPE["restless"] else calm)
        rest, rest_view = sitting.mouth(base)
        for row in random.choice(rows, each, replace=False):
            mouth, view = sitting.mouth(row)
            pictures.append((rest, mouth))
            views.append(np.concatenate([rest_view, view]))
            weights.append(sitting.weights(row) - sitting.weights(base))
    x = standardised(np.array(pictures))
    return torch.tensor(x), torch.tensor(np.array(views, np.float32)), torch.tensor(np.array(weights))


def judged(model: Reader, mouths: Mouths, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """On the people held out, seen as in training, against a picture at rest or nearly: told, true."""
    model.eval()
    told, truth = [], []
    with torch.no_grad():
        for number in mouths.held_out[::every]:
            random = np.random.default_rng([80, number])
            sitting, rows = Sitting(mouths, number, random), mouths.rows[number]
            rest, rest_view = sitting.mouth(rows[0])
            seen = [sitting.mouth(row) for row in rows[AT_REST:]]
            x = standardised(np.stack([np.stack([rest, mouth]) for mouth, _ in seen]))
            views = np.array([np.concatenate([rest_view, view]) for _, view in seen], np.float32)
            told.append(model(torch.tensor(x), torch.tensor(views)).numpy())
            truth.append(np.stack([sitting.weights(row) for row in rows[AT_REST:]]))
    model.train()
    return np.concatenate(told), np.concatenate(truth)


SHOWN = ("jawOpen", "mouthSmileLeft", "mouthPucker", "mouthFunnel", "mouthUpperUpLeft", "mouthPressLeft",
         "mouthRollLower", "mouthClose", "mouthStretchLeft")  # fmt: skip


def report(told: np.ndarray, truth: np.ndarray, names: list[str]) -> str:
    """Mean error of each of SHOWN, and of saying nothing."""
    places = [names.index(name) for name in SHOWN]
    return " ".join(f"{np.abs(told - truth)[:, i].mean():.3f}({np.abs(truth[:, i]).mean():.2f})" for i in places)


def write(model: Reader, mouths: Mouths) -> None:
    """Half floats, each batch norm folded into its convolution; and how far off it is.

    What a network tells is drawn towards what is usual. It is stretched back, so that on people held out it is no less
    than the truth: the solver weighs it with other evidence, each by its deviation.
    """
    from safetensors.numpy import save_file

    told, truth = judged(model, mouths)
    drawn = np.maximum((told * truth).sum(0) / (truth**2).sum(0), LEAST)
    told = told / drawn
    tensors = folded(model, len(LAYERS))
    tensors["tell.weight"] = tensors["tell.weight"] / drawn[:, None]
    tensors["tell.bias"] = tensors["tell.bias"] / drawn
    tensors["deviation"] = np.sqrt(((told - truth) ** 2).mean(0))
    halves = {name: np.ascontiguousarray(array.astype(np.float16)) for name, array in tensors.items()}
    save_file(halves, asset("lip_reader.safetensors"), {"names": " ".join(mouths.names)})
    print("mean error of weights on people held out (and of saying nothing)")
    for i, name in enumerate(mouths.names):
        off, share = np.abs(told - truth)[:, i].mean(), drawn[i]
        print(f"{name:18} {off:.3f} ({truth[:, i].mean():.3f}), stretched by {1 / share:.2f}", flush=True)


def train(folder: Path, minutes: float) -> None:
    """Go on training for so many minutes, or to the recipe's last step; then write the asset."""
    torch.manual_seed(RECIPE["seed"])
    torch.set_num_threads(1)
    mouths = Mouths(folder)
    model, average = Reader(len(mouths.names)), Reader(len(mouths.names))
    heavy = heavy_of(mouths.names, RECIPE)

    def loss_at(step: int) -> torch.Tensor:
        random = np.random.default_rng([RECIPE["seed"], step])
        people = random.choice(mouths.learnt, RECIPE["people_a_batch"], replace=False).tolist()
        pictures, views, truth = batch(mouths, people, RECIPE["pictures_a_person"], random)
        losses = nn.functional.smooth_l1_loss(model(pictures, views), truth, beta=0.4, reduction="none")
        return (losses * heavy).mean()

    learn(
        model, average, RECIPE, folder, minutes, loss_at,
        lambda: report(*judged(average, mouths, 3), mouths.names), every=200,
    )  # fmt: skip
    write(average, mouths)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["draw", "train"])
    parser.add_argument("mouths", type=Path)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--first", type=int, default=2000)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--pictures", type=int, default=RECIPE["pictures"])
    arguments = parser.parse_args()
    if arguments.what == "draw":
        draw(arguments.mouths, arguments.first, arguments.people, arguments.pictures)
    else:
        train(arguments.mouths, arguments.minutes)

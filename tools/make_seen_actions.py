"""Remake assets/seen_actions.npz: how the face detector's landmarks answer to the body's 52 actions.

    python tools/make_seen_actions.py sight 2000 40 30 /tmp/a.npz     (people from seed 2000 on, pictures of each)
    python tools/make_seen_actions.py learn /tmp/a.npz /tmp/b.npz

People who never lived are drawn with random actions and head poses; the detector looks at them as it does at a video.
A linear answer is fitted to what it saw, and with it what it gets wrong. tools/bench/drive.py measures on people of
other seeds.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from digitalme.body.character import base_avatar
from digitalme.body.landmarks import COUNT, landmark_points, landmark_table, pose_terms
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth
from digitalme.body.people import random_person
from digitalme.body.person_avatar import avatar_of
from digitalme.geometry.face_motion import POINTS, FaceSolver, SeenActions, points_of
from digitalme.geometry.fit import iris_vertices, linear_head
from digitalme.imaging.face_tracking import find_landmarks, landmarks_near
from digitalme.rendering.pose import NECK_SHARE
from digitalme.rendering.studio import Studio, portrait_camera
from digitalme.spaces import rotation_from_euler

OUT = Path(__file__).parents[1] / "assets" / "seen_actions.npz"
SIZE = 400
MODES = 24
RIDGE_MM = 4.0
"""How far an action's answer may reasonably lie from the mesh's own movement, millimetres."""
TOGETHER, ALONE = 0.25, np.array([2.0, 2.0, 4.0])
"""What is left over in these wild mixtures is mostly how actions add up, which faces hardly do; on a rendered talk it
was 0.7 mm. So less of it is taken for the detector's common faults, and more for each landmark's own."""


def random_weights(rng: np.random.Generator) -> dict[str, float]:
    """Actions as faces mix them: some of everything, both sides alike more often than not."""
    weights: dict[str, float] = {}

    def some(chance: float, most: float = 1.0) -> float:
        return float(rng.uniform(0, most)) if rng.random() < chance else 0.0

    for stem, chance, most in (
        ("eyeBlink", 0.45, 1), ("mouthSmile", 0.4, 1), ("eyeSquint", 0.3, 1), ("eyeWide", 0.25, 1),
        ("browDown", 0.3, 1),
        ("browOuterUp", 0.35, 1), ("mouthFrown", 0.2, 1), ("mouthPress", 0.2, 1), ("mouthStretch", 0.2, 1),
        ("mouthLowerDown", 0.3, 0.7), ("mouthUpperUp", 0.3, 0.7), ("mouthDimple", 0.15, 1), ("cheekSquint", 0.25, 1),
        ("noseSneer", 0.2, 1),
    ):  # fmt: skip
        weight = some(chance, most)
        sides = [weight, weight if rng.random() < 0.75 else weight * float(rng.uniform())]
        rng.shuffle(sides)
        weights[f"{stem}Left"], weights[f"{stem}Right"] = sides
    for name, chance, most in (
        ("jawOpen", 0.6, 0.8), ("browInnerUp", 0.4, 1), ("mouthPucker", 0.3, 1), ("mouthFunnel", 0.3, 1),
        ("mouthRollLower", 0.2, 1), ("mouthRollUpper", 0.2, 1), ("mouthShrugLower", 0.2, 1),
        ("mouthShrugUpper", 0.2, 1), ("mouthLeft", 0.07, 0.7), ("mouthRight", 0.07, 0.7), ("jawLeft", 0.07, 0.7),
        ("jawRight", 0.07, 0.7), ("jawForward", 0.08, 1), ("cheekPuff", 0.08, 1), ("tongueOut", 0.08, 1),
    ):  # fmt: skip
        weights[name] = some(chance, most)
    if rng.random() < 0.35:
        weights["mouthClose"] = weights["jawOpen"] * float(rng.uniform())
    x, y = np.clip(rng.normal(0, 0.3, 2), -1, 1) * (rng.random() < 0.7)
    for name, weight in (("eyeLookOutLeft", x), ("eyeLookInRight", x), ("eyeLookInLeft", -x), ("eyeLookOutRight", -x)):
        weights[name] = max(float(weight), 0.0)
    for side in ("Left", "Right"):
        weights[f"eyeLookUp{side}"], weights[f"eyeLookDown{side}"] = max(float(y), 0.0), max(float(-y), 0.0)
    return weights


def sight(first: int, people: int, pictures: int, out: Path) -> None:
    """Draw and look; the first two pictures of each person are at rest."""
    names = load_body().names("action")
    rows: dict[str, list] = {"W": [], "H": [], "L": [], "S": [], "C": []}
    for number in range(first, first + people):
        person = random_person(number)
        if person.attributes["glasses"] == "sunglasses":
            person = replace(person, attributes=person.attributes | {"glasses": "none"})
        rng = np.random.default_rng([77, number])
        avatar = avatar_of(person, 512)
        studio, near = Studio(avatar, "studio"), None
        camera = portrait_camera(avatar, width=SIZE, height=SIZE)
        for i in range(pictures):
            weights = {} if i < 2 else random_weights(rng)
            angles = np.zeros(3) if i == 0 else np.clip(rng.normal(0, (0.13, 0.2, 0.08)), -0.5, 0.5)
            picture = studio.picture(camera, weights, tuple(angles))
            found = landmarks_near(picture, near) if near is not None else None
            found = find_landmarks(picture) if found is None else found
            if found is None:
                continue
            near = found if i == 0 or near is None else near
            rows["W"].append([weights.get(name, 0) for name in names])
            rows["H"].append(angles)
            rows["L"].append(found)
            rows["S"].append(number)
            rows["C"].append(np.r_[camera.focal_px, camera.camera_from_world.ravel()])
        print(number, len(rows["S"]), flush=True)
        kinds = {"W": np.float32, "H": np.float64, "L": np.float32, "S": np.int64, "C": np.float64}
        np.savez(out, names=names, **{key: np.array(values, kinds[key]) for key, values in rows.items()})


class Sightings:
    """What was seen, with the true pose of each picture and the true rest of each person."""

    def __init__(self, *files: Path):
        data = [np.load(file) for file in files]
        self.names = tuple(str(name) for name in data[0]["names"])
        self.weights, angles, self.marks, self.person, cameras = (
            np.concatenate([each[key] for each in data]) for key in "WHLSC"
        )
        self.focal = cameras[:, 0]
        self.rest: dict[int, np.ndarray] = {}
        joints: dict[int, np.ndarray] = {}
        model = load_body()
        for number in np.unique(self.person):
            shape = random_person(int(number)).shape
            vertices = settle_mouth(model.vertices(shape), model)
            irises = [vertices[iris_vertices(side)].mean(0, keepdims=True) for side in ("right", "left")]
            self.rest[number] = np.concatenate([landmark_points(vertices), *irises])
            bones = base_avatar(shape, head_albedo=np.zeros((8, 8, 3), np.uint8)).skeleton
            joints[number] = np.stack(
                [bones.world_from_joint[bones.names.index(name), :3, 3].astype(float) for name in ("Neck", "Head")]
            )
        self.rotation, self.translation = [], []
        for angle, number, camera in zip(angles, self.person, cameras, strict=True):
            at_neck, at_head = joints[number]
            whole, neck = rotation_from_euler(*angle), rotation_from_euler(*(angle * NECK_SHARE))
            place = neck @ (at_head - at_neck) + at_neck - whole @ at_head
            view = camera[1:].reshape(3, 4)
            self.rotation.append(view[:, :3] @ whole)
            self.translation.append(view[:, :3] @ place + view[:, 3])

    def misses(self, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(470, 3) how far from the resting face's landmarks they were seen, metres, in the head's picture axes; the
        rotation (3, 3) from the head to those axes; the pose's terms."""
        seen = self.rest[self.person[i]] @ self.rotation[i].T + self.translation[i]
        pixels = self.focal[i] * seen[:, :2] / seen[:, 2:] + SIZE / 2
        spots, scale = points_of(self.marks[i]), seen[:, 2] / self.focal[i]
        terms, axes = pose_terms(self.rotation[i])
        upright = np.eye(3)
        upright[:2, :2] = axes
        deep = spots[:, 2] * scale.mean() - seen[:, 2]
        miss = np.c_[(spots[:, :2] - pixels) * scale[:, None], deep - deep.mean()]
        return miss @ upright.T, upright @ self.rotation[i], terms


def fitted(
    sightings: Sightings, misses: np.ndarray, turn: np.ndarray, terms: np.ndarray, moves: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray]]:
    """The actions' answers (470, 3, actions) by ridge regression about `moves`, the drift (470, 3, terms), and each
    person's own (470, 3)."""
    count, last = len(sightings.names), terms.shape[1]
    own = {number: np.zeros((POINTS, 3)) for number in np.unique(sightings.person)}
    drift = np.zeros((POINTS, 3, last))
    acting = np.einsum("nij,na->nija", turn, sightings.weights).reshape(len(turn), 3, -1)
    turning = np.einsum("ij,nt->nijt", np.eye(3), terms).reshape(len(turn), 3, -1)
    design = np.concatenate([acting, turning], 2).reshape(3 * len(turn), -1)
    ridge = np.r_[np.full(3 * count, (1.5 / RIDGE_MM) ** 2), np.full(3 * last, 0.05)]
    normal = design.T @ design + np.diag(ridge)
    for _ in range(4):
        bias = np.stack([own[number] for number in sightings.person])
        left = misses - np.einsum("nij,nlj->nli", turn, bias)
        left -= np.einsum("nij,lja,na->nli", turn, moves, sightings.weights, optimize=True) + np.einsum(
            "lit,nt->nli", drift, terms
        )
        pull = design.T @ left.transpose(0, 2, 1).reshape(-1, POINTS)
        pull[3 * count :] -= 0.05 * drift.reshape(POINTS, -1).T
        step = np.linalg.solve(normal, pull)
        moves = moves + step[: 3 * count].reshape(3, count, POINTS).transpose(2, 0, 1)
        drift = drift + step[3 * count :].reshape(3, last, POINTS).transpose(2, 0, 1)
        for number in own:
            mine = sightings.person == number
            rest = misses[mine] - np.einsum(
                "nij,lja,na->nli", turn[mine], moves, sightings.weights[mine], optimize=True
            )
            rest -= np.einsum("lit,nt->nli", drift, terms[mine])
            own[number] = np.einsum("nij,nli->lj", turn[mine], rest) / (mine.sum() + 1.0)
    return moves, drift, own


def learn(files: list[Path]) -> None:
    sightings = Sightings(*files)
    head = linear_head()
    misses, turn, terms = (
        np.stack(parts) for parts in zip(*map(sightings.misses, range(len(sightings.weights))), strict=True)
    )
    mesh_moves = head.basis[:, :, [head.names.index(name) for name in sightings.names]]
    moves, drift, own = fitted(sightings, misses, turn, terms, mesh_moves)
    bias = np.stack([own[number] for number in sightings.person])
    still = misses - np.einsum("nij,nlj->nli", turn, bias) - np.einsum("lit,nt->nli", drift, terms)

    def left_over(answers: np.ndarray) -> np.ndarray:
        return still - np.einsum("nij,lja,na->nli", turn, answers, sightings.weights, optimize=True)

    rms = [np.sqrt((left_over(each)[..., :2] ** 2).sum(2).mean()) * 1e3 for each in (mesh_moves * 0, mesh_moves, moves)]
    print(f"{len(misses)} pictures; misses in mm: at rest {rms[0]:.2f}, as the mesh {rms[1]:.2f}, learnt {rms[2]:.2f}")
    left = np.clip(left_over(moves), -0.012, 0.012)
    deep = np.array([1.0, 1.0, 0.5])  # depth is told worse
    flat = (left * deep).reshape(len(left), -1)
    _, spread, shapes = np.linalg.svd(flat, full_matrices=False)
    modes = (shapes[:MODES] * spread[:MODES, None] / np.sqrt(len(flat))).reshape(MODES, POINTS, 3).transpose(1, 2, 0)
    rest = (flat - (flat @ shapes[:MODES].T) @ shapes[:MODES]).reshape(left.shape)
    deviation = (np.sqrt((rest**2).mean(0)) + 2e-4) / deep
    deviation[:COUNT] *= np.where(landmark_table().trusted, 1, 2)[:, None]
    modes = TOGETHER * modes / deep[None, :, None]
    actions = SeenActions(sightings.names, moves, drift, modes, ALONE * deviation)
    some = np.arange(0, len(sightings.person), max(1, len(sightings.person) // 400))
    found, truth, pose = solved(sightings, own, actions, some)
    print(f"pose off by {np.median(pose):.2f} degrees, 90 % {np.percentile(pose, 90):.2f}")
    straight = np.abs(found - truth).mean(0)
    for name, off in zip(sightings.names, straight, strict=True):
        print(f"{name:18} {off:.3f}")
    np.savez_compressed(
        OUT, names=np.array(sightings.names),
        **{key: getattr(actions, key).astype(np.float32) for key in ("moves", "drift", "modes", "deviation")},
    )  # fmt: skip


def solved(
    sightings: Sightings, own: dict[int, np.ndarray], actions: SeenActions, some: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Weights found and true, and how far the pose is off, degrees, for some of the pictures."""
    found, pose = [], []
    for i in some:
        number = sightings.person[i]
        solver = FaceSolver(
            sightings.rest[number] - load_body().head_center, sightings.focal[i], (SIZE / 2, SIZE / 2), actions
        )
        solver.still = own[number]
        spots = points_of(sightings.marks[i])
        solver.start(spots)
        solver.solve(spots, 5)
        found.append(solver.weights)
        apart = solver.rotation @ sightings.rotation[i].T
        pose.append(np.degrees(np.arccos(np.clip((np.trace(apart) - 1) / 2, -1, 1))))
    return np.array(found), sightings.weights[some].astype(float), np.array(pose)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    seeing = commands.add_parser("sight")
    for name in ("first", "people", "pictures"):
        seeing.add_argument(name, type=int)
    seeing.add_argument("out", type=Path)
    commands.add_parser("learn").add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "sight":
        sight(arguments.first, arguments.people, arguments.pictures, arguments.out)
    else:
        learn(arguments.files)

"""Hair styles made of strand cards: guides grown from the scalp by a style's rules, then ribbons along them.

Every style is one function from roots to `Growth`; `STYLES` lists them. Lengths are metres, places head-centred by the
scalp's own middle (about ear height).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from digitalme.artifacts.avatar import AvatarMesh, Material
from digitalme.body.character import JOINT_NAMES, vertex_normals
from digitalme.body.hair_color import paint_cards, strands
from digitalme.body.scalp import MAX_POLAR, Scalp, hairline
from digitalme.imaging.drawing import smoothstep, to_rgba

_CARDS = 430
_GOLDEN_ANGLE = np.pi * (3 - 5**0.5)
PLAIN = Material("Hair", "hair", texture="hair", double_sided=True)
Target = Callable[[np.ndarray, float], np.ndarray]


@dataclass(frozen=True)
class Roots:
    """Where hairs start. Angles in degrees: `azimuth` -180..180 (0 = front), `polar` from the crown."""

    azimuth: Float[np.ndarray, "n"]
    polar: Float[np.ndarray, "n"]
    points: Float[np.ndarray, "n 3"]
    """World, metres."""
    places: Float[np.ndarray, "n 3"]
    """Relative to the scalp's centre: (x, up, forward)."""
    rng: np.random.Generator
    scalp: Scalp

    def along_skull(self, places: np.ndarray) -> Float[np.ndarray, "n 3"]:
        """Unit directions down the skull at `places`, each on its own root's meridian."""
        _, polar = self.scalp.angles(places + self.scalp.center)
        azimuth = np.radians(self.azimuth)
        down = self.scalp.directions(azimuth, polar + 0.02) - self.scalp.directions(azimuth, polar)
        return down / np.linalg.norm(down, axis=1, keepdims=True)

    @property
    def side(self) -> Float[np.ndarray, "n"]:
        return np.where(self.azimuth >= 0, 1.0, -1.0)


@dataclass(frozen=True)
class Growth:
    """How a style's hairs grow from given roots."""

    length: Float[np.ndarray, "n"]
    lift: Float[np.ndarray, "n"]
    """How far a hair starts off the skin; above .3 it is a hedgehog."""
    bend: Float[np.ndarray, "n"] | float | Callable[[float], np.ndarray]
    """How fast a hair turns toward `target`, 0..1 for each step."""
    target: Target
    """(places (n, 3), share of the length) to the direction that a hair wants to go."""
    width: tuple[float, float] = (0.011, 0.017)
    """Half width of the cards, least and greatest."""
    height: float = 0.002
    """Clearance above the skin."""


def _falling(roots: Roots, x: np.ndarray | float = 0.0, forward: np.ndarray | float = 0.0) -> np.ndarray:
    n = len(roots.azimuth)
    return np.stack([np.broadcast_to(x, n), np.full(n, -1.0), np.broadcast_to(forward, n)], 1)


def _bangs(roots: Roots, half_angle: float) -> np.ndarray:
    return np.abs(roots.azimuth) < half_angle


def _bang_length(roots: Roots) -> np.ndarray:
    return 0.092 * roots.rng.uniform(0.92, 1.06, len(roots.polar)) + 0.085 * np.clip((66 - roots.polar) / 66, 0, 1)


def _fringe(roots: Roots, places: np.ndarray) -> np.ndarray:
    """Where bangs go: down the skull, then over the forehead."""
    low = smoothstep(0.085, 0.055, places[:, 1])[:, None]
    return roots.along_skull(places) * (1 - low) + _falling(roots, 0.10 * np.sign(places[:, 0]), 0.05) * low


def short(roots: Roots) -> Growth:
    front = np.abs(roots.azimuth) < 65
    length = np.interp(np.abs(roots.azimuth), [0, 60, 110, 180], [0.072, 0.066, 0.060, 0.052])
    # parted a little to the person's left: the fringe sweeps across
    sweep = np.where(front, 0.75 * np.where(roots.places[:, 0] > 0.025, 0.8, -0.9), 0.15 * roots.side)

    def target(places, t):
        return roots.along_skull(places) + _falling(roots, 0.8 * sweep, np.where(front, 0.15, -0.1)) * 0.45

    lengths = length * roots.rng.uniform(0.85, 1.1, len(length))
    return Growth(lengths, np.full(len(length), 0.13), 0.30, target, (0.010, 0.015), 0.004)


def _hang(roots: Roots, hem: float, bangs: np.ndarray, tuck: float) -> Growth:
    """Hair that falls to the height `hem` (relative to the scalp's centre) with bangs over the forehead."""
    n = len(roots.azimuth)
    length = np.where(
        bangs,
        _bang_length(roots),
        np.clip(roots.scalp.radius.mean() * np.clip(np.radians(100 - roots.polar), 0, 2) - hem - 0.01, 0.05, 0.6),
    ) * roots.rng.uniform(0.95, 1.04, n)
    beside = (np.abs(roots.azimuth) < 85)[:, None]
    angle = np.radians(roots.azimuth)
    layer = roots.rng.uniform(0, 0.012, n)
    ring = np.stack([np.sin(angle) * (0.083 + layer), np.cos(angle) * (0.096 + layer)], 1)
    temples = np.abs(roots.azimuth) < 85
    ring[temples, 0] = np.sign(ring[temples, 0]) * np.maximum(np.abs(ring[temples, 0]), 0.078)  # beside the cheeks

    def target(places, t):
        # down the skull, then within a cylinder around the head; a bob's tips turn in
        wanted = ring * (1 - tuck * smoothstep(0.55, 1.0, t))
        if hem < -0.15:  # what falls on the shoulders goes before or behind them, not over them
            low = smoothstep(-0.01, -0.105, places[:, 1])
            before = np.abs(roots.azimuth) < 96
            depth = np.where(before, np.maximum(wanted[:, 1], 0.062), np.minimum(wanted[:, 1], -0.112))
            aside = np.clip(wanted[:, 0], *np.where(before, 0.078, 0.062) * np.array([[-1], [1]]))
            wanted = wanted + (np.stack([aside, depth], 1) - wanted) * low[:, None]
        gap = wanted - places[:, [0, 2]]
        hold = np.stack([gap[:, 0], np.zeros(n), gap[:, 1]], 1) * 8
        hold = np.where(beside, hold * np.array([1, 0, 0.35]), hold)
        low = smoothstep(0.03, -0.015, places[:, 1])[:, None]
        fall = roots.along_skull(places) * (1 - low) + (_falling(roots) + hold) * low
        return np.where(bangs[:, None], _fringe(roots, places), fall)

    # the longer the hair, the longer its steps: it still has to follow the skull, or it stands off like wings
    bend = 1 - 0.5 ** np.maximum(length / 0.11, 1)
    return Growth(length, np.full(n, 0.08), bend, target, (0.012, 0.018), 0.003)


def bob(roots: Roots) -> Growth:
    return _hang(roots, -0.100, _bangs(roots, 36), 0.25)


def long(roots: Roots) -> Growth:
    return _hang(roots, -0.33, _bangs(roots, 30), 0.0)


def parted(roots: Roots) -> Growth:
    """Long, parted in the middle, no bangs."""
    growth = _hang(roots, -0.30, np.zeros(len(roots.azimuth), bool), 0.0)
    front = np.abs(roots.azimuth) < 50
    side = np.where(roots.points[:, 0] >= 0.004, 1.0, -1.0)

    def target(places, t):
        usual = growth.target(places, t)
        inner = (np.abs(places[:, 0]) < 0.078) & (places[:, 1] > -0.05)
        swept = np.stack(
            [side * np.where(inner, 1.2, 0.1), np.where(inner, -0.45, -1.0), np.where(inner, -0.35, -0.1)], 1
        )
        return np.where(front[:, None], swept, usual)

    return Growth(growth.length, growth.lift, 0.45, target, growth.width)


def _gathered(
    roots: Roots, ties: np.ndarray, bangs: np.ndarray, tail: float, fan: float, aside: float = 0.35
) -> Growth:
    """Hair pulled tight to `ties` (n, 3), each root's own, and hanging `tail` metres from there, `aside` outward."""
    n = len(roots.azimuth)
    way = np.linalg.norm(ties - roots.places, axis=1)
    length = np.where(bangs, _bang_length(roots), way * 1.12 + tail * roots.rng.uniform(0.85, 1.05, n))
    scatter = roots.rng.normal(size=(n, 3)) * fan
    reached = np.zeros(n, bool)

    def target(places, t):
        reached[:] |= np.linalg.norm(places - ties, axis=1) < 0.022
        past = reached | (t * length > way * 1.25)
        to_tie = ties - places
        to_tie /= np.maximum(np.linalg.norm(to_tie, axis=1, keepdims=True), 1e-6)
        hang = (
            np.stack([np.sign(ties[:, 0]) * aside, np.full(n, -1.0), np.where(ties[:, 2] < -0.05, -0.35, 0.0)], 1)
            + scatter
        )
        return np.where(bangs[:, None], _fringe(roots, places), np.where(past[:, None], hang, to_tie))

    def bend(t):
        return np.where(bangs, 0.50, np.where(reached, 0.45, 0.75))

    return Growth(length, np.full(n, 0.04), bend, target, (0.011, 0.016))


def ponytail(roots: Roots) -> Growth:
    """Tied high and falling to the person's left: seen from the front, too."""
    tie = np.tile(np.array([0.035, 0.108, -0.088]), (len(roots.azimuth), 1))
    return _gathered(roots, tie, _bangs(roots, 26), 0.30, 0.06, 0.55)


def twintails(roots: Roots) -> Growth:
    tie = np.stack([np.where(roots.points[:, 0] >= 0, 0.103, -0.103), np.full(len(roots.azimuth), 0.035),
                    np.full(len(roots.azimuth), -0.035)], 1)  # fmt: skip
    return _gathered(roots, tie, _bangs(roots, 30), 0.27, 0.06)


def bun(roots: Roots) -> Growth:
    tie = np.tile(np.array([0.0, 0.085, -0.095]), (len(roots.azimuth), 1))
    return _gathered(roots, tie, np.zeros(len(roots.azimuth), bool), 0.004, 0.0)


def curly(roots: Roots) -> Growth:
    n = len(roots.azimuth)
    phase, spin = roots.rng.uniform(0, 2 * np.pi, n), roots.rng.choice([-1.0, 1.0], n)
    front = _bangs(roots, 55)
    length = np.where(front, 0.085, 0.135) * roots.rng.uniform(0.85, 1.15, n)

    def target(places, t):
        out = places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-6)
        turn = phase + spin * t * 16
        coil = np.stack([np.cos(turn), 0.4 * np.sin(2 * turn), np.sin(turn)], 1)
        return 0.95 * coil + 0.35 * out + _falling(roots, np.where(front, 0.3 * roots.side, 0), 0) * 0.55

    return Growth(length, np.full(n, 0.35), 0.55, target, (0.009, 0.013), 0.006)


STYLES: dict[str, Callable[[Roots], Growth]] = {
    "short": short, "bob": bob, "long": long, "parted": parted, "ponytail": ponytail, "twintails": twintails,
    "bun": bun, "curly": curly,
}  # fmt: skip
"""Styles of strand cards. `HAIR_STYLES` adds those without strands."""
HAIR_STYLES = (*STYLES, "afro", "buzz", "bald")


def plant(scalp: Scalp, count: int, seed: int = 0) -> Roots:
    """About `count` roots on a golden spiral inside the hairline."""
    rng = np.random.default_rng(seed)
    i = np.arange(int(count * 1.30)) + 0.5
    polar = np.arccos(1 - i / len(i) * (1 - np.cos(np.radians(110))))
    azimuth = (i * _GOLDEN_ANGLE + np.pi) % (2 * np.pi) - np.pi
    inside = polar < hairline(azimuth) + np.radians(rng.normal(size=len(i)) * 2)
    azimuth, polar = azimuth[inside], polar[inside]
    points = scalp.surface(azimuth, polar, 0.001)
    return Roots(np.degrees(azimuth), np.degrees(polar), points, points - scalp.center, rng, scalp)


def grow(scalp: Scalp, roots: Roots, growth: Growth, steps: int = 11) -> Float[np.ndarray, "n steps 3"]:
    """Guides, world metres: each step turns toward the style's target and is pushed out of head, neck and shoulders."""
    azimuth, polar = np.radians(roots.azimuth), np.radians(roots.polar)
    outward = scalp.directions(azimuth, polar)
    down = scalp.directions(azimuth, polar + 0.01) - outward
    down /= np.linalg.norm(down, axis=1, keepdims=True)
    heading = down + outward * growth.lift[:, None]
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    points = [roots.points]
    travelled = np.linspace(0, 1, steps) ** 1.45  # short steps first: long ones would leave the skull on a chord
    clearance = growth.height + growth.lift * 0.012 + roots.rng.uniform(0, 0.003, len(azimuth))
    for k in range(steps - 1):
        t = travelled[k]
        step = (growth.length * (travelled[k + 1] - t))[:, None]
        bend = growth.bend(t) if callable(growth.bend) else growth.bend
        even = (travelled[k + 1] - t) * (steps - 1)  # this step's length over the mean one
        bend = 1 - (1 - np.broadcast_to(bend, len(azimuth))[:, None]) ** even
        target = growth.target(points[-1] - scalp.center, t)
        target = target / np.maximum(np.linalg.norm(target, axis=1, keepdims=True), 1e-6)
        heading = heading * (1 - bend) + target * bend
        heading /= np.maximum(np.linalg.norm(heading, axis=1, keepdims=True), 1e-6)
        moved = scalp.push_out(points[-1] + heading * step, clearance)
        heading = moved - points[-1]
        heading /= np.maximum(np.linalg.norm(heading, axis=1, keepdims=True), 1e-6)
        points.append(moved)
    return np.stack(points, 1)


def ribbons(
    scalp: Scalp, guides: Float[np.ndarray, "n steps 3"], half_width: np.ndarray, profile: np.ndarray, arch: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cards three points wide along the guides: points, normals, (strand, u, v) for each point, faces.

    `profile` (steps,) scales the width along the guide; the middle row stands `arch` half widths off the others.
    """
    n, steps = guides.shape[:2]
    tangent = np.gradient(guides, axis=1)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=2, keepdims=True), 1e-9)
    outward = guides - scalp.center
    outward[..., 1] *= np.where(outward[..., 1] < 0, 0.25, 1)  # below the ears hair stands around the neck's axis
    outward /= np.maximum(np.linalg.norm(outward, axis=2, keepdims=True), 1e-9)
    across = np.cross(tangent, outward)
    across /= np.maximum(np.linalg.norm(across, axis=2, keepdims=True), 1e-9)
    width = (half_width[:, None] * profile[None])[..., None]
    rows = [guides + across * width * t + outward * width * (0 if t else arch) for t in (-1, 0, 1)]
    points = np.stack(rows, 2).reshape(-1, 3)
    index = np.arange(n * steps * 3).reshape(n, steps, 3)
    a, b, c, d = index[:, :-1, :-1], index[:, 1:, :-1], index[:, 1:, 1:], index[:, :-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    normals = vertex_normals(points, faces).astype(np.float64)
    radial = np.repeat(outward.reshape(-1, 3), 3, 0)
    if (normals * radial).sum(1).mean() < 0:
        faces = faces[:, ::-1]
    normals *= np.sign((normals * radial).sum(1, keepdims=True) + 1e-9)
    normals = 0.3 * normals + 0.7 * radial
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    strand, along, place = np.meshgrid(np.arange(n), np.linspace(0, 1, steps), (0.0, 0.5, 1.0), indexing="ij")
    return points, normals, np.stack([strand, place, along], -1).reshape(-1, 3), faces


def head_mesh(
    name: str, points: np.ndarray, normals: np.ndarray, uvs: np.ndarray, faces: np.ndarray, material: Material = PLAIN
) -> AvatarMesh:
    """A mesh that moves with the head. Hair below the shoulders' height goes half with the chest."""
    count = len(points)
    joints = np.zeros((count, 4), np.int32)
    joints[:, 0], joints[:, 1] = JOINT_NAMES.index("Head"), JOINT_NAMES.index("Spine2")
    weights = np.zeros((count, 4), np.float32)
    weights[:, 0] = 1
    low = points[:, 1] - points[:, 1].max() if count else points[:, 1]
    share = 0.6 * smoothstep(-0.33, -0.50, low)
    weights[:, 0], weights[:, 1] = 1 - share, share
    joints[:, 1] = np.where(share > 0, joints[:, 1], 0)
    return AvatarMesh(
        name, points.astype(np.float32), normals.astype(np.float32), uvs.astype(np.float32), faces.astype(np.int32),
        joints, weights, material,
    )  # fmt: skip


def paint_cap(palette: Float[np.ndarray, "3 3"], buzz: bool = False, size: int = 384) -> UInt8[np.ndarray, "h w 4"]:
    """The scalp's own hair over (azimuth, polar): covers skin between cards; alone it is a buzz cut."""
    u, v = np.meshgrid((np.arange(size) + 0.5) / size, (np.arange(size) + 0.5) / size)
    polar = v * MAX_POLAR
    color, noise = strands(size, size, palette, 7, 3, 0.5)
    rng = np.random.default_rng(11)
    grain = rng.normal(size=(size, size))
    edge = np.degrees(hairline((u * 2 * np.pi + np.pi) % (2 * np.pi) - np.pi) - polar)
    soft = (7, 1.5) if buzz else (4, 1)
    alpha = smoothstep(-soft[1], soft[0], edge + 1.2 * noise)
    shade = 0.80 if buzz else 0.62
    if buzz:
        color = np.asarray(palette[1]) * (1 + 0.10 * grain)[..., None]
        alpha = alpha * np.clip(0.86 + 0.08 * grain, 0, 1)
    return to_rgba(np.clip(color * shade, 0, 1), alpha)


def cap_mesh(scalp: Scalp, height: float = 0.003, azimuths: int = 48, polars: int = 30) -> AvatarMesh:
    """The skull above the hairline, `height` off the skin; texture "hair_cap"."""
    turn, down = np.meshgrid(np.linspace(0, 2 * np.pi, azimuths + 1), np.linspace(0, MAX_POLAR * 0.9, polars))
    index = np.arange(turn.size).reshape(turn.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    inside = (down < hairline(turn) + np.radians(4)).ravel()
    faces = faces[inside[faces].any(1)]
    points = scalp.drawn_in(scalp.surface(turn, down, height).reshape(-1, 3), height)
    wrap = np.where(index % (azimuths + 1) == azimuths, index - azimuths, index).ravel()
    normals = vertex_normals(points, wrap[faces])[wrap]
    uvs = np.stack([turn / (2 * np.pi), down / MAX_POLAR], -1).reshape(-1, 2)
    used = np.unique(faces)
    renumber = np.zeros(len(points), int)
    renumber[used] = np.arange(len(used))
    material = Material("Scalp", "hair", texture="hair_cap", roughness=0.8, alpha_mode="BLEND")
    return head_mesh("hair_cap", points[used], normals[used], uvs[used], renumber[faces], material)


def ball(
    center: np.ndarray, radius: float, around: int = 12, down: int = 8
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, outward normals and triangles of a small sphere."""
    turn, tilt = np.meshgrid(np.linspace(0, 2 * np.pi, around + 1), np.linspace(0, np.pi, down))
    normals = np.stack([np.sin(tilt) * np.sin(turn), np.cos(tilt), np.sin(tilt) * np.cos(turn)], -1).reshape(-1, 3)
    index = np.arange(turn.size).reshape(turn.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1)[1:].reshape(-1, 3), np.stack([a, c, d], -1)[:-1].reshape(-1, 3)])
    return center + normals * radius, normals, faces


def card_meshes(scalp: Scalp, style: str, seed: int = 0) -> list[AvatarMesh]:
    """The meshes of a style other than "bald"; textures "hair_cards" and "hair_cap". At most 20,000 triangles."""
    if style == "bald":
        return []
    if style == "buzz":
        return [cap_mesh(scalp, 0.0035)]
    if style == "afro":
        return [cap_mesh(scalp), _puffs(scalp, seed)]
    roots = plant(scalp, _CARDS, seed)
    growth = STYLES[style](roots)
    guides = grow(scalp, roots, growth, 31)[:, ::3]  # grown in fine steps, drawn in coarse ones
    steps = guides.shape[1]
    profile = np.interp(np.linspace(0, 1, steps), [0, 0.15, 0.7, 1], [0.7, 1, 0.95, 0.35])
    half_width = roots.rng.uniform(*growth.width, len(guides))
    points, normals, place, faces = ribbons(scalp, guides, half_width, profile, 0.25)
    column = place[:, 0] % 4
    uvs = np.stack([(column + 0.02 + 0.96 * place[:, 1]) / 4, place[:, 2]], 1)
    material = Material(
        "Hair", "hair", texture="hair_cards", roughness=0.55, alpha_mode="MASK", alpha_cutoff=0.4, double_sided=True
    )
    meshes = [cap_mesh(scalp), head_mesh("hair", points, normals, uvs, faces, material)]
    if style == "bun":
        knot, knot_normals, knot_faces = ball(scalp.center + np.array([0, 0.092, -0.108]), 0.042, 20, 14)
        twist = np.stack(
            [np.linspace(0.02, 0.98, len(knot)) % 1, np.clip(0.25 + 0.4 * (knot_normals[:, 1] + 1) / 2, 0, 1)], 1
        )
        meshes.append(head_mesh("hair_bun", knot, knot_normals, twist, knot_faces, material))
    return meshes


def _puffs(scalp: Scalp, seed: int) -> AvatarMesh:
    """A cloud of 160 tufts, each a bumpy ball."""
    roots = plant(scalp, 150, seed)
    azimuth, polar = np.radians(roots.azimuth), np.radians(roots.polar)
    edge = np.clip((hairline(azimuth) - polar) / np.radians(25), 0.15, 1)
    centers = scalp.surface(azimuth, polar, 0.030 * edge)
    outward = scalp.directions(azimuth, polar)
    points, normals, uvs, faces = [], [], [], []
    count = 0
    for center, away, share in zip(centers, outward, edge, strict=True):
        p, n, f = ball(center, (0.018 + 0.012 * share) * roots.rng.uniform(0.9, 1.15), 9, 6)
        p = p + n * roots.rng.normal(size=(len(p), 1)) * 0.0018
        points.append(p)
        faces.append(f + count)
        normals.append(0.5 * n + 0.5 * away)
        uvs.append(np.stack([0.25 + 0.5 * (n[:, 0] + 1) / 2, 0.3 + 0.35 * (n[:, 1] + 1) / 2], 1))
        count += len(p)
    normals = np.concatenate(normals)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    material = Material("Hair", "hair", texture="hair_curls", roughness=0.9, double_sided=True)
    return head_mesh("hair", np.concatenate(points), normals, np.concatenate(uvs), np.concatenate(faces), material)


def paint_curls(palette: Float[np.ndarray, "3 3"], size: int = 256) -> UInt8[np.ndarray, "h w 3"]:
    """Tight curls: speckle through the palette."""
    rng = np.random.default_rng(5)
    noise = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), 1.6)
    t = np.clip(noise / noise.std() * 0.35 + 0.45, 0, 1)[..., None]
    shade, body, shine = palette
    color = np.where(t < 0.5, shade * 0.7 + (body - shade * 0.7) * t * 2, body + (shine - body) * (t - 0.5))
    return to_rgba(np.clip(color, 0, 1))[..., :3]


def card_textures(style: str, palette: Float[np.ndarray, "3 3"], detail: float = 1.0) -> dict[str, np.ndarray]:
    """The textures that a style's meshes need; `detail` scales their sides."""
    if style == "bald":
        return {}
    textures = {"hair_cap": paint_cap(palette, buzz=style == "buzz", size=round(384 * detail))}
    if style == "afro":
        textures["hair_curls"] = paint_curls(palette, round(256 * detail))
    elif style != "buzz":
        textures["hair_cards"] = paint_cards(palette, size=round(512 * detail))
    return textures

"""Hair of a drawn character: few, wide, pointed locks over a smooth cap, with a band of light around the head.

The cut follows the person's: the same names as `digitalme.body.hair_cards`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from digitalme.artifacts.avatar import AvatarMesh, Material, with_alpha
from digitalme.body.character import vertex_normals
from digitalme.body.hair_cards import STYLES, Growth, Roots, ball, grow, head_mesh, plant
from digitalme.body.scalp import MAX_POLAR, Scalp, hairline
from digitalme.imaging.drawing import smoothstep, to_rgba

_SHINE_TILT = np.radians(25)
_SHINE_ANGLE = 36.0


@dataclass(frozen=True)
class Locks:
    """A set of guides and how wide they are drawn."""

    guides: Float[np.ndarray, "n steps 3"]
    half_width: Float[np.ndarray, "n"]
    profile: tuple[tuple[float, ...], tuple[float, ...]] = ((0, 0.12, 0.60, 0.86, 1), (0.5, 0.95, 1, 0.70, 0.02))
    """Places along a lock and its width there."""


def _roots(scalp: Scalp, azimuth: np.ndarray, polar: np.ndarray, seed: int) -> Roots:
    """Roots at given angles, degrees."""
    points = scalp.surface(np.radians(azimuth), np.radians(polar), 0.001)
    return Roots(azimuth, polar, points, points - scalp.center, np.random.default_rng(seed), scalp)


def trim(guides: Float[np.ndarray, "n s 3"], hem: np.ndarray, steps: int) -> Float[np.ndarray, "n steps 3"]:
    """Guides cut where they first fall below the world height `hem` (n,), and spaced evenly again."""
    count = len(guides)
    dense = np.linspace(0, guides.shape[1] - 1, 8 * guides.shape[1])
    low = np.floor(dense).astype(int).clip(0, guides.shape[1] - 2)
    share = (dense - low)[None, :, None]
    fine = guides[:, low] * (1 - share) + guides[:, low + 1] * share
    below = fine[..., 1] < hem[:, None]
    end = np.where(below.any(1), below.argmax(1), fine.shape[1] - 1)
    place = end[:, None] * np.linspace(0, 1, steps)[None]
    low = np.floor(place).astype(int).clip(0, fine.shape[1] - 2)
    share = (place - low)[..., None]
    rows = np.arange(count)[:, None]
    out = fine[rows, low] * (1 - share) + fine[rows, low + 1] * share
    for _ in range(3):  # shoulders push a lock aside in steps: round them
        out[:, 2:-1] = 0.5 * out[:, 2:-1] + 0.25 * (out[:, 1:-2] + out[:, 3:])
    return out


def _fall(
    scalp: Scalp, roots: Roots, hem: np.ndarray | float, height: float, flare: float, steps: int = 12
) -> np.ndarray:
    """Locks that follow the skull from their roots and hang to the height `hem` over the scalp's centre."""
    n = len(roots.azimuth)
    angle = np.radians(roots.azimuth)
    ring = np.stack([np.sin(angle) * (0.090 + height), np.cos(angle) * (0.096 + height)], 1)
    hem = np.broadcast_to(np.asarray(hem, float), n)

    def target(places: np.ndarray, t: float) -> np.ndarray:
        down = np.tile(np.array([0.0, -1, 0]), (n, 1))
        # below the ears the locks keep to a cylinder around the head, a touch wider at the hem
        fall = np.clip(-places[:, 1:2], 0, 0.4)
        gap = ring * (1 + flare * fall) - places[:, [0, 2]]
        hold = np.stack([gap[:, 0], np.zeros(n), gap[:, 1]], 1) * 9
        skull = roots.along_skull(places)
        low = smoothstep(0.030, -0.015, places[:, 1])[:, None]
        return skull * (1 - low) + (down + hold) * low

    length = 0.20 + np.clip(-hem, 0, None) + 0.02
    guides = grow(scalp, roots, Growth(length, np.full(n, 0.05), 0.65, target, height=height), 26)
    return trim(guides, scalp.center[1] + hem, steps)


def _fringe(scalp: Scalp, brow_height: float, count: int, sweep: float, seed: int) -> Locks:
    """Bangs: pointed locks from above the forehead that end at the brows, in the middle a little higher."""
    rng = np.random.default_rng(seed)
    azimuth = np.linspace(-58, 58, count) + rng.normal(size=count) * 1.5
    roots = _roots(scalp, azimuth, 20 + 8 * np.abs(azimuth) / 58 + rng.normal(size=count) * 2, seed)
    hem = brow_height + 0.004 - 0.022 * (np.abs(azimuth) / 58) ** 2 + rng.normal(size=count) * 0.0045
    lean = sweep + 0.10 * np.sign(azimuth) + 0.14 * rng.choice([-1.0, 1.0], count)

    def target(places: np.ndarray, t: float) -> np.ndarray:
        skull = roots.along_skull(places)
        low = smoothstep(0.075, 0.045, places[:, 1])[:, None]
        aside = np.where(np.abs(places[:, 0] + 0.02 * np.sign(lean)) < 0.075, lean * 1.3, 0.0)
        fall = np.stack([aside, np.full(count, -1.0), np.where(np.abs(places[:, 0]) > 0.07, -0.1, 0.03)], 1)
        return (skull + np.stack([0.5 * lean, 0 * lean, 0 * lean], 1)) * (1 - low) + fall * low

    growth = Growth(np.full(count, 0.26), np.full(count, 0.05), 0.55, target, height=0.012)
    guides = trim(grow(scalp, roots, growth, 22), scalp.center[1] + hem, 11)
    return Locks(guides, rng.uniform(0.016, 0.021, count))


def _side_locks(scalp: Scalp, hem: float, seed: int) -> Locks:
    """Two locks beside each cheek, in front of the ears."""
    azimuth = np.array([-74.0, -62.0, 62.0, 74.0])
    roots = _roots(scalp, azimuth, np.full(4, 34.0), seed)
    lows = hem * np.array([1.0, 0.8, 0.8, 1.0])
    return Locks(_fall(scalp, roots, lows, 0.012, 0.0), np.array([0.015, 0.012, 0.012, 0.015]))


def moe_locks(scalp: Scalp, cut: str, bangs: bool, brow_height: float, seed: int = 1) -> list[Locks]:
    """The locks of a cut. `brow_height` is the brows' height over the scalp's centre, metres."""
    rng = np.random.default_rng(seed)
    tails = {"ponytail", "twintails", "bun"}
    locks: list[Locks] = []
    if cut in ("bob", "long", "parted", "short"):
        hem = {"bob": -0.105, "long": -0.36, "parted": -0.33, "short": -0.035}[cut]
        flare = {"bob": 0.22, "long": 0.35, "parted": 0.35, "short": 0.10}[cut]
        for polar, count, height, first in ((16, 20, 0.013, 70), (44, 26, 0.008, 64), (72, 26, 0.004, 76)):
            azimuth = np.concatenate([np.linspace(first, 180, count // 2), -np.linspace(first, 176, count // 2)])
            azimuth = azimuth + rng.normal(size=len(azimuth)) * 2
            roots = _roots(
                scalp, azimuth, np.full(len(azimuth), float(polar)) + rng.normal(size=len(azimuth)) * 2, seed
            )
            nape = -0.045 * smoothstep(100, 165, np.abs(azimuth)) if cut == "short" else 0.0
            low = hem + nape + rng.normal(size=len(azimuth)) * 0.012 * (2 if cut == "long" else 1)
            guides = _fall(scalp, roots, low, height, flare)
            locks.append(Locks(guides, rng.uniform(0.017, 0.024, len(azimuth))))
    elif cut in tails:
        style = STYLES[cut]
        roots = plant(scalp, 130, seed)
        keep = np.abs(roots.azimuth) > 30
        roots = Roots(roots.azimuth[keep], roots.polar[keep], roots.points[keep], roots.places[keep], roots.rng, scalp)
        growth = style(roots)
        growth = replace(growth, height=0.006)
        locks.append(Locks(grow(scalp, roots, growth, 13), rng.uniform(0.016, 0.022, len(roots.azimuth))))
    if cut in (*tails, "bob", "long", "parted", "short"):
        if bangs or cut in ("twintails",):
            locks.append(_fringe(scalp, brow_height, 13, 0.0, seed + 3))
        elif cut == "short":
            locks.append(_fringe(scalp, brow_height + 0.020, 12, 0.65, seed + 3))
        else:
            locks.append(_parting(scalp, seed + 4))
        if cut not in ("short", "bun"):
            locks.append(_side_locks(scalp, {"bob": -0.09, "long": -0.20, "parted": -0.20}.get(cut, -0.085), seed + 5))
        elif cut == "bun":
            locks.append(_side_locks(scalp, -0.05, seed + 5))
        locks.append(_stray(scalp))
    return locks


def _parting(scalp: Scalp, seed: int) -> Locks:
    """No bangs: locks from a middle parting that sweep over the temples."""
    rng = np.random.default_rng(seed)
    azimuth = np.array([-50, -38, -26, -14, -5, 5, 14, 26, 38, 50.0])
    count = len(azimuth)
    roots = _roots(scalp, azimuth, np.full(count, 30.0), seed)
    side = np.sign(azimuth)

    def target(places: np.ndarray, t: float) -> np.ndarray:
        inner = (np.abs(places[:, 0]) < 0.078)[:, None]
        out = np.stack([side * 1.0, np.full(count, -0.75), np.full(count, 0.12)], 1)
        down = np.stack([(side * 0.092 - places[:, 0]) * 9, np.full(count, -1.0), (0.02 - places[:, 2]) * 4], 1)
        skull = roots.along_skull(places)
        return np.where(inner, out * (places[:, 1:2] < 0.085) + skull * 0.5, down)

    growth = Growth(np.full(count, 0.30), np.full(count, 0.05), 0.50, target, height=0.012)
    hem = -0.02 - 0.035 * np.abs(azimuth) / 50 + rng.normal(size=count) * 0.004
    return Locks(trim(grow(scalp, roots, growth, 24), scalp.center[1] + hem, 12), rng.uniform(0.016, 0.020, count))


def _stray(scalp: Scalp) -> Locks:
    """One lock that stands up from the crown."""
    start = scalp.surface(np.array([0.2]), np.array([0.05]), 0.006)[0]
    t = np.linspace(0, 1, 9)[:, None]
    arc = start + np.concatenate([0.018 * np.sin(t * 2.6), 0.050 * t - 0.030 * t**2, -0.006 + 0.052 * t**1.6], 1)
    return Locks(arc[None], np.array([0.0075]))


def draw_locks(scalp: Scalp, locks: list[Locks], seed: int = 2) -> AvatarMesh:
    """The locks as pointed, flat tubes. Texture "hair": u along the lock, v the angle from the light's axis."""
    rng = np.random.default_rng(seed)
    points, normals, uvs, faces = [], [], [], []
    count = 0
    for group in locks:
        n, steps = group.guides.shape[:2]
        tangent = np.gradient(group.guides, axis=1)
        tangent /= np.maximum(np.linalg.norm(tangent, axis=2, keepdims=True), 1e-9)
        outward = group.guides - scalp.center
        outward[..., 1] *= np.where(outward[..., 1] < 0, 0.15, 1)
        outward /= np.maximum(np.linalg.norm(outward, axis=2, keepdims=True), 1e-9)
        across = np.cross(tangent, outward)
        across /= np.maximum(np.linalg.norm(across, axis=2, keepdims=True), 1e-9)
        lift = np.cross(across, tangent)
        width = group.half_width[:, None] * np.interp(np.linspace(0, 1, steps), *group.profile)[None]
        # left edge, left ridge, right ridge, right edge, underside
        section = ((-1, 0.0), (-0.45, 0.34), (0.45, 0.34), (1, 0.0), (0, -0.14))
        rings = np.stack(
            [group.guides + across * (width * a)[..., None] + lift * (width * b)[..., None] for a, b in section], 2
        )
        index = count + np.arange(n * steps * 5).reshape(n, steps, 5)
        around = np.roll(index, -1, 2)
        a, b, c, d = index[:, :-1], index[:, 1:], around[:, 1:], around[:, :-1]
        faces += [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
        flat = rings.reshape(-1, 3)
        points.append(flat)
        radial = np.repeat(outward.reshape(-1, 3), 5, 0)
        bend = np.array([a for a, _ in section])
        sideways = np.tile(bend, n * steps)[:, None] * np.repeat(across.reshape(-1, 3), 5, 0)
        normals.append(0.88 * radial + 0.22 * sideways)
        along = np.tile(np.repeat(np.linspace(0, 1, steps), 5), n)
        jitter = np.repeat(rng.normal(size=n) * 2.6, steps * 5)
        uvs.append(np.stack([along, _shine_angle(flat - scalp.center, jitter)], 1))
        count += len(flat)
    points, faces = np.concatenate(points), np.concatenate(faces)
    normals = np.concatenate(normals)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    if (vertex_normals(points, faces) * normals).sum(1).mean() < 0:
        faces = faces[:, ::-1]
    return head_mesh("hair", points, normals, np.concatenate(uvs), faces)


def _shine_angle(offset: np.ndarray, jitter: np.ndarray | float = 0.0) -> np.ndarray:
    """Angle from an axis tilted 25 degrees forward over 180 degrees: the band of light is a circle around it."""
    axis = np.array([0, np.cos(_SHINE_TILT), np.sin(_SHINE_TILT)])
    unit = offset / np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-9)
    return np.clip((np.degrees(np.arccos(np.clip(unit @ axis, -1, 1))) + jitter) / 180, 0.002, 0.998)


def _shine_color(color: np.ndarray) -> np.ndarray:
    return np.clip(color * 1.35 + 0.17, 0, 1)


def paint_moe_hair(color: Float[np.ndarray, "3"], shine: float = 0.62) -> UInt8[np.ndarray, "h w 3"]:
    """Along u a lock darkens to its tip; along v lies the band of light. To be multiplied with the shine's colour."""
    u = (np.arange(32) + 0.5) / 32
    angle = (np.arange(512) + 0.5) / 512 * 180
    body = color * (1 - 0.14 * smoothstep(0.5, 1.0, u))[None, :, None] * np.array([1.0, 0.99, 1.0])
    band = smoothstep(5.2, 3.6, np.abs(angle - _SHINE_ANGLE)) + 0.6 * smoothstep(
        1.6, 0.8, np.abs(angle - _SHINE_ANGLE - 9)
    )
    band = (shine * np.clip(band, 0, 1))[:, None, None]
    light = _shine_color(color)
    return to_rgba(np.clip((body * (1 - band) + light * band) / light, 0, 1))[..., :3]


_TEETH = 38
"""Points around the edge of hair that is too short for locks."""


def moe_cap(
    scalp: Scalp, height: float, low: float = 0.0, points_of: float = 0.0, azimuths: int = 64, polars: int = 40
) -> AvatarMesh:
    """A smooth hair surface over the skull down to the hairline (plus `low` degrees), `height` off the skin. Its edge
    has short points, `points_of` degrees long."""
    turn, share = np.meshgrid(np.linspace(0, 2 * np.pi, azimuths + 1), np.linspace(0, 1, polars))
    tooth = np.abs((turn * _TEETH / (2 * np.pi)) % 1 - 0.5) * 2
    uneven = 0.75 + 0.25 * np.sin(turn * 9) * np.sin(turn * 5 + 1)
    edge = np.minimum(hairline(turn) + np.radians(low + points_of * tooth * uneven), MAX_POLAR * 0.95)
    down = share * edge
    thick = height * smoothstep(1.0, 0.72, share) + 0.0015
    points = scalp.surface(turn, down, thick).reshape(-1, 3)
    index = np.arange(turn.size).reshape(turn.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    normals = scalp.directions(turn, down).reshape(-1, 3)
    zigzag = 2.5 * np.sign(np.sin(turn.ravel() * 14))
    uvs = np.stack([0.2 + 0.3 * share.ravel(), _shine_angle(points - scalp.center, zigzag)], 1)
    return head_mesh("hair_cap", points, normals, uvs, faces)


def moe_puffs(scalp: Scalp, cut: str, seed: int = 3) -> AvatarMesh:
    """Curls as balls: big ones for an afro; smaller ones for curly hair, which hang in ringlets to the chin."""
    count, radius, thick, fine = {"afro": (120, 0.030, 0.034, (9, 6)), "curly": (120, 0.0195, 0.013, (7, 5))}[cut]
    roots = plant(scalp, count, seed)
    azimuth, polar = np.radians(roots.azimuth), np.radians(roots.polar)
    edge = np.clip((hairline(azimuth) - polar) / np.radians(24), 0.10, 1)
    keep = (np.abs(roots.azimuth) > 60) | (roots.polar < 66)
    centers = scalp.surface(azimuth, polar, thick * edge)[keep]
    outward = scalp.directions(azimuth, polar)[keep]
    if cut == "curly":
        hanging = _ringlets(scalp, roots.rng, seed)
        away = (hanging - scalp.center) * np.array([1.0, 0.15, 1.0])
        centers = np.concatenate([centers, hanging])
        outward = np.concatenate([outward, away / np.linalg.norm(away, axis=1, keepdims=True)])
    points, normals, uvs, faces, total = [], [], [], [], 0
    for center, away in zip(centers, outward, strict=True):
        p, n, f = ball(center, radius * roots.rng.uniform(0.85, 1.15), *fine)
        points.append(p)
        normals.append(0.45 * n + 0.55 * away)
        faces.append(f + total)
        shade = np.clip(0.45 - 0.35 * (n @ away), 0.02, 0.98)
        uvs.append(np.stack([shade, _shine_angle(p - scalp.center, roots.rng.normal() * 2.5)], 1))
        total += len(p)
    normals = np.concatenate(normals)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return head_mesh("hair", np.concatenate(points), normals, np.concatenate(uvs), np.concatenate(faces))


def _ringlets(scalp: Scalp, rng: np.random.Generator, seed: int) -> Float[np.ndarray, "n 3"]:
    """Middles of the curls of two layers that wind down beside and behind the face, and of a short curly fringe."""
    middles = []
    for polar, hem, height, first in ((58.0, -0.085, 0.016, 70.0), (76.0, -0.115, 0.008, 76.0)):
        azimuth = np.concatenate([side * np.linspace(first, 174, 6) for side in (-1, 1)])
        lows = hem + rng.normal(size=len(azimuth)) * 0.008
        guides = _fall(scalp, _roots(scalp, azimuth, np.full(len(azimuth), polar), seed), lows, height, 0.35, 8)
        turn = np.arange(8) * 1.9 + rng.uniform(0, 2 * np.pi, (len(azimuth), 1))
        around = np.radians(azimuth)[:, None]
        wind = np.stack([np.cos(around) * np.cos(turn), 0.4 * np.sin(turn), -np.sin(around) * np.cos(turn)], -1)
        middles.append((guides + 0.007 * wind).reshape(-1, 3))
    azimuth = np.linspace(-52, 52, 12) + rng.normal(size=12) * 2
    for down in (2.0, 9.0):
        edge = np.degrees(hairline(np.radians(azimuth))) + down + rng.normal(size=12) * 1.5
        middles.append(scalp.surface(np.radians(azimuth), np.radians(edge), 0.012))
    return np.concatenate(middles)


def moe_hair(
    scalp: Scalp, cut: str, bangs: bool, brow_height: float, color: Float[np.ndarray, "3"]
) -> list[AvatarMesh]:
    """The hair meshes of a cut; texture "hair" from `paint_moe_hair(color)`."""
    if cut == "bald":
        return []
    tight = cut in ("buzz", "afro", "curly")  # these show their hairline: it sits low, as the drawn face is short
    meshes = [moe_cap(scalp, 0.004, 11.0) if tight else moe_cap(scalp, 0.006)]
    if cut == "buzz":  # too short to shine, but not to end in points
        meshes = [moe_cap(scalp, 0.009, 8.0, points_of=8.0, azimuths=6 * _TEETH, polars=24)]
        meshes[0].uvs[:, 1] = 0.9
    elif cut in ("afro", "curly"):
        meshes.append(moe_puffs(scalp, cut))
    else:
        meshes.append(draw_locks(scalp, moe_locks(scalp, cut, bangs, brow_height)))
    if cut == "bun":
        points, normals, faces = ball(scalp.center + np.array([0, 0.105, -0.095]), 0.046, 20, 14)
        uvs = np.stack([np.full(len(points), 0.3), _shine_angle(points - points.mean(0), 0.0)], 1)
        meshes.append(head_mesh("hair_bun", points, normals, uvs, faces))
    material = Material("Hair", "hair", with_alpha(_shine_color(color)), "hair", roughness=0.8, double_sided=True)
    return [replace(mesh, material=material) for mesh in meshes]

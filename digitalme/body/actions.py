"""What the 52 face actions do on one person: lips that stay shut, lids outside the ball, a tongue between the lips.

The body model's actions are the same displacements for everybody, and were made on one face. On others, lips that
should stay together part, a lid cuts through the eyeball, and the tongue comes out through the chin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from digitalme.body.model import BodyModel
from digitalme.imaging.drawing import smoothstep

OPENING = ("jawOpen", "mouthClose", "mouthFunnel", "mouthLowerDown", "mouthUpperUp", "noseSneer", "tongueOut")
"""Beginnings of the actions that part the lips by themselves; the others leave them as shut as they are."""
_TONGUE_JAW = 0.30
"""How far the jaw opens with the tongue out: there is no other way past the teeth."""
_TONGUE_OUT = 0.036
_OVERLAP = 0.0004
_LID = 0.0007
"""Metres that a lid's skin keeps off the eyeball."""
_SUNK = 0.0013
"""Metres that its rolled-in margin may lie inside it; brought out all the way, shut lids would show their lining."""


@dataclass(frozen=True)
class Lips:
    """The rim where lips turn into the mouth, as an upper and a lower curve over x, and the skin that moves with it."""

    model: BodyModel

    @cached_property
    def rim(self) -> np.ndarray:
        """Vertices shared by the head and the mouth cavity."""
        return np.intersect1d(self.model.parts["head"].faces, self.model.parts["mouth_cavity"].faces)

    @cached_property
    def _chains(self) -> tuple[np.ndarray, np.ndarray]:
        """(upper, lower) rim vertices from the person's right corner to the left one; the corners are in both."""
        faces = self.model.parts["mouth_cavity"].faces
        edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        edges = edges[np.isin(edges, self.rim).all(1)]
        edges = np.unique(np.sort(edges, 1), axis=0)
        links: dict[int, list[int]] = {int(v): [] for v in self.rim}
        for a, b in edges:
            links[int(a)].append(int(b))
            links[int(b)].append(int(a))
        x = self.model.template[:, 0]
        start, end = min(links, key=lambda v: x[v]), max(links, key=lambda v: x[v])
        walks = []
        for first in links[start][:2]:
            walk = [start, first]
            while walk[-1] != end:
                ahead = [v for v in links[walk[-1]] if v not in walk[-2:]]
                walk.append(ahead[0])
            walks.append(np.array(walk))
        upper, lower = sorted(walks, key=lambda walk: -self.model.template[walk, 1].mean())
        return upper, lower

    @cached_property
    def _reach(self) -> tuple[np.ndarray, Bool[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """Skin and cavity vertices near the rim, whether each is of the lower lip, and how far (0..1) it goes along."""
        model = self.model
        near = np.union1d(model.parts["head"].vertex_ids, model.parts["mouth_cavity"].vertex_ids)
        upper, lower = self._chains
        up, _ = cKDTree(model.template[upper]).query(model.template[near])
        down, _ = cKDTree(model.template[lower]).query(model.template[near])
        # over the rim the nearer chain tells a vertex's lip; what the jaw takes along settles the rest
        falls = -model.displacement("jawOpen")[near, 1]
        of_lower = np.where(np.abs(up - down) > 0.001, down < up, falls > 0.015)
        share = np.exp(-((np.minimum(up, down) / 0.0075) ** 2))
        close = share > 0.02
        return near[close], of_lower[close], share[close]

    def gap(self, points: Float[np.ndarray, "vertices 3"], x: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Height between the upper and the lower rim over `x`, metres; below 0 where they overlap."""
        heights = []
        for chain in self._chains:
            curve = points[chain]
            order = np.argsort(curve[:, 0])
            heights.append(np.interp(x, curve[order, 0], curve[order, 1]))
        return heights[0] - heights[1]

    def closing(
        self, points: Float[np.ndarray, "vertices 3"], overlap: float = _OVERLAP
    ) -> Float[np.ndarray, "vertices 3"]:
        """Displacements that shut the gap of these lips: each lip goes half of the way."""
        ids, of_lower, share = self._reach
        corners = points[self._chains[0][[0, -1]], 0]
        across = (points[ids, 0] - corners.mean()) / (np.ptp(corners) / 2)
        open_ = np.clip(self.gap(points, points[ids, 0]) + overlap, 0, None)
        way = 0.5 * open_ * share * smoothstep(0.97, 0.82, np.abs(across))
        moved = np.zeros_like(points)
        moved[ids, 1] = np.where(of_lower, way, -way)
        return moved


def settled_actions(
    vertices: Float[np.ndarray, "vertices 3"], model: BodyModel
) -> dict[str, Float[np.ndarray, "vertices 3"]]:
    """Displacements of the 52 actions at weight 1 for a person whose settled rest vertices these are."""
    names = model.names("action")
    actions = dict(zip(names, model.displacements(names).astype(np.float64), strict=True))
    lips = Lips(model)
    for name in names:
        if name.startswith(("mouth", "jaw", "cheek")) and not name.startswith(OPENING):
            actions[name] = actions[name] + lips.closing(vertices + actions[name])
    sealed = vertices + actions["jawOpen"] + actions["mouthClose"]
    actions["mouthClose"] = actions["mouthClose"] + lips.closing(sealed)
    actions["tongueOut"] = _tongue_out(vertices, actions["jawOpen"], model, lips)
    for side in ("Left", "Right"):
        for name in (*(n for n in names if n.startswith("eye") and n.endswith(side)), f"cheekSquint{side}"):
            actions[name] = actions[name] + _lids_off_ball(vertices, actions[name], model, side.lower())
    return actions


def _tongue_out(vertices: np.ndarray, jaw_open: np.ndarray, model: BodyModel, lips: Lips) -> np.ndarray:
    """The tongue thin and straight between the lips, the jaw a little open for it."""
    move = _TONGUE_JAW * jaw_open
    ids = model.parts["tongue"].vertex_ids
    place = vertices[ids]
    back, tip = place[:, 2].min(), place[:, 2].max()
    share = ((place[:, 2] - back) / (tip - back))[:, None]
    front = place[share[:, 0] > 0.8]
    middle = (front.max(0) + front.min(0)) / 2
    mouth = vertices[lips.rim].mean(0)
    lower_lip = _TONGUE_JAW * jaw_open[lips.rim, 1].min()
    goal = np.array([mouth[0], mouth[1] + 0.55 * lower_lip, mouth[2]])
    thin = np.clip(0.5 * -lower_lip / np.ptp(front[:, 1]), 0.2, 0.8)
    out = np.zeros_like(place)
    out[:, 2] = _TONGUE_OUT * share[:, 0] ** 1.3
    out[:, 1] = (share**2)[:, 0] * (goal[1] - middle[1] + (thin - 1) * (place[:, 1] - middle[1]))
    out[:, 0] = -0.15 * share[:, 0] ** 2 * (place[:, 0] - mouth[0])
    move[ids] = out
    return move


def _lids_off_ball(vertices: np.ndarray, action: np.ndarray, model: BodyModel, side: str) -> np.ndarray:
    """What an action lacks to keep the lids outside the eyeball on its way and at its end."""
    ball_ids = model.parts[f"eye_{side}"].vertex_ids
    head = model.parts["head"].vertex_ids
    ball = vertices[ball_ids]
    center, half = (ball.max(0) + ball.min(0)) / 2, np.ptp(ball, axis=0) / 2
    rest = (vertices[head] - center) / half
    lid = (np.abs(rest[:, :2]).max(1) < 1.2) & (rest[:, 2] > 0) & (np.linalg.norm(action[head], axis=1) > 1e-4)
    ids = head[lid]
    missing = np.zeros_like(vertices)
    rolled = np.linalg.norm(vertices[ids] - center, axis=1)
    for weight in (0.4, 0.6, 0.8, 1.0):
        # the ball has a dome before it: measure against its own surface, in the direction of each lid vertex
        around = vertices[ball_ids] + weight * action[ball_ids] - center
        reach = np.linalg.norm(around, axis=1)
        offset = vertices[ids] + weight * (action[ids] + missing[ids]) - center
        distance = np.linalg.norm(offset, axis=1)
        unit = offset / distance[:, None]
        near, which = cKDTree(around / reach[:, None]).query(unit, k=3)
        share = 1 / (near + 1e-4)
        radius = (reach[which] * share).sum(1) / share.sum(1)
        # the margin that lies rolled in on the ball at rest may stay there, though not deep
        keep = np.where(rolled > radius, radius + _LID, np.maximum(rolled, radius - _SUNK))
        missing[ids] += unit * (np.clip(keep - distance, 0, 0.004) / weight)[:, None]
    return missing

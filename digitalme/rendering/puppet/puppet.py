"""The photo, made to move: set up once from portrait and likeness, then a frame for any weights and head rotation."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

from digitalme.artifacts import Likeness, Portrait
from digitalme.body.landmarks import landmark_table
from digitalme.body.visemes import lip_seal
from digitalme.rendering.puppet import layers, mouth
from digitalme.rendering.puppet.layers import Layer
from digitalme.rendering.puppet.pictures import smoothstep
from digitalme.rendering.puppet.raster import averaged, draw_triangles, posed_pixels
from digitalme.rendering.puppet.view import look_at
from digitalme.spaces import rotation_from_euler

SUPERSAMPLE = 2
REMOVED_WHILE_SPEAKING = {
    "mouthSmile": 0.45, "mouthUpperUp": 0.45, "mouthDimple": 0.45, "mouthLowerDown": 0.45, "jawOpen": 0.35,
    "mouthPress": 0.45,
}  # fmt: skip
"""Share of the photo's own expression that speech takes away: nobody speaks through a broad grin."""
SPREADING = ("mouthSmile", "mouthDimple")
ROUND = 0.55
"""Sum of mouthPucker and mouthFunnel at which nothing is left of the photo's SPREADING: no o or u is said smiling."""
SHUT_IN_PAUSES = 1.0
"""How far lips that the photo shows apart close between phrases: without it a grin would open in every pause."""
OUTLINE = ("neck", "rest_of_head", "rest_of_head_far", "face", "bangs", "bangs_far")
"""Layers that make the person's outline."""
INTERIOR = ("cavity", "tongue", "teeth_lower", "teeth_upper")


@dataclass
class _Posable:
    """A layer made ready for the kernels."""

    layer: Layer
    faces: Int32[np.ndarray, "f 3"]
    """The layer's triangles that are drawn in every frame."""
    basis: Float32[np.ndarray, "k v 3"]
    shade: Float32[np.ndarray, "v"]


class _Canvas(threading.local):
    """Sample buffers of one thread."""

    color: np.ndarray | None = None
    depth: np.ndarray


class PhotoPuppet:
    """Draws the person of a portrait with other expressions and head poses, over the photo's own background.

    Weights are added to the photo's own expression: no weights and no rotation give the photo back.
    Frames may be drawn by several threads at once.
    """

    def __init__(self, portrait: Portrait, likeness: Likeness, size: int = 512):
        view = look_at(portrait, likeness, size)
        self.view, self.size = view, size
        body = view.body
        names = body.names("action")
        displacement = dict(zip(names, body.displacements(names), strict=True))
        displacement |= mouth.closing_lids(view, displacement)
        self.seal = mouth.solve_seal(view, displacement, likeness.expression)
        self.names = {name: i for i, name in enumerate(names)}
        # an action that the photo shows already goes only as far as it is left to go
        self._room = {name: 1.05 - min(max(likeness.expression.get(name, 0.0), 0.0), 1.0) for name in names}
        self._room |= dict.fromkeys(("eyeBlinkLeft", "eyeBlinkRight"), 1.0)  # solved for this face: 1 shuts the eye
        self._own = {
            name: share * max(0.0, likeness.expression.get(name, 0.0))
            for name in names
            for stem, share in REMOVED_WHILE_SPEAKING.items()
            if name.removesuffix("Left").removesuffix("Right") == stem
        }
        self._spread = {
            name: max(0.0, likeness.expression.get(name, 0.0)) for name in self._own if name.startswith(SPREADING)
        }

        self._shows_teeth = bool(mouth.photo_teeth(view).any())
        share = layers.face_share(view)
        skin = layers.plain_skin(view)
        color = layers.face_skin(view, share, skin)
        face = layers.face_layer(view, share, color)
        rest = layers.rest_of_head(view, share, face)
        head_faces = _layer_faces(view, face)
        around, bangs = [rest], [hair] if (hair := layers.bangs(view)) else []
        far = layers.far_side(view, color)
        far_cheek = layers.far_cheek(view, far, share, color) if far else None
        if far and layers.alike_beside(view, far):
            around, bangs = (
                [part for layer in them for part in layers.with_mirrored(view, far, layer)] for them in (around, bangs)
            )
        stack = [
            layers.neck(view, share),
            layers.skin_under(view, skin),
            *around,
            *mouth.inside_of_mouth(view),
            *layers.eyes(view),
            face,
            far_cheek,
            layers.lids(view, share, color, head_faces),
            *bangs,
        ]
        full = np.concatenate([np.stack([displacement[n] for n in names]), self.seal.shapes])
        self.layers = [_posable(layer, full) for layer in stack if layer is not None]

        self._camera = view.camera.scaled(size / len(view.image))
        self._lips = _rim_of_lips(face)
        self._pivot = np.array([0, view.chin[1] + 0.02, body.head_center[2] - 0.040])
        self._behind, self._still, self._region = self._drawn_once()
        self._canvas = _Canvas()

    def _drawn_once(
        self,
    ) -> tuple[Float32[np.ndarray, "h w 3"], UInt8[np.ndarray, "size size 3"], tuple[int, int, int, int]]:
        """What stands still: as samples of the region that moves, as a picture of the whole, and that region in
        pixels (x0, y0, x1, y1).

        The triangles that stand still are drawn here and taken out of the layers.
        """
        view = self.view
        n, samples = len(view.image), SUPERSAMPLE * self.size
        moving = np.zeros((n, n, 3), np.float32)
        depth = np.full((n, n), np.inf, np.float32)
        stands = []
        for posable in self.layers:
            layer = posable.layer
            still = (layer.turn[layer.faces] == 0).all(1) if layer.follow is None else np.zeros(len(layer.faces), bool)
            posable.faces = np.ascontiguousarray(layer.faces[~still])
            stands.append((posable, layer.faces[still]))
            if layer.name in OUTLINE:
                white = np.full_like(layer.texture, 255)
                white[..., 3] = layer.texture[..., 3]
                corners = view.camera.project(layer.rest).astype(np.float32)
                ones = np.ones(len(corners), np.float32)
                draw_triangles(corners, posable.faces, layer.uvs, ones, white, 1.0, 0.0, moving, depth, 0.0, 0.0, 1)
        moving = moving[..., 0] / 255
        behind = layers.background(view, moving)
        behind = cv2.resize(behind, (samples, samples), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        depth = np.full((samples, samples), np.inf, np.float32)
        for posable, faces in stands:
            layer = posable.layer
            corners = self._camera.project(layer.rest).astype(np.float32)
            draw_triangles(
                corners, faces, layer.uvs, posable.shade, layer.texture, 1.0, 0.0,
                behind, depth, 0.0, 0.0, SUPERSAMPLE,
            )  # fmt: skip
        still = np.empty((self.size, self.size, 3), np.uint8)
        averaged(behind, SUPERSAMPLE, still)
        rows, columns = (np.flatnonzero((moving > 0.02).any(axis)) for axis in (1, 0))
        margin = 0.25 * view.face_height
        scale = self.size / n
        x0, x1 = (columns[0] - margin) * scale, (columns[-1] + margin) * scale
        y0, y1 = (rows[0] - margin) * scale, (rows[-1] + margin) * scale
        x0, y0, x1, y1 = (int(np.clip(edge, 0, self.size)) for edge in (x0, y0, x1, y1))
        inside = behind[SUPERSAMPLE * y0 : SUPERSAMPLE * y1, SUPERSAMPLE * x0 : SUPERSAMPLE * x1]
        return inside.copy(), still, (x0, y0, x1, y1)

    def solved(self, weights: Mapping[str, float], speaking: float, resting: float = 0.0) -> Float[np.ndarray, "k"]:
        """Coefficients of the actions and the closing shapes: the photo's smile partly gone while speaking (0..1),
        lips sealed as far as the weights say, and nearly so in a pause (`resting`, 0..1)."""
        seal = max(float(lip_seal(weights)), SHUT_IN_PAUSES * resting)
        mixed = {
            name: min(float(weight), self._room[name])
            for name, weight in weights.items()
            if name in self.names and name != "mouthClose"
        }
        rounded = min(1.0, (weights.get("mouthPucker", 0.0) + weights.get("mouthFunnel", 0.0)) / ROUND)
        for name, share in self._own.items():
            left = self._spread.get(name, share) - share
            mixed[name] = mixed.get(name, 0.0) - speaking * (share + rounded * left)
        mixed, closing = self.seal.closed(mixed, seal)
        vector = np.zeros(len(self.names) + len(closing), np.float32)
        for name, weight in mixed.items():
            vector[self.names[name]] = weight
        vector[len(self.names) :] = closing
        return vector

    def frame(
        self,
        weights: Mapping[str, float],
        head: Float[np.ndarray, "3"] | tuple = (0, 0, 0),
        speaking: float = 0.0,
        resting: float = 0.0,
    ) -> UInt8[np.ndarray, "size size 3"]:
        """One picture. `weights` are ARKit weights on top of the photo's expression, `head` is (pitch, yaw, roll) in
        radians relative to the photo's pose."""
        vector = self.solved(weights, speaking, resting)
        rotation = rotation_from_euler(*(float(a) for a in head))
        color, depth = self._clean_canvas()
        x0, y0, x1, y1 = self._region
        blink = max(weights.get("eyeBlinkLeft", 0.0), weights.get("eyeBlinkRight", 0.0))
        light = self._mouth_light(vector)
        posed = [self._posed(posable, vector, rotation) for posable in self.layers]
        hole = self._mouth_box(posed)
        inside_begun = False
        for posable, corners in zip(self.layers, posed, strict=True):
            layer = posable.layer
            opacity = float(smoothstep(0.05, 0.7, blink)) if layer.name == "lids" else 1.0
            if layer.shown_by is not None:
                opacity *= float(smoothstep(0.01, 0.09, self._turned(layer.shown_by, rotation)))
            if layer.hidden_by is not None:
                opacity *= float(smoothstep(0.15, 0.06, self._turned(layer.hidden_by, rotation)))
            if opacity <= 0:
                continue
            if layer.name in INTERIOR:
                if not inside_begun:
                    self._darken_mouth(posed, hole, light, color, depth)
                    inside_begun = True
                self._draw_inside(posable, corners, light, hole, color, depth)
                continue
            draw_triangles(
                corners, posable.faces, layer.uvs, posable.shade, layer.texture, opacity, layer.nearer,
                color, depth, float(x0), float(y0), SUPERSAMPLE,
                0.02 if layer.shown_by is None else 0.95,  # while it comes in, the wall would show through it
            )  # fmt: skip
        picture = self._still.copy()
        averaged(color, SUPERSAMPLE, picture[y0:y1, x0:x1])
        return picture

    def _posed(self, posable: _Posable, vector: np.ndarray, rotation: np.ndarray) -> Float32[np.ndarray, "v 3"]:
        """Pixels and depth of a layer's vertices."""
        layer = posable.layer
        world, corners = np.empty_like(layer.rest), np.empty_like(layer.rest)
        camera = self._camera
        posed_pixels(
            layer.rest, posable.basis, vector if len(posable.basis) else vector[:0], layer.turn, rotation, self._pivot,
            np.zeros(3), camera.camera_from_world, camera.focal_px, *camera.center, world, corners,
        )  # fmt: skip
        return corners

    def _turned(self, direction: Float[np.ndarray, "3"], rotation: Float[np.ndarray, "3 3"]) -> float:
        """How much nearer to the camera a direction of the head looks than at rest, -2..2."""
        return float((direction - rotation @ direction) @ self.view.away)

    def _mouth_box(self, posed: list[Float32[np.ndarray, "_ 3"]]) -> tuple[slice, slice]:
        """Rows and columns of the region's samples that may show the inside of the mouth: the lips' rim and a little
        around it. Elsewhere the skin before it may have no triangles, as under a chin that the photo does not show."""
        rim = self._posed_rim(posed)[:, :2]
        margin = 0.03 * self.view.face_height * self.size / len(self.view.image)
        low = (rim.min(0) - margin - self._region[:2]) * SUPERSAMPLE
        high = (rim.max(0) + margin - self._region[:2]) * SUPERSAMPLE
        height, width = self._behind.shape[:2]
        (left, top), (right, bottom) = (np.clip(ends, 0, [width, height]).astype(int) for ends in (low, high))
        return slice(top, bottom), slice(left, right)

    def _posed_rim(self, posed: list[Float32[np.ndarray, "_ 3"]]) -> Float32[np.ndarray, "n 3"]:
        """Pixels and depth of where the lips meet."""
        face = next(i for i, posable in enumerate(self.layers) if posable.layer.name == "face")
        return posed[face][self._lips]

    def _darken_mouth(
        self,
        posed: list[Float32[np.ndarray, "_ 3"]],
        box: tuple[slice, slice],
        light: float,
        color: Float32[np.ndarray, "h w 3"],
        depth: Float32[np.ndarray, "h w"],
    ) -> None:
        """Between the lips nothing behind the mouth is seen, even past the end of the cavity's wall."""
        rows, columns = box
        rim = (self._posed_rim(posed)[:, :2] - self._region[:2]) * SUPERSAMPLE - [columns.start, rows.start] - 0.5
        mask = np.zeros(depth[box].shape, np.uint8)
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(rim * 16).astype(np.int32)), 1, shift=4)
        cavity = next(posable.layer for posable in self.layers if posable.layer.name == "cavity")
        color[box][mask > 0] = 0.34 * light * cavity.texture[0, 0, :3]
        depth[box][mask > 0] = np.inf  # what is thin there has left its depth

    def _draw_inside(
        self,
        posable: _Posable,
        corners: Float32[np.ndarray, "v 3"],
        light: float,
        box: tuple[slice, slice],
        color: Float32[np.ndarray, "h w 3"],
        depth: Float32[np.ndarray, "h w"],
    ) -> None:
        """Draw a layer of the mouth's inside into a box of the canvas."""
        rows, columns = box
        part, behind = color[box].copy(), depth[box].copy()
        left, top = (self._region[0] + columns.start / SUPERSAMPLE, self._region[1] + rows.start / SUPERSAMPLE)
        layer = posable.layer
        draw_triangles(
            corners, posable.faces, layer.uvs, posable.shade * np.float32(light), layer.texture, 1.0, layer.nearer,
            part, behind, float(left), float(top), SUPERSAMPLE,
        )  # fmt: skip
        color[box], depth[box] = part, behind

    def _mouth_light(self, vector: Float32[np.ndarray, "k"]) -> float:
        """Light inside the mouth: it grows dim behind lips that are nearly shut. 1 as in a photo that shows teeth."""

        def level(gap: float) -> float:
            return 0.76 + 0.24 * float(smoothstep(0, 0.008, gap))

        usual = level(self.seal.middle_gap(0 * vector)) if self._shows_teeth else 1.0
        return level(self.seal.middle_gap(vector)) / usual

    def _clean_canvas(self) -> tuple[np.ndarray, np.ndarray]:
        canvas = self._canvas
        if canvas.color is None:
            canvas.color, canvas.depth = np.empty_like(self._behind), np.empty(self._behind.shape[:2], np.float32)
        np.copyto(canvas.color, self._behind)
        canvas.depth.fill(np.inf)
        return canvas.color, canvas.depth


def _rim_of_lips(face: Layer) -> Int32[np.ndarray, "n"]:
    """The face layer's vertices where lips meet."""
    assert face.follow is not None
    table = landmark_table()
    return np.flatnonzero(np.isin(face.follow.indices, [*table.lip_upper, *table.lip_lower])).astype(np.int32)


def _layer_faces(view, layer: Layer) -> np.ndarray:
    """A mesh layer's triangles as the body's vertex numbers."""
    assert layer.follow is not None
    return layer.follow.indices[layer.faces]


def _posable(layer: Layer, displacement: Float32[np.ndarray, "k v 3"]) -> _Posable:
    count = len(layer.rest)
    if layer.follow is None:
        basis = np.zeros((0, count, 3), np.float32)
    else:
        flat = displacement.transpose(1, 0, 2).reshape(displacement.shape[1], -1)
        basis = np.ascontiguousarray((layer.follow @ flat).reshape(count, -1, 3).transpose(1, 0, 2), np.float32)
    shade = np.ones(count, np.float32) if layer.shade is None else layer.shade.astype(np.float32)
    return _Posable(layer, layer.faces, basis, shade)

"""The photo as the puppet's layers see it: a square crop at working size, with masks, coordinates of the face and
the fitted head's mesh in the same pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from digitalme.artifacts import Camera, Likeness, Portrait
from digitalme.body import landmarks as lm
from digitalme.body.model import BodyModel, load_body
from digitalme.rendering.puppet.pictures import Mask, Soft, filled, grown, polygon, shrunk
from digitalme.rendering.puppet.raster import nearest_depth

FRAME_IN_FACES = 2.45
"""Side of the picture in face heights (forehead to chin): head and shoulders."""
FACE_AT = 0.48
"""Where the middle of the face stands in the picture, as a share of its height."""


@dataclass(frozen=True)
class View:
    """A square piece of the portrait, n x n working pixels, and everything the layers ask of it.

    Heights are along the face's axis: +0.5 at the top of the forehead, -0.5 at the chin, in face heights. Sides are
    across it from the chin, in face widths.
    """

    image: UInt8[np.ndarray, "n n 3"]
    landmarks: Float32[np.ndarray, "478 2"]
    """Working pixels."""
    person: Soft
    hair: Soft
    camera: Camera
    vertices: Float[np.ndarray, "v 3"]
    """The fitted head with the photo's expression and the residual: it reprojects onto the photo's landmarks."""
    body: BodyModel

    # ---- sizes and coordinates

    @cached_property
    def face_height(self) -> float:
        return float(np.linalg.norm(self.landmarks[lm.FOREHEAD_TOP] - self.landmarks[lm.CHIN]))

    @cached_property
    def face_width(self) -> float:
        return float(np.linalg.norm(self.landmarks[234] - self.landmarks[454]))

    @property
    def unit(self) -> float:
        """A hundred and tenth of the face's height: a pixel of the photo on which the recipes were first tried."""
        return self.face_height / 110

    @cached_property
    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Middle of the face, and unit vectors up and across, in pixels."""
        top, chin = self.landmarks[lm.FOREHEAD_TOP], self.landmarks[lm.CHIN]
        up = (top - chin) / np.linalg.norm(top - chin)
        return (top + chin) / 2, up, np.array([-up[1], up[0]])

    @cached_property
    def height(self) -> Soft:
        middle, up, _ = self.axes
        y, x = np.mgrid[: self.image.shape[0], : self.image.shape[1]].astype(np.float32)
        return ((x + 0.5 - middle[0]) * up[0] + (y + 0.5 - middle[1]) * up[1]).astype(np.float32) / self.face_height

    @cached_property
    def side(self) -> Soft:
        across = self.landmarks[454] - self.landmarks[234]
        across = across / np.linalg.norm(across)
        y, x = np.mgrid[: self.image.shape[0], : self.image.shape[1]].astype(np.float32)
        chin = self.landmarks[lm.CHIN]
        return ((x + 0.5 - chin[0]) * across[0] + (y + 0.5 - chin[1]) * across[1]).astype(np.float32) / self.face_width

    def area(self, group: tuple[int, ...], grow: float = 0) -> Mask:
        """The polygon of a landmark group."""
        return polygon(self.landmarks[list(group)], self.person.shape, grow)

    # ---- masks

    @cached_property
    def is_person(self) -> Mask:
        return self.person > 0.5

    @cached_property
    def oval(self) -> Mask:
        return self.area(lm.OVAL)

    @cached_property
    def is_hair(self) -> Mask:
        """Hair on the head; what the mask calls hair inside the face below the brows is beard or shadow."""
        return (self.hair > 0.5) & ~(self.oval & (self.height < 0.12))

    @cached_property
    def eyes(self) -> Mask:
        return self.area(lm.EYE_RIGHT) | self.area(lm.EYE_LEFT)

    @cached_property
    def mouth_opening(self) -> Mask:
        return self.area(lm.LIPS_INNER)

    @cached_property
    def sure_skin(self) -> Mask:
        """Skin without doubt: the oval's inside below the brows, without eyes, lips and brows."""
        mask = shrunk(self.oval, 0.06 * self.face_height)
        for group in (lm.EYE_RIGHT, lm.EYE_LEFT, lm.LIPS_OUTER, lm.BROW_RIGHT, lm.BROW_LEFT):
            mask &= ~self.area(group, 0.03 * self.face_height)
        brows = self.landmarks[[105, 334], 1].min()
        mask &= np.arange(len(mask))[:, None] > brows
        return mask if mask.sum() > 100 else self.oval  # a face seen from the side leaves little

    @cached_property
    def skin_color(self) -> Float[np.ndarray, "3"]:
        """Median, 0..255."""
        return np.median(self.image[self.sure_skin], 0)

    @cached_property
    def unlike_skin(self) -> Soft:
        """Mahalanobis distance of each pixel's Lab colour from the person's skin."""
        lab = cv2.cvtColor(self.image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
        seen = lab[self.sure_skin]
        seen = seen[np.abs(seen - np.median(seen, 0)).max(1) < 25]
        inverse = np.linalg.inv(np.cov(seen.T) + np.diag([30, 4, 4]))
        root = np.linalg.cholesky(inverse)
        return np.linalg.norm((lab - seen.mean(0).astype(np.float32)) @ root.astype(np.float32), axis=2)

    @cached_property
    def long_hair(self) -> Mask:
        """Hair with what hangs below the jaw: pixels of the hair's colour that touch the hair beside the face."""
        hair = self.is_hair
        beside = (hair & (self.height < -0.12) & (self.height > -0.5) & ~grown(self.oval, 2)).sum()
        sample = self.image[shrunk(hair, self.unit)]
        if beside < 0.05 * self.face_height**2 or len(sample) < 200:
            return hair
        lab = cv2.cvtColor(self.image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
        seen = lab[shrunk(hair, self.unit)]
        middle = np.median(seen, 0)
        spread = np.cov(seen[np.abs(seen - middle).max(1) < 30].T) + np.diag([15, 5, 5])
        root = np.linalg.cholesky(np.linalg.inv(spread)).astype(np.float32)
        unlike_hair = np.linalg.norm((lab - middle) @ root, axis=2)
        alike = self.is_person & (unlike_hair < 2.4) & (unlike_hair < 0.8 * self.unlike_skin)
        alike &= (self.height < -0.3) & ~grown(self.oval, 1)
        alike = cv2.morphologyEx((alike | hair).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        _, labels = cv2.connectedComponents(alike)
        touching = np.unique(labels[hair & (self.height < 0)])
        return hair | np.isin(labels, touching[touching > 0])

    # ---- colours

    @cached_property
    def exposure(self) -> float:
        """Brightness of the person's light: 1 in a well-lit photo."""
        return float(np.clip(self.skin_color.mean() / 190, 0.35, 1.1))

    @cached_property
    def foreground(self) -> Float32[np.ndarray, "n n 3"]:
        """The person's colours, continued outward over the matte's soft edge: no background in the fringe."""
        inside = filled(self.image, (self.person > 0.97).astype(np.float32))
        alpha = self.person[..., None] ** 2
        mixed = inside * (1 - alpha) + self.image * alpha
        return np.where(self.person[..., None] > 0.97, self.image, mixed).astype(np.float32)

    # ---- the mesh in the picture

    @cached_property
    def pixels(self) -> Float[np.ndarray, "v 3"]:
        """Working pixels and depth of every vertex."""
        return self.camera.project(self.vertices)

    @cached_property
    def normals(self) -> Float[np.ndarray, "v 3"]:
        faces = np.concatenate([self.body.parts["head"].faces, self.body.parts["body"].faces])
        return vertex_normals(self.vertices, faces)

    @cached_property
    def facing(self) -> Float[np.ndarray, "v"]:
        """Cosine between a vertex's normal and the direction to the camera."""
        toward = self.camera.position - self.vertices
        return (self.normals * toward).sum(1) / np.linalg.norm(toward, axis=1)

    @property
    def away(self) -> Float[np.ndarray, "3"]:
        """The direction the camera looks in, world frame."""
        return self.camera.camera_from_world[2, :3]

    def depth_of(self, faces: np.ndarray) -> Soft:
        """Nearest depth of some of the mesh's triangles at each pixel, inf where there are none."""
        depth = np.full(self.image.shape[:2], np.inf)
        nearest_depth(self.pixels, faces, depth)
        return depth.astype(np.float32)

    @cached_property
    def chin(self) -> Float[np.ndarray, "3"]:
        return lm.landmark_points(self.vertices)[lm.CHIN]

    def unproject(self, x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> Float[np.ndarray, "*n 3"]:
        """Pixels and depths to world points."""
        cx, cy = self.camera.center
        seen = np.stack([(x - cx) * depth, (y - cy) * depth, depth * self.camera.focal_px], -1) / self.camera.focal_px
        pose = self.camera.camera_from_world
        return (seen - pose[:, 3]) @ pose[:, :3]


def vertex_normals(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "v 3"]:
    """Unit normals, triangles weighted by area; 0 for vertices without triangles."""
    corner = vertices[faces]
    across = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    total = np.stack(
        [sum(np.bincount(faces[:, k], across[:, c], len(vertices)) for k in range(3)) for c in range(3)], -1
    )
    return total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-12)


def look_at(portrait: Portrait, likeness: Likeness, size: int) -> View:
    """Cut head and shoulders out of the portrait, with up to two working pixels to a pixel of the picture."""
    body = load_body()
    height, width = portrait.image.shape[:2]
    points = portrait.landmarks[:, :2]
    middle = (points[lm.FOREHEAD_TOP] + points[lm.CHIN]) / 2
    face = np.linalg.norm(points[lm.FOREHEAD_TOP] - points[lm.CHIN])
    side = int(min(float(FRAME_IN_FACES * face), height, width))
    x0 = int(np.clip(middle[0] - side / 2, 0, width - side))
    y0 = int(np.clip(middle[1] - side * FACE_AT, 0, height - side))
    n = min(2 * size, max(1024, side))  # a texel for each sample, as far as the photo has them
    scale = n / side

    def cut(image: np.ndarray) -> np.ndarray:
        piece = np.ascontiguousarray(image[y0 : y0 + side, x0 : x0 + side])
        return cv2.resize(piece, (n, n), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)

    camera = likeness.camera
    cx, cy = camera.center_px or (camera.width / 2, camera.height / 2)
    camera = replace(
        camera, focal_px=camera.focal_px * scale, width=n, height=n, center_px=((cx - x0) * scale, (cy - y0) * scale)
    )
    vertices = body.vertices({**likeness.shape, **likeness.expression}) + likeness.residual
    if likeness.relief is not None:
        vertices = vertices + likeness.relief
    marks = ((points - [x0, y0]) * scale).astype(np.float32)
    inner_face = polygon(marks[list(lm.OVAL)], (n, n), -0.08 * float(face) * scale).astype(np.float32)
    return View(
        cut(portrait.image),
        marks,
        np.clip(np.maximum(cut(portrait.person), inner_face), 0, 1),  # a matte that cuts into the face would be a hole
        np.clip(cut(portrait.hair), 0, 1),
        camera,
        vertices,
        body,
    )

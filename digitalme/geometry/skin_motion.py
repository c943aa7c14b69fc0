"""How the skin moves from a resting picture of a face to another: what landmarks are too coarse to tell.

A full browInnerUp moves a brow by three pixels where landmarks are off by two. But the brow, the lips' red and every
spot of the skin carry edges, and the body's mesh says where each of them goes for any pose and any actions. So every
picture is laid back onto the resting one, each spot taken from where the mesh predicts it (Lucas and Kanade 1981; Thies
et al. 2016 fit faces alike), and intensities, less their surroundings', are compared there. Surroundings are skin, and
the same skin in both: teeth and the dark between open lips, which rest does not show, spoil nothing. The skin has a
pose of its own, near the landmarks' one; it is eliminated, and what is left is a quadratic form in the action weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from digitalme.artifacts import Camera
from digitalme.body import landmarks as marks
from digitalme.body.actions import settled_actions
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth
from digitalme.geometry.fit import laid_onto_seen
from digitalme.imaging import lip_reader
from digitalme.imaging.face_tracking import FACE_SIZE

MOST = 3000
"""Spots of the skin that are followed at most: those with the strongest edges."""
AROUND, CONTRAST = 3.0, 6.0
"""Sigma of what counts as an intensity's surroundings, pixels; contrast that is taken for noise, grey levels."""
SHARPNESS = (2.5, 1.2, 1.2)
"""Sigma of the pictures' blur at each round, pixels."""
NOISE, CROWD = 0.3, 0.7
"""Miss of a spot that is likely, in units of the local contrast; how many neighbouring ones miss together."""
TURN, SHIFT = np.radians(2.0), 0.02
"""How far the pose that the skin shows may lie from that of the landmarks: radians, and parts of the distance."""
INSIDE = 5
"""Pixels of the crop that the face's outline is kept off."""
STEEP = 0.35
"""Cosine to the line of sight below which skin is seen too much from the side."""
HIDING = ("eye_left", "eye_right", "mouth_cavity", "teeth_upper", "teeth_lower", "tongue")
"""What may stand before skin."""


@dataclass(frozen=True)
class Place:
    """Where a head stands before the camera, and how `face_crop` cut it out."""

    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, "3"]
    crop: Float[np.ndarray, "2 3"]
    """Crop pixels from the picture's."""


class Skin:
    """One person's face at rest, ready to be laid onto other pictures."""

    def __init__(
        self, shape: dict[str, float], names: tuple[str, ...], focal_px: float, center: Float[np.ndarray, "2"]
    ) -> None:
        self.shape, self.names, self.focal, self.center = shape, names, focal_px, np.asarray(center, float)
        self.mask = np.zeros(FACE_SIZE[::-1], np.float32)
        """1 where the resting picture shows skin."""
        self.at = np.nonzero(self.mask)
        """Rows and columns of the spots: all of the skin there."""
        self.points = np.zeros((0, 3))
        """Where each spot lies at rest: metres, head frame."""
        self.actions = np.zeros((0, 3, len(names)), np.float32)
        """How each action moves it at weight 1."""
        self.picked = np.zeros(0, int)
        """Which spots are compared."""
        self.shades: list[tuple[np.ndarray, np.ndarray]] = []
        """The resting picture less its surroundings', (144, 128), and its contrast, for each round's blur."""
        self.mouth = np.zeros((0, 3))
        """Spots of the resting mouth's picture, head frame."""
        self.resting_mouth = np.zeros((*lip_reader.SIZE[::-1],), np.uint8), np.zeros(2)
        """As `mouth_seen`."""
        self.doing = np.zeros(len(names))
        """What the face does in the resting picture."""

    def rest(
        self, picture: UInt8[np.ndarray, "144 128"], place: Place, weights: Float[np.ndarray, "actions"],
        spots: Float[np.ndarray, "470 3"],
    ) -> None:  # fmt: skip
        """Take this picture for the resting one: the face there does `weights`, next to nothing; `spots`: landmarks."""
        from digitalme.rendering.raster import rasterise_ids  # compiled code, loaded where a video is read

        body = load_body()
        doing = {name: float(weight) for name, weight in zip(self.names, weights, strict=True) if weight > 1e-3}
        move = place.translation - place.rotation @ body.head_center.astype(float)
        size = np.round(2 * self.center).astype(int)
        camera = Camera(self.focal, int(size[0]), int(size[1]), np.c_[place.rotation, move])
        fitted = laid_onto_seen(spots[: marks.COUNT, :2], self.shape, doing, camera, None)
        rest = settle_mouth(fitted.vertices(with_expression=False), body)
        moved = settled_actions(rest, body)
        actions = np.stack([moved[name] for name in self.names], -1)
        head = body.parts["head"].faces
        faces = np.concatenate([head, *(body.parts[part].faces for part in HIDING)])
        points = rest - body.head_center
        seen, flat = self.seen(points + actions @ weights, place)
        width, height = FACE_SIZE
        found, bary, _ = rasterise_ids(np.c_[flat + 0.5, seen[:, 2]], faces, width, height)
        corners = seen[faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        middles = corners.mean(1)
        lengths = np.linalg.norm(normals, axis=1) * np.linalg.norm(middles, axis=1)
        facing = np.abs((normals * middles).sum(1)) / np.maximum(lengths, 1e-12)
        skin = (found >= 0) & (found < len(head)) & (facing[found] > STEEP)
        on_crop = spots[:, :2] @ place.crop[:, :2].T + place.crop[:, 2]
        skin &= _bare(picture, on_crop)
        self.mask, self.at = skin.astype(np.float32), np.nonzero(skin)
        corner_ids, shares = faces[found[self.at]], bary[self.at].astype(float)
        self.points = np.einsum("nk,nkc->nc", shares, points[corner_ids])
        self.actions = np.einsum("nk,nkca->nca", shares, actions[corner_ids]).astype(np.float32)
        self.shades = [_flattened(picture.astype(np.float32), self.mask, blur) for blur in SHARPNESS]
        inner = cv2.erode(skin.astype(np.uint8), np.ones((3, 3), np.uint8))[self.at]  # slopes end at the mask's rim
        edges = np.hypot(*_slopes(self.shades[1][0]))[self.at] * inner
        picked = np.sort(np.argsort(-edges, kind="stable")[:MOST])
        self.picked = picked[edges[picked] > 0]
        self.mouth = lip_reader.mouth_spots(points[np.unique(head)], marks.landmark_points(points))
        self.resting_mouth, self.doing = self.mouth_seen(picture, place), np.asarray(weights, float)

    def mouth_seen(self, picture: UInt8[np.ndarray, "144 128"], place: Place) -> tuple[np.ndarray, np.ndarray]:
        """The mouth laid back from this picture, and the way it is looked at, as the lip reader wants them."""
        width, height = lip_reader.SIZE
        at = self.seen(self.mouth, place)[1].astype(np.float32).reshape(height, width, 2)
        laid = cv2.remap(picture, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return laid, place.rotation[2, :2]

    def seen(self, points: np.ndarray, place: Place) -> tuple[np.ndarray, np.ndarray]:
        """Points in the camera frame, and in the crop."""
        seen = points @ place.rotation.T + place.translation
        pixels = self.focal * seen[:, :2] / seen[:, 2:] + self.center
        return seen, pixels @ place.crop[:, :2].T + place.crop[:, 2]


class SkinSight:
    """One picture that the skin is laid onto."""

    def __init__(self, skin: Skin, picture: UInt8[np.ndarray, "144 128"], place: Place) -> None:
        self.skin, self.place, self.picture = skin, place, picture.astype(np.float32)
        self.apart = np.zeros(6)
        """The pose's turn and shift since the landmarks'."""
        self._back: tuple[np.ndarray, np.ndarray] | None = None

    def told(self, weights: Float[np.ndarray, "actions"], turn: int) -> tuple[np.ndarray, np.ndarray]:
        """(normal matrix, pull) about `weights` of the quadratic form: what round `turn` tells of the weights."""
        skin, place = self.skin, self.place
        count, picked = len(weights), skin.picked
        if not len(picked):  # no skin is seen where the face rests
            self._back = np.zeros((6, count)), np.zeros(6)
            return np.zeros((count, count)), np.zeros(count)
        seen, flat = skin.seen(skin.points + skin.actions @ weights.astype(np.float32), place)
        at = flat.astype(np.float32)
        laid = np.zeros_like(skin.mask)
        laid[skin.at] = cv2.remap(
            self.picture, at[:, :1], at[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )[:, 0]  # fmt: skip
        resting, usual = skin.shades[turn]
        shades, contrast = _flattened(laid, skin.mask, SHARPNESS[turn])
        rows, columns = skin.at[0][picked], skin.at[1][picked]
        # slopes of the mean of both, along the crop's axes: the step is then right to the second order (Malis 2004)
        right, below = (slope[rows, columns] for slope in _slopes((shades + resting) / 2))
        width, height = FACE_SIZE
        at, seen = at[picked], seen[picked]
        inside = (at[:, 0] > 2) & (at[:, 0] < width - 3) & (at[:, 1] > 2) & (at[:, 1] < height - 3)
        error = (resting - shades)[rows, columns] * inside
        trust = inside / (1 + (error / NOISE) ** 2) / (NOISE**2 * CROWD)
        trust *= np.clip(2 * (contrast / usual)[rows, columns], 0, 1)  # what is blurred or hidden tells nothing
        depth = seen[:, 2]
        slope = (np.c_[right, below] @ place.crop[:, :2]) * (skin.focal / depth)[:, None]
        pull3 = np.c_[slope, -(slope * seen[:, :2]).sum(1) / depth]  # by the spot's place in the camera frame
        arm = seen - place.translation
        pose = np.c_[np.cross(arm, pull3), pull3]
        doing = np.einsum("nc,nca->na", (pull3 @ place.rotation).astype(np.float32), skin.actions[picked])
        jacobian = np.c_[doing, pose]
        weighed = jacobian * trust[:, None]
        normal, pull = weighed.T @ jacobian, weighed.T @ error
        stiff = np.r_[np.full(3, TURN**-2), np.full(3, (SHIFT * place.translation[2]) ** -2)]
        normal[count:, count:] += np.diag(stiff)
        pull[count:] -= stiff * self.apart
        solved = np.linalg.solve(normal[count:, count:], np.c_[normal[count:, :count], pull[count:]])
        self._back = solved[:, :count], solved[:, count]
        return (
            normal[:count, :count] - normal[:count, count:] @ self._back[0],
            pull[:count] - normal[:count, count:] @ self._back[1],
        )

    def follow(self, step: Float[np.ndarray, "actions"]) -> None:
        """Move the pose along with a step of the weights."""
        assert self._back is not None
        move = self._back[1] - self._back[0] @ step
        self.apart = self.apart + move
        turned = cv2.Rodrigues(move[:3])[0] @ self.place.rotation
        self.place = Place(turned, self.place.translation + move[3:], self.place.crop)


def _bare(picture: UInt8[np.ndarray, "h w"], spots: Float[np.ndarray, "470 2"]) -> np.ndarray:
    """Where the face is: well inside its outline, and above the brows only what is as bright as its skin, not hair."""
    height, width = picture.shape
    face = np.zeros((height, width), np.uint8)
    cv2.fillPoly(face, [np.round(spots[list(marks.OVAL)]).astype(np.int32)], 1)
    face[:3], face[-3:], face[:, :3], face[:, -3:] = 0, 0, 0, 0
    face = cv2.erode(face, np.ones((2 * INSIDE + 1,) * 2, np.uint8), borderValue=0)
    brows = np.zeros((height, width), np.uint8)
    for side in (marks.BROW_RIGHT, marks.BROW_LEFT):
        cv2.fillConvexPoly(brows, cv2.convexHull(np.round(spots[list(side)]).astype(np.int32)), 1)
    brows = cv2.dilate(brows, np.ones((9, 9), np.uint8))
    line = int(spots[[*marks.BROW_RIGHT, *marks.BROW_LEFT], 1].mean())
    smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.0)
    skin = smooth[(face > 0) & (brows == 0)]
    if not len(skin):
        return face > 0
    usual, spread = np.median(skin), 1.5 * np.median(np.abs(skin - np.median(skin))) + 8
    odd = (np.abs(smooth - usual) > 2.5 * spread) & (brows == 0)
    odd[line:] = False
    return (face > 0) & (cv2.dilate(odd.astype(np.uint8), np.ones((7, 7), np.uint8)) == 0)


def _flattened(
    picture: Float32[np.ndarray, "h w"], mask: Float32[np.ndarray, "h w"], blur: float
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """(intensities less their surroundings', by the contrast there; that contrast), as if nothing were but the mask."""
    near, around = (np.maximum(cv2.GaussianBlur(mask, (0, 0), sigma), 1e-3) for sigma in (blur, AROUND))
    gray = cv2.GaussianBlur(picture * mask, (0, 0), blur) / near
    left = gray - cv2.GaussianBlur(gray * mask, (0, 0), AROUND) / around
    contrast = np.sqrt(cv2.GaussianBlur(left * left * mask, (0, 0), AROUND) / around)
    return left / (contrast + CONTRAST) * mask, np.maximum(contrast, 1e-3)


def _slopes(picture: Float32[np.ndarray, "h w"]) -> tuple[np.ndarray, np.ndarray]:
    return tuple(cv2.Scharr(picture, cv2.CV_32F, *way) / 32 for way in ((1, 0), (0, 1)))

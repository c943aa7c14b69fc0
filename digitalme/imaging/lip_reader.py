"""The lip reader: a small network that tells what a mouth does beside the same mouth at rest.

Landmarks are too coarse for lips, and the mesh does not know how lips shade and fold, what an open mouth shows, or that
pressed lips get thin. The network looks at two pictures of one mouth, each laid back by the head's pose onto the same
spots of the face (`mouth_spots`), so that only the mouth's own doing is left between them, and tells the difference of
the actions. Weights: assets/lip_reader.safetensors, trained by tools/train_lip_reader.py on renders of people who never
lived; plain numpy runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, UInt8

from digitalme.imaging.face_reader import convolved
from digitalme.paths import asset

SIZE = (64, 48)
"""Width and height of a mouth's picture, pixels."""
SPAN, DROP = 0.0736, 0.005
"""Its width, metres; how far its middle lies below the mouth's corners."""
LAYERS = ((2, 16, 2), (16, 32, 2), (32, 48, 2), (48, 64, 1))
"""Channels in and out, and stride, of the 3 x 3 convolutions."""
NARROW, HIDDEN = 32, 128
"""Channels after the last, 1 x 1 convolution; width of the head."""
CORNERS = (61, 291)
"""Landmarks: the mouth's corners."""

Mouth = UInt8[np.ndarray, "48 64"]


@dataclass(frozen=True)
class LipReader:
    """The network. `names`: ARKit actions it tells."""

    names: tuple[str, ...]
    tensors: dict[str, Float32[np.ndarray, "..."]]

    @property
    def deviation(self) -> Float[np.ndarray, "actions"]:
        """How far it is off, root mean square, on people that it did not learn from."""
        return self.tensors["deviation"].astype(float)

    def change(self, rest: Mouth, mouth: Mouth, views: Float[np.ndarray, "4"]) -> Float32[np.ndarray, "actions"]:
        """Weights of `mouth` less those of `rest`, -1..1; `views`: right and up (head frame, x and y) of the direction
        that the camera looks in, for the rest and the mouth."""
        x = standardised(np.stack([rest, mouth])).transpose(1, 2, 0)[None]
        for number, (_, _, stride) in enumerate(LAYERS):
            weight, bias = self.tensors[f"conv{number}.weight"], self.tensors[f"conv{number}.bias"]
            x = np.maximum(convolved(x, weight, stride) + bias, 0)
        x = np.maximum(x @ self.tensors["narrow.weight"][:, :, 0, 0].T + self.tensors["narrow.bias"], 0)
        both = np.concatenate([x[0].transpose(2, 0, 1).ravel(), views.astype(np.float32)])
        hidden = np.maximum(self.tensors["mix.weight"] @ both + self.tensors["mix.bias"], 0)
        return self.tensors["tell.weight"] @ hidden + self.tensors["tell.bias"]


def standardised(pair: UInt8[np.ndarray, "*many 2 48 64"]) -> Float32[np.ndarray, "*many 2 48 64"]:
    """A mouth at rest and the mouth, both by what makes the one at rest of mean 0 and spread 1, whatever the light."""
    x = pair.astype(np.float32)
    rest = x[..., :1, :, :]
    return np.clip((x - rest.mean((-1, -2), keepdims=True)) / (rest.std((-1, -2), keepdims=True) + 4), -5, 5)


def mouth_spots(
    head: Float[np.ndarray, "vertices 3"], marks: Float[np.ndarray, "marks 3"]
) -> Float[np.ndarray, "spots 3"]:
    """The spots of a resting face, one for each pixel, row by row from its upper right (the picture's upper left), that
    a mouth's picture shows: on a smooth surface through the skin about the mouth. `head`: vertices of the head's skin;
    `marks`: landmarks at rest; metres."""
    middle = marks[list(CORNERS)].mean(0) - [0, DROP, 0]
    width, height = SIZE
    step = SPAN / width
    x = (np.arange(width) - (width - 1) / 2) * step
    y = -(np.arange(height) - (height - 1) / 2) * step
    apart = head - middle
    near = (np.abs(apart[:, 0]) < x[-1]) & (np.abs(apart[:, 1]) < y[0]) & (apart[:, 2] > -0.03)

    def terms(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)

    bend = np.linalg.lstsq(terms(apart[near, 0], apart[near, 1]), apart[near, 2], rcond=None)[0]
    right, up = (each.ravel() for each in np.meshgrid(x, y))
    return np.stack([right, up, terms(right, up) @ bend], -1) + middle


@lru_cache(maxsize=1)
def lip_reader() -> LipReader:
    """Read assets/lip_reader.safetensors."""
    from safetensors.numpy import safe_open

    with safe_open(asset("lip_reader.safetensors"), framework="numpy") as file:
        names = tuple((file.metadata() or {})["names"].split())
        return LipReader(names, {key: file.get_tensor(key).astype(np.float32) for key in file.keys()})  # noqa: SIM118

"""The face reader: a small network that tells face actions from a picture of the face itself.

Landmarks hardly answer to a pucker, the brows and the gaze; lips, brow edges and irises do. The network looks at
`face_crop`s and compares each with the same face at rest. Weights: assets/face_reader.safetensors, trained by
tools/train_face_reader.py on renders of people who never lived; plain numpy runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, UInt8

from digitalme.imaging.face_tracking import FACE_SIZE
from digitalme.paths import asset

Crops = UInt8[np.ndarray, "faces 144 128 3"]
LAYERS = ((3, 16, 2), (16, 24, 2), (24, 48, 2), (48, 64, 2), (64, 96, 1))
"""Channels in and out, and stride, of the 3 x 3 convolutions."""
NARROW, FEATURES, HIDDEN = 32, 128, 128
"""Channels after the last, 1 x 1 convolution; numbers a face is described by; width of the head."""


@dataclass(frozen=True)
class FaceReader:
    """The network. `names`: ARKit actions it tells."""

    names: tuple[str, ...]
    tensors: dict[str, Float32[np.ndarray, "..."]]

    @property
    def deviation(self) -> Float[np.ndarray, "actions"]:
        """How far it is off, root mean square, on people that it did not learn from."""
        return self.tensors["deviation"].astype(float)

    def features(self, crops: Crops) -> Float32[np.ndarray, "faces 128"]:
        """What each picture of a face shows, to be compared with that of the same face at rest."""
        x = standardised(crops)
        for number, (_, _, stride) in enumerate(LAYERS):
            x = np.maximum(convolved(x, self.tensors[f"conv{number}.weight"], stride) + self._bias(number), 0)
        x = np.maximum(x @ self.tensors["narrow.weight"][:, :, 0, 0].T + self.tensors["narrow.bias"], 0)
        flat = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        return flat @ self.tensors["describe.weight"].T + self.tensors["describe.bias"]

    def weights(
        self, features: Float32[np.ndarray, "faces 128"], rest: Float32[np.ndarray, "128"] | None
    ) -> Float32[np.ndarray, "faces actions"]:
        """Action weights 0..1; `rest`: the features of the face at rest, None where that is not known."""
        base = np.zeros_like(features) if rest is None else np.broadcast_to(rest, features.shape)
        known = np.full((len(features), 1), rest is not None, np.float32)
        both = np.concatenate([features, (features - base) * known, base, known], 1)
        hidden = np.maximum(both @ self.tensors["mix.weight"].T + self.tensors["mix.bias"], 0)
        return np.clip(hidden @ self.tensors["tell.weight"].T + self.tensors["tell.bias"], 0, 1)

    def _bias(self, number: int) -> np.ndarray:
        return self.tensors[f"conv{number}.bias"]


def standardised(crops: Crops) -> Float32[np.ndarray, "faces 144 128 3"]:
    """Each picture's channels brought to mean 0 and spread 1, whatever the light."""
    x = crops.astype(np.float32)
    return (x - x.mean((1, 2), keepdims=True)) / (x.std((1, 2), keepdims=True) + 8)


def convolved(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """3 x 3 convolution of (n, h, w, c) with a border of zeros; kernel (out, in, 3, 3)."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))[:, ::stride, ::stride]
    return np.tensordot(windows, kernel, ((3, 4, 5), (1, 2, 3)))


@lru_cache(maxsize=1)
def face_reader() -> FaceReader:
    """Read assets/face_reader.safetensors."""
    from safetensors.numpy import safe_open

    with safe_open(asset("face_reader.safetensors"), framework="numpy") as file:
        names = tuple((file.metadata() or {})["names"].split())
        return FaceReader(names, {key: file.get_tensor(key).astype(np.float32) for key in file.keys()})  # noqa: SIM118


def resting_features(
    reader: FaceReader, features: Float32[np.ndarray, "faces 128"], share: float = 0.12
) -> Float32[np.ndarray, "128"]:
    """The features of a person's face at rest: the mean of the pictures of a clip that do least.

    Who does least is first judged without knowing the rest, then twice knowing it.
    """
    rest: Float32[np.ndarray, "128"] | None = None
    counted = np.array(
        [not name.startswith(("eyeLook", "jaw", "mouthClose")) or name == "jawOpen" for name in reader.names]
    )
    for _ in range(3):
        doing = reader.weights(features, rest)[:, counted].sum(1)
        calm = np.argsort(doing, kind="stable")[: max(3, round(share * len(features)))]
        rest = features[calm].mean(0)
    assert rest is not None
    return rest


assert FACE_SIZE == (128, 144)

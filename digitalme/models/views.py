"""What the attribute classifier looks at: the head with its hair, the face close up, its lower half closer still (lines
of age and beards are fine), and the two eyes, all brought to one place and size by the eyes, so that it does not matter
how a picture is framed."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from digitalme.imaging.face_detection import face_landmarks
from digitalme.models.text_image import VIEW_SIDE, VIEWS

WINDOWS = ((6.4, 0.4), (2.6, 0.4), (1.7, 0.75))
"""Of head, face and lower face the window's side, and how far below the eyes its middle is, in distances between
the eyes."""
EYE = 0.8
"""How wide the window of an eye is; it is half as high, and both share one view: the picture's left eye above."""
USUAL = ((0.42, 0.44), (0.58, 0.44))
"""Where the eyes are taken to be (shares of the picture) when no face is found."""


def eyes_of(picture: UInt8[np.ndarray, "s s 3"]) -> Float[np.ndarray, "2 2"]:
    """Pixels of the eyes, the picture's left one first."""
    size = len(picture)
    times = max(1, round(400 / size))
    found = face_landmarks(cv2.resize(picture, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC))
    return np.array(USUAL) * size if found is None else found[[468, 473], :2].astype(float) / times


def views_of(pictures: UInt8[np.ndarray, "n s s 3"]) -> Tensor:
    """(n, VIEWS, 3, VIEW_SIDE, VIEW_SIDE) in -1..1."""
    side, half = VIEW_SIDE, VIEW_SIDE // 2
    views = np.empty((len(pictures), VIEWS, side, side, 3), np.uint8)
    for row, picture in enumerate(pictures):
        eyes = eyes_of(picture)
        across = eyes[1] - eyes[0]
        apart = max(float(np.linalg.norm(across)), 1.0)
        right = across / apart
        down = np.array([-right[1], right[0]])
        for column, (window, below) in enumerate(WINDOWS):
            middle = eyes.mean(0) + below * apart * down
            views[row, column] = _window(picture, middle, right, window * apart / side, side)
        for k, eye in enumerate(eyes):
            views[row, -1, k * half : (k + 1) * half] = _window(picture, eye, right, EYE * apart / side, half)
    return torch.from_numpy(views).permute(0, 1, 4, 2, 3).float() / 127.5 - 1


def _window(
    picture: UInt8[np.ndarray, "s s 3"], middle: np.ndarray, right: np.ndarray, step: float, height: int
) -> UInt8[np.ndarray, "h w 3"]:
    """A window VIEW_SIDE wide around `middle`, `step` pixels of the picture for each of its own."""
    down = np.array([-right[1], right[0]])
    corner = middle - right * step * (VIEW_SIDE - 1) / 2 - down * step * (height - 1) / 2
    soft = picture if step <= 1.3 else cv2.GaussianBlur(picture, (0, 0), 0.4 * step)
    return cv2.warpAffine(
        soft, np.column_stack([right * step, down * step, corner]), (VIEW_SIDE, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip

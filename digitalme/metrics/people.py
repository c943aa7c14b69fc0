"""Whether several portraits show one person."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from digitalme.artifacts import Portrait
from digitalme.metrics.likeness import SAME_PERSON, face_descriptor


def strangers(portraits: list[Portrait]) -> list[int]:
    """Places in the list of portraits that show someone else than most of them do.

    Raises MissingExtraError where the face descriptor is not installed.
    """
    return strangers_among(np.array([face_descriptor(portrait.image, portrait.landmarks) for portrait in portraits]))


def strangers_among(descriptors: Float[np.ndarray, "n 128"]) -> list[int]:
    """The same from descriptors: the one with most others near it is the person; of equals the first."""
    apart = np.linalg.norm(descriptors[:, None] - descriptors[None], axis=2)
    person = (apart < SAME_PERSON).sum(1).argmax()
    return [place for place, distance in enumerate(apart[person]) if distance >= SAME_PERSON]

"""Whether several portraits show one person, unhidden and sharp, and an Album of those that do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from digitalme.artifacts import Album, Portrait, Shown
from digitalme.imaging.hidden import hidden_faces
from digitalme.metrics.likeness import SAME_PERSON, face_descriptor, has_descriptor

TURNED_AS_YAW = 0.5
"""A pitched head is as far from the camera as one turned by half of that."""
TURNED_LESS_ALIKE = 0.35
"""Descriptors of one person grow apart by so much as the head is turned by a radian."""
BLURRED = 0.35
"""Sharpness below this share of the album's median is too little; a turned face has less that is sharp to show."""


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


@dataclass(frozen=True)
class Candidate:
    """A portrait that may enter an album."""

    name: str
    portrait: Portrait
    shown: Shown

    @classmethod
    def of(cls, name: str, portrait: Portrait, center: tuple[float, float]) -> Candidate:
        """`center`: the middle of the upright original, in its pixels."""
        to_original = portrait.original_from_image
        x, y = (np.array(center) - to_original[:, 2]) / to_original[0, 0]
        return cls(name, portrait, Shown(name, (float(x), float(y))))

    @property
    def turned(self) -> float:
        """How far the head looks past the camera, radians."""
        quality = self.portrait.quality
        return abs(quality.get("yaw", 0.0)) + TURNED_AS_YAW * abs(quality.get("pitch", 0.0))


def gathered(candidates: list[Candidate], left_out: list[tuple[str, str]]) -> Album:
    """An album of those that show one person sharply, what was left out beside it.

    The portrait to start from is the sharpest of those that look into the camera, with the mouth shut.
    """
    left_out = list(left_out)
    kept = candidates
    if len(kept) > 1 and has_descriptor():
        # far turned faces are less like themselves: the person is found among the frontal ones first
        frontal = sorted(kept, key=lambda each: each.turned)
        seen = np.array([face_descriptor(each.portrait.image, each.portrait.landmarks) for each in frontal])
        limits = np.array([SAME_PERSON + TURNED_LESS_ALIKE * max(0.0, each.turned - 0.4) for each in frontal])
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)
        person = (apart < limits[None]).sum(1).argmax()
        for place, each in enumerate(frontal):
            near = min(apart[person, place], np.sort(apart[place])[1] + 0.05)
            if near >= limits[place]:
                left_out.append((each.name, f"shows someone else (descriptor distance {apart[person, place]:.2f})"))
        gone = {name for name, _ in left_out}
        kept = [each for each in kept if each.name not in gone]
    seen = [each.portrait for each in kept]
    hidden = hidden_faces(
        [p.image for p in seen],
        [p.landmarks for p in seen],
        [p.quality.get("yaw", 0.0) for p in seen],
        [p.hair for p in seen],
    )
    for place, share in hidden.items():
        left_out.append((kept[place].name, f"something hides {share * 100:.0f} % of the face"))
    kept = [each for place, each in enumerate(kept) if place not in hidden]
    sharp = np.median([each.portrait.quality["blur"] for each in kept])
    for each in list(kept):
        usual = sharp * np.cos(each.portrait.quality.get("yaw", 0.0))
        if len(kept) > 1 and each.portrait.quality["blur"] < BLURRED * usual:
            left_out.append((each.name, "is blurred"))
            kept = [other for other in kept if other is not each]
    kept = sorted(kept, key=_unfit)
    return Album(tuple(each.portrait for each in kept), tuple(each.shown for each in kept), tuple(left_out))


def _unfit(each: Candidate) -> float:
    """How bad it is to start from: turned, blurred, mouth open, eyes shut."""
    marks = each.portrait.landmarks[:, :2]
    span = np.linalg.norm(marks[33] - marks[263])
    mouth = np.linalg.norm(marks[13] - marks[14]) / span
    eyes = (np.linalg.norm(marks[159] - marks[145]) + np.linalg.norm(marks[386] - marks[374])) / span
    blur = each.portrait.quality["blur"]
    return each.turned + 2.0 * mouth + max(0.0, 0.12 - eyes) * 4 + 3.0 / (blur + 5)

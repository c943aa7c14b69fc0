"""From phones to the mouth: phone -> one of 15 Oculus visemes -> ARKit curves, with how strongly each viseme insists.

One table serves the animation, the lip-sync measures and the viseme morph targets of the exporters, so they agree.
Targets and dominances were tried on a layered photo puppet (jaw peak .25 to .30 in fluent speech).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

VISEMES = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U")
"""The 15 Oculus visemes, in the order of that interface."""

_PHONES_OF_VISEME = {
    "sil": "SIL", "PP": "P B M", "FF": "F V", "TH": "TH DH", "DD": "T D", "kk": "K G NG HH", "CH": "CH JH SH ZH",
    "SS": "S Z", "nn": "N L", "RR": "R ER", "aa": "AA AE AH AY AW", "E": "EH EY", "I": "IH IY Y", "O": "AO OW OY",
    "U": "UH UW W",
}  # fmt: skip
VISEME_OF_PHONE: Mapping[str, str] = {p: v for v, phones in _PHONES_OF_VISEME.items() for p in phones.split()}
"""ARPAbet without stress -> viseme."""
SIX_CLASSES: Mapping[str, str] = {
    "sil": "X", "PP": "A", "FF": "G", "TH": "B", "DD": "B", "kk": "B", "CH": "B", "SS": "B", "nn": "B", "I": "B",
    "aa": "CD", "E": "CD", "O": "E", "RR": "E", "U": "F",
}  # fmt: skip
"""Viseme -> Rhubarb's mouth shapes with C and D joined (X is silence)."""

MOUTH_CHANNELS = (
    "jawOpen", "mouthSmile", "mouthFunnel", "mouthPucker", "mouthLowerDown", "mouthUpperUp", "mouthStretch",
    "mouthRollLower", "mouthRollUpper", "mouthPress", "tongueOut",
)  # fmt: skip
"""What speech moves: ARKit names, pairs without Left/Right. `mouthClose` comes from the seal (see `mouth_close`)."""
PAIRED = frozenset({"mouthSmile", "mouthLowerDown", "mouthUpperUp", "mouthStretch", "mouthPress"})
SEAL = "seal"
"""The closure channel: 1 while the lips are pressed together (p b m), whatever the jaw does."""

TARGETS: Mapping[str, Mapping[str, float]] = {
    "sil": {},
    "PP": {SEAL: 1.0, "jawOpen": 0.05, "mouthPress": 0.30, "mouthRollLower": 0.16, "mouthRollUpper": 0.11},
    "FF": {"jawOpen": 0.05, "mouthRollLower": 0.48, "mouthUpperUp": 0.22, "mouthPress": 0.05},
    "TH": {"jawOpen": 0.13, "mouthLowerDown": 0.13, "tongueOut": 0.28},
    "DD": {"jawOpen": 0.11, "mouthLowerDown": 0.15, "mouthUpperUp": 0.06, "mouthStretch": 0.06},
    "kk": {"jawOpen": 0.16, "mouthLowerDown": 0.09},
    "CH": {"jawOpen": 0.09, "mouthFunnel": 0.44, "mouthPucker": 0.17, "mouthLowerDown": 0.09},
    "SS": {"jawOpen": 0.06, "mouthStretch": 0.20, "mouthSmile": 0.09, "mouthLowerDown": 0.18, "mouthUpperUp": 0.07},
    "nn": {"jawOpen": 0.11, "mouthLowerDown": 0.11, "tongueOut": 0.03},
    "RR": {"jawOpen": 0.11, "mouthFunnel": 0.28, "mouthPucker": 0.24},
    "aa": {"jawOpen": 0.37, "mouthLowerDown": 0.20, "mouthUpperUp": 0.09},
    "E": {"jawOpen": 0.25, "mouthStretch": 0.15, "mouthSmile": 0.11, "mouthLowerDown": 0.15},
    "I": {"jawOpen": 0.15, "mouthSmile": 0.20, "mouthStretch": 0.18, "mouthLowerDown": 0.13},
    "O": {"jawOpen": 0.29, "mouthFunnel": 0.46, "mouthPucker": 0.42},
    "U": {"jawOpen": 0.13, "mouthPucker": 0.80, "mouthFunnel": 0.28},
}
"""Viseme -> channel -> weight in careful speech."""

REDUCED_JAW: Mapping[str, float] = {"AH": 0.6, "IH": 0.8}
"""Reduced vowels open less than their class."""

_SEALING = {SEAL, "mouthPress", "mouthRollLower", "mouthRollUpper"}
_OPENING = {"jawOpen", "mouthLowerDown", "mouthUpperUp"}  # a seal holds at any jaw, so p b m need not shut it
_ROUNDING = {"mouthFunnel", "mouthPucker"}


def dominance(viseme: str, channel: str) -> float:
    """How strongly a viseme insists on its target for a channel against its neighbours (1 is ordinary).

    Closures win; lip rounding belongs to CH, U, O, RR; tongue consonants leave the lips to the vowels around them
    (Cohen and Massaro, Modeling coarticulation in synthetic visual speech, 1993).
    """
    if viseme == "PP":
        return 3.0 if channel in _SEALING else 2.5 if channel in _OPENING else 1.0
    if viseme == "FF":
        return {"mouthRollLower": 6.0, "mouthUpperUp": 6.0, "jawOpen": 4.0}.get(channel, 1.0)
    if channel in _ROUNDING and viseme in {"CH", "U", "O", "RR"}:
        return 5.0 if viseme in {"U", "O"} else 3.0
    if viseme in {"kk", "DD", "nn", "TH"} and channel in _ROUNDING | {"mouthStretch", "mouthSmile"}:
        return 0.15
    if viseme == "SS" and channel in _ROUNDING:
        return 0.35
    if viseme in {"kk", "DD", "nn", "TH", "SS"} and channel == "jawOpen":
        return 0.9
    return 0.8 if viseme == "sil" and channel != SEAL else 1.0


def mouth_close(seal: np.ndarray | float, jaw_open: np.ndarray | float) -> np.ndarray | float:
    """ARKit's mouthClose for a seal in 0..1: the lips close whatever the jaw has opened.

    In ARKit, as in the body model, mouthClose at w takes back the lip gap of jawOpen at w. So lips that are sealed
    have mouthClose = jawOpen, and a weight alone says nothing: read it back with `lip_seal`.
    """
    return seal * jaw_open


def lip_seal(curves: Mapping[str, np.ndarray] | Mapping[str, float]) -> np.ndarray | float:
    """How far the lips are sealed, 0..1, from ARKit weights: mouthClose / jawOpen (0 where the jaw is shut)."""
    jaw, close = curves.get("jawOpen", 0.0), curves.get("mouthClose", 0.0)
    return np.clip(np.divide(close, np.maximum(jaw, 0.02)), 0, 1)


def arkit_weights(viseme: str) -> dict[str, float]:
    """A viseme held alone, as ARKit weights (pairs split in Left and Right, mouthClose from the seal)."""
    targets = TARGETS[viseme]
    weights: dict[str, float] = {}
    for channel, weight in targets.items():
        if channel in PAIRED:
            weights |= {f"{channel}Left": weight, f"{channel}Right": weight}
        elif channel != SEAL:
            weights[channel] = weight
    if SEAL in targets:
        weights["mouthClose"] = float(mouth_close(targets[SEAL], targets["jawOpen"]))
    return weights

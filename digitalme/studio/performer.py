"""What a live avatar does at each moment: it idles, speaks sentences that are given to it, follows a voice, feels.

Time is given from outside, in seconds, so that a test needs no clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from digitalme.artifacts import Performance, Speech, TimedLabel
from digitalme.stages.animate import EMOTIONS, AnimateConfig, animate, parse_emotion

RATE = 60.0
_IDLE_SECONDS = 60.0
_FADE = 0.25
"""Seconds from one emotion to another, and from a voice's last frame to a mouth at rest."""
_FORGET = 0.35
"""A voice that has sent nothing for so long is over."""

Moment = tuple[dict[str, float], tuple[float, float, float]]
"""ARKit weights that are not 0, and the head's pitch, yaw and roll in radians."""


@dataclass(frozen=True)
class _Said:
    start: float
    performance: Performance

    @property
    def end(self) -> float:
        return self.start + self.performance.seconds


class Performer:
    """Sentences stand over a followed voice, that over idling. Sentences have their own emotion; others the last."""

    def __init__(self) -> None:
        self._idle = idle_performance()
        self._said: list[_Said] = []
        self._mouth: dict[str, float] = {}
        self._mouth_at = -math.inf
        self._feeling: dict[str, float] = {}
        self._felt_before: dict[str, float] = {}
        self._felt_at = -math.inf

    def say(self, performance: Performance, now: float) -> float:
        """Speak a sentence behind those that are to be spoken; when it starts."""
        start = max([now, *(each.end for each in self._said)])
        self._said.append(_Said(start, performance))
        return start

    def follow(self, weights: dict[str, float], now: float) -> None:
        """The mouth of a voice that is heard."""
        self._mouth, self._mouth_at = weights, now

    def feel(self, emotion: str, now: float) -> None:
        """ "happy:0.6"; "" or "neutral" is nothing. Raises InputError where there is no such emotion."""
        wanted: dict[str, float] = {}
        for name, strength in parse_emotion(emotion).items():
            for pair, weight in EMOTIONS[name].items():
                single = pair in ("browInnerUp", "mouthShrugLower")
                for side in [pair] if single else [f"{pair}Left", f"{pair}Right"]:
                    wanted[side] = wanted.get(side, 0.0) + strength * weight
        self._felt_before, self._feeling, self._felt_at = self._felt(now), wanted, now

    def stop(self) -> None:
        self._said = []
        self._mouth_at = -math.inf

    def is_speaking(self, now: float) -> bool:
        return any(each.start <= now < each.end for each in self._said)

    def at(self, now: float) -> Moment:
        """What the face does now."""
        self._said = [each for each in self._said if each.end > now]
        current = next((each for each in self._said if each.start <= now), None)
        if current is not None:
            curves, head = current.performance.at(now - current.start)
            return _moment(curves, head)
        curves, head = self._idle.at(now % self._idle.seconds)
        heard = 1 - _smooth((now - self._mouth_at - _FORGET) / _FADE)
        seal = self._mouth.get("mouthClose", 0.0) * heard
        for name, weight in self._felt(now).items():
            curves[name] = curves.get(name, 0.0) + weight * (1 - 0.8 * seal if name.startswith("mouth") else 1)
        if heard > 0:
            for name, weight in self._mouth.items():
                curves[name] = curves.get(name, 0.0) + weight * heard
        return _moment(curves, head)

    def _felt(self, now: float) -> dict[str, float]:
        part = _smooth((now - self._felt_at) / _FADE)
        names = {*self._feeling, *self._felt_before}
        return {n: (1 - part) * self._felt_before.get(n, 0.0) + part * self._feeling.get(n, 0.0) for n in names}


def idle_performance() -> Performance:
    """A minute of nothing said: blinks, glances, breath, a little sway of the head; it starts and ends at rest."""
    frames = round(_IDLE_SECONDS * 100)
    silence = Speech(
        (), (TimedLabel("SIL", 0.0, _IDLE_SECONDS),), _IDLE_SECONDS,
        np.zeros(frames, np.float32), np.full(frames, -80.0, np.float32), np.zeros(frames, np.float32),
    )  # fmt: skip
    return animate(silence, AnimateConfig(rate=RATE, mouth=0.0))


def _smooth(part: float) -> float:
    part = min(1.0, max(0.0, part))
    return part * part * (3 - 2 * part)


def _moment(curves: dict[str, float], head: np.ndarray) -> Moment:
    weights = {name: round(min(1.0, value), 4) for name, value in curves.items() if value > 5e-4}
    pitch, yaw, roll = (round(float(x), 4) for x in head)
    return weights, (pitch, yaw, roll)

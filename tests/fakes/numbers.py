"""A number that is an artifact, and stages that add, double and sum."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from digitalme import events
from digitalme.errors import InputError
from tests.fakes.arithmetic import add


@dataclass(frozen=True)
class Number:
    value: int

    def save(self, folder: Path) -> None:
        (folder / "number.txt").write_text(str(self.value))

    @classmethod
    def load(cls, folder: Path) -> Number:
        return cls(int((folder / "number.txt").read_text()))

    def preview(self) -> None:
        return None


@dataclass(frozen=True)
class Word:
    text: str = ""

    def save(self, folder: Path) -> None:
        (folder / "word.txt").write_text(self.text)

    @classmethod
    def load(cls, folder: Path) -> Word:
        return cls((folder / "word.txt").read_text())


@dataclass(frozen=True)
class RaiseConfig:
    by: int = 1
    """How much is added."""
    ceiling: float | None = None
    """The result is at most this."""


def raised(start: Number, config: RaiseConfig) -> Number:
    value = add(start.value, config.by)
    return Number(value if config.ceiling is None else min(value, int(config.ceiling)))


def halved(raised: Number) -> Number:
    events.progress(1, 2)
    events.note(remainder=raised.value % 2)
    return Number(raised.value // 2)


def total(raised: Number, halved: Number, extra: Number | None = None) -> Number:
    return Number(raised.value + halved.value + (extra.value if extra else 0))


def drawn(start: Number) -> Number:
    (events.scratch() / "unfinished").write_text("half")
    return Number(events.seed() % 1000)


def failing(raised: Number) -> Number:
    raise ZeroDivisionError("the number is odd")


def refusing(raised: Number) -> Number:
    raise InputError("the number is odd; expected an even one")


def lying(raised: Number) -> Number:
    return Word("not a number")  # type: ignore[return-value]


def slow(raised: Number) -> Number:
    time.sleep(0.2)
    return Number(os.getpid())

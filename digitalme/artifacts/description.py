"""Text: what the user wrote. Description: what it says: its language, sentences with their feelings, and a person."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from digitalme.artifacts.files import read_json, write_json


@dataclass(frozen=True)
class Text:
    """Words as the user wrote them: a prompt, or what the avatar says."""

    words: str
    language: str = ""
    """BCP 47; empty where it has to be found out."""

    def save(self, folder: Path) -> None:
        write_json(folder / "text.json", asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Text:
        return cls(**read_json(folder / "text.json"))

    def preview(self) -> None:
        """Words have no picture."""
        return None


@dataclass(frozen=True)
class Sentence:
    """One sentence of a text."""

    text: str
    tokens: tuple[str, ...]
    """Words, single Chinese or Japanese signs, and marks."""
    sentiment: float
    """-1 (bad) to 1 (good)."""
    emotions: dict[str, float] = field(default_factory=dict)
    """Emotion (digitalme.text.feelings.EMOTIONS) to strength 0..1; none where the sentence is plain."""


@dataclass(frozen=True)
class Description:
    """What a text says."""

    text: str
    language: str
    """BCP 47."""
    sentences: tuple[Sentence, ...]
    attributes: dict[str, str]
    """What it says of a person: names and values of digitalme.body.attributes, only those that it speaks of."""
    embedding: Float32[np.ndarray, "d"]
    """Its meaning as a vector of length 1; empty where no encoder is installed."""
    encoder: str = ""
    """What made the embedding."""

    def save(self, folder: Path) -> None:
        write_json(folder / "description.json", asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Description:
        about = read_json(folder / "description.json")
        about["embedding"] = np.array(about["embedding"], np.float32)
        about["sentences"] = tuple(Sentence(**{**each, "tokens": tuple(each["tokens"])}) for each in about["sentences"])
        return cls(**about)

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        """The attributes as a list, and each sentence's sentiment as a bar."""
        from digitalme.text.plots import description_plot  # text stands above artifacts

        return description_plot(self)

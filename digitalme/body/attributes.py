"""What can be said of a person in words: the names and allowed values of an avatar's attributes.

The text encoder finds them in a prompt, the portrait generator is conditioned on them, and the command line takes them
as they are here. The first value of each is what is assumed where nothing is said and no data says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

from digitalme.errors import InputError

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "gender": ("woman", "man"),
    "age": ("adult", "child", "teen", "young", "middle", "old"),
    "skin": ("light", "pale", "tan", "brown", "dark"),
    "hair_style": ("long", "short", "bob", "ponytail", "twintails", "bun", "curly", "afro", "buzz", "bald"),
    "hair_color": (
        "brown", "black", "blond", "red", "grey", "white", "pink", "blue", "green", "purple", "orange", "silver",
    ),
    "eye_color": ("brown", "black", "blue", "green", "grey", "amber", "hazel", "purple", "red", "pink"),
    "beard": ("none", "stubble", "moustache", "goatee", "full"),
    "glasses": ("none", "round", "square", "sunglasses"),
    "expression": ("neutral", "happy", "sad", "angry", "surprised", "afraid", "disgusted"),
    "look": ("photo", "studio", "moe", "toon", "chibi"),
}  # fmt: skip
"""Attribute to its values; the first is the default."""


def defaults() -> dict[str, str]:
    """Each attribute's value where nothing is said."""
    return {name: values[0] for name, values in ATTRIBUTES.items()}


def completed(said: Mapping[str, str]) -> dict[str, str]:
    """What was said, and the defaults of the rest; a man whose hair was not spoken of has it short.

    Raises InputError for an attribute or a value that does not exist.
    """
    for name, value in said.items():
        if name not in ATTRIBUTES:
            raise InputError(f"attribute '{name}' is not known; there are: {', '.join(ATTRIBUTES)}")
        if value not in ATTRIBUTES[name]:
            raise InputError(f"{name} '{value}' is not known; expected one of {', '.join(ATTRIBUTES[name])}")
    implied = {"hair_style": "short"} if said.get("gender") == "man" else {}
    return defaults() | implied | dict(said)

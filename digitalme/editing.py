"""What `digitalme edit` changes of a built avatar: words and flags become knobs of the stages that made it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from digitalme.body.attributes import ATTRIBUTES
from digitalme.body.changes import OF_A_PHOTO, as_knob, changes_of
from digitalme.errors import InputError
from digitalme.product import Built, look_settings
from digitalme.text.describing import age_group, attributes_of

_SENTENCES = {
    "hair_style": ("{} hair", "{}"), "hair_color": ("{} hair", "{}头发"), "eye_color": ("{} eyes", "{}眼睛"),
    "age": ("{}", "{}的人"), "expression": ("{}", "{}"), "glasses": ("{} glasses", "戴{}眼镜"),
    "beard": ("{}", "{} beard"),
}  # fmt: skip
"""In which sentence a flag's value is read, where it is no attribute's value by itself."""
STRENGTH = 0.6
"""How strongly an expression is felt."""


def wanted(words: str, flags: Mapping[str, str]) -> dict[str, str]:
    """The changes that words and flags ask for; flags win. Raises InputError for what is not understood."""
    changes = attributes_of(words) if words.strip() else {}
    if words.strip() and not changes:
        raise InputError(f'"{words}": nothing of it is understood; expected for example "short red hair, no glasses"')
    for name, value in flags.items():
        changes[name] = _meant(name, value)
    return changes


def _meant(name: str, value: str) -> str:
    value = value.strip().lower()
    if value in ATTRIBUTES[name]:
        return value
    if name == "age" and re.fullmatch(r"\d{1,3}", value):
        return age_group(int(value))
    chinese = not value.isascii()
    for sentence in _SENTENCES[name]:
        if sentence.isascii() == chinese and sentence != "{}":
            continue
        if found := attributes_of(sentence.format(value)).get(name):
            return found
    raise InputError(f"--{name.replace('_', '-')} {value}: not known; expected one of {', '.join(ATTRIBUTES[name])}")


def settings_of(
    built: Built, changes: Mapping[str, str], outfit: str = "", look: str | None = None
) -> dict[str, dict[str, Any]]:
    """Knobs, by stage, that make the changes. Raises InputError where there is nothing to change, or no way to."""
    if not (changes or outfit or look):
        raise InputError('edit: nothing to change; expected words such as "red hair", or flags such as --glasses round')
    changes = dict(changes)
    look = look or changes.pop("look", None)
    changes.pop("look", None)
    settings: dict[str, dict[str, Any]] = {"groom": {}}
    if look is None and built.settings.get("render", {}).get("look", "photo") == "photo":
        look = "studio"  # a photograph that moves would show nothing of it
    if look is not None:
        for stage, knobs in look_settings(look).items():
            settings.setdefault(stage, {}).update(knobs)
        settings["groom"].setdefault("look", "studio")
    if outfit:
        settings["groom"]["outfit"] = outfit
    if feeling := changes.pop("expression", None):
        if "performance" in built.keys and built.store.about(built.keys["performance"])["stage"] != "animate":
            raise InputError("--expression is for a performance made from a voice; here the face in the video rules")
        settings["animate"] = {"emotion": feeling if feeling == "neutral" else f"{feeling}:{STRENGTH}"}
    if not changes:
        return settings
    if "draft" in built.keys:
        return settings | _of_words(built, changes, settings["groom"])
    if beyond := set(changes) - set(OF_A_PHOTO):
        raise InputError(
            f"{', '.join(sorted(beyond))}: cannot be changed of somebody in a photo; there are: {', '.join(OF_A_PHOTO)}"
        )
    before = changes_of(built.settings.get("groom", {}).get("changes", ()))
    settings["groom"]["changes"] = as_knob(before | changes)
    return settings | _freed(changes, settings["groom"])


def _of_words(built: Built, changes: Mapping[str, str], groom: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Somebody made up is made up again with the same number, all that is not to change held as it was."""
    from digitalme.artifacts import Draft

    draft = built.store.load(built.keys["draft"], Draft)
    kept = {name: value for name, value in draft.attributes.items() if name in ATTRIBUTES} | dict(changes)
    return {"generate_portrait": {"seed": draft.seed, "changes": as_knob(kept)}} | _freed(changes, groom)


def _freed(changes: Mapping[str, str], groom: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A style or a beard that the build was told yields to what is asked now."""
    groom |= {knob: "auto" for knob, name in (("hair", "hair_style"), ("beard", "beard")) if name in changes}
    return {"groom": groom}

"""Knobs: the fields of each stage's frozen config dataclass, set from TOML or from `--set stage.knob=value`."""

from __future__ import annotations

import ast
import difflib
import inspect
import itertools
import json
import math
import textwrap
import tomllib
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from digitalme.errors import InputError


@dataclass(frozen=True)
class Knob:
    """One field of a config, as the help shows it."""

    name: str
    type: str
    default: Any
    help: str


def knobs_of(config_type: type) -> Iterator[Knob]:
    """The knobs of a config dataclass; the help is the string under the field."""
    helps = _field_docstrings(config_type)
    hints = get_type_hints(config_type)
    for field in fields(config_type):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        yield Knob(field.name, _spelled(hints[field.name]), default, helps.get(field.name, ""))


def make_config(config_type: type, values: Mapping[str, Any], whose: str) -> Any:
    """A config from plain values (TOML's, or the command line's strings). InputError names what is wrong."""
    hints = get_type_hints(config_type)
    names = [field.name for field in fields(config_type)]
    made = {}
    for name, value in values.items():
        if name not in names:
            raise InputError(f"{whose} has no knob '{name}'{suggestion(name, names)}; it has: {', '.join(names)}")
        try:
            made[name] = _converted(value, hints[name])
        except ValueError:
            wanted = _spelled(hints[name])
            raise InputError(f"{whose}.{name}: expected {wanted}, got {value!r}") from None
    try:
        return config_type(**made)
    except (ValueError, TypeError) as error:  # the config's own checks
        raise InputError(f"{whose}: {error}") from None


def read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not valid TOML ({error})") from None


def parse_settings(settings: Iterable[str]) -> dict[str, dict[str, str]]:
    """`reconstruct.size=1024` and the like, to {"reconstruct": {"size": "1024"}}."""
    parsed: dict[str, dict[str, str]] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        stage, dot, knob = name.strip().partition(".")
        if not (equals and dot and stage and knob):
            raise InputError(f"--set {setting}: expected STAGE.KNOB=VALUE, for example reconstruct.size=1024")
        parsed.setdefault(stage, {})[knob] = value.strip()
    return parsed


def plain(config: Any) -> dict[str, Any]:
    """A config as what JSON can hold; the part of a key that it stands for."""
    return json.loads(json.dumps(asdict(config), default=str)) if config is not None else {}


def suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _converted(value: Any, wanted: Any) -> Any:
    """`value` as the type `wanted`. Strings are parsed; nothing else is bent, except int to float and list to tuple."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        if type(None) in arguments and (value is None or value == "none"):
            return None
        for option in arguments:
            if option is type(None):
                continue
            try:
                return _converted(value, option)
            except ValueError:
                continue
        raise ValueError
    if origin is Literal:
        for option in arguments:
            if value == option or (isinstance(value, str) and value == str(option)):
                return option
        raise ValueError
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise ValueError
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_converted(item, arguments[0]) for item in items)
        if len(items) != len(arguments):
            raise ValueError
        return tuple(_converted(item, each) for item, each in zip(items, arguments, strict=True))
    if wanted is bool:
        if isinstance(value, str) and value.lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
            return value.lower() in ("true", "yes", "on", "1")
        if isinstance(value, bool):
            return value
        raise ValueError
    if wanted is str and isinstance(value, str):
        return value
    if wanted is Path and isinstance(value, str | Path):
        return Path(value)
    if wanted in (int, float) and isinstance(value, str | int | float) and not isinstance(value, bool):
        if wanted is int and isinstance(value, float):
            raise ValueError
        try:
            number = wanted(value)
        except OverflowError:  # an int beyond the floats
            raise ValueError from None
        if not math.isfinite(number):
            raise ValueError
        return number
    raise ValueError


def _spelled(wanted: Any) -> str:
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return " or ".join("none" if each is type(None) else _spelled(each) for each in arguments)
    if origin is Literal:
        return " | ".join(str(each) for each in arguments)
    if origin is tuple:
        return ",".join("..." if each is Ellipsis else _spelled(each) for each in arguments)
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}.get(
        wanted, getattr(wanted, "__name__", str(wanted))
    )


def _field_docstrings(config_type: type) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(config_type)))
    helps = {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for line, after in itertools.pairwise(body):
        match line, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                helps[name] = " ".join(text.split())
    return helps

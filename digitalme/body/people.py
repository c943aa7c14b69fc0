"""People who never lived, as parameters of the body model: drawn by chance, or made to have given attributes."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np

from digitalme.artifacts.draft import Draft
from digitalme.body.attributes import ATTRIBUTES, completed
from digitalme.body.model import load_body

Rgb = tuple[float, float, float]
NAMES = tuple(ATTRIBUTES)
DRAWN_LOOKS = ("moe", "toon", "chibi")

SKIN_TONES: dict[str, tuple[Rgb, ...]] = {
    "pale": ((0.93, 0.79, 0.72), (0.92, 0.77, 0.71)),
    "light": ((0.87, 0.69, 0.60), (0.86, 0.68, 0.57)),
    "tan": ((0.76, 0.56, 0.44), (0.74, 0.55, 0.41)),
    "brown": ((0.58, 0.40, 0.30), (0.55, 0.38, 0.27)),
    "dark": ((0.38, 0.25, 0.19), (0.33, 0.21, 0.16)),
}
HAIR_COLORS: dict[str, tuple[Rgb, ...]] = {
    "black": ((0.075, 0.065, 0.065), (0.10, 0.085, 0.08)),
    "brown": ((0.27, 0.17, 0.10), (0.34, 0.22, 0.14), (0.22, 0.13, 0.08)),
    "blond": ((0.78, 0.62, 0.36), (0.70, 0.55, 0.32), (0.84, 0.71, 0.48)),
    "red": ((0.56, 0.19, 0.08), (0.60, 0.23, 0.10)),
    "orange": ((0.86, 0.44, 0.13), (0.90, 0.50, 0.16)),
    "grey": ((0.48, 0.47, 0.46), (0.42, 0.42, 0.42)),
    "silver": ((0.70, 0.71, 0.74), (0.74, 0.75, 0.78)),
    "white": ((0.90, 0.89, 0.87), (0.93, 0.92, 0.91)),
    "pink": ((0.93, 0.52, 0.66), (0.90, 0.44, 0.60)),
    "blue": ((0.20, 0.36, 0.76), (0.26, 0.48, 0.84)),
    "green": ((0.20, 0.55, 0.32), (0.30, 0.64, 0.40)),
    "purple": ((0.47, 0.26, 0.66), (0.56, 0.36, 0.74)),
}
EYE_COLORS: dict[str, tuple[Rgb, ...]] = {
    "brown": ((0.34, 0.20, 0.10), (0.38, 0.24, 0.13)),
    "black": ((0.12, 0.09, 0.08), (0.15, 0.11, 0.09)),
    "hazel": ((0.41, 0.39, 0.19), (0.45, 0.42, 0.21)),
    "blue": ((0.30, 0.50, 0.74), (0.36, 0.56, 0.76)),
    "green": ((0.29, 0.50, 0.27), (0.36, 0.53, 0.30)),
    "grey": ((0.50, 0.54, 0.56), (0.44, 0.48, 0.51)),
    "amber": ((0.72, 0.47, 0.13), (0.66, 0.42, 0.12)),
    "purple": ((0.48, 0.32, 0.66), (0.54, 0.38, 0.70)),
    "red": ((0.66, 0.14, 0.12), (0.60, 0.12, 0.12)),
    "pink": ((0.82, 0.42, 0.54), (0.84, 0.48, 0.58)),
}
"""Colours (sRGB 0..1) that a word may mean; a person's lies between two of them."""
NATURAL_HAIR = ("black", "brown", "blond", "red", "grey", "silver", "white")
_ANCESTRY: dict[str, dict[str, float]] = {  # skin tone to the chances of the model's directions
    "pale": {"caucasian": 3, "asian": 2}, "light": {"caucasian": 2, "asian": 2},
    "tan": {"caucasian": 1, "asian": 2, "african": 0.5}, "brown": {"african": 2, "asian": 0.7}, "dark": {"african": 1},
}  # fmt: skip
_YEARS = {  # coefficient of age- (younger) and of age+ (older)
    "child": (0.85, 0.0), "teen": (0.45, 0.0), "young": (0.18, 0.0), "adult": (0.0, 0.08), "middle": (0.0, 0.40),
    "old": (0.0, 0.85),
}  # fmt: skip
_FACE_PREFIXES = (
    "nose", "chin", "l-cheek", "eyebrows", "forehead", "head-fat", "head-scale", "mouth", "l-eye", "l-ear",
)  # fmt: skip
_SKEWED = ("trans-out", "angle-out", "laugh-lines-out", "dimples-out", "angles-up", "middle-up", "ext-up")
"""Shapes that make a face lopsided, or that are expression more than identity."""
_FEATURES: dict[str, dict[str, float]] = {  # what a pleasant face has beyond the model's mean woman and man
    "woman": {
        "chin-width-incr": -0.45, "chin-bones-incr": -0.50, "chin-prominent-incr": -0.15, "head-fat-incr": -0.1,
        "l-eye-scale-incr": 0.45, "l-eye-height2-incr": 0.30, "eyebrows-trans-up": 0.15, "eyebrows-angle-up": 0.15,
        "nose-scale-horiz-incr": -0.35, "nose-scale-vert-incr": -0.15, "nose-point-up": 0.2,
        "mouth-upperlip-volume-incr": 0.40, "mouth-lowerlip-volume-incr": 0.35, "mouth-upperlip-height-incr": 0.2,
        "forehead-trans-forward": 0.1, "l-cheek-bones-incr": 0.1,
    },
    "man": {
        "l-eye-scale-incr": 0.12, "l-eye-height2-incr": 0.12, "chin-bones-incr": 0.15, "nose-scale-horiz-incr": -0.1,
    },
}  # fmt: skip
_EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": {"mouthSmile": 0.65, "cheekSquint": 0.35, "eyeSquint": 0.15, "jawOpen": 0.06},
    "sad": {"mouthFrown": 0.65, "browInnerUp": 0.7, "mouthShrugLower": 0.25},
    "angry": {"browDown": 0.85, "noseSneer": 0.45, "mouthPress": 0.35, "mouthFrown": 0.3, "eyeSquint": 0.3},
    "surprised": {"browInnerUp": 0.8, "browOuterUp": 0.8, "eyeWide": 0.7, "jawOpen": 0.32},
    "afraid": {"browInnerUp": 0.9, "eyeWide": 0.8, "mouthStretch": 0.5, "jawOpen": 0.12},
    "disgusted": {"noseSneer": 0.85, "mouthUpperUp": 0.4, "browDown": 0.4, "mouthFrown": 0.3},
}


@dataclass(frozen=True)
class Person:
    """Somebody who never lived: attributes in words, and the same in numbers. Colours are sRGB 0..1."""

    attributes: dict[str, str]
    """A value of digitalme.body.attributes for each name."""
    shape: dict[str, float]
    """Coefficients of the body model."""
    skin_color: Rgb
    hair_color: Rgb
    brow_color: Rgb
    iris_color: Rgb
    lip_color: Rgb
    cloth_color: Rgb
    expression: dict[str, float]
    """ARKit weights of the attribute "expression"."""
    seed: int
    """Of whatever else is drawn by chance: moles, the grain of the skin."""


def random_person(seed: int, look: str = "photo") -> Person:
    """A person of this seed; the same seed gives the same person."""
    return person_from({"look": look}, seed)


def person_from(attributes: Mapping[str, str], seed: int) -> Person:
    """Somebody with these attributes; what they leave open is drawn by `seed`. Raises InputError.

    Everything is drawn in one order whatever is asked, so that one more word changes nothing else of the person.
    """
    completed(attributes)  # checks
    draws = [np.random.default_rng([20261121, seed, part]) for part in range(8)]
    chosen = _drawn_attributes(attributes, draws[0])
    person = Person(
        attributes={name: chosen[name] for name in NAMES},
        shape=_shape(chosen, draws[1]),
        skin_color=_near(SKIN_TONES[chosen["skin"]], draws[2]),
        hair_color=_near(HAIR_COLORS[chosen["hair_color"]], draws[3]),
        brow_color=(0, 0, 0),
        iris_color=_near(EYE_COLORS[chosen["eye_color"]], draws[4]),
        lip_color=(0, 0, 0),
        cloth_color=_cloth(draws[5]),
        expression=expression_weights(chosen["expression"], float(draws[6].uniform(0.75, 1.15))),
        seed=seed,
    )
    return replace(person, brow_color=brow_color(person), lip_color=_lips(person, draws[7]))


def person_of(draft: Draft) -> Person:
    """The person behind a draft."""
    told = {field.name: getattr(draft, field.name) for field in fields(Person) if field.name != "expression"}
    return Person(expression=expression_weights(draft.attributes["expression"]), **told)


def expression_weights(name: str, strength: float = 1.0) -> dict[str, float]:
    """ARKit weights of an expression; both sides do the same."""
    known = load_body().names("action")
    weights: dict[str, float] = {}
    for stem, weight in _EXPRESSIONS[name].items():
        for action in (stem, f"{stem}Left", f"{stem}Right"):
            if action in known:
                weights[action] = round(min(1.0, weight * strength), 4)
    return weights


def nearest_word(color: Rgb, words: Mapping[str, tuple[Rgb, ...]]) -> str:
    """The word of a colour table that lies nearest to a colour, in Lab."""
    from skimage.color import rgb2lab

    lab = rgb2lab(np.asarray(color, float)[None, None])[0, 0]
    away = {
        word: min(float(np.linalg.norm(rgb2lab(np.array(shade, float)[None, None])[0, 0] - lab)) for shade in shades)
        for word, shades in words.items()
    }
    return min(away, key=lambda word: away[word])


def brow_color(person: Person) -> Rgb:
    """Brows have the hair's colour, never lighter than the skin bears; of dyed hair brown, of the old greyed."""
    color = np.array(person.hair_color if person.attributes["hair_color"] in NATURAL_HAIR else (0.24, 0.16, 0.11))
    grey = {"middle": 0.15, "old": 0.6}.get(person.attributes["age"], 0.0)
    color = color + grey * np.maximum(0.55 - color, 0)
    if person.attributes["look"] in DRAWN_LOOKS:
        color = np.array(person.hair_color) * 0.8
    limit = max(0.66 * float(np.mean(person.skin_color)), 0.7 * grey)
    return _rounded(color * min(1.0, limit / max(float(color.mean()), 1e-3)))


def _rounded(color: np.ndarray) -> Rgb:
    red, green, blue = (round(float(np.clip(value, 0.02, 0.97)), 4) for value in color)
    return red, green, blue


def _drawn_attributes(asked: Mapping[str, str], rng: np.random.Generator) -> dict[str, str]:
    chosen: dict[str, str] = {}

    def settle(name: str, chances: Mapping[str, float]) -> str:
        share = rng.uniform()  # drawn even where it is asked: the numbers that follow stay the same
        values, parts = list(chances), np.array(list(chances.values()), float)
        drawn = values[min(int(np.searchsorted(np.cumsum(parts / parts.sum()), share)), len(values) - 1)]
        chosen[name] = asked.get(name, drawn)
        return chosen[name]

    bearded = asked.get("beard", "none") != "none"
    gender = settle("gender", {"woman": 1, "man": 1} if not bearded else {"man": 1})
    look = settle("look", {"photo": 1})
    drawn = look in DRAWN_LOOKS
    age = settle("age", {"young": 2, "adult": 2, "middle": 1.6, "old": 0.5 if drawn else 1.6, "teen": 0.5})
    skin = settle("skin", {"light": 1.2, "pale": 1, "tan": 1, "brown": 1, "dark": 1})
    styles: dict[str, dict[str, float]] = {
        "woman": {"long": 3, "bob": 2, "short": 1, "ponytail": 1.5, "twintails": 0.8, "bun": 1, "curly": 1.2,
                  "afro": 0.6, "buzz": 0.2},
        "man": {"short": 4, "buzz": 1.8, "bald": 1.5, "curly": 1.2, "afro": 0.6, "bob": 0.4, "long": 0.4, "bun": 0.3},
    }  # fmt: skip
    style = settle("hair_style", styles[gender])
    colors = {"black": 3.0, "brown": 3.0, "blond": 2.0, "red": 1, "orange": 0.4, "grey": 0.3, "white": 0.3}
    if age == "old":
        colors = {"grey": 3, "white": 3, "silver": 2, "black": 0.6, "brown": 0.6}
    dyed = 0.15 if age == "old" else 1.2 if drawn else 0.5
    color = settle("hair_color", {**colors, "pink": dyed, "blue": dyed, "green": dyed, "purple": dyed})
    if style == "bald" and "hair_color" not in asked:  # brows and beard have it still
        chosen["hair_color"] = color if color in NATURAL_HAIR else "brown"
    light = 1.0 if skin in ("pale", "light") else 0.25
    settle("eye_color", {"brown": 2, "black": 0.7, "blue": 1.4 * light, "green": light, "grey": 0.6 * light,
                         "hazel": 0.5, "amber": 0.5, "purple": 0.8 if drawn else 0.2,
                         "red": 0.6 if drawn else 0, "pink": 0.4 if drawn else 0})  # fmt: skip
    grown = gender == "man" and age not in ("child", "teen") and not drawn
    beards = {"none": 2.0, "stubble": 1, "full": 1.2, "moustache": 0.4, "goatee": 0.4}
    settle("beard", beards)
    if not grown and "beard" not in asked:
        chosen["beard"] = "none"
    settle("glasses", {"none": 3, "round": 0.5, "square": 0.5, "sunglasses": 0.15})
    settle("expression", {"neutral": 4, "happy": 3, "sad": 0.6, "angry": 0.6, "surprised": 0.6, "afraid": 0.3,
                          "disgusted": 0.3})  # fmt: skip
    chances = _ANCESTRY[skin]
    chosen["ancestry"] = str(rng.choice(list(chances), p=np.array(list(chances.values())) / sum(chances.values())))
    return chosen


def years_of(age: str) -> tuple[float, float]:
    """Coefficients of the model's younger and older directions for an age."""
    return _YEARS[age]


@lru_cache(maxsize=1)
def _face_shapes() -> tuple[str, ...]:
    names = (name for name in load_body().names("local") if name.startswith(_FACE_PREFIXES))
    return tuple(name for name in names if not name.endswith(_SKEWED))


def _shape(chosen: Mapping[str, str], rng: np.random.Generator) -> dict[str, float]:
    shape: dict[str, float] = {}
    for name in _face_shapes():
        reach = 0.12 if "eye" in name or "mouth" in name else 0.16
        shape[name] = float(np.clip(rng.normal() * reach, -2 * reach, 2 * reach))
        if name.startswith("l-"):
            shape["r-" + name[2:]] = shape[name]
    strength, years, weight, race = rng.uniform(0.75, 1.0), rng.uniform(), rng.normal() * 0.3, rng.uniform(0.6, 1.0)
    shape["gender-" if chosen["gender"] == "woman" else "gender+"] = float(strength)
    for name, offset in _FEATURES[chosen["gender"]].items():
        for each in (name, "r-" + name[2:]) if name.startswith("l-") else (name,):
            shape[each] = shape.get(each, 0.0) + offset
    younger, older = _YEARS[chosen["age"]]
    shape["age-"], shape["age+"] = younger * (0.85 + 0.3 * years), older * (0.85 + 0.3 * years)
    shape["weight+" if weight > 0 else "weight-"] = float(min(abs(weight), 0.7))
    shape[chosen["ancestry"]] = float(race)
    return {name: round(float(value), 4) for name, value in shape.items() if abs(value) > 1e-3}


def _near(colors: tuple[Rgb, ...], rng: np.random.Generator) -> Rgb:
    share, shade = rng.dirichlet(np.ones(len(colors))), rng.normal() * 0.02
    return _rounded(share @ np.array(colors) * (1 + shade) + rng.normal(size=3) * 0.004)


def _cloth(rng: np.random.Generator) -> Rgb:
    return _rounded(np.array(colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.05, 0.6), rng.uniform(0.15, 0.9))))


def _lips(person: Person, rng: np.random.Generator) -> Rgb:
    """The skin, redder; painted a little on some women."""
    painted = person.attributes["gender"] == "woman" and person.attributes["age"] not in ("child", "old")
    share = rng.uniform(0.2, 0.65) * painted
    bare = np.array(person.skin_color) * np.array([0.90, 0.66, 0.66])
    return _rounded(bare * (1 - share) + np.array([0.70, 0.24, 0.28]) * share)

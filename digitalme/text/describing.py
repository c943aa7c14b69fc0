"""What a prompt says of a person's looks: attributes from free text in English and Chinese.

Colours and shapes belong to the noun that they stand at ("blue eyes and long pink hair", "头发是黑色的"); what is denied is
left out, or says that there is none ("no glasses", "没有胡子").
"""

from __future__ import annotations

import re

# ---- English -----------------------------------------------------------------------------------------------------

_COLORS_EN = {
    "black": "black jet-black raven ebony dark", "brown": "brown brunette chestnut chocolate auburn-brown mousy hazelnut brownish",
    "blond": "blond blonde golden gold yellow flaxen sandy platinum-blond platinum-blonde honey-blond honey honey-colored",
    "red": "red ginger auburn crimson copper scarlet reddish", "grey": "grey gray greying graying ashen salt-and-pepper",
    "white": "white snow-white snowy", "silver": "silver silvery platinum", "pink": "pink rose rosy magenta pinkish",
    "blue": "blue azure cyan turquoise navy sapphire teal bluish", "green": "green emerald mint jade greenish",
    "purple": "purple violet lavender lilac", "orange": "orange tangerine", "amber": "amber", "hazel": "hazel",
}  # fmt: skip
_EYE_ONLY_EN = {"golden": "amber", "gold": "amber", "yellow": "amber", "honey": "amber", "dark": "brown", "silver": "grey",
                "silvery": "grey", "chestnut": "brown", "copper": "amber", "teal": "blue", "orange": "amber"}  # fmt: skip
_STYLES_EN = {
    "long": "long waist-length flowing", "short": "short cropped close-cropped pixie spiky", "bob": "bob bobbed shoulder-length chin-length medium-length",
    "curly": "curly wavy curls curled waves frizzy", "afro": "afro afros", "buzz": "buzz buzzed buzzcut shaven",
    "ponytail": "ponytail", "twintails": "twintails pigtails", "bun": "bun topknot updo chignon",
}  # fmt: skip
_SKINS_EN = {
    "pale": "pale porcelain ivory alabaster", "light": "light fair white", "tan": "tan tanned olive bronze bronzed golden",
    "brown": "brown caramel", "dark": "dark black ebony deep",
}  # fmt: skip
_BEARDS_EN = {
    "full": "beard bearded beards whiskers", "stubble": "stubble stubbly unshaven", "goatee": "goatee",
    "moustache": "moustache mustache moustached mustached mustachioed",
}  # fmt: skip
_GLASSES_EN = {
    "round": "round circular",
    "square": "square rectangular angular",
    "sunglasses": "dark tinted black-tinted",
}
_PEOPLE_EN = {
    "woman": "woman women girl girls lady ladies female she her mother mom mum mommy grandmother grandma granny aunt princess queen wife sister "
    "daughter girlfriend actress waitress heroine schoolgirl housewife businesswoman lass maid witch bride nun "
    "waifu feminine",
    "man": "man men boy boys guy male he his him gentleman father dad daddy grandfather grandpa grandad uncle prince king husband brother son "
    "boyfriend actor hero schoolboy businessman lad dude monk groom masculine wizard",
}  # fmt: skip
_AGES_EN = {
    "child": "child kid kids toddler infant baby schoolgirl schoolboy preschooler", "teen": "teen teenage teenager teenaged adolescent",
    "young": "young youthful girl boy lad lass guy_young youth student", "middle": "middle-aged mature fortysomething fiftysomething", "adult": "adult grown-up",
    "old": "old elderly aged senior grandmother grandma granny grandfather grandpa grandad pensioner ancient wrinkled",
}  # fmt: skip
_EXPRESSIONS_EN = {
    "happy": "happy smiling smile smiles grin grinning grins laughing laughs cheerful joyful beaming delighted",
    "sad": "sad crying tearful unhappy melancholy melancholic sorrowful gloomy weeping depressed", "angry": "angry furious mad scowling scowl "
    "frowning frown glaring enraged annoyed grumpy", "surprised": "surprised shocked astonished amazed startled stunned",
    "afraid": "afraid scared frightened terrified fearful", "disgusted": "disgusted repulsed",
    "neutral": "neutral serious expressionless calm stern unsmiling solemn deadpan",
}  # fmt: skip
_LOOKS_EN = {
    "moe": "anime manga moe kawaii waifu", "toon": "cartoon toon cartoonish comic cel-shaded", "chibi": "chibi super-deformed",
    "photo": "photo photograph photorealistic realistic photographic lifelike", "studio": "3d studio cgi",
}  # fmt: skip


def _looked_up(table: dict[str, str]) -> dict[str, str]:
    """Word to value, of a table of value to words."""
    return {word: value for value, words in table.items() for word in words.split()}


COLORS, STYLES, SKINS, BEARDS, GLASSES, PEOPLE, AGES, EXPRESSIONS, LOOKS = map(
    _looked_up,
    (_COLORS_EN, _STYLES_EN, _SKINS_EN, _BEARDS_EN, _GLASSES_EN, _PEOPLE_EN, _AGES_EN, _EXPRESSIONS_EN, _LOOKS_EN),
)
_NOUNS = {
    **dict.fromkeys(["hair", "haired", "hairs", "hairdo", "hairstyle", "haircut", "locks", "tresses", "curls", "waves", "braids", "cut"], "hair"),
    **dict.fromkeys(["eye", "eyes", "eyed", "irises", "iris"], "eyes"), **dict.fromkeys(["skin", "skinned", "complexion", "complexioned"], "skin"),
    **dict.fromkeys(BEARDS, "beard"), **dict.fromkeys(["glasses", "spectacles", "eyeglasses", "specs", "bespectacled", "eyewear", "frames"], "glasses"),
    **dict.fromkeys(["sunglasses", "shades"], "sunglasses"),
    **dict.fromkeys(["ponytail", "twintails", "pigtails", "bun", "topknot", "updo", "bob", "afro", "buzz"], "style"),
}  # fmt: skip
_ALONE = {"blonde": ("hair_color", "blond"), "blond": ("hair_color", "blond"), "brunette": ("hair_color", "brown"),
          "redhead": ("hair_color", "red"), "redheaded": ("hair_color", "red"), "ginger": ("hair_color", "red"),
          "bald": ("hair_style", "bald"), "balding": ("hair_style", "bald"), "hairless": ("hair_style", "bald"),
          "bald-headed": ("hair_style", "bald"), "beardless": ("beard", "none"), "clean-shaven": ("beard", "none"),
          "cleanshaven": ("beard", "none"), "platinum-blonde": ("hair_color", "blond"), "raven-haired": ("hair_color", "black"),
          "grey-haired": ("hair_color", "grey"), "pale": ("skin", "pale"), "tanned": ("skin", "tan"), "african": ("skin", "dark")}  # fmt: skip
_NEGATORS = frozenset(
    [
        "no",
        "not",
        "without",
        "never",
        "isn't",
        "doesn't",
        "don't",
        "lacks",
        "lacking",
        "hasn't",
        "wearing-no",
        "neither",
        "nor",
        "minus",
        "aren't",
        "non",
        "isnt",
        "doesnt",
    ]
)
_LINKS = frozenset(
    [
        "is",
        "are",
        "was",
        "were",
        "looks",
        "look",
        "has",
        "in",
        "dyed",
        "tied",
        "colored",
        "coloured",
        "cut",
        "worn",
        "of",
        "styled",
        "put",
        "pulled",
        "into",
        "that",
        "up",
        "as",
        "done",
        "gathered",
    ]
)
_PHRASES = (
    (r"twin[ -]?tails?|pig[ -]tails?|two ponytails", "twintails"), (r"pony[ -]tails?", "ponytail"), (r"buzz[ -]?cut|crew[ -]?cut", "buzz hair"),
    (r"(?:shaved|shaven) head|no hair|(?:not have|lost) (?:any |his |all his )?hair", "bald"), (r"clean[ -]shaven", "clean-shaven"),
    (r"middle[ -]aged?", "middle-aged"), (r"shoulder[ -]length", "shoulder-length"), (r"chin[ -]length", "chin-length"),
    (r"medium[ -]length", "medium-length"), (r"waist[ -]length", "waist-length"), (r"salt[ -]and[ -]pepper", "salt-and-pepper"),
    (r"jet[ -]black", "jet-black"), (r"platinum[ -]blonde?", "platinum-blond"), (r"snow[ -]white", "snow-white"), (r"cel[ -]shaded", "cel-shaded"),
    (r"five o'?clock shadow|3[ -]day beard|three[ -]day beard|designer stubble", "stubble"), (r"super[ -]deformed", "super-deformed"),
    (r"sun ?glasses", "sunglasses"), (r"hair bun|top[ -]knot", "bun"), (r"pixie[ -]cut", "pixie hair"), (r"bob[ -]?cut|bob haircut", "bob"),
    (r"(?:little|small) (girl|boy|child|kid)", r"\1 child"), (r"fair[ -]haired", "blond hair"), (r"senior citizen", "elderly"),
    (r"(\w)[ -](haired|eyed|skinned|bearded|complexioned)\b", r"\1 \2"), (r"open-mouthed", "surprised"), (r"in tears", "crying"),
    (r"no expression|without (?:an )?expression", "expressionless"), (r"not a smile|without (?:a )?smil\w+|no smile", "unsmiling"),
    (r"black (woman|man|girl|boy|guy|lady|person)", r"dark skin \1"), (r"honey[ -]blonde?", "honey-blond"), (r"real[ -]life|real person", "realistic"),
)  # fmt: skip


def attributes_of(text: str) -> dict[str, str]:
    """What is said of a person: names and values of digitalme.body.attributes, only those that the text speaks of.

    Chinese signs are read as Chinese, Latin letters as English, so a prompt may mix them.
    """
    said = _chinese(text) if re.search("[\u4e00-\u9fff]", text) and not re.search("[\u3041-\u30fa]", text) else {}
    if re.search("[a-zA-Z]{2}", text):
        said = _english(text) | said
    if said.get("beard", "none") != "none":
        said.setdefault("gender", "man")
    return said


def _english(text: str) -> dict[str, str]:
    text = text.lower().replace("’", "'").replace("_", " ")
    for pattern, instead in _PHRASES:
        text = re.sub(rf"\b(?:{pattern})\b" if not pattern.startswith("(\\w)") else pattern, instead, text)
    text = re.sub(r"\b(\w+)haired\b", r"\1 haired", text)
    said: dict[str, str] = {}
    if (age := _age_in_years(text)) is not None:
        said["age"] = age
        text = re.sub(r"years?[ -]old|\byear[s]?[ -]olds?", "", text)
    words = re.findall(r"\d+[a-z]*|[a-z]+(?:['-][a-z]+)*|[,.;:!?]", text)
    denied = _denied_words(words)
    taken = [False] * len(words)
    for at, word in enumerate(words):
        if word in _NOUNS and not taken[at]:
            _read_noun(words, at, denied, taken, said)
    for at, word in enumerate(words):
        if taken[at]:
            continue
        if denied[at]:
            if EXPRESSIONS.get(word) == "happy":
                said.setdefault("expression", "neutral")
            continue
        if word in _ALONE:
            said.setdefault(*_ALONE[word])
        for attribute, table in (("gender", PEOPLE), ("expression", EXPRESSIONS), ("look", LOOKS)):
            if word in table:
                said.setdefault(attribute, table[word])
        if word in AGES and not (word == "old" and words[at + 1 : at + 2] in (["photo"], ["picture"], ["painting"])):
            order = ("child", "teen", "old", "middle", "young")  # "young" of a girl yields to what is said of her
            if "age" not in said or order.index(AGES[word]) < order.index(
                said.get("age", "young").replace("adult", "old")
            ):
                said["age"] = said["age"] if age is not None else AGES[word]
    if said.get("beard") == "full" and "white beard" in text:
        said.setdefault("hair_color", "white")
    if said.get("beard") == "full" and re.search(r"gr[ea]y(?:ing)? beard", text):
        said.setdefault("hair_color", "grey")
    return said


def _denied_words(words: list[str]) -> list[bool]:
    """Which words stand under a negator: up to a mark, "but", or six words on."""
    denied, left = [], 0
    for word in words:
        if word in _NEGATORS or word.endswith("n't"):
            left = 7
        elif re.fullmatch(r"[,.;:!?]|but|with|instead|and", word) and word != "and":
            left = 0
        left -= 1
        denied.append(left > 0 and word not in _NEGATORS)
    return denied


def _modifiers(words: list[str], at: int) -> list[int]:
    """The places of the words that tell of the noun at `at`: those before it back to what is another's, and a
    predicate behind it."""
    places: list[int] = []
    for i in range(at - 1, max(at - 8, -1), -1):
        word = words[i]
        if (
            word in _NOUNS
            or word in _NEGATORS
            or word in PEOPLE
            or re.fullmatch(r"[.;:!?]|with|has|have|had|wears|wearing|who|but", word)
        ):
            break
        if word in (",", "and") and not (i > 0 and _tells(words[i - 1]) and _tells(words[i + 1])):
            break
        if word in _CLOTHES:
            break
        places.append(i)
    if at + 1 < len(words) and words[at + 1] in _LINKS:
        for i in range(at + 2, min(at + 9, len(words))):
            word = words[i]
            if re.fullmatch(r"[.;:!?,]|with|has|who|but|wears|wearing", word) or word in PEOPLE or word in _CLOTHES:
                break
            if word in _NOUNS and _NOUNS[word] not in ("style", "hair"):
                break
            if word == "and" and not (i + 1 < len(words) and _tells(words[i + 1])):
                break
            places.append(i)
    return places


def _tells(word: str) -> bool:
    return (
        word in COLORS
        or word in STYLES
        or word in SKINS
        or word in GLASSES
        or word in ("straight", "thick", "big", "messy")
    )


_CLOTHES = frozenset(
    [
        "shirt",
        "t-shirt",
        "dress",
        "suit",
        "jacket",
        "coat",
        "hat",
        "cap",
        "skirt",
        "jeans",
        "hoodie",
        "sweater",
        "scarf",
        "tie",
        "blouse",
        "uniform",
        "background",
        "wall",
        "sky",
        "shoes",
        "boots",
        "gloves",
        "car",
        "lips",
        "lipstick",
        "ribbon",
        "ribbons",
        "headband",
        "kimono",
        "robe",
    ]
)


def _read_noun(words: list[str], at: int, denied: list[bool], taken: list[bool], said: dict[str, str]) -> None:
    """Note what is said of the noun at `at`, and mark the words that said it."""
    kind = _NOUNS[words[at]]
    places = _modifiers(words, at)
    told = [i for i in places if not denied[i] or denied[at]]
    taken[at] = True

    def value(table: dict[str, str]) -> str | None:
        for i in told:
            if words[i] in table and not (denied[i] and not denied[at]):
                taken[i] = True
                return table[words[i]]
        return None

    none = denied[at] and not any(denied[i] and _tells(words[i]) for i in places)
    match kind:
        case "hair" | "style":
            if denied[at]:
                for i in places:
                    taken[i] = True
                if words[at] == "hair" and none:
                    said.setdefault("hair_style", "bald")
                return
            if (color := value(COLORS)) in _HAIR_COLORS:
                said.setdefault("hair_color", color)
            styles = [STYLES[words[i]] for i in [at, *told] if words[i] in STYLES]
            for i in told:
                taken[i] = taken[i] or words[i] in STYLES
            if styles:
                best = min(styles, key=_STYLE_ORDER.index)
                if "hair_style" not in said or _STYLE_ORDER.index(best) < _STYLE_ORDER.index(said["hair_style"]):
                    said["hair_style"] = best
            # "brown hair and eyes": the colour is both's
            if color and words[at + 1 : at + 3] == ["and", "eyes"] and color in _EYE_COLORS:
                said.setdefault("eye_color", color)
        case "eyes":
            if not denied[at]:
                color = value(COLORS | _EYE_ONLY_EN)
                if color in _EYE_COLORS:
                    said.setdefault("eye_color", color)
        case "skin":
            if not denied[at] and (tone := value(SKINS)):
                said.setdefault("skin", tone)
        case "beard":
            if denied[at]:
                said.setdefault("beard", "none")
            elif said.get("beard", "full") == "full" or said["beard"] == "none":
                said["beard"] = BEARDS[words[at]]
            for i in told:
                taken[i] = taken[i] or words[i] in COLORS or words[i] in STYLES
        case "glasses":
            shape = value(GLASSES)
            said.setdefault("glasses", "none" if denied[at] else shape or "square")
        case "sunglasses":
            if not denied[at]:
                said["glasses"] = "sunglasses"
            else:
                said.setdefault("glasses", "none")


_HAIR_COLORS = (
    "black",
    "brown",
    "blond",
    "red",
    "grey",
    "white",
    "silver",
    "pink",
    "blue",
    "green",
    "purple",
    "orange",
)
_EYE_COLORS = ("brown", "black", "blue", "green", "grey", "amber", "hazel", "purple", "red", "pink")
_STYLE_ORDER = ("bald", "buzz", "afro", "twintails", "ponytail", "bun", "bob", "curly", "short", "long")
"""Where several are said ("long curly hair") the first of these is what counts."""
_TENS = {
    "twenties": 2,
    "thirties": 3,
    "forties": 4,
    "fifties": 5,
    "sixties": 6,
    "seventies": 7,
    "eighties": 8,
    "nineties": 9,
}
_NUMBERS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
            "ten": 10, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "twelve": 12, "sixteen": 16, "eighteen": 18}  # fmt: skip


def age_group(years: int) -> str:
    """The age's value for so many years."""
    for limit, group in ((13, "child"), (20, "teen"), (32, "young"), (45, "adult"), (60, "middle")):
        if years < limit:
            return group
    return "old"


def _age_in_years(text: str) -> str | None:
    if match := re.search(
        r"\b(\d{1,3})[ -](?:years?[ -]old|yo\b|y/o)|\baged? (\d{1,3})\b|\b(\d{1,3})-year|(?:man|girl|boy|lady|person) of (\d{2})\b",
        text,
    ):
        return age_group(int(next(group for group in match.groups() if group)))
    if match := re.search(r"\b(\d)0'?s\b", text):
        return age_group(int(match.group(1)) * 10 + 5) if int(match.group(1)) > 1 else None
    if match := re.search(rf"\b({'|'.join(_TENS)})\b", text):
        return age_group(_TENS[match.group(1)] * 10 + 5)
    if match := re.search(
        rf"\b({'|'.join(_NUMBERS)})(?:[ -](one|two|three|four|five|six|seven|eight|nine))?[ -]years?", text
    ):
        return age_group(_NUMBERS[match.group(1)])
    return None


# ---- Chinese -----------------------------------------------------------------------------------------------------

_COLORS_ZH = (
    ("酒红", "red"), ("粉红", "pink"), ("玫红", "pink"), ("粉", "pink"), ("樱花", "pink"), ("桃", "pink"), ("乌黑", "black"), ("黝黑", "black"), ("漆黑", "black"),
    ("黑", "black"), ("乌", "black"), ("墨", "black"), ("棕", "brown"), ("褐", "brown"), ("咖啡", "brown"), ("栗", "brown"), ("茶", "brown"),
    ("金黄", "blond"), ("浅金", "blond"), ("白金", "blond"), ("金", "blond"), ("亚麻", "blond"), ("黄", "blond"), ("火红", "red"), ("红", "red"), ("赤", "red"),
    ("银白", "silver"), ("银灰", "silver"), ("银", "silver"), ("花白", "grey"), ("斑白", "grey"), ("灰", "grey"), ("雪白", "white"), ("白", "white"),
    ("湖蓝", "blue"), ("天蓝", "blue"), ("蔚蓝", "blue"), ("湛蓝", "blue"), ("蓝", "blue"), ("青", "green"), ("碧绿", "green"), ("翠绿", "green"), ("翠", "green"),
    ("绿", "green"), ("碧", "blue"), ("紫", "purple"), ("橙", "orange"), ("橘", "orange"), ("琥珀", "amber"), ("榛", "hazel"),
)  # fmt: skip
_EYE_ONLY_ZH = {"blond": "amber", "orange": "amber", "silver": "grey", "white": "grey"}
_STYLES_ZH = (
    (r"光头|秃顶|秃头|秃子|谢顶|没有?头发|无发|剃光了?头", "bald"), (r"寸头|板寸|平头|圆寸|短寸", "buzz"), (r"爆炸头|非洲式?卷?发|蓬蓬头", "afro"),
    (r"双马尾|两个马尾|双辫|两条辫子|两根辫子|羊角辫", "twintails"), (r"马尾|高马尾", "ponytail"), (r"丸子头|发髻|盘发|包子头|挽着头发", "bun"),
    (r"波波头|齐肩|齐耳|中长发|中分短发|学生头|娃娃头|蘑菇头|妹妹头", "bob"), (r"卷发|鬈发|卷毛|波浪|大波浪|自来卷|烫(?:了|着)?(?:卷)?发|卷卷的", "curly"),
    (r"短头?发|短短的头发|头发(?:很|比较|特别|非常)?短|碎发", "short"),
    (r"长长的?[^，。]{0,4}发|长(?:直|黑直|卷|黑|金)?头?发|黑长直|披肩|及腰|头发(?:很|比较|特别|非常)?长|长发", "long"),
)  # fmt: skip
_AGES_ZH = (
    (r"小女孩|小男孩|小姑娘|小朋友|小孩|儿童|孩子|幼儿|宝宝|萝莉|正太|娃娃(?!头)|孩童|女童|男童", "child"),
    (r"少女|少年|高中生|初中生|中学生|十几岁|青少年", "teen"),
    (r"老人|老年|年老|老头|老奶奶|老爷爷|爷爷|奶奶|老太|老者|老翁|老妇|老先生|老大爷|大爷|上了年纪|年迈|外婆|外公|姥姥|姥爷|老伯|老婆婆|老妈妈", "old"),
    (r"中年|大叔|大妈|阿姨|大婶|不惑", "middle"), (r"(?<!未)成年|成人", "adult"),
    (r"年轻|青年|妹子|小伙|女孩|男孩|姑娘|小姐姐|小哥哥|女生|男生|大学生|美少女|小姐|帅哥|妹妹|弟弟|御姐|小鲜肉", "young"),
)  # fmt: skip
_GENDERS_ZH = (
    (r"女|妹|姑娘|小姐|姐|妈|奶奶|阿姨|婆|太太|公主|萝莉|她|妇|姥姥|大婶|新娘|仙子|姨", "woman"),
    (r"男|先生|小伙|帅哥|爸|爷|叔|哥|弟|他|王子|正太|老头|汉子|老翁|姥爷|外公|少年|伯|兄|和尚|绅士|道士", "man"),
)  # fmt: skip
_EXPRESSIONS_ZH = (
    (r"面无表情|严肃|平静|不苟言笑|不笑|没有笑|没有表情|冷漠|淡定|无表情|冷酷", "neutral"), (r"哭|伤心|难过|悲伤|忧郁|流泪|含泪|忧伤|沮丧|愁眉苦脸|不高兴|不开心|不快乐", "sad"),
    (r"生气|愤怒|发火|怒|皱着?眉|凶", "angry"), (r"惊讶|吃惊|震惊|惊呆|诧异|目瞪口呆", "surprised"), (r"害怕|恐惧|惊恐|受惊", "afraid"), (r"厌恶|嫌弃|恶心", "disgusted"),
    (r"微笑|笑|开心|高兴|快乐|喜悦|乐呵呵|愉快", "happy"),
)  # fmt: skip
_LOOKS_ZH = (
    (r"[Qq]版|大头娃娃", "chibi"), (r"萌|动漫|二次元|日漫|动画风|漫画少女|美少女", "moe"), (r"卡通|漫画", "toon"),
    (r"真人|写实|照片|真实|逼真", "photo"), (r"3[dD]|三维|影棚", "studio"),
)  # fmt: skip
_SKINS_ZH = (
    (r"(?:肤色?|皮肤)[^，。、和]{0,3}(?:黝黑|很黑|黑|深)|(?:深|黑)(?:色)?(?:的)?(?:皮肤|肤)|黑皮|黑人|黝黑(?!的?(?:头发|长发))|非洲裔|非裔", "dark"),
    (r"(?:肤色?|皮肤)[^，。、和]{0,3}(?:古铜|小麦|晒黑)|小麦色|古铜色|麦色|晒黑", "tan"), (r"棕(?:色)?(?:的)?(?:皮肤|肤)|(?:皮肤|肤色)[^，。、和]{0,2}(?:棕|褐)", "brown"),
    (r"苍白|雪白的?(?:皮肤|肌肤)|肤白如雪|冷白皮", "pale"), (r"白皙|(?:皮肤|肤色|肌肤)[^，。、和]{0,3}(?:白|浅)|白皮肤|白嫩|浅色?(?:的)?(?:皮肤|肤)|白人|黄皮肤", "light"),
)  # fmt: skip
_NONE_ZH = r"(?:不|没|没有|无|未|不是|从不|也不|也没有?|别|不要|去掉|并没有)"
_HAIR_ZH = r"(?:头发|秀发|长直发|长直|长发|短发|卷发|直发|发色|发丝|刘海|双马尾|马尾辫?|丸子头|波波头|卷毛|寸头|辫子|发型|爆炸头|中长发|碎发|发|毛)"
_EYES_ZH = r"(?:大?眼睛|双眼|眼珠|眼眸|双眸|眼瞳|瞳孔|瞳色|异?瞳|眸子|眼|眸)"
_COLOR_ZH = "(" + "|".join(sign for sign, _ in _COLORS_ZH) + ")"


def _chinese(text: str) -> dict[str, str]:
    text = re.sub(r"\s", "", text).replace("髪", "发")
    # "不是黑色而是红色": what is denied is struck out
    text = re.sub(r"不是[^，。；]{1,8}?(?:，)?(?:而是|是)", "是", text)
    said: dict[str, str] = {}
    if match := re.search(r"(\d{1,3}|[一二三四五六七八九十]{1,3})(几|多|来)?岁", text):
        years = int(match[1]) if match[1].isdigit() else _chinese_number(match[1])
        said["age"] = "teen" if match[1] == "十" and match[2] else age_group(years + (4 if match[2] else 0))
    for attribute, table in (
        ("age", _AGES_ZH), ("expression", _EXPRESSIONS_ZH), ("look", _LOOKS_ZH), ("skin", _SKINS_ZH), ("hair_style", _STYLES_ZH),
    ):  # fmt: skip
        for pattern, value in table:
            found = re.search(rf"(?<!不)(?<!没有)(?<!没)(?<!不是)(?<!不太)(?:{pattern})", text)
            if found and attribute not in said:
                said[attribute] = value
    for gender in _first_gender(text):
        said.setdefault("gender", gender)
    if (color := _color_at(text, _HAIR_ZH, exclude=r"(?:胡|皮肤|肤)")) and color in _HAIR_COLORS:
        said["hair_color"] = color
    if color := _color_at(text, _EYES_ZH, exclude=r"(?:镜|发)"):
        color = _EYE_ONLY_ZH.get(color, color)
        if color in _EYE_COLORS:
            said["eye_color"] = color
    _beard_zh(text, said)
    _glasses_zh(text, said)
    return said


def _first_gender(text: str) -> list[str]:
    """Genders in the order in which they are spoken of; what is a girl's or a boy's counts before she and he."""
    found = []
    for pattern, gender in _GENDERS_ZH:
        for match in re.finditer(pattern, text):
            found.append((match.group() in "他她", match.start(), gender))
    return [gender for _, _, gender in sorted(found)]


def _color_at(text: str, noun: str, exclude: str) -> str | None:
    """The colour that stands before a noun ("粉色的长发") or is told of it ("头发是黑色的")."""
    colors = dict(_COLORS_ZH)
    between = r"(?:发色)?色?(?:系)?(?:的)?(?:[^，。、；色和与]{0,6}?)"
    starts = [match.start() for match in re.finditer(_COLOR_ZH, text)]
    for match in filter(None, (re.compile(rf"{_COLOR_ZH}{between}{noun}").match(text, at) for at in starts)):
        inside = match.group()[len(match[1]) :]
        before = text[: match.start()]
        denied = re.search(r"(?:不|没|没有|不是|非|不要)(?:一头|留|有|是|染)?$", before)
        if not re.search(exclude, inside) and not denied and not re.search(r"眼镜|胡|衣|裙|帽|衫|裤|鞋", inside):
            if noun == _HAIR_ZH and re.search("眼|瞳|眸|皮肤", inside):
                continue
            if noun == _EYES_ZH and re.match("镜", text[match.end() :]):
                continue
            return colors[match[1]]
    told = r"(?:颜色)?(?:都)?(?:已经)?(?:是|为|呈|染成了?|染了?|有些|有点|很|全|全都|特别)?(?:全)?"
    for match in re.finditer(rf"{noun}{told}{_COLOR_ZH}", text):
        if not re.search(r"不|没|眼镜", match.group()):
            return colors[match[1]]
    return None


def _beard_zh(text: str, said: dict[str, str]) -> None:
    kinds = ((r"胡茬|胡渣|胡碴", "stubble"), (r"山羊胡", "goatee"), (r"八字胡|小胡子|髭|八撇胡", "moustache"),
             (r"络腮胡|大胡子|胡子|胡须|胡髯|美髯|长须|白须", "full"))  # fmt: skip
    for pattern, kind in kinds:
        if match := re.search(pattern, text):
            if re.search(rf"{_NONE_ZH}(?:有|留|长|蓄)?(?:着|过)?[^，。]{{0,3}}$", text[: match.start()]) or re.match(
                r"[^，。]{0,2}(?:刮|剃)(?:得|掉|干净|光)", text[match.end() :]
            ):
                said["beard"] = "none"
                return
            said["beard"] = kind
            said.setdefault("gender", "man")
            if re.search(r"[花银雪]?白(?:色)?(?:的)?[长大]{0,2}(?:胡子|胡须|络腮胡|大胡子)|白须", text):
                said.setdefault("hair_color", "white")
            return
    if re.search(r"(?:脸|下巴|面容)(?:刮|剃)得?(?:很)?(?:干净|光)|面白无须", text):
        said["beard"] = "none"


def _glasses_zh(text: str, said: dict[str, str]) -> None:
    for match in re.finditer(r"墨镜|太阳镜|太阳眼镜|眼镜|镜框|镜片|四眼", text):
        before = text[max(0, match.start() - 8) : match.start()]
        if re.search(rf"{_NONE_ZH}(?:有|戴|带|佩戴|架)?(?:着|过)?[^，。]{{0,5}}$", before):
            said["glasses"] = "none"
        elif match.group() in ("墨镜", "太阳镜", "太阳眼镜"):
            said["glasses"] = "sunglasses"
        else:
            said["glasses"] = "round" if re.search(r"圆[^，。]{0,4}$", before) or "圆框" in text else "square"
        return


def _chinese_number(signs: str) -> int:
    """十八 -> 18, 三十 -> 30, 七 -> 7."""
    digits = {sign: i for i, sign in enumerate("零一二三四五六七八九")}
    tens, ten, ones = signs.partition("十")
    if not ten:
        return digits.get(signs[0], 0)
    return 10 * (digits.get(tens, 1) if tens else 1) + (digits.get(ones, 0) if ones else 0)

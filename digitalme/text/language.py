"""Which language a text is in, its sentences and its tokens: by script, letters and the commonest words.

No model is loaded. Sure of whole sentences; of a word or two it makes a guess.
"""

from __future__ import annotations

import re

LANGUAGES = ("en", "zh", "ja", "ko", "de", "fr", "es", "it", "pt", "nl", "ru", "uk")
"""What `language_of` may answer (BCP 47)."""

_COMMON = {
    "en": "no and man woman girl boy hair eyes face old young black white long short blue green brown red glasses the a an and of to is are was were in it you that he she his her i my with for on have has be this not what "
    "we they at by from do does did will would can could if there as but your me him our their who which when how "
    "hello thank please am so just very",
    "de": "am vom zum zur beim im mann frau mädchen junge haare augen alt jung kein keine der die das ein eine einen einem einer und ist sind war in nicht ich du er sie es wir ihr mit für auf dem "
    "den von zu im wie was auch aber wenn dass haben hat habe kann sich mein meine dein heute sehr noch nur so bei "
    "aus nach über wird werden guten danke",
    "fr": "homme femme fille garçon cheveux yeux vieux jeune le la les un une des du de et est sont était dans je tu il elle nous vous ils ne pas que qui ce cette mon "
    "ma mes ton sa son pour avec sur au aux plus très bien mais ou où comme tout être avoir ai as a suis bonjour "
    "merci si c'est j'ai d'un l'on",
    "es": "hombre mujer chica chico pelo ojos viejo joven el la los las un una unos y es son era en yo tú él ella nosotros de que no con por para mi mis tu su se lo "
    "le muy más pero como qué este esta está están hay todo ser haber he ha soy hola gracias al del cuando si ya hoy",
    "it": "uomo donna ragazza ragazzo capelli occhi il lo la gli le un una uno e è sono era in io tu lui lei noi di che non con per mi mio mia tuo suo si ci "
    "molto più ma come questo questa c'è tutto essere ho ha hai ciao grazie al del della nel quando anche oggi",
    "pt": "homem mulher menina cabelo olhos o a os as um uma e é são era em eu tu ele ela nós de que não com por para meu minha seu sua se muito mais "
    "mas como este esta está há tudo ser tenho tem sou olá obrigado ao do da no na quando já você hoje",
    "nl": "vrouw meisje jongen ogen oude jonge de het een en is zijn was in ik jij hij zij wij je we ze van dat niet met voor op te mijn jouw maar als "
    "wat ook aan er heeft heb kan naar uit om bij nog zo dit deze die hallo dank goed zeer wel vandaag",
}
_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_MARKS = {
    "de": "äöüß", "fr": "àâçèêëîïôœùû", "es": "ñ¿¡áíóú", "it": "àèìòù", "pt": "ãõáâçêó", "nl": "ĳ",
}  # fmt: skip
_ENDINGS = {
    "en": "ing tion ness ly ght", "de": "en ung lich keit heit sch", "fr": "eux tion ment eau oir aux",
    "es": "ción dad mente ar os as", "it": "zione mente tà gli are ere", "pt": "ção dade mente ões inho",
    "nl": "lijk heid ijk aar tje",
}  # fmt: skip


def language_of(text: str, otherwise: str = "en") -> str:
    """The language that most of a text is in, one of LANGUAGES; `otherwise` where it has no letters."""
    kana = len(re.findall(r"[\u3041-\u30fa\u30fc]", text))
    han = len(re.findall(r"[\u3400-\u9fff\U00020000-\U0002ebe0]", text))
    hangul = len(re.findall(r"[\uac00-\ud7a3]", text))
    cyrillic = len(re.findall(r"[\u0400-\u04ff]", text))
    latin = len(re.findall(r"[a-zA-Z\u00c0-\u024f]", text))
    # a Chinese or Japanese sign says about as much as three letters
    weights = {"han": 3 * (han + kana), "hangul": 3 * hangul, "cyrillic": cyrillic, "latin": latin}
    script = max(weights, key=lambda name: weights[name])
    if weights[script] == 0:
        return otherwise
    if script == "han":
        return "ja" if kana > 0.1 * (han + kana) else "zh"
    if script == "hangul":
        return "ko"
    if script == "cyrillic":
        return "uk" if re.search("[іїєґІЇЄҐ]", text) else "ru"
    return _latin(text.lower(), otherwise)


def _latin(text: str, otherwise: str) -> str:
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", text)
    scores = dict.fromkeys(_WORDS, 0.0)
    scores["en"] += 0.01 * (otherwise == "en")
    if otherwise in scores:
        scores[otherwise] += 0.05
    for word in words:
        at_home = [language for language, common in _WORDS.items() if word.replace("’", "'") in common]
        for language in at_home:
            scores[language] += 1 / len(at_home) ** 0.5
    for language in _WORDS:
        scores[language] += 1.0 * sum(mark in text for mark in _MARKS.get(language, ""))
        endings = tuple(_ENDINGS[language].split())
        scores[language] += 0.25 * sum(len(word) > 4 and word.endswith(endings) for word in words)
    return max(scores, key=lambda language: scores[language])


_END = re.compile(
    r"(?<=[。！？!?…])[”’」』\"'）)]*\s*(?![。！？!?…”’」』\"'）)])"  # after a mark that always ends a sentence
    r"|(?<=\.)[\"'”’)]*\s+(?=[\"'“‘(¿¡]*[A-ZÀ-ÞА-Я0-9\u3041-\u9fff])"  # after a full stop, where a capital follows
    r"|\n+"
)
_SHORT = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e|No|bzw|z\.B|Nr|Hr|Fr|Sra?|Dra|M|Mme|т\.д)|\b[A-Z])\.$"
)
"""Abbreviations and initials: the full stop behind one ends no sentence."""


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, with their marks, without the space around."""
    pieces: list[str] = []
    start = 0
    for match in _END.finditer(text):
        end = match.end()
        piece = text[start:end].strip()
        if piece and not ("\n" not in match.group() and _SHORT.search(piece)):
            pieces.append(piece)
            start = end
    if rest := text[start:].strip():
        pieces.append(rest)
    return pieces


def tokens_of(text: str) -> list[str]:
    """Words (with their apostrophes), numbers, single signs of Chinese and Japanese, and marks, in order."""
    return re.findall(
        r"[\u3041-\u30fa\u30fc]+|[\u3400-\u9fff\U00020000-\U0002ebe0]|\d+(?:[.,]\d+)*"
        r"|[^\W\d_\u3041-\u30ff\u3400-\u9fff\U00020000-\U0002ebe0]+(?:['’][^\W\d_]+)*|[^\w\s]",
        text,
    )

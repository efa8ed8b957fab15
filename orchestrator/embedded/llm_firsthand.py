"""A fact about the sitter or the picture, as the portrait itself would tell it: "I never took off my hat".

The embedded writer is no language model. But most sentences of an encyclopaedia have a plain build, and for those a few
substitutions do: the name becomes "I", the verb follows, possessives come along. Whatever is not surely of that build
is left alone (None): a portrait that speaks of itself by name is better than one that speaks nonsense.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.embedded.llm_folding import folded


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VOWEL = tuple("aeiouyàâäéèêëîïôöùûüœæ")
_FR_VERB_PAIRS = _words(
    "est=suis a=ai fut=fus eut=eus fit=fis était=étais avait=avais devint=devins tint=tins vint=vins prit=pris "
    "mit=mis dit=dis vit=vis va=vais fait=fais peut=peux veut=veux doit=dois sait=sais prend=prends tient=tiens "
    "vient=viens meurt=meurs naît=nais devient=deviens reçoit=reçois sert=sers sort=sors part=pars dort=dors "
    "met=mets perd=perds connaît=connais vend=vends rend=rends apprend=apprends apprit=appris appartient=appartiens "
    "appartient=appartiens obtient=obtiens obtint=obtins revint=revins revient=reviens paraît=parais "
    "disparaît=disparais vaut=vaux"
)
_FR_VERBS = dict(pair.split("=") for pair in _FR_VERB_PAIRS)
_FR_POSSESSIVE = {"son": "mon", "sa": "ma", "ses": "mes"}
_EN_BEFORE_OBJECT = _words(
    "of for by to with from in on under at about against near than like upon over around behind beside made gave "
    "called found painted paid told asked drew"
)
_EN_NO_VERB = _words("of for by to with from in on under at about against and or but who which that as")
_EN_VERBS = {"is": "am", "has": "have", "does": "do", "isn't": "am not", "hasn't": "haven't"}
_EN_ADVERBS = "never also once often only later then always still already first"
_EN_WORK = r"(?:The|This) (?:painting|portrait|picture|canvas|work)(?: of \d{4})?"
_FR_WORK = r"(?:(?:Le|Ce) (?:portrait|tableau)|(?:La|Cette) (?:toile|peinture)|L'œuvre)(?: de \d{4})?"


@dataclass(frozen=True)
class Speaker:
    """Who tells it."""

    language: str
    sex: str  # female, male or anything else: unknown
    names: Sequence[str]  # of the sitter, as the facts spell them
    titles: Sequence[str]  # of the picture


def told_firsthand(text: str, about: str, speaker: Speaker) -> str | None:
    """Return a fact in the first person, with its full stop; None when that is not safe.

    Args:
        text: One sentence.
        about: "sitter" or "work"; anything else is None.
        speaker: Who tells it.
    """
    plain = text.replace("’", "'").strip()
    if about == "sitter" and any(name in plain for name in speaker.names):
        told = _french_sitter(plain, speaker) if speaker.language == "fr" else _english_sitter(plain, speaker)
    elif about == "work":
        told = _french_work(plain, speaker) if speaker.language == "fr" else _english_work(plain, speaker)
    else:
        return None
    if told is None or any(name in told for name in speaker.names):
        return None
    return told[:1].upper() + told[1:]


def _any_of(names: Sequence[str]) -> str:
    return "(?:" + "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) + ")"


# English


def _english_sitter(text: str, speaker: Speaker) -> str | None:
    name = _any_of(speaker.names)
    if re.match(rf"{name}\s*,", text):
        return None
    no_preposition = r"(?:(?!of\b|in\b|and\b|the\b|that\b|a\b)[\w'-]+ ){0,3}?[\w'-]+"
    told = re.sub(rf"\b([Tt])he ({no_preposition}) of {name}(?!['\w])", _english_my, text)
    told = re.sub(rf"{name}'s\b", "my", told)
    starts = bool(re.match(r"My |my ", told)) or bool(re.match(rf"(?:\w+ ){{0,4}}?{name} ", told))
    told = re.sub(rf"(\b\w+ )?{name}(?= ([\w']+)|)", _english_subject, told)
    pronouns = _english_pronouns(speaker.sex)
    if any(re.search(rf"\b{one}\b", told, re.IGNORECASE) for one in ("he", "she", "him", "his", "her")):
        if pronouns is None:
            return None
        own = [one for one in pronouns if re.search(rf"\b{one}\b", told, re.IGNORECASE)]
        if own and (not starts or _names_others(told)):
            return None
        for one in own:
            told = re.sub(rf"\b{one}\b(?= (\w+))?", functools.partial(_english_pronoun, one=one), told)
    return _english_verbs(told)


def _english_my(found: re.Match[str]) -> str:
    return ("My " if found[1] == "T" else "my ") + found[2]


def _english_subject(found: re.Match[str]) -> str:
    before, after = found[1] or "", found[2] or ""
    is_object = before.strip().lower() in _EN_BEFORE_OBJECT or not after or after.lower() in _EN_NO_VERB
    return before + ("me" if is_object else "I")


def _english_pronouns(sex: str) -> tuple[str, ...] | None:
    return {"female": ("she", "herself", "her"), "male": ("he", "himself", "him", "his")}.get(sex)


def _english_pronoun(found: re.Match[str], one: str) -> str:
    after = found[1] or ""
    if one in ("she", "he"):
        return "I"
    if one in ("herself", "himself"):
        return "myself"
    if one == "him" or (one == "her" and (not after or after in _EN_NO_VERB or after in ("a", "an", "the"))):
        return "me"
    return "My" if found.group()[0].isupper() else "my"


def _english_verbs(told: str) -> str | None:
    """Return a sentence whose verbs follow "I"; None for a present tense that would need to be conjugated."""
    adverb = "|".join(_EN_ADVERBS.split())
    broken = False

    def verb(found: re.Match[str]) -> str:
        nonlocal broken
        word = found[2]
        broken |= word.endswith("s") and word not in _EN_VERBS and word not in ("was", "pass", "kiss", "always")
        return found[1] + _EN_VERBS.get(word, word)

    told = re.sub(rf"\b(I (?:(?:{adverb}) )?)([a-z']+)", verb, told)
    return (
        None
        if broken
        or re.search(
            r"\bI (?:and|or)\b|\b(?:and|or) me\b|(?<!front)(?<!made)(?<!rid)(?<!sight)(?<!spoke) of me\b", told
        )
        else told
    )


def _names_others(told: str) -> bool:
    """Tell whether somebody else may be meant by a pronoun; what stands behind "in" or "at" is a place."""
    rest = re.sub(r"\b(?:in|at|from|à|en) (?:the |la |l'|le )?[A-ZÀ-Þ]\w*", "", told[1:])
    return bool(re.search(r"(?<![.\w])[A-ZÀ-Þ][a-zà-ÿ]\w*", re.sub(r"\b(?:I|My|Me)\b", "", rest)))


def _english_work(text: str, speaker: Speaker) -> str | None:
    subject = "|".join([_EN_WORK, *map(re.escape, speaker.titles)])
    found = re.match(rf"((?:In \d{{4}},? )?)(?:{subject}) ([a-z]+)\b(.*)", text)
    if not found or re.search(r"\b(he|she|him|his|her)\b", found[3]):
        return None
    rest = re.sub(r"\bits\b", "my", re.sub(r"\bit\b(?! (?:was|is) )", "me", re.sub(r"\bitself\b", "myself", found[3])))
    if re.search(r"\bit\b", rest):
        return None
    return _english_verbs(f"{found[1]}I {found[2]}{rest}")


# French


def _french_sitter(text: str, speaker: Speaker) -> str | None:
    name = _any_of(speaker.names)
    if re.match(rf"{name}\s*,", text) or re.search(r"\b(lui|leur|leurs)\b", text):
        return None
    inner = r"(?:(?!de\b|du\b|d'|à\b|et\b)[\w'-]+ ){0,2}?[\w-]+"
    told = re.sub(
        rf"\b(les |le |la |l'|du |des |aux |au )({inner}) d(?:e |'){name}", _french_my, text, flags=re.IGNORECASE
    )
    starts = bool(re.match(r"(?:(?:À|Dans|Sous|Sur) )?(?:mon|ma|mes)\b", told, re.IGNORECASE))
    own = {"female": "elle", "male": "il"}.get(speaker.sex, "elle|il")
    subject = rf"(?<!de )(?<!d')(?<!par )(?<!à ){name}"
    if re.search(rf"{subject} (?:ne |n'|se |s'|en |y )*[\w-]+", told):
        starts = True
    if re.search(rf"\b({own})\b", told, re.IGNORECASE):
        if not starts or speaker.sex not in ("female", "male") or re.search(r"\bil (?:y|faut|fallait|s'agit)\b", told):
            return None
        subject = rf"(?:{subject}|\b(?:{own})\b)"
    told_or_none = _french_subjects(told, subject)
    if told_or_none is None:
        return None
    if re.search(r"\b(son|sa|ses)\b", told_or_none, re.IGNORECASE):
        if not starts or _names_others(told_or_none):
            return None
        told_or_none = re.sub(r"\b(son|sa|ses)\b", lambda found: _FR_POSSESSIVE[found[1]], told_or_none)
    return told_or_none


def _french_my(found: re.Match[str]) -> str:
    article, rest = found[1].strip(), found[2]
    plain = article.lower()
    mine = "mon" if plain in ("le", "l'", "du", "au") or rest.lower().startswith(_VOWEL) else "ma"
    mine = "mes" if plain in ("les", "des", "aux") else mine
    before = {"du": "de ", "des": "de ", "au": "à ", "aux": "à "}.get(plain, "")
    said = f"{before}{mine} {rest}"
    return said[:1].upper() + said[1:] if article[0].isupper() else said


def _french_subjects(told: str, subject: str) -> str | None:
    """Return a sentence with "je" for its subject; None when a verb's form is not known."""
    failed = False

    def first(found: re.Match[str]) -> str:
        nonlocal failed
        qu, negation, reflexive, verb = found[1] or "", found[2] or "", found[3] or "", found[4]
        mine = french_first_person(verb)
        failed |= mine is None
        reflexive = {"se ": "me ", "s'": "m'"}.get(reflexive, reflexive)
        rest = f"{negation}{reflexive}{mine}"
        je = "j'" if rest.lower().startswith((*_VOWEL, "habit", "hérit", "hésit", "honor")) else "je "
        return ("que " if qu else "") + je + rest

    told = re.sub(rf"(qu')?{subject} (ne |n')?(se |s'|en |y )?([\w-]+)", first, told, flags=re.IGNORECASE)
    return None if failed else _french_second_verbs(told)


_SECOND_VERB = re.compile(
    r"(\b[Jj](?:e |')(?:(?!\b(?:qui|que|qu|où|dont|quand|parce)\b)[^,])*? et )"
    r"((?:ne |n'y |n'en |n'|se |s'|en |y |l')+[\w-]+|(?:les |la |le )?[\w-]{4,}(?:a|ait)\b|"
    r"[\w-]*(?:ut|it|int|ert)\b)(?! de\b)"
)


def _french_second_verbs(told: str) -> str:
    """Return a sentence whose second verb, behind "et", follows "je" as well."""

    def first(found: re.Match[str]) -> str:
        *before, verb = re.split(r"(?<=[ '])", found[2])
        mine = french_first_person(verb)
        if mine is None or verb in ("esprit", "lait", "trait", "lit", "bruit", "nuit", "fruit", "habit", "portrait"):
            return found.group()
        reflexive = {"se ": "me ", "s'": "m'"}
        return found[1] + "".join(reflexive.get(one, one) for one in before) + mine

    return _SECOND_VERB.sub(first, told)


def french_first_person(verb: str) -> str | None:
    """Return the first person of a verb's third, in the tenses of encyclopaedias; None for what is no known form."""
    if verb in _FR_VERBS:
        return _FR_VERBS[verb]
    for ending, mine in (("ait", "ais"), ("int", "ins"), ("it", "is"), ("ut", "us"), ("rd", "rds"), ("nd", "nds")):
        if verb.endswith(ending):
            return verb[: -len(ending)] + mine
    if verb.endswith("a") and len(verb) > 3:
        return verb + "i"
    return verb if verb.endswith("e") and len(verb) > 3 else None


def _french_work(text: str, speaker: Speaker) -> str | None:
    subject = "|".join([_FR_WORK, *map(re.escape, speaker.titles)])
    found = re.match(rf"((?:(?:En|Le|Au) [^,]{{0,30}}, )?)({subject}) (ne |n'|se |s')?([\w-]+)\b(.*)", text)
    if not found or re.search(r"\b(il|elle|lui|leur)\b", found[5]):
        return None
    verb = french_first_person(found[4])
    if verb is None:
        return None
    rest = re.sub(r"\b(son|sa|ses)\b", lambda one: _FR_POSSESSIVE[one[1]], found[5])
    reflexive = {"se ": "me ", "s'": "m'"}.get(found[3] or "", found[3] or "")
    spoken = f"{reflexive}{verb}"
    agreed = _agreed(f"{spoken}{rest}", subject=found[2], sex=speaker.sex)
    if agreed is None:
        return None
    je = "j'" if spoken.startswith(_VOWEL) else "je "
    return f"{found[1]}{je}{agreed}"


_PARTICIPLE = re.compile(
    r"^((?:suis|fus|étais|ai été|avais été) (?:\w+ment |jamais |toujours |longtemps |aussi )?)(\w+)"
)


def _agreed(told: str, *, subject: str, sex: str) -> str | None:
    """Return the sentence with its participle agreeing with the sitter instead of the picture."""
    found = _PARTICIPLE.match(told)
    if not found or not re.search(r"(é|ée|i|ie|u|ue|is|ise|it|ite|int|inte|ert|erte)$", found[2]):
        return told
    if sex not in ("female", "male"):
        return None
    is_feminine = bool(re.match(r"La |Cette |L'œuvre", subject)) and folded(found[2]).endswith("e")
    word = found[2]
    if sex == "female" and not is_feminine and not word.endswith("e"):
        word += "e"
    elif sex == "male" and is_feminine:
        word = word[:-1]
    return found[1] + word + told[found.end() :]

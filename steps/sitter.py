"""Whom a portrait shows, as far as a voice has to know: sex and age group.

Step 0 has looked at the picture. Where it could not tell, the words of the catalogue may: the sitter's line and the
tags first, then the title. Words decide, never names: "Camille" says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from steps.base import Subject
from steps.speech_options import Age

Sex = Literal["female", "male", "unknown"]

_SEEN: Mapping[str, Sex] = {"female": "female", "woman": "female", "male": "male", "man": "male"}
_AGES: Mapping[str, Age] = {"child": "child", "young": "young", "adult": "adult", "old": "old"}

_FEMALE = re.compile(
    r"\b(woman|women|female|lady|girl|daughter|wife|widow|mother|sister|queen|princess|duchess|countess|marquise|baroness|"
    r"empress|nun|maid|bride|mrs|miss|madonna|femme|dame|fille|jeune fille|épouse|veuve|mère|sœur|soeur|reine|"
    r"princesse|duchesse|comtesse|baronne|impératrice|religieuse|servante|mariée|madame|mademoiselle|mme|mlle)\b",
    re.IGNORECASE,
)
_MALE = re.compile(
    r"\b(man|men|male|gentleman|boy|son|husband|father|brother|king|prince|duke|count|marquis|baron|emperor|pope|"
    r"cardinal|bishop|monk|knight|soldier|officer|admiral|general|mr|sir|lord|homme|garçon|fils|mari|père|frère|roi|"
    r"duc|comte|empereur|pape|évêque|moine|chevalier|soldat|officier|amiral|général|monsieur)\b",
    re.IGNORECASE,
)
_CHILD = re.compile(r"\b(child|infant|toddler|boy|girl|little|enfant|garçonnet|fillette|petite?)\b", re.IGNORECASE)
_YOUNG = re.compile(r"\b(young|youth|maiden|teenager|jeune|adolescente?|demoiselle)\b", re.IGNORECASE)
_OLD = re.compile(
    r"\b(old|elderly|aged|ageing|grandmother|grandfather|vieux|vieil|vieille|vieillard|âgée?|grand-mère|grand-père)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sitter:
    """Whom a voice is for."""

    sex: Sex
    age: Age


def sitter_of(subject: Subject, prepared: Mapping[str, Any]) -> Sitter:
    """Return the sitter's sex and age group; "adult" where nothing tells the age.

    Args:
        subject: The painting's data; hostile text, only searched for words.
        prepared: Step 0's data; its keys `sex` and `age` count where they are known.
    """
    sex = _SEEN.get(str(prepared.get("sex", "")).casefold(), "unknown")
    age = _AGES.get(str(prepared.get("age", "")).casefold())
    texts = (subject.sitter or "", " ".join(subject.tags), subject.title)
    told = (_sex_in(text[:500]) for text in texts)
    if sex == "unknown":
        sex = next((one for one in told if one != "unknown"), "unknown")
    return Sitter(sex, _told_age(texts) if age is None else age)


def _sex_in(text: str) -> Sex:
    female, male = _FEMALE.search(text), _MALE.search(text)
    if (female is None) == (male is None):  # nothing said, or both: "the king's daughter" is not for words to settle
        return "unknown"
    return "female" if female is not None else "male"


def _told_age(texts: Sequence[str]) -> Age:
    ages = [_age_in(text[:500]) for text in texts]
    return next((age for age in ages if age is not None), "adult")


def _age_in(text: str) -> Age | None:
    if _OLD.search(text):
        return "old"
    # "A young girl" is called young more often than it shows a child, and step 0 has seen whether it does.
    if _YOUNG.search(text):
        return "young"
    return "child" if _CHILD.search(text) else None

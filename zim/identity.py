"""Whether an article is about the painter, the sitter or the work that is meant, and not about a namesake.

Names decide little: there are footballers, ships and films of every name. So an article is also asked what it is about,
when its person lived, and who painted it; what contradicts the painting is turned down, with the reason in words, and
of several that fit only the one that fits best is believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from zim.archive import Page
from zim.extract import Text
from zim.kinds import YEAR, Kind, Life, fold, kind_of, life_of
from zim.names import (
    BRACKETED,
    family_word,
    holds_name,
    holds_word,
    is_longer_name,
    is_part_of_name,
    is_same_name,
    significant_words,
)

About = Literal["artist", "sitter", "work"]

SUREST = 5
"""No article can fit better than this."""

_LIST_OF_NAMESAKES = re.compile(
    r"may (also )?refer to|can refer to|commonly refers to|disambiguation|homonym|"
    r"peu(t|vent) (aussi )?(designer|faire reference|se referer)|est un nom de famille|est un patronyme|"
    r"is a (\w+ )?surname|list of people (named|with)|portant le nom",
)
_LONG_DEAD_YEARS = 80
_FAR_YEARS = 25
_NOUNS: dict[Kind, str] = {
    "artist": "an artist",
    "person": "a person who is no artist",
    "artwork": "a work of art",
    "other": "neither a person nor a work of art",
}


@dataclass(frozen=True)
class Subject:
    """Somebody or something to find out about."""

    about: About
    name: str
    artist: str | None = None
    title: str | None = None  # of the work
    years: tuple[int, int] | None = None  # within which the work was made


@dataclass(frozen=True)
class Verdict:
    """Whether an article is about a subject."""

    fits: bool
    reason: str  # in words for people
    strength: int = 0  # of articles that fit, the one with the highest is believed; at most SUREST
    wants_all: bool = False  # the whole article may tell otherwise; this is said of its lead


def may_be_called(subject: Subject, title: str) -> bool:
    """Tell whether an article of this title is worth reading; a work's may be called anything."""
    name = subject.name
    if subject.about == "work":
        return True
    return is_same_name(name, title) or is_part_of_name(title, name) or is_longer_name(title, name)


def lists_namesakes(page: Page, text: Text) -> bool:
    """Tell whether a page only leads to others of the same name."""
    start = fold(page.title + " " + " ".join(one.text for one in text.paragraphs[:2])[:400])
    return bool(_LIST_OF_NAMESAKES.search(start))


def judge(page: Page, text: Text, subject: Subject, *, known_as: str) -> Verdict:
    """Tell whether an article is surely about a subject.

    Args:
        page: The article.
        text: Of it, at least the lead.
        subject: Who or what is meant.
        known_as: The title under which it was found, which may be a redirect's.
    """
    lead = " ".join(one.text for one in text.paragraphs[:3])
    if not lead:
        return Verdict(False, "has no text")
    titles = [title for title in (page.title, known_as) if is_same_name(subject.name, title)]
    exact = any(not BRACKETED.search(title) for title in titles)
    named = 2 if exact else 1 if titles else 0
    if subject.about == "work":
        return _judge_work(lead, subject, named)
    if not titles and not (may_be_called(subject, page.title) and holds_name(lead, subject.name)):
        return Verdict(False, "has another name")
    if not any(holds_word(lead, word) for word in significant_words(subject.name)):
        return Verdict(False, "is reached by this name, but does not say it")
    if subject.about == "artist":
        return _judge_artist(lead, subject, named)
    return _judge_sitter(lead, text, subject, named)


def _judge_work(lead: str, subject: Subject, named: int) -> Verdict:
    kind = kind_of(lead)
    if kind not in (None, "artwork"):
        return Verdict(False, f"is {_NOUNS[kind]}")
    painter = family_word(subject.artist) if subject.artist else None
    if painter is not None and not holds_word(lead, painter):
        return Verdict(False, f"does not name {subject.artist}")
    if not named and not (
        painter and len(significant_words(subject.name)) >= 2 and holds_name(lead[:300], subject.name)
    ):
        return Verdict(False, "has another name")
    years = [int(found) for found in YEAR.findall(lead[:900])]
    if subject.years is None or not years:
        if painter is None:
            return Verdict(False, "nothing tells it from other works of this name: neither painter nor year")
        return Verdict(True, f"this name, by {subject.artist}", named)
    away = min(max(subject.years[0] - year, year - subject.years[1], 0) for year in years)
    if away > (_FAR_YEARS if painter else 0):
        return Verdict(False, f"is {away} years from the painting's year")
    return Verdict(
        True, "this name, painter and year" if painter else "this name and year", named + (2 if away <= 3 else 1)
    )


def _judge_artist(lead: str, subject: Subject, named: int) -> Verdict:
    kind = kind_of(lead)
    if kind != "artist":
        return Verdict(False, f"is {_NOUNS[kind]}" if kind else "is not said to be an artist")
    life = life_of(lead)
    if subject.years is None or life is None:
        return Verdict(True, "an artist of this name; no dates to compare")  # nor is one of two likelier than the other
    if life.died + 2 < subject.years[0]:  # some works were finished by others, and dates are rounded
        return Verdict(False, f"was dead by {subject.years[0]}{_lived(life)}")
    if life.born + 8 > subject.years[1]:
        return Verdict(False, f"was not grown up in {subject.years[1]}{_lived(life)}")
    return Verdict(True, f"an artist of this name who lived then{_lived(life)}", named + (2 if life.sure else 1))


def _judge_sitter(lead: str, text: Text, subject: Subject, named: int) -> Verdict:
    kind = kind_of(lead)
    if kind in ("other", "artwork"):
        return Verdict(False, f"is {_NOUNS[kind]}")
    life = life_of(lead)
    if subject.years is None or life is None:
        if subject.years is not None or mentions(text, subject):
            return Verdict(True, "a person of this name; no dates to compare")
        return Verdict(False, "nothing tells it from namesakes: neither year nor painter", wants_all=True)
    if life.born > subject.years[1]:
        return Verdict(False, f"was not born in {subject.years[1]}{_lived(life)}")
    late = subject.years[0] - life.died
    if late <= 2:
        return Verdict(True, f"a person of this name who lived then{_lived(life)}", named + 3)
    if late > _LONG_DEAD_YEARS and not mentions(text, subject):
        reason = f"was dead for {late} years by {subject.years[0]}{_lived(life)}"
        return Verdict(False, reason, wants_all=True)  # a saint or a king may be painted then; it would be told
    return Verdict(True, f"a person of this name, dead by then{_lived(life)}", named)


def mentions(text: Text, subject: Subject) -> bool:
    """Tell whether an article mentions the painter of its sitter, or the work of its painter."""
    whole = " ".join(one.text for one in text.paragraphs)
    if subject.about == "artist":
        return bool(subject.title) and holds_name(whole, str(subject.title))
    painter = family_word(subject.artist) if subject.artist else None
    return painter is not None and holds_word(whole, painter)


def _lived(life: Life) -> str:
    return f" ({life.born}–{life.died})" if life.sure else ""

"""What a sentence claims, and whether that stands in the facts it names: numbers, years, names, quotations.

A model that writes from facts still makes things up. Everything that could be looked up and be wrong must be found in
the text of a cited fact or in the painting's own data, accents, elisions, genitives and local spellings aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, cached_property

from steps.names import EXONYMS, FIRST_NAMES, NOT_NAMES
from steps.options import Language
from steps.script_text import count_words, folded, start_of, straight
from steps.spoken_numbers import cardinal, roman, year

_THOUSANDS = re.compile(r"(?<=\d)[\u00a0\u202f .,](?=\d{3}(?!\d))")
_NUMBER = re.compile(r"(?<![\d.,])\d{1,3}(?:[\u00a0\u202f .,]\d{3})+(?!\d)|\d+(?:[.,]\d+)?")
_ROMAN = re.compile(r"\b([IVXLCDM]{2,}|[IVX](?=er\b|ᵉ|e siècle))(?=(?:e|er|ème|ᵉ|ᵉʳ)?\b|[ᵉʳ])")
_CENTURY = re.compile(r"(\d{1,2})(?:st|nd|rd|th|e|ème|ᵉ)[ \u00a0-](?:century|centuries|siècles?)")
_DECADE = re.compile(r"(?:années\s+|the\s+)?(\d{3}0)s\b|années\s+(\d{3}0)\b")
_QUOTED = re.compile(r"«\s*([^«»]*?)\s*»|“([^“”]*)”|\"([^\"]*)\"|(?<!\w)'([^']{3,}?)'(?!\w)")
_NAME_WORD = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*")
_ELISION = re.compile(r"(?:[ldjmnstc]|qu|jusqu|lorsqu|puisqu|quoiqu|presqu)'", re.IGNORECASE)
_ABBREVIATED = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Ste|MM?|[A-HJ-Z])\.\s+$")
_ROMAN_WORD = re.compile(r"[IVXLCDM]+(?:e|er|ers|re|ème|ᵉ|ᵉʳ)?")
_STARTS = re.compile(r"(?:^|[.!?…:;]\s+|[«“\"(]\s*|\s[-–—]\s*)$")
_SPELLED_YEARS = range(1000, 2031)


@dataclass(frozen=True)
class Ground:
    """What a sentence may rest on."""

    text: str

    @cached_property
    def folded(self) -> str:
        """The text, for comparison."""
        return folded(self.text)

    @cached_property
    def numbers(self) -> frozenset[str]:
        """Its numbers, Roman ones included, without the separators of thousands."""
        romans = (roman(found) for found in _ROMAN.findall(self.text))
        return frozenset(numbers_of(self.text)) | {str(value) for value in romans if value}

    @cached_property
    def centuries(self) -> frozenset[str]:
        """The centuries of its years: who was painted in 1503 may say "16th century"."""
        return frozenset(str((int(one) - 1) // 100 + 1) for one in self.numbers if _is_year(one))

    @cached_property
    def decades(self) -> frozenset[str]:
        """The decades of its years."""
        return frozenset(one[:3] + "0" for one in self.numbers if _is_year(one))

    @cached_property
    def words(self) -> frozenset[str]:
        """Its words, for comparison."""
        return frozenset(re.findall(r"[^\W_]+", self.folded))


def unfounded(text: str, ground: Ground, language: Language) -> Iterator[str]:
    """Yield what a sentence claims that its ground does not say, as clauses for whoever wrote it."""
    where = "stands in none of the facts it names"
    for number in _unfounded_numbers(text, ground):
        yield f"the number {number} {where}"
    for match in _ROMAN.finditer(text):
        numeral, is_ordinal = match.group(1), text[match.end() : match.end() + 1] in ("e", "ᵉ", "è")
        value = str(roman(numeral) or "")
        if value and value not in (ground.numbers | ground.centuries if is_ordinal else ground.numbers):
            yield f"the numeral {numeral} {where}"
    for spelled, digits in _spelled_years(text, language):
        if digits not in ground.numbers:
            yield f'the year "{spelled}" {where}'
    for name in names_in(text):
        if not _is_known(name, ground):
            yield f"the name {name} {where}"
    for quoted in quotations(text):
        if _letters(quoted) not in _letters(ground.text):
            yield f"it quotes {start_of(quoted)!r}, which {where}"


def numbers_of(text: str) -> list[str]:
    """Return the numbers of a text, without the separators of thousands."""
    return [_THOUSANDS.sub("", one) for one in _NUMBER.findall(text)]


def quotations(text: str) -> list[str]:
    """Return what stands between quotation marks."""
    return [part for groups in _QUOTED.findall(text) for part in groups if count_words(part) > 0]


def without_quotations(text: str) -> str:
    """Return a text without what it quotes, which may be in another language."""
    return _QUOTED.sub(" ", text)


def names_in(text: str) -> list[str]:
    """Return the words of a sentence that name somebody or something: capitals where the language needs none.

    The first word of a sentence has one anyway; it counts only when it is a known first or painter's name.
    """
    plain = straight(text)
    found: list[str] = []
    for match in _NAME_WORD.finditer(plain):
        word = match.group()
        elided = _ELISION.match(word)
        core = word[elided.end() :] if elided else word
        core = re.sub(r"'(?:s|m|d|ll|re|ve|t)?$", "", core)
        if not core[:1].isupper() or len(core) < 2 or _ROMAN_WORD.fullmatch(core) or _names_nothing(core):
            continue
        before = plain[: match.start()]
        is_start = not elided and _STARTS.search(before) and not _ABBREVIATED.search(before)
        if not is_start or folded(core) in FIRST_NAMES:
            found += [part for part in core.split("-") if part[:1].isupper() and len(part) > 1]
    return found


def _names_nothing(word: str) -> bool:
    return folded(word) in NOT_NAMES or folded(word).removesuffix("s") in NOT_NAMES


def is_like(one: str, other: str) -> bool:
    """Tell whether two folded words may be one name in two spellings: "Leonardo" and "Leonard", "Londres", "London"."""
    if one == other or other in EXONYMS.get(one, ()):
        return True
    return len(one) > 4 and one[0] == other[:1] and SequenceMatcher(None, one, other).ratio() >= 0.8


def _letters(text: str) -> str:
    """Return letters and digits alone: a quotation may be set with other spaces and marks."""
    return re.sub(r"[\W_]+", "", folded(text))


def _is_known(name: str, ground: Ground) -> bool:
    word = folded(name)
    return any(is_like(word, other) or _shares_stem(word, other) for other in ground.words)


def _shares_stem(one: str, other: str) -> bool:
    """Tell whether one is derived from the other: "Florentine" from "Florence", "Italienne" from "Italie"."""
    return (
        min(len(one), len(other)) >= 5
        and one[:4] == other[:4]
        and one[:1].isalpha()
        and abs(len(one) - len(other)) <= 5
    )


def _unfounded_numbers(text: str, ground: Ground) -> Iterator[str]:
    centuries = set(_CENTURY.findall(text))
    decades = {one or two for one, two in _DECADE.findall(text)}
    for number in numbers_of(text):
        derived = (number in centuries and number in ground.centuries) or (
            number in decades and number in ground.decades
        )
        if number not in ground.numbers and not derived:
            yield number


def _is_year(number: str) -> bool:
    return number.isdigit() and len(number) == 4 and 1000 <= int(number) <= 2100


def _spelled_years(text: str, language: Language) -> Iterator[tuple[str, str]]:
    """Yield years that are written as words, with their digits; the longest reading of each place only."""
    plain = re.sub(r"[-\s]+", " ", folded(text))
    if not re.search(r"\b(mille|cents?|teen\w*|\w+teen|hundred|thousand|twenty)\b", plain):
        return
    found = {
        words: digits
        for words, digits in _year_words(language).items()
        if f" {words} " in f" {re.sub(r'[^a-z ]', ' ', plain)} "
    }
    for words, digits in found.items():
        if not any(words != other and words in other for other in found):
            yield words, digits


@cache
def _year_words(language: Language) -> dict[str, str]:
    said: dict[str, str] = {}
    for value in _SPELLED_YEARS:
        if value % 100 == 0:
            continue  # "twelve hundred", "mille" are as often no years
        for way in (year, cardinal):
            said[re.sub(r"[-\s]+", " ", folded(way(str(value), language)))] = str(value)
    return said

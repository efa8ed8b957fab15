"""What one token of a sentence sounds like, looking at its neighbours.

A token is what stands between two spaces, with the marks around it. Each rule below tries one reading (a price, a date,
a king's number, an abbreviation) and answers None when it is not that; the first that answers wins. It is separate
from `speakable.py`, which keeps the written form beside the result.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from steps.options import Language
from steps.spoken_numbers import cardinal, decade, decimal, ordinal, roman, year
from steps.spoken_words import (
    AFTER_NUMBER,
    ALWAYS,
    BEFORE_NUMBER,
    BY,
    CURRENCIES,
    FEMININE,
    FRACTIONS,
    MINUS,
    MONTHS,
    OR,
    OVER,
    RULER_TITLES,
    RULERS,
    SCALES,
    SIGNS,
    TO,
)

_MARKS = re.compile(r"([\"«“„‘'(\[{<¿¡]*)(.*?)([\"»”’')\]}>.,;:!?…]*)", re.DOTALL)
_NUMBER: dict[Language, re.Pattern[str]] = {
    "fr": re.compile(r"(\d{1,3}(?:\.\d{3})+|\d+)(?:,(\d+))?"),
    "en": re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?"),
}
_AMOUNT = re.compile(rf"([{CURRENCIES}]?)(\d[\d.,]*)([^\d.,].*)?", re.DOTALL)
_ORDINAL: dict[Language, re.Pattern[str]] = {
    "fr": re.compile(r"(\d+)(er|ers|ᵉʳ|re|ère|ʳᵉ|e|es|ème|èmes|ᵉ|nd|nde)"),
    "en": re.compile(r"(\d+)(st|nd|rd|th)"),
}
_ROMAN_ORDINAL = re.compile(r"([IVX]+)(er|ᵉʳ|re|ère|ʳᵉ|e|es|ème|ᵉ)")
_DECADE = re.compile(r"['’]?(\d{2}0|\d{3}0|\d0)['’]?s")
_TIME = re.compile(r"(\d{1,2})[h:](\d{2})")
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_SLASH_DATE = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})")
_ELIDED = re.compile(r"([^\W\d_]{1,8}['’])(.+)", re.DOTALL)
_DIGIT_FIRST = re.compile(rf"(?:[^\W\d_]{{1,8}}['’]|[{CURRENCIES}−-])?\d")
_POSSESSIVE = re.compile(r"(.+)(['’]s)", re.DOTALL)
_JOINTS = re.compile(r"([-‐‑‒–—−/×])")
_YEAR_OF_LETTERS = range(1000, 2101)
_CENTURY: dict[Language, frozenset[str]] = {
    "fr": frozenset({"siècle", "siècles", "s", "République", "dynastie", "arrondissement"}),
    "en": frozenset({"century", "centuries", "dynasty"}),
}
_CHRIST = frozenset({"av", "apr", "ap", "avant", "après"})


@dataclass(frozen=True)
class Token:
    """A word with the marks around it."""

    core: str
    tail: str  # the marks behind; those before are never heard

    @classmethod
    def of(cls, word: str) -> Token:
        """Take the marks off a word."""
        found = _MARKS.fullmatch(word)
        return cls(found[2], found[3]) if found else cls(word, "")

    @property
    def dotted(self) -> str:
        """Return the core with its full stop, for abbreviations."""
        return self.core + "." if self.tail.startswith(".") else self.core

    @property
    def starts_with_digit(self) -> bool:
        """Tell whether it may be a number, be it behind an elision or a currency."""
        return bool(_DIGIT_FIRST.match(self.core))


_NONE = Token("", "")


@dataclass(frozen=True)
class Place:
    """A token among its neighbours."""

    tokens: Sequence[Token]
    index: int
    language: Language

    @property
    def token(self) -> Token:
        """Return the token itself."""
        return self.tokens[self.index]

    def at(self, offset: int) -> Token:
        """Return a neighbour; an empty token past either end."""
        index = self.index + offset
        return self.tokens[index] if 0 <= index < len(self.tokens) else _NONE

    @property
    def before(self) -> Token:
        """Return the token before, unless a pause stands between."""
        return _NONE if self.at(-1).tail.strip(".") else self.at(-1)

    @property
    def after(self) -> Token:
        """Return the token after, unless a pause stands between."""
        return _NONE if self.token.tail.strip(".") else self.at(1)


def say(tokens: Sequence[Token], index: int, *, language: Language) -> tuple[int, str]:
    """Return how many tokens from one on are said together, and how; pauses are kept, other marks are not."""
    place = Place(tokens, index, language)
    group = _thousands(place) or _scaled_price(place)
    if group is not None:
        count, said = group
        return count, said + tokens[index + count - 1].tail
    short = _abbreviation(place)
    if short is not None:
        return 1, short + _tail_of_abbreviation(place)
    core = place.token.core
    for rule in (_unit, _date, _whole):
        said_alone = rule(place, core)
        if said_alone is not None:
            return 1, said_alone + place.token.tail
    return 1, _mixed(core, language) + place.token.tail


def _thousands(place: Place) -> tuple[int, str] | None:
    """Read "1 000 000", whose groups are tokens of their own."""
    first = place.token
    if not re.fullmatch(r"[1-9]\d{0,2}", first.core) or first.tail:
        return None
    digits, count = first.core, 1
    while re.fullmatch(r"\d{3}", place.at(count).core) and not place.at(count - 1).tail:
        digits += place.at(count).core
        count += 1
    return (count, cardinal(digits, place.language)) if count > 1 else None


def _scaled_price(place: Place) -> tuple[int, str] | None:
    """Read "$5 million": the currency is said last."""
    found = _AMOUNT.fullmatch(place.token.core)
    if not found or not found[1] or found[3] or place.after.core not in SCALES[place.language]:
        return None
    number = _number(found[2], place.language)
    name = AFTER_NUMBER[place.language][found[1]][1]
    of = "" if place.language == "en" else "d'" if name[0] in "aeiou" else "de "
    if number is None:
        return None
    return 2, f"{number} {place.after.core} {of}{name}"


def _abbreviation(place: Place) -> str | None:
    token, language = place.token, place.language
    following = place.at(1)
    for key in (token.dotted, token.core):
        if key in BEFORE_NUMBER[language] and following.starts_with_digit:
            return BEFORE_NUMBER[language][key]
        if key in ALWAYS[language]:
            return ALWAYS[language][key]
    if token.dotted != token.core and place.before.starts_with_digit and token.dotted in AFTER_NUMBER[language]:
        return AFTER_NUMBER[language][token.dotted][0 if place.before.core == "1" else 1]
    is_named = following.core[:1].isupper() and len(following.core) > 1
    if language == "en" and token.core == "St":
        return "Saint" if is_named else "Street" if place.before.core[:1].isupper() else "Saint"
    if language == "fr":
        return _french_abbreviation(place, is_named=is_named)
    return None


def _french_abbreviation(place: Place, *, is_named: bool) -> str | None:
    dotted, previous = place.token.dotted, place.at(-1)
    if dotted == "M." and is_named and not re.fullmatch(r"[A-Z]", previous.core):
        return "Monsieur"
    if dotted == "av." and place.at(1).core.startswith("J"):
        return "avant"
    if place.token.core in ("J.-C", "JC") and previous.core in _CHRIST:
        return "Jésus-Christ"
    if found := re.match(r"(St|Ste)-(?=\w)", place.token.core):
        return ("Saint" if found[1] == "St" else "Sainte") + place.token.core[len(found[1]) :]
    if dotted == "s." and _ROMAN_ORDINAL.fullmatch(previous.core):
        return "siècle"
    return None


def _tail_of_abbreviation(place: Place) -> str:
    """Return the marks behind an abbreviation; its own full stop is heard only where a sentence ends."""
    tail = place.token.tail
    return tail[1:] if tail.startswith(".") and place.at(1) is not _NONE else tail


def _unit(place: Place, core: str) -> str | None:
    """Read "cm" behind a number, and the "x" between two."""
    before = place.before
    if not before.starts_with_digit:
        return None
    if core in ("x", "×") and place.after.starts_with_digit:
        return BY[place.language]
    units = AFTER_NUMBER[place.language]
    if core not in units or (core in ("am", "pm") and not re.fullmatch(r"1?\d(:\d\d)?", before.core)):
        return None
    return units[core][0 if before.core == "1" else 1]


def _date(place: Place, core: str) -> str | None:
    """Read the day of a month, and in English the month behind it."""
    months = MONTHS[place.language]
    is_day = bool(re.fullmatch(r"\d{1,2}", core)) and 1 <= int(core) <= 31
    if place.language == "fr":
        return "premier" if core == "1" and place.after.core.lower() in months else None
    if is_day and (place.after.core in months or place.before.core in months):
        the = "" if place.at(-1).core.lower() == "the" else "the "
        return the + ordinal(core, "en")
    if core in months and re.fullmatch(r"[0-3]?\d(st|nd|rd|th)?", place.before.core):
        return f"of {core}"
    return None


def _whole(place: Place, text: str) -> str | None:
    """Read a word or a part of one as one number; None when it is not one."""
    language = place.language
    if language == "fr" and (found := _ELIDED.fullmatch(text)):
        rest = _whole(place, found[2])
        return None if rest is None else found[1] + rest
    if language == "en" and (found := _POSSESSIVE.fullmatch(text)):
        rest = _whole(place, found[1])
        return None if rest is None else rest + found[2]
    for rule in (_roman, _ordinal, _calendar, _amount, _compound):
        said = rule(place, text)
        if said is not None:
            return said
    return None


def _roman(place: Place, text: str) -> str | None:
    language, before, after = place.language, place.before.core, place.after.core
    is_century = after in _CENTURY[language]
    found = _ROMAN_ORDINAL.fullmatch(text)
    if found and language == "fr" and (len(text) > 2 or not text.isascii() or is_century):
        value = roman(found[1])
        return None if value is None else _french_ordinal(str(value), found[2])
    value = roman(text)
    if value is None:
        return None
    if len(text) >= 5 and value in _YEAR_OF_LETTERS:
        return year(str(value), language)
    is_ruler = before.rsplit("-", 1)[-1] in RULERS
    if set(text) - set("IVX") or (len(text) == 1 and not (is_century or (is_ruler and _is_number_of_ruler(place)))):
        return None
    if is_century:
        return ordinal(str(value), language)
    if language == "fr":
        return "premier" if value == 1 else cardinal(str(value), "fr")
    is_ruler = is_ruler or place.at(-2).core in RULER_TITLES
    return f"the {ordinal(str(value), 'en')}" if is_ruler else cardinal(str(value), "en")


def _is_number_of_ruler(place: Place) -> bool:
    """Tell "Elizabeth I" from "to Elizabeth I was a friend"."""
    token = place.token
    is_pronoun = place.language == "en" and token.core == "I"
    title = place.at(-2).core
    return not is_pronoun or title in RULER_TITLES or bool(token.tail) or place.at(1).core in ("", "of", "and")


def _french_ordinal(digits: str, suffix: str) -> str:
    if suffix in ("nd", "nde"):
        return "second" + suffix[2:]
    said = ordinal(digits, "fr")
    if digits == "1" and suffix in ("re", "ère", "ʳᵉ"):
        said = "première"
    return said + ("s" if suffix in ("es", "èmes", "ers") else "")


def _ordinal(place: Place, text: str) -> str | None:
    found = _ORDINAL[place.language].fullmatch(text)
    if not found:
        return None
    return _french_ordinal(found[1], found[2]) if place.language == "fr" else ordinal(found[1], "en")


def _calendar(place: Place, text: str) -> str | None:
    """Read decades, times of day and dates in digits."""
    language = place.language
    if language == "en" and (found := _DECADE.fullmatch(text)):
        return decade(found[1])
    if (found := _TIME.fullmatch(text)) and int(found[1]) < 25 and int(found[2]) < 60:
        hours, minutes = found[1].lstrip("0") or "0", found[2].lstrip("0")
        if language == "fr":
            hour = _agreed(cardinal(hours, "fr"), "heures") + (" heure" if hours in "01" else " heures")
            return f"{hour} {cardinal(minutes, 'fr')}" if minutes else hour
        minute = f"oh {cardinal(minutes, 'en')}" if len(minutes) == 1 else cardinal(minutes, "en") if minutes else ""
        return f"{cardinal(hours, 'en')} {minute}".strip()
    iso, slashed = _ISO_DATE.fullmatch(text), _SLASH_DATE.fullmatch(text)
    if iso:
        return _day_of(iso[3], iso[2], iso[1], language)
    return _day_of(slashed[1], slashed[2], slashed[3], language) if slashed else None


def _day_of(day: str, month: str, of_year: str, language: Language) -> str | None:
    if not (1 <= int(day) <= 31 and 1 <= int(month) <= 12):
        return None
    name, number = MONTHS[language][int(month) - 1], str(int(day))
    if language == "fr":
        return f"{'premier' if number == '1' else cardinal(number, 'fr')} {name} {year(of_year, 'fr')}"
    return f"the {ordinal(number, 'en')} of {name} {year(of_year, 'en')}"


def _amount(place: Place, text: str) -> str | None:
    """Read a number, with a currency or a unit where it has one."""
    language = place.language
    found = _AMOUNT.fullmatch(text)
    if not found:
        return None
    sign, digits, unit = found[1], found[2], found[3] or ""
    if sign or unit[:1] in tuple(CURRENCIES):
        return _price(digits, sign or unit, language)
    if unit and unit not in AFTER_NUMBER[language]:
        return None
    is_counted = bool(unit) or place.after.core in AFTER_NUMBER[language] or place.after.core in SCALES[language]
    if re.fullmatch(r"\d{4}", digits) and not (is_counted and place.after.core not in ("BC", "AD", "BCE", "CE")):
        return year(digits, language)
    number = _number(digits, language)
    if number is not None and language == "fr":
        number = _agreed(number, unit or place.after.core)
    if number is None or not unit:
        return number
    return f"{number} {AFTER_NUMBER[language][unit][0 if digits == '1' else 1]}"


def _price(digits: str, sign: str, language: Language) -> str | None:
    names = AFTER_NUMBER[language].get(sign)
    pattern = _NUMBER[language].fullmatch(digits)
    if names is None:
        return None
    if pattern and pattern[2] and len(pattern[2]) == 2:
        cents = "" if pattern[2] == "00" else f" {cardinal(pattern[2].lstrip('0'), language)}"
        whole = re.sub(r"[.,]", "", pattern[1])
        return f"{cardinal(whole, language)} {names[0 if whole == '1' else 1]}{cents}"
    number = _number(digits, language)
    return None if number is None else f"{number} {names[0 if digits == '1' else 1]}"


def _number(digits: str, language: Language) -> str | None:
    """Read digits with separators as the language sets them, or else as the other one does."""
    other: Language = "en" if language == "fr" else "fr"
    found = _NUMBER[language].fullmatch(digits) or _NUMBER[other].fullmatch(digits)
    if not found:
        return None
    whole = re.sub(r"[.,]", "", found[1])
    return decimal(whole, found[2], language) if found[2] else cardinal(whole, language)


def _agreed(said: str, noun: str) -> str:
    """Return a French number before its noun: "vingt et une toiles"."""
    return said + "e" if noun in FEMININE and re.search(r"(^|[ -])un$", said) else said


def _compound(place: Place, text: str) -> str | None:
    """Read ranges, sizes, fractions and words with a number between hyphens, part by part."""
    parts = _JOINTS.split(text)
    if len(parts) < 3 or not any(part[:1].isdigit() or _ROMAN_ORDINAL.fullmatch(part) for part in parts):
        return None
    if len(parts) == 3 and parts[1] == "/" and (parts[0], parts[2]) in FRACTIONS[place.language]:
        return FRACTIONS[place.language][parts[0], parts[2]]
    said: list[str] = []
    for index, part in enumerate(parts):
        if index % 2:
            said.append(_joint(part, parts[index - 1], parts[index + 1], place.language))
        else:
            whole = _end_of_range(parts, index)
            said.append(_whole(place, whole) or _mixed(whole, place.language))
    return " ".join(" ".join(said).split()).replace(" - ", "-")


def _joint(joint: str, before: str, after: str, language: Language) -> str:
    is_between = before[:1].isdigit() and after[:1].isdigit()
    if joint == "×":
        return BY[language]
    if joint == "/":
        many = len(before) >= 4 and len(after) >= 4
        return (OR[language] if many else OVER[language]) if is_between else ""
    if not before and after[:1].isdigit():
        return MINUS[language]
    romans = _ROMAN_ORDINAL.fullmatch(before) and _ROMAN_ORDINAL.fullmatch(after)
    return TO[language] if is_between or romans else "-"


def _end_of_range(parts: Sequence[str], index: int) -> str:
    """Return a part, the end of "1503-06" as "1506"."""
    part = parts[index]
    start = parts[index - 2] if index >= 2 and parts[index - 1] in "-‐‑‒–" else ""
    is_short = re.fullmatch(r"\d{4}", start) and re.fullmatch(r"\d{2}", part) and int(part) > int(start[2:])
    return start[:2] + part if is_short else part


def _mixed(text: str, language: Language) -> str:
    """Read a word with signs or digits inside: "B2B", "R&B"."""
    signs = SIGNS[language]
    spaced = "".join(f" {signs[c]} " if c in signs else c for c in text)
    return re.sub(r"\d+", lambda found: f" {cardinal(_ascii(found.group()), language)} ", spaced)


def _ascii(digits: str) -> str:
    """Return digits as ASCII ones; a pattern for digits takes those of every script."""
    return "".join(str(int(digit)) for digit in digits)

"""Numbers as they are said, in French and English.

The words themselves come from num2words; here are its traps, and what it does not know: years by context, Roman
numerals, digits of other scripts, numbers too long for a name. It is separate from `spoken_tokens.py`, which decides
what a number in a sentence is.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from num2words import num2words

from steps.options import Language

LONGEST_NAMED = 15
"""Digits up to which a number has a name that listeners know; longer ones are said digit by digit."""

_YEARS = (range(1100, 2000), range(2010, 2100))  # said in pairs in English; 2005 is "two thousand and five"
_ROMAN = re.compile(r"M{0,2}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_POINT: dict[Language, str] = {"fr": "virgule", "en": "point"}


def cardinal(digits: str, language: Language) -> str:
    """Say a whole number: "1789" is "one thousand seven hundred and eighty-nine".

    Args:
        digits: ASCII digits. Leading zeros are said, as in a telephone number.
        language: To say it in.
    """
    if len(digits) > LONGEST_NAMED or (len(digits) > 1 and digits[0] == "0"):
        return " ".join(_plain(num2words(int(digit), lang=language)) for digit in digits)
    return _plain(num2words(int(digits), lang=language))


def ordinal(digits: str, language: Language) -> str:
    """Say the place in an order: "19" is "nineteenth", "dix-neuvième"."""
    if len(digits) > LONGEST_NAMED:
        return cardinal(digits, language)
    if language == "fr":
        if int(digits) == 0:
            return "zéro"
        # num2words keeps the plural's s inside the word: "quatre-vingtsième".
        said = str(num2words(int(digits), lang="fr", to="ordinal"))
        return _plain(re.sub(r"(vingt|cent|mill(?:ion|iard))sième", r"\1ième", said))
    return _plain(num2words(int(digits), lang="en", to="ordinal"))


def year(digits: str, language: Language) -> str:
    """Say a year: 1789 is "seventeen eighty-nine", "mille sept cent quatre-vingt-neuf"."""
    if language == "en" and any(int(digits[:9]) in span for span in _YEARS) and len(digits) == 4:
        return _plain(num2words(int(digits), lang="en", to="year"))
    return cardinal(digits, language)


def decade(digits: str) -> str:
    """Say an English decade: "1880" is "eighteen eighties", "80" is "eighties"."""
    said = year(digits, "en")
    return f"{said[:-1]}ies" if said.endswith("y") else f"{said}s"


def decimal(whole: str, fraction: str, language: Language) -> str:
    """Say a number with a fraction: "three point zero five", "trois virgule zéro cinq"."""
    if len(whole) + len(fraction) > LONGEST_NAMED or language == "en":
        # In English the digits after the point are said one by one.
        after = " ".join(_plain(num2words(int(digit), lang=language)) for digit in fraction)
        return f"{cardinal(whole, language)} {_POINT[language]} {after}"
    zeros = ["zéro"] * (len(fraction) - len(fraction.lstrip("0")))
    rest = fraction.lstrip("0")
    after = " ".join([*zeros, *([cardinal(rest, language)] if rest else [])])
    return f"{cardinal(whole, language)} {_POINT[language]} {after}"


def roman(text: str) -> int | None:
    """Return the value of a Roman numeral in its usual spelling, 1 to 2999; None for anything else."""
    if not text or not _ROMAN.fullmatch(text):
        return None
    values = [_ROMAN_VALUES[letter] for letter in text]
    following = [*values[1:], 0]
    return sum(-one if one < after else one for one, after in zip(values, following, strict=True))


def western(text: str) -> str:
    """Return a text whose digits of any script, fractions, circled and Roman characters are Latin ones.

    Superscript digits stay: they are footnotes or powers, and whoever speaks decides.
    """
    return "".join(map(_western, text))


def _western(character: str) -> str:
    category = unicodedata.category(character)
    if character.isascii() or category[0] != "N":
        return character
    value = unicodedata.numeric(character, None)
    if category == "Nd" and value is not None:
        return str(int(value))
    same = unicodedata.normalize("NFKC", character).replace("\N{FRACTION SLASH}", "/")
    if character in "²³":
        return character
    if same.isascii():
        return same
    return str(int(value)) if value is not None and Decimal(value) == int(value) and value >= 0 else ""


def _plain(said: str) -> str:
    """Return words without the commas that num2words sets between thousands: a voice would pause there."""
    return said.replace(",", "").strip()

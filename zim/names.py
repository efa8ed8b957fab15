"""Whether two names are the same, across languages' spellings, elisions, ligatures, particles and generations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from zim.kinds import fold

ELISION = re.compile(r"\b(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|aujourd)['’](?=\w)", re.IGNORECASE)
WORD = re.compile(r"[^\W_]+")
BRACKETED = re.compile(r"\s*\([^()]*\)")
STOP_WORDS = frozenset(
    {"a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"}
    | {"au", "aux", "avec", "chez", "dans", "de", "des", "du", "d", "en", "et", "l", "la", "le", "les", "ou", "par"}
    | {"pour", "sur", "un", "une", "da", "dal", "dei", "del", "della", "delle", "den", "der", "di", "do", "dos", "el"}
    | {"il", "lo", "van", "von", "vom", "zu", "zur", "ten", "ter", "y"}
    | {"portrait", "portraits", "painting", "peinture", "tableau", "detail", "self", "autoportrait"}
)
_SAME = {
    **dict.fromkeys(("elder", "ancien", "aine", "vieux", "senior", "sr"), "elder"),
    **dict.fromkeys(("younger", "jeune", "cadet", "junior", "jr"), "younger"),
    **dict.fromkeys(("saint", "sainte", "st", "ste"), "saint"),
}
_GENERATIONS = frozenset({"elder", "younger"})
_NUMERAL = re.compile(r"[ivx]+|\d+")
_HER_ENDINGS = ("e", "a", "ne", "le", "te")


def significant_words(text: str) -> tuple[str, ...]:
    """Return the folded words that make a name what it is: no elisions, articles, particles, or brackets' content."""
    plain = ELISION.sub("", fold(BRACKETED.sub("", text)))
    words = tuple(word for word in WORD.findall(plain) if word not in STOP_WORDS)
    return words or tuple(WORD.findall(plain))


def family_word(name: str) -> str | None:
    """Return the word by which texts mention somebody: the last one that is no "the Elder" and no number."""
    words = [word for word in significant_words(name) if _SAME.get(word) not in _GENERATIONS]
    named = [word for word in words if not _NUMERAL.fullmatch(word)] or words
    return named[-1] if named else None


def is_same_word(one: str, other: str) -> bool:
    """Tell whether two folded words are the same in another language's spelling: "leonardo", "leonard"."""
    one, other = _SAME.get(one, one), _SAME.get(other, other)
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(short) < 4 or one.isdigit() or other.isdigit() or _NUMERAL.fullmatch(short) or one[0] != other[0]:
        return False
    if long.startswith(short) and long[len(short) :] in _HER_ENDINGS:
        return False  # Louis and Louise, Simon and Simone
    alike = SequenceMatcher(None, one, other).ratio()
    return alike >= 0.82 or (len(short) >= 5 and one[:5] == other[:5] and len(long) - len(short) <= 2 and alike >= 0.75)


def is_same_name(name: str, title: str) -> bool:
    """Tell whether an article's title is this name: every significant word of one has its like in the other."""
    ours, theirs = significant_words(name), significant_words(title)
    if not ours or not theirs:
        return False
    if len(ours) == len(theirs):
        return _covers(ours, theirs) and _covers(theirs, ours)
    if any(_NUMERAL.fullmatch(word) or word in _SAME for word in (*ours, *theirs)):
        return False
    joined, other = "".join(ours), "".join(theirs)  # "Michel-Ange" and "Michelangelo"
    return len(joined) >= 6 and SequenceMatcher(None, joined, other).ratio() >= 0.9 and joined[:5] == other[:5]


def is_part_of_name(title: str, name: str) -> bool:
    """Tell whether a title is a shorter form of the name: "Rembrandt" for "Rembrandt van Rijn"."""
    ours, theirs = significant_words(name), significant_words(title)
    return bool(theirs) and len(theirs) < len(ours) and _covers(theirs, ours)


def is_longer_name(title: str, name: str) -> bool:
    """Tell whether a title holds all of a name of three words or more: further given names of the same person."""
    ours, theirs = significant_words(name), significant_words(title)
    return 3 <= len(ours) < len(theirs) <= len(ours) + 2 and _covers(ours, theirs)


def holds_name(text: str, name: str) -> bool:
    """Tell whether every significant word of a name occurs in a text."""
    return all(holds_word(text, word) for word in significant_words(name))


def holds_word(text: str, word: str) -> bool:
    """Tell whether a folded word, or its like, occurs in a text; "Michel-Ange" is read as one word too."""
    plain = ELISION.sub("", fold(text))
    words = set(WORD.findall(plain)) | {joined.replace("-", "") for joined in re.findall(r"\w+-\w+", plain)}
    return word in words or any(is_same_word(word, other) for other in words if other[:1] == word[:1])


def _covers(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    return all(any(is_same_word(one, other) for other in theirs) for one in ours)

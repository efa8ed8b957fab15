"""Find the article about a person or a work, or nothing.

libzim's full-text search joins words by AND, keeps an elision such as "l'œuvre" as one word and never matches "œ" to
"oe". So a name is asked for in several ways, from strict to loose, and what comes back is compared with the name here:
the search proposes, `is_same_name` decides.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from zim.archive import Archive

PER_QUERY = 8
MAX_CANDIDATES = 48

_ELISION = re.compile(r"\b(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|aujourd)['’](?=\w)", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_BRACKETED = re.compile(r"\s*\([^()]*\)")
STOP_WORDS = frozenset(
    {"a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"}
    | {"au", "aux", "avec", "chez", "dans", "de", "des", "du", "d", "en", "et", "l", "la", "le", "les", "ou", "par"}
    | {"pour", "sur", "un", "une", "da", "dal", "dei", "del", "della", "delle", "den", "der", "di", "do", "dos", "el"}
    | {"il", "lo", "van", "von", "vom", "zu", "zur", "ten", "ter", "y"}
    | {"portrait", "portraits", "painting", "peinture", "tableau", "detail", "self", "autoportrait"}
)


def fold(text: str) -> str:
    """Return the text in lower case, without accents, with ligatures opened and straight apostrophes."""
    opened = text.lower().replace("œ", "oe").replace("æ", "ae").replace("ß", "ss").replace("’", "'")
    return "".join(c for c in unicodedata.normalize("NFKD", opened) if not unicodedata.combining(c))


def significant_words(text: str) -> tuple[str, ...]:
    """Return the folded words that make a name what it is: no elisions, articles, particles, or brackets' content."""
    plain = _ELISION.sub("", fold(_BRACKETED.sub("", text)))
    words = tuple(word for word in _WORD.findall(plain) if word not in STOP_WORDS)
    return words or tuple(_WORD.findall(plain))


def is_same_word(one: str, other: str) -> bool:
    """Tell whether two folded words are the same in another language's spelling: "leonardo", "leonard"."""
    if one == other:
        return True
    shorter = min(len(one), len(other))
    if shorter < 4 or one.isdigit() or other.isdigit():
        return False
    if shorter >= 5 and one[:5] == other[:5] and abs(len(one) - len(other)) <= 2:
        return True
    return one[0] == other[0] and SequenceMatcher(None, one, other).ratio() >= 0.82


def is_same_name(name: str, title: str) -> bool:
    """Tell whether an article's title is this name: every significant word of one has its like in the other."""
    ours, theirs = significant_words(name), significant_words(title)
    if not ours or not theirs:
        return False
    if len(ours) == len(theirs) and _covers(ours, theirs) and _covers(theirs, ours):
        return True
    joined, other = "".join(ours), "".join(theirs)  # "Michel-Ange" and "Michelangelo"
    return len(joined) >= 6 and SequenceMatcher(None, joined, other).ratio() >= 0.9 and joined[:5] == other[:5]


def holds_name(text: str, name: str) -> bool:
    """Tell whether every significant word of a name occurs in a text."""
    words = set(_WORD.findall(_ELISION.sub("", fold(text))))
    return all(any(is_same_word(word, other) for other in words) for word in significant_words(name))


def candidates(archive: Archive, name: str, *, beside: Sequence[str] = ()) -> Iterator[str]:
    """Yield paths of articles that may be about a name, likeliest first, each once, at most `MAX_CANDIDATES`.

    Args:
        archive: Where to look.
        name: A person or a work.
        beside: Words that help to tell it from its namesakes, such as the painter of a work.

    Raises:
        ArchiveDamaged: the archive's index cannot be read.
    """
    seen: set[str] = set()
    for path in _proposed(archive, name, beside):
        if path not in seen:
            seen.add(path)
            yield path
        if len(seen) >= MAX_CANDIDATES:
            return


def _proposed(archive: Archive, name: str, beside: Sequence[str]) -> Iterator[str]:
    plain = _BRACKETED.sub("", name).strip()
    for title in dict.fromkeys((name.strip(), plain, plain.replace("'", "’"), plain.replace("’", "'"))):
        path = archive.by_title(title) if title else None
        if path is not None:
            yield path
    yield from archive.suggest(plain, limit=PER_QUERY)
    for query in queries(plain, beside=beside):
        yield from archive.search(query, limit=PER_QUERY)
    for word in sorted(significant_words(plain), key=len, reverse=True)[:2]:
        yield from archive.suggest(word[: max(4, len(word) - 3)], limit=PER_QUERY)  # "Titi…" finds Titian and Titien


def queries(name: str, *, beside: Sequence[str] = ()) -> list[str]:
    """Return what to ask a full-text index for, from strict to loose."""
    words = list(significant_words(name))
    helping = [word for text in beside for word in significant_words(text)[-1:]]
    asked = [" ".join(words + helping), " ".join(words)]
    asked += [_ligatures(query) for query in list(asked)]
    asked.append(" ".join(_WORD.findall(fold(name))))  # with the particles: "van" may be what the index knows
    elided = " ".join(part for part in name.lower().split() if _ELISION.match(part))
    asked.append(elided)  # an elision is one word in the index
    for dropped in range(len(words)) if len(words) > 1 else ():
        asked.append(" ".join(words[:dropped] + words[dropped + 1 :]))
    return [query for query in dict.fromkeys(asked) if query.strip()]


def _ligatures(query: str) -> str:
    return query.replace("oe", "œ")


def _covers(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    return all(any(is_same_word(word, other) for other in theirs) for word in ours)

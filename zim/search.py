"""Propose articles for a name, in stages from the surest to the loosest.

libzim's full-text search joins words by AND, keeps an elision such as "l'œuvre" as one word and never matches "œ" to
"oe". So a name is asked for in several ways, and what comes back is compared with the name elsewhere: the search
proposes, `zim.identity` decides. A part of the index that is damaged costs the answers of that question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zim.archive import Archive
from zim.errors import ArchiveDamaged
from zim.kinds import fold
from zim.names import BRACKETED, ELISION, WORD, holds_name, is_same_name, is_same_word, significant_words

__all__ = ["fold", "holds_name", "is_same_name", "is_same_word", "queries", "significant_words", "stages"]

PER_QUERY = 8
MAX_QUERIES = 12


def stages(archive: Archive, name: str, *, beside: Sequence[str] = ()) -> Iterator[list[str]]:
    """Yield paths of articles that may be about a name, stage by stage, likeliest first; a path comes once.

    What is called exactly so comes first, alone, because it costs no look into an index; then titles that begin so,
    namesakes among them; then what the full text knows; then what is left when words are dropped or cut.

    Args:
        archive: Where to look.
        name: A person or a work.
        beside: Words that help to tell it from its namesakes, such as the painter of a work.
    """
    seen: set[str] = set()
    ways = (
        _by_title(archive, name),
        _by_beginnings(archive, name, beside),
        _by_text(archive, name, beside),
        _loosely(archive, name),
    )
    for proposed in ways:
        fresh = list(dict.fromkeys(path for path in proposed if path not in seen))
        seen.update(fresh)
        yield fresh


def queries(name: str, *, beside: Sequence[str] = ()) -> list[str]:
    """Return what to ask a full-text index for, from strict to loose."""
    words = list(significant_words(name))
    helping = [word for text in beside for word in significant_words(text)[-1:]]
    asked = [" ".join(words + helping), " ".join(words)]
    asked += [_ligatures(query) for query in list(asked)]
    asked.append(" ".join(WORD.findall(fold(name))))  # with the particles: "van" may be what the index knows
    elided = " ".join(part for part in name.lower().split() if ELISION.match(part))
    asked.append(elided)  # an elision is one word in the index
    for dropped in range(len(words)) if len(words) > 1 else ():
        asked.append(" ".join(words[:dropped] + words[dropped + 1 :]))
    return [query for query in dict.fromkeys(asked) if query.strip()][:MAX_QUERIES]


def _by_title(archive: Archive, name: str) -> Iterator[str]:
    plain = BRACKETED.sub("", name).strip()
    straight = plain.replace("’", "'")
    spelled = (name.strip(), plain, straight, straight.replace("'", "’"), _ligatures(plain), _opened(plain))
    for title in dict.fromkeys(one for one in spelled if one):
        path = archive.by_title(title)
        if path is not None:
            yield path


def _by_beginnings(archive: Archive, name: str, beside: Sequence[str]) -> Iterator[str]:
    plain = BRACKETED.sub("", name).strip()
    for start in dict.fromkeys((*(f"{plain} {word}" for word in beside), plain)):
        yield from _answers(archive, start, suggest=True)


def _by_text(archive: Archive, name: str, beside: Sequence[str]) -> Iterator[str]:
    for query in queries(BRACKETED.sub("", name).strip(), beside=beside):
        yield from _answers(archive, query)


def _loosely(archive: Archive, name: str) -> Iterator[str]:
    for word in sorted(significant_words(name), key=len, reverse=True)[:2]:
        yield from _answers(archive, word[: max(4, len(word) - 3)], suggest=True)  # "Titi…": Titian and Titien


def _answers(archive: Archive, query: str, *, suggest: bool = False) -> list[str]:
    try:
        return archive.suggest(query, limit=PER_QUERY) if suggest else archive.search(query, limit=PER_QUERY)
    except ArchiveDamaged:
        return []


def _ligatures(text: str) -> str:
    return text.replace("oe", "œ").replace("Oe", "Œ")


def _opened(text: str) -> str:
    return text.replace("œ", "oe").replace("Œ", "Oe").replace("æ", "ae").replace("Æ", "Ae")

"""What offline encyclopaedias say about a painting: facts, each with its article and paragraph.

Finds the articles about the painter, the sitter and the work, makes sure that they are about those and not about a
namesake, and picks sentences that are worth telling and can be spoken. When in doubt there is no fact: a portrait that
tells another man's life is worse than one that only makes jokes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zim.archive import Archive, Library, Page
from zim.extract import extract
from zim.facts import Fact, facts_of
from zim.finding import Considered, Found, find_article
from zim.identity import About, Subject
from zim.kinds import YEAR, life_of
from zim.sentences import sentences

__all__ = ["About", "Considered", "Fact", "Found", "find_article", "investigate", "research", "sentences"]

DEFAULT_LIMIT = 10
_SHARES: dict[About, int] = {"work": 5, "sitter": 3, "artist": 2}  # of ten facts
_PAINTER = {"fr": ("peintre",), "en": ("painter",)}


def research(
    library: Library,
    language: str,
    *,
    artist: str | None,
    sitter: str | None,
    title: str | None,
    year: int | None,
    limit: int = DEFAULT_LIMIT,
) -> tuple[Fact, ...]:
    """Return facts about a painting, at most `limit`; none when there is no archive in this language. Blocks.

    Args:
        library: The archives.
        language: Of the facts.
        artist: The painter's name, in any language's spelling.
        sitter: Name of the person who is portrayed.
        title: Of the work.
        year: In which it was painted; articles about people who were not born yet are not believed.
        limit: Most facts.

    Raises:
        ArchiveMissing, ArchiveDamaged, NoFulltextIndex, WrongLanguage: no archive of this language can be used at all.
    """
    chosen: dict[About, Found] = {}
    for found in investigate(library, language, artist=artist, sitter=sitter, title=title, year=year):
        if found.page is not None and found.subject.about not in chosen:
            chosen[found.subject.about] = found
    facts: dict[About, list[Fact]] = {}
    told: set[tuple[str, str]] = set()
    for about in _SHARES:
        found_one = chosen.get(about)
        if found_one is None or found_one.page is None or (found_one.archive, found_one.page.path) in told:
            continue
        page = found_one.page
        told.add((found_one.archive, page.path))
        facts[about] = facts_of(extract(page.html), found_one.subject, article=page.title, archive=found_one.archive)
    return _shared_out(facts, limit)


def investigate(
    library: Library, language: str, *, artist: str | None, sitter: str | None, title: str | None, year: int | None
) -> list[Found]:
    """Return what each archive of a language has about painter, sitter and work, with reasons.

    An archive is asked about a subject only as long as none before it knew it. Where no year is given, the article
    about the work is looked for first, because it tells one; else the painter's life does. Raises as `research` does.
    """
    if language not in library.languages:
        return []
    archives = library.archives(language)
    names: dict[About, str | None] = {"artist": artist, "sitter": sitter, "work": title}
    order: tuple[About, ...] = ("work", "artist", "sitter") if year is None else ("artist", "sitter", "work")
    years = None if year is None else (year, year)
    results: list[Found] = []
    for about in order:
        name = (names[about] or "").strip()
        if not name:
            continue
        found = _in_any(archives, Subject(about, name, artist=artist, title=title, years=years), language)
        results += found
        if years is None and found[-1].page is not None:
            years = _years_told_by(found[-1].page, about)
    return results


def _in_any(archives: Sequence[Archive], subject: Subject, language: str) -> list[Found]:
    found: list[Found] = []
    for archive in archives:
        found.append(
            find_article(archive, subject, beside=_PAINTER.get(language, ()) if subject.about == "artist" else ())
        )
        if found[-1].page is not None:
            break
    return found


def _years_told_by(page: Page, about: About) -> tuple[int, int] | None:
    """Return when a painting without a year was made: by the article about it, or by its painter's life."""
    lead = " ".join(one.text for one in extract(page.html, only_lead=True).paragraphs[:3])
    if about == "work":
        year = YEAR.search(lead)
        return (int(year.group()), int(year.group())) if year else None
    life = life_of(lead) if about == "artist" else None
    return (life.born + 8, life.died) if life is not None else None


def _shared_out(found: Mapping[About, Sequence[Fact]], limit: int) -> tuple[Fact, ...]:
    """Give each subject its share of the limit; what one leaves goes to the others, the work first."""
    total = sum(_SHARES.values())
    chosen: list[Fact] = []
    rest: list[Fact] = []
    for about, share in _SHARES.items():
        facts = found.get(about, [])
        count = max(1, limit * share // total)
        chosen += facts[:count]
        rest += facts[count:]
    return tuple((chosen + rest)[:limit])

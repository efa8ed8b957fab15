"""What offline encyclopaedias say about a painting: facts, each with its article and paragraph.

Finds the articles about the painter, the sitter and the work, makes sure that they are about those and not about a
namesake, and picks sentences that are worth telling and can be spoken. When in doubt there is no fact: a portrait that
tells another man's life is worse than one that only makes jokes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from zim.archive import Archive, Library, Page
from zim.errors import ArchiveDamaged
from zim.extract import Paragraph, Text, extract
from zim.search import candidates, fold, holds_name, is_same_name, is_same_word, significant_words

About = Literal["artist", "sitter", "work"]

DEFAULT_LIMIT = 10
MAX_READ = 12  # articles looked into for one subject
_SHARES: dict[About, int] = {"work": 5, "sitter": 3, "artist": 2}  # of ten facts
_SENTENCE_CHARS = (40, 260)

_YEAR = re.compile(r"\b(1[0-9]{3}|20[0-9]{2})\b")
_PAINTER = re.compile(
    r"\b(painters?|paintress|artists?|sculptors?|draughts\w+|draftsm\w+|engravers?|printmakers?|illustrators?|"
    r"portraitists?|peintres?|artistes?|sculpt\w+|dessinat\w+|grav\w+|illustrat\w+|portraitiste|miniaturist\w*|"
    r"pastellist\w*|ukiyo\w*)\b"
)
_LIST_OF_NAMESAKES = re.compile(
    r"may (also )?refer to|can refer to|disambiguation|homonym|peut (aussi )?(designer|faire reference)|"
    r"page d'homonymie|est un nom de famille|is a surname",
)
_SENTENCE_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"»”’)])|(?<=[.!?…] »))\s+(?=[A-ZÀ-ÖØ-Þ«\"“])")
_ABBREVIATED = re.compile(
    r"(?:\b(?:[A-Z]|M|MM|Mme|Mlle|Dr|Mr|Mrs|Ms|St|Ste|c|ca|v|vol|no|p|pp|fl|b|d|etc|cf|av|apr|J|Jr|Sr|env|éd|ed))\.$"
)
_NOT_SPEAKABLE = re.compile(r"[\[\]{}<>|*_=#@\\^~]|https?:|www\.|\bISBN\b|:$|\bcm\b|\bpx\b|×")
_DANGLING = re.compile(
    r"(however|but|moreover|furthermore|thus|therefore|also|instead|meanwhile|cependant|mais|toutefois|neanmoins|"
    r"ainsi|en effet|de plus|par ailleurs|en outre|or|donc|car|ceux-ci|celle-ci|celui-ci|ci-dessus|this|these|such|"
    r"ce dernier|cette derniere|see|voir)\b"
)
_TELLING = re.compile(
    r"\b(stol\w+|theft|vol|vole|secret\w*|smil\w+|sourire|scandal\w*|love\w*|amour\w*|aimait|wife|epous\w+|husband|mari|"
    r"marri\w+|mistress|maitresse|legend\w*|myster\w*|mystere\w*|famous|celebre|king|roi|queen|reine|never|jamais|"
    r"hidden|cache\w*|letter\w*|lettre\w*|debt\w*|dettes?|cat|chat|dog|chien|laugh\w*|rire|nickname\w*|surnom\w*|"
    r"refus\w+|burn\w*|brul\w+|lost|perdu\w*|found|retrouv\w+|music\w*|musi\w+|dance\w*|dans\w+|sold|vend\w+|gave|offr\w+)\b"
)


@dataclass(frozen=True)
class Fact:
    """One sentence of an article."""

    text: str  # as it stands there, on one line
    article: str  # title
    archive: str  # file name
    paragraph: int  # 0-based, among the article's kept paragraphs
    about: About


@dataclass(frozen=True)
class _Subject:
    """Somebody or something to find out about."""

    about: About
    name: str
    artist: str | None
    year: int | None


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
        ArchiveMissing, ArchiveDamaged, NoFulltextIndex: the archive cannot be used at all.
    """
    if language not in library.languages:
        return ()
    archive = library.archive(language)
    found: dict[About, list[Fact]] = {}
    seen: set[str] = set()
    for subject in _subjects(artist=artist, sitter=sitter, title=title, year=year):
        page = find_article(archive, subject)
        if page is not None and page.path not in seen:
            seen.add(page.path)
            found[subject.about] = _facts_of(archive, page, subject)
    return _shared_out(found, limit)


def find_article(archive: Archive, subject: _Subject) -> Page | None:
    """Return the article about a subject, or None when none is surely about it."""
    beside = (subject.artist,) if subject.about == "work" and subject.artist else ()
    queue = _in_order(archive, subject, candidates(archive, subject.name, beside=beside))
    read: set[str] = set()
    while queue and len(read) < MAX_READ:
        path = queue.pop(0)
        if path in read:
            continue
        read.add(path)
        try:
            page = archive.read(path)
        except ArchiveDamaged:
            continue  # that article is lost; another one may do
        if page is None:
            continue
        text = extract(page.html)
        if _lists_namesakes(page, text):
            queue[:0] = [target for link in text.links if (target := _linked(archive, link, subject.name))]
        elif _is_about(page, text, subject, known_as=archive.title_of(path) or page.title):
            return page
    return None


def _in_order(archive: Archive, subject: _Subject, paths: Iterable[str]) -> list[str]:
    """Put first what is called like the subject; a person's article is always called like the person."""
    titled = [(path, archive.title_of(path) or "") for path in paths]
    likely = [
        path for path, title in titled if is_same_name(subject.name, title) or _is_part_of_name(title, subject.name)
    ]
    others = [path for path, _ in titled if path not in likely] if subject.about == "work" else []
    return likely + others


def _subjects(*, artist: str | None, sitter: str | None, title: str | None, year: int | None) -> Iterator[_Subject]:
    if title and title.strip():
        yield _Subject("work", title, artist=artist, year=year)
    if sitter and sitter.strip():
        yield _Subject("sitter", sitter, artist=artist, year=year)
    if artist and artist.strip():
        yield _Subject("artist", artist, artist=artist, year=year)


def _is_about(page: Page, text: Text, subject: _Subject, *, known_as: str) -> bool:
    """Tell whether an article is surely about the subject: by its title, its lead and its dates."""
    lead = " ".join(one.text for one in text.paragraphs[:3])
    if not lead:
        return False
    named = is_same_name(subject.name, page.title) or is_same_name(subject.name, known_as)
    if subject.about == "work":
        return _is_about_work(lead, subject, named=named)
    if not named and not (_is_part_of_name(page.title, subject.name) and holds_name(lead, subject.name)):
        return False
    if subject.about == "artist" and not _PAINTER.search(fold(lead)):
        return False
    return _could_have_met(lead, subject)


def _is_about_work(lead: str, subject: _Subject, *, named: bool) -> bool:
    by_artist = subject.artist is not None and holds_name(lead, significant_words(subject.artist)[-1])
    if subject.artist is not None and not by_artist:
        return False
    if named:
        return by_artist or (subject.year is not None and str(subject.year) in lead)
    first = lead[:300]
    return by_artist and len(significant_words(subject.name)) >= 2 and holds_name(first, subject.name)


def _is_part_of_name(title: str, name: str) -> bool:
    """Tell whether a title is a shorter form of the name: "Rembrandt" for "Rembrandt van Rijn"."""
    ours, theirs = significant_words(name), significant_words(title)
    shorter = bool(theirs) and len(theirs) < len(ours)
    return shorter and all(any(is_same_word(one, other) for other in ours) for one in theirs)


def _could_have_met(lead: str, subject: _Subject) -> bool:
    """Compare the dates in an article's first lines with the painting's year; no dates, no objection."""
    years = [int(found) for found in _YEAR.findall(lead[:400])]
    if subject.year is None or not years:
        return True
    born = years[0]
    if subject.about == "sitter":
        return born <= subject.year
    died = next((one for one in years[1:] if 15 <= one - born <= 105), born + 100)
    return born + 8 <= subject.year <= died + 2  # some were finished by others, and dates are rounded


def _lists_namesakes(page: Page, text: Text) -> bool:
    start = fold(page.title + " " + " ".join(one.text for one in text.paragraphs[:2])[:400])
    return bool(_LIST_OF_NAMESAKES.search(start))


def _linked(archive: Archive, link: str, name: str) -> str | None:
    """Return the path of a linked article whose title may be the name."""
    path = unquote(link.split("#")[0]).removeprefix("./").removeprefix("../A/").removeprefix("../")
    title = archive.title_of(path) if path else None
    if title is None:
        return None
    return path if is_same_name(name, title) or _is_part_of_name(title, name) else None


def _facts_of(archive: Archive, page: Page, subject: _Subject) -> list[Fact]:
    """Return the article's sentences that are worth telling, best first."""
    ranked: list[tuple[float, int, Fact]] = []
    for paragraph in extract(page.html).paragraphs:
        for place, sentence in enumerate(sentences(paragraph.text)):
            if not _is_speakable(sentence):
                continue
            score = _worth(sentence, paragraph, place, subject)
            fact = Fact(sentence, page.title, archive=archive.name, paragraph=paragraph.index, about=subject.about)
            ranked.append((-score, len(ranked), fact))
    ranked.sort(key=lambda one: one[:2])
    return [fact for _, _, fact in ranked]


def sentences(text: str) -> list[str]:
    """Split a paragraph into sentences; abbreviations and initials do not end one."""
    parts: list[str] = []
    for piece in _SENTENCE_END.split(text):
        if parts and _ABBREVIATED.search(parts[-1]):
            parts[-1] += " " + piece
        elif piece.strip():
            parts.append(piece.strip())
    return parts


def _is_speakable(sentence: str) -> bool:
    shortest, longest = _SENTENCE_CHARS
    if not shortest <= len(sentence) <= longest or sentence[-1] not in ".!?":
        return False
    pairs = (("(", ")"), ("«", "»"), ("“", "”"))
    if any(sentence.count(left) != sentence.count(right) for left, right in pairs) or sentence.count('"') % 2:
        return False
    return not _NOT_SPEAKABLE.search(sentence) and not _DANGLING.match(fold(sentence)) and sentence[0].isupper()


def _worth(sentence: str, paragraph: Paragraph, place: int, subject: _Subject) -> float:
    """Score a sentence: names its subject, tells something, is short, stands early."""
    plain = fold(sentence)
    words = significant_words(subject.name)
    score = 2.0 if any(word in plain for word in words) else 0.0
    score += 1.5 * min(2, len(_TELLING.findall(plain)))
    score += 0.5 if _YEAR.search(sentence) else 0.0
    if subject.about == "artist" and subject.year is not None and str(subject.year) in sentence:
        score += 1.0
    score += 1.0 if len(sentence) <= 150 else 0.0
    score -= 0.15 * paragraph.index + 0.1 * place
    return score - (0.5 * sentence.count("(") + 0.3 * sentence.count(","))


def _shared_out(found: dict[About, list[Fact]], limit: int) -> tuple[Fact, ...]:
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

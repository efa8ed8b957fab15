"""A made-up encyclopaedia of 50,000 articles with planted namesakes, and the questions whose answers are known.

Everything is drawn from one seed. For each question there is a right article, or none at all, and around it stand those
of the same name that are wrong: a footballer, a ship, a film, a painter of another century, a page that lists them. The
archive is made once into a folder under the system's temp directory; its name says what it was made from.
"""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from zim.writer import Article, write_archive

ARTICLES = 50_000
SEED = 1503
GROUPS = 120
VERSION = 4  # of what is written; another one makes the archive again


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_GIVEN = _words(
    "Agnes Albert Alice Anton Arthur Bertha Carl Cecilia Clara Cornelis David Diana Edgar Elena Emil Emma Ernest "
    "Flora Frans George Gerda Gustav Hannah Harold Helena Hugo Ida Isaac Jacob Johanna Judith Karel Laura Leon "
    "Lucas Magnus Margaret Mathilda Maurice Nora Oscar Paula Philip Rosa Rudolf Samuel Sophia Theodor Ursula "
    "Victor Walter Wanda"
)
_FIRST = _words("Al Bar Cor Dun El Fal Gren Hol Ivar Jon Kel Lan Mar Nor Os Pel Quin Ros Sel Tor Ul Ver Wal Yor Zel")
_MIDDLE = _words("da de do la le lo ma me mo na ne no ra re ro sa se so ta te to va ve vo")
_LAST = _words("berg by court dal feld gate ham hurst kamp ling man mont ner quist roth sen stad ström thwaite vig")
_THINGS = _words(
    "Lady Girl Boy Woman Man Baker Weaver Nun Soldier Singer Queen Fisherman Reader Dancer Sleeper Musician"
)
_WITH = _words("Green Red Shadow Winter Spring Candle Parrot Letter Mirror Ermine Pearls Lute Fan Garden Rain Gloves")
_WORDS = _words(
    "the of and in to a was for on with as by at from his her it an were which this that had be one also first "
    "two after time new years who city work life school part state world house family church river music century "
    "small large long early late became known made used called found several other many most some often later "
    "during between against under over through while where when both each public local national group number line "
    "place year day area member team season game company road building war army king land water light colour "
    "paint canvas"
)


@dataclass(frozen=True)
class Question:
    """A painting, and the title of the article that is right for one of its subjects; None: there is none."""

    about: str
    artist: str
    title: str
    sitter: str | None
    year: int | None
    right: str | None


@dataclass(frozen=True)
class World:
    """The archive and what can be asked of it."""

    path: Path
    questions: tuple[Question, ...]


def world(articles: int = ARTICLES, *, folder: Path | None = None) -> World:
    """Return the archive, made now if it is not there yet: a minute or two for 50,000 articles."""
    made = hashlib.sha256(f"{VERSION}/{SEED}/{articles}".encode()).hexdigest()[:12]
    base = folder or Path(tempfile.gettempdir()) / f"nightreel-bench-zim-{os.getuid()}"
    path = base / f"world-{articles}-{made}.zim"
    if not path.is_file():
        first = _article("Main Page", "This is the main page of an encyclopaedia that was made up.", None)
        write_archive(path, "en", chain((first,), _pages(), _filler(articles)), title="Namesakes")
    return World(path, tuple(one for one in _planted() if isinstance(one, Question)))


def _pages() -> Iterator[Article]:
    return (one for one in _planted() if isinstance(one, Article))


@cache
def _planted() -> tuple[Article | Question, ...]:
    rng = random.Random(SEED)
    names = _names(rng)
    return tuple(one for number in range(GROUPS) for one in _group(rng, names, number))


def _group(rng: random.Random, names: Iterator[str], number: int) -> Iterator[Article | Question]:
    """Yield a painter, a sitter and a work among those of the same names; of every sixth group there is nothing right.

    In every second group the plain titles belong to others, so that the right articles have brackets.
    """
    artist, sitter, other = next(names), next(names), next(names)
    title = f"The {rng.choice(_THINGS)} with the {rng.choice(_WITH)} {_roman(number)}"
    born = rng.randrange(1480, 1850)
    year = born + rng.randrange(22, 60)
    absent, bracketed = number % 6 == 5, number % 2 == 1
    right = {"artist": artist, "work": title, "sitter": sitter}
    if bracketed:
        right = {
            "artist": f"{artist} (painter)",
            "work": f"{title} ({_last(artist)})",
            "sitter": f"{sitter} (merchant)",
        }
    leads = {
        "artist": f"{artist} ({born} – {born + 64}) was a Dutch painter of portraits. He lived in {_last(other)}.",
        "work": f"{title} is an oil painting on panel by {artist}, dated {year}. It hangs in {_last(other)}.",
        "sitter": f"{sitter} ({year - 31} – {year + 20}) was a merchant of cloth, who was painted by {artist}.",
    }
    asked = artist.replace("ö", "o") if number % 5 else artist  # catalogues write names without their accents
    known = None if number % 7 == 3 and not absent else year  # and leave years out
    for about, found in right.items():
        yield Question(about, asked, title, sitter, known, right=None if absent else found)
        if not absent:
            yield _article(found, leads[about], rng)
    for page in _namesakes(rng, artist, sitter, title, year=year, other=other):
        if absent or bracketed or "(" in page.title:
            yield page
    if bracketed and not absent and number % 4 == 3:
        listed = f"<p><b>{artist}</b> may refer to:</p><ul><li>{_link(f'{artist} (ship)')}, a ship</li>"
        listed += f"<li>{_link(right['artist'])}, a painter</li></ul>"
        yield Article(_path(f"{artist} list"), f"{artist} (disambiguation)", f"<html><body>{listed}</body></html>")


def _link(title: str) -> str:
    return f'<a href="./{_path(title)}">{title}</a>'


def _namesakes(rng: random.Random, artist: str, sitter: str, title: str, *, year: int, other: str) -> Iterator[Article]:
    leads = {
        artist: f"{artist} (born 12 May 1984) is a footballer who plays for {other} United.",
        f"{artist} (ship)": f"{artist} was a frigate, launched in {year - 3} and named after the painter {artist}.",
        f"{artist} (engraver)": f"{artist} ({year - 260} – {year - 200}) was a Flemish painter and engraver.",
        f"{artist} (film)": f"{artist} is a 1998 film about the painter {artist}, directed by {other}.",
        sitter: f"{sitter} (born 3 March 1991) is an actress and singer.",
        f"{sitter} (ship)": f"{sitter} was a steamer built in {year + 4} on the river.",
        f"{sitter} (soldier)": f"{sitter} ({year - 240} – {year - 190}) was a soldier of the long war.",
        title: f"{title} is a 2003 drama film directed by {other}, about the painter {artist} and a painting.",
        f"{title} (novel)": f"{title} is a novel by {other}, inspired by a portrait by {artist} of {year}.",
        f"{title} ({_last(other)})": f"{title} is an oil painting by {other}, dated {year}.",
    }
    yield from (_article(named, lead, rng) for named, lead in leads.items())


def _filler(articles: int) -> Iterator[Article]:
    """Yield the rest: people and places with names like those that are asked for."""
    rng = random.Random(SEED + 1)
    taken = {page.title for page in _pages()} | {"Main Page"}
    left = articles - len(taken)
    for name in _names(rng):
        if left <= 0:
            return
        if name in taken:
            continue
        taken.add(name)
        left -= 1
        born = rng.randrange(1400, 1990)
        what = rng.choice(
            ("a painter", "a politician", "a footballer", "a botanist", "a village", "a film", "a composer")
        )
        lead = (
            f"{name} ({born} – {born + rng.randrange(30, 80)}) was {what} of {rng.choice(_FIRST)}{rng.choice(_LAST)}."
        )
        yield _article(name, lead, rng)


def _article(title: str, lead: str, rng: random.Random | None) -> Article:
    """Return a page as an encyclopaedia's are: box, note marks, sections, references, navigation."""
    parts = [f'<section data-mw-section-id="0"><table class="infobox"><tr><th>Name</th><td>{title}</td></tr></table>']
    parts.append(
        f'<p><b>{title}</b></p><p>{lead}<sup class="mw-ref reference"><a href="#n1">[1]</a></sup></p></section>'
    )
    for heading in ("Life", "Work", "Reception") if rng is not None else ():
        parts.append(f'<section><div class="mw-heading mw-heading2"><h2>{heading}</h2></div>')
        assert rng is not None
        parts += [f"<p>{_prose(rng)}</p>" for _ in range(2)]
        parts.append("</section>")
    parts.append('<h2>References</h2><ol class="references"><li>Some book, 1901.</li></ol><div class="navbox">x</div>')
    return Article(_path(title), title, f"<!DOCTYPE html><html><body>{''.join(parts)}</body></html>")


def _prose(rng: random.Random) -> str:
    return " ".join(f"{' '.join(rng.choices(_WORDS, k=11)).capitalize()}." for _ in range(3))


def _names(rng: random.Random) -> Iterator[str]:
    """Yield names that differ from each other, in no order."""
    families = [first + middle + last for first in _FIRST for middle in _MIDDLE for last in _LAST]
    rng.shuffle(families)
    while True:
        for family in families:
            yield f"{rng.choice(_GIVEN)} {family}"


def _last(name: str) -> str:
    return name.split()[-1]


def _path(title: str) -> str:
    return title.replace(" ", "_")


def _roman(number: int) -> str:
    tens, ones = divmod(number + 1, 10)
    return "X" * tens + ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")[ones]

"""Reads what an owner hands in as a catalogue: a CSV or JSONL file row by row, or a folder of pictures.

Separate from `catalogue.py` because it is about text only: which columns there are, what a year may look like, which
rows are broken and why. It looks at no picture. A broken row never hides the rows after it.
"""

from __future__ import annotations

import csv
import json
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.errors import CatalogueError, NotFoundError

# Those that Pillow reads.
PICTURE_SUFFIXES = frozenset(
    {
        *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".png", ".ppm", ".tga", ".tif", ".tiff"),
        ".webp",
    }
)
MAX_LIST_BYTES = 256 * 1024 * 1024
MAX_RECORD_LINES = 50  # a quote that stays open for longer was never closed
YEARS = range(-3000, 2101)

# Column of the catalogue -> what people call it, compared without case, accents and punctuation.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "path": ("path", "file", "filename", "filepath", "image", "imagepath", "imagefile", "picture", "fichier", "chemin"),
    "title": ("title", "name", "painting", "work", "artwork", "titre", "oeuvre"),
    "artist": ("artist", "painter", "author", "creator", "artistname", "artiste", "peintre", "auteur"),
    "year": ("year", "date", "created", "creationdate", "datecreated", "annee"),
    "sitter": ("sitter", "subject", "person", "portrayed", "depicts", "model", "modele", "sujet"),
    "licence": ("licence", "license", "rights", "copyright", "droits"),
    "source": ("source", "url", "link", "credit", "collection", "museum", "provenance"),
    "tags": ("tags", "tag", "keywords", "genre", "style", "motscles"),
}
_COLUMN_OF = {synonym: column for column, synonyms in SYNONYMS.items() for synonym in synonyms}
_YEAR = re.compile(
    r"(?:c|ca|circa|about|around|before|after|vers|env|environ|um)?\.?\s*~?\s*"  # c. 1503
    r"(?P<year>[-−]?\d{1,4})(?:\.0+)?"  # a spreadsheet's 1503.0
    r"(?:\s*(?:[-–—/]|to|or|and|et|ou)\s*\d{1,4}){0,2}"  # 1503–1506, 1503/04, 1503-05-21
    r"\s*(?:\(?\?\)?)?",  # 1503?
    re.IGNORECASE,
)


@dataclass(frozen=True)
class BadRow:
    """A row, or a file of a folder, that was skipped."""

    line: int  # 1-based line of the list on which the row begins; 0: it comes from a folder
    reason: str  # for people; names the file where there is one


@dataclass(frozen=True)
class Entry:
    """A row that can be read. Whether its file is a picture is not known yet."""

    line: int  # as in `BadRow`
    path: Path  # absolute
    title: str
    artist: str | None = None
    year: int | None = None
    sitter: str | None = None
    licence: str | None = None
    source: str | None = None
    tags: tuple[str, ...] = ()


@dataclass
class Listing:
    """What was found in a source."""

    entries: list[Entry] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # for people: how the source was read


class _BadRowError(ValueError):
    """The row cannot be used; the message is the reason."""


def read_source(source: Path) -> Listing:
    """Read a CSV or JSONL file, a folder, or a single picture.

    Raises:
        NotFoundError: it is not there.
        CatalogueError: it cannot be read, or is none of these.
    """
    source = source.expanduser().absolute()
    try:
        if source.is_dir():
            return _read_folder(source)
        if source.suffix.lower() in PICTURE_SUFFIXES and source.exists():
            return Listing(entries=[Entry(0, source, title_of(source))])
        return _read_list(source)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no {printable(str(source))}") from error
    except OSError as error:
        raise CatalogueError(f"{printable(str(source))} cannot be read: {error.strerror or error}") from error


def title_of(path: Path) -> str:
    """Return a title for a picture that has none: its file's name, with spaces for underscores."""
    return " ".join(path.stem.replace("_", " ").split()) or path.name


def _read_list(source: Path) -> Listing:
    if source.stat().st_size > MAX_LIST_BYTES:
        raise CatalogueError(f"{source} is larger than {MAX_LIST_BYTES // 1024**2} MB: it is no list of paintings")
    listing = Listing()
    text = _decode(source.read_bytes(), listing)
    # Not `splitlines`, which also splits at characters that a title may hold.
    lines = [f"{line}\n" for line in (text if "\n" in text else text.replace("\r", "\n")).split("\n")]
    suffix = source.suffix.lower()
    if suffix in (".jsonl", ".ndjson", ".json"):
        rows = _json_rows(lines, listing)
    elif suffix in (".csv", ".tsv", ".txt"):
        rows = _csv_rows(lines, listing, source)
    else:
        raise CatalogueError(f"{source} is no list of paintings: give a folder, a .csv or a .jsonl file")
    for line, row in rows:
        try:
            listing.entries.append(_entry(row, line=line, folder=source.parent))
        except _BadRowError as error:
            listing.bad.append(BadRow(line, str(error)))
    return listing


def _decode(content: bytes, listing: Listing) -> str:
    """Return the text; bytes that are not UTF-8 become lone surrogates, which makes their rows bad ones."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    text = content.decode("utf-8-sig", "surrogateescape")
    broken = sum(1 for line in text.split("\n") if _has_surrogate(line))
    if not broken:
        return text
    # A few damaged rows in a UTF-8 list are bad rows; a list with no more accents in UTF-8 than without is an old one.
    sound = sum(1 for line in text.split("\n") if not line.isascii() and not _has_surrogate(line))
    if sound > broken:
        return text
    listing.notes.append("the list is not UTF-8: it was read as Latin-1; check the accents of what was added")
    return content.decode("latin-1")


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


# CSV


def _csv_rows(lines: Sequence[str], listing: Listing, source: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give each row that has all columns, with the line that it begins on; note the others as bad."""
    start = next((number for number, line in enumerate(lines) if line.strip()), None)
    if start is None:
        return
    delimiter, columns = _header(lines[start], source)
    start += 1
    while start < len(lines):
        reader = csv.reader(lines[start : start + MAX_RECORD_LINES], delimiter=delimiter, strict=True)
        fields, problem = _record(reader, len(columns))
        if problem is not None:
            listing.bad.append(BadRow(start + 1, problem))
            # One that reached over several lines is given up after its first: the others may be sound.
            start += 1
            continue
        if fields:
            yield start + 1, {column: value for column, value in zip(columns, fields, strict=False) if column}
        start += max(1, reader.line_num)


def _record(reader: Any, columns: int) -> tuple[list[str], str | None]:
    """Return the fields of the next record (none for an empty line), or what is wrong with it."""
    try:
        fields: list[str] = next(reader, [])
    except csv.Error as error:
        if reader.line_num >= MAX_RECORD_LINES or "unexpected end" in str(error):
            return [], "a quote is opened and never closed"
        return [], f"broken CSV: {error}"
    while len(fields) > columns and not fields[-1].strip():
        fields.pop()
    if not any(value.strip() for value in fields):
        return [], None
    if len(fields) != columns:
        return [], f"{len(fields)} columns, the header has {columns}"
    return fields, None


def _header(line: str, source: Path) -> tuple[str, list[str | None]]:
    """Return the delimiter and, for each column of the list, the catalogue's column or None.

    Raises:
        CatalogueError: no column says where the pictures are.
    """
    readings = []
    for delimiter in ",;\t|":
        try:
            names = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
        except csv.Error:
            continue
        columns = _columns(names)
        readings.append((len(columns) - columns.count(None), len(columns), delimiter, columns))
    if not readings:
        raise CatalogueError(f"the first line of {source} is no CSV header: {line[:200]!r}")
    _, _, delimiter, best = max(readings, key=lambda reading: reading[:2])
    if "path" not in best:
        raise CatalogueError(
            f"the first line of {source} names no column for the pictures: found {line.strip()[:200]!r}, "
            f"expected one of {', '.join(SYNONYMS['path'])}"
        )
    return delimiter, best


def _columns(names: Sequence[str]) -> list[str | None]:
    """Return the catalogue's column for each name. Where two mean the same, the more usual name gets it."""
    plain = [_plain(name) for name in names]
    taken: dict[str, int] = {}
    for index, name in enumerate(plain):
        column = _COLUMN_OF.get(name)
        if column is not None:
            known = taken.get(column)
            rank = SYNONYMS[column].index
            if known is None or rank(name) < rank(plain[known]):
                taken[column] = index
    at = {index: column for column, index in taken.items()}
    return [at.get(index) for index in range(len(names))]


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.lower().replace("œ", "oe"))
    return "".join(character for character in decomposed if character.isalnum())


# JSONL


def _json_rows(lines: Sequence[str], listing: Listing) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give each line that is a JSON object, by the catalogue's columns; note the others as bad."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            listing.bad.append(BadRow(number, f"broken JSON: {error}"))
            continue
        if not isinstance(found, dict):
            listing.bad.append(BadRow(number, f"{_kind(found)}, expected one JSON object a line"))
            continue
        columns = _columns(list(found))
        yield number, {column: value for column, value in zip(columns, found.values(), strict=True) if column}


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


# Rows


def _entry(row: Mapping[str, Any], *, line: int, folder: Path) -> Entry:
    """Turn the values of a row into an entry, or raise `_BadRowError`."""
    given = _text(row, "path", longest=4096)
    if given is None:
        raise _BadRowError("no path")
    if re.match(r"[a-z][a-z0-9+.-]+://", given, re.IGNORECASE):
        raise _BadRowError(f"{given!r} is an address: only files on this machine can be added")
    # Relative to the list, which people move together with its pictures.
    path = folder / Path(given).expanduser() if given.startswith("~/") else folder / given
    return Entry(
        line=line,
        path=Path(os.path.normpath(path)),
        title=_text(row, "title") or title_of(path),
        artist=_text(row, "artist"),
        year=_year(row.get("year")),
        sitter=_text(row, "sitter"),
        licence=_text(row, "licence"),
        source=_text(row, "source"),
        tags=_tags(row.get("tags")),
    )


def _text(row: Mapping[str, Any], column: str, *, longest: int = 1000) -> str | None:
    value = row.get(column)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _BadRowError(f"{column} is {_kind(value)}, expected a text")
    text = value.strip()
    if len(text) > longest:
        raise _BadRowError(f"{column} has {len(text)} characters, at most {longest} are stored")
    if _has_surrogate(text):
        raise _BadRowError(f"{column} has bytes that are not UTF-8")
    if "\x00" in text:
        raise _BadRowError(f"{column} has a NUL character")
    return text or None


def _year(value: object) -> int | None:
    """Return the first year that is named, such as 1503 for `c. 1503–1506`."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        matched = _YEAR.fullmatch(value.strip())
        if matched is None:
            raise _BadRowError(f"year {value.strip()[:40]!r} is no year")
        value = int(matched["year"].replace("−", "-"))
    if isinstance(value, bool) or not isinstance(value, int):
        raise _BadRowError(f"year is {_kind(value)}, expected a whole number")
    if value not in YEARS:
        raise _BadRowError(f"year {value} is outside {YEARS.start}..{YEARS.stop - 1}")
    return value


def _tags(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = re.split(r"[;,|]", value)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _BadRowError(f"tags is {_kind(value)}, expected a text or a list of texts")
    texts = (_text({"a tag": tag}, "a tag") for tag in value)
    return tuple(dict.fromkeys(text for text in texts if text))


# Folders


def _read_folder(folder: Path) -> Listing:
    """Find all pictures below a folder, links followed, each folder once."""
    listing = Listing()
    seen: set[tuple[int, int]] = set()

    def unreadable(error: OSError) -> None:
        listing.bad.append(BadRow(0, f"{printable(str(error.filename))}: {error.strerror}"))

    for here, folders, files in os.walk(folder, followlinks=True, onerror=unreadable):
        found = os.stat(here)
        if (found.st_dev, found.st_ino) in seen:
            folders.clear()  # a link back to where we have been
            continue
        seen.add((found.st_dev, found.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(here, name)
            if name.startswith(".") or path.suffix.lower() not in PICTURE_SUFFIXES:
                continue
            if _has_surrogate(str(path)):
                listing.bad.append(BadRow(0, f"{printable(str(path))}: its name is not UTF-8; rename it"))
            else:
                listing.entries.append(Entry(0, path, title_of(path)))
    return listing


def printable(name: str) -> str:
    """Return a file name that can be printed and stored, whatever bytes it has."""
    return name.encode("utf-8", "backslashreplace").decode()

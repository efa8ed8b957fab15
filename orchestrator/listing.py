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
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.errors import CatalogueError

PICTURE_SUFFIXES = frozenset(
    ".avif .bmp .gif .jfif .jp2 .jpe .jpeg .jpg .png .ppm .tga .tif .tiff .webp".split()  # that Pillow reads
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
        CatalogueError: it is not there, cannot be read, or is none of these.
    """
    source = source.expanduser().absolute()
    try:
        if source.is_dir():
            return _read_folder(source)
        if source.suffix.lower() in PICTURE_SUFFIXES and source.exists():
            return Listing(entries=[Entry(0, source, title_of(source))])
        return _read_list(source)
    except OSError as error:
        raise CatalogueError(f"{source} cannot be read: {error.strerror or error}") from error


def title_of(path: Path) -> str:
    """Return a title for a picture that has none: its file's name, with spaces for underscores."""
    return " ".join(path.stem.replace("_", " ").split()) or path.name


def _read_list(source: Path) -> Listing:
    if source.stat().st_size > MAX_LIST_BYTES:
        raise CatalogueError(f"{source} is larger than {MAX_LIST_BYTES // 1024**2} MB: it is no list of paintings")
    listing = Listing()
    text = _decode(source.read_bytes(), listing)
    lines = text.splitlines(keepends=True) if "\n" not in text else text.replace("\r\n", "\n").split("\n")
    suffix = source.suffix.lower()
    if suffix in (".jsonl", ".ndjson") or (suffix not in (".csv", ".tsv") and text.lstrip().startswith("{")):
        rows = _json_rows(lines, listing)
    elif suffix in (".csv", ".tsv", ".txt"):
        rows = _csv_rows(lines, listing, source)
    else:
        raise CatalogueError(f"{source} is neither a folder nor a list: give a folder, a .csv or a .jsonl file")
    for line, row in rows:
        try:
            listing.entries.append(_entry(row, line=line, folder=source.parent))
        except _BadRowError as error:
            listing.bad.append(BadRow(line, str(error)))
    listing.bad.sort(key=lambda bad: bad.line)
    return listing


def _decode(content: bytes, listing: Listing) -> str:
    """Return the text; bytes that are not UTF-8 become lone surrogates, which makes their rows bad ones."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    # One damaged row in a UTF-8 list is a bad row; a list without any UTF-8 beyond ASCII is an old encoding.
    if re.search(rb"[\xc3-\xf4][\x80-\xbf]", content):
        return content.decode("utf-8-sig", "surrogateescape")
    listing.notes.append("the list is not UTF-8: it was read as Latin-1; check the accents of what was added")
    return content.decode("latin-1")


def _csv_rows(lines: Sequence[str], listing: Listing, source: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give each row of a CSV file with the line that it begins on."""
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return
    delimiter, columns = _header(lines[first], source)
    start = first + 1
    while start < len(lines):
        reader = csv.reader(islice(lines, start, start + MAX_RECORD_LINES), delimiter=delimiter, strict=True)
        # Newlines were taken off: inside quotes they belong to the value.
        fields, problem = _record(reader)
        if problem is None and fields and any(value.strip() for value in fields):
            problem = _wrong_count(fields, len(columns))
            if problem is None:
                yield start + 1, {column: value for column, value in zip(columns, fields, strict=False) if column}
        if problem is not None:
            listing.bad.append(BadRow(start + 1, problem))
        # A broken row that reached over several lines is given up after its first: the others may be sound.
        start += 1 if problem is not None else max(1, reader.line_num)

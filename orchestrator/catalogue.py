"""Adds paintings to the catalogue: reads a list or a folder, looks at every picture, and stores what is sound.

A picture is known by the hash of its content, so that the same one is a single painting whatever it is called. Only
its header is opened here, to see that it is a picture and how large; whether it can be used is the first step's
business. Files are read by several threads, because with large pictures the disk is what takes the time.
"""

from __future__ import annotations

import hashlib
import stat
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from db.store import PaintingRow, Store
from orchestrator.listing import BadRow, Entry, printable, read_source

__all__ = ["BadRow", "CatalogueReport", "add"]

THREADS = 8
CHUNK = 64  # pictures handed to a thread at once
ORIENTATION = 0x0112  # the EXIF tag
SIDEWAYS = frozenset({5, 6, 7, 8})  # its values that swap width and height


@dataclass(frozen=True)
class CatalogueReport:
    """What became of a source."""

    added: int
    duplicates: int  # known before, or twice in the source
    bad: tuple[BadRow, ...] = ()  # skipped, in the order of the source
    notes: tuple[str, ...] = ()  # for people: what is worth a look although nothing was skipped


def add(
    store: Store,
    source: Path,
    *,
    list_name: str = "portraits",
    on_progress: Callable[[int, int], None] | None = None,
) -> CatalogueReport:
    """Add the paintings of a CSV or JSONL file, a folder, or a single picture to the catalogue. Blocks.

    Rows that cannot be used are skipped and reported; the others are stored together, at the end.

    Args:
        store: The state.
        source: Paths in a list are relative to the list.
        list_name: The named list to put them on.
        on_progress: Called with the number of pictures looked at and their total.

    Raises:
        CatalogueError: the source is no list that can be read.
        NotFoundError: there is no such file.
    """
    listing = read_source(source)
    rows: list[PaintingRow] = []
    bad = list(listing.bad)
    for number, looked in enumerate(_look_at_all(listing.entries), start=1):
        if isinstance(looked, BadRow):
            bad.append(looked)
        else:
            rows.append(looked)
        if on_progress is not None:
            on_progress(number, len(listing.entries))
    added = store.add_paintings(rows, list_name=list_name)
    bad.sort(key=lambda row: row.line)
    return CatalogueReport(added.added, added.duplicates, tuple(bad), tuple(listing.notes))


def _look_at_all(entries: Sequence[Entry]) -> Iterator[PaintingRow | BadRow]:
    chunks = [entries[start : start + CHUNK] for start in range(0, len(entries), CHUNK)]
    # Here and not in the threads, which share these filters. What Pillow has to say of odd metadata is no news: the
    # first step looks at the picture itself.
    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS, "catalogue") as threads:
        warnings.filterwarnings("ignore", module="PIL")
        for looked in threads.map(_look_at_some, chunks):
            yield from looked


def _look_at_some(entries: Sequence[Entry]) -> list[PaintingRow | BadRow]:
    return [_look_at(entry) for entry in entries]


def _look_at(entry: Entry) -> PaintingRow | BadRow:
    """Hash and measure one picture."""
    name = printable(str(entry.path))
    try:
        found = entry.path.stat()
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for its other end for ever
            return BadRow(entry.line, f"{name} is {'a folder' if stat.S_ISDIR(found.st_mode) else 'no file'}")
        if not found.st_size:
            return BadRow(entry.line, f"{name} is empty")
        with entry.path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            size = _measure(file)
    except UnidentifiedImageError:
        return BadRow(entry.line, f"{name} is no picture that can be read")
    except OSError as error:
        return BadRow(entry.line, f"{name}: {error.strerror or error}")
    except Exception as error:  # a damaged header makes Pillow's readers raise anything; the row is reported
        return BadRow(entry.line, f"{name} is a damaged picture ({type(error).__name__}: {error})")
    return PaintingRow(
        sha256=sha256,
        path=str(entry.path),
        title=entry.title,
        artist=entry.artist,
        year=entry.year,
        sitter=entry.sitter,
        licence=entry.licence,
        source=entry.source,
        tags=entry.tags,
        width_px=size[0],
        height_px=size[1],
    )


def _measure(file: BinaryIO) -> tuple[int, int] | tuple[None, None]:
    """Return width and height of a picture as it is looked at, from its header; (None, None) for a giant one."""
    try:
        with Image.open(file) as picture:
            width, height = picture.size
            sideways = _orientation(picture) in SIDEWAYS
    except Image.DecompressionBombError:
        return None, None  # a scan of hundreds of megapixels, or an attack: the first step decides
    return (height, width) if sideways else (width, height)


def _orientation(picture: Image.Image) -> object:
    try:
        return picture.getexif().get(ORIENTATION)
    except Exception:  # broken EXIF in a sound picture: it is shown as it lies
        return None

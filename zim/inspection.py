"""What an owner wants to know of an archive before a night: what it is, whether it is whole, what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zim.apart import ApartReader
from zim.archive import LANGUAGE_CODES, Library
from zim.checking import Progress, parts_of
from zim.errors import ZimError
from zim.reading import Unreadable


@dataclass(frozen=True)
class Inspected:
    """One archive, looked at."""

    path: Path
    language: str  # under which it is configured
    title: str
    written_in: str  # codes, as it says itself
    date: str
    articles: int
    size_bytes: int
    has_index: bool
    whole: bool | None  # None: its checksum was not tested
    problems: tuple[str, ...]  # sentences with what to do; empty for a good one


def inspect(library: Library, language: str, path: Path, *, test: bool, progress: Progress | None = None) -> Inspected:
    """Look at an archive; never raises for what is wrong with it. Blocks: minutes where a large one is tested.

    Args:
        library: Whose record of checked files counts.
        language: Under which it is configured.
        path: The archive.
        test: Whether its checksum is tested where it never was; what is remembered is said anyway.
        progress: Told the share of the file that was tested, 0 to 1.
    """
    problems = [str(error) for error in _errors(language, path)]
    whole: bool | None = None
    try:
        known = library.checks.check(path, progress=progress) if test else library.checked(path)
        whole = known.whole if known is not None else None
    except OSError as error:
        if not problems:
            problems.append(f"It cannot be read: {error}")
    if whole is False and not problems:
        problems.append(
            f"Its checksum is wrong: {path}. What cannot be read is left out; copy or download the archive again."
        )
    return _described(path, language, whole=whole, problems=problems)


def language_of(path: Path) -> str:
    """Return our name of the language that an archive says it is written in; "en" when it says nothing we know."""
    try:
        reader = ApartReader(path)
    except Unreadable:
        return "en"
    codes = set((reader.metadata("Language") or "").lower().split(","))
    reader.close()
    return next((ours for ours, theirs in LANGUAGE_CODES.items() if codes & theirs), "en")


def _errors(language: str, path: Path) -> Iterator[ZimError]:
    try:
        Library({language: path}, check_beside=False, test_small=False).archive(language).close()
    except ZimError as error:
        yield error


def _described(path: Path, language: str, *, whole: bool | None, problems: list[str]) -> Inspected:
    size_bytes = sum(part.stat().st_size for part in parts_of(path))
    said: dict[str, str] = {}
    articles, has_index = 0, False
    if size_bytes:
        try:
            reader = ApartReader(path)
            said = {name: reader.metadata(name) or "" for name in ("Title", "Language", "Date")}
            articles, has_index = reader.count(), reader.has_index()
            reader.close()
        except Unreadable as error:
            problems = problems or [f"It cannot be read ({error}): {path}. Copy or download the archive again."]
    return Inspected(
        path=path,
        language=language,
        title=said.get("Title", ""),
        written_in=said.get("Language", ""),
        date=said.get("Date", ""),
        articles=articles,
        size_bytes=size_bytes,
        has_index=has_index,
        whole=whole,
        problems=tuple(problems),
    )

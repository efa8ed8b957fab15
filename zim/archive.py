"""Open offline encyclopaedias once, check each file once, and read articles from them.

Opening one takes milliseconds, but doing it for every question takes seconds in all, and libzim's archives may be
shared by threads: so a `Library` keeps them open. A checksum test reads the whole file, tens of gigabytes, so what was
found is remembered by the file's size and time of change, in a small JSON file when a folder for it is given.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libzim.reader import Archive as LibzimArchive
from libzim.search import Query, Searcher
from libzim.suggestion import SuggestionSearcher

from zim.errors import ArchiveDamaged, ArchiveMissing, NoFulltextIndex

MAX_REDIRECTS = 8
MAX_ARTICLE_BYTES = 4_000_000


@dataclass(frozen=True)
class Page:
    """One article as it lies in an archive."""

    path: str  # inside the archive
    title: str
    html: str  # at most MAX_ARTICLE_BYTES of it


class Archive:
    """One open archive. Thread-safe. A damaged article raises `ArchiveDamaged`; the others stay readable."""

    def __init__(self, path: Path) -> None:
        """Open the file; its checksum is not tested here.

        Raises:
            ArchiveMissing, ArchiveDamaged, NoFulltextIndex: as their names say.
        """
        self.path = path
        if not path.is_file():
            raise ArchiveMissing(path, "There is no archive" if not path.exists() else "That is no file")
        try:
            self._archive = LibzimArchive(str(path))
        except RuntimeError as error:
            raise ArchiveDamaged(path, f"The archive cannot be opened ({_first_line(error)})") from error
        if not self._archive.has_fulltext_index:
            raise NoFulltextIndex(path, "The archive has no full-text index")

    @property
    def name(self) -> str:
        """The file's name, as sources are cited."""
        return self.path.name

    def is_whole(self) -> bool:
        """Test the checksum. Reads the whole file: minutes for a large one."""
        try:
            return bool(self._archive.check())
        except RuntimeError:
            return False

    def search(self, query: str, *, limit: int) -> list[str]:
        """Return paths of articles that hold all words of the query, best first.

        Raises:
            ArchiveDamaged: the index cannot be read.
        """
        try:
            search = Searcher(self._archive).search(Query().set_query(query))
            return list(search.getResults(0, limit))
        except RuntimeError as error:
            raise ArchiveDamaged(self.path, f"The index cannot be read ({_first_line(error)})") from error

    def suggest(self, start: str, *, limit: int) -> list[str]:
        """Return paths of articles whose title has words that start so, best first.

        Raises:
            ArchiveDamaged: the index cannot be read.
        """
        try:
            return list(SuggestionSearcher(self._archive).suggest(start).getResults(0, limit))
        except RuntimeError as error:
            raise ArchiveDamaged(self.path, f"The titles cannot be read ({_first_line(error)})") from error

    def by_title(self, title: str) -> str | None:
        """Return the path of the article or redirect with exactly this title."""
        try:
            return str(self._archive.get_entry_by_title(title).path)
        except (KeyError, RuntimeError):
            return None

    def title_of(self, path: str) -> str | None:
        """Return the title of an entry, which may be a redirect's; None when there is none."""
        try:
            return str(self._archive.get_entry_by_path(path).title)
        except (KeyError, RuntimeError):
            return None

    def read(self, path: str) -> Page | None:
        """Return an article, redirects followed; None when it is absent, no text, or redirected in a circle.

        Raises:
            ArchiveDamaged: this article's data is damaged.
        """
        try:
            entry = self._archive.get_entry_by_path(path)
            for _ in range(MAX_REDIRECTS):
                if not entry.is_redirect:
                    break
                entry = entry.get_redirect_entry()
            if entry.is_redirect:
                return None
            item = entry.get_item()
            if not item.mimetype.startswith("text/html"):
                return None
            content = bytes(item.content[:MAX_ARTICLE_BYTES])
            return Page(str(entry.path), title=str(entry.title), html=content.decode("utf-8", "replace"))
        except KeyError:
            return None
        except RuntimeError as error:
            raise ArchiveDamaged(self.path, f"The article {path!r} cannot be read ({_first_line(error)})") from error


class Library:
    """The archives of an owner, by language. Thread-safe."""

    def __init__(self, paths: Mapping[str, Path], *, state_dir: Path | None = None) -> None:
        """Keep the paths; each archive is opened when it is first asked for, and stays open.

        Args:
            paths: Language -> file.
            state_dir: Folder for `zim_checked.json`, made when missing; None to check once a process.
        """
        self._paths = {language: Path(path) for language, path in paths.items()}
        self._checked = _Checked(state_dir / "zim_checked.json" if state_dir else None)
        self._open: dict[str, Archive] = {}
        self._lock = threading.Lock()

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages for which there is an archive."""
        return tuple(self._paths)

    def archive(self, language: str) -> Archive:
        """Return an archive that is open and whole. Blocks while a new file is checked, once a file.

        Raises:
            KeyError: there is no archive in this language.
            ArchiveMissing, ArchiveDamaged, NoFulltextIndex: as their names say.
        """
        with self._lock:
            if language not in self._open:
                archive = Archive(self._paths[language])
                if not self._checked.is_whole(archive):
                    raise ArchiveDamaged(archive.path, "The archive's checksum is wrong")
                self._open[language] = archive
            return self._open[language]

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield language and sentence of every archive that cannot be used. Blocks as `archive` does."""
        for language in self._paths:
            try:
                self.archive(language)
            except (ArchiveMissing, ArchiveDamaged, NoFulltextIndex) as error:
                yield language, str(error)


class _Checked:
    """What the checksum test of each file said, by path, size and time of change."""

    def __init__(self, record: Path | None) -> None:
        self._record = record
        self._known: dict[str, Any] = _load(record) if record else {}

    def is_whole(self, archive: Archive) -> bool:
        status = archive.path.stat()
        key = hashlib.sha256(os.fsencode(archive.path.absolute())).hexdigest()
        stamp = [status.st_size, status.st_mtime_ns]
        known = self._known.get(key)
        if isinstance(known, dict) and known.get("stamp") == stamp and isinstance(known.get("whole"), bool):
            return bool(known["whole"])
        whole = archive.is_whole()
        self._known[key] = {"file": archive.name, "stamp": stamp, "whole": whole}
        if self._record is not None:
            _store(self._record, self._known)
        return whole


def _load(record: Path) -> dict[str, Any]:
    try:
        value = json.loads(record.read_text("utf-8"))
    except (OSError, ValueError):
        return {}  # a lost record costs one more check, nothing else
    return value if isinstance(value, dict) else {}


def _store(record: Path, known: Mapping[str, Any]) -> None:
    """Write the record beside its place and rename it. A folder that cannot be written costs a check next time."""
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=record.parent, prefix=".zim_checked.")
    except OSError:
        return
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(known, out, indent=1)
        Path(temporary).replace(record)
    except OSError:
        Path(temporary).unlink(missing_ok=True)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

"""The one wrapper of libzim's reading side: what Nightreel asks of an archive, and one exception for what goes wrong.

Separate from `zim.archive` because it runs in two places: in our own process for an archive that is known to be whole,
and in a child for one that is not (`zim.apart`), since damage in the right place ends the process that reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from libzim.reader import Archive as LibzimArchive
from libzim.search import Query, Searcher
from libzim.suggestion import SuggestionSearcher

MAX_REDIRECTS = 8
MAX_ARTICLE_BYTES = 4_000_000

_BROKEN = (RuntimeError, ValueError, IndexError, MemoryError, OverflowError, OSError)
"""What libzim's binding makes of C++ exceptions (Cython's table; UnicodeDecodeError, a ValueError, was seen too)."""

Article = tuple[str, str, str]
"""Path, title and HTML of an article, redirects followed."""


class Unreadable(Exception):
    """libzim cannot read this; its words are the message."""


class Reader(Protocol):
    """What can be asked of an open archive. Everything raises `Unreadable` for what is damaged."""

    def has_index(self) -> bool:
        """Tell whether it has a full-text index."""
        ...

    def count(self) -> int:
        """Return how many articles it says it has."""
        ...

    def metadata(self, name: str) -> str | None:
        """Return what it says of itself under a name; None when nothing."""
        ...

    def search(self, query: str, limit: int) -> list[str]:
        """Return paths of articles that hold all words of the query, best first."""
        ...

    def suggest(self, start: str, limit: int) -> list[str]:
        """Return paths of articles whose title has words that start so, best first."""
        ...

    def by_title(self, title: str) -> str | None:
        """Return the path of the entry with exactly this title; None when there is none."""
        ...

    def title_of(self, path: str) -> str | None:
        """Return the title of an entry; None when there is none."""
        ...

    def read(self, path: str) -> Article | None:
        """Return an article, redirects followed; None when it is absent, no text, or redirected in a circle."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class LibzimReader:
    """An archive in this process. Thread-safe, as libzim's archives are."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises Unreadable."""
        try:
            self._archive = LibzimArchive(str(path))
        except _BROKEN as error:
            raise Unreadable(_first_line(error)) from error

    def has_index(self) -> bool:
        """Tell whether it has a full-text index."""
        try:
            return bool(self._archive.has_fulltext_index)
        except _BROKEN as error:
            raise Unreadable(_first_line(error)) from error

    def count(self) -> int:
        """Return how many articles it says it has."""
        try:
            return int(self._archive.article_count)
        except _BROKEN as error:
            raise Unreadable(_first_line(error)) from error

    def metadata(self, name: str) -> str | None:
        """Return what it says of itself under a name."""
        try:
            return bytes(self._archive.get_metadata(name)).decode("utf-8", "replace").strip()
        except KeyError:
            return None
        except _BROKEN as error:
            raise Unreadable(_first_line(error)) from error

    def search(self, query: str, limit: int) -> list[str]:
        """Return paths of articles that hold all words of the query."""
        try:
            return list(Searcher(self._archive).search(Query().set_query(query)).getResults(0, limit))
        except _BROKEN as error:
            raise Unreadable(_first_line(error)) from error

    def suggest(self, start: str, limit: int) -> list[str]:
        """Return paths of articles whose title has words that start so."""
        try:
            return list(SuggestionSearcher(self._archive).suggest(start).getResults(0, limit))
        except _BROKEN as error:
            raise Unreadable(_first_line(error)) from error

    def by_title(self, title: str) -> str | None:
        """Return the path of the entry with exactly this title."""
        try:
            return str(self._archive.get_entry_by_title(title).path)
        except KeyError:
            return None
        except _BROKEN as error:
            raise Unreadable(_first_line(error)) from error

    def title_of(self, path: str) -> str | None:
        """Return the title of an entry."""
        try:
            return str(self._archive.get_entry_by_path(path).title)
        except KeyError:
            return None
        except _BROKEN as error:
            raise Unreadable(_first_line(error)) from error

    def read(self, path: str) -> Article | None:
        """Return an article, redirects followed."""
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
            return str(entry.path), str(entry.title), content.decode("utf-8", "replace")
        except KeyError:
            return None
        except _BROKEN as error:
            raise Unreadable(_first_line(error)) from error

    def close(self) -> None:
        """Nothing: libzim gives its memory back with the object."""


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

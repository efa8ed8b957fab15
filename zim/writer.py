"""Write small archives: the sample of the demo, and what the tests search.

The reading side meets real libzim files only, so the writing side is kept as small as libzim allows.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from libzim.writer import ContentProvider, Creator, Hint, Item, StringProvider

LANGUAGES = {"fr": "fra", "en": "eng"}
"""Our names of languages to the three letters that archives use."""


@dataclass(frozen=True)
class Article:
    """One article to write; with `redirect_to` it is a second title of another one."""

    path: str
    title: str
    html: str = ""
    redirect_to: str | None = None  # path of an article


class _HtmlItem(Item):  # type: ignore[misc]  # libzim has no types
    def __init__(self, article: Article) -> None:
        super().__init__()
        self._article = article

    def get_path(self) -> str:
        return self._article.path

    def get_title(self) -> str:
        return self._article.title

    def get_mimetype(self) -> str:
        return "text/html"

    def get_contentprovider(self) -> ContentProvider:
        return StringProvider(self._article.html)

    def get_hints(self) -> dict[Hint, bool]:
        return {Hint.FRONT_ARTICLE: True}


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence standard output below Python: libzim reports its progress there whatever it is told."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def write_archive(
    path: Path, language: str, pages: Iterable[Article], *, title: str = "Sample", index: bool = True
) -> Path:
    """Write an archive, beside its place first, and return its path.

    Nothing that other threads print meanwhile is seen.

    Args:
        path: The file; an existing one is replaced.
        language: "fr" or "en".
        pages: The articles, one at least, the first one being the main page; they are taken one by one.
        title: Of the archive.
        index: Whether it gets a full-text index.
    """
    waiting = iter(pages)
    first = next(waiting)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".zim-") as folder:  # libzim wants a name that is free
        temporary = Path(folder) / "new.zim"
        creator = Creator(str(temporary)).config_verbose(False).config_nbworkers(1)
        creator.config_indexing(index, LANGUAGES[language])
        with _quiet(), creator.set_mainpath(first.path):
            for page in chain((first,), waiting):
                if page.redirect_to is None:
                    creator.add_item(_HtmlItem(page))
                else:
                    creator.add_redirection(page.path, page.title, page.redirect_to, {Hint.FRONT_ARTICLE: True})
            for key, value in _metadata(title, language):
                creator.add_metadata(key, value)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    return path


def _metadata(title: str, language: str) -> list[tuple[str, str]]:
    """Return what every archive must say of itself; the date is fixed, so that the same articles give the same file."""
    return [
        ("Name", "nightreel_sample"),
        ("Title", title),
        ("Description", "Articles for trying Nightreel"),
        ("Language", LANGUAGES[language]),
        ("Creator", "Nightreel"),
        ("Publisher", "Nightreel"),
        ("Date", "2000-01-01"),
    ]

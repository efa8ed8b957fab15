"""Open offline encyclopaedias once, and read articles from them, whatever is wrong with some of them.

Opening one takes milliseconds, but doing it for every question takes seconds in all, and libzim's archives may be
shared by threads: so a `Library` keeps them open. Whether a file is whole is tested beside the work (`zim.checking`),
so that the first question never waits for it; until then, and where it is not, it is read apart (`zim.apart`), and a
damaged article costs that article. So what is found never depends on when a test ended.
"""

from __future__ import annotations

import posixpath
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from zim.apart import ApartReader
from zim.checking import BackgroundChecks, Checked, Checks, parts_of
from zim.errors import ArchiveDamaged, ArchiveMissing, NoFulltextIndex, WrongLanguage, ZimError
from zim.reading import MAX_ARTICLE_BYTES, MAX_REDIRECTS, LibzimReader, Reader, Unreadable

SMALL_BYTES = 64 << 20
"""A file up to this size is tested at once, in a fraction of a second."""

LANGUAGE_CODES: Mapping[str, frozenset[str]] = {
    "fr": frozenset({"fra", "fre", "fr"}),
    "en": frozenset({"eng", "en"}),
}
"""Our names of languages to what archives write: ISO 639-3, and what older ones wrote."""

_REFRESH = re.compile(r"""http-equiv=["']?refresh["']?[^>]*?url=['"]?([^'">#]+)""", re.IGNORECASE)
_REFRESH_CHARS = 2000  # mwoffliner writes a redirect to a part of an article as a small page


@dataclass(frozen=True)
class Page:
    """One article as it lies in an archive."""

    path: str  # inside the archive
    title: str
    html: str  # at most MAX_ARTICLE_BYTES of it


class Archive:
    """One open archive. Thread-safe. A damaged article raises `ArchiveDamaged`; the others stay readable."""

    def __init__(self, path: Path, *, apart: bool = False) -> None:
        """Open the file; its checksum is not tested here.

        Args:
            path: The file, or the name that its parts (`.zimaa` and so on) begin with.
            apart: Read it in a child process: damage can end the process that reads.

        Raises:
            ArchiveMissing, ArchiveDamaged, NoFulltextIndex: as their names say.
        """
        self.path = path
        self.apart = apart
        if not parts_of(path):
            raise ArchiveMissing(path, "There is no archive" if not path.exists() else "That is no file")
        try:
            self._reader: Reader = ApartReader(path) if apart else LibzimReader(path)
            searchable = self._reader.has_index()
        except Unreadable as error:
            raise ArchiveDamaged(path, f"The archive cannot be opened ({error})") from error
        if not searchable:
            self.close()
            raise NoFulltextIndex(path, "The archive has no full-text index")

    @property
    def name(self) -> str:
        """The file's name, as sources are cited."""
        return self.path.name

    @property
    def article_count(self) -> int:
        """How many articles it says it has; 0 where that cannot be read."""
        try:
            return self._reader.count()
        except Unreadable:
            return 0

    @property
    def languages(self) -> frozenset[str]:
        """The codes of languages that it says it is written in; empty when it says nothing."""
        codes = (self.metadata("Language") or "").replace(";", ",").lower().split(",")
        return frozenset(code.strip() for code in codes if code.strip())

    def metadata(self, name: str) -> str | None:
        """Return what it says of itself under a name, such as Title, Date or Creator; None when nothing."""
        try:
            return self._reader.metadata(name)
        except Unreadable:
            return None

    def require_language(self, language: str) -> None:
        """Make sure that it is written in a language, as far as it says so.

        Raises:
            WrongLanguage: it says that it is written in others.
        """
        found, wanted = self.languages, LANGUAGE_CODES.get(language, frozenset({language}))
        if found and not found & (wanted | {"mul"}):
            said = ", ".join(sorted(found))[:60]
            raise WrongLanguage(self.path, f"The archive is written in {said}, not in {language}")

    def search(self, query: str, *, limit: int) -> list[str]:
        """Return paths of articles that hold all words of the query, best first.

        Raises:
            ArchiveDamaged: the index cannot be read.
        """
        try:
            return self._reader.search(query, limit)
        except Unreadable as error:
            raise ArchiveDamaged(self.path, f"The index cannot be read ({error})") from error

    def suggest(self, start: str, *, limit: int) -> list[str]:
        """Return paths of articles whose title has words that start so, best first.

        Raises:
            ArchiveDamaged: the index cannot be read.
        """
        try:
            return self._reader.suggest(start, limit)
        except Unreadable as error:
            raise ArchiveDamaged(self.path, f"The titles cannot be read ({error})") from error

    def by_title(self, title: str) -> str | None:
        """Return the path of the article or redirect with exactly this title."""
        try:
            return self._reader.by_title(title)
        except Unreadable:
            return None

    def title_of(self, path: str) -> str | None:
        """Return the title of an entry, which may be a redirect's; None when there is none."""
        try:
            return self._reader.title_of(path)
        except Unreadable:
            return None

    def close(self) -> None:
        """Give back what it holds: the child, where it is read apart."""
        self._reader.close()

    def target_of(self, link: str, *, source: str) -> str | None:
        """Return the path that an article's link leads to; None when that is no entry of this archive.

        Args:
            link: As written in the article: relative to it, percent-encoded.
            source: The article's path.
        """
        plain = unquote(link.split("#")[0])
        if not plain or "://" in plain or plain.startswith(("mailto:", "geo:", "javascript:")):
            return None
        joined = posixpath.normpath(posixpath.join(posixpath.dirname(source), plain))
        bare = posixpath.normpath(plain.lstrip("./")) if plain.lstrip("./") else plain
        return next((path for path in (joined, bare, bare.removeprefix("A/")) if self.title_of(path) is not None), None)

    def read(self, path: str) -> Page | None:
        """Return an article, redirects followed; None when it is absent, no text, or redirected in a circle.

        Raises:
            ArchiveDamaged: this article's data is damaged.
        """
        for _ in range(MAX_REDIRECTS):
            page = self._read(path)
            onward = _REFRESH.search(page.html) if page is not None and len(page.html) < _REFRESH_CHARS else None
            if page is None or onward is None:
                return page
            target = self.target_of(onward.group(1), source=page.path)
            if target is None:
                return None
            path = target
        return None

    def _read(self, path: str) -> Page | None:
        try:
            found = self._reader.read(path)
        except Unreadable as error:
            raise ArchiveDamaged(self.path, f"The article {path!r} cannot be read ({error})") from error
        if found is None:
            return None
        if _is_garbled(found[2]):
            raise ArchiveDamaged(self.path, f"The article {path!r} is garbled")
        return Page(found[0], title=found[1], html=found[2])


class Library:
    """The archives of an owner, by language. Thread-safe."""

    def __init__(
        self,
        paths: Mapping[str, Path | Sequence[Path]],
        *,
        state_dir: Path | None = None,
        check_beside: bool = True,
        test_small: bool = True,
    ) -> None:
        """Keep the paths; each archive is opened when its language is first asked for, and stays open.

        Args:
            paths: Language -> one file or several; of two that know a subject, the first one is believed.
            state_dir: Folder for the record of checked files, made when missing; None to check once a process.
            check_beside: Whether files of which nothing is known are tested in a thread, once they are open.
            test_small: Whether a file of up to SMALL_BYTES is tested at once, when it is opened.
        """
        self._paths = {
            language: (Path(given),) if isinstance(given, str | Path) else tuple(Path(one) for one in given)
            for language, given in paths.items()
        }
        self.checks = Checks(state_dir)
        self.background = BackgroundChecks(self.checks)
        self._check_beside = check_beside
        self._test_small = test_small
        self._open: dict[tuple[str, Path], Archive] = {}
        self._lock = threading.Lock()

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages for which there is an archive."""
        return tuple(language for language, paths in self._paths.items() if paths)

    def paths(self, language: str) -> tuple[Path, ...]:
        """Return the files of a language, in order. Raises KeyError for a language that is not configured."""
        return self._paths[language]

    def archives(self, language: str) -> tuple[Archive, ...]:
        """Return the archives of a language that can be used, in the owner's order. Opens what is not open.

        Raises:
            KeyError: there is no archive in this language.
            ArchiveMissing, ArchiveDamaged, NoFulltextIndex, WrongLanguage: none can be used; what the first lacks.
        """
        opened: list[Archive] = []
        errors: list[ZimError] = []
        for path in self._paths[language]:
            try:
                opened.append(self._opened(language, path))
            except ZimError as error:
                errors.append(error)
        if not opened and errors:
            raise errors[0]
        return tuple(opened)

    def archive(self, language: str) -> Archive:
        """Return the first archive of a language that can be used. Raises as `archives` does."""
        return self.archives(language)[0]

    def checked(self, path: Path) -> Checked | None:
        """Return what the test of a file's checksum said; None when it was not tested yet."""
        return self.checks.known(path)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield language and sentence of every archive that cannot be used, or whose checksum is known to be wrong."""
        for language, paths in self._paths.items():
            for path in paths:
                try:
                    self._opened(language, path)
                except ZimError as error:
                    yield language, str(error)
                    continue
                known = self.checked(path)
                if known is not None and not known.whole:
                    yield language, str(ArchiveDamaged(path, "The archive's checksum is wrong"))

    def _opened(self, language: str, path: Path) -> Archive:
        with self._lock:
            key, whole = (language, path), self._is_known_whole(path)
            archive = self._open.get(key)
            if archive is None or (archive.apart and whole):
                archive = Archive(path, apart=not whole)
                try:
                    archive.require_language(language)
                except WrongLanguage:
                    archive.close()
                    raise
                self._open[key] = archive  # one that was read apart ends its child when nobody holds it any more
                if self._check_beside:
                    self.background.add(path)
            return archive

    def _is_known_whole(self, path: Path) -> bool:
        """Tell whether a file is surely whole; a small one of which nothing is known is tested at once."""
        try:
            known = self.checks.known(path)
            size_bytes = sum(part.stat().st_size for part in parts_of(path))
            if known is None and self._test_small and 0 < size_bytes <= SMALL_BYTES:
                known = self.checks.check(path)
        except OSError:
            return False  # opening it says what is wrong
        return known is not None and known.whole


def _is_garbled(html: str) -> bool:
    """Tell whether a page is not what was written: bytes that are no text, or a whole page without its end.

    A bad bit mostly breaks the decompression, but not always: then what comes out has other lengths and other letters.
    """
    if "\x00" in html or html.count("\ufffd") > 3:
        return True
    starts = html[:200].lstrip().lower().startswith(("<!doctype", "<html"))
    return starts and len(html) < MAX_ARTICLE_BYTES // 4 and "</html" not in html[-400:].lower()

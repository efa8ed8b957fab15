"""Look for the one article about a subject in one archive, and remember why the others were left.

`zim.search` proposes articles, `zim.identity` judges each; this module reads them in order, follows the pages that list
namesakes, and believes the one that fits best, or none when two fit equally well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from zim.archive import Archive, Page
from zim.errors import ArchiveDamaged
from zim.extract import Entry, Text, extract
from zim.identity import SUREST, Subject, Verdict, judge, lists_namesakes, may_be_called, mentions
from zim.kinds import kind_of
from zim.search import stages

MAX_READ = 16
"""Articles looked into for one subject at one stage of the search."""


@dataclass(frozen=True)
class Considered:
    """An article that was looked into."""

    title: str
    path: str
    fits: bool
    reason: str  # in words for people


@dataclass(frozen=True)
class Found:
    """What was found out about one subject in one archive."""

    subject: Subject
    archive: str  # file name
    page: Page | None  # None: nothing rather than the wrong one
    considered: tuple[Considered, ...]  # in the order in which they were read
    reason: str  # why it was chosen, or why none was


def find_article(archive: Archive, subject: Subject, *, beside: Sequence[str] = ()) -> Found:
    """Return the article about a subject, or why none is surely about it.

    Args:
        archive: Where to look.
        subject: Who or what is meant.
        beside: Words that tell it from namesakes; for a work, its painter is taken.
    """
    if subject.about == "work" and subject.artist:
        beside = (subject.artist,)
    look = _Look(archive, subject)
    for number, paths in enumerate(stages(archive, subject.name, beside=beside)):
        look.through(paths)
        if look.is_sure or (look.fitting and number > 0):  # else a namesake may fit better than the exact title
            break
    return look.result()


class _Look:
    """One subject looked for in one archive: the articles that were read, and those that fit."""

    def __init__(self, archive: Archive, subject: Subject) -> None:
        self._archive = archive
        self._subject = subject
        self._read: set[str] = set()
        self._considered: dict[str, Considered] = {}
        self.fitting: dict[str, tuple[Verdict, Page]] = {}  # by the article's own path

    @property
    def is_sure(self) -> bool:
        """Whether an article fits as well as any can."""
        most = SUREST if self._subject.about == "sitter" else SUREST - 1
        return any(one.strength >= most for one, _ in self.fitting.values())

    def through(self, paths: Sequence[str]) -> None:
        """Read articles until one fits as well as any can."""
        titled = [(path, self._archive.title_of(path) or "") for path in paths]
        queue = [(path, title) for path, title in titled if may_be_called(self._subject, title)]
        if self._subject.about == "work":  # what is called so comes first
            queue.sort(key=lambda one: not may_be_called(replace(self._subject, about="sitter"), one[1]))
        enough = len(self._read) + MAX_READ
        while queue and len(self._read) < enough and not self.is_sure:
            path, title = queue.pop(0)
            if path not in self._read:
                self._read.add(path)
                queue[:0] = self._look_into(path, title)

    def result(self) -> Found:
        best = sorted(self.fitting.values(), key=lambda one: -one[0].strength)
        equal = [one for one in best if one[0].strength == best[0][0].strength]
        if len(equal) > 1:
            equal = [one for one in equal if mentions(extract(one[1].html), self._subject)] or equal
        page = equal[0][1] if len(equal) == 1 else None
        if page is not None:
            reason = equal[0][0].reason
        elif equal:
            reason = f"{len(equal)} articles fit equally well, so none is believed"
        else:
            reason = "no article is surely about it" if self._read else "no article has such a name"
        return Found(self._subject, self._archive.name, page, tuple(self._considered.values()), reason)

    def _look_into(self, path: str, title: str) -> list[tuple[str, str]]:
        """Judge one article; returns those that it leads to when it is a list of namesakes."""
        try:
            page = self._archive.read(path)
        except ArchiveDamaged as damaged:
            self._note(path, title, Verdict(False, damaged.found))  # that article is lost; another one may do
            return []
        if page is None:
            self._note(path, title, Verdict(False, "is no article"))
            return []
        if page.path in self.fitting or (page.path in self._considered and page.path != path and title == page.title):
            return []
        text = extract(page.html, only_lead=True)
        if lists_namesakes(page, text):
            self._note(page.path, page.title, Verdict(False, "lists namesakes: followed"))
            return self._listed(page, text)
        verdict = judge(page, text, self._subject, known_as=title or page.title)
        if verdict.wants_all:
            verdict = judge(page, extract(page.html), self._subject, known_as=title or page.title)
        self._note(page.path, page.title, verdict)
        if verdict.fits:
            self.fitting[page.path] = (verdict, page)
        return []

    def _listed(self, page: Page, text: Text) -> list[tuple[str, str]]:
        entries = sorted(text.entries, key=self._is_unlikely)
        links = dict.fromkeys([entry.link for entry in entries] + list(text.links))
        found = ((path, self._archive.title_of(path) or "") for link in links if (path := self._target(link, page)))
        plain = replace(self._subject, about="sitter")  # by name alone, for works too
        return [(path, title) for path, title in found if may_be_called(plain, title)][:MAX_READ]

    def _target(self, link: str, page: Page) -> str | None:
        return self._archive.target_of(link, source=page.path)

    def _is_unlikely(self, entry: Entry) -> bool:
        wanted = {"artist": ("artist",), "work": ("artwork",), "sitter": ("person", "artist", None)}
        return kind_of(f"is {entry.text.split(',', 1)[-1]}") not in wanted[self._subject.about]

    def _note(self, path: str, title: str, verdict: Verdict) -> None:
        self._considered[path] = Considered(title, path, verdict.fits, verdict.reason)

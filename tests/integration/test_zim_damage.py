"""Archives that are broken in ways that a night meets: what is lost is the article, never the process."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

import zim.archive
from orchestrator.doctor.findings import Grade
from orchestrator.doctor.services import archives
from zim.apart import ApartReader
from zim.archive import Archive, Library
from zim.checking import BackgroundChecks, Checks, is_whole, parts_of
from zim.errors import ArchiveDamaged, ArchiveMissing, NoFulltextIndex, WrongLanguage
from zim.inspection import inspect
from zim.reading import Unreadable
from zim.research import research
from zim.writer import Article, write_archive

WORDS = "Bakery, lady, bread, museum."


def pages(count: int = 3) -> list[Article]:
    return [
        Article(
            f"Lady{number}",
            f"Lady Number {number}",
            f"<html><body><p>Lady Number {number} (1750–1810) was a painter of bakers. {WORDS}</p></body></html>",
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return write_archive(tmp_path_factory.mktemp("zim") / "whole.zim", "en", pages())


@pytest.fixture
def deadly(whole, tmp_path) -> Path:
    """An archive whose full-text index ends the process that searches it: libzim calls std::terminate."""
    content = bytearray(whole.read_bytes())
    for number in range(3):
        content[content.rindex(b"C/Lady%d" % number) - 1] ^= 0xFF
    path = tmp_path / "deadly.zim"
    path.write_bytes(content)
    return path


def flipped(source: Path, target: Path) -> Path:
    content = bytearray(source.read_bytes())
    content[10] ^= 0xFF  # of its own number: all is still readable, and the checksum is wrong
    target.write_bytes(content)
    return target


def children() -> set[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def test_damage_that_kills_its_reader_costs_one_question(deadly):
    """Three bytes of forty gigabytes must not end the night: the search is lost, titles and articles are not."""
    library = Library({"en": deadly}, check_beside=False)
    archive = library.archive("en")
    assert archive.apart
    with pytest.raises(ArchiveDamaged, match="died"):
        archive.search("lady bakery", limit=3)
    page = archive.read("Lady1")
    assert page is not None
    assert page.title == "Lady Number 1"
    assert archive.suggest("Lady Number", limit=5)
    facts = research(library, "en", artist="Lady Number 2", sitter=None, title=None, year=1790)
    assert {fact.article for fact in facts} == {"Lady Number 2"}
    archive.close()


def test_a_reader_that_hangs_is_ended(whole):
    """An endless loop in a damaged index would hold the step for ever; the next question gets a new reader."""
    before = children()
    reader = ApartReader(whole, answer_s=0.5)
    (child,) = children() - before
    os.kill(child, signal.SIGSTOP)
    with pytest.raises(Unreadable, match="no answer within"):
        reader.search("lady", 3)
    assert sorted(reader.search("lady", 3)) == ["Lady0", "Lady1", "Lady2"]
    reader.close()
    assert children() == before


def test_both_readers_give_the_same_answers(whole):
    """What is found must not depend on whether the file was tested yet."""
    near, apart = Archive(whole), Archive(whole, apart=True)
    for archive in (near, apart):
        assert archive.by_title("Lady Number 1") == "Lady1"
    assert near.search("lady bakery", limit=3) == apart.search("lady bakery", limit=3)
    assert near.suggest("lady", limit=3) == apart.suggest("lady", limit=3)
    assert near.read("Lady2") == apart.read("Lady2")
    assert (near.languages, near.article_count) == (apart.languages, apart.article_count)
    assert near.read("Nobody") is apart.read("Nobody") is None
    apart.close()


def test_a_large_file_is_read_before_it_is_tested(whole, tmp_path, monkeypatch):
    """The test of a hundred gigabytes takes minutes: the first script does not wait, and the result is remembered."""
    monkeypatch.setattr(zim.archive, "SMALL_BYTES", 10)
    free = threading.Event()
    honest = zim.checking.is_whole
    monkeypatch.setattr(zim.checking, "is_whole", lambda path, **more: free.wait(30) and honest(path, **more))
    library = Library({"en": whole}, state_dir=tmp_path)
    first = library.archive("en")
    assert first.apart
    assert first.read("Lady1") is not None
    assert library.checked(whole) is None
    assert library.background.shares() == {whole: 0.0}
    free.set()
    assert library.background.wait(30)
    assert library.background.shares() == {whole: 1.0}
    assert not library.archive("en").apart
    first.close()
    known = Checks(tmp_path).known(whole)
    assert known is not None
    assert known.whole


def test_files_are_tested_one_after_the_other_and_once(whole, tmp_path):
    """Several threads ask for the same archives; a file that is gone ends nothing."""
    bad = flipped(whole, tmp_path / "bad.zim")
    background = BackgroundChecks(checks := Checks(tmp_path))
    for _ in range(3):
        for path in (whole, bad, tmp_path / "gone.zim"):
            background.add(path)
    assert background.wait(30)
    results = {path.name: known.whole for path in (whole, bad) if (known := checks.known(path))}
    assert results == {"whole.zim": True, "bad.zim": False}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.zim", "zim_checked.json"]


def test_the_checksum_is_that_of_the_format(whole, tmp_path):
    """Also over the parts into which large archives are cut; anything missing or added is found."""
    content = whole.read_bytes()
    told: list[float] = []
    assert is_whole(whole, progress=told.append)
    assert told[-1] == 1.0
    for name, part in (("cut.zimaa", content[:20_000]), ("cut.zimab", content[20_000:])):
        (tmp_path / name).write_bytes(part)
    cut = tmp_path / "cut.zim"
    assert [part.name for part in parts_of(cut)] == ["cut.zimaa", "cut.zimab"]
    assert is_whole(cut)
    assert Archive(cut).read("Lady1") is not None
    (tmp_path / "cut.zimab").write_bytes(content[20_000:] + b"x")
    assert not is_whole(cut)
    for bad in (content[:-1], content[:60], b"", content[::-1]):
        (tmp_path / "bad.zim").write_bytes(bad)
        assert not is_whole(tmp_path / "bad.zim")


def test_one_bad_archive_of_a_language_costs_that_archive(whole, tmp_path):
    """The others are read; the first error is told only when none is left."""
    none = tmp_path / "none.zim"
    french = write_archive(tmp_path / "french.zim", "fr", pages())
    bare = write_archive(tmp_path / "bare.zim", "en", pages(), index=False)
    library = Library({"en": (none, french, bare, whole)})
    assert [archive.name for archive in library.archives("en")] == ["whole.zim"]
    assert [word in words for word, (_, words) in zip(("no archive", "fra", "index"), library.problems(), strict=True)]
    with pytest.raises(ArchiveMissing):
        Library({"en": (none, french)}).archives("en")
    with pytest.raises(WrongLanguage, match=r"fra.*not in en"):
        Library({"en": french}).archives("en")
    with pytest.raises(NoFulltextIndex):
        Library({"en": bare}).archives("en")


def test_the_first_archive_that_knows_a_subject_is_believed(whole, tmp_path):
    """A small archive of art before a large one of everything."""
    words = "Vera Moll (1750–1810) was a painter who never sold a single one of her pictures."
    art = [Article("Vera", "Vera Moll", f"<html><body><p>{words}</p></body></html>")]
    library = Library({"en": (write_archive(tmp_path / "art.zim", "en", art), whole)})
    facts = research(library, "en", artist="Vera Moll", sitter="Lady Number 1", title=None, year=1790)
    assert {(fact.about, fact.archive) for fact in facts} == {("artist", "art.zim"), ("sitter", "whole.zim")}


def test_a_garbled_article_is_left_out(tmp_path):
    """A bad bit can leave the compression intact: then the page has no end, or is no text."""
    cut = Article("Cut", "Cut", "<html><body><p>Cut (1750–1810) was a painter")
    path = write_archive(tmp_path / "a.zim", "en", [cut, *pages()])
    with pytest.raises(ArchiveDamaged, match="garbled"):
        Archive(path).read("Cut")
    assert Archive(path).read("Lady1") is not None


def test_a_page_that_only_leads_on_is_a_redirect(tmp_path):
    """So mwoffliner writes a redirect to a part of an article; two that lead to each other end."""
    lead = '<html><head><meta http-equiv="refresh" content="0;URL=\'./{}#Part\'" /></head><body></body></html>'
    more = [
        Article(name, name, lead.format(to)) for name, to in (("R", "Lady1"), ("A", "B"), ("B", "A"), ("C", "Gone"))
    ]
    archive = Archive(write_archive(tmp_path / "a.zim", "en", [*pages(), *more]))
    page = archive.read("R")
    assert page is not None
    assert page.path == "Lady1"
    assert archive.read("A") is archive.read("C") is None


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("./Lady1", "Lady1"),
        ("../Lady1#Life", "Lady1"),
        ("Lady%31", "Lady1"),
        ("https://x.org/Lady1", None),
        ("#a", None),
    ],
)
def test_links_lead_to_paths(whole, link, path):
    """As browsers would read them."""
    assert Archive(whole).target_of(link, source="Sub/Page" if link.startswith("..") else "Page") == path


def test_what_an_owner_is_told_of_each_archive(whole, deadly, tmp_path):
    """Every fault has a sentence of its own, and looking at it raises nothing."""
    (tmp_path / "other.zim").write_text("no archive")
    shutil.copy(whole, tmp_path / "cut.zim")
    with (tmp_path / "cut.zim").open("r+b") as file:
        file.truncate(30_000)
    bare = write_archive(tmp_path / "bare.zim", "en", pages(), index=False)
    library = Library({}, state_dir=tmp_path, check_beside=False)
    good = inspect(library, "en", whole, test=True)
    assert (good.whole, good.articles, good.has_index, good.written_in, good.problems) == (True, 3, True, "eng", ())
    assert good.date == "2000-01-01"
    assert inspect(library, "en", deadly, test=False).whole is None
    for path, said in (
        (deadly, "checksum is wrong"),
        (tmp_path / "none.zim", "There is no archive"),
        (tmp_path / "other.zim", "cannot be opened"),
        (tmp_path / "cut.zim", "cannot be opened"),
        (bare, "no full-text index"),
    ):
        (problem,) = inspect(library, "en", path, test=True).problems
        assert said in problem
    (problem,) = inspect(library, "fr", whole, test=True).problems
    assert "written in eng" in problem


def test_doctor_warns_of_what_is_lost_and_refuses_what_is_needed(whole, tmp_path):
    """A night runs with one archive of two; with none of a language that is configured, it does not start."""
    bad, none = flipped(whole, tmp_path / "bad.zim"), tmp_path / "none.zim"

    def graded(*paths: Path) -> list[tuple[str, Grade]]:
        return [
            (Path(one.found.split(";")[0].split(": ")[0]).name, one.grade) for one in archives("en", paths, tmp_path)
        ]

    assert graded(whole) == [("whole.zim", Grade.OK)]
    assert graded(bad) == [("bad.zim", Grade.WARNING)]
    assert [grade for _, grade in graded(none)] == [Grade.PROBLEM]
    assert [grade for _, grade in graded(none, whole)] == [Grade.OK, Grade.WARNING]

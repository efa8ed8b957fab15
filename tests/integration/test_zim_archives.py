"""Real archives, whole and broken: opened once, checked once, and clear about what is wrong with them."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

import zim.checking
from zim.archive import Archive, Library
from zim.errors import ArchiveDamaged, ArchiveMissing, NoFulltextIndex, ZimError
from zim.writer import Article, write_archive


def body(title: str, text: str) -> str:
    return f"<html><body><h1>{title}</h1><p>{text}</p></body></html>"


PAGES = [
    Article("A/Lady", "The Lady in Green", body("The Lady in Green", "Agnes Holt painted the lady in a bakery.")),
    Article("A/Holt", "Agnes Holt", body("Agnes Holt", "Agnes Holt was a painter of bakers. " * 200)),
    Article("A/Green_Lady", "Green Lady", redirect_to="A/Lady"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return write_archive(tmp_path_factory.mktemp("zim") / "l'archive % d'été.zim", "en", PAGES)


@pytest.fixture
def archive_path(whole, tmp_path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "a.zim"))


def damaged_inside(path: Path) -> Path:
    """Flip bytes in the middle, where libzim does not look when it opens the file."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    for place in range(middle, middle + 64):
        content[place] ^= 0xFF
    path.write_bytes(content)
    return path


def test_articles_are_found_and_read(whole):
    """Search, suggestion, title and redirect lead to the same article."""
    archive = Archive(whole)
    assert archive.search("lady bakery", limit=5) == ["A/Lady"]
    assert {archive.read(path).path for path in archive.suggest("lady", limit=5)} == {"A/Lady"}
    assert archive.by_title("Green Lady") == "A/Green_Lady"
    page = archive.read("A/Green_Lady")
    assert (page.title, page.path) == ("The Lady in Green", "A/Lady")
    assert "bakery" in page.html
    assert archive.read("A/Nobody") is None
    assert archive.by_title("Nobody") is None


def test_an_absent_archive_says_so(tmp_path):
    """With the path and what to do."""
    with pytest.raises(ArchiveMissing, match=r"none\.zim.*settings"):
        Archive(tmp_path / "none.zim")
    with pytest.raises(ArchiveMissing):
        Archive(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.9999])
def test_a_truncated_archive_is_damaged(archive_path, share):
    """Downloads of forty gigabytes break off."""
    content = archive_path.read_bytes()
    archive_path.write_bytes(content[: min(int(share * len(content)), len(content) - 1)])
    with pytest.raises(ArchiveDamaged, match="again"):
        Archive(archive_path)


def test_another_file_is_no_archive(tmp_path):
    """A wrong path in the settings is likelier than damage, and the file is named."""
    (tmp_path / "a.zim").write_text("Mona Lisa\n" * 100)
    with pytest.raises(ArchiveDamaged, match=r"a\.zim"):
        Archive(tmp_path / "a.zim")


def test_an_archive_without_an_index_is_refused(tmp_path):
    """Some editions have none; every search would quietly find nothing."""
    path = write_archive(tmp_path / "a.zim", "fr", PAGES, index=False)
    with pytest.raises(NoFulltextIndex, match="full-text"):
        Archive(path)


def test_damage_that_opens_well_is_found_by_the_check(archive_path):
    """The library opens such a file without complaint and fails at some article, some night: it is read apart."""
    damaged_inside(archive_path)
    library = Library({"en": archive_path})
    assert library.archive("en").apart
    assert [(language, "checksum" in words) for language, words in library.problems()] == [("en", True)]


def test_an_archive_is_opened_once(whole):
    """Opening one for every question cost seconds in all."""
    library = Library({"en": whole})
    assert library.archive("en") is library.archive("en")
    assert library.languages == ("en",)
    with pytest.raises(KeyError):
        library.archive("fr")


def test_the_check_is_remembered_until_the_file_changes(archive_path, tmp_path, monkeypatch):
    """It reads the whole file: minutes for a full encyclopaedia, and one start a night."""
    checked: list[Path] = []
    honest = zim.checking.is_whole
    monkeypatch.setattr(zim.checking, "is_whole", lambda path, **more: checked.append(path) or honest(path, **more))
    state = tmp_path / "state" / "deep"
    for _ in range(3):
        assert not Library({"en": archive_path}, state_dir=state).archive("en").apart
    assert len(checked) == 1
    os.utime(archive_path, ns=(1, 1))
    Library({"en": archive_path}, state_dir=state).archive("en")
    assert len(checked) == 2


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"x": 3}', '{"x": {"stamp": 1}}'])
def test_a_broken_record_of_checks_costs_one_more_check(archive_path, tmp_path, content):
    """It is a convenience, never a reason to fail."""
    (tmp_path / "zim_checked.json").write_text(content)
    assert Library({"en": archive_path}, state_dir=tmp_path).archive("en").name == "a.zim"
    assert '"whole": true' in (tmp_path / "zim_checked.json").read_text()


def test_threads_share_one_archive(whole):
    """Twenty scripts are researched at once; opened once, in whichever thread comes first."""
    library = Library({"en": whole})
    wrong: list[object] = []

    def look() -> None:
        for _ in range(50):
            archive = library.archive("en")
            if archive.search("lady", limit=3) != ["A/Lady"] or archive.read("A/Holt") is None:
                wrong.append(archive)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


def test_every_error_tells_what_to_do():
    """The operator reads them in the morning."""
    for kind in (ArchiveMissing, ArchiveDamaged, NoFulltextIndex):
        error = kind(Path("x.zim"), "Found")
        assert isinstance(error, ZimError)
        assert kind.action in str(error)
        assert kind.action != ZimError.action


def test_writing_replaces_an_archive_and_leaves_nothing_beside_it(archive_path, capfd):
    """The sample of the demo is written again at every set-up, and libzim's chatter must not reach the terminal."""
    write_archive(archive_path, "en", PAGES[:1])
    assert [path.name for path in archive_path.parent.iterdir()] == ["a.zim"]
    assert Archive(archive_path).read("A/Holt") is None
    assert capfd.readouterr().out == ""

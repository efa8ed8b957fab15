"""Taking finished files into the store."""

from __future__ import annotations

import errno
import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import artifacts
from orchestrator.artifacts import ArtifactStore, item_folder, run_folder, slug, write_whole
from steps.errors import BadOutput, DiskFull


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_a_file_gets_its_final_name_and_its_hash(tmp_path, work):
    """What the database will say is what is on the disk, and the work folder is left without it."""
    (work / "out.PNG").write_bytes(b"picture")
    (stored,) = ArtifactStore(tmp_path / "store").take({"image": work / "out.PNG"}, folder="a/b", work=work)
    assert (stored.path, stored.size_bytes) == ("a/b/image.png", 7)
    assert stored.sha256 == hashlib.sha256(b"picture").hexdigest()
    assert (tmp_path / "store" / stored.path).read_bytes() == b"picture"
    assert list(work.iterdir()) == []


def test_a_file_outside_the_work_folder_is_refused(tmp_path, work):
    """A step cannot move somebody else's file into the store, not even through a link."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"x")
    (work / "link.png").symlink_to(secret)
    store = ArtifactStore(tmp_path / "store")
    for path in (secret, work / "link.png", work / ".." / "secret.png"):
        with pytest.raises(BadOutput, match="outside"):
            store.take({"image": path}, folder="a", work=work)
    assert secret.exists()


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.touch()])
def test_a_missing_or_empty_file_is_bad_output(tmp_path, work, make):
    """Another seed may do better."""
    make(work / "image.png")
    with pytest.raises(BadOutput):
        ArtifactStore(tmp_path / "store").take({"image": work / "image.png"}, folder="a", work=work)


def test_what_cannot_be_stored_whole_is_not_stored(tmp_path, work, monkeypatch):
    """The disk fills after the rename: the try may have been the last one, and nothing would ever name the file."""

    def full(_folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    store = ArtifactStore(tmp_path / "artifacts")
    (work / "clip.mp4").write_bytes(b"film")
    monkeypatch.setattr(artifacts, "sync_folder", full)
    with pytest.raises(DiskFull):
        store.take({"clip": work / "clip.mp4"}, folder="night-0001/item-00001-x/05-transition", work=work)
    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []


def test_a_damaged_artifact_is_noticed(tmp_path, work):
    """By its size at once, by its hash when asked."""
    (work / "image.png").write_bytes(b"picture")
    store = ArtifactStore(tmp_path / "store")
    (stored,) = store.take({"image": work / "image.png"}, folder="a", work=work)
    assert store.is_intact(stored.path, size_bytes=7, sha256=stored.sha256)
    (tmp_path / "store" / stored.path).write_bytes(b"pictura")
    assert store.is_intact(stored.path, size_bytes=7)
    assert not store.is_intact(stored.path, size_bytes=7, sha256=stored.sha256)
    assert not store.is_intact(stored.path, size_bytes=8)
    assert not store.is_intact("a/none.png", size_bytes=7)


def test_removing_the_last_file_removes_its_folder(tmp_path, work):
    """A redo leaves no empty folders behind, and removing twice is fine."""
    (work / "image.png").write_bytes(b"picture")
    store = ArtifactStore(tmp_path / "store")
    (stored,) = store.take({"image": work / "image.png"}, folder="a/b", work=work)
    store.remove(stored.path)
    store.remove(stored.path)
    assert not (tmp_path / "store" / "a" / "b").exists()


@given(st.text(max_size=200))
def test_a_title_becomes_one_safe_part_of_a_path(title):
    """Titles are data: no separator, no dot, no leading dash, never empty, never long."""
    part = slug(title)
    assert part
    assert len(part) <= 40
    assert set(part) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not part.startswith("-")
    assert "/" not in item_folder(1, 2, title).removeprefix("night-0001/")


def test_a_redo_gets_a_folder_of_its_own():
    """The old artifacts stay until the new ones are COMPLETE."""
    assert run_folder(2, "audio", "fr", 0) == "02-audio.fr"
    assert run_folder(2, "audio", "fr", 1) == "02-audio.fr.redo1"


def test_a_file_is_the_old_one_or_the_whole_new_one(tmp_path, monkeypatch):
    """A crash at the rename leaves the old content and nothing beside it."""
    path = tmp_path / "state.json"
    write_whole(path, b"old")

    def crash(*_):
        raise OSError("power cut")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="power cut"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]

"""The pool: a folder of that name is whole, and is what was approved."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.artifacts import hash_file
from orchestrator.errors import StorageError
from orchestrator.review import pool as pool_module
from orchestrator.review.pool import PoolFile, put_into_pool, take_out_of_pool

ROOT = Path(__file__).resolve().parents[2]
TITLE = "L'Été à 50%: ../../etc | <b>"
NAME = "00007-l-ete-a-50-etc-b.fr"


@pytest.fixture
def files(tmp_path):
    """A video and its captions."""
    made = {}
    for name, suffix in (("video", ".mp4"), ("captions", ".srt")):
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(name.encode() * 1000)
        made[name] = PoolFile(path, hash_file(path))
    return made


def put(pool: Path, files: dict[str, PoolFile], **facts: object) -> Path:
    return put_into_pool(pool, item_id=7, title=TITLE, language="fr", files=files, facts=facts)


def test_a_folder_has_everything_under_a_harmless_name(tmp_path, files):
    """The name is made of the item, the title and the language, whatever the title is."""
    folder = put(tmp_path / "pool", files, approved_by="me")
    assert folder == tmp_path / "pool" / NAME
    assert {path.name for path in folder.iterdir()} == {"video.mp4", "captions.srt", "review.json"}
    assert json.loads((folder / "review.json").read_text()) == {"approved_by": "me"}
    assert [path.name for path in folder.parent.iterdir()] == [NAME]


def test_approving_again_replaces_the_folder(tmp_path, files):
    """Nothing of the earlier one stays."""
    folder = put(tmp_path / "pool", files)
    (folder / "old.txt").write_text("old")
    assert put(tmp_path / "pool", {"video": files["video"]}) == folder
    assert {path.name for path in folder.iterdir()} == {"video.mp4", "review.json"}
    assert [path.name for path in folder.parent.iterdir()] == [NAME]


def test_a_file_that_changed_since_it_was_made_is_not_published(tmp_path, files):
    """A person approved other bytes; says how to make them again."""
    files["video"].path.write_bytes(b"other")
    with pytest.raises(StorageError, match="nightreel redo 7 --from final_video"):
        put(tmp_path / "pool", files)
    assert list((tmp_path / "pool").iterdir()) == []


def test_a_missing_file_leaves_the_earlier_folder(tmp_path, files):
    """What was in the pool is still whole."""
    folder = put(tmp_path / "pool", files)
    files["captions"].path.unlink()
    with pytest.raises(StorageError, match="No such file"):
        put(tmp_path / "pool", files)
    assert (folder / "captions.srt").is_file()
    assert [path.name for path in folder.parent.iterdir()] == [NAME]


def test_a_full_disk_says_so_and_leaves_nothing(tmp_path, files, monkeypatch):
    """The video still waits; what to do is said."""

    def full(source, target):
        target.write_bytes(source.read_bytes()[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pool_module.shutil, "copyfile", full)
    with pytest.raises(StorageError, match=r"No space left on device[\s\S]*nightreel review"):
        put(tmp_path / "pool", files)
    assert list((tmp_path / "pool").iterdir()) == []


CRASH = """
import os, sys
from pathlib import Path
from orchestrator.artifacts import hash_file
from orchestrator.review.pool import PoolFile, put_into_pool
renames = []
rename = Path.rename
def crashing(path, target):
    renames.append(path)
    if len(renames) > int(sys.argv[3]):
        os._exit(9)
    return rename(path, target)
Path.rename = crashing
video = Path(sys.argv[2])
files = {"video": PoolFile(video, hash_file(video))}
put_into_pool(Path(sys.argv[1]), item_id=7, title="T", language="fr", files=files, facts={})
"""


@pytest.mark.parametrize("renames", [0, 1])
@pytest.mark.parametrize("had_one", [False, True])
def test_after_a_crash_there_is_a_whole_folder_or_none(tmp_path, files, had_one, renames):
    """The process ends between the copy and the rename, or between the two renames of a replacement."""
    pool = tmp_path / "pool"
    if had_one:
        put_into_pool(pool, item_id=7, title="T", language="fr", files=files, facts={})
    command = [sys.executable, "-c", CRASH, str(pool), str(files["video"].path), str(renames)]
    code = subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode
    shown = [path for path in pool.iterdir() if not path.name.startswith(".")]
    if had_one and renames == 0:
        assert {path.name for path in shown[0].iterdir()} == {"video.mp4", "captions.srt", "review.json"}
    elif had_one or renames == 0:
        assert shown == []
    if not had_one and renames == 1:
        assert code == 0
        assert {path.name for path in shown[0].iterdir()} == {"video.mp4", "review.json"}
    else:
        assert code == 9
    put_into_pool(pool, item_id=7, title="T", language="fr", files=files, facts={})
    assert [path.name for path in pool.iterdir()] == ["00007-t.fr"], "what the crash left is gone"


def test_taking_out_says_what_was_there(tmp_path, files):
    """Only the languages that were asked for; what is not there is fine."""
    pool = tmp_path / "pool"
    folder = put(pool, files)
    assert take_out_of_pool(pool, item_id=7, title=TITLE, languages=["en"]) == []
    assert take_out_of_pool(pool, item_id=7, title=TITLE, languages=["fr", "en"]) == [folder]
    assert list(pool.iterdir()) == []
    assert take_out_of_pool(tmp_path / "nowhere", item_id=7, title=TITLE, languages=["fr"]) == []

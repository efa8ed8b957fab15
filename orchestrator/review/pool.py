"""The pool: approved videos with thumbnail, captions and metadata, one folder each, ready to publish.

What publishes may look at any moment, so a folder has its name only while everything is in it: it is filled beside,
under a hidden name, and renamed. After a crash at any point there is either the whole folder or none of that name.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.artifacts import hash_file, slug, sync_folder
from orchestrator.errors import StorageError


@dataclass(frozen=True)
class PoolFile:
    """A file to be copied into the pool."""

    path: Path
    sha256: str  # hexadecimal, as it was when it was made


def put_into_pool(
    pool: Path, *, item_id: int, title: str, language: str, files: Mapping[str, PoolFile], facts: Mapping[str, Any]
) -> Path:
    """Copy a video's files into a folder of the pool; return the folder.

    The copies are checked against what the files were when they were made: what was approved is what is published.
    Doing it again replaces the folder.

    Args:
        pool: The pool's root.
        item_id: Part of the folder's name, with the title and the language.
        title: The painting's title; data from outside.
        language: Such as "fr".
        files: Name in the folder without suffix -> file to copy.
        facts: Written as `review.json` beside them: who approved it, when, and what was checked.

    Raises:
        StorageError: a file is missing or is not what it was, or there is no room.
    """
    folder = _folder(pool, item_id, title, language)
    beside = _hidden(folder, "tmp")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        for name, file in sorted(files.items()):
            _copy(file, beside / f"{name}{file.path.suffix}", item_id=item_id)
        text = json.dumps(dict(facts), ensure_ascii=False, indent=2, default=str)
        (beside / "review.json").write_text(text + "\n", encoding="utf-8")
        for path in beside.iterdir():
            with path.open("rb") as copy:
                os.fsync(copy.fileno())
        sync_folder(beside)
        _move_away(folder)
        beside.rename(folder)
        sync_folder(pool)
    except OSError as error:
        raise StorageError(
            f"cannot put item {item_id} ({language}) into {pool}: {error.strerror or error}\n"
            "  it still waits: mend that, then: nightreel review"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(_hidden(folder, "old"), ignore_errors=True)
    return folder


def take_out_of_pool(pool: Path, *, item_id: int, title: str, languages: Iterable[str]) -> list[Path]:
    """Remove an item's videos in these languages from the pool; return the folders that were there.

    Raises:
        StorageError: one cannot be removed.
    """
    folders = [_folder(pool, item_id, title, language) for language in languages]
    there = [folder for folder in folders if folder.is_dir()]
    try:
        for folder in there:
            _move_away(folder)
            shutil.rmtree(_hidden(folder, "old"), ignore_errors=True)
    except OSError as error:
        raise StorageError(f"cannot take {folder} out of the pool: {error.strerror or error}") from error
    return there


def _folder(pool: Path, item_id: int, title: str, language: str) -> Path:
    return pool / f"{item_id:05d}-{slug(title)}.{language}"


def _hidden(folder: Path, why: str) -> Path:
    return folder.with_name(f".{folder.name}.{why}")


def _move_away(folder: Path) -> None:
    """Take its name from a folder in one step; removing it file by file would leave half of it under the name."""
    if folder.exists():
        old = _hidden(folder, "old")
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)


def _copy(file: PoolFile, copy: Path, *, item_id: int) -> None:
    shutil.copyfile(file.path, copy)
    if hash_file(copy) != file.sha256:
        raise StorageError(
            f"{file.path} is not what was made: its content has changed since\n"
            f"  make it again with: nightreel redo {item_id} --from final_video"
        )

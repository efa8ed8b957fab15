"""The pool: approved videos with thumbnail, captions and metadata, one folder each, ready to publish."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.artifacts import hash_file, slug, sync_folder
from orchestrator.errors import StorageError


def put_into_pool(
    pool: Path, *, item_id: int, title: str, language: str, files: Mapping[str, Path], facts: Mapping[str, Any]
) -> Path:
    """Copy a video's files into a folder of the pool; return the folder.

    The folder gets its name only when everything is in it and the copies are what the originals are. Doing it twice
    gives the same folder.

    Args:
        pool: The pool's root.
        item_id: Part of the folder's name, with the title and the language.
        title: The painting's title; data from outside.
        language: Such as "fr".
        files: Name in the folder without suffix -> file to copy.
        facts: Written as `review.json` beside them: who approved it, when, and what was checked.

    Raises:
        StorageError: a file is missing, or there is no room.
    """
    folder = pool / f"{item_id:05d}-{slug(title)}.{language}"
    beside = pool / f".{folder.name}.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        for name, source in sorted(files.items()):
            copy = beside / f"{name}{source.suffix}"
            shutil.copyfile(source, copy)
            if hash_file(copy) != hash_file(source):
                raise StorageError(f"the copy {copy} is not what {source} is; check the disk, then approve again")
        (beside / "review.json").write_text(
            json.dumps(dict(facts), ensure_ascii=False, indent=2, default=str), encoding="utf-8"
        )
        for path in beside.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
        sync_folder(pool)
    except OSError as error:
        raise StorageError(f"cannot put item {item_id} into {pool}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def take_out_of_pool(pool: Path, *, item_id: int, title: str, language: str) -> None:
    """Remove a video's folder from the pool; one that is not there is fine."""
    shutil.rmtree(pool / f"{item_id:05d}-{slug(title)}.{language}", ignore_errors=True)

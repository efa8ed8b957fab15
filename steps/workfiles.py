"""Files that a step leaves in its folder: each gets its final name only when it is complete and on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steps.external.process import write_failure


@contextmanager
def partial(path: Path) -> Iterator[Path]:
    """Give a name to write to; on a normal exit that file is flushed and renamed, otherwise it is removed.

    Raises:
        DiskFull: no room for it.
        StepError: it cannot be written for another reason, or was not written at all.
    """
    beside = path.with_name(f"partial.{path.name}")  # keeps the suffix, which tells programs what to write
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise write_failure(error, path=path) from error
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a text file as UTF-8 and return its path. Errors as for `partial`."""
    with partial(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")
    return path

"""The boxes of an MP4 file, read without a decoder.

Libraries hide how a file is laid out; platforms do not forgive it: the index must stand before the data, and edit lists
are refused or ignored, which puts sound and pictures out of step.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from steps.errors import BadOutput

_PARENTS = frozenset({"moov", "trak", "mdia", "udta"})


def boxes(path: Path) -> tuple[str, ...]:
    """Return the boxes of a file in their order, inner ones by their path: ("ftyp", "moov", "moov/trak", …, "mdat").

    Raises:
        BadOutput: the file is no MP4, or is cut off.
    """
    try:
        with path.open("rb") as file:
            found = tuple(_walk(file, 0, path.stat().st_size, ""))
    except (OSError, struct.error, ValueError) as error:
        raise BadOutput(f"{path.name} is not a whole MP4 file: {error}", path=str(path)) from error
    if not found:
        raise BadOutput(f"{path.name} is empty", path=str(path))
    return found


def is_index_first(path: Path) -> bool:
    """Tell whether the index (`moov`) stands before the data (`mdat`), so that the file plays while it arrives."""
    order = [name for name in boxes(path) if name in ("moov", "mdat")]
    return order[:1] == ["moov"] and "mdat" in order


def has_edit_list(path: Path) -> bool:
    """Tell whether a track is shifted or cut by an edit list."""
    return "moov/trak/edts" in boxes(path)


def _walk(file: BinaryIO, begin: int, end: int, prefix: str) -> Iterator[str]:
    position = begin
    while position < end:
        file.seek(position)
        size, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1:  # a long box has its size after its name
            (size,) = struct.unpack(">Q", file.read(8))
            header = 16
        elif size == 0:  # the last box of a file may leave its size open
            size = end - position
        if size < header or position + size > end:
            raise ValueError(f"the box at byte {position} runs past the end")
        name = prefix + kind.decode("latin-1")
        yield name
        if kind.decode("latin-1") in _PARENTS:
            yield from _walk(file, position + header, position + size, f"{name}/")
        position += size

"""Which of the owner's tracks a video gets: by the script's mood, and never the one that the video before it has.

Items of a night are cut at the same time and in any order, so "the video before" cannot be asked of the night. What was
chosen is written into a file of the home, under a lock, and stays: a video that is cut again after a crash gets the
same track, and neighbours keep clear of it whichever of them comes first. Neighbours mostly never meet at all, as even
and odd items prefer different halves of the library.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.errors import StepError
from steps.external.loudness import Loudness, measure_loudness
from steps.external.process import write_failure
from steps.tracks import Library, Track
from steps.workfiles import write_text

LEDGER = "music.json"
_KEPT = 2000  # choices: several weeks of nights


@dataclass(frozen=True)
class Request:
    """The video that wants music."""

    item_id: int  # items are numbered in the order in which they are drawn, over all nights
    variant: str
    seed: int
    mood: str


@dataclass(frozen=True)
class Chosen:
    """What it gets."""

    track: Track | None  # None: nothing in the library can be used
    passed_over: tuple[str, ...]  # what could not be used, with the reason
    again: bool = False  # the neighbour in the same language has it too: there was no other
    loudness: Loudness | None = None  # of the part that is heard


@dataclass(frozen=True)
class _Entry:
    """One earlier choice."""

    item_id: int
    variant: str
    seed: int
    file: str


def choose(library: Library, request: Request, *, heard_s: float, state_dir: Path | None) -> Chosen:
    """Choose a track, and remember it.

    Args:
        library: What there is.
        request: The same request gets the same track again, as long as that can be used.
        heard_s: How much of it is heard, from its beginning.
        state_dir: Where choices are remembered; without it only the request decides.

    Raises:
        DiskFull: no room to remember it.
    """
    with _ledger(state_dir) as entries:
        mine = [one for one in entries if (one.item_id, one.variant) == (request.item_id, request.variant)]
        others = [one for one in entries if one not in mine]
        same = next((one.file for one in mine if one.seed == request.seed), None)
        beside, near = _neighbours(others, request)
        avoided = near | {one.file for one in mine if one.file != same}
        passed_over = list(library.passed_over)
        ranked = sorted(
            library.tracks, key=lambda track: _rank(track, library, request, same=same, taken=(beside, avoided))
        )
        for track in ranked:
            heard = _listen(track, heard_s)
            if isinstance(heard, Loudness):
                entries[:] = [*others, _Entry(request.item_id, request.variant, request.seed, _name(track))][-_KEPT:]
                return Chosen(track, tuple(passed_over), again=_name(track) in beside, loudness=heard)
            passed_over.append(f"{track.path.name}: {heard}")
    return Chosen(None, tuple(passed_over))


def _rank(
    track: Track, library: Library, request: Request, *, same: str | None, taken: tuple[set[str], set[str]]
) -> tuple[Any, ...]:
    """Order tracks: what it had, not what its neighbours have, of its mood, of its half, by lot."""
    name = _name(track)
    mood = 0 if request.mood in track.moods else 1 if not track.moods else 2
    half = (library.tracks.index(track) + request.item_id) % 2
    lot = hashlib.sha256(f"{request.seed} {name}".encode()).digest()
    return (name != same, name in taken[0], mood, name in taken[1], half, lot)


def _neighbours(entries: Sequence[_Entry], request: Request) -> tuple[set[str], set[str]]:
    """Return the tracks of the videos next to this one in its language, and of those next to it in the other one."""
    strict, wide = set(), set()
    for variant in {one.variant for one in entries}:
        alike = [one for one in entries if one.variant == variant]
        before = max((one for one in alike if one.item_id < request.item_id), key=lambda e: e.item_id, default=None)
        after = min((one for one in alike if one.item_id > request.item_id), key=lambda e: e.item_id, default=None)
        sibling = next((one for one in alike if one.item_id == request.item_id), None)
        found = {one.file for one in (before, after, sibling) if one is not None}
        if variant == request.variant:
            strict |= found
        else:
            wide |= found
    return strict, wide


def _name(track: Track) -> str:
    """Return what identifies a track: folder and file, so that the library may be moved."""
    return f"{track.path.parent.name}/{track.path.name}"


def _listen(track: Track, heard_s: float) -> Loudness | str:
    """Return how loud a track is where it is heard, or why it cannot be used."""
    try:
        heard = measure_loudness(track.path, first_s=heard_s)
    except StepError as error:
        return str(error)
    return f"it is silent ({heard.integrated_lufs} LUFS)" if heard.is_silent else heard


@contextmanager
def _ledger(state_dir: Path | None) -> Iterator[list[_Entry]]:
    """Hold the list of earlier choices, alone; what it is on leaving is written. Without a folder it is empty."""
    if state_dir is None:
        yield []
        return
    path = state_dir / LEDGER
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        opened = path.with_name(f".{LEDGER}.lock").open("w")
    except OSError as error:
        raise write_failure(error, path=path) from error
    with opened as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the file is closed, also by the death of this process
        entries = _read(path)
        before = list(entries)
        yield entries
        if entries != before:
            write_text(path, json.dumps([vars(one) for one in entries], ensure_ascii=False, indent=0) + "\n")


def _read(path: Path) -> list[_Entry]:
    """Return the choices of a file; none from one that is absent or damaged: they are a courtesy, not a record."""
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
        return [_Entry(int(one["item_id"]), str(one["variant"]), int(one["seed"]), str(one["file"])) for one in loaded]
    except (OSError, ValueError, KeyError, TypeError):
        return []

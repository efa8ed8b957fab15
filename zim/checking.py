"""Whether an archive is whole: its checksum, tested once a file, and never in the way of who reads it.

A test reads the whole file, a hundred gigabytes of it for a large encyclopaedia, so what was found is remembered by the
file's size and time of change, in a small JSON file of the owner's state folder. A night tests what is not remembered
beside its work: in a thread that rests as long as it reads, and one process at a time. What a file's damage means is
decided elsewhere: each article that cannot be read is left out alone, whatever the checksum says.

Source: the openZIM file format. Bytes 72 to 79 of the header are the position of the checksum, little-endian; there lie
16 bytes, the MD5 of everything before them. A large archive may be cut into parts named `.zimaa`, `.zimab` and so on.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

RECORD = "zim_checked.json"
MAGIC = 72173914
HEADER_BYTES = 80
BLOCK_BYTES = 4 << 20

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Checked:
    """What the test of a file said."""

    whole: bool
    at: str  # ISO time, empty where an older record lacks it


class Checks:
    """What is known of each file, by path, size and time of change. Thread-safe; processes share the record."""

    def __init__(self, state_dir: Path | None) -> None:
        """Read the record of a folder, which is made when the first result is stored; None keeps it in memory."""
        self._record = state_dir / RECORD if state_dir else None
        self._lock = threading.Lock()
        self._known: dict[str, Any] = _load(self._record) if self._record else {}

    def known(self, path: Path) -> Checked | None:
        """Return what is known of a file as it is now; None when it was never tested so, or is gone."""
        try:
            key, stamp = _key(path), _stamp(path)
        except OSError:
            return None
        with self._lock:
            found = self._known.get(key)
            if not _fits(found, stamp) and self._record is not None:
                self._known |= _load(self._record)  # another process may have tested it
                found = self._known.get(key)
        if not isinstance(found, dict) or not _fits(found, stamp):
            return None
        return Checked(bool(found["whole"]), str(found.get("at", "")))

    def check(self, path: Path, *, progress: Progress | None = None, rest: float = 0.0) -> Checked:
        """Return what is known of a file, testing it first where nothing is. Blocks: minutes for a large archive.

        Args:
            path: The archive, or the name that its parts begin with.
            progress: Called with the share that was read, 0 to 1.
            rest: Seconds of rest for each second of reading, so that other work goes on.

        Raises:
            OSError: it cannot be read.
        """
        known = self.known(path)
        if known is not None:
            return known
        stamp = _stamp(path)
        whole = is_whole(path, progress=progress, rest=rest)
        checked = Checked(whole, datetime.now(UTC).isoformat(timespec="seconds"))
        if stamp == _stamp(path):  # else somebody was writing it meanwhile: this says nothing of what it is now
            self._store(_key(path), {"file": path.name, "stamp": stamp, "whole": whole, "at": checked.at})
        return checked

    def _store(self, key: str, value: Mapping[str, Any]) -> None:
        with self._lock:
            if self._record is not None:
                self._known |= _load(self._record)
            self._known[key] = dict(value)
            if self._record is not None:
                _write(self._record, self._known)


class BackgroundChecks:
    """Tests files one after the other in a thread of its own, while their articles are read already."""

    def __init__(self, checks: Checks) -> None:
        """Keep where results go; the thread starts with the first file."""
        self._checks = checks
        self._waiting: list[Path] = []
        self._shares: dict[Path, float] = {}
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()

    def add(self, path: Path) -> None:
        """Test a file some time, unless something is known of it or it waits already. Returns at once."""
        if self._checks.known(path) is not None:
            return
        with self._lock:
            if path in self._shares:
                return
            self._shares[path] = 0.0
            self._waiting.append(path)
            if self._idle.is_set():
                self._idle.clear()
                threading.Thread(target=self._work, name="zim-check", daemon=True).start()

    def shares(self) -> dict[Path, float]:
        """Return how far each file is that was added: 0 to 1."""
        with self._lock:
            return dict(self._shares)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is left to test; tells whether that came to be."""
        return self._idle.wait(timeout_s)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._idle.set()
                    return
                path = self._waiting.pop(0)
            try:
                with _alone(path) as ours:
                    if ours:
                        self._checks.check(path, progress=partial(self._tell, path), rest=1.0)
            except OSError:
                pass  # gone or unreadable meanwhile: who reads it is told so
            self._tell(path, 1.0)

    def _tell(self, path: Path, share: float) -> None:
        with self._lock:
            self._shares[path] = share


def parts_of(path: Path) -> tuple[Path, ...]:
    """Return the files of an archive: itself, or its parts in order; nothing when there is none."""
    if path.is_file():
        return (path,)
    if not path.name or not path.parent.is_dir():
        return ()
    first = path.with_name(path.name + "aa")
    if not first.is_file():
        return ()
    return tuple(sorted(one for one in path.parent.iterdir() if _is_part(one.name, path.name)))


def is_whole(path: Path, *, progress: Progress | None = None, rest: float = 0.0) -> bool:
    """Tell whether a file is an archive whose checksum is right. Blocks while it is read.

    Raises:
        OSError: it cannot be read.
    """
    parts = parts_of(path)
    total = sum(part.stat().st_size for part in parts)
    end = _checksum_position(parts)
    if end is None or end + 16 != total:
        return False
    digest, read, tail = hashlib.md5(usedforsecurity=False), 0, b""
    started = time.monotonic()
    for block in _blocks(parts):
        cut = max(0, min(len(block), end - read))
        digest.update(memoryview(block)[:cut])
        tail += block[cut:]
        read += len(block)
        if progress is not None:
            progress(read / total)
        if rest:
            time.sleep(min(1.0, (time.monotonic() - started) * rest))
            started = time.monotonic()
    return tail == digest.digest()


def _blocks(parts: Sequence[Path]) -> Iterator[bytes]:
    for part in parts:
        with part.open("rb", buffering=0) as file:
            while block := file.read(BLOCK_BYTES):
                yield block


def _checksum_position(parts: Sequence[Path]) -> int | None:
    if not parts:
        return None
    with parts[0].open("rb") as file:
        header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or struct.unpack_from("<I", header)[0] != MAGIC:
        return None
    return int(struct.unpack_from("<Q", header, 72)[0])


def _is_part(name: str, whole: str) -> bool:
    tail = name.removeprefix(whole)
    return name != whole and name.startswith(whole) and len(tail) == 2 and tail.isalpha() and tail.islower()


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Tell whether no other process tests this file now. The lock is on the archive itself and leaves nothing."""
    parts = parts_of(path)
    if not parts:
        yield False
        return
    with parts[0].open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:
            pass  # a file system without locks: at worst it is tested twice
        yield True


def _key(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()


def _stamp(path: Path) -> list[int]:
    found = [part.stat() for part in parts_of(path)]
    if not found:
        raise FileNotFoundError(path)
    return [sum(one.st_size for one in found), max(one.st_mtime_ns for one in found)]


def _fits(found: Any, stamp: Sequence[int]) -> bool:
    return isinstance(found, dict) and found.get("stamp") == list(stamp) and isinstance(found.get("whole"), bool)


def _load(record: Path) -> dict[str, Any]:
    try:
        value = json.loads(record.read_text("utf-8"))
    except (OSError, ValueError):
        return {}  # a lost record costs one more check, nothing else
    return value if isinstance(value, dict) else {}


def _write(record: Path, known: Mapping[str, Any]) -> None:
    """Write the record beside its place and rename it. A folder that cannot be written costs a check next time."""
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=record.parent, prefix=".zim_checked.")
    except OSError:
        return
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(known, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).replace(record)
    except OSError:
        Path(temporary).unlink(missing_ok=True)

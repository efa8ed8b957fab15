"""Takes a finished file into the store: checked for presence, synced, hashed, renamed to its final name.

A file that has its final name is whole. The database row comes after the rename, so a crash in between leaves at most a
file without a row, which the next try of the same run replaces.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from steps.errors import BadOutput, DiskFull, is_disk_full


@dataclass(frozen=True)
class Stored:
    """One file in the store."""

    name: str  # artifact name, such as "image"
    path: str  # relative to the store's root, with forward slashes
    sha256: str
    size_bytes: int


class ArtifactStore:
    """The folder of all artifacts."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def absolute(self, relative: str) -> Path:
        """Return where a stored file is."""
        return self.root / relative

    def take(self, files: Mapping[str, Path], *, folder: str, work: Path) -> tuple[Stored, ...]:
        """Move a step's files to their final names: all of them, or none.

        Args:
            files: Artifact name -> finished file below `work`.
            folder: Where they go, relative to the root.
            work: The work folder of the attempt; files elsewhere are refused.

        Raises:
            BadOutput: a file is missing, empty, or not below `work`.
            DiskFull: no room is left.
        """
        target = self.root / folder
        stored: list[Stored] = []
        try:
            target.mkdir(parents=True, exist_ok=True)
            for name, path in sorted(files.items()):
                _require_finished(name, path, work)
                digest, size = sync_and_hash(path)
                final = target / f"{name}{path.suffix.lower()}"
                stored.append(Stored(name, final.relative_to(self.root).as_posix(), digest, size))
                os.replace(path, final)
            sync_folder(target)
        except (OSError, BadOutput) as error:
            for one in stored:  # the try may have been the last one: nothing would ever name them
                self.remove(one.path)
            if isinstance(error, BadOutput):
                raise
            if is_disk_full(error):
                raise DiskFull(f"no room for {target}: {error.strerror}", path=str(target)) from error
            raise BadOutput(f"cannot store {error.filename or target}: {error.strerror}", path=str(target)) from error
        return tuple(stored)

    def is_intact(self, relative: str, *, size_bytes: int, sha256: str | None = None) -> bool:
        """Tell whether a stored file is still there and still what it was. The hash is read only when given."""
        path = self.root / relative
        try:
            if path.stat().st_size != size_bytes:
                return False
            return sha256 is None or hash_file(path) == sha256
        except OSError:
            return False

    def remove(self, relative: str) -> None:
        """Remove a superseded file; one that is gone already is fine."""
        path = self.root / relative
        path.unlink(missing_ok=True)
        try:
            path.parent.rmdir()
        except OSError:
            return  # not empty: other artifacts live there


def item_folder(batch_id: int, item_id: int, title: str) -> str:
    """Return an item's folder below the store's root: readable, and safe whatever the title is."""
    return f"night-{batch_id:04d}/item-{item_id:05d}-{slug(title)}"


def run_folder(number: int, step: str, variant: str, generation: int) -> str:
    """Return a step run's folder below its item's: one of its own for every time it is sent back."""
    language = f".{variant}" if variant else ""
    again = f".redo{generation}" if generation else ""
    return f"{number:02d}-{slug(step)}{language}{again}"


def slug(text: str, *, longest: int = 40) -> str:
    """Return a part of a file name made of a-z, 0-9 and dashes; never empty.

    >>> slug("L'Été à 50 % : la marchande")
    'l-ete-a-50-la-marchande'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("_", "-")).strip("-")[:longest].strip("-") or "untitled"


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_and_hash(path: Path) -> tuple[str, int]:
    """Flush a file to the disk; return its SHA-256 and size in bytes."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, os.fstat(file.fileno()).st_size


def sync_folder(folder: Path) -> None:
    """Flush a folder, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file so that it is either the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def _require_finished(name: str, path: Path, work: Path) -> None:
    if not path.is_file():
        raise BadOutput(f"the step named {path.name} as its {name}, and did not write it", path=str(path))
    if not path.resolve().is_relative_to(work.resolve()):
        raise BadOutput(f"the step's {name} lies outside its work folder: {path}", path=str(path))
    if path.stat().st_size == 0:
        raise BadOutput(f"the step's {name} is empty: {path.name}", path=str(path))

"""What can be wrong with an archive, and what its owner can do about it.

ZimError
├── ArchiveMissing      there is no file at the path
├── ArchiveDamaged      the file is not a whole archive, or an article of it cannot be read
├── NoFulltextIndex     the archive cannot be searched by its text
└── WrongLanguage       the archive is written in another language than the settings say
"""

from __future__ import annotations

from pathlib import Path


class ZimError(Exception):
    """An archive cannot be used."""

    action = "Check the path under `zim` in the settings."

    def __init__(self, path: Path, found: str) -> None:
        """Keep the path and what was found; the message adds what to do."""
        self.path = path
        self.found = found
        super().__init__(f"{found}: {path}. {self.action}")


class ArchiveMissing(ZimError):
    """There is no file at the path."""

    action = "Put the archive there, correct the path under `zim` in the settings, or take the line out."


class ArchiveDamaged(ZimError):
    """The file is not a whole archive: truncated, altered, or something else."""

    action = "Copy or download the archive again and compare its checksum."


class NoFulltextIndex(ZimError):
    """The archive has no full-text index, so that no article can be found by its text."""

    action = "Take an edition of the archive that is made with a full-text index."


class WrongLanguage(ZimError):
    """The archive is written in another language: its sentences would be spoken in the wrong one."""

    action = "Move the path to its own language under `zim` in the settings, or take it out."

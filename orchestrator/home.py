"""The home folder: where everything of one Nightreel lives, and the name of each place in it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import StorageError


@dataclass(frozen=True)
class Home:
    """The folders of one home. Nothing outside this class joins a path below it."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "nightreel.db"

    @property
    def artifacts(self) -> Path:
        """Checked files; the database holds paths relative to this."""
        return self.root / "artifacts"

    @property
    def work(self) -> Path:
        """A folder an attempt, emptied when it ends."""
        return self.root / "work"

    @property
    def logs(self) -> Path:
        """One file of JSON lines a night."""
        return self.root / "logs"

    @property
    def reports(self) -> Path:
        """One folder a night."""
        return self.root / "reports"

    @property
    def pool(self) -> Path:
        """Approved videos, ready to publish."""
        return self.root / "pool"

    @property
    def engines(self) -> Path:
        """Working folders and process records of the embedded engines."""
        return self.root / "engines"

    def log_of(self, batch_id: int) -> Path:
        """The log of one night."""
        return self.logs / f"night-{batch_id:04d}.jsonl"

    def report_of(self, batch_id: int) -> Path:
        """The folder of one night's report."""
        return self.reports / f"night-{batch_id:04d}"

    def work_of(self, attempt_id: int) -> Path:
        """The work folder of one attempt, made and emptied."""
        folder = self.work / f"attempt-{attempt_id:08d}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def create(self) -> None:
        """Make the folders.

        Raises:
            StorageError: a folder cannot be made or written to.
        """
        for folder in (self.root, self.artifacts, self.work, self.logs, self.reports, self.pool, self.engines):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(f"cannot make the folder {folder}: {error.strerror or error}") from error
            if not os.access(folder, os.W_OK | os.X_OK):
                raise StorageError(
                    f"the folder {folder} cannot be written to by this user; give it write permission, "
                    "or name another folder under `home` in config.yaml"
                )
        probe = self.work / f".probe-{os.getpid()}"
        try:
            probe.write_bytes(b"nightreel")
            probe.unlink()
        except OSError as error:  # a read-only file system says yes to `access` for root
            raise StorageError(f"cannot write to {self.work}: {error.strerror or error}") from error

    def free_bytes(self) -> int:
        """How much room is left on the disk of the home."""
        return shutil.disk_usage(self.root).free

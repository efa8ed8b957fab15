"""What can go wrong with the state, as a tree.

    DatabaseError
    ├── StaleRun            a step run is no longer where the caller believed it to be
    ├── StaleItem           an item is no longer where the caller believed it to be
    ├── CannotSendBack      the request to make something again does not fit the item
    ├── BatchBusy           a batch cannot be closed while attempts of it are in flight
    ├── NotFound            no such row
    ├── Conflict            a row would break a constraint
    ├── LockHeld            another process drives the same thing
    ├── LockLost            our own lock was taken over
    └── DatabaseUnusable    the file or its folder cannot be worked with
        ├── DatabaseFull    no room left on its disk
        ├── DatabaseBusy    somebody else keeps it locked
        └── DatabaseTooNew  written by a later version of this program

Exceptions of SQLAlchemy and of the driver stop at `db/engine.py`, which maps them to these.
"""

from __future__ import annotations

from datetime import datetime


class DatabaseError(Exception):
    """The state could not be read or written."""

    def __init__(self, message: str = "") -> None:
        """Use the class's first line where no sentence is given."""
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class StaleRun(DatabaseError):
    """The step run is no longer in a state that this move starts from: someone else moved it."""


class StaleItem(DatabaseError):
    """The item is no longer in a state that this move starts from."""


class CannotSendBack(DatabaseError):
    """The item has nothing that could be made again in the way that was asked for."""


class BatchBusy(DatabaseError):
    """The batch still has attempts in flight."""


class NotFound(DatabaseError):
    """There is no such row."""


class Conflict(DatabaseError):
    """The row would break a constraint of the database."""


class LockHeld(DatabaseError):
    """Another process holds the lock, and it is alive."""

    def __init__(self, name: str, *, owner: str, host: str, pid: int, heartbeat: datetime) -> None:
        """Keep who holds it, where, and when it was last heard of."""
        self.name, self.owner, self.host, self.pid, self.heartbeat = name, owner, host, pid, heartbeat
        last_heard = f"{heartbeat:%Y-%m-%d %H:%M:%S} UTC"
        super().__init__(f"{name} is held by process {pid} on {host} (owner {owner}), last heard of at {last_heard}")


class LockLost(DatabaseError):
    """The lock is no longer ours: another process took it over while we were silent."""


class DatabaseUnusable(DatabaseError):
    """The database cannot be worked with."""

    def __init__(self, file: str, reason: str) -> None:
        """Keep the file (or URL, without its password) and the reason."""
        self.file, self.reason = file, reason
        super().__init__(f"the database {file} cannot be used: {reason}")


class DatabaseFull(DatabaseUnusable):
    """There is no room left where the database lies."""


class DatabaseBusy(DatabaseUnusable):
    """Another process kept the database locked for longer than we wait."""


class DatabaseTooNew(DatabaseUnusable):
    """The database was written by a later version of this program."""

    def __init__(self, file: str, *, found: str, known: str) -> None:
        """Keep the schema version found in the file and the newest one that this program knows."""
        self.found, self.known = found, known
        super().__init__(
            file, f"it has schema version {found}, this program knows up to {known}; install the newer version again"
        )

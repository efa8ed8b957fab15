"""The run lock: at most one process drives the instances, and the others learn which one.

Alive is asked for, not guessed from how long something takes: the holder writes a heartbeat, and on the same host its
process is looked for. Whoever finds a lock whose holder is gone takes it over and leaves an event.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Row, delete, insert, select, update

from db.errors import LockHeld, LockLost
from db.models import RUN_LOCKS
from db.moves import About, record


@dataclass(frozen=True)
class Holder:
    """Who wants a lock. `owner` is unique to one run of a process, such as a UUID."""

    owner: str
    host: str
    pid: int


def acquire(conn: Connection, name: str, holder: Holder, *, at: datetime, stale_after_s: float) -> None:
    """Take the lock, or take it over from a holder that is gone. Taking one's own again refreshes it.

    Raises:
        LockHeld: its holder is alive.
    """
    held = conn.execute(select(RUN_LOCKS).where(RUN_LOCKS.c.name == name)).one_or_none()
    values = {"owner": holder.owner, "host": holder.host, "pid": holder.pid, "acquired_at": at, "heartbeat_at": at}
    if held is None:
        conn.execute(insert(RUN_LOCKS).values(name=name, **values))
        return
    if held.owner != holder.owner:
        gone = _why_gone(held, host=holder.host, at=at, stale_after_s=stale_after_s)
        if gone is None:
            raise LockHeld(name, owner=held.owner, host=held.host, pid=held.pid, heartbeat=held.heartbeat_at)
        details = {"lock": name, "from": held.owner, "host": held.host, "pid": held.pid, "reason": gone}
        record(conn, "lock.taken_over", at=at, about=About(details=details))
    conn.execute(update(RUN_LOCKS).where(RUN_LOCKS.c.name == name).values(values))


def heartbeat(conn: Connection, name: str, owner: str, *, at: datetime) -> None:
    """Say that the holder is alive.

    Raises:
        LockLost: somebody else holds the lock now, or nobody.
    """
    mine = RUN_LOCKS.c.name == name, RUN_LOCKS.c.owner == owner
    if conn.execute(update(RUN_LOCKS).where(*mine).values(heartbeat_at=at)).rowcount != 1:
        raise LockLost(f"{name} is no longer held by {owner}: it was silent for too long, and another took it over")


def release(conn: Connection, name: str, owner: str) -> bool:
    """Give the lock back. Return whether it was still ours."""
    return conn.execute(delete(RUN_LOCKS).where(RUN_LOCKS.c.name == name, RUN_LOCKS.c.owner == owner)).rowcount == 1


def _why_gone(held: Row[tuple[object, ...]], *, host: str, at: datetime, stale_after_s: float) -> str | None:
    if held.host == host and not is_alive(held.pid):
        return "its process is gone"
    if at - held.heartbeat_at > timedelta(seconds=stale_after_s):
        return f"not heard of for more than {stale_after_s:g} s"
    return None


def is_alive(pid: int) -> bool:
    """Tell whether a process of this host runs. One that has ended and was not waited for yet does not."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # no /proc here
        return True
    # The name, in brackets, may hold anything; the state follows it.
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")

"""The lock of a home: held by the night that runs, with a heartbeat, so that two nights never drive the same instances.

Apart from `night.py`, because losing it is a way of its own for a night to end: another night goes on with our step
runs, and everything that we would still do to them disturbs it.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from db.errors import DatabaseError, LockHeld, LockLost
from db.store import Store
from orchestrator.errors import NightRunningError

LOCK_NAME = "night"
HEARTBEAT_S = 5.0
STALE_AFTER_S = 30.0


@contextmanager
def hold_lock(store: Store, *, lost: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of this home for as long as the block runs, with a heartbeat.

    Args:
        store: The home's state.
        lost: Told why, in a thread of its own, when another night took the lock over while we were silent (a laptop
            that slept): nothing of the state is ours any more.

    Raises:
        NightRunningError: another night holds it; says which.
    """
    owner = uuid4().hex
    try:
        store.acquire_lock(
            LOCK_NAME, owner=owner, host=socket.gethostname(), pid=os.getpid(), stale_after_s=STALE_AFTER_S
        )
    except LockHeld as error:
        raise NightRunningError(
            f"another night is running: process {error.pid} on {error.host}, last seen {error.heartbeat}\n"
            "  look at it with: nightreel status    stop it with: kill -INT " + str(error.pid)
        ) from error
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(store, owner, over, lost), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        store.release_lock(LOCK_NAME, owner)


def _beat(store: Store, owner: str, over: threading.Event, lost: Callable[[str], None]) -> None:
    while not over.wait(HEARTBEAT_S):
        try:
            store.heartbeat(LOCK_NAME, owner)
        except LockLost as error:
            lost(str(error))
            return
        except DatabaseError:
            continue  # whoever writes something that matters meets it too, and ends the night with the reason

"""Tells whoever counts busy threads that a thread of a step only waits, for a server that works elsewhere.

The CPU has few cores, a server that batches takes twenty questions at once. So as many steps may be begun as the server
takes, and no more of them may be at work on this machine than there are workers: a step holds a place while it works,
and lends it to others while it waits. Without places, as in a test of one step, nothing is held.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_own = threading.local()


@contextmanager
def working(places: threading.Semaphore) -> Iterator[None]:
    """Hold a place while the block lasts. Blocks until one is free.

    Args:
        places: As many as threads may work at once.
    """
    places.acquire()
    _own.places = places
    try:
        yield
    finally:
        _own.places = None
        places.release()


@contextmanager
def waiting() -> Iterator[None]:
    """Lend this thread's place to others while the block lasts; afterwards, blocks until one is free again."""
    places: threading.Semaphore | None = getattr(_own, "places", None)
    if places is None:
        yield
        return
    _own.places = None
    places.release()
    try:
        yield
    finally:
        places.acquire()
        _own.places = places

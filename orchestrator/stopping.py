"""How a night is asked to end, and what those who wait watch for it."""

from __future__ import annotations

import threading
import time

POLL_S = 0.1


class StopSignal:
    """How a night is asked to end: once to finish what runs, twice to drop it."""

    def __init__(self) -> None:
        self.finish = threading.Event()  # start nothing new
        self.now = threading.Event()  # do not even wait for what runs
        self.abandoned: str | None = None  # why nothing of the state is ours any more: leave all of it alone

    def press(self) -> None:
        """Ask once more."""
        if self.finish.is_set():
            self.now.set()
        self.finish.set()

    def abandon(self, reason: str) -> None:
        """Stop at once and touch nothing more: another night took over."""
        self.abandoned = reason
        self.now.set()
        self.finish.set()


class Either(threading.Event):
    """An event that is set when one of two others is. Setting it is up to those."""

    def __init__(self, one: threading.Event, other: threading.Event) -> None:
        super().__init__()
        self._both = (one, other)

    def is_set(self) -> bool:
        """Tell whether one of them is set."""
        return any(event.is_set() for event in self._both)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until one of them is set (True) or the seconds have passed (False)."""
        ends = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = POLL_S if ends is None else min(POLL_S, ends - time.monotonic())
            if left <= 0:
                return False
            self._both[0].wait(left)
        return True

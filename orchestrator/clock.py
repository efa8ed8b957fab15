"""Time as an argument, so that tests can turn it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where every part of the orchestrator gets the time from."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Block until the event is set (True) or the seconds have passed (False)."""


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Block until the event is set (True) or the seconds have passed (False)."""
        return event.wait(seconds)


class ManualClock:
    """A clock that moves only when told to. For tests; `wait` moves it and returns at once."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._monotonic = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds it was advanced by."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move forward by some seconds."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Advance by the seconds unless the event is set."""
        if event.is_set():
            return True
        self.advance(seconds)
        return event.is_set()

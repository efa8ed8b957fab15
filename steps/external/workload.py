"""How far the work of this thread is, how long it may take, and whether it is to end: told by whoever runs the step.

A step is a function of its inputs and knows nothing of nights. Yet a person wants to see how far an encoder is, and a
stop must end it. So whoever calls a step puts a `Watch` beside its thread, and the wrappers of long work (FFmpeg,
Whisper) speak with that. Without one, as in a test of a single step, nothing is told and nothing is stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from steps.errors import ProgramTimedOut, WorkStopped

BASE_S = 60.0
PER_MEDIA_S = 10.0
"""What work without a limit of its own may take: so long, and so many seconds for each second of sound or picture."""

_own = threading.local()


@dataclass(frozen=True)
class Watch:
    """Who looks over the shoulder of a thread."""

    tell: Callable[[str, float, float], None] = lambda what, done_s, total_s: None
    """Told what is done, how many seconds of it, of how many; called often, must be quick and must not raise."""
    stop: threading.Event = field(default_factory=threading.Event)  # when set, the work ends at once
    factor: float = 1.0  # by which all limits are longer


NOBODY = Watch()


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Have the work of this thread watched while the block lasts."""
    before = getattr(_own, "watch", NOBODY)
    _own.watch = watch
    try:
        yield
    finally:
        _own.watch = before


def present() -> Watch:
    """Return who watches this thread."""
    watch: Watch = getattr(_own, "watch", NOBODY)
    return watch


def tell(what: str, done_s: float, total_s: float) -> None:
    """Say how far the work is, and end it if that is asked for.

    Args:
        what: For people, such as "seconds encoded".
        done_s: Seconds of sound or picture that are done.
        total_s: Of so many.

    Raises:
        WorkStopped: it is to end.
    """
    watch = present()
    watch.tell(what, min(done_s, total_s), total_s)
    go_on()


def go_on() -> None:
    """Do nothing, unless the work is to end.

    Raises:
        WorkStopped: it is.
    """
    if present().stop.is_set():
        raise WorkStopped("the work was stopped with the night; it is done again by the next")


class Limit:
    """A time limit that grows with the length of what is worked on, for work inside this process."""

    def __init__(self, what: str, media_s: float) -> None:
        """Begin to count.

        Args:
            what: For people, such as "the speech model".
            media_s: Length of the sound or picture, seconds.
        """
        self._what = what
        self._limit_s = (BASE_S + PER_MEDIA_S * media_s) * present().factor
        self._until = time.monotonic() + self._limit_s

    def check(self) -> None:
        """Do nothing within the limit.

        Raises:
            ProgramTimedOut: it is over.
        """
        if time.monotonic() > self._until:
            raise ProgramTimedOut(
                f"{self._what} ran past its limit of {self._limit_s:g} s and was stopped; "
                "`local.time_limit_factor` makes limits longer",
                timeout_s=self._limit_s,
            )

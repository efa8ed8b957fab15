"""How a running prompt is asked to stop.

One flag for the whole card, as in a real server: whoever looks at it first takes it, and a prompt that starts resets
it. A node that never looks runs to its end.
"""

from __future__ import annotations

import threading

from orchestrator.embedded.errors import Interrupted


class Interrupt:
    """The one flag of a card that asks the running prompt to stop."""

    def __init__(self) -> None:
        self._flag = threading.Event()

    def request(self) -> None:
        """Ask whatever runs to stop."""
        self._flag.set()

    def reset(self) -> None:
        """Forget a request, as a prompt does when it starts."""
        self._flag.clear()

    def check(self) -> None:
        """Raise Interrupted, once, when it was asked for."""
        if self._flag.is_set():
            self._flag.clear()
            raise Interrupted

    def wait(self, seconds: float) -> None:
        """Let time pass; raises Interrupted as soon as it is asked for."""
        if seconds > 0:
            self._flag.wait(seconds)
        self.check()

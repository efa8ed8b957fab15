"""What a night tells about itself while it runs. The terminal's live view and the plain lines implement this."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.engines.base import Task, Tick
from orchestrator.log import Logger


@dataclass(frozen=True)
class StepOverview:
    """A step at its start."""

    name: str
    number: int
    title: str
    runs: int  # step runs that are ready
    steps: int  # steps in all
    expected_s: float | None  # for all of it, from earlier nights; None when nothing is known


class Observer(Protocol):
    """Called from the night's threads; must be quick and must not raise."""

    def night_started(self, batch_id: int, items: int, *, resumed: bool) -> None:
        """The batch is open."""

    def step_started(self, step: StepOverview) -> None:
        """A step begins for all items."""

    def run_started(self, task: Task) -> None:
        """A step run was claimed."""

    def run_progress(self, task: Task, tick: Tick) -> None:
        """A prompt went on."""

    def run_finished(self, task: Task, outcome: str) -> None:
        """A try ended: "done", "turned down", "again", "failed" or "put back"."""

    def step_finished(self, step: str) -> None:
        """A step is over for all items."""

    def note(self, message: str) -> None:
        """Something a person should read."""


class Quiet:
    """An observer that ignores everything."""

    def night_started(self, batch_id: int, items: int, *, resumed: bool) -> None:
        """Ignore."""

    def step_started(self, step: StepOverview) -> None:
        """Ignore."""

    def run_started(self, task: Task) -> None:
        """Ignore."""

    def run_progress(self, task: Task, tick: Tick) -> None:
        """Ignore."""

    def run_finished(self, task: Task, outcome: str) -> None:
        """Ignore."""

    def step_finished(self, step: str) -> None:
        """Ignore."""

    def note(self, message: str) -> None:
        """Ignore."""


class Shielded:
    """An observer that keeps the trouble of another one away from the night, and asks it no more after the first.

    A terminal that was closed, or a pipe that nobody reads, must not end a night.
    """

    def __init__(self, inner: Observer, log: Logger) -> None:
        self._inner = inner
        self._log = log
        self._lock = threading.Lock()
        self._is_broken = False

    def night_started(self, batch_id: int, items: int, *, resumed: bool) -> None:
        """Pass on."""
        self._tell(self._inner.night_started, batch_id, items, resumed=resumed)

    def step_started(self, step: StepOverview) -> None:
        """Pass on."""
        self._tell(self._inner.step_started, step)

    def run_started(self, task: Task) -> None:
        """Pass on."""
        self._tell(self._inner.run_started, task)

    def run_progress(self, task: Task, tick: Tick) -> None:
        """Pass on."""
        self._tell(self._inner.run_progress, task, tick)

    def run_finished(self, task: Task, outcome: str) -> None:
        """Pass on."""
        self._tell(self._inner.run_finished, task, outcome)

    def step_finished(self, step: str) -> None:
        """Pass on."""
        self._tell(self._inner.step_finished, step)

    def note(self, message: str) -> None:
        """Pass on."""
        self._tell(self._inner.note, message)

    def _tell(self, tell: Callable[..., None], *args: Any, **options: Any) -> None:
        if self._is_broken:
            return
        try:
            tell(*args, **options)
        except (Exception, SystemExit) as error:  # rich answers a broken pipe with SystemExit
            with self._lock:
                if self._is_broken:
                    return
                self._is_broken = True
            self._log.error("defect", where="observer", exc_info=error)

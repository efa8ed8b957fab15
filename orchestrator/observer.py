"""What a night tells about itself while it runs. The terminal's live view and the plain lines implement this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from orchestrator.engines.base import Task, Tick


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

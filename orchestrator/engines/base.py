"""What is handed to an engine, and what comes back. Frozen and picklable, so that an engine may live elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from steps.base import Context, Result


@dataclass(frozen=True)
class Task:
    """One attempt at one step run."""

    attempt_id: int
    run_id: int
    step: str
    context: Context
    label: str  # for people, such as "Mona Lisa (fr)"
    instance: str | None = None  # name of the ComfyUI instance, for a ComfyUI step
    prompt_id: str | None = None  # chosen and stored by us before anything is sent


@dataclass(frozen=True)
class Tick:
    """How far a prompt is, for people."""

    node: str  # title of the node
    value: float
    maximum: float
    percent: float  # of the whole prompt, 0..100


@dataclass(frozen=True)
class Execution:
    """A finished attempt."""

    result: Result
    started_at: datetime | None  # on the card, by the server's own clock; for local work by ours
    finished_at: datetime | None


class Listener(Protocol):
    """Who wants to know how a task goes. Called from the engine's threads; must be quick and must not raise."""

    def sent(self, task: Task, at: datetime) -> None:
        """The prompt was accepted into the instance's queue."""

    def started(self, task: Task, at: datetime) -> None:
        """The work began, on the card for a prompt."""

    def progress(self, task: Task, tick: Tick) -> None:
        """The work went on."""

"""Which instance takes the next step run. Pure: a decision over a snapshot."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Waiting:
    """A step run that could be claimed now."""

    run_id: int
    failed_on: frozenset[str] = frozenset()  # instances on which a try of it failed tonight
    step: str = ""
    since: float = 0.0  # monotonic seconds: when it became due
    above_gb: float = 0.0  # only a card with more memory than that will do


class Placement(Protocol):
    """Where the runs of a queue may go. Called under the queue's lock: it must be quick, and never blocks or raises.

    One placement may serve several queues at once: what it knows of an instance counts for all of them.
    """

    def choose(self, waiting: Sequence[Waiting], worker: str, *, in_flight: Mapping[str, int]) -> Waiting | None:
        """Return the run that this worker should take now, or None to leave what there is to others.

        Args:
            waiting: What is due, in order.
            worker: Who asks.
            in_flight: Runs of this queue by the name of every worker that it has.
        """

    def taken(self, run: Waiting, worker: str) -> Mapping[str, Any]:
        """Note that a run goes to a worker. Return why, and why not before: JSON values for `nightreel explain`."""

    def left(self, run_id: int, *, completed: bool) -> None:
        """Note that a run no longer occupies its worker. Told once for each that was taken.

        Args:
            run_id: The run.
            completed: Whether its prompt came to a good end, so that its seconds say how fast the worker is.
        """

    def hopeless(self, step: str, workers: Collection[str]) -> str | None:
        """Return why none of the workers can ever take a run of this step, or None when one can."""


class Spread:
    """A placement for workers that are all alike: evenly, and elsewhere after a failure."""

    def choose(self, waiting: Sequence[Waiting], worker: str, *, in_flight: Mapping[str, int]) -> Waiting | None:
        """Return the run that this worker should take now."""
        return choose(waiting, worker, in_flight=in_flight)

    def taken(self, run: Waiting, worker: str) -> Mapping[str, Any]:
        """Say nothing: any other worker would have done as well."""
        return {}

    def left(self, run_id: int, *, completed: bool) -> None:
        """Ignore."""

    def hopeless(self, step: str, workers: Collection[str]) -> str | None:
        """Return None: each can take anything."""
        return None


def choose(waiting: Sequence[Waiting], instance: str, *, in_flight: Mapping[str, int]) -> Waiting | None:
    """Return the run that this instance should take now, or None to leave what there is to others.

    Two rules. An instance does not queue a second prompt while another has none and there are too few to go round:
    otherwise the last four prompts of a step run on two of four cards. And a run that failed here goes elsewhere when
    somebody else is there to take it.

    Args:
        waiting: What could be claimed, in order.
        instance: Who asks.
        in_flight: Prompts queued or running, by the name of every instance in use.
    """
    mine = in_flight.get(instance, 0)
    emptier = sum(1 for name, count in in_flight.items() if name != instance and count < mine)
    if len(waiting) <= emptier:
        return None
    others = set(in_flight) - {instance}
    for run in waiting:
        if instance not in run.failed_on or not others - run.failed_on:
            return run
    return None

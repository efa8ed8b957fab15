"""Which instance takes the next step run. Pure: a decision over a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Waiting:
    """A step run that could be claimed now."""

    run_id: int
    failed_on: frozenset[str] = frozenset()  # instances on which a try of it failed tonight


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

"""Decides what the states of an item's step runs mean for the item. Pure: no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from db.states import CLAIMABLE, State


class RunState(NamedTuple):
    """One step run, as far as settling is concerned."""

    step: str
    variant: str
    state: State


DEAD = frozenset({State.FAILED, State.ABORTED})


def verdict(runs: Sequence[RunState], needs: Mapping[str, Sequence[str]]) -> str | None:
    """Return the event that settles an item that is PROCESSING, or None while there is something left to do.

    Args:
        runs: All step runs of one item.
        needs: Step name -> names of the steps whose results it reads. A step that is absent needs nothing.

    Returns:
        `item.completed` when all runs are COMPLETE; `item.failed` when at least one FAILED, none is under way, and
        every run that is still to do waits for a result that will never come.
    """
    if runs and all(run.state is State.COMPLETE for run in runs):
        return "item.completed"
    if not any(run.state is State.FAILED for run in runs) or any(run.state is State.PROCESSING for run in runs):
        return None
    blocked = _blocked(runs, needs)
    if any(run.state in CLAIMABLE and run not in blocked for run in runs):
        return None
    return "item.failed"


def _blocked(runs: Sequence[RunState], needs: Mapping[str, Sequence[str]]) -> set[RunState]:
    """Return the runs that can never run: what they need is dead or blocked itself, however far back."""
    dead = {run for run in runs if run.state in DEAD}
    while True:
        grown = dead | {
            run for run in runs if run.state in CLAIMABLE and any(_needs(run, gone, needs) for gone in dead)
        }
        if grown == dead:
            return {run for run in dead if run.state in CLAIMABLE}
        dead = grown


def _needs(run: RunState, other: RunState, needs: Mapping[str, Sequence[str]]) -> bool:
    # A shared step reads every variant of what it needs; a variant reads its own and the shared ones.
    return other.step in needs.get(run.step, ()) and (not run.variant or other.variant in ("", run.variant))

"""States and the legal moves between them: the one table that everything else is derived from.

Items and step runs share the six states. An event name belongs to exactly one move, so the event log alone tells every
state that a row was ever in.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Where an item or a step run stands. Value equals name, so that column, SQL and log agree."""

    PENDING = "PENDING"  # to do, not before `retry_at`
    PROCESSING = "PROCESSING"  # claimed; its attempt says by whom and where
    COMPLETE = "COMPLETE"  # its artifacts are on disk, checked and hashed
    FAILED = "FAILED"  # no attempts left
    ABORTED = "ABORTED"  # turned down, not an error
    REDO = "REDO"  # sent back: runs again with a new seed


class Move(NamedTuple):
    """One legal move."""

    sources: frozenset[State]
    target: State


def _move(target: State, *sources: State) -> Move:
    return Move(frozenset(sources), target)


MOVES: dict[str, Move] = {
    "run.claimed": _move(State.PROCESSING, State.PENDING, State.REDO),
    "run.completed": _move(State.COMPLETE, State.PROCESSING),
    "run.retry_scheduled": _move(State.PENDING, State.PROCESSING),
    "run.put_back": _move(State.PENDING, State.PROCESSING),  # cut short by us: the attempt is not counted
    "run.failed": _move(State.FAILED, State.PROCESSING),
    "run.aborted": _move(State.ABORTED, State.PENDING, State.PROCESSING, State.REDO),
    "run.sent_back": _move(State.REDO, State.COMPLETE, State.FAILED),
    "item.started": _move(State.PROCESSING, State.PENDING, State.REDO),
    "item.completed": _move(State.COMPLETE, State.PROCESSING),
    "item.put_back": _move(State.PENDING, State.PROCESSING),  # the night ended first
    "item.failed": _move(State.FAILED, State.PROCESSING),
    "item.aborted": _move(State.ABORTED, State.PENDING, State.PROCESSING, State.REDO, State.FAILED),
    "item.sent_back": _move(State.REDO, State.COMPLETE, State.FAILED),
}

CLAIMABLE = MOVES["run.claimed"].sources
SETTLED = frozenset(State) - CLAIMABLE - {State.PROCESSING}

"""The one function that changes a state, and the one that writes an event.

A move is a single compare-and-swap: it names the states that it may start from, and a statement that changed no row
means that somebody else moved first. Its event is written in the same transaction, so the log and the states cannot
disagree. New rows get their first state from the table's default; nothing else in the program writes a state, and a
test reads the whole tree to make sure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, exists, insert, update

from db.errors import StaleItem, StaleRun
from db.models import ATTEMPTS, EVENTS, RUNS
from db.states import MOVES, State

# The operator's word counts more than an attempt that is under way; every other way out of PROCESSING names it.
WITHOUT_ATTEMPT = frozenset({"run.aborted"})


@dataclass(frozen=True)
class About:
    """Which rows an event is about, and what people may want to know of it."""

    batch_id: int | None = None
    item_id: int | None = None
    run_id: int | None = None
    attempt_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def advance(
    conn: Connection,
    table: Table,
    row_id: int,
    event: str,
    *,
    at: datetime,
    about: About,
    values: Mapping[str, Any] | None = None,
) -> None:
    """Move one item or step run by one event, and record it.

    Out of PROCESSING a step run moves only while `about.attempt_id` is its live attempt of its current generation, so
    that the late answer of an earlier try moves nothing.

    Args:
        conn: A connection in a write transaction.
        table: `ITEMS` or `RUNS`.
        row_id: The row to move.
        event: A name in `MOVES`, of the same kind as the table.
        at: When it happened.
        about: Goes into the event.
        values: Further columns to set in the same statement.

    Raises:
        StaleRun, StaleItem: the row is in none of the move's sources, or the attempt is not its live one.
        ValueError: the event does not belong to the table, or a move that needs an attempt got none.
    """
    kind = "run" if table is RUNS else "item"
    if not event.startswith(f"{kind}."):
        raise ValueError(f"{event} does not move a row of {table.name}")
    move = MOVES[event]
    guard = _attempt_guard(event, about.attempt_id) if table is RUNS and State.PROCESSING in move.sources else []
    moved = conn.execute(
        update(table)
        .where(table.c.id == row_id, table.c.state.in_(sorted(move.sources)), *guard)
        .values(state=move.target, **(values or {}))
    )
    if moved.rowcount != 1:
        stale = StaleRun if table is RUNS else StaleItem
        attempt = f" and the live attempt {about.attempt_id}" if guard else ""
        raise stale(f"{kind} {row_id}: {event} needs {' or '.join(sorted(move.sources))}{attempt}")
    record(conn, event, at=at, about=about)


def _attempt_guard(event: str, attempt_id: int | None) -> list[ColumnElement[bool]]:
    if attempt_id is None:
        if event in WITHOUT_ATTEMPT:
            return []
        raise ValueError(f"{event} needs the attempt that it ends")
    return [
        exists().where(
            ATTEMPTS.c.id == attempt_id,
            ATTEMPTS.c.run_id == RUNS.c.id,
            ATTEMPTS.c.generation == RUNS.c.generation,
            ATTEMPTS.c.outcome.is_(None),
        )
    ]


def record(conn: Connection, event: str, *, at: datetime, about: About) -> None:
    """Write an event."""
    conn.execute(
        insert(EVENTS),
        {
            "at": at,
            "name": event,
            "batch_id": about.batch_id,
            "item_id": about.item_id,
            "run_id": about.run_id,
            "attempt_id": about.attempt_id,
            "details": dict(about.details),
        },
    )

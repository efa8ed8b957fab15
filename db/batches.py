"""Opening and closing a night: what it carries over, what it draws, and the step runs of each item.

All functions take a connection in a write transaction, so that a night is opened as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, insert, select, update

from db.errors import BatchBusy, NotFound
from db.models import ATTEMPTS, BATCH_ITEMS, BATCHES, ITEMS, PAINTING_LISTS, PAINTINGS, RUNS
from db.moves import About, advance, record
from db.runs import settle_item
from db.states import CLAIMABLE, SETTLED, State
from db.views import StepSpec


@dataclass(frozen=True)
class Opening:
    """What a night is opened with."""

    seed: int
    list_name: str
    count: int
    steps: Sequence[StepSpec]
    languages: Sequence[str]
    settings: Mapping[str, Any]
    preview: bool
    log_path: str | None


def open_batch(conn: Connection, opening: Opening, *, at: datetime) -> int:
    """Open a night: first what earlier nights left or people sent back, then new paintings. Return its id."""
    batch_id = _insert_batch(conn, opening, at=at)
    waiting = _waiting_items(conn)
    for position, item in enumerate(waiting):
        origin = "redo" if item.state is State.REDO else "carried"
        _add_to_batch(conn, batch_id, item.id, origin=origin, position=position, at=at)
        _insert_missing_runs(conn, item.id, opening.steps, languages=item.languages)
        _settle_if_over(conn, item.id, opening.steps, batch_id=batch_id, at=at)
    missing = max(0, opening.count - len(waiting))
    for position, painting_id in enumerate(draw(conn, opening.list_name, seed=opening.seed, count=missing)):
        item_id = _insert_item(conn, painting_id, batch_id=batch_id, languages=opening.languages)
        _add_to_batch(conn, batch_id, item_id, origin="drawn", position=len(waiting) + position, at=at)
        _insert_missing_runs(conn, item_id, opening.steps, languages=opening.languages)
    return batch_id


def draw(conn: Connection, list_name: str, *, seed: int, count: int) -> list[int]:
    """Return ids of up to `count` paintings of a list that no item ever used, in the order of the draw.

    The order is that of a hash of seed and content, so it does not depend on ids or on when a painting was added.
    """
    unused = conn.execute(
        select(PAINTINGS.c.id, PAINTINGS.c.sha256)
        .join(PAINTING_LISTS, PAINTING_LISTS.c.painting_id == PAINTINGS.c.id)
        .where(PAINTING_LISTS.c.name == list_name, ~exists().where(ITEMS.c.painting_id == PAINTINGS.c.id))
    )
    tickets = ((hashlib.sha256(f"{seed}:{row.sha256}".encode()).digest(), row.id) for row in unused)
    return [painting_id for _, painting_id in heapq.nsmallest(count, tickets)]


def close_batch(conn: Connection, batch_id: int, outcome: str, *, at: datetime) -> None:
    """Close a night. Items that it leaves half-way go back to PENDING, for the next one to take first.

    Raises:
        BatchBusy: attempts of this batch are still in flight.
        NotFound: there is no such batch, or it is closed already.
    """
    live = conn.execute(select(ATTEMPTS.c.id).where(ATTEMPTS.c.batch_id == batch_id, ATTEMPTS.c.outcome.is_(None)))
    in_flight = [row.id for row in live]
    if in_flight:
        raise BatchBusy(f"batch {batch_id} cannot be closed: attempts {in_flight} are in flight")
    half_way = conn.execute(
        select(ITEMS.c.id)
        .join(BATCH_ITEMS, BATCH_ITEMS.c.item_id == ITEMS.c.id)
        .where(BATCH_ITEMS.c.batch_id == batch_id, ITEMS.c.state == State.PROCESSING)
    ).scalars()
    for item_id in half_way.all():
        about = About(batch_id=batch_id, item_id=item_id, details={"reason": "the night ended"})
        advance(conn, ITEMS, item_id, "item.put_back", at=at, about=about)
    closed = conn.execute(
        update(BATCHES)
        .where(BATCHES.c.id == batch_id, BATCHES.c.closed_at.is_(None))
        .values(closed_at=at, outcome=outcome)
    )
    if closed.rowcount != 1:
        raise NotFound(f"there is no open batch {batch_id}")
    record(conn, "batch.closed", at=at, about=About(batch_id=batch_id, details={"outcome": outcome}))


def _insert_batch(conn: Connection, opening: Opening, *, at: datetime) -> int:
    batch_id = _inserted(
        conn.execute(
            insert(BATCHES).values(
                seed=opening.seed,
                list_name=opening.list_name,
                wanted=opening.count,
                languages=list(opening.languages),
                settings=dict(opening.settings),
                preview=opening.preview,
                log_path=opening.log_path,
                opened_at=at,
            )
        )
    )
    details = {"seed": opening.seed, "list": opening.list_name, "wanted": opening.count}
    record(conn, "batch.opened", at=at, about=About(batch_id=batch_id, details=details))
    return batch_id


def _waiting_items(conn: Connection) -> Sequence[Any]:
    """Return the items that are to do and in no open batch, oldest first."""
    in_open_batch = (
        exists()
        .where(BATCH_ITEMS.c.item_id == ITEMS.c.id, BATCHES.c.id == BATCH_ITEMS.c.batch_id)
        .where(BATCHES.c.closed_at.is_(None))
    )
    return conn.execute(
        select(ITEMS.c.id, ITEMS.c.state, ITEMS.c.languages)
        .where(ITEMS.c.state.in_(sorted(CLAIMABLE)), ~in_open_batch)
        .order_by(ITEMS.c.id)
    ).all()


def _add_to_batch(conn: Connection, batch_id: int, item_id: int, *, origin: str, position: int, at: datetime) -> None:
    conn.execute(insert(BATCH_ITEMS).values(batch_id=batch_id, item_id=item_id, origin=origin, position=position))
    record(conn, "item.taken", at=at, about=About(batch_id=batch_id, item_id=item_id, details={"origin": origin}))


def _insert_item(conn: Connection, painting_id: int, *, batch_id: int, languages: Sequence[str]) -> int:
    return _inserted(
        conn.execute(
            insert(ITEMS).values(painting_id=painting_id, batch_id=batch_id, reasons=[], languages=list(languages))
        )
    )


def _insert_missing_runs(
    conn: Connection, item_id: int, steps: Sequence[StepSpec], *, languages: Sequence[str]
) -> None:
    """Make the step runs that the item does not have yet; a step that is new in the pipeline reaches old items too."""
    known = {(row.step, row.variant) for row in conn.execute(_runs_of(item_id))}
    missing = [
        {"item_id": item_id, "step": step.name, "number": step.number, "variant": variant}
        for step in steps
        for variant in _variants(step, languages)
        if (step.name, variant) not in known
    ]
    if missing:
        conn.execute(insert(RUNS), missing)


def _settle_if_over(conn: Connection, item_id: int, steps: Sequence[StepSpec], *, batch_id: int, at: datetime) -> None:
    """Settle an item that waits only for steps which have left the pipeline: nobody would ever claim their runs."""
    names = [step.name for step in steps]
    states = conn.execute(select(RUNS.c.state).where(RUNS.c.item_id == item_id, RUNS.c.step.in_(names))).scalars().all()
    if states and all(state in SETTLED for state in states):
        advance(conn, ITEMS, item_id, "item.started", at=at, about=About(batch_id, item_id))
        settle_item(conn, item_id, at=at, batch_id=batch_id, needs=dict.fromkeys(names, ()))


def _runs_of(item_id: int) -> Any:
    return select(RUNS.c.step, RUNS.c.variant).where(RUNS.c.item_id == item_id)


def _variants(step: StepSpec, languages: Sequence[str]) -> Iterator[str]:
    yield from languages if step.per_language else ("",)


def _inserted(result: Any) -> int:
    return int(result.inserted_primary_key[0])

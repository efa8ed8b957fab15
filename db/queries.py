"""Every question that is asked of the state, as functions on a reading connection. Nothing here writes."""

from __future__ import annotations

from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Table, bindparam, exists, func, select

from db.errors import NotFound
from db.models import ARTIFACTS, ATTEMPTS, BATCH_ITEMS, BATCHES, EVENTS, ITEMS, PAINTING_LISTS, PAINTINGS, RUNS
from db.states import State
from db.views import ArtifactView, AttemptView, BatchView, EventView, ItemView, MadeRow, PaintingRow, RunView, Status

RECENT_ATTEMPTS = 50  # that `typical_seconds` looks at


def _columns(table: Table, names: str) -> list[ColumnElement[Any]]:
    return [table.c[name] for name in names.split()]


def lists(conn: Connection) -> dict[str, int]:
    """Return how many paintings each named list has."""
    rows = conn.execute(select(PAINTING_LISTS.c.name, func.count()).group_by(PAINTING_LISTS.c.name))
    return {row[0]: row[1] for row in rows}


def unused_count(conn: Connection, list_name: str) -> int:
    """Return how many paintings of a list no item ever used."""
    used = exists().where(ITEMS.c.painting_id == PAINTING_LISTS.c.painting_id)
    return conn.execute(select(func.count()).where(PAINTING_LISTS.c.name == list_name, ~used)).scalar_one()


def unused(conn: Connection, list_name: str) -> list[PaintingRow]:
    """Return the paintings of a list that no item ever used, in the order of their content's hash."""
    rows = conn.execute(
        select(*_columns(PAINTINGS, "sha256 path title artist year sitter licence source tags width_px height_px"))
        .join(PAINTING_LISTS, PAINTING_LISTS.c.painting_id == PAINTINGS.c.id)
        .where(PAINTING_LISTS.c.name == list_name, ~exists().where(ITEMS.c.painting_id == PAINTINGS.c.id))
        .order_by(PAINTINGS.c.sha256)
    )
    return [PaintingRow(**{**row, "tags": tuple(row["tags"])}) for row in rows.mappings()]


def paintings(conn: Connection) -> list[PaintingRow]:
    """Return the whole catalogue, the newest painting first."""
    rows = conn.execute(
        select(
            *_columns(PAINTINGS, "sha256 path title artist year sitter licence source tags width_px height_px")
        ).order_by(PAINTINGS.c.id.desc())
    )
    return [PaintingRow(**{**row, "tags": tuple(row["tags"])}) for row in rows.mappings()]


def batch(conn: Connection, *where: ColumnElement[bool]) -> BatchView | None:
    """Return the newest batch that fits, or None."""
    row = conn.execute(select(BATCHES).where(*where).order_by(BATCHES.c.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    members = select(BATCH_ITEMS.c.origin, func.count()).where(BATCH_ITEMS.c.batch_id == row.id)
    counts = {row[0]: row[1] for row in conn.execute(members.group_by(BATCH_ITEMS.c.origin))}
    columns = dict(row._mapping)
    columns["languages"] = tuple(row.languages)
    return BatchView(
        **columns, drawn=counts.get("drawn", 0), carried=counts.get("carried", 0), redone=counts.get("redo", 0)
    )


# Built once: putting a long statement together takes longer than running it.
_ATTEMPTS_QUERY = select(
    ATTEMPTS.c.id.label("attempt_id"),
    RUNS.c.item_id,
    RUNS.c.variant,
    *_columns(ATTEMPTS, "run_id batch_id step generation number instance prompt_id seed claimed_at queued_at"),
    *_columns(ATTEMPTS, "started_at finished_at outcome counted error_class error_message remedy fallback rung"),
).join(RUNS, RUNS.c.id == ATTEMPTS.c.run_id)
_RUNS_QUERY = select(
    RUNS.c.id.label("run_id"),
    RUNS.c.item_id,
    ITEMS.c.state.label("item_state"),
    *_columns(RUNS, "step number variant state generation attempts_counted retry_at"),
).join(ITEMS, ITEMS.c.id == RUNS.c.item_id)
_ITEMS_QUERY = (
    select(
        ITEMS.c.id.label("item_id"),
        *_columns(ITEMS, "painting_id batch_id state reasons languages"),
        BATCH_ITEMS.c.origin,
        *_columns(PAINTINGS, "sha256 path title artist year sitter licence source tags width_px height_px"),
    )
    .join(PAINTINGS, PAINTINGS.c.id == ITEMS.c.painting_id)
    .join(BATCH_ITEMS, BATCH_ITEMS.c.item_id == ITEMS.c.id)
)
_LIVE = ATTEMPTS.c.outcome.is_(None)


def attempts_where(conn: Connection, *where: ColumnElement[bool]) -> list[AttemptView]:
    """Return the attempts that fit, oldest first."""
    rows = conn.execute(_ATTEMPTS_QUERY.where(*where))
    # Sorted here: asked to sort, SQLite walks the whole table in order of id instead of the small index of live ones.
    return sorted((AttemptView(**row._mapping) for row in rows), key=lambda attempt: attempt.attempt_id)


_ATTEMPT_QUERY = _ATTEMPTS_QUERY.where(ATTEMPTS.c.id == bindparam("attempt"))


def attempt_view(conn: Connection, attempt_id: int) -> AttemptView:
    """Return one attempt.

    Raises:
        NotFound: there is none of that id.
    """
    row = conn.execute(_ATTEMPT_QUERY, {"attempt": attempt_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no attempt {attempt_id}")
    return AttemptView(**row._mapping)


def snapshot(conn: Connection, batch_id: int) -> list[RunView]:
    """Return all step runs of a batch: by step, and within a step in the batch's order of work."""
    members = select(BATCH_ITEMS.c.item_id).where(BATCH_ITEMS.c.batch_id == batch_id)
    statement = (
        _RUNS_QUERY.join(BATCH_ITEMS, BATCH_ITEMS.c.item_id == RUNS.c.item_id)
        .where(BATCH_ITEMS.c.batch_id == batch_id)
        .order_by(RUNS.c.number, BATCH_ITEMS.c.position, RUNS.c.id)
    )
    return _run_views(conn, statement, attempts_where(conn, _LIVE, RUNS.c.item_id.in_(members)))


def runs_of_item(conn: Connection, item_id: int) -> list[RunView]:
    """Return all step runs of an item, in the order of the pipeline."""
    statement = _RUNS_QUERY.where(RUNS.c.item_id == item_id).order_by(RUNS.c.number, RUNS.c.id)
    return _run_views(conn, statement, attempts_where(conn, _LIVE, RUNS.c.item_id == item_id))


def _run_views(conn: Connection, statement: Select[Any], live: list[AttemptView]) -> list[RunView]:
    live_of_run = {attempt.run_id: attempt for attempt in live}
    return [RunView(**row._mapping, live_attempt=live_of_run.get(row.run_id)) for row in conn.execute(statement)]


def _item_view(row: RowMapping) -> ItemView:
    columns: dict[str, Any] = dict(row)
    for name in ("reasons", "languages", "tags"):
        columns[name] = tuple(columns[name])
    return ItemView(**columns)


def items(conn: Connection, batch_id: int) -> list[ItemView]:
    """Return the items of a batch in its order of work."""
    rows = conn.execute(_ITEMS_QUERY.where(BATCH_ITEMS.c.batch_id == batch_id).order_by(BATCH_ITEMS.c.position))
    return [_item_view(row) for row in rows.mappings()]


def item(conn: Connection, item_id: int) -> ItemView:
    """Return one item, with how it came to the latest batch that it was in.

    Raises:
        NotFound: there is none of that id.
    """
    row = conn.execute(
        _ITEMS_QUERY.where(ITEMS.c.id == item_id).order_by(BATCH_ITEMS.c.batch_id.desc()).limit(1)
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no item {item_id}")
    return _item_view(row._mapping)


def artifacts_where(conn: Connection, *where: ColumnElement[bool]) -> list[ArtifactView]:
    """Return the artifacts that fit, in the order of the pipeline and of their making."""
    rows = conn.execute(
        select(
            ARTIFACTS.c.id.label("artifact_id"),
            RUNS.c.step,
            RUNS.c.variant,
            *_columns(ARTIFACTS, "run_id attempt_id name path sha256 size_bytes media made_at superseded_at"),
        )
        .join(RUNS, RUNS.c.id == ARTIFACTS.c.run_id)
        .where(*where)
        .order_by(RUNS.c.number, RUNS.c.id, ARTIFACTS.c.id)
    )
    return [ArtifactView(**row._mapping) for row in rows]


def made(conn: Connection, item_id: int) -> dict[tuple[str, str], MadeRow]:
    """Return what the COMPLETE step runs of an item made, by step and variant."""
    complete = RUNS.c.item_id == item_id, RUNS.c.state == State.COMPLETE
    files: dict[int, dict[str, str]] = {}
    for artifact in artifacts_where(conn, *complete, ARTIFACTS.c.superseded_at.is_(None)):
        files.setdefault(artifact.run_id, {})[artifact.name] = artifact.path
    rows = conn.execute(
        select(RUNS.c.id, RUNS.c.step, RUNS.c.variant, RUNS.c.data, RUNS.c.checks)
        .where(*complete)
        .order_by(RUNS.c.number, RUNS.c.id)
    )
    return {
        (row.step, row.variant): MadeRow(files.get(row.id, {}), row.data or {}, tuple(row.checks or ())) for row in rows
    }


def events(conn: Connection, *where: ColumnElement[bool], limit: int) -> list[EventView]:
    """Return the last `limit` events that fit, oldest first."""
    rows = conn.execute(select(EVENTS).where(*where).order_by(EVENTS.c.id.desc()).limit(limit)).all()
    return [EventView(**row._mapping) for row in reversed(rows)]


def status(conn: Connection) -> Status:
    """Count everything. Each count is answered from an index alone."""
    per_item = conn.execute(select(ITEMS.c.state, func.count()).group_by(ITEMS.c.state))
    per_run = conn.execute(select(RUNS.c.step, RUNS.c.state, func.count()).group_by(RUNS.c.step, RUNS.c.state))
    return Status(
        paintings=conn.execute(select(func.count()).select_from(PAINTINGS)).scalar_one(),
        lists=lists(conn),
        items={row[0]: row[1] for row in per_item},
        runs={(row[0], row[1]): row[2] for row in per_run},
        open_batch=batch(conn, BATCHES.c.closed_at.is_(None)),
    )


def typical_seconds(conn: Connection, step: str) -> float | None:
    """Return the median duration in seconds of a step's latest complete attempts, or None while there is none.

    The duration is that on the card where it is known, else from sending or claiming on.
    """
    rows = conn.execute(
        select(ATTEMPTS.c.claimed_at, ATTEMPTS.c.queued_at, ATTEMPTS.c.started_at, ATTEMPTS.c.finished_at)
        .where(ATTEMPTS.c.step == step, ATTEMPTS.c.outcome == "complete")
        .order_by(ATTEMPTS.c.id.desc())
        .limit(RECENT_ATTEMPTS)
    )
    durations = [_seconds(row._mapping) for row in rows]
    return median(durations) if durations else None


def _seconds(row: RowMapping) -> float:
    began: datetime = row["started_at"] or row["queued_at"] or row["claimed_at"]
    ended: datetime = row["finished_at"]
    # Two clocks may be involved: the server's and ours.
    return max(0.0, (ended - began).total_seconds())

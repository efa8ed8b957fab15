"""What happens to a step run: claimed, completed, tried again, failed, put back, turned down, sent back.

Each function is one transition with everything that belongs to it, on a connection in a write transaction: the move,
its event, the attempt's end, the artifacts, and what all that means for the item. A crash keeps all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from db import placements
from db.errors import CannotSendBack, Conflict, NotFound, StaleItem, StaleRun
from db.models import ARTIFACTS, ATTEMPTS, ITEMS, RUNS
from db.moves import About, advance
from db.queries import attempt_view, attempts_where
from db.settling import RunState, verdict
from db.states import CLAIMABLE, MOVES, SETTLED, State
from db.views import ArtifactRow, AttemptView, Settled

Needs = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Claim:
    """Who is about to work on a step run, and how."""

    run_id: int
    batch_id: int
    instance: str | None
    prompt_id: str | None
    seed: int
    placement: Mapping[str, Any] | None = None  # why this instance, why now; JSON values
    fallback: str | None = None  # the manifest's rung that it runs on


@dataclass(frozen=True)
class Product:
    """What an attempt made."""

    artifacts: Sequence[ArtifactRow]
    data: Mapping[str, Any]
    checks: Sequence[Mapping[str, Any]]


# Built once: putting a statement together takes longer than running it.
_RUN_QUERY = (
    select(RUNS.c.id, RUNS.c.item_id, RUNS.c.step, RUNS.c.state, RUNS.c.generation, ITEMS.c.state.label("item_state"))
    .join(ITEMS, ITEMS.c.id == RUNS.c.item_id)
    .where(RUNS.c.id == bindparam("run"))
)
_STATES_QUERY = select(RUNS.c.step, RUNS.c.variant, RUNS.c.state).where(RUNS.c.item_id == bindparam("item"))


def claim(conn: Connection, claimed: Claim, *, at: datetime) -> AttemptView:
    """Take a step run for oneself. The first claim of an item starts the item.

    Raises:
        StaleRun: it is not claimable, somebody else took it, or its item is settled.
        NotFound: there is no such run.
        Conflict: the prompt id was used before.
    """
    run = conn.execute(_RUN_QUERY, {"run": claimed.run_id}).one_or_none()
    if run is None:
        raise NotFound(f"there is no step run {claimed.run_id}")
    if run.state not in CLAIMABLE:
        raise StaleRun(f"run {run.id}: run.claimed needs {' or '.join(sorted(CLAIMABLE))}, it is {run.state}")
    if run.item_state in SETTLED:
        raise StaleRun(f"run {run.id}: its item {run.item_id} is {run.item_state}")
    attempt_id = _insert_attempt(conn, claimed, run, at=at)
    if claimed.placement and claimed.instance is not None:
        placements.add(conn, attempt_id, instance=claimed.instance, reasons=claimed.placement, at=at)
    about = About(claimed.batch_id, run.item_id, run.id, attempt_id, _without_none(instance=claimed.instance))
    advance(conn, RUNS, run.id, "run.claimed", at=at, about=about, values={"retry_at": None})
    if run.item_state is not State.PROCESSING:
        advance(conn, ITEMS, run.item_id, "item.started", at=at, about=About(claimed.batch_id, run.item_id))
    return attempt_view(conn, attempt_id)


def _insert_attempt(conn: Connection, claimed: Claim, run: Row[*tuple[Any, ...]], *, at: datetime) -> int:
    earlier = select(func.count()).where(ATTEMPTS.c.run_id == run.id, ATTEMPTS.c.generation == run.generation)
    values = {
        "run_id": run.id,
        "batch_id": claimed.batch_id,
        "step": run.step,
        "generation": run.generation,
        "number": conn.execute(earlier).scalar_one() + 1,
        "instance": claimed.instance,
        "prompt_id": claimed.prompt_id,
        "seed": claimed.seed,
        "fallback": claimed.fallback,
        "claimed_at": at,
    }
    try:
        result: Any = conn.execute(insert(ATTEMPTS).values(values))
    except IntegrityError as error:
        if "prompt_id" in str(error.orig):
            raise Conflict(f"the prompt id {claimed.prompt_id} was used before") from error
        if "run_id" in str(error.orig) or "uq_attempt" in str(error.orig):
            raise StaleRun(f"run {run.id}: somebody else claimed it at the same moment") from error
        raise
    return int(result.inserted_primary_key[0])


def complete(
    conn: Connection,
    attempt: AttemptView,
    product: Product,
    *,
    at: datetime,
    needs: Needs,
    started_at: datetime | None,
    finished_at: datetime | None,
) -> Settled:
    """Record what a live attempt made: the files become the current ones, the run COMPLETE, the item perhaps too."""
    values = {"data": dict(product.data), "checks": [dict(check) for check in product.checks], "retry_at": None}
    _leave(conn, attempt, "run.completed", at=at, counted=True, values=values)
    _end(conn, attempt, "complete", at=finished_at or at, counted=True, values=_without_none(started_at=started_at))
    superseded = _replace_artifacts(conn, attempt, product.artifacts, at=at)
    return Settled(settle_item(conn, attempt.item_id, at=at, batch_id=attempt.batch_id, needs=needs), superseded)


def _replace_artifacts(
    conn: Connection, attempt: AttemptView, artifacts: Sequence[ArtifactRow], *, at: datetime
) -> tuple[str, ...]:
    current = ARTIFACTS.c.run_id == attempt.run_id, ARTIFACTS.c.superseded_at.is_(None)
    old_paths = conn.execute(select(ARTIFACTS.c.path).where(*current)).scalars().all()
    if old_paths:
        conn.execute(update(ARTIFACTS).where(*current).values(superseded_at=at))
    if artifacts:
        conn.execute(
            insert(ARTIFACTS),
            [
                {
                    "run_id": attempt.run_id,
                    "attempt_id": attempt.attempt_id,
                    "name": made.name,
                    "path": made.path,
                    "sha256": made.sha256,
                    "size_bytes": made.size_bytes,
                    "media": None if made.media is None else dict(made.media),
                    "made_at": at,
                }
                for made in artifacts
            ],
        )
    kept = {made.path for made in artifacts}
    return tuple(path for path in old_paths if path not in kept)


@dataclass(frozen=True)
class Failure:
    """What went wrong in an attempt."""

    error_class: str
    message: str
    remedy: str
    rung: str | None = None  # of the ladder of errors: what it leads to


def retry(
    conn: Connection, attempt: AttemptView, failure: Failure, *, at: datetime, retry_at: datetime | None, counted: bool
) -> None:
    """End a live attempt as failed and leave its run to be tried again, not before `retry_at`."""
    details = {**vars(failure), "counted": counted}
    _leave(conn, attempt, "run.retry_scheduled", at=at, counted=counted, values={"retry_at": retry_at}, details=details)
    _end(conn, attempt, "failed", at=at, counted=counted, values=_failure_columns(failure))


def fail(conn: Connection, attempt: AttemptView, failure: Failure, *, at: datetime, needs: Needs) -> State:
    """End a live attempt as failed, and its run with it. Return the item's state."""
    _leave(conn, attempt, "run.failed", at=at, counted=True, values={"retry_at": None}, details=vars(failure))
    _end(conn, attempt, "failed", at=at, counted=True, values=_failure_columns(failure))
    return settle_item(conn, attempt.item_id, at=at, batch_id=attempt.batch_id, needs=needs)


def put_back(conn: Connection, attempt: AttemptView, *, reason: str, at: datetime) -> None:
    """End a live attempt that we cut short ourselves. It does not count against the limit."""
    _leave(conn, attempt, "run.put_back", at=at, counted=False, values={"retry_at": None}, details={"reason": reason})
    _end(conn, attempt, "put_back", at=at, counted=False, values={"error_message": reason})


def turn_down(
    conn: Connection, attempt: AttemptView, product: Product, *, reasons: Sequence[str], at: datetime
) -> None:
    """Record that a step turned the item down: the run, every unsettled run and the item are ABORTED."""
    values = {"data": dict(product.data), "checks": [dict(check) for check in product.checks], "retry_at": None}
    _leave(conn, attempt, "run.aborted", at=at, counted=True, values=values, details={"reasons": list(reasons)})
    _end(conn, attempt, "aborted", at=at, counted=True)
    abort_item(conn, attempt.item_id, reasons=reasons, at=at, batch_id=attempt.batch_id)


def abort_item(
    conn: Connection, item_id: int, *, reasons: Sequence[str], at: datetime, batch_id: int | None = None
) -> tuple[AttemptView, ...]:
    """Abort an item and every run of it that is not settled. Return the attempts that were live."""
    about = About(batch_id, item_id, details={"reasons": list(reasons)})
    advance(conn, ITEMS, item_id, "item.aborted", at=at, about=about, values={"reasons": list(reasons)})
    live = attempts_where(conn, RUNS.c.item_id == item_id, ATTEMPTS.c.outcome.is_(None))
    unsettled = conn.execute(
        select(RUNS.c.id)
        .where(RUNS.c.item_id == item_id, RUNS.c.state.in_(sorted(MOVES["run.aborted"].sources)))
        .order_by(RUNS.c.id)
    )
    attempt_of = {attempt.run_id: attempt.attempt_id for attempt in live}
    for run_id in unsettled.scalars().all():
        about = About(batch_id, item_id, run_id, attempt_of.get(run_id))
        advance(conn, RUNS, run_id, "run.aborted", at=at, about=about, values={"retry_at": None})
    for attempt in live:
        _end(conn, attempt, "aborted", at=at, counted=False)
    return tuple(live)


def put_back_item(conn: Connection, item_id: int, *, at: datetime) -> None:
    """Leave an item that is PROCESSING to the next night.

    Raises:
        StaleItem: it is not PROCESSING, or one of its runs is in flight.
    """
    live = attempts_where(conn, RUNS.c.item_id == item_id, ATTEMPTS.c.outcome.is_(None))
    if live:
        raise StaleItem(f"item {item_id}: item.put_back needs its runs not to be in flight: {live[0].step}")
    advance(conn, ITEMS, item_id, "item.put_back", at=at, about=About(item_id=item_id))


def settle_item(conn: Connection, item_id: int, *, at: datetime, batch_id: int | None, needs: Needs) -> State:
    """Complete or fail an item that is PROCESSING, if its runs say so. Return the state that it has then."""
    state = conn.execute(select(ITEMS.c.state).where(ITEMS.c.id == item_id)).scalar_one_or_none()
    if state is None:
        raise NotFound(f"there is no item {item_id}")
    if state is not State.PROCESSING:
        return State(state)
    rows = [RunState(*row) for row in conn.execute(_STATES_QUERY, {"item": item_id})]
    # A run of a step that left the pipeline stays as it is, and keeps no item open.
    event = verdict([row for row in rows if not needs or row.step in needs], needs)
    if event is None:
        return State(state)
    reasons = _why_failed(conn, item_id) if event == "item.failed" else []
    about = About(batch_id, item_id, details={"reasons": reasons} if reasons else {})
    advance(conn, ITEMS, item_id, event, at=at, about=about, values={"reasons": reasons})
    return MOVES[event].target


def _why_failed(conn: Connection, item_id: int) -> list[str]:
    rows = conn.execute(
        select(RUNS.c.step, RUNS.c.variant, ATTEMPTS.c.error_message, ATTEMPTS.c.error_class)
        .join(ATTEMPTS, ATTEMPTS.c.run_id == RUNS.c.id)
        .where(RUNS.c.item_id == item_id, RUNS.c.state == State.FAILED, ATTEMPTS.c.outcome == "failed")
        .order_by(RUNS.c.number, RUNS.c.id, ATTEMPTS.c.id)
    )
    # The last attempt of each run has the last word.
    last = {(row.step, row.variant): row.error_message or row.error_class for row in rows}
    return [f"{step}{f' ({variant})' if variant else ''}: {message}" for (step, variant), message in last.items()]


def send_back(
    conn: Connection,
    item_id: int,
    *,
    steps: Sequence[str],
    languages: Sequence[str] | None,
    reason: str,
    at: datetime,
) -> list[int]:
    """Send finished runs of an item back, to be made again as a new generation. Return their ids.

    What they made stays current until the new generation is COMPLETE. An item that waits already (PENDING, REDO) keeps
    its state.

    Raises:
        CannotSendBack: a shared step was asked for in one language, or nothing of it was made yet.
        StaleItem: the item is under way or ABORTED.
        NotFound: there is no such item.
    """
    item = conn.execute(select(ITEMS.c.state).where(ITEMS.c.id == item_id)).one_or_none()
    if item is None:
        raise NotFound(f"there is no item {item_id}")
    run_ids = _runs_to_send_back(conn, item_id, steps, languages=languages)
    if item.state not in CLAIMABLE:
        about = About(item_id=item_id, details={"reason": reason, "steps": list(steps)})
        advance(conn, ITEMS, item_id, "item.sent_back", at=at, about=about, values={"reasons": []})
    again = {"generation": RUNS.c.generation + 1, "attempts_counted": 0, "retry_at": None}
    for run_id in run_ids:
        about = About(item_id=item_id, run_id=run_id, details={"reason": reason})
        advance(conn, RUNS, run_id, "run.sent_back", at=at, about=about, values=again)
    return run_ids


def _runs_to_send_back(
    conn: Connection, item_id: int, steps: Sequence[str], *, languages: Sequence[str] | None
) -> list[int]:
    rows = conn.execute(
        select(RUNS.c.id, RUNS.c.step, RUNS.c.variant, RUNS.c.state)
        .where(RUNS.c.item_id == item_id, RUNS.c.step.in_(list(steps)))
        .order_by(RUNS.c.number, RUNS.c.id)
    ).all()
    if languages is not None:
        if any(row.step == steps[0] and not row.variant for row in rows):
            raise CannotSendBack(f"{steps[0]} is shared by all languages: send it back without naming a language")
        rows = [row for row in rows if row.variant in languages]
    finished = [row.id for row in rows if row.state in MOVES["run.sent_back"].sources]
    if not finished:
        where = f" in {', '.join(languages)}" if languages is not None else ""
        raise CannotSendBack(f"item {item_id} has nothing to make again from {steps[0]} on{where}")
    return finished


def _leave(
    conn: Connection,
    attempt: AttemptView,
    event: str,
    *,
    at: datetime,
    counted: bool,
    values: Mapping[str, Any],
    details: Mapping[str, Any] | None = None,
) -> None:
    """Move the run of a live attempt out of PROCESSING."""
    about = About(attempt.batch_id, attempt.item_id, attempt.run_id, attempt.attempt_id, details or {})
    count = {"attempts_counted": RUNS.c.attempts_counted + 1} if counted else {}
    advance(conn, RUNS, attempt.run_id, event, at=at, about=about, values={**values, **count})


def _end(
    conn: Connection,
    attempt: AttemptView,
    outcome: str,
    *,
    at: datetime,
    counted: bool,
    values: Mapping[str, Any] | None = None,
) -> None:
    conn.execute(
        update(ATTEMPTS)
        .where(ATTEMPTS.c.id == attempt.attempt_id)
        .values(outcome=outcome, finished_at=at, counted=counted, **(values or {}))
    )


def _failure_columns(failure: Failure) -> dict[str, str | None]:
    return {
        "error_class": failure.error_class,
        "error_message": failure.message,
        "remedy": failure.remedy,
        "rung": failure.rung,
    }


def _without_none(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}

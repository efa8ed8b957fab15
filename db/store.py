"""The state, as the rest of the program sees it: every question and every change, each in a transaction of its own.

`Store` opens the transaction, takes the time from the clock, and calls one function of the module that the subject
belongs to (`batches`, `runs`, `paintings`, `locks`, `reviews`, `queries`). What moves a state is on the disk before the
method returns; notes, heartbeats and other events may be lost in a power cut, never in a crash of ours. It may be used
from several threads at once. Every method may raise `DatabaseUnusable` or one of its kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, update

from db import batches, locks, paintings, queries, reviews, runs
from db.engine import read, write
from db.errors import NotFound
from db.models import ARTIFACTS, ATTEMPTS, BATCHES, EVENTS, REVIEWS, RUNS
from db.moves import About, record
from db.reviews import ReviewView
from db.states import MOVES, State
from db.views import (
    Added,
    ArtifactRow,
    ArtifactView,
    AttemptView,
    BatchView,
    EventView,
    ItemView,
    MadeRow,
    PaintingRow,
    RunView,
    Settled,
    Status,
    StepSpec,
)

# The values that its methods take and return belong to its surface.
__all__ = [
    "Added",
    "ArtifactRow",
    "ArtifactView",
    "AttemptView",
    "BatchView",
    "EventView",
    "ItemView",
    "MadeRow",
    "PaintingRow",
    "RunView",
    "Settled",
    "Status",
    "StepSpec",
    "Store",
]


class Store:
    """Reads and writes the state.

    Args:
        engine: From `open_database`.
        clock_now: Returns the time, aware.
        needs: Every step of the pipeline -> names of the steps whose results it reads; tells when an item has nothing
            left to do. Runs of other steps do not count; without a table, all do.
    """

    def __init__(
        self, engine: Engine, clock_now: Callable[[], datetime], *, needs: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.engine = engine  # for the subjects that have a class of their own beside this one
        self._now = clock_now
        self._needs = dict(needs or {})

    # The catalogue

    def add_paintings(self, rows: Iterable[PaintingRow], *, list_name: str) -> Added:
        """Add paintings and put them on a list; one that is known by its content is not added again."""
        with write(self.engine) as conn:
            return paintings.add_paintings(conn, rows, list_name=list_name, at=self._now())

    def lists(self) -> dict[str, int]:
        """Return how many paintings each named list has."""
        with read(self.engine) as conn:
            return queries.lists(conn)

    def unused_count(self, list_name: str) -> int:
        """Return how many paintings of a list no item ever used."""
        with read(self.engine) as conn:
            return queries.unused_count(conn, list_name)

    def unused(self, list_name: str) -> list[PaintingRow]:
        """Return the paintings of a list that no item ever used, in the order of their content's hash."""
        with read(self.engine) as conn:
            return queries.unused(conn, list_name)

    # Nights

    def open_batch(
        self,
        *,
        seed: int,
        list_name: str,
        count: int,
        steps: Sequence[StepSpec],
        languages: Sequence[str],
        settings: Mapping[str, Any],
        preview: bool,
        log_path: str | None = None,
    ) -> BatchView:
        """Open a night: take over what earlier ones left, draw the rest, make all step runs. All or nothing.

        The draw depends on the seed and on which paintings are unused, on nothing else. Fewer than `count` items come
        of it when the list has no more. Items that wait are all taken, even when there are more than `count`.

        Args:
            seed: 0 .. 2**63 - 1.
            list_name: The list to draw from.
            count: How many items to work on, those taken over included.
            steps: The pipeline.
            languages: Of the items that are drawn; those taken over keep theirs.
            settings: JSON values, kept with the batch.
            preview: Whether it is made by embedded engines.
            log_path: The night's log file.
        """
        opening = batches.Opening(seed, list_name, count, steps, languages, settings, preview, log_path)
        with write(self.engine) as conn:
            batch_id = batches.open_batch(conn, opening, at=self._now())
            return _found(queries.batch(conn, BATCHES.c.id == batch_id), batch_id)

    def unfinished_batch(self) -> BatchView | None:
        """Return the newest night that was not closed."""
        with read(self.engine) as conn:
            return queries.batch(conn, BATCHES.c.closed_at.is_(None))

    def latest_batch(self) -> BatchView | None:
        """Return the newest night."""
        with read(self.engine) as conn:
            return queries.batch(conn)

    def batch(self, batch_id: int) -> BatchView:
        """Return one night, or raise NotFound."""
        with read(self.engine) as conn:
            return _found(queries.batch(conn, BATCHES.c.id == batch_id), batch_id)

    def note_log(self, batch_id: int, log_path: str) -> None:
        """Keep where the night's log lies."""
        with write(self.engine) as conn:
            conn.execute(update(BATCHES).where(BATCHES.c.id == batch_id).values(log_path=log_path))

    def close_batch(self, batch_id: int, outcome: str) -> None:
        """Close a night as `complete`, `stopped` or `failed`; items that are half-way go back to PENDING.

        Raises:
            BatchBusy: attempts of it are in flight: put them back first.
            NotFound: there is no such batch, or it is closed.
        """
        with write(self.engine) as conn:
            batches.close_batch(conn, batch_id, outcome, at=self._now())

    # Step runs

    def snapshot(self, batch_id: int) -> list[RunView]:
        """Return all step runs of a night: by step, and within a step in the night's order of work."""
        with read(self.engine) as conn:
            return queries.snapshot(conn, batch_id)

    def claim(
        self,
        run_id: int,
        *,
        batch_id: int,
        instance: str | None,
        prompt_id: str | None,
        seed: int,
        placement: Mapping[str, Any] | None = None,
        fallback: str | None = None,
    ) -> AttemptView:
        """Take a step run for oneself and return the attempt. The first claim of an item starts the item.

        What `placement` says of why the instance was chosen is kept with the attempt, if it is given.

        Raises:
            StaleRun: somebody else took it, it is not to do any more, or its item is settled.
            NotFound: there is no such run.
            Conflict: the prompt id was used before.
        """
        claimed = runs.Claim(run_id, batch_id, instance, prompt_id, seed, placement, fallback)
        with write(self.engine) as conn:
            return runs.claim(conn, claimed, at=self._now())

    def note_instance(self, attempt_id: int, instance: str) -> bool:
        """Keep which instance a live attempt went to. Return whether it was live."""
        return self._note(attempt_id, instance=instance)

    def note_sent(self, attempt_id: int, at: datetime) -> bool:
        """Keep when the instance took the prompt. Return whether the attempt was live."""
        return self._note(attempt_id, queued_at=at)

    def note_started(self, attempt_id: int, at: datetime) -> bool:
        """Keep when the prompt began to execute on the card. Return whether the attempt was live."""
        return self._note(attempt_id, started_at=at)

    def _note(self, attempt_id: int, **values: Any) -> bool:
        live = ATTEMPTS.c.id == attempt_id, ATTEMPTS.c.outcome.is_(None)
        with write(self.engine, synced=False) as conn:
            return conn.execute(update(ATTEMPTS).where(*live).values(**values)).rowcount == 1

    def complete(
        self,
        attempt_id: int,
        *,
        artifacts: Sequence[ArtifactRow],
        data: Mapping[str, Any],
        checks: Sequence[Mapping[str, Any]],
        started_at: datetime | None = None,
        finished_at: datetime | None = None,
    ) -> Settled:
        """Record what a live attempt made; its files, which lie on the disk already, become the current ones.

        Args:
            attempt_id: From `claim`.
            artifacts: All files that it made.
            data: JSON values for later steps, review and report.
            checks: JSON values: what was measured.
            started_at: When it began on the card, where that is known better now.
            finished_at: When it ended there; now, if absent.

        Raises:
            StaleRun: the attempt is not live any more; nothing was recorded.
        """
        with write(self.engine) as conn:
            return runs.complete(
                conn,
                queries.attempt_view(conn, attempt_id),
                runs.Product(artifacts, data, checks),
                at=self._now(),
                needs=self._needs,
                started_at=started_at,
                finished_at=finished_at,
            )

    def retry(
        self,
        attempt_id: int,
        *,
        error_class: str,
        message: str,
        remedy: str,
        retry_at: datetime | None,
        counted: bool = True,
        rung: str | None = None,
    ) -> None:
        """End a live attempt as failed; its run is to be tried again, not before `retry_at`. StaleRun if not live."""
        failure = runs.Failure(error_class, message, remedy, rung)
        with write(self.engine) as conn:
            attempt = queries.attempt_view(conn, attempt_id)
            runs.retry(conn, attempt, failure, at=self._now(), retry_at=retry_at, counted=counted)

    def fail(self, attempt_id: int, *, error_class: str, message: str, remedy: str, rung: str | None = None) -> State:
        """End a live attempt as failed, and its run with it. Return the item's state. StaleRun if not live."""
        failure = runs.Failure(error_class, message, remedy, rung)
        with write(self.engine) as conn:
            attempt = queries.attempt_view(conn, attempt_id)
            return runs.fail(conn, attempt, failure, at=self._now(), needs=self._needs)

    def put_back(self, attempt_id: int, *, reason: str) -> None:
        """End a live attempt that was cut short by us; it does not count. StaleRun if not live."""
        with write(self.engine) as conn:
            runs.put_back(conn, queries.attempt_view(conn, attempt_id), reason=reason, at=self._now())

    def turn_down(
        self,
        attempt_id: int,
        *,
        reasons: Sequence[str],
        data: Mapping[str, Any],
        checks: Sequence[Mapping[str, Any]],
    ) -> None:
        """Record that a step turned the item down: it and all its unsettled runs are ABORTED. StaleRun if not live."""
        with write(self.engine) as conn:
            attempt = queries.attempt_view(conn, attempt_id)
            runs.turn_down(conn, attempt, runs.Product((), data, checks), reasons=reasons, at=self._now())

    # Items

    def items(self, batch_id: int) -> list[ItemView]:
        """Return the items of a night in its order of work."""
        with read(self.engine) as conn:
            return queries.items(conn, batch_id)

    def item(self, item_id: int) -> ItemView:
        """Return one item, or raise NotFound."""
        with read(self.engine) as conn:
            return queries.item(conn, item_id)

    def runs_of_item(self, item_id: int) -> list[RunView]:
        """Return all step runs of an item, in the order of the pipeline."""
        with read(self.engine) as conn:
            return queries.runs_of_item(conn, item_id)

    def abort_item(self, item_id: int, *, reason: str) -> tuple[AttemptView, ...]:
        """Abort an item for the operator. Return the attempts that were live, so that their prompts can be stopped.

        Raises:
            StaleItem: it is COMPLETE or ABORTED, or there is no such item.
        """
        with write(self.engine) as conn:
            return runs.abort_item(conn, item_id, reasons=[reason], at=self._now())

    def settle_item(self, item_id: int) -> State:
        """Complete or fail an item if its runs say so. Return its state."""
        with write(self.engine) as conn:
            return runs.settle_item(conn, item_id, at=self._now(), batch_id=None, needs=self._needs)

    def put_back_item(self, item_id: int) -> None:
        """Leave an item that is PROCESSING to the next night. StaleItem if it is not, or if a run is in flight."""
        with write(self.engine) as conn:
            runs.put_back_item(conn, item_id, at=self._now())

    def send_back(
        self, item_id: int, *, steps: Sequence[str], languages: Sequence[str] | None, reason: str
    ) -> list[int]:
        """Have steps of an item made again, as a new generation. Return the ids of their runs.

        What they made stays current until the new generation is COMPLETE. Runs that are still to do stay as they are.

        Args:
            item_id: The item.
            steps: The step to begin with, then all that depend on it.
            languages: Only the runs of these; None for all, shared ones included.
            reason: For people.

        Raises:
            CannotSendBack: the first step is shared and a language was named, or nothing of it was made.
            StaleItem: the item is under way or ABORTED.
            NotFound: there is no such item.
        """
        with write(self.engine) as conn:
            return runs.send_back(conn, item_id, steps=steps, languages=languages, reason=reason, at=self._now())

    # Artifacts

    def made(self, item_id: int) -> dict[tuple[str, str], MadeRow]:
        """Return what the COMPLETE step runs of an item made, by step and variant."""
        with read(self.engine) as conn:
            return queries.made(conn, item_id)

    def current_artifacts(self, item_id: int) -> list[ArtifactView]:
        """Return the files of an item that nothing has superseded, those of runs that are sent back included."""
        with read(self.engine) as conn:
            return queries.artifacts_where(conn, RUNS.c.item_id == item_id, ARTIFACTS.c.superseded_at.is_(None))

    def superseded(self, item_id: int) -> list[ArtifactView]:
        """Return the files of an item that later ones replaced, and that are still known."""
        with read(self.engine) as conn:
            return queries.artifacts_where(conn, RUNS.c.item_id == item_id, ARTIFACTS.c.superseded_at.is_not(None))

    def forget_artifacts(self, ids: Sequence[int]) -> int:
        """Delete the rows of superseded files that were removed. Current ones stay. Return how many were forgotten."""
        old = ARTIFACTS.c.id.in_(list(ids)), ARTIFACTS.c.superseded_at.is_not(None)
        with write(self.engine) as conn:
            return conn.execute(delete(ARTIFACTS).where(*old)).rowcount

    # What happened

    def in_flight(self, batch_id: int | None = None) -> list[AttemptView]:
        """Return the live attempts, of one night or of all."""
        where: list[ColumnElement[bool]] = [ATTEMPTS.c.outcome.is_(None)]
        if batch_id is not None:
            where.append(ATTEMPTS.c.batch_id == batch_id)
        with read(self.engine) as conn:
            return queries.attempts_where(conn, *where)

    def attempts(self, batch_id: int) -> list[AttemptView]:
        """Return all attempts of a night, oldest first."""
        with read(self.engine) as conn:
            return queries.attempts_where(conn, ATTEMPTS.c.batch_id == batch_id)

    def attempts_of_run(self, run_id: int) -> list[AttemptView]:
        """Return all attempts of a step run, of all generations, oldest first."""
        with read(self.engine) as conn:
            return queries.attempts_where(conn, ATTEMPTS.c.run_id == run_id)

    def events(self, batch_id: int | None = None, item_id: int | None = None, *, limit: int = 1000) -> list[EventView]:
        """Return the last events, of a night or an item or all, oldest first."""
        where = []
        if batch_id is not None:
            where.append(EVENTS.c.batch_id == batch_id)
        if item_id is not None:
            where.append(EVENTS.c.item_id == item_id)
        with read(self.engine) as conn:
            return queries.events(conn, *where, limit=limit)

    def log_event(
        self,
        name: str,
        *,
        batch_id: int | None = None,
        item_id: int | None = None,
        run_id: int | None = None,
        attempt_id: int | None = None,
        **details: Any,
    ) -> None:
        """Record something that moves no state, such as `instance.restarted`.

        Raises:
            ValueError: the name is that of a move, which only the move itself may record.
        """
        if name in MOVES:
            raise ValueError(f"{name} is the name of a move")
        about = About(batch_id, item_id, run_id, attempt_id, details)
        with write(self.engine, synced=False) as conn:
            record(conn, name, at=self._now(), about=about)

    def status(self) -> Status:
        """Count everything."""
        with read(self.engine) as conn:
            return queries.status(conn)

    def typical_seconds(self, step: str) -> float | None:
        """Return how long a step usually takes (median of its latest complete attempts), or None if it never ran."""
        with read(self.engine) as conn:
            return queries.typical_seconds(conn, step)

    # Reviews

    def add_review(self, item_id: int, *, language: str, sha256: str, verdict: str, reason: str, reviewer: str) -> None:
        """Record a person's verdict (`approved`, `rejected` or `sent_back`) about the video with this hash."""
        with write(self.engine) as conn:
            reviews.add(conn, ReviewView(item_id, language, sha256, verdict, reason, reviewer, self._now()))

    def reviews(self, batch_id: int) -> list[ReviewView]:
        """Return the newest verdict about each video of a night's items."""
        with read(self.engine) as conn:
            return reviews.of_batch(conn, batch_id)

    def reviews_of_item(self, item_id: int) -> list[ReviewView]:
        """Return all verdicts about an item's videos, oldest first."""
        with read(self.engine) as conn:
            return reviews.where(conn, REVIEWS.c.item_id == item_id)

    def items_with_artifact(self, step: str, name: str, *, batch_id: int | None = None) -> list[int]:
        """Return the items that have a current artifact of a step, oldest first; of one night or of all."""
        with read(self.engine) as conn:
            return reviews.items_with_artifact(conn, step, name, batch_id=batch_id)

    # The run lock

    def acquire_lock(self, name: str, *, owner: str, host: str, pid: int, stale_after_s: float) -> None:
        """Take the lock, or take it over from a holder that is gone; the latter leaves an event.

        Raises:
            LockHeld: its holder is alive.
        """
        with write(self.engine) as conn:
            locks.acquire(conn, name, locks.Holder(owner, host, pid), at=self._now(), stale_after_s=stale_after_s)

    def heartbeat(self, name: str, owner: str) -> None:
        """Say that we are alive; raise LockLost if the lock is not ours any more."""
        with write(self.engine, synced=False) as conn:
            locks.heartbeat(conn, name, owner, at=self._now())

    def release_lock(self, name: str, owner: str) -> bool:
        """Give the lock back. Return whether it was still ours."""
        with write(self.engine) as conn:
            return locks.release(conn, name, owner)


def _found(batch: BatchView | None, batch_id: int) -> BatchView:
    if batch is None:
        raise NotFound(f"there is no batch {batch_id}")
    return batch

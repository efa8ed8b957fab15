"""A small state to test with: a real SQLite file, a clock that is turned by hand, and a pipeline of four steps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select

from db.engine import open_database, read, write
from db.models import ATTEMPTS, BATCHES, EVENTS, ITEMS, PAINTINGS, RUNS
from db.states import State
from db.store import ArtifactRow, AttemptView, BatchView, PaintingRow, RunView, Settled, StepSpec, Store
from orchestrator.clock import ManualClock

NOW = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)
STEPS = (
    StepSpec("prepare", 0, per_language=False),
    StepSpec("audio", 1, per_language=True),
    StepSpec("clean_pic", 2, per_language=False),
    StepSpec("final_video", 3, per_language=True),
)
NEEDS = {"prepare": (), "audio": ("prepare",), "clean_pic": ("prepare",), "final_video": ("audio", "clean_pic")}
RUNS_OF_AN_ITEM = 6  # with two languages


def painting(number: int, **facts: Any) -> PaintingRow:
    """Make a painting whose content is its number."""
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    return PaintingRow(**{"sha256": sha256, "path": f"/paintings/{number}.jpg", "title": f"Portrait {number}", **facts})


class World:
    """A store with paintings, and shorthand for what a night does."""

    def __init__(self, folder: Path, *, paintings: int = 12) -> None:
        self.path = folder / "nightreel.db"
        self.clock = ManualClock(NOW)
        self.engine: Engine = open_database(self.path)
        self.store = self.another_store()
        if paintings:
            self.store.add_paintings((painting(number) for number in range(paintings)), list_name="portraits")

    def another_store(self) -> Store:
        return Store(self.engine, self.clock.now, needs=NEEDS)

    def open(self, count: int = 1, *, seed: int = 7, **changes: Any) -> BatchView:
        options: dict[str, Any] = {
            "seed": seed,
            "list_name": "portraits",
            "count": count,
            "steps": STEPS,
            "languages": ("fr", "en"),
            "settings": {"night": {"paintings": count}},
            "preview": True,
        }
        return self.store.open_batch(**{**options, **changes})

    def run(self, batch: BatchView, step: str, variant: str = "", *, item: int = 0) -> RunView:
        """Return a run of the n-th item of a batch."""
        item_id = self.store.items(batch.id)[item].item_id
        return next(one for one in self.store.runs_of_item(item_id) if (one.step, one.variant) == (step, variant))

    def claim(self, batch: BatchView, step: str, variant: str = "", *, item: int = 0, **changes: Any) -> AttemptView:
        options = {"batch_id": batch.id, "instance": "card0", "prompt_id": None, "seed": 1}
        return self.store.claim(self.run(batch, step, variant, item=item).run_id, **{**options, **changes})

    def complete(self, attempt: AttemptView, *names: str, **data: Any) -> Settled:
        return self.store.complete(attempt.attempt_id, artifacts=files_of(attempt, names), data=data, checks=[])

    def make(self, batch: BatchView, step: str, variant: str = "", *, item: int = 0) -> Settled:
        """Claim a run and complete it with one file."""
        self.clock.advance(1)
        return self.complete(self.claim(batch, step, variant, item=item), "file", made=step)

    def make_all(self, batch: BatchView, *, item: int = 0) -> Settled:
        """Complete every run of an item that is to do."""
        settled = None
        for run in self.store.runs_of_item(self.store.items(batch.id)[item].item_id):
            if run.state in (State.PENDING, State.REDO):
                settled = self.make(batch, run.step, run.variant, item=item)
        assert settled is not None
        return settled

    def fail(self, attempt: AttemptView, message: str = "the model refused") -> State:
        return self.store.fail(attempt.attempt_id, error_class="BadOutput", message=message, remedy="FAIL")

    def states(self, item_id: int) -> dict[tuple[str, str], State]:
        return {(run.step, run.variant): run.state for run in self.store.runs_of_item(item_id)}

    def event_names(self, **about: int) -> list[str]:
        """Return the names of the events about some rows, oldest first."""
        with read(self.engine) as conn:
            where = [EVENTS.c[column] == value for column, value in about.items()]
            return list(conn.execute(select(EVENTS.c.name).where(*where).order_by(EVENTS.c.id)).scalars())


def files_of(attempt: AttemptView, names: Sequence[str]) -> list[ArtifactRow]:
    return [ArtifactRow(name, f"items/{attempt.attempt_id}/{name}.png", "0" * 64, 10) for name in names]


def stored_run(engine: Engine, *, item_state: State, run_state: State, generation: int = 0) -> tuple[int, int, int]:
    """Write an item with one run and a live attempt in any states. Return the ids of item, run and attempt."""
    with write(engine) as conn:
        sha256 = hashlib.sha256(str(conn.execute(select(PAINTINGS.c.id)).all()).encode()).hexdigest()
        values: dict[str, Any] = {"sha256": sha256, "path": "/p", "title": "P", "tags": [], "added_at": NOW}
        painting_id = _insert(conn, PAINTINGS, values)
        batch = {"seed": 1, "list_name": "l", "wanted": 1, "languages": [], "settings": {}, "opened_at": NOW}
        batch_id = _insert(conn, BATCHES, batch)
        item = {"painting_id": painting_id, "batch_id": batch_id, "state": item_state, "reasons": [], "languages": []}
        item_id = _insert(conn, ITEMS, item)
        run = {"item_id": item_id, "step": "prepare", "number": 0, "state": run_state, "generation": generation}
        run_id = _insert(conn, RUNS, run)
        attempt = {"run_id": run_id, "batch_id": batch_id, "step": "prepare", "generation": generation, "number": 1}
        attempt_id = _insert(conn, ATTEMPTS, {**attempt, "seed": 1, "claimed_at": NOW})
    return item_id, run_id, attempt_id


def _insert(conn: Any, table: Any, values: dict[str, Any]) -> int:
    return int(conn.execute(insert(table).values(**values)).inserted_primary_key[0])

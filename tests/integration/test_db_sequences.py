"""Random sequences of operations: whatever people and machines do in whatever order, the state stays sound."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from db_world import NEEDS, World, files_of
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import func, select

from db.engine import read
from db.errors import BatchBusy, CannotSendBack, NotFound, StaleItem, StaleRun
from db.models import ARTIFACTS, ATTEMPTS, BATCH_ITEMS, BATCHES, EVENTS, ITEMS, RUNS
from db.settling import RunState, verdict
from db.states import MOVES, State

NUMBERS = st.integers(min_value=0, max_value=10_000)
STEP_NAMES = ("prepare", "audio", "clean_pic", "final_video")
AFTER = {
    "prepare": STEP_NAMES,
    "audio": ("audio", "final_video"),
    "clean_pic": ("clean_pic", "final_video"),
    "final_video": ("final_video",),
}


class Nights(RuleBasedStateMachine):
    """Claims, answers (late ones too), redo, abort, nights opened and closed, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name), paintings=8)
        self.world.open(2)
        self.attempts = []  # all that were ever claimed: ended ones answer late
        self.drawn: Counter[int] = Counter()

    def teardown(self) -> None:
        self.world.engine.dispose()
        self.folder.cleanup()

    def batch(self):
        return self.world.store.unfinished_batch() or self.world.store.latest_batch()

    def pick(self, number, rows):
        return rows[number % len(rows)] if rows else None

    def ready(self):
        """Return the runs that the scheduler would offer: to do, and all that they need is COMPLETE."""
        batch = self.batch()
        runs = self.world.store.snapshot(batch.id) if batch.closed_at is None else []
        done = {(run.item_id, run.step, run.variant) for run in runs if run.state is State.COMPLETE}
        return [run for run in runs if run.state in (State.PENDING, State.REDO) and self.has_its_needs(run, done)]

    def has_its_needs(self, run, done):
        return all(
            {(run.item_id, need, ""), (run.item_id, need, run.variant)} & done for need in NEEDS.get(run.step, ())
        )

    @rule(number=NUMBERS)
    def claim(self, number):
        run = self.pick(number, self.ready())
        if run is None:
            return
        claim = {"batch_id": self.batch().id, "instance": None, "prompt_id": None, "seed": number}
        self.attempts.append(self.world.store.claim(run.run_id, **claim))
        with pytest.raises(StaleRun):
            self.world.store.claim(run.run_id, **claim)

    @rule(number=NUMBERS)
    def work(self, number):
        """Several runs in a row without a fault, so that items get to their end."""
        for _ in range(6):
            before = len(self.attempts)
            self.claim(number)
            if len(self.attempts) > before:
                attempt = self.attempts[-1]
                self.world.store.complete(attempt.attempt_id, artifacts=files_of(attempt, "ab"), data={}, checks=[])

    @rule(
        number=NUMBERS,
        how=st.sampled_from(["complete", "complete", "complete", "retry", "fail", "put_back", "turn_down"]),
    )
    def answer(self, number, how):
        store = self.world.store
        in_flight = store.in_flight()
        # Now and then an answer to an attempt that is long over.
        attempt = self.pick(number // 4, in_flight if number % 4 and in_flight else self.attempts)
        if attempt is None:
            return
        attempt_id = attempt.attempt_id
        live = attempt_id in {one.attempt_id for one in in_flight}
        error = {"error_class": "E", "message": "m", "remedy": "RETRY"}
        answers = {
            "complete": lambda: store.complete(attempt_id, artifacts=files_of(attempt, "ab"), data={}, checks=[]),
            "retry": lambda: store.retry(attempt_id, **error, retry_at=None),
            "fail": lambda: store.fail(attempt_id, **error),
            "put_back": lambda: store.put_back(attempt_id, reason="r"),
            "turn_down": lambda: store.turn_down(attempt_id, reasons=["r"], data={}, checks=[]),
        }
        if live:
            answers[how]()
        else:
            with pytest.raises(StaleRun):
                answers[how]()

    @rule(number=NUMBERS, step=st.sampled_from(STEP_NAMES), languages=st.sampled_from([None, ["fr"], ["en", "fr"]]))
    def send_back(self, number, step, languages):
        item = self.pick(number, self.world.store.items(self.batch().id))
        if item is None:
            return
        try:
            self.world.store.send_back(item.item_id, steps=AFTER[step], languages=languages, reason="r")
        except (CannotSendBack, StaleItem):
            return

    @rule(number=NUMBERS)
    def abort(self, number):
        if number % 8 != 1:
            return  # rarely, or every item would be over soon
        item = self.pick(number, self.world.store.items(self.batch().id))
        if item is None:
            return
        try:
            self.world.store.abort_item(item.item_id, reason="r")
        except StaleItem:
            assert item.state in (State.COMPLETE, State.ABORTED)

    @rule(number=NUMBERS)
    def next_night(self, number):
        batch = self.batch()
        try:
            self.world.store.close_batch(batch.id, "stopped")
        except BatchBusy:
            assert self.world.store.in_flight(batch.id)
            return
        except NotFound:
            assert batch.closed_at is not None
        waiting = {
            item.item_id for item in self.world.store.items(batch.id) if item.state in (State.PENDING, State.REDO)
        }
        opened = self.world.open(2, seed=number)
        assert waiting <= {item.item_id for item in self.world.store.items(opened.id)}
        if not self.world.store.items(opened.id):
            self.world.store.close_batch(opened.id, "complete")
            self.world.open(0)

    @invariant()
    def a_run_is_processing_exactly_while_it_has_a_live_attempt(self):
        with read(self.world.engine) as conn:
            live = sorted(conn.execute(select(ATTEMPTS.c.run_id).where(ATTEMPTS.c.outcome.is_(None))).scalars())
            busy = sorted(conn.execute(select(RUNS.c.id).where(RUNS.c.state == State.PROCESSING)).scalars())
        assert live == busy

    @invariant()
    def the_log_tells_the_state_of_everything(self):
        """The last move of each row leads to its state; a row that never moved is PENDING."""
        with read(self.world.engine) as conn:
            for table, column, kind in ((RUNS, EVENTS.c.run_id, "run."), (ITEMS, EVENTS.c.item_id, "item.")):
                last = {}
                for name, row_id in conn.execute(select(EVENTS.c.name, column).order_by(EVENTS.c.id)):
                    if name in MOVES and name.startswith(kind):
                        assert last.get(row_id, State.PENDING) in MOVES[name].sources
                        last[row_id] = MOVES[name].target
                for row_id, state in conn.execute(select(table.c.id, table.c.state)):
                    assert state is last.get(row_id, State.PENDING)

    @invariant()
    def what_is_complete_has_its_files_and_each_name_is_current_once(self):
        with read(self.world.engine) as conn:
            current = Counter(
                (run_id, name)
                for run_id, name in conn.execute(
                    select(ARTIFACTS.c.run_id, ARTIFACTS.c.name).where(ARTIFACTS.c.superseded_at.is_(None))
                )
            )
            complete = conn.execute(select(RUNS.c.id).where(RUNS.c.state == State.COMPLETE)).scalars().all()
        assert set(current.values()) <= {1}
        assert {(run_id, name) for run_id in complete for name in "ab"} <= set(current)

    @invariant()
    def items_are_settled_as_soon_as_their_runs_say_so(self):
        with read(self.world.engine) as conn:
            items = conn.execute(select(ITEMS.c.id, ITEMS.c.state)).all()
        for item_id, state in items:
            runs = [RunState(one.step, one.variant, one.state) for one in self.world.store.runs_of_item(item_id)]
            if state is State.PROCESSING:
                assert verdict(runs, NEEDS) is None
            if state is State.COMPLETE:
                assert verdict(runs, NEEDS) == "item.completed"
            if state is State.ABORTED:
                assert not any(one.state in (State.PENDING, State.PROCESSING, State.REDO) for one in runs)

    @invariant()
    def an_item_is_in_one_open_night_at_most_and_closed_ones_leave_nothing_half_way(self):
        with read(self.world.engine) as conn:
            open_nights = conn.execute(
                select(BATCH_ITEMS.c.item_id, func.count())
                .join(BATCHES, BATCHES.c.id == BATCH_ITEMS.c.batch_id)
                .where(BATCHES.c.closed_at.is_(None))
                .group_by(BATCH_ITEMS.c.item_id)
            ).all()
            busy = set(conn.execute(select(ITEMS.c.id).where(ITEMS.c.state == State.PROCESSING)).scalars())
        assert all(count == 1 for _, count in open_nights)
        assert busy <= {item_id for item_id, _ in open_nights}

    @invariant()
    def counted_attempts_are_counted(self):
        with read(self.world.engine) as conn:
            rows = conn.execute(
                select(RUNS.c.id, RUNS.c.attempts_counted, func.count(ATTEMPTS.c.id))
                .outerjoin(
                    ATTEMPTS,
                    (ATTEMPTS.c.run_id == RUNS.c.id)
                    & (ATTEMPTS.c.generation == RUNS.c.generation)
                    & ATTEMPTS.c.outcome.is_not(None)
                    & ATTEMPTS.c.counted,
                )
                .group_by(RUNS.c.id)
            ).all()
        assert all(kept == counted for _, kept, counted in rows)


TestNights = Nights.TestCase
TestNights.settings = settings(
    max_examples=15, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)

"""What is asked of the state, and that the questions stay quick with a million rows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from db_world import NOW, RUNS_OF_AN_ITEM, World, painting
from sqlalchemy import event, text

from db.engine import read
from db.states import State


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_status_counts_everything(world):
    """One look says how far the night is."""
    batch = world.open(3)
    world.make_all(batch, item=0)
    world.fail(world.claim(batch, "prepare", item=1))
    status = world.store.status()
    assert status.paintings == 12
    assert status.lists == {"portraits": 12}
    assert status.items == {State.COMPLETE: 1, State.FAILED: 1, State.PENDING: 1}
    assert status.runs[("prepare", State.FAILED)] == 1
    assert sum(status.runs.values()) == 3 * RUNS_OF_AN_ITEM
    assert status.open_batch == batch


def test_status_of_nothing_is_empty(tmp_path):
    """The first command after `init`."""
    status = World(tmp_path, paintings=0).store.status()
    assert (status.paintings, status.lists, status.items, status.runs, status.open_batch) == (0, {}, {}, {}, None)


def test_items_carry_the_facts_of_their_painting(world):
    """Hostile text comes back letter for letter."""
    title = "L'Été à 50%: \"a\\b\", [x]; d'Arc\n\u202e\U0001f5bc"
    world.store.add_paintings([painting(77, title=title, artist="X", year=-44, tags=("a", "b"))], list_name="odd")
    batch = world.open(1, list_name="odd")
    (item,) = world.store.items(batch.id)
    assert (item.title, item.artist, item.year, item.tags) == (title, "X", -44, ("a", "b"))
    assert item.path == "/paintings/77.jpg"
    assert (item.state, item.reasons, item.languages, item.batch_id) == (State.PENDING, (), ("fr", "en"), batch.id)
    assert world.store.item(item.item_id) == item


def test_in_flight_is_asked_of_one_night_or_of_all(world):
    """Recovery looks at all of them."""
    first, second = world.open(1), world.open(1)
    one, two = world.claim(first, "prepare"), world.claim(second, "prepare")
    assert world.store.in_flight() == [one, two]
    assert world.store.in_flight(second.id) == [two]
    world.complete(one)
    assert world.store.in_flight() == [two]
    assert [attempt.attempt_id for attempt in world.store.attempts(first.id)] == [one.attempt_id]


def test_the_typical_time_is_the_median_on_the_card(world):
    """One hanging prompt must not make `--stop-by` give up the night; the wait in the queue is not the card's."""
    assert world.store.typical_seconds("prepare") is None
    batch = world.open(5)
    for number, seconds in enumerate((10, 11, 12, 13, 4000)):
        attempt = world.claim(batch, "prepare", item=number)
        world.store.note_sent(attempt.attempt_id, NOW)
        started = NOW + timedelta(seconds=500)
        done = {"started_at": started, "finished_at": started + timedelta(seconds=seconds)}
        world.store.complete(attempt.attempt_id, artifacts=[], data={}, checks=[], **done)
    assert world.store.typical_seconds("prepare") == 12
    assert world.store.typical_seconds("audio") is None


def test_failed_attempts_say_nothing_about_the_typical_time(world):
    """They end early."""
    batch = world.open(1)
    world.fail(world.claim(batch, "prepare"))
    assert world.store.typical_seconds("prepare") is None


def test_a_local_step_is_timed_from_its_claim(world):
    """It is never sent anywhere."""
    batch = world.open(1)
    attempt = world.claim(batch, "prepare", instance=None)
    world.clock.advance(7)
    world.complete(attempt)
    assert world.store.typical_seconds("prepare") == 7


def test_a_server_whose_clock_is_behind_gives_no_negative_time(world):
    """Two clocks are involved when only one of the times is the server's."""
    batch = world.open(1)
    attempt = world.claim(batch, "prepare")
    past = NOW - timedelta(minutes=5)
    world.store.complete(attempt.attempt_id, artifacts=[], data={}, checks=[], finished_at=past)
    assert world.store.typical_seconds("prepare") == 0


def test_events_are_the_last_ones_in_order(world):
    """A long log is read from its end."""
    batch = world.open(1)
    for number in range(5):
        world.store.log_event("instance.restarted", batch_id=batch.id, instance="card0", number=number)
    last = world.store.events(batch.id, limit=2)
    assert [event.details["number"] for event in last] == [3, 4]
    assert last[0].details["instance"] == "card0"
    assert len(world.store.events()) == 5 + 2 + 1  # opened, taken, and the catalogue's


def test_a_move_is_not_logged_by_hand(world):
    """The log would tell a story that the states do not know."""
    with pytest.raises(ValueError, match=r"run\.completed"):
        world.store.log_event("run.completed")


QUESTIONS = {
    "status": lambda store, batch, run: store.status(),
    "typical_seconds": lambda store, batch, run: store.typical_seconds("audio"),
    "in_flight": lambda store, batch, run: store.in_flight(),
    "attempts": lambda store, batch, run: store.attempts(batch.id),
    "attempts_of_run": lambda store, batch, run: store.attempts_of_run(run.run_id),
    "snapshot": lambda store, batch, run: store.snapshot(batch.id),
    "made": lambda store, batch, run: store.made(run.item_id),
    "current_artifacts": lambda store, batch, run: store.current_artifacts(run.item_id),
    "superseded": lambda store, batch, run: store.superseded(run.item_id),
    "events": lambda store, batch, run: store.events(item_id=run.item_id),
    "items": lambda store, batch, run: store.items(batch.id),
    "unfinished_batch": lambda store, batch, run: store.unfinished_batch(),
    "claim": lambda store, batch, run: store.claim(run.run_id, batch_id=batch.id, instance=None, prompt_id="p", seed=0),
    "settle_item": lambda store, batch, run: store.settle_item(run.item_id),
    "send_back": lambda store, batch, run: store.send_back(run.item_id, steps=["prepare"], languages=None, reason=""),
}
GROWING = ("step_run", "attempt", "artifact", "event", "item", "batch_item")


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_reads_a_growing_table_from_end_to_end(world, question):
    """With a million step runs a scan takes a second; the database is asked for its plan of every statement."""
    batch = world.open(2)
    world.make(batch, "prepare")
    if question == "send_back":
        world.store.put_back_item(world.run(batch, "prepare").item_id)
    run = world.run(batch, "prepare" if question == "send_back" else "audio", "" if question == "send_back" else "fr")
    statements = []

    @event.listens_for(world.engine, "before_cursor_execute")
    def listen(conn, cursor, statement, parameters, context, many):
        statements.append((statement, parameters[0] if many else parameters))

    QUESTIONS[question](world.store, batch, run)
    event.remove(world.engine, "before_cursor_execute", listen)
    asked = [one for one in statements if one[0].split()[0] in ("SELECT", "UPDATE", "DELETE")]
    assert asked
    with read(world.engine) as conn:
        for statement, parameters in asked:
            for step in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).scalars("detail"):
                if step.startswith("SCAN") and step.split()[1] in GROWING:
                    assert "USING" in step, (statement, step)
                    assert "COVERING INDEX" in step or "uq_attempt_live" in step or "ix_batch" in step, (
                        statement,
                        step,
                    )


def test_the_plans_really_say_scan(world):
    """The test above would pass for ever if SQLite worded its plans differently."""
    with read(world.engine) as conn:
        plan = (
            conn.execute(text("EXPLAIN QUERY PLAN SELECT * FROM step_run WHERE retry_at = 1")).scalars("detail").all()
        )
    assert plan == ["SCAN step_run"]

"""The one function that moves: every event from every state, and answers that come too late."""

from __future__ import annotations

import ast
from itertools import product
from pathlib import Path

import pytest
from db_world import NOW, World, stored_run
from sqlalchemy import select, update

from db.engine import read, write
from db.errors import StaleItem, StaleRun
from db.models import ATTEMPTS, EVENTS, ITEMS, RUNS
from db.moves import About, advance
from db.states import MOVES, State

ROOT = Path(__file__).resolve().parents[2]
RUN_EVENTS = [event for event in MOVES if event.startswith("run.")]
ITEM_EVENTS = [event for event in MOVES if event.startswith("item.")]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return World(tmp_path_factory.mktemp("moves"), paintings=0).engine


def history(engine, table, row_id, column):
    """Return the state of a row and the events about it."""
    with read(engine) as conn:
        state = conn.execute(select(table.c.state).where(table.c.id == row_id)).scalar_one()
        events = conn.execute(select(EVENTS.c.name).where(EVENTS.c[column] == row_id)).scalars().all()
    return state, events


@pytest.mark.parametrize(("state", "event"), list(product(State, RUN_EVENTS)))
def test_only_listed_moves_of_runs_happen(engine, state, event):
    """Every event is tried from every state; the table alone decides."""
    item_id, run_id, attempt_id = stored_run(engine, item_state=State.PROCESSING, run_state=state)
    about = About(item_id=item_id, run_id=run_id, attempt_id=attempt_id)

    def move():
        with write(engine) as conn:
            advance(conn, RUNS, run_id, event, at=NOW, about=about)

    if state in MOVES[event].sources:
        move()
        assert history(engine, RUNS, run_id, "run_id") == (MOVES[event].target, [event])
    else:
        with pytest.raises(StaleRun, match=event):
            move()
        assert history(engine, RUNS, run_id, "run_id") == (state, [])


@pytest.mark.parametrize(("state", "event"), list(product(State, ITEM_EVENTS)))
def test_only_listed_moves_of_items_happen(engine, state, event):
    """The same for items."""
    item_id, _, _ = stored_run(engine, item_state=state, run_state=State.PENDING)

    def move():
        with write(engine) as conn:
            advance(conn, ITEMS, item_id, event, at=NOW, about=About(item_id=item_id))

    if state in MOVES[event].sources:
        move()
        assert history(engine, ITEMS, item_id, "item_id") == (MOVES[event].target, [event])
    else:
        with pytest.raises(StaleItem, match=event):
            move()
        assert history(engine, ITEMS, item_id, "item_id") == (state, [])


LEAVING = [event for event in RUN_EVENTS if State.PROCESSING in MOVES[event].sources]


@pytest.mark.parametrize("event", LEAVING)
@pytest.mark.parametrize("lateness", ["ended", "other run's", "older generation's"])
def test_a_late_answer_moves_nothing(engine, event, lateness):
    """A prompt that was given up may still answer; the run belongs to the next try by then."""
    _, run_id, attempt_id = stored_run(engine, item_state=State.PROCESSING, run_state=State.PROCESSING)
    if lateness == "ended":
        with write(engine) as conn:
            conn.execute(update(ATTEMPTS).where(ATTEMPTS.c.id == attempt_id).values(outcome="put_back"))
    elif lateness == "other run's":
        _, _, attempt_id = stored_run(engine, item_state=State.PROCESSING, run_state=State.PROCESSING)
    else:
        with write(engine) as conn:
            conn.execute(update(RUNS).where(RUNS.c.id == run_id).values(generation=1))
    with pytest.raises(StaleRun), write(engine) as conn:
        advance(conn, RUNS, run_id, event, at=NOW, about=About(run_id=run_id, attempt_id=attempt_id))
    assert history(engine, RUNS, run_id, "run_id") == (State.PROCESSING, [])


@pytest.mark.parametrize("event", sorted(set(LEAVING) - {"run.aborted"}))
def test_a_run_does_not_leave_processing_without_its_attempt(engine, event):
    """Whoever forgets to say which try it was has a defect, and the test run should show it."""
    _, run_id, _ = stored_run(engine, item_state=State.PROCESSING, run_state=State.PROCESSING)
    with pytest.raises(ValueError, match="attempt"), write(engine) as conn:
        advance(conn, RUNS, run_id, event, at=NOW, about=About(run_id=run_id))


def test_the_operator_aborts_without_naming_an_attempt(engine):
    """A person's word counts more than a try that is under way."""
    _, run_id, _ = stored_run(engine, item_state=State.PROCESSING, run_state=State.PROCESSING)
    with write(engine) as conn:
        advance(conn, RUNS, run_id, "run.aborted", at=NOW, about=About(run_id=run_id))
    assert history(engine, RUNS, run_id, "run_id") == (State.ABORTED, ["run.aborted"])


@pytest.mark.parametrize(("table", "event"), [(RUNS, "item.started"), (ITEMS, "run.claimed")])
def test_an_event_moves_only_its_own_kind(engine, table, event):
    """Ids of items and runs are both small integers: mixing them up must not go through."""
    with pytest.raises(ValueError, match="does not move"), write(engine) as conn:
        advance(conn, table, 1, event, at=NOW, about=About())


def test_a_row_that_does_not_exist_is_stale(engine):
    """It has no state to start from."""
    with pytest.raises(StaleRun), write(engine) as conn:
        advance(conn, RUNS, 10**9, "run.claimed", at=NOW, about=About())


def test_the_event_says_what_the_move_was_about(engine):
    """The log alone has to tell the story of a run."""
    item_id, run_id, attempt_id = stored_run(engine, item_state=State.PROCESSING, run_state=State.PROCESSING)
    about = About(item_id=item_id, run_id=run_id, attempt_id=attempt_id, details={"reason": "l'été: 50%"})
    with write(engine) as conn:
        advance(conn, RUNS, run_id, "run.put_back", at=NOW, about=about, values={"retry_at": NOW})
    with read(engine) as conn:
        event = conn.execute(select(EVENTS).where(EVENTS.c.run_id == run_id)).one()
        assert conn.execute(select(RUNS.c.retry_at).where(RUNS.c.id == run_id)).scalar_one() == NOW
    assert (event.at, event.item_id, event.attempt_id) == (NOW, item_id, attempt_id)
    assert event.details == {"reason": "l'été: 50%"}


def writers_of_states(tree: ast.AST) -> list[int]:
    """Return the lines that set a column named `state` by a statement."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            named = {keyword.arg for keyword in node.keywords}
            keys = {
                key.value
                for argument in node.args
                for inner in ast.walk(argument)
                if isinstance(inner, ast.Dict)
                for key in inner.keys
                if isinstance(key, ast.Constant)
            }
            if node.func.attr in ("values", "execute", "update", "insert") and "state" in named | keys:
                lines.append(node.lineno)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            sql = " ".join(node.value.upper().split())
            if "SET STATE" in sql or ("UPDATE " in sql and " STATE =" in sql.partition("WHERE")[0]):
                lines.append(node.lineno)
        if isinstance(node, ast.Assign):
            targets = [one.attr for one in node.targets if isinstance(one, ast.Attribute)]
            if "state" in targets and not _is_own(node):
                lines.append(node.lineno)
    return lines


def _is_own(node: ast.Assign) -> bool:
    """`self.state = …` is an attribute of some object of the program, not a row."""
    return all(
        isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == "self"
        for one in node.targets
    )


def test_nothing_else_writes_a_state():
    """A second writer would sooner or later skip the check or the event."""
    found = []
    for package in ("db", "orchestrator", "steps", "zim", "scripts", "benchmarks"):
        for path in (ROOT / package).rglob("*.py"):
            for line in writers_of_states(ast.parse(path.read_text())):
                found.append(f"{path.relative_to(ROOT)}:{line}")
    assert [place.rpartition(":")[0] for place in found] == ["db/moves.py"], found


@pytest.mark.parametrize(
    "code",
    [
        "conn.execute(update(RUNS).values(state='FAILED'))",
        "conn.execute(update(RUNS), {'state': 'FAILED'})",
        "conn.execute(text('UPDATE step_run SET state = 1'))",
        "conn.execute(text('update step_run set number = 1, state = 2 where id = 3'))",
        "run.state = State.FAILED",
    ],
)
def test_the_search_for_writers_finds_them(code):
    """The test above would be worthless if it overlooked the usual ways of writing."""
    assert writers_of_states(ast.parse(code))

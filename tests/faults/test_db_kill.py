"""SIGKILL between any two statements: what was begun is there as a whole, or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Runs in a process of its own, which forks: each child works on its own copy of a prepared database and kills itself
# before its n-th statement, or before the commit; the parent then looks at what is left.
SCRIPT = r"""
import json, os, shutil, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from sqlalchemy import event, select, text
from db.engine import open_database, read
from db.models import Record
from db_world import NEEDS, NOW, STEPS, Store, World, files_of, painting

ERROR = dict(error_class="E", message="m", remedy="RETRY")
OPERATIONS = {
    "claim": lambda s: s.claim(free.run_id, batch_id=batch.id, instance="card1", prompt_id="p-2", seed=1),
    "complete": lambda s: s.complete(live.attempt_id, artifacts=files_of(live, "ab"), data={"x": 1}, checks=[]),
    "complete a redo": lambda s: s.complete(again.attempt_id, artifacts=files_of(again, ["file"]), data={}, checks=[]),
    "retry": lambda s: s.retry(live.attempt_id, **ERROR, retry_at=None),
    "fail": lambda s: s.fail(live.attempt_id, **ERROR),
    "put_back": lambda s: s.put_back(live.attempt_id, reason="r"),
    "turn_down": lambda s: s.turn_down(live.attempt_id, reasons=["r"], data={}, checks=[]),
    "abort_item": lambda s: s.abort_item(live.item_id, reason="r"),
    "send_back": lambda s: s.send_back(done_id, steps=["audio", "final_video"], languages=None, reason="r"),
    "open_batch": lambda s: s.open_batch(
        seed=5, list_name="portraits", count=3, steps=STEPS, languages=["fr"], settings={}, preview=False
    ),
    "close_batch": lambda s: s.close_batch(other.id, "stopped"),
    "add_paintings": lambda s: s.add_paintings([painting(number) for number in range(600, 1800)], list_name="new"),
}

folder = Path(sys.argv[1])
base = folder / "base"
base.mkdir()
world = World(base)
batch = world.open(3)
world.make_all(batch, item=1)
world.make_all(batch, item=2)
done_id, again_id = (item.item_id for item in world.store.items(batch.id)[1:])
world.store.send_back(again_id, steps=["final_video"], languages=["fr"], reason="r")
again = world.claim(batch, "final_video", "fr", item=2)
world.make(batch, "prepare")
live = world.claim(batch, "audio", "fr", prompt_id="p-1")
free = world.run(batch, "clean_pic")
other = world.open(1)
world.make(other, "prepare")
world.engine.dispose()


def content(path):
    engine = open_database(path)
    with read(engine) as conn:
        assert conn.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        assert conn.execute(text("PRAGMA foreign_key_check")).all() == []
        tables = {
            table.name: sorted(repr(tuple(row)) for row in conn.execute(select(table)))
            for table in Record.metadata.sorted_tables
        }
    engine.dispose()
    return tables


def killed_at(number, operation):
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(base, copy)
    pid = os.fork()
    if pid == 0:
        engine = open_database(copy / "nightreel.db")
        seen = [0]

        def count(*_):
            seen[0] += 1
            if seen[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(engine, "before_cursor_execute", count)
        event.listen(engine, "commit", count)
        OPERATIONS[operation](Store(engine, lambda: NOW, needs=NEEDS))
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, (operation, status)
    return os.WIFSIGNALED(status)


before = content(base / "nightreel.db")
found = {}
for operation in OPERATIONS:
    killed, partial = 0, []
    while killed_at(killed + 1, operation):
        killed += 1
        if content(folder / "copy" / "nightreel.db") != before:
            partial.append(killed)
    after = content(folder / "copy" / "nightreel.db")
    changed = sorted(name for name in after if after[name] != before[name])
    found[operation] = {"killed": killed, "partial": partial, "changed": changed}
print(json.dumps(found))
"""

CHANGES = {
    "claim": {"attempt", "event", "step_run"},
    "complete": {"artifact", "attempt", "event", "step_run"},
    "complete a redo": {"artifact", "attempt", "event", "item", "step_run"},
    "retry": {"attempt", "event", "step_run"},
    "fail": {"attempt", "event", "step_run"},
    "put_back": {"attempt", "event", "step_run"},
    "turn_down": {"attempt", "event", "item", "step_run"},
    "abort_item": {"attempt", "event", "item", "step_run"},
    "send_back": {"event", "item", "step_run"},
    "open_batch": {"batch", "batch_item", "event", "item", "step_run"},
    "close_batch": {"batch", "event", "item"},
    "add_paintings": {"event", "painting", "painting_list"},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What all the kills left, by operation."""
    helpers = Path(__file__).resolve().parents[1] / "integration"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path_factory.mktemp("kill"), helpers],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("operation", CHANGES)
def test_a_kill_between_any_two_statements_leaves_all_or_nothing(found, operation):
    """The process dies before its 1st, 2nd, … statement and before the commit; each time the database is looked at."""
    left = found[operation]
    assert left["partial"] == []
    assert left["killed"] >= 5, "the kills must have fallen between the statements of the operation"
    assert set(left["changed"]) == CHANGES[operation]


def test_every_operation_was_killed(found):
    """A new one has to be listed with what it changes."""
    assert set(found) == set(CHANGES)

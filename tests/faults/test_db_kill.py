"""SIGKILL between any two statements: what was begun is there as a whole, or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Runs in a process of its own, which forks: each child works on its own copy of a prepared database and kills itself
# before its n-th statement; the parent then looks at what is left.
SCRIPT = r'''
import json, os, shutil, signal, sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from sqlalchemy import event, select, text
from db.engine import open_database, read
from db.models import Record
from db.states import State
from db_world import STEPS, World, files_of, painting

folder, operation = Path(sys.argv[1]), sys.argv[2]
base = folder / "base"
base.mkdir()
world = World(base)
batch = world.open(2)
world.make_all(batch, item=1)
world.make(batch, "prepare")
live = world.claim(batch, "audio", "fr", prompt_id="p-1")
item_id, done_id = (item.item_id for item in world.store.items(batch.id))
run_id = world.run(batch, "clean_pic").run_id
if operation == "send_back, then complete":
    world.store.send_back(done_id, steps=["final_video"], languages=["fr"], reason="r")
    live = world.claim(batch, "final_video", "fr", item=1)
if operation == "close_batch":
    world.store.put_back(live.attempt_id, reason="r")
world.engine.dispose()

ERROR = dict(error_class="E", message="m", remedy="RETRY")
OPERATIONS = {
    "claim": lambda s: s.claim(run_id, batch_id=batch.id, instance="card1", prompt_id="p-2", seed=1),
    "complete": lambda s: s.complete(live.attempt_id, artifacts=files_of(live, "ab"), data={"x": 1}, checks=[]),
    "send_back, then complete": lambda s: s.complete(
        live.attempt_id, artifacts=files_of(live, ["file"]), data={"x": 1}, checks=[]
    ),
    "retry": lambda s: s.retry(live.attempt_id, **ERROR, retry_at=None),
    "fail": lambda s: s.fail(live.attempt_id, **ERROR),
    "put_back": lambda s: s.put_back(live.attempt_id, reason="r"),
    "turn_down": lambda s: s.turn_down(live.attempt_id, reasons=["r"], data={}, checks=[]),
    "abort_item": lambda s: s.abort_item(item_id, reason="r"),
    "send_back": lambda s: s.send_back(done_id, steps=["audio", "final_video"], languages=None, reason="r"),
    "open_batch": lambda s: s.open_batch(
        seed=5, list_name="portraits", count=3, steps=STEPS, languages=["fr"], settings={}, preview=False
    ),
    "close_batch": lambda s: s.close_batch(batch.id, "stopped"),
    "add_paintings": lambda s: s.add_paintings([painting(number) for number in range(600, 1800)], list_name="new"),
}


def content(path):
    """Everything that is stored, by table."""
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


def attempt_at(number):
    """Run the operation on a fresh copy, killed before its n-th statement (or its commit). Return whether it was."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(base, copy)
    pid = os.fork()
    if pid == 0:
        import db_world
        engine = open_database(copy / "nightreel.db")
        store = db_world.Store(engine, world.clock.now, needs=db_world.NEEDS)
        seen = [0]

        def count(*_):
            seen[0] += 1
            if seen[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(engine, "before_cursor_execute", count)
        event.listen(engine, "commit", count)
        OPERATIONS[operation](store)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


before = content(base / "nightreel.db")
killed = 0
partial = []
while attempt_at(killed + 1):
    killed += 1
    if content(folder / "copy" / "nightreel.db") != before:
        partial.append(killed)
after = content(folder / "copy" / "nightreel.db")
changed = sorted(name for name in after if after[name] != before[name])
print(json.dumps({"killed": killed, "partial": partial, "changed": changed}))
'''

CHANGES = {
    "claim": {"attempt", "event", "step_run"},
    "complete": {"artifact", "attempt", "event", "step_run"},
    "send_back, then complete": {"artifact", "attempt", "event", "item", "step_run"},
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


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("operation", CHANGES)
def test_a_kill_between_any_two_statements_leaves_all_or_nothing(tmp_path, operation):
    """The process dies before its 1st, 2nd, … statement and before the commit; each time the database is looked at."""
    helpers = Path(__file__).resolve().parents[1] / "integration"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path, operation, helpers], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["partial"] == []
    assert found["killed"] >= 5, "the kills must have fallen between the statements of the operation"
    assert set(found["changed"]) == CHANGES[operation]

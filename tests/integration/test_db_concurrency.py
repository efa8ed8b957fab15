"""Several threads and processes at once: each run is claimed exactly once, and nobody's write is lost."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter

from db_world import RUNS_OF_AN_ITEM, STEPS, World
from sqlalchemy import func, select

from db.engine import read
from db.errors import StaleRun
from db.models import ARTIFACTS, EVENTS, RUNS
from db.states import State

CLAIMER = """
import sys
from datetime import UTC, datetime
from db.engine import open_database
from db.errors import StaleRun
from db.store import ArtifactRow, Store
store = Store(open_database(sys.argv[1]), lambda: datetime.now(UTC))
batch = store.unfinished_batch()
print("ready", flush=True)
sys.stdin.readline()
for run in store.snapshot(batch.id):
    try:
        attempt = store.claim(run.run_id, batch_id=batch.id, instance=sys.argv[2], prompt_id=None, seed=0)
    except StaleRun:
        continue
    row = ArtifactRow("image", f"{attempt.attempt_id}.png", "0" * 64, 1)
    store.complete(attempt.attempt_id, artifacts=[row], data={}, checks=[])
    print(run.run_id, flush=True)
"""


def test_every_run_is_claimed_by_one_process(tmp_path):
    """Three processes race for all runs of a night; together they do each once."""
    world = World(tmp_path, paintings=20)
    batch = world.open(10)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMER, world.path, f"card{number}"], stdin=-1, stdout=-1, stderr=-1, text=True
        )
        for number in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    claimed: Counter[str] = Counter()
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        claimed.update(out.split())
    assert claimed == {str(run.run_id): 1 for run in world.store.snapshot(batch.id)}
    assert {item.state for item in world.store.items(batch.id)} == {State.COMPLETE}
    assert world.store.in_flight() == []
    assert len(world.store.attempts(batch.id)) == 10 * RUNS_OF_AN_ITEM


def test_of_many_threads_one_gets_the_run(tmp_path):
    """A card's feeder and a recovery look at the same run in the same moment."""
    world = World(tmp_path)
    batch = world.open(1)
    run_id = world.run(batch, "prepare").run_id
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def claim(number: int) -> None:
        barrier.wait()
        try:
            world.store.claim(run_id, batch_id=batch.id, instance=f"card{number}", prompt_id=str(number), seed=0)
            outcomes.append("won")
        except StaleRun:
            outcomes.append("stale")

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == {"won": 1, "stale": 7}
    assert len(world.store.in_flight()) == 1


def test_completing_and_aborting_at_once_leaves_one_of_the_two(tmp_path):
    """The operator presses abort in the second in which the last file arrives: either way nothing is half."""
    world = World(tmp_path, paintings=16)
    batch = world.open(16, steps=STEPS[:1])
    attempts = [world.claim(batch, "prepare", item=number) for number in range(16)]
    errors: list[Exception] = []
    barrier = threading.Barrier(2)

    def race(action) -> None:
        for attempt in attempts:
            barrier.wait()
            try:
                action(attempt)
            except Exception as error:
                errors.append(error)

    finishing = threading.Thread(target=race, args=(lambda attempt: world.complete(attempt, "image"),))
    aborting = threading.Thread(
        target=race, args=(lambda attempt: world.store.abort_item(attempt.item_id, reason="x"),)
    )
    finishing.start()
    aborting.start()
    finishing.join()
    aborting.join()
    assert len(errors) == 16  # in each pair the second one was told
    for item in world.store.items(batch.id):
        complete = item.state is State.COMPLETE
        assert item.state in (State.COMPLETE, State.ABORTED)
        assert set(world.states(item.item_id).values()) == {item.state}
        assert len(world.store.current_artifacts(item.item_id)) == (1 if complete else 0)


def test_the_log_and_the_states_agree_after_a_crowd(tmp_path):
    """Every completed run has one claim and one completion in the log, and one file."""
    world = World(tmp_path, paintings=8)
    batch = world.open(8)
    runs = world.store.snapshot(batch.id)

    def work(mine) -> None:
        store = world.another_store()
        for run in mine:
            attempt = store.claim(run.run_id, batch_id=batch.id, instance=None, prompt_id=None, seed=0)
            world.complete(attempt, "image")

    threads = [threading.Thread(target=work, args=(runs[number::4],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with read(world.engine) as conn:
        names = Counter(conn.execute(select(EVENTS.c.name).where(EVENTS.c.run_id.is_not(None))).scalars())
        files = conn.execute(select(func.count()).select_from(ARTIFACTS)).scalar_one()
        states = set(conn.execute(select(RUNS.c.state)).scalars())
    assert names == {"run.claimed": len(runs), "run.completed": len(runs)}
    assert files == len(runs)
    assert states == {State.COMPLETE}

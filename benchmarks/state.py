"""The state with 30,000 paintings and a million step runs: how quick `status` is, and how many moves a second it takes.

Also how long 30,000 pictures take to enter the catalogue. The large database is written by the database itself, out of
nothing, because what is measured begins afterwards: the questions, claims and completions of the real store.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy import text

from db.engine import open_database, write
from db.store import ArtifactRow, PaintingRow, RunView, StepSpec, Store
from orchestrator import catalogue

PAINTINGS = 30_000
LANGUAGES = ("de", "en", "es", "fr", "it")
SHARED = ("prepare", "clean_pic", "realistic_pic", "transition")
PER_LANGUAGE = ("script", "audio", "script_video", "subtitles", "outro", "final_video")
STEPS = tuple(
    StepSpec(name, number, per_language=name in PER_LANGUAGE) for number, name in enumerate(SHARED + PER_LANGUAGE)
)
NIGHT = 40  # items of the night whose moves are measured
THREADS = 8

# A house full of finished nights, one table after the other.
HISTORY = (
    """WITH RECURSIVE numbers(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)
        INSERT INTO painting (sha256, path, title, tags, added_at)
        SELECT printf('%064d', n), '/paintings/' || n || '.jpg', 'Portrait ' || n, '[]', :at FROM numbers""",
    "INSERT INTO painting_list (name, painting_id) SELECT 'portraits', id FROM painting",
    """INSERT INTO batch (seed, list_name, wanted, languages, settings, preview, opened_at, closed_at, outcome)
        VALUES (1, 'portraits', 20, '[]', '{}', 0, :at, :at, 'complete')""",
    """INSERT INTO item (painting_id, batch_id, state, reasons, languages)
        SELECT id, 1, CASE WHEN id % 50 = 0 THEN 'FAILED' ELSE 'COMPLETE' END, '[]', '[]' FROM painting""",
    "INSERT INTO batch_item (batch_id, item_id, origin, position) SELECT 1, id, 'drawn', id FROM item",
    """WITH spec(number, step, variant) AS (VALUES {runs})
        INSERT INTO step_run (item_id, step, number, variant, state, generation, attempts_counted, data)
        SELECT id, step, number, variant, CASE WHEN id % 50 = 0 THEN 'FAILED' ELSE 'COMPLETE' END, 0, 1, '{}'
        FROM item CROSS JOIN spec""",
    """INSERT INTO attempt (run_id, batch_id, step, generation, number, instance, prompt_id, seed,
                             claimed_at, queued_at, started_at, finished_at, outcome, counted)
        SELECT id, 1, step, 0, 1, 'card0', 'prompt-' || id, id, :at, :at, :at, :at,
               CASE state WHEN 'FAILED' THEN 'failed' ELSE 'complete' END, 1 FROM step_run""",
    """INSERT INTO artifact (run_id, attempt_id, name, path, sha256, size_bytes, made_at)
        SELECT run_id, id, 'clip', 'items/' || run_id || '/clip.mp4', printf('%064d', id), 1000, :at
        FROM attempt WHERE outcome = 'complete'""",
    """INSERT INTO event (at, name, batch_id, item_id, run_id, attempt_id, details)
        SELECT :at, 'run.claimed', 1, item_id, id, id, '{}' FROM step_run""",
)


def measures() -> Iterator[dict[str, Any]]:
    """Measure, print a line for people, and yield the records."""
    with tempfile.TemporaryDirectory(prefix="nightreel-bench-") as name:
        folder = Path(name)
        print(f"in {folder}; one fsync there takes {_fsync_ms(folder):.2f} ms", flush=True)
        yield _measure_catalogue(folder)
        path = folder / "large.db"
        _write_history(path)
        yield _measure_status(path)
        yield _measure_moves(path)


def _measure_catalogue(folder: Path) -> dict[str, Any]:
    store = _store(folder / "catalogue.db")
    pictures = folder / "pictures"
    pictures.mkdir()
    buffer = BytesIO()
    Image.new("RGB", (64, 96)).save(buffer, "JPEG")
    for number in range(PAINTINGS):
        (pictures / f"{number}.jpg").write_bytes(buffer.getvalue() + str(number).encode())
    lines = [f'pictures/{number}.jpg,"Portrait, {number}",Ida Vale,c. 1503,oil;woman\n' for number in range(PAINTINGS)]
    (folder / "list.csv").write_text("path,title,artist,year,tags\n" + "".join(lines))
    elapsed_s = _timed(lambda: catalogue.add(store, folder / "list.csv"))
    print(f"catalogue: {PAINTINGS} rows with their pictures hashed and measured in {elapsed_s:.2f} s", flush=True)
    return _record("catalogue_30000_s", elapsed_s, "s", goal="< 10", holds=elapsed_s < 10)


def _measure_status(path: Path) -> dict[str, Any]:
    store = _store(path)
    first_s = _timed(store.status)
    again_s = statistics.median(_timed(store.status) for _ in range(5))
    status = store.status()
    runs = sum(status.runs.values())
    print(
        f"status: {first_s:.3f} s on a database just opened, {again_s:.3f} s after that, "
        f"with {status.paintings} paintings and {runs} step runs",
        flush=True,
    )
    return _record("status_s", first_s, "s", goal="< 1", holds=first_s < 1 and runs >= 1_000_000)


def _measure_moves(path: Path) -> dict[str, Any]:
    store = _store(path)
    # New paintings: everything that the history knows is used.
    new = (PaintingRow(sha256=f"new-{number:060d}", path=f"/new/{number}.jpg", title="New") for number in range(NIGHT))
    store.add_paintings(new, list_name="new")
    batch = store.open_batch(
        seed=1, list_name="new", count=NIGHT, steps=STEPS, languages=LANGUAGES, settings={}, preview=True
    )
    runs = store.snapshot(batch.id)
    half = len(runs) // 2
    alone_per_s = 2 * half / _timed(lambda: _work(store, batch.id, runs[:half]))
    crowd_per_s = 2 * (len(runs) - half) / _timed(lambda: _crowd(store, batch.id, runs[half:]))
    print(
        f"moves: {alone_per_s:.0f} a second by one thread, {crowd_per_s:.0f} by {THREADS}; each is on the disk when it "
        "returns, with its event, attempt and file",
        flush=True,
    )
    return _record("moves_per_s", alone_per_s, "moves/s", goal=">= 200", holds=alone_per_s >= 200)


def _work(store: Store, batch_id: int, runs: list[RunView]) -> None:
    """Claim and complete runs, as the runner does."""
    for run in runs:
        attempt = store.claim(run.run_id, batch_id=batch_id, instance="card0", prompt_id=f"new-{run.run_id}", seed=1)
        made = ArtifactRow("clip", f"items/{attempt.attempt_id}/clip.mp4", "0" * 64, 1000)
        store.complete(attempt.attempt_id, artifacts=[made], data={"duration_s": 12.5}, checks=[])


def _crowd(store: Store, batch_id: int, runs: list[RunView]) -> None:
    threads = [
        threading.Thread(target=_work, args=(store, batch_id, runs[number::THREADS])) for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _write_history(path: Path) -> None:
    shared = [f"({step.number}, '{step.name}', '')" for step in STEPS if not step.per_language]
    spoken = [f"({step.number}, '{step.name}', '{one}')" for step in STEPS if step.per_language for one in LANGUAGES]
    engine = open_database(path)
    started = time.perf_counter()
    with write(engine) as conn:
        for statement in HISTORY:
            statement = statement.replace("{runs}", ", ".join(shared + spoken))  # the constants above
            conn.execute(text(statement), {"last": PAINTINGS, "at": "2026-01-01 22:30:00.000000"})
    engine.dispose()
    os.sync()  # what the system still writes of this must not slow down what is measured
    size_mb = path.stat().st_size / 1e6
    print(f"a database of {size_mb:.0f} MB was written in {time.perf_counter() - started:.0f} s", flush=True)


def _store(path: Path) -> Store:
    needs = {"script": ("prepare",), "final_video": ("script", "clean_pic")}
    return Store(open_database(path), lambda: datetime.now(UTC), needs=needs)


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _fsync_ms(folder: Path) -> float:
    with (folder / "probe").open("wb") as file:

        def write_through() -> None:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())

        return statistics.median(_timed(write_through) for _ in range(50)) * 1000


def _record(name: str, value: float, unit: str, *, goal: str, holds: bool) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": unit, "goal": goal, "holds": holds}


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main(["status_s", "moves_per_s", "catalogue_30000_s"])

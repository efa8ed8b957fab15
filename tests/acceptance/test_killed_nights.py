"""Nights that are killed with SIGKILL, again and again, and end as if nothing had happened."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from db.states import State
from db.store import Store
from orchestrator.artifacts import hash_file
from orchestrator.errors import CatalogueError
from orchestrator.night import NightRequest, run_night
from tests.acceptance import small_night

ROOT = Path(__file__).resolve().parents[2]
KILLS = 8


def start(home: Path, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.acceptance.small_night", str(home), mode]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(home: Path, mode: str) -> str:
    process = start(home, mode)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return out.strip()


def pictures(store: Store, home: Path) -> dict[tuple[str, str, str, str], str]:
    """Return what a night made: (painting, step, language, name) -> its content, without the metadata around it."""
    made = {}
    for item in store.items(1):
        for row in store.current_artifacts(item.item_id):
            path = home / "artifacts" / row.path
            if path.suffix == ".png":
                with Image.open(path) as image:
                    content = f"{image.size} {np.asarray(image.convert('RGB')).sum()}"
            else:
                content = path.read_text(encoding="utf-8")
            made[(item.title, row.step, row.variant, row.name)] = content
    return made


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    home = tmp_path_factory.mktemp("undisturbed")
    _, store = small_night.prepare(home)
    assert finish(home, "run") == "complete"
    return pictures(store, home)


def test_a_night_killed_again_and_again_ends_like_an_undisturbed_one(tmp_path, undisturbed):
    """SIGKILL at any instant, then resume: nothing is lost, made twice or left half-way."""
    moments = random.Random(2)
    _, store = small_night.prepare(tmp_path)
    kills = 0
    mode = "run"
    for _ in range(KILLS):
        process = start(tmp_path, mode)
        time.sleep(moments.uniform(0.4, 2.2))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
        kills += process.returncode == -signal.SIGKILL
        if store.unfinished_batch() is not None:
            mode = "resume"
        elif store.latest_batch() is not None:
            break
    if store.latest_batch() is None or store.unfinished_batch() is not None:
        assert finish(tmp_path, mode) == "complete"
    assert kills >= 3, "the night was over before it could be killed: nothing was tested"

    assert pictures(store, tmp_path) == undisturbed
    check_nothing_is_left_over(store, tmp_path)


def check_nothing_is_left_over(store: Store, home: Path) -> None:
    """No item under way, no half-written file, no file without a row, no row without its file, no attempt alive."""
    assert {item.state for item in store.items(1)} == {State.COMPLETE, State.ABORTED}
    assert store.in_flight() == []
    assert list((home / "work").iterdir()) == []
    rows = [row for item in store.items(1) for row in store.current_artifacts(item.item_id)]
    on_disk = {path for path in (home / "artifacts").rglob("*") if path.is_file()}
    assert {home / "artifacts" / row.path for row in rows} == on_disk
    for row in rows:
        path = home / "artifacts" / row.path
        assert (path.stat().st_size, hash_file(path)) == (row.size_bytes, row.sha256)
    complete = [one for one in store.attempts(1) if one.outcome == "complete"]
    assert len({one.run_id for one in complete}) == len(complete), "a finished step run was made again"


def test_a_finished_night_has_nothing_to_resume(tmp_path):
    """Resuming twice does no harm and says so."""
    _, store = small_night.prepare(tmp_path)
    assert finish(tmp_path, "run") == "complete"
    before = len(store.attempts(1))
    settings, steps = small_night.build(tmp_path)
    with pytest.raises(CatalogueError, match="nothing to go on with"):
        run_night(settings, NightRequest(resume=True), steps=steps)
    assert len(store.attempts(1)) == before


def test_prompts_that_outlive_a_crash_are_not_made_again(tmp_path):
    """What was in flight is collected or waited for: the same attempt, the same prompt id."""
    _, store = small_night.prepare(tmp_path)
    process = start(tmp_path, "run")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        in_flight = [one for one in store.in_flight() if one.prompt_id is not None and one.started_at is not None]
        if in_flight:
            break
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=10)
    in_flight = [one for one in store.in_flight() if one.queued_at is not None]
    assert in_flight, "no prompt was in flight: nothing was tested"
    assert finish(tmp_path, "resume") == "complete"
    outcomes = {one.prompt_id: one.outcome for one in store.attempts(1)}
    assert [outcomes[one.prompt_id] for one in in_flight] == ["complete"] * len(in_flight)
    names = {event.name for event in store.events(limit=100_000)}
    assert names & {"attempt.reattached", "attempt.collected"}

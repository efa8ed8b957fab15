"""Ctrl-C, `systemctl stop` and two nights at once, as a user and a service manager meet them: by processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db.states import State
from db.store import AttemptView, Store
from orchestrator.errors import ExitCode
from orchestrator.night import NightRequest, run_night
from orchestrator.settings import load_settings
from tests.acceptance import small_command
from tests.faults.night_world import processes_of

pytestmark = pytest.mark.timeout(100)
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    yield small_command.prepare(tmp_path)
    left = processes_of(tmp_path)
    assert left == [], "engines outlived their night"


def start(home: Path, *arguments: str, seconds: float = 0.1) -> subprocess.Popen[str]:
    """Start a command whose prompts take so many seconds: long ones where a signal must meet one."""
    command = [sys.executable, "-m", "tests.acceptance.small_command", str(home), *arguments]
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", small_command.SECONDS: str(seconds)}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return the exit code and everything that was printed."""
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out + err


def wait_until(holds: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(store: Store) -> list[AttemptView]:
    """Return the prompts that a card works on."""
    return [one for one in store.in_flight() if one.started_at is not None and one.prompt_id is not None]


def states(store: Store) -> list[str]:
    return sorted(str(item.state) for item in store.items(1))


def test_one_interrupt_finishes_what_runs_and_resume_does_the_rest(tmp_path, store):
    """Exit code 5, a batch that stays open, no prompt wasted; `resume` ends with 0 and makes nothing twice."""
    process = start(tmp_path, "run", "--paintings", "6", "--seed", "7", seconds=2)
    wait_until(lambda: running(store), process)
    in_flight = {one.attempt_id for one in store.in_flight()}
    process.send_signal(signal.SIGINT)
    code, said = finish(process)
    assert code == ExitCode.STOPPED, said
    assert "finishing what runs, then stopping" in said
    assert "nightreel resume" in said
    outcomes = {one.attempt_id: one.outcome for one in store.attempts(1)}
    assert {outcomes[attempt_id] for attempt_id in in_flight} == {"complete"}
    assert set(outcomes.values()) == {"complete"}
    assert len([one for one in store.attempts(1) if one.step == "paint"]) < small_command.PAINTINGS
    assert State.PROCESSING not in {item.state for item in store.items(1)}
    assert store.unfinished_batch() is not None

    code, said = finish(start(tmp_path, "resume"))
    assert code == ExitCode.OK, said
    assert states(store) == ["COMPLETE"] * small_command.PAINTINGS
    runs = [one.run_id for one in store.attempts(1)]
    assert len(set(runs)) == len(runs), "something was made twice"


def test_two_interrupts_stop_at_once_and_nothing_is_stuck(tmp_path, store):
    """Exit code 130 before the prompts end; what ran is put back, not counted, and made by `resume`."""
    process = start(tmp_path, "run", "--paintings", "6", "--seed", "7", seconds=20)
    wait_until(lambda: running(store), process)
    process.send_signal(signal.SIGINT)
    wait_until_told(process, "once more to stop now")
    process.send_signal(signal.SIGINT)
    code, said = finish(process)
    assert code == ExitCode.STOPPED_NOW, said
    dropped = [one for one in store.attempts(1) if one.step == "paint" and one.outcome != "complete"]
    assert dropped
    assert {(one.outcome, one.counted) for one in dropped} == {("put_back", False)}
    assert store.in_flight() == []
    assert State.PROCESSING not in {item.state for item in store.items(1)}

    settings = load_settings(tmp_path / "config.yaml")
    steps = small_command.small_steps(tmp_path)
    assert run_night(settings, NightRequest(resume=True), steps=steps).outcome == "complete"
    assert states(store) == ["COMPLETE"] * small_command.PAINTINGS


def wait_until_told(process: subprocess.Popen[str], words: str) -> None:
    """Read the process's errors until it says something: then it has taken the signal."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it never said {words!r}")


def test_a_second_night_is_refused_and_disturbs_nothing(tmp_path, store):
    """Exit code 6, with the process to look for. SIGTERM (`systemctl stop`) means what Ctrl-C means."""
    process = start(tmp_path, "run", "--paintings", "6", "--seed", "7", seconds=20)
    wait_until(lambda: running(store), process)
    before = {one.attempt_id: one.outcome for one in store.attempts(1)}
    code, said = finish(start(tmp_path, "run"))
    assert code == ExitCode.NIGHT_RUNNING, said
    assert f"process {process.pid} on" in said
    after = {one.attempt_id: one.outcome for one in store.attempts(1)}
    assert after == {**before, **dict.fromkeys(after.keys() - before.keys())}, "an attempt was ended from outside"
    assert store.latest_batch().id == 1
    process.send_signal(signal.SIGTERM)
    wait_until_told(process, "once more to stop now")
    process.send_signal(signal.SIGTERM)
    code, said = finish(process)
    assert code == ExitCode.STOPPED_NOW, said
    assert State.PROCESSING not in {item.state for item in store.items(1)}

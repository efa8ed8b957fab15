"""How soon a night that was killed has its prompts again: from SIGKILL to the first prompt that is waited for.

The night has 1,000 items; one prompt runs on the card and one waits behind it when the process dies. What comes after
is what `nightreel resume` does: Python starts, the doctor looks at everything, the database is opened, the instance is
asked. The card computes all the while.
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.dead_card import cards, settings_of
from benchmarks.rig import Timing, add_paintings, pipeline
from db.store import Store
from orchestrator.home import Home

ITEMS = 1000
KILLS = 5
TIMINGS = [
    Timing("look", 0.0, on_card=False, per_language=False),
    Timing("render", 900.0, on_card=True, per_language=False),
]
PATIENCE_S = 120.0


def run(folder: Path, url: str, mode: str) -> None:
    """Be the process that is killed: examine and run, or resume, as the commands do."""
    from orchestrator.doctor import examine, fatal
    from orchestrator.night import NightRequest, run_night

    settings, steps = settings_of(folder / "home", [url]), pipeline(TIMINGS, folder / "workflows")
    problems = fatal(examine(settings, steps))
    assert not problems, problems
    run_night(settings, NightRequest(paintings=ITEMS, seed=1, resume=mode == "resume"), steps=steps)


def measures() -> Iterator[dict[str, Any]]:
    """Kill a night again and again, print each return, and yield the record."""
    found = []
    with tempfile.TemporaryDirectory() as name, cards(Path(name), count=1) as (url,):
        home, store = _prepared(Path(name), url)
        process = _start(Path(name), url, "run")
        try:
            _wait(process, lambda: any(one.instance and one.started_at for one in store.in_flight()))
            for _ in range(KILLS):
                log = home.log_of(1)
                seen = log.stat().st_size
                process.send_signal(signal.SIGKILL)
                killed_at = time.time()
                process.wait()
                process = _start(Path(name), url, "resume")
                _wait(process, lambda log=log, seen=seen: _reattached(log, seen) is not None)  # type: ignore[misc]
                found.append((_reattached(log, seen) or killed_at) - killed_at)
                print(f"killed with {ITEMS} items: the first prompt is waited for after {found[-1]:.2f} s", flush=True)
        finally:
            process.kill()
            process.wait()
    value = statistics.median(found)
    yield {
        "name": "reattach_s",
        "value": round(value, 2),
        "unit": "s",
        "goal": "< 2",
        "holds": value < 2,
        "worst_s": round(max(found), 2),
    }


def _prepared(folder: Path, url: str) -> tuple[Home, Store]:
    from orchestrator.opening import open_store

    steps = pipeline(TIMINGS, folder / "workflows")
    home, store = open_store(settings_of(folder / "home", [url]), steps=steps)
    add_paintings(store, folder / "paintings", ITEMS)
    return home, store


def _start(folder: Path, url: str, mode: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "benchmarks.reattach", str(folder), url, mode])


def _wait(process: subprocess.Popen[bytes], done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        if process.poll() is not None:
            raise RuntimeError(f"the night ended with exit code {process.returncode} before it could be killed")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the night did not come so far in {PATIENCE_S:.0f} s")
        time.sleep(0.05)


def _reattached(log: Path, offset: int) -> float | None:
    """Return when the first prompt was re-attached, by what the log says behind an offset; seconds since 1970."""
    with log.open("rb") as lines:
        lines.seek(offset)
        for line in lines:
            if line.endswith(b"\n") and b'"attempt.reattached"' in line:
                return datetime.fromisoformat(json.loads(line)["at"]).timestamp()
    return None


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], sys.argv[3])

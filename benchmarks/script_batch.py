"""What it is worth to ask a server that batches many questions at once: step 1 of 20 items, beside one after another.

Both nights ask the same embedded language model, as it is with a batch of 32: an answer takes as long alone as together
with others. One night has the server's concurrency at 1, the other as many as there are items. Everything else is a
real night's: the claim, the script's rules, the files, the database.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.rig import add_paintings, rehearse
from orchestrator.settings import Settings, parse_settings
from steps.base import Context, LocalStep, Result
from steps.script import Script

ITEMS = 20
GOAL = 0.25
BATCH = 32
TOKENS_PER_S = 150.0
FIRST_S = 0.3


class Known(LocalStep):
    """Stands for step 0, which has its own figures."""

    name, number, title, per_language, needs = "prepare", 0, "prepare", False, ()

    def run(self, context: Context) -> Result:
        """Say what a script needs to know of the picture."""
        return Result(data={"sex": "woman", "age": "adult"})


@contextmanager
def model() -> Iterator[str]:
    """Start the language model; yield its address."""
    command = [sys.executable, "-m", "orchestrator.embedded.llm", "--port", "0", "--idle-exit-s", "300"]
    pace = ["--batch", str(BATCH), "--tokens-per-s", str(TOKENS_PER_S), "--first-s", str(FIRST_S)]
    process = subprocess.Popen([*command, *pace], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[1]
    finally:
        process.kill()
        process.wait()


def settings_of(folder: Path, url: str, concurrency: int) -> Settings:
    """Return settings of a home that asks this server so many questions at once."""
    endpoint: Mapping[str, Any] = {"url": url, "concurrency": concurrency}
    return parse_settings(
        {
            "home": str(folder),
            "languages": ["en"],
            "comfyui": {"embedded": {"cards": 1}},
            "local": {"workers": 1},
            "llm": {"text": endpoint, "vision": endpoint},
        },
        folder / "config.yaml",
    )


def step_s(url: str, concurrency: int) -> float:
    """Run a night of two steps; return the seconds from the first script's start to the last one's end.

    Raises:
        RuntimeError: a script was lost.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = settings_of(folder / "home", url, concurrency)
        steps = (Known(), Script())
        from orchestrator.opening import open_store

        _, store = open_store(settings, steps=steps)
        add_paintings(store, folder / "paintings", ITEMS)
        result, store, _ = rehearse(settings, steps, paintings=ITEMS)
        scripts = {run.run_id for run in store.snapshot(result.batch_id) if run.step == "script"}
        done = [one for one in store.attempts(result.batch_id) if one.outcome == "complete" and one.run_id in scripts]
        if len(done) != ITEMS:
            raise RuntimeError(f"{len(done)} scripts were written; {ITEMS} were expected")
        starts = [one.started_at for one in done if one.started_at is not None]
        ends = [one.finished_at for one in done if one.finished_at is not None]
        return (max(ends) - min(starts)).total_seconds()


def measures() -> Iterator[dict[str, Any]]:
    """Measure both nights, print them side by side, and yield the record."""
    with model() as url:
        in_turn = step_s(url, 1)
        together = step_s(url, ITEMS)
    ratio = together / in_turn
    print(f"{ITEMS} scripts one after another: {in_turn:6.2f} s; asked together: {together:6.2f} s, {ratio:.2f} x")
    holds = ratio <= GOAL
    yield {"name": "script_batch_ratio", "value": round(ratio, 3), "unit": "x", "goal": f"<= {GOAL:g}", "holds": holds}

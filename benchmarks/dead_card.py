"""What a dead card costs: a night on two cards of which one dies for good at its first prompt, beside one on both.

Half of the cards is left, so twice the time is what nobody can avoid; the rest is the time until the dead card is given
up, and the prompts that it took with it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from benchmarks.rig import Timing, add_paintings, pipeline, rehearse
from orchestrator.settings import Settings, parse_settings

CARDS = 2
PAINTINGS = 24
TIMINGS = [
    Timing("first", 1.0, on_card=True, per_language=False),
    Timing("second", 2.0, on_card=True, per_language=False),
]
READY_S = 2.0  # how long a dead card is waited for; compressed as the prompts are


@contextmanager
def cards(folder: Path, *, count: int = CARDS) -> Iterator[list[str]]:
    """Start servers that nobody restarts; yield their addresses."""
    processes = []
    urls = []
    try:
        for number in range(count):
            command = [sys.executable, "-m", "orchestrator.embedded", "--port", "0", "--idle-exit-s", "120"]
            process = subprocess.Popen(
                [*command, "--directory", str(folder / f"card{number}")], stdout=subprocess.PIPE, text=True
            )
            processes.append(process)
            assert process.stdout is not None
            urls.append(process.stdout.readline().split()[1])
        yield urls
    finally:
        for process in processes:
            process.kill()
            process.wait()


def settings_of(folder: Path, urls: list[str]) -> Settings:
    """Return settings of a home whose cards have no way to be restarted."""
    instances = [{"name": f"card{number}", "url": url} for number, url in enumerate(urls)]
    return parse_settings(
        {
            "home": str(folder),
            "languages": ["fr"],
            "comfyui": {"instances": instances, "restart": "never", "ready_timeout_s": READY_S},
        },
        folder / "config.yaml",
    )


def night_s(*, one_dies: bool) -> float:
    """Run the night; return the seconds from the first prompt's start to the last one's end.

    Raises:
        RuntimeError: a run was lost.
    """
    with tempfile.TemporaryDirectory() as name, cards(Path(name)) as urls:
        folder = Path(name)
        settings = settings_of(folder / "home", urls)
        steps = pipeline(TIMINGS, folder / "workflows")
        from orchestrator.opening import open_store

        _, store = open_store(settings, steps=steps)
        add_paintings(store, folder / "paintings", PAINTINGS)
        if one_dies:
            fault = {"kind": "die", "node": "TimedRender", "prompt": 1}
            requests.post(f"{urls[1]}/nightreel/faults", json=fault, timeout=5).raise_for_status()
        result, store, _ = rehearse(settings, steps, paintings=PAINTINGS)
        attempts = [one for one in store.attempts(result.batch_id) if one.outcome == "complete"]
        if len(attempts) != PAINTINGS * len(TIMINGS):
            raise RuntimeError(f"{len(attempts)} runs came through; {PAINTINGS * len(TIMINGS)} were expected")
        starts = [one.started_at for one in attempts if one.started_at is not None]
        ends = [one.finished_at for one in attempts if one.finished_at is not None]
        return (max(ends) - min(starts)).total_seconds()


def measures() -> Iterator[dict[str, Any]]:
    """Measure both nights, print them side by side, and yield the record."""
    both = night_s(one_dies=False)
    one = night_s(one_dies=True)
    ratio = one / both
    print(f"both cards: {both:6.1f} s; one dies at its first prompt: {one:6.1f} s, {ratio:.2f} x", flush=True)
    yield {"name": "dead_card_ratio", "value": round(ratio, 3), "unit": "x", "goal": "<= 2.2", "holds": ratio <= 2.2}

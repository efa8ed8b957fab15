"""How long the card is idle between two prompts, by the server's own clock, beside a plain client.

Ours keeps two prompts in the instance's queue: inputs are uploaded and the next prompt is queued while the current one
runs, and outputs are fetched while the next one does. The plain client uploads, submits, waits and downloads in turn.
Both use the same picture in, the same timed node, and the same picture out, checked.
"""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from orchestrator.clock import SystemClock
from orchestrator.comfyui.replies import HistoryEntry
from orchestrator.comfyui.session import InstanceSession
from steps.manifest import OutputSpec

PROMPTS = 150
PLAIN_PROMPTS = 40
SECONDS = 0.15  # a prompt, without reading and writing its pictures
SIZE = (576, 1024)
OUTPUTS = {"image": OutputSpec.model_validate({"node": "OUT", "media": "image", "width": 576, "height": 1024})}
QUEUED = 2
GraphOf = Callable[[str], dict[str, Any]]  # server-side name of a picture -> prompt


@contextmanager
def card(folder: Path) -> Iterator[InstanceSession]:
    """Start an embedded server and open a session with it."""
    command = [sys.executable, "-m", "orchestrator.embedded", "--port", "0", "--directory", str(folder)]
    process = subprocess.Popen([*command, "--idle-exit-s", "60"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("ready "):
            raise RuntimeError("the embedded server did not start")
        with InstanceSession("card0", line.split()[1], clock=SystemClock()) as session:
            session.events.wait_live(10)
            yield session
    finally:
        process.kill()
        process.wait()


def paint(folder: Path, count: int) -> list[Path]:
    """Write files of about the size of a portrait's PNG, no two with the same bytes."""
    grain = np.random.default_rng(7).integers(0, 24, (SIZE[1], SIZE[0], 3), np.uint8)
    slope = np.linspace(0, 200, SIZE[1], dtype=np.uint8)[:, None, None]
    first = folder / "in.png"
    Image.fromarray(grain + slope).save(first, compress_level=1)
    paths = [folder / f"in{number:04d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(first.read_bytes() + number.to_bytes(8, "big"))  # after the picture's end: read by nobody
    return paths


def graph_of(name: str) -> dict[str, Any]:
    """Return a prompt that loads a picture, takes its time on the card, and saves the picture."""
    timed = {"image": ["1", 0], "seconds": SECONDS + uuid.uuid4().int % 1000 * 1e-6, "ticks": 6}  # never cached
    saved = {"images": ["2", 0], "filename_prefix": f"gap/{uuid.uuid4()}"}
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "TimedRender", "inputs": timed},
        "9": {"class_type": "SaveImage", "inputs": saved, "_meta": {"title": "OUT"}},
    }


def run_one(session: InstanceSession, picture: Path, graph: GraphOf = graph_of) -> HistoryEntry:
    """Upload, submit, wait."""
    prompt_id = str(uuid.uuid4())
    session.submit(prompt_id, graph(session.client.upload(picture)))
    return session.wait(prompt_id, idle_timeout_s=30, total_timeout_s=60)


def fetch(session: InstanceSession, entry: HistoryEntry, into: Path) -> None:
    """Download and check the output."""
    folder = into / entry.prompt_id
    folder.mkdir()
    session.collect(entry, OUTPUTS, into=folder)


def run_in_turn(session: InstanceSession, pictures: list[Path], into: Path) -> list[HistoryEntry]:
    """Do as a plain client does: nothing before the one before is done."""
    entries = []
    for picture in pictures:
        entries.append(run_one(session, picture))
        fetch(session, entries[-1], into)
    return entries


def run_fed(
    session: InstanceSession, pictures: list[Path], into: Path, *, graph_of: GraphOf = graph_of
) -> list[HistoryEntry]:
    """Keep the queue filled, as a night does: two threads feed, others fetch."""
    entries: list[HistoryEntry] = []
    numbers, lock = itertools.count(), threading.Lock()
    with ThreadPoolExecutor(2, "fetch") as fetchers, ThreadPoolExecutor(QUEUED, "feed") as feeders:

        def feed() -> None:
            while True:
                with lock:
                    number = next(numbers)
                if number >= len(pictures):
                    return
                entry = run_one(session, pictures[number], graph_of)
                with lock:
                    entries.append(entry)
                fetchers.submit(fetch, session, entry, into)

        for lane in [feeders.submit(feed) for _ in range(QUEUED)]:
            lane.result()
    return entries


def gaps_ms(entries: list[HistoryEntry]) -> list[float]:
    """Return the milliseconds from each prompt's end to the next one's start, by the server's clock."""
    spans = sorted((one.started_at, one.finished_at) for one in entries if one.started_at and one.finished_at)
    return [(after[0] - before[1]).total_seconds() * 1000 for before, after in itertools.pairwise(spans)]


def p99(values: list[float]) -> float:
    """Return the 99th percentile: the value that one in a hundred passes."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def measures() -> Iterator[dict[str, Any]]:
    """Measure both clients, print what people read, and yield the records."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("card", "plain", "fed"):
            (folder / part).mkdir()
        pictures = paint(folder, PROMPTS + PLAIN_PROMPTS)
        with card(folder / "card") as session:
            run_one(session, pictures[0])  # the first one opens connections
            plain = gaps_ms(run_in_turn(session, pictures[PROMPTS:], folder / "plain"))
            fed = gaps_ms(run_fed(session, pictures[:PROMPTS], folder / "fed"))
    for label, gaps in (("one after the other", plain), ("kept fed (ours)", fed)):
        line = f"{label:20s} median {statistics.median(gaps):6.1f} ms, 99th percentile {p99(gaps):6.1f} ms"
        print(f"{line}, worst {max(gaps):6.1f} ms, of {len(gaps)} gaps", flush=True)
    for measure, value, goal in (("gap_median_ms", statistics.median(fed), 2.0), ("gap_p99_ms", p99(fed), 20.0)):
        yield {
            "name": measure,
            "value": round(value, 2),
            "unit": "ms",
            "goal": f"<= {goal:g}",
            "holds": value <= goal,
        }

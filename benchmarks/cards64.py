"""What one process of ours costs with 64 instances: processor time, idle cards, and memory over 20,000 prompts.

The pretend cards run in processes of their own, so what is measured here is ours alone. First 64 cards with prompts of
five seconds: processor seconds per second, and how much of the window each card idles. Then 16 cards with prompts of a
few milliseconds, until 20,000 have gone through: how much more memory we hold at the end than after the first tenth.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.rig import Timing, add_paintings, pipeline, rehearse
from db.store import AttemptView
from orchestrator.settings import Settings, parse_settings

CARDS = 64
HOSTS = 2  # processes that host them
PROMPT_S = 5.0
ROUNDS = 6  # prompts a card
PROMPTS = 20_000
SHORT_S = 0.005
SHORT_CARDS = 16
SHORT_PAINTINGS = 500
MIB = 2**20


@contextmanager
def cards(folder: Path, count: int) -> Iterator[list[str]]:
    """Start so many pretend cards in a few processes; yield their addresses."""
    hosts: list[subprocess.Popen[str]] = []
    urls: list[str] = []
    try:
        for host in range(HOSTS):
            command = [sys.executable, "-m", "orchestrator.embedded", "--port", "0", "--idle-exit-s", "120"]
            command += ["--cards", str(count // HOSTS), "--directory", str(folder / f"host{host}")]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            hosts.append(process)
            assert process.stdout is not None
            urls += [process.stdout.readline().split()[1] for _ in range(count // HOSTS)]
        yield urls
    finally:
        for process in hosts:
            process.kill()
            process.wait()


def settings_of(folder: Path, urls: list[str], languages: tuple[str, ...]) -> Settings:
    """Return settings of a home with these cards."""
    instances = [{"name": f"card{number:02d}", "url": url} for number, url in enumerate(urls)]
    comfyui = {"instances": instances, "restart": "never"}
    return parse_settings(
        {"home": str(folder), "languages": list(languages), "comfyui": comfyui, "local": {"workers": 1}},
        folder / "config.yaml",
    )


def prepared(folder: Path, urls: list[str], timings: list[Timing], *, paintings: int) -> tuple[Settings, Any]:
    """Return settings and steps of a home that has its paintings."""
    from orchestrator.opening import open_store

    settings = settings_of(folder / "home", urls, ("fr", "en"))
    steps = pipeline(timings, folder / "workflows")
    _, store = open_store(settings, steps=steps)
    add_paintings(store, folder / "paintings", paintings)
    return settings, steps


def processor_s() -> float:
    """Return the processor seconds that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def busy() -> tuple[float, float]:
    """Run the night with 64 cards; return our processor seconds per second, and the idle share of the idlest card."""
    with tempfile.TemporaryDirectory() as name, cards(Path(name), CARDS) as urls:
        timings = [Timing("render", PROMPT_S, on_card=True, per_language=True)]
        paintings = CARDS * ROUNDS // 2  # two languages each
        settings, steps = prepared(Path(name), urls, timings, paintings=paintings)
        used, began = processor_s(), time.monotonic()
        result, store, _ = rehearse(settings, steps, paintings=paintings)
        cores = (processor_s() - used) / (time.monotonic() - began)
        return cores, max(idle_shares(store.attempts(result.batch_id)).values())


def idle_shares(attempts: Sequence[AttemptView]) -> dict[str, float]:
    """Return by instance which share of the time from its first start to its last end it did not compute."""
    spans = defaultdict(list)
    for one in attempts:
        if one.instance and one.started_at and one.finished_at:
            spans[one.instance].append((one.started_at, one.finished_at))
    shares = {}
    for instance, its in spans.items():
        window = (max(end for _, end in its) - min(start for start, _ in its)).total_seconds()
        shares[instance] = 1 - sum((end - start).total_seconds() for start, end in its) / window
    return shares


class MemoryWatch(threading.Thread):
    """Notes twice a second how much memory this process holds."""

    def __init__(self) -> None:
        super().__init__(name="memory", daemon=True)
        self.samples: list[tuple[datetime, float]] = []  # when, MiB
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Take samples until it is stopped."""
        while not self._stop_asked.wait(0.5):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.samples.append((datetime.now(UTC), pages * resource.getpagesize() / MIB))

    def stop(self) -> None:
        """Take no more samples."""
        self._stop_asked.set()
        self.join()


def growth_mib() -> tuple[float, float]:
    """Put 20,000 short prompts through; return how many MiB came on after the first tenth, and prompts a second."""
    steps_wanted = PROMPTS // (SHORT_PAINTINGS * 2)
    with tempfile.TemporaryDirectory() as name, cards(Path(name), SHORT_CARDS) as urls:
        timings = [Timing(f"step{n:02d}", SHORT_S, on_card=True, per_language=True) for n in range(steps_wanted)]
        settings, steps = prepared(Path(name), urls, timings, paintings=SHORT_PAINTINGS)
        watch = MemoryWatch()
        watch.start()
        result, store, _ = rehearse(settings, steps, paintings=SHORT_PAINTINGS)
        watch.stop()
        ends = sorted(one.finished_at for one in store.attempts(result.batch_id) if one.finished_at is not None)
    if len(ends) < PROMPTS:
        raise RuntimeError(f"{len(ends)} prompts went through; {PROMPTS} were expected")
    tenth, last = ends[len(ends) // 10], ends[-1]
    before = [mib for at, mib in watch.samples if ends[0] <= at <= tenth]
    late = [mib for at, mib in watch.samples if last - (tenth - ends[0]) <= at <= last]
    rate = len(ends) / (last - ends[0]).total_seconds()
    return statistics.median(late) - statistics.median(before), rate


def measures() -> Iterator[dict[str, Any]]:
    """Measure, print a line for people, and yield the records."""
    cores, idle = busy()
    print(f"{CARDS} cards, prompts of {PROMPT_S:g} s: {cores:.2f} cores of ours; the idlest card idled {idle:.1%}")
    growth, rate = growth_mib()
    print(
        f"{PROMPTS} prompts of {SHORT_S * 1000:g} ms at {rate:.0f}/s: {growth:+.1f} MiB after the first tenth",
        flush=True,
    )
    yield {
        "name": "cards64_cpu_cores",
        "value": round(cores, 3),
        "unit": "cores",
        "goal": "<= 0.5",
        "holds": cores <= 0.5 and idle <= 0.02,
        "idlest_card": round(idle, 4),
    }
    yield {
        "name": "cards64_memory_growth_mib",
        "value": round(growth, 1),
        "unit": "MiB",
        "goal": "<= 32",
        "holds": growth <= 32,
        "prompts_per_s": round(rate, 1),
    }

"""The CPU's share: on how many cores the work of a step runs, how much it gives way, and what is seen of it.

The threads of local work are bound to some of the cores and made nice, and everything that they start inherits both:
FFmpeg counts the cores that it may use and makes as many threads, and Whisper's threads are made by ours. So the
threads that feed the cards always find a core, without any of them being told of the others.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.engines.base import Listener, Task, Tick
from steps.external import workload

PROGRESS_FILE = ".progress.json"
"""In the work folder of a try: how far its work on the CPU is, for `nightreel status`."""
WRITE_EVERY_S = 1.0


@dataclass(frozen=True)
class CpuShare:
    """What the work on the CPU may have."""

    cores: frozenset[int] | None = None  # numbers of the cores; None: any
    niceness: int = 0
    time_limit_factor: float = 1.0

    @classmethod
    def of(cls, wanted: int | None, *, niceness: int, time_limit_factor: float, feeds_cards: bool) -> CpuShare:
        """Return the share by the settings and by what this machine has.

        Args:
            wanted: Cores; None: all, but one where cards have to be fed.
            niceness: 0..19.
            time_limit_factor: By which limits are longer.
            feeds_cards: Whether there are cards that another process computes on.
        """
        there = cores_here()
        count = wanted or (len(there) - 1 if feeds_cards else len(there))
        if count < 1 or count >= len(there):
            return cls(None, niceness, time_limit_factor)
        return cls(frozenset(there[-count:]), niceness, time_limit_factor)  # the first is left to others

    def take(self) -> None:
        """Bind the calling thread, and all that it will start, to this share. Done again, it changes nothing."""
        with suppress(OSError, AttributeError):  # where a thread has no priority or no cores of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self.niceness)
        if self.cores is not None:
            with suppress(OSError, AttributeError):
                os.sched_setaffinity(threading.get_native_id(), self.cores)


def cores_here() -> list[int]:
    """Return the numbers of the cores that this process may use, in order."""
    try:
        return sorted(os.sched_getaffinity(os.getpid()))
    except (OSError, AttributeError):
        return list(range(os.cpu_count() or 1))


@contextmanager
def watching(task: Task, listener: Listener, share: CpuShare, stop: threading.Event) -> Iterator[None]:
    """Show how far the work of a try is while the block lasts, and have it end when it is to.

    Args:
        task: The try; its work folder gets a small file, for other processes to read.
        listener: Told of progress as of a prompt's.
        share: Says how much longer limits are.
        stop: When set, programs are ended at once.
    """
    written = 0.0

    def tell(what: str, done_s: float, total_s: float) -> None:
        nonlocal written
        percent = 100 * done_s / total_s if total_s > 0 else 0.0
        listener.progress(task, Tick(what, round(done_s, 1), round(total_s, 1), percent))
        if time.monotonic() - written >= WRITE_EVERY_S:
            written = time.monotonic()
            _write(task, what, done_s, total_s)

    with workload.watched(workload.Watch(tell, stop, share.time_limit_factor)):
        yield


def _write(task: Task, what: str, done_s: float, total_s: float) -> None:
    told = {"step": task.step, "label": task.label, "what": what, "done_s": done_s, "total_s": total_s}
    path = task.context.work / PROGRESS_FILE
    with suppress(OSError):  # only for the eye
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(told))
        beside.replace(path)


def progress_below(work: Path) -> list[dict[str, Any]]:
    """Return how far the work on the CPU is, of each try that has told of it.

    Args:
        work: The folder of work folders, of a night that may run in another process.
    """
    found = []
    for path in sorted(work.glob(f"*/{PROGRESS_FILE}")):
        with suppress(OSError, ValueError, TypeError, KeyError):
            told = json.loads(path.read_bytes())
            found.append({**told, "done_s": float(told["done_s"]), "total_s": float(told["total_s"])})
    return found

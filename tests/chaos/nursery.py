"""Where nights are born: a process with everything imported and one thread, which forks a process for each night.

Importing costs seconds and a fork milliseconds; and a night needs processes of its own that may be killed. It reads a
line of JSON a request, `{"seeds": […], "jobs": N, "folder": PATH}`, and answers a line a night as they end, then `{}`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

from PIL import Image

LATER = (
    "alembic.command",
    "av",
    "numpy.random",
    "paramiko",
    "PIL.PngImagePlugin",
    "requests.packages",
    "sqlalchemy.dialects.sqlite",
    "websockets.sync.client",
)
"""What a night imports when it gets there."""


Play = Callable[[int, Path], dict[str, Any]]


class Nursery:
    """The other end of the pipe: asks for nights. Use it as a context; one thread at a time."""

    def __enter__(self) -> Self:
        """Start the process."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *exc: object) -> None:
        """End it, and every night that still runs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def nights(self, seeds: Sequence[int], *, jobs: int, folder: Path) -> Iterator[dict[str, Any]]:
        """Play nights, several at once, and yield each one's report as it ends; see `night.play`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"seeds": list(seeds), "jobs": jobs, "folder": str(folder)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            report = json.loads(line)
            if not report:
                return
            yield report
        raise RuntimeError("the process that plays the nights has ended")


def main() -> int:
    """Answer requests until the pipe is closed."""
    from tests.chaos import night  # the imports that are to be shared

    for name in LATER:
        with suppress(ImportError):
            importlib.import_module(name)
    Image.init()
    with tempfile.TemporaryDirectory(prefix="chaos-home-") as name:
        database = night.prepare(Path(name))
        gc.collect()
        gc.freeze()
        _answer(partial(night.play, database=database))
    return 0


def _answer(play: Play) -> None:
    while line := sys.stdin.readline():
        request = json.loads(line)
        for report in _play_all(play, request["seeds"], jobs=request["jobs"], folder=Path(request["folder"])):
            print(json.dumps(report), flush=True)
        print("{}", flush=True)


def _play_all(play: Play, seeds: Sequence[int], *, jobs: int, folder: Path) -> Iterator[dict[str, Any]]:
    waiting, running = list(seeds), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            seed = waiting.pop(0)
            running[_play_one(play, seed, folder)] = seed
        pid, status = os.wait()
        if pid not in running:
            continue
        seed = running.pop(pid)
        answer = folder / f"{seed}.json"
        if answer.exists():
            yield json.loads(answer.read_text())
            answer.unlink()
        else:
            yield {"seed": seed, "problems": [f"the night's process ended with {status}"], "folder": str(folder)}


def _play_one(play: Play, seed: int, folder: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        _leave_terminal()
        answer = folder / f".{seed}.json"
        answer.write_text(json.dumps(play(seed, folder / str(seed))))
        answer.rename(folder / f"{seed}.json")
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _leave_terminal() -> None:
    """Be a process of its own, that ends with this one and does not disturb its pipe."""
    from tests.chaos.world import die_with_parent

    os.setsid()
    die_with_parent()
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)


if __name__ == "__main__":
    sys.exit(main())

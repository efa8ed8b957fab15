"""One life of Nightreel in a night of chaos: a process that runs the real night on a fast clock, and may be killed.

Time runs ten times as fast as usual for all that waits by the clock; the client's own intervals are shortened alike.
Nothing else of the night is replaced: its state is on a real database, its cards answer over real sockets.
"""

from __future__ import annotations

import errno
import faulthandler
import itertools
import json
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from db.store import Store
from orchestrator.comfyui.pace import Pace
from orchestrator.comfyui.session import InstanceSession
from orchestrator.errors import NightreelError
from orchestrator.night import NightRequest, run_night
from orchestrator.settings import parse_settings
from orchestrator.stopping import StopSignal
from tests.chaos.pipeline import build
from tests.chaos.plan import Kill, Shortage

RATE = 10.0
"""Seconds of the night's clock in one real second."""
READ_TIMEOUT_S = 1.5
PACE = Pace(
    recheck_s=0.1,
    hurry_for_s=1.0,
    silent_poll_s=(0.05, 0.3),
    live_poll_s=0.4,
    flowing_poll_s=0.8,
    poll_timeout_s=1.0,
    down_after_s=1.0,
    missing_after_s=0.4,
    socket_check_s=0.2,
    hello_timeout_s=1.5,
)
"""As the default, in real seconds, with every limit a fifth of it or less."""

WRITES = (
    "acquire_lock",
    "open_batch",
    "close_batch",
    "claim",
    "note_sent",
    "note_started",
    "complete",
    "retry",
    "fail",
    "put_back",
    "turn_down",
    "settle_item",
    "put_back_item",
    "release_lock",
)


class FastClock:
    """Real time, run faster. Two lives of a night agree on it."""

    def __init__(self, began: float, began_at: datetime) -> None:
        """Start at a moment of `time.monotonic()`, which was such a time of the day."""
        self._began = began
        self._began_at = began_at

    def now(self) -> datetime:
        """Return the wall-clock time."""
        return self._began_at + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return the night's seconds since it began."""
        return (time.monotonic() - self._began) * RATE

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Block until the event is set or the night's seconds have passed."""
        return event.wait(seconds / RATE)


@dataclass(frozen=True)
class Body:
    """What a life is started with."""

    number: int
    home: Path
    workflows: Path
    config: Mapping[str, Any]
    pipeline: str
    local_errors: int
    is_new: bool  # draw; else go on with what there is
    paintings: int
    seed: int
    kill: Kill | None
    shortage: Shortage | None
    began: float
    result: Path
    log: Path  # what would go to the screen


def live(body: Body) -> None:
    """Run the night and write what came of it. The process ends here."""
    _look_away(body.log)
    _compress()
    if body.kill is not None:
        _arm(body.kill)
    if body.shortage is not None:
        _fill_disk(body.shortage)
    stop = StopSignal()
    signal.signal(signal.SIGINT, lambda *_: stop.press())
    before = set(threading.enumerate())
    try:
        found = _run(body, stop)
    except NightreelError as error:
        found = {"error": type(error).__name__, "message": str(error)}
    except BaseException:
        found = {"crash": traceback.format_exc()}
    found["threads"] = _left(before)
    body.result.write_text(json.dumps(found), encoding="utf-8")
    os._exit(0)


def _run(body: Body, stop: StopSignal) -> dict[str, Any]:
    settings = parse_settings(dict(body.config), body.home / "config.yaml")
    result = run_night(
        settings,
        NightRequest(resume=not body.is_new, paintings=body.paintings, seed=body.seed),
        stop=stop,
        clock=FastClock(body.began, datetime(2026, 1, 1, tzinfo=UTC)),
        steps=build(body.pipeline, body.workflows, local_errors=body.local_errors),
    )
    return {
        "batch": result.batch_id,
        "outcome": result.outcome,
        "stopped_steps": dict(result.stopped_steps),
        "cut_short": dict(result.cut_short),
    }


def _look_away(log: Path) -> None:
    """Send what is printed to a file, and the stacks of all threads too when asked by SIGUSR1."""
    target = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(target, 1)
    os.dup2(target, 2)
    faulthandler.enable(2)
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)


def _left(before: set[threading.Thread]) -> list[str]:
    """Return the names of threads that the night left behind, after a moment for those that are ending."""
    deadline = time.monotonic() + 3
    while True:
        left = [one.name for one in set(threading.enumerate()) - before if one.is_alive()]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.005)


def _compress() -> None:
    """Shorten the client's own intervals, whoever makes a session."""
    make = InstanceSession.__init__

    def made(self: InstanceSession, *args: Any, **options: Any) -> None:
        options = {**options, "pace": PACE, "read_timeout_s": READ_TIMEOUT_S}
        options.pop("down_after_s", None)
        make(self, *args, **options)

    InstanceSession.__init__ = made  # type: ignore[method-assign]


# -- how it ends before its time --------------------------------------------------------------------------------------


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # not another line of the program runs


def _arm(kill: Kill) -> None:
    """Kill this process at a write or at a request. Moments are up to whoever watches it."""
    counter = itertools.count(1)
    if kill.how in ("write", "written"):
        for name in WRITES:
            setattr(Store, name, _deadly(getattr(Store, name), kill, counter, after="written"))
    elif kill.how in ("request", "requested"):
        requests.Session.send = _deadly(  # type: ignore[method-assign]
            requests.Session.send, kill, counter, after="requested"
        )


def _deadly(act: Callable[..., Any], kill: Kill, counter: itertools.count[int], *, after: str) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        is_mine = next(counter) == kill.at
        if is_mine and kill.how != after:
            _die()
        result = act(*args, **options)
        if is_mine:
            _die()
        return result

    return call


def _fill_disk(shortage: Shortage) -> None:
    """Have the system say that no room is left, when files are synced: a full disk may say so as late as that."""
    sync, counter = os.fsync, itertools.count(1)

    def synced(descriptor: int) -> None:
        if 0 <= next(counter) - shortage.at < shortage.syncs:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    os.fsync = synced


def without_kill(body: Body) -> Body:
    """Return the same life, undisturbed."""
    return replace(body, kill=None, shortage=None)

"""What the tests of whole nights share: a real home, short timed steps, cards that misbehave on demand.

The cards are either servers of the test module (`instances`), which outlive a night, or the night's own children. A
fault is asked for when a step begins, because a child has no address before.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import yaml
from PIL import Image

from benchmarks.rig import GRAPH, MANIFEST, Timing, add_paintings, pipeline
from db.states import State
from db.store import AttemptView, ItemView, Store
from orchestrator import night
from orchestrator.artifacts import hash_file
from orchestrator.clock import SystemClock
from orchestrator.engines.base import Task
from orchestrator.night import NightRequest, NightResult, run_night
from orchestrator.observer import Quiet, StepOverview
from orchestrator.opening import open_store
from orchestrator.settings import Settings, parse_settings
from orchestrator.stopping import StopSignal
from steps.base import Context, LocalStep, Result, Step
from tests.integration.comfyui_embedded import Embedded

LOOK = Timing("look", 0.0, on_card=False, per_language=False)
PAINT = Timing("paint", 0.05, on_card=True, per_language=False)
SPEAK = Timing("speak", 0.05, on_card=True, per_language=True)
CUT = Timing("cut", 0.0, on_card=False, per_language=True)
SEEDS = itertools.count(1000)
"""A seed for each world: a prompt that a shared card has executed before is answered out of its cache."""
NOBODY = {"url": "http://127.0.0.1:9/v1"}
"""A language model that no step here asks: with an address given, none is started."""


class TurnedClock(SystemClock):
    """The real time, and as much later as a test says."""

    def __init__(self) -> None:
        self.later = timedelta()

    def now(self) -> datetime:
        return super().now() + self.later


class Watching(Quiet):
    """An observer that lets a test act at a known moment of the night."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.started: list[Task] = []
        self.notes: list[str] = []
        self.on_step: dict[str, list[Callable[[], None]]] = {}
        self.on_run: Callable[[Task], None] = lambda task: None
        self.errors: list[Exception] = []

    def step_started(self, step: StepOverview) -> None:
        self.steps.append(step.name)
        for act in self.on_step.pop(step.name, []):
            self._do(act)

    def run_started(self, task: Task) -> None:
        self.started.append(task)
        self._do(self.on_run, task)

    def _do(self, act: Callable[..., None], *args: Any) -> None:
        """Do what a test wants done, and keep what comes of it: a night goes on when its observer fails."""
        try:
            act(*args)
        except Exception as error:
            self.errors.append(error)

    def note(self, message: str) -> None:
        self.notes.append(message)


class World:
    """A home with paintings, a pipeline, and what is needed to look at the outcome."""

    def __init__(
        self,
        folder: Path,
        *timings: Timing,
        cards: Sequence[Embedded] = (),
        own: int = 1,
        paintings: int = 2,
        languages: Sequence[str] = ("fr",),
        **settings: Any,
    ) -> None:
        self.root = folder / "home"
        self.cards = list(cards)
        self.timings = list(timings)
        self.watching = Watching()
        self.settings = make_settings(self.root, cards=self.cards, own=own, languages=languages, **settings)
        self.steps = pipeline(self.timings, self.root / "workflows")
        self.home, self.store = open_store(self.settings, steps=self.steps)
        add_paintings(self.store, self.root / "paintings", paintings)
        self.paintings = paintings
        self.stop = StopSignal()
        self.clock = TurnedClock()
        self.seed = next(SEEDS)

    # -- before a night -----------------------------------------------------------------------------------------------

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    def spoil(self, name: str, act: Callable[[Context], Result | None]) -> None:
        """Have a local step do something first; what it returns, if anything, is its result."""
        step = self.step(name)
        assert isinstance(step, LocalStep)
        run = step.run
        step.run = lambda context: act(context) or run(context)  # type: ignore[method-assign]

    def workflow(self, *, graph: dict[str, Any] | None = None, **manifest: Any) -> None:
        """Write the workflow of the card steps anew, with other parts."""
        folder = self.root / "workflows"
        (folder / "timed.json").write_text(json.dumps({**GRAPH, **(graph or {})}), encoding="utf-8")
        (folder / "timed.yaml").write_text(yaml.safe_dump({**MANIFEST, **manifest}), encoding="utf-8")

    def misbehave(self, step: str, kind: str, *, card: int = 0, **facts: Any) -> None:
        """Ask a card for a fault as soon as a step begins."""
        self.watching.on_step.setdefault(step, []).append(lambda: self.ask(kind, card=card, **facts))

    def ask(self, kind: str, *, card: int = 0, **facts: Any) -> None:
        url = f"{self.address(card)}/nightreel/faults"
        requests.post(url, json={"kind": kind, **facts}, timeout=5).raise_for_status()

    def address(self, card: int) -> str:
        return self.cards[card].url if self.cards else str(self._record(card)["address"])

    def pid(self, card: int) -> int:
        """Return the process of a card of the night's own."""
        return int(self._record(card)["pid"])

    def _record(self, card: int) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.home.engines / f"preview{card}.json").read_bytes())
        return loaded

    # -- the night ----------------------------------------------------------------------------------------------------

    def run(self, *, resume: bool = False, **request: Any) -> NightResult:
        """Run a night in this thread, over all paintings unless told otherwise."""
        wanted = {"paintings": self.paintings, "seed": self.seed, **request}
        try:
            return run_night(
                self.settings,
                NightRequest(resume=resume, **wanted),
                stop=self.stop,
                observer=self.watching,
                clock=self.clock,
                steps=self.steps,
            )
        finally:
            assert self.watching.errors == []

    def resume(self) -> NightResult:
        self.stop = StopSignal()
        return self.run(resume=True)

    # -- after it -----------------------------------------------------------------------------------------------------

    def items(self, batch_id: int = 1) -> list[ItemView]:
        return self.store.items(batch_id)

    def states(self) -> dict[str, str]:
        """Return the state of every item of the latest night, by title."""
        latest = self.store.latest_batch()
        assert latest is not None
        return {item.title: str(item.state) for item in self.items(latest.id)}

    def tries(self, step: str, variant: str = "") -> dict[int, list[AttemptView]]:
        """Return the attempts of a step, by item."""
        found: dict[int, list[AttemptView]] = {}
        for batch_id in range(1, self._latest_id() + 1):
            for one in self.store.attempts(batch_id):
                if one.step == step and one.variant == variant:
                    found.setdefault(one.item_id, []).append(one)
        return found

    def _latest_id(self) -> int:
        latest = self.store.latest_batch()
        return 0 if latest is None else latest.id

    def outcomes(self, step: str, variant: str = "") -> list[list[str]]:
        """Return the outcomes of each item's attempts at a step: its error class, or the outcome itself."""
        found = self.tries(step, variant)
        return [[one.error_class or str(one.outcome) for one in found[item_id]] for item_id in sorted(found)]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of all nights' logs with this event."""
        lines = [line for path in sorted(self.home.logs.glob("*.jsonl")) for line in path.read_text().splitlines()]
        return [one for one in map(json.loads, lines) if one["event"] == event]

    def run_states(self, item_id: int) -> dict[tuple[str, str], State]:
        return {(run.step, run.variant): run.state for run in self.store.runs_of_item(item_id)}

    def path(self, item_id: int, step: str, variant: str = "") -> Path:
        """Return the first current file of a step."""
        rows = self.store.current_artifacts(item_id)
        row = next(row for row in rows if (row.step, row.variant) == (step, variant))
        return self.home.artifacts / row.path

    def pictures(self) -> dict[tuple[str, str, str, str], str]:
        """Return what was made: (painting, step, language, name) -> its content, without the metadata around it."""
        made = {}
        for item in self.items(self._latest_id()):
            for row in self.store.current_artifacts(item.item_id):
                made[(item.title, row.step, row.variant, row.name)] = content_of(self.home.artifacts / row.path)
        return made

    def check_tidy(self) -> None:
        """Nothing is under way, no file is half-written, and rows and files agree."""
        items = {item.item_id: item for number in range(self._latest_id()) for item in self.items(number + 1)}
        assert self.store.in_flight() == []
        for item in items.values():
            assert item.state is not State.PROCESSING
            assert State.PROCESSING not in self.run_states(item.item_id).values()
        assert list(self.home.work.iterdir()) == []
        rows = [row for item_id in items for row in self.store.current_artifacts(item_id)]
        on_disk = {path for path in self.home.artifacts.rglob("*") if path.is_file()}
        assert {self.home.artifacts / row.path for row in rows} == on_disk
        for row in rows:
            path = self.home.artifacts / row.path
            assert (path.stat().st_size, hash_file(path)) == (row.size_bytes, row.sha256)


WRITES = frozenset(
    [
        "acquire_lock",
        "release_lock",
        "heartbeat",
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
        "send_back",
        "abort_item",
        "log_event",
    ]
)


class Dead(BaseException):
    """The process is gone. No `except Exception` may notice."""


class Dying:
    """A store that plays death: from one write on, nothing reaches the database any more."""

    def __init__(self, at: int, *, after: bool = False) -> None:
        """Die at a write (0-based), before or after it took effect."""
        self.at, self.after = at, after
        self.names: list[str] = []  # of the writes so far
        self.is_dead = False
        self._at_name = ""
        self._lock = threading.Lock()

    def around(self, store: Store) -> Any:
        self._store = store
        return self

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not callable(method):
            return method  # the engine, for what has its own classes of queries

        def call(*args: Any, **options: Any) -> Any:
            if self.is_dead:
                raise Dead
            if name not in WRITES:
                return method(*args, **options)
            with self._lock:
                is_mine = len(self.names) == self.at or name == self._at_name
                self.names.append(name)
                if is_mine and not self.after:
                    self._die()
            result = method(*args, **options)
            if is_mine:
                self._die()
            return result

        return call

    def die_at(self, name: str) -> None:
        """Die at the next write of a name."""
        self._at_name = name

    def _die(self) -> None:
        self.is_dead = True
        raise Dead


def let_die(dying: Dying, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next night work with a store that dies; the one after it has the real one, and finds the lock of a
    process that is gone.
    """
    real = night.open_store

    def open_dying(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(night, "open_store", real)
        home, store = real(*args, **options)
        return home, dying.around(store)

    monkeypatch.setattr(night, "open_store", open_dying)
    monkeypatch.setattr("db.locks.is_alive", lambda pid: False)


def content_of(path: Path) -> str:
    if path.suffix != ".png":
        return path.read_text(encoding="utf-8")
    with Image.open(path) as image:
        return f"{image.size} {np.asarray(image.convert('RGB')).sum()}"


def make_settings(
    root: Path,
    *,
    cards: Sequence[Embedded],
    own: int,
    languages: Sequence[str],
    retry: dict[str, Any] | None = None,
    workers: int = 2,
    names: Sequence[str] = (),
    llm: dict[str, Any] | None = None,
    restart_command: str | None = None,
    **comfyui: Any,
) -> Settings:
    """Return settings without waits: a night of a test has no time to lose."""
    names = names or [f"card{number}" for number in range(len(cards))]
    how = {"restart": {"command": restart_command}} if restart_command else {}
    instances = [{"name": name, "url": card.url, **how} for name, card in zip(names, cards, strict=True)]
    return parse_settings(
        {
            "home": str(root),
            "languages": list(languages),
            "retry": {"backoff_s": 0.02, "backoff_factor": 1, **(retry or {})},
            "llm": {"text": NOBODY, "vision": NOBODY} if llm is None else llm,
            "local": {"workers": workers},
            "comfyui": {
                "restart": "never",
                "ready_timeout_s": 20,
                "instances": instances,
                "embedded": {"cards": own, "idle_exit_s": 20},
                **comfyui,
            },
        },
        root / "config.yaml",
    )


def executed(card: Embedded) -> list[str]:
    """Return the prompts that a card has executed."""
    found: dict[str, Any] = requests.get(f"{card.url}/history", timeout=5).json()
    return list(found)


def calm_down(cards: Sequence[Embedded]) -> None:
    """Have cards behave again, and forget what they did."""
    for card in cards:
        requests.delete(f"{card.url}/nightreel/faults", timeout=5).raise_for_status()
        requests.post(f"{card.url}/queue", json={"clear": True}, timeout=5).raise_for_status()
        requests.post(f"{card.url}/interrupt", json={}, timeout=5).raise_for_status()
        requests.post(f"{card.url}/history", json={"clear": True}, timeout=5).raise_for_status()


@contextlib.contextmanager
def nothing_left_behind(folder: Path) -> Iterator[None]:
    """Check that a test leaves no thread and no process of a home below a folder."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        threads = [one.name for one in set(threading.enumerate()) - before if one.is_alive()]
        if not threads and not processes_of(folder):
            return
        time.sleep(0.02)
    assert threads == []
    assert processes_of(folder) == []


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(folder) in words and "orchestrator.embedded" in words:
                found.append(words)
    return found


def store_of(world: World) -> Store:
    """Return a second store on the same database, as another process would have."""
    return open_store(world.settings, steps=world.steps)[1]

"""A night on the terminal: a live view where there is one, plain lines where there is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.engines.base import Task, Tick
from orchestrator.observer import Observer, StepOverview
from orchestrator.wording import counted, one_line

MOST_LANES = 16  # shown at once
_NOBODY_READS = (OSError, SystemExit)
"""The terminal is gone, or the pipe (`| head`); rich leaves the program then, which would end a thread of the night."""


def format_seconds(seconds: float) -> str:
    """Return a duration for people: 42 s, 3 min 05 s, 4 h 56 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@contextmanager
def watch_night(console: Console) -> Iterator[Observer]:
    """Yield an observer that suits the console."""
    if not console.is_terminal:
        yield PlainLines(console)
        return
    view = LiveView(console)
    with Live(view, console=console, refresh_per_second=8, transient=True):
        yield view


class PlainLines:
    """One line an event: for logs, cron and systemd."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._steps: dict[str, StepOverview] = {}

    def _say(self, text: str) -> None:
        with self._lock, suppress(*_NOBODY_READS):
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def night_started(self, batch_id: int, items: int, *, resumed: bool) -> None:
        """Say which night this is."""
        self._say(f"night {batch_id} {'goes on' if resumed else 'begins'}: {counted(items, 'painting')}")

    def step_started(self, step: StepOverview) -> None:
        """Say which step begins, and what it may take."""
        self._steps[step.name], self._done[step.name] = step, 0
        expected = "" if step.expected_s is None else f", about {format_seconds(step.expected_s)}"
        self._say(f"step {step.number} of {step.steps - 1}, {step.title}: {step.runs} to do{expected}")

    def run_started(self, task: Task) -> None:
        """Nothing: the end of it is a line."""

    def run_progress(self, task: Task, tick: Tick) -> None:
        """Nothing: a log is no place for a bar."""

    def run_finished(self, task: Task, outcome: str) -> None:
        """Say how a try ended."""
        with self._lock:
            if outcome in ("done", "turned down", "failed"):
                self._done[task.step] = self._done.get(task.step, 0) + 1
            done = self._done.get(task.step, 0)
        total = self._steps[task.step].runs if task.step in self._steps else 0
        where = f" on {task.instance}" if task.instance else ""
        self._say(f"  {done}/{total} {task.step}: {one_line(task.label)}{where}: {outcome}")

    def step_finished(self, step: str) -> None:
        """Nothing: the next step's line follows."""

    def note(self, message: str) -> None:
        """Say it."""
        self._say(f"  ! {one_line(message)}")


@dataclass
class _Lane:
    task: Task
    since: float
    tick: Tick | None = None


@dataclass
class _Stage:
    """A step that is under way, or was the last to be."""

    step: StepOverview
    since: float
    done: int = 0
    is_over: bool = False


@dataclass
class LiveView:
    """The live view: a bar for each step that is under way, and a line for everything that is."""

    console: Console
    _lanes: dict[int, _Lane] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stages: dict[str, _Stage] = field(default_factory=dict)
    _title: str = ""

    def night_started(self, batch_id: int, items: int, *, resumed: bool) -> None:
        """Set the headline."""
        with self._lock:
            self._title = f"night {batch_id} · {counted(items, 'painting')}" + (" · resumed" if resumed else "")

    def step_started(self, step: StepOverview) -> None:
        """Start the step's bar."""
        with self._lock:
            self._stages = {name: stage for name, stage in self._stages.items() if not stage.is_over}
            self._stages[step.name] = _Stage(step, time.monotonic())
            self._lanes = {
                attempt_id: lane
                for attempt_id, lane in self._lanes.items()
                if lane.task.step in self._stages and lane.task.step != step.name
            }

    def run_started(self, task: Task) -> None:
        """Add a line."""
        with self._lock:
            self._lanes[task.attempt_id] = _Lane(task, time.monotonic())

    def run_progress(self, task: Task, tick: Tick) -> None:
        """Move a line's bar."""
        with self._lock:
            if (lane := self._lanes.get(task.attempt_id)) is not None:
                lane.tick = tick

    def run_finished(self, task: Task, outcome: str) -> None:
        """Remove a line; say what a person may want to know."""
        with self._lock:
            self._lanes.pop(task.attempt_id, None)
            stage = self._stages.get(task.step)
            if outcome in ("done", "turned down", "failed") and stage is not None:
                stage.done += 1
        if outcome in ("turned down", "failed", "again"):
            self._print(escape(f"{task.step}: {one_line(task.label)}: {outcome}"))

    def step_finished(self, step: str) -> None:
        """Leave one line of the step behind."""
        with self._lock:
            stage = self._stages.get(step)
            if stage is None:
                return
            stage.is_over = True
            # The bar of the last one stays until the next begins.
            if any(not other.is_over for other in self._stages.values()):
                del self._stages[step]
        took = format_seconds(time.monotonic() - stage.since)
        self._print(f"[green]✓[/] {stage.step.number} {escape(stage.step.title)}: {stage.done} in {took}")

    def note(self, message: str) -> None:
        """Print above the live view."""
        self._print(f"[yellow]![/] {escape(one_line(message))}")

    def _print(self, markup: str) -> None:
        with suppress(*_NOBODY_READS):
            self.console.print(markup, highlight=False)

    def __rich__(self) -> RenderableType:
        """Draw what is under way."""
        with self._lock:
            lanes, title = sorted(self._lanes.values(), key=lambda lane: lane.since), self._title
            stages = sorted((replace(stage) for stage in self._stages.values()), key=lambda stage: stage.step.number)
        if not stages:
            return Text(title or "starting …", no_wrap=True, overflow="ellipsis")
        now, width = time.monotonic(), self.console.width
        heads: list[list[_Part]] = []
        for stage in stages:
            running = sum(_share_of(lane) for lane in lanes if lane.task.step == stage.step.name)
            heads.append(_stage_parts(stage, running, title="" if heads else title, now=now, width=width))
        mixed = len(stages) > 1
        body = [_lane_parts(lane, now=now, width=width, with_step=mixed) for lane in lanes[:MOST_LANES]]
        more = [Text(f"  and {len(lanes) - MOST_LANES} more", style="dim")] if len(lanes) > MOST_LANES else []
        return Group(_aligned(heads), *([_aligned(body)] if body else []), *more)


def _stage_parts(stage: _Stage, running: float, *, title: str, now: float, width: int) -> list[_Part]:
    """Return a step's line.

    Args:
        stage: The step.
        running: How much of it is made just now, in runs.
        title: Of the night.
        now: Monotonic seconds.
        width: Of the window, in columns.
    """
    step = stage.step
    share = min(1.0, (stage.done + running) / step.runs) if step.runs else 0.0
    left = time_left(share, now - stage.since, step.expected_s)
    time_words = "" if left is None else f"about {format_seconds(left)} left"
    return [
        (Text(title, style="bold", no_wrap=True), width >= 110),
        (_shortened(f"step {step.number} of {step.steps - 1}: {step.title}"), True),
        (ProgressBar(total=1.0, completed=share, width=24 if width >= 100 else 12), width >= 80),
        (Text(f"{stage.done}/{step.runs}", no_wrap=True), True),
        (Text(time_words, style="dim", no_wrap=True), True),
    ]


def _lane_parts(lane: _Lane, *, now: float, width: int, with_step: bool) -> list[_Part]:
    percent = _share_of(lane) * 100
    return [
        (Text("  " + (lane.task.instance or "cpu")[:16], style="cyan", no_wrap=True), True),
        (Text(lane.task.step[:16], style="dim", no_wrap=True), with_step and width >= 80),
        (_shortened(one_line(lane.task.label, longest=44)), True),
        (ProgressBar(total=100.0, completed=percent, width=16), width >= 80),
        (Text(f"{percent:3.0f} %", no_wrap=True), True),
        (Text(format_seconds(now - lane.since), style="dim", no_wrap=True), width >= 60),
        (_shortened(_tick_words(lane.tick), style="dim"), width >= 110),
    ]


_Part = tuple[RenderableType, bool]
"""Something on a line, and whether there is room for it."""


def _shortened(text: str, *, style: str = "") -> Text:
    """Return text that gives way to the rest of its line."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _aligned(lines: Sequence[Sequence[_Part]]) -> Table:
    """Return lines (at least one) with their parts in columns, each on one line whatever the width.

    Only columns that may wrap are made narrower; the text in them does not wrap, but is cut.
    """
    table = Table.grid(padding=(0, 1))
    rows = [[part for part, is_wanted in line if is_wanted] for line in lines]
    for part in rows[0]:
        table.add_column(no_wrap=not (isinstance(part, Text) and part.overflow == "ellipsis"))
    for row in rows:
        table.add_row(*row)
    return table


def _share_of(lane: _Lane) -> float:
    """Return how much of a run is done, 0..1; a server's count is believed within reason."""
    return min(1.0, max(0.0, lane.tick.percent / 100)) if lane.tick else 0.0


def _tick_words(tick: Tick | None) -> str:
    if tick is None:
        return ""
    node = one_line(tick.node, longest=40)
    return f"{node} {tick.value:g}/{tick.maximum:g}" if tick.maximum > 1 else node


def time_left(share: float, elapsed_s: float, expected_s: float | None) -> float | None:
    """Estimate a step's remaining seconds: from its own pace once there is one, from earlier nights before.

    Args:
        share: How much of the step is done, 0..1.
        elapsed_s: How long it has taken.
        expected_s: For all of it, from earlier nights; None when nothing is known.
    """
    if share > 0.05:
        return elapsed_s * (1 - share) / share
    return None if expected_s is None else max(0.0, expected_s - elapsed_s)

"""The commands that run a night: from the checks before it to the summary after it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.console import app, console, errors, open_home, say, settings_of
from orchestrator.errors import ExitCode, NotReadyError, StorageError

if TYPE_CHECKING:
    from orchestrator.night import NightRequest, NightResult
    from orchestrator.settings import Settings
    from orchestrator.stopping import StopSignal


@app.command()
def run(
    paintings: Annotated[int | None, typer.Option(min=1, max=500, help="How many; default: as in config.yaml.")] = None,
    list_name: Annotated[str | None, typer.Option("--list", help="The list to draw from.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draw and of everything made.")] = None,
    stop_by: Annotated[
        str | None, typer.Option(help="Local time, such as 07:00: start nothing that will not finish.")
    ] = None,
) -> None:
    """Run a night: draw paintings, make videos, write the report."""
    from orchestrator.night import NightRequest

    run_and_leave(NightRequest(paintings=paintings, list_name=list_name, seed=seed), stop_by=stop_by)


@app.command()
def resume(
    stop_by: Annotated[
        str | None, typer.Option(help="Local time, such as 07:00: start nothing that will not finish.")
    ] = None,
) -> None:
    """Go on where a night was cut short, or make what was sent back. Draws nothing new."""
    from orchestrator.night import NightRequest

    run_and_leave(NightRequest(resume=True), stop_by=stop_by)


def run_and_leave(request: NightRequest, *, stop_by: str | None) -> None:
    """Run a night with what is printed before and after it, and end the command with its exit code."""
    settings = settings_of()
    result = run_watched(settings, request, stop_by=stop_by)
    raise typer.Exit(finish(settings, result))


def run_watched(settings: Settings, request: NightRequest, *, stop_by: str | None) -> NightResult:
    """Check, run a night with a live view, and answer Ctrl-C: once to finish what runs, twice to stop now."""
    from dataclasses import replace

    from orchestrator.clock import SystemClock
    from orchestrator.doctor import examine, fatal
    from orchestrator.drawing import next_occurrence
    from orchestrator.lanes import StopSignal
    from orchestrator.live import watch_night
    from orchestrator.night import run_night
    from orchestrator.pipeline import pipeline_of

    wanted = stop_by or (settings.night.stop_by.strftime("%H:%M") if settings.night.stop_by else None)
    try:
        request = replace(request, stop_by=next_occurrence(SystemClock().now(), wanted))
    except ValueError as error:
        raise typer.BadParameter(f"{wanted!r} is not a time such as 07:00", param_hint="--stop-by") from error
    problems = fatal(examine(settings, pipeline_of(settings)))
    if problems:
        lines = [f"  - {one.subject}: {one.found}\n    → {one.remedy}" for one in problems]
        raise NotReadyError("a night cannot succeed like this:\n" + "\n".join(lines))
    stop = StopSignal()
    with _signals(stop), watch_night(console) as observer:
        return run_night(settings, request, stop=stop, observer=observer)


def finish(settings: Settings, result: NightResult) -> ExitCode:
    """Write the report, print the summary (also where there is no room for a report), and choose the exit code."""
    from orchestrator.report import write_report
    from orchestrator.summary import print_summary

    home, store = open_home(settings)
    report, problem = None, None
    try:
        report = write_report(store, home, result.batch_id)
    except StorageError as error:
        problem = error
    print_summary(console, store, home, result, report)
    if problem is not None:
        raise problem
    if result.stopped_steps:
        return ExitCode.SOME_FAILED
    return {"complete": ExitCode.OK, "failed": ExitCode.SOME_FAILED}.get(result.outcome, ExitCode.STOPPED)


@contextmanager
def _signals(stop: StopSignal) -> Iterator[None]:
    """Answer SIGINT and SIGTERM while a night runs."""

    def answer(_number: int, _frame: FrameType | None) -> None:
        stop.press()
        if stop.now.is_set():
            errors.print("stopping now", highlight=False)
            threading.Thread(target=_leave_soon, daemon=True).start()
        else:
            errors.print("finishing what runs, then stopping; once more to stop now", highlight=False)

    before = {number: signal.signal(number, answer) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stop.now.is_set():
        raise typer.Exit(ExitCode.STOPPED_NOW)


def _leave_soon() -> None:
    """End the process when local work cannot be dropped in time; what it did is put back by the next start."""
    import os
    import time

    time.sleep(8)
    os._exit(ExitCode.STOPPED_NOW)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where the demo lives.")] = Path("nightreel-demo"),
    portraits: Annotated[int, typer.Option(min=1, max=10, help="How many portraits to make.")] = 3,
    doubtful: Annotated[int, typer.Option(min=0, max=5, help="How many paintings to turn down.")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over: forget the demo's nights.")] = False,
) -> None:
    """Make videos of sample paintings on the CPU, to see what this is."""
    from orchestrator.demo import forget_demo, prepare_demo
    from orchestrator.night import NightRequest

    if fresh:
        forget_demo(folder)
    console.print("preparing the sample paintings …", highlight=False)
    night = prepare_demo(folder, portraits=portraits, doubtful=doubtful)
    result = run_watched(
        night.settings, NightRequest(paintings=night.paintings, list_name=night.list_name), stop_by=None
    )
    code = finish(night.settings, result)
    console.print("\n[bold]Try next[/]", highlight=False)
    for line in night.next_commands():
        say(f"  {line}")
    raise typer.Exit(code)

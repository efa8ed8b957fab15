"""The commands: parse, call one function, print. The only place that turns errors into exit codes."""

from __future__ import annotations

import io
import json
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.errors import ExitCode, NightreelError, NotReadyError, StorageError
from orchestrator.wording import one_line

if TYPE_CHECKING:
    from db.store import Store
    from orchestrator.home import Home
    from orchestrator.lanes import StopSignal
    from orchestrator.night import NightRequest, NightResult
    from orchestrator.settings import Settings

app = typer.Typer(
    help="Turns portrait paintings into talking vertical shorts overnight, on your own GPUs, by driving ComfyUI.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
catalogue_app = typer.Typer(help="The known paintings.", no_args_is_help=True)
app.add_typer(catalogue_app, name="catalogue")
console = Console()
errors = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
_config_path: list[Path | None] = [None]


@app.callback()
def _options(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="config.yaml, or its folder. Default: $NIGHTREEL_CONFIG, ./config.yaml."),
    ] = None,
) -> None:
    _config_path[0] = config


def main() -> None:
    """Run the command line; the exit codes are those of `ExitCode`."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no é or → must not end a command
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(ExitCode.STOPPED_NOW)
    except Exception as error:
        code = exit_code_of(error)
        if code is ExitCode.UNEXPECTED:
            traceback.print_exc()
            errors.print("[bold red]nightreel:[/] this is a defect; please report it with the lines above")
        else:
            errors.print(f"[bold red]nightreel:[/] {escape(_words_of(error))}", highlight=False, soft_wrap=True)
        sys.exit(code)


def exit_code_of(error: Exception) -> ExitCode:
    """Return what an error answers to the shell."""
    from db.errors import DatabaseUnusable, NotFound

    if isinstance(error, NightreelError):
        return error.exit_code
    if isinstance(error, NotFound):
        return ExitCode.USAGE
    unusable = isinstance(error, DatabaseUnusable) or (isinstance(error, OSError) and error.filename is not None)
    return ExitCode.STORAGE if unusable else ExitCode.UNEXPECTED


def _words_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot use {error.filename}: {error.strerror}"
    return str(error)


def _settings() -> Settings:
    from orchestrator.settings import find_config, load_settings

    return load_settings(find_config(_config_path[0]))


def _store(settings: Settings) -> tuple[Home, Store]:
    from orchestrator.opening import open_store

    return open_store(settings)


def _say(text: str) -> None:
    """Print a line as it is: names and paths may look like markup."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


# --- making things --------------------------------------------------------------------------------------------------


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where everything will live; made if need be.")],
    samples: Annotated[bool, typer.Option("--samples", help="Add the sample paintings and archives.")] = False,
) -> None:
    """Make a home: a folder with a config.yaml to edit."""
    from orchestrator.initial import make_home

    made = make_home(folder, samples=samples)
    _say(f"{'made' if made.is_new else 'kept'} {made.config}")
    _say("next:")
    _say(f"  cd {shlex.quote(str(made.folder))}")
    if samples:
        _say("  nightreel run --paintings 4")
    else:
        _say("  nightreel catalogue add FOLDER|FILE.csv|FILE.jsonl")
        _say("  nightreel run")


@catalogue_app.command("add")
def catalogue_add(
    source: Annotated[Path, typer.Argument(help="A folder of pictures, or a CSV or JSONL file.")],
    list_name: Annotated[str, typer.Option("--list", help="The named list they go on.")] = "portraits",
    as_json: AsJson = False,
) -> None:
    """Add paintings. Bad rows are listed with line and reason, and skipped."""
    from orchestrator import catalogue

    _, store = _store(_settings())
    report = catalogue.add(store, source, list_name=list_name)
    if as_json:
        bad = [{"line": row.line, "reason": row.reason} for row in report.bad]
        notes = list(report.notes)
        _print_json({"added": report.added, "duplicates": report.duplicates, "bad": bad, "notes": notes})
        return
    for note in report.notes:
        errors.print(f"[yellow]note:[/] {escape(note)}", highlight=False, soft_wrap=True)
    for row in report.bad[:50]:
        where = f"line {row.line}: " if row.line else ""
        errors.print(f"{where}{one_line(row.reason)}", highlight=False, soft_wrap=True, markup=False)
    if len(report.bad) > 50:
        errors.print(f"… and {len(report.bad) - 50} more (all of them with --json)", highlight=False)
    _say(f"{report.added} added to {list_name!r}, {report.duplicates} known already, {len(report.bad)} skipped")


@catalogue_app.command("lists")
def catalogue_lists(as_json: AsJson = False) -> None:
    """Show the named lists, and how many of their paintings are left to draw."""
    _, store = _store(_settings())
    rows = [
        {"list": name, "paintings": count, "unused": store.unused_count(name)}
        for name, count in sorted(store.lists().items())
    ]
    if as_json:
        _print_json(rows)
        return
    table = Table("list", "paintings", "not used yet")
    for row in rows:
        table.add_row(escape(one_line(str(row["list"]))), str(row["paintings"]), str(row["unused"]))
    if rows:
        console.print(table)
    else:
        _say("no paintings yet; add some with: nightreel catalogue add FOLDER|FILE.csv|FILE.jsonl")


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

    _night(NightRequest(paintings=paintings, list_name=list_name, seed=seed), stop_by=stop_by)


@app.command()
def resume(
    stop_by: Annotated[
        str | None, typer.Option(help="Local time, such as 07:00: start nothing that will not finish.")
    ] = None,
) -> None:
    """Go on where a night was cut short, or make what was sent back. Draws nothing new."""
    from orchestrator.night import NightRequest

    _night(NightRequest(resume=True), stop_by=stop_by)


def _night(request: NightRequest, *, stop_by: str | None) -> None:
    settings = _settings()
    result = run_watched(settings, request, stop_by=stop_by)
    raise typer.Exit(_finish(settings, result))


def run_watched(settings: Settings, request: NightRequest, *, stop_by: str | None) -> NightResult:
    """Check, run a night with a live view, and answer Ctrl-C: once to finish what runs, twice to stop now."""
    from dataclasses import replace

    from orchestrator.clock import SystemClock
    from orchestrator.doctor import examine, fatal
    from orchestrator.lanes import StopSignal
    from orchestrator.live import watch_night
    from orchestrator.night import next_occurrence, run_night

    wanted = stop_by or (settings.night.stop_by.strftime("%H:%M") if settings.night.stop_by else None)
    try:
        request = replace(request, stop_by=next_occurrence(SystemClock().now(), wanted))
    except ValueError as error:
        raise typer.BadParameter(f"{wanted!r} is not a time such as 07:00", param_hint="--stop-by") from error
    problems = fatal(examine(settings))
    if problems:
        lines = [f"  - {one.subject}: {one.found}\n    → {one.remedy}" for one in problems]
        raise NotReadyError("a night cannot succeed like this:\n" + "\n".join(lines))
    stop = StopSignal()
    with _signals(stop), watch_night(console) as observer:
        return run_night(settings, request, stop=stop, observer=observer)


def _finish(settings: Settings, result: NightResult) -> ExitCode:
    """Write the report, print the summary (also where there is no room for a report), and choose the exit code."""
    from orchestrator.report import write_report
    from orchestrator.summary import print_summary

    home, store = _store(settings)
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
    code = _finish(night.settings, result)
    console.print("\n[bold]Try next[/]", highlight=False)
    for line in night.next_commands():
        _say(f"  {line}")
    raise typer.Exit(code)


# --- changing things ------------------------------------------------------------------------------------------------


@app.command()
def redo(
    item: Annotated[int, typer.Argument(help="The item's number, as in the report.")],
    step: Annotated[str, typer.Option("--from", help="The step to begin with.")],
    lang: Annotated[str | None, typer.Option("--lang", help="Only this language.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    now: Annotated[bool, typer.Option("--now", help="Make it at once instead of in the next night.")] = False,
) -> None:
    """Send an item back to a step: it and all that depends on it run again with a new seed."""
    from orchestrator.night import NightRequest
    from orchestrator.verdicts import send_back

    home, store = _store(_settings())
    sent = send_back(store, home, item, step, language=lang, reason=reason)
    _say(f"item {item} goes back: {', '.join(sent.steps)}")
    for folder in sent.withdrawn:
        _say(f"taken out of the pool: {folder}")
    if now:
        _night(NightRequest(resume=True), stop_by=None)
    _say("make it with: nightreel resume    (the next night takes it first)")


@app.command()
def abort(
    item: Annotated[int, typer.Argument(help="The item's number, as in the report.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "aborted by a person",
) -> None:
    """Turn an item down: nothing more of it is made."""
    from orchestrator.verdicts import abort_item

    _, store = _store(_settings())
    abort_item(store, item, reason=reason)
    _say(f"item {item} is aborted")


@app.command()
def review(
    batch: Annotated[int | None, typer.Argument(help="A night's number; default: all that waits.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look at new videos one by one: approve, reject with a reason, or send back."""
    from orchestrator.review.terminal import review_in_terminal
    from orchestrator.verdicts import require_night

    home, store = _store(_settings())
    if batch is not None:
        require_night(store, batch)
    review_in_terminal(console, store, home, batch_id=batch, json_only=as_json)


# --- looking at things ----------------------------------------------------------------------------------------------


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show how far everything is."""
    from orchestrator.summary import print_status, status_as_json

    _, store = _store(_settings())
    found = store.status()
    if as_json:
        _print_json(status_as_json(found))
    else:
        print_status(console, found)


@app.command()
def show(
    item: Annotated[int, typer.Argument(help="The item's number, as in the report.")],
    as_json: AsJson = False,
) -> None:
    """Show one item: its steps, every try, every file."""
    from orchestrator.summary import describe_item, print_item

    home, store = _store(_settings())
    described = describe_item(store, home, item)
    if as_json:
        _print_json(described)
    else:
        print_item(console, described)


@app.command()
def report(
    batch: Annotated[int | None, typer.Argument(help="A night's number; default: the last one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a night's execution report again, and show it."""
    from orchestrator.report import write_report
    from orchestrator.verdicts import require_night

    home, store = _store(_settings())
    written = write_report(store, home, require_night(store, batch))
    shown = written.json_path if as_json else written.markdown_path
    sys.stdout.write(shown.read_text(encoding="utf-8"))
    if not as_json:
        _say(f"\n{written.html_path}")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look for what is missing, too old, too full or unreachable."""
    from orchestrator.doctor import Grade, examine, fatal

    findings = examine(_settings())
    if as_json:
        _print_json([finding.as_json() for finding in findings])
    else:
        marks = {Grade.OK: "[green]ok[/]", Grade.WARNING: "[yellow]warning[/]", Grade.PROBLEM: "[red]problem[/]"}
        table = Table("", "what")
        for name in ("found", "what to do"):
            table.add_column(name, overflow="fold")
        for one in findings:
            table.add_row(marks[one.grade], escape(one.subject), escape(one.found), escape(one.remedy))
        console.print(table)
    if fatal(findings):
        raise typer.Exit(ExitCode.NOT_READY)


@app.command()
def embedded(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: a free one.")] = 8188,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    directory: Annotated[Path, typer.Option(help="Its input, output and temp folders.")] = Path("nightreel-embedded"),
    llm: Annotated[bool, typer.Option("--llm", help="The language model instead of the ComfyUI.")] = False,
) -> None:
    """Run one embedded ComfyUI (or language model) alone: previews on the CPU, for any client."""
    if llm:
        from orchestrator.embedded.llm import serve as serve_llm
        from orchestrator.settings import models_dir

        failed = serve_llm(host, port, models_dir=models_dir())
    else:
        from orchestrator.embedded.__main__ import serve

        failed = serve(host, port, directory)
    raise typer.Exit(ExitCode.NOT_READY if failed else ExitCode.OK)


@app.command("config")
def show_config() -> None:
    """Check config.yaml and show every setting as it is understood."""
    import yaml

    settings = _settings()
    sys.stdout.write(yaml.safe_dump(settings.model_dump(mode="json"), allow_unicode=True, sort_keys=False))


if __name__ == "__main__":
    main()

"""The commands that change what there is: homes, the catalogue, verdicts."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestrator.cli.console import AsJson, app, console, errors, open_home, print_json, say, settings_of
from orchestrator.cli.nights import run_and_leave
from orchestrator.wording import one_line

catalogue_app = typer.Typer(help="The known paintings.", no_args_is_help=True)
app.add_typer(catalogue_app, name="catalogue")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where everything will live; made if need be.")],
    samples: Annotated[bool, typer.Option("--samples", help="Add the sample paintings and archives.")] = False,
) -> None:
    """Make a home: a folder with a config.yaml to edit."""
    from orchestrator.initial import make_home

    made = make_home(folder, samples=samples)
    say(f"{'made' if made.is_new else 'kept'} {made.config}")
    say("next:")
    say(f"  cd {shlex.quote(str(made.folder))}")
    if samples:
        say("  nightreel run --paintings 4")
    else:
        say("  nightreel catalogue add FOLDER|FILE.csv|FILE.jsonl")
        say("  nightreel run")


@catalogue_app.command("add")
def catalogue_add(
    source: Annotated[Path, typer.Argument(help="A folder of pictures, or a CSV or JSONL file.")],
    list_name: Annotated[str, typer.Option("--list", help="The named list they go on.")] = "portraits",
    as_json: AsJson = False,
) -> None:
    """Add paintings. Bad rows are listed with line and reason, and skipped."""
    from orchestrator import catalogue

    _, store = open_home(settings_of())
    report = catalogue.add(store, source, list_name=list_name)
    if as_json:
        bad = [{"line": row.line, "reason": row.reason} for row in report.bad]
        notes = list(report.notes)
        print_json({"added": report.added, "duplicates": report.duplicates, "bad": bad, "notes": notes})
        return
    for note in report.notes:
        errors.print(f"[yellow]note:[/] {escape(note)}", highlight=False, soft_wrap=True)
    for row in report.bad[:50]:
        where = f"line {row.line}: " if row.line else ""
        errors.print(f"{where}{one_line(row.reason)}", highlight=False, soft_wrap=True, markup=False)
    if len(report.bad) > 50:
        errors.print(f"… and {len(report.bad) - 50} more (all of them with --json)", highlight=False)
    say(f"{report.added} added to {list_name!r}, {report.duplicates} known already, {len(report.bad)} skipped")


@catalogue_app.command("lists")
def catalogue_lists(as_json: AsJson = False) -> None:
    """Show the named lists, and how many of their paintings are left to draw."""
    _, store = open_home(settings_of())
    rows = [
        {"list": name, "paintings": count, "unused": store.unused_count(name)}
        for name, count in sorted(store.lists().items())
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("list", "paintings", "not used yet")
    for row in rows:
        table.add_row(escape(one_line(str(row["list"]))), str(row["paintings"]), str(row["unused"]))
    if rows:
        console.print(table)
    else:
        say("no paintings yet; add some with: nightreel catalogue add FOLDER|FILE.csv|FILE.jsonl")


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
    from orchestrator.pipeline import pipeline_of
    from orchestrator.verdicts import send_back

    settings = settings_of()
    home, store = open_home(settings)
    sent = send_back(store, home, item, step, language=lang, reason=reason, pipeline=pipeline_of(settings))
    say(f"item {item} goes back: {', '.join(sent.steps)}")
    for folder in sent.withdrawn:
        say(f"taken out of the pool: {folder}")
    if now:
        run_and_leave(NightRequest(resume=True), stop_by=None)
    say("make it with: nightreel resume    (the next night takes it first)")


@app.command()
def abort(
    item: Annotated[int, typer.Argument(help="The item's number, as in the report.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "aborted by a person",
) -> None:
    """Turn an item down: nothing more of it is made."""
    from orchestrator.verdicts import abort_item
    from orchestrator.withdrawing import withdraw_prompts

    settings = settings_of()
    home, store = open_home(settings)
    live = abort_item(store, item, reason=reason)
    say(f"item {item} is aborted")
    for problem in withdraw_prompts(live, settings, home):
        say(f"a prompt of it runs to its end, for nothing: {problem}")


@app.command()
def review(
    batch: Annotated[int | None, typer.Argument(help="A night's number; default: all that waits.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look at new videos one by one: approve, reject with a reason, or send back."""
    from orchestrator.pipeline import known_pipeline
    from orchestrator.review.terminal import review_in_terminal
    from orchestrator.verdicts import require_night

    settings = settings_of()
    home, store = open_home(settings)
    if batch is not None:
        require_night(store, batch)
    review_in_terminal(
        console, store, home, batch_id=batch, json_only=as_json, pipeline=lambda: known_pipeline(settings)
    )

"""The commands that show, and change nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestrator.cli.console import AsJson, app, console, open_home, print_json, say, settings_of
from orchestrator.errors import ExitCode


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show how far everything is."""
    from orchestrator.engines.cpu import progress_below
    from orchestrator.pipeline import known_pipeline
    from orchestrator.summary import print_status, print_working, status_as_json

    settings = settings_of()
    home, store = open_home(settings)
    found, working = store.status(), progress_below(home.work)
    if as_json:
        print_json({**status_as_json(found), "working": working})
    else:
        print_status(console, found, known_pipeline(settings))
        print_working(console, working)


@app.command()
def show(
    item: Annotated[int, typer.Argument(help="The item's number, as in the report.")],
    as_json: AsJson = False,
) -> None:
    """Show one item: its steps, every try, every file."""
    from orchestrator.summary import describe_item, print_item

    home, store = open_home(settings_of())
    described = describe_item(store, home, item)
    if as_json:
        print_json(described)
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

    home, store = open_home(settings_of())
    written = write_report(store, home, require_night(store, batch))
    shown = written.json_path if as_json else written.markdown_path
    sys.stdout.write(shown.read_text(encoding="utf-8"))
    if not as_json:
        say(f"\n{written.html_path}")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look for what is missing, too old, too full or unreachable."""
    from orchestrator.doctor import Grade, examine, fatal
    from orchestrator.pipeline import pipeline_of

    settings = settings_of()
    findings = examine(settings, pipeline_of(settings))
    if as_json:
        print_json([finding.as_json() for finding in findings])
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

        failed = serve_llm(host, port)
    else:
        from orchestrator.embedded.__main__ import serve

        failed = serve(host, port, directory)
    raise typer.Exit(ExitCode.NOT_READY if failed else ExitCode.OK)


@app.command("config")
def show_config() -> None:
    """Check config.yaml and show every setting as it is understood."""
    import yaml

    settings = settings_of()
    sys.stdout.write(yaml.safe_dump(settings.model_dump(mode="json"), allow_unicode=True, sort_keys=False))

"""The commands about workflows of one's own: add one, check it, try it, list them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from orchestrator.cli.console import AsJson, app, config_of, console, errors, has_config, print_json, say, settings_of
from orchestrator.errors import ExitCode, NotReadyError, WorkflowFileError
from orchestrator.wording import one_line

if TYPE_CHECKING:
    from orchestrator.authoring.servers import Known
    from orchestrator.authoring.trial import Tried
    from orchestrator.comfyui.workflow import Workflow
    from orchestrator.doctor.findings import Finding
    from orchestrator.engines.base import Tick
    from orchestrator.settings import Settings

workflow_app = typer.Typer(help="ComfyUI workflows of your own, without Python.", no_args_is_help=True)
app.add_typer(workflow_app, name="workflow")

Url = Annotated[
    str | None, typer.Option(help="A ComfyUI server; default: those of config.yaml, else the embedded one.")
]


@workflow_app.command("add")
def workflow_add(
    file: Annotated[Path, typer.Argument(help="A graph by Export (API), or a picture that ComfyUI saved.")],
    name: Annotated[str, typer.Option(help="Name of the new files; default: after the exported one.")] = "",
    step: Annotated[str, typer.Option(help="Name of the step that it becomes; default: that of the files.")] = "",
    instead_of: Annotated[str, typer.Option(help="A built-in step that it replaces the workflow of.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take the guesses.")] = False,
) -> None:
    """Copy an exported workflow beside config.yaml, and write its manifest by asking, or guessing."""
    from orchestrator.authoring.adding import Wish, add, around_of, draft
    from orchestrator.authoring.ask import ask

    if step and instead_of:
        raise typer.BadParameter("give either --step or --instead-of, not both")
    settings, config = settings_of(), config_of()
    proposal, graph = draft(Wish(file, name, step, instead_of), settings, config)
    if not yes and sys.stdin.isatty():
        proposal = ask(proposal, around_of(settings), answer=_answer, say=say)
    added = add(proposal, graph, exported=file, settings=settings, config=config)
    say(f"wrote {added.manifest}")
    say(f"wrote {added.graph}")
    for note in added.notes:
        errors.print(f"[yellow]note:[/] {escape(one_line(note))}", highlight=False, soft_wrap=True)
    if added.config_changed:
        say(f"added to {config}:")
    else:
        say(f"{config} was left as it is: {added.why_not}")
        say("it needs these lines:")
    for line in added.lines:
        say(f"  {line}")
    say("next:")
    say(f"  nightreel workflow check {proposal.name}")
    say(f"  nightreel workflow run {proposal.name} --image PICTURE")


@workflow_app.command("check")
def workflow_check(
    named: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A workflow, its manifest, or an exported graph.")],
    url: Url = None,
    object_info: Annotated[Path | None, typer.Option(help="A saved answer of GET /object_info instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look for node classes, files and values that a server would not take."""
    from orchestrator.authoring.check import check_graph_alone, check_workflow
    from orchestrator.authoring.reading import read_export
    from orchestrator.doctor.findings import Grade

    if url and object_info:
        raise typer.BadParameter("give either --url or --object-info, not both")
    settings, base = _settings_and_base()
    workflow = None if _is_graph(named) else _workflow(named, settings, base)
    graph = read_export(Path(named)) if workflow is None else {}
    options = settings.step_options(preview=False)
    found: list[Finding] = []
    for known in _servers(settings, url, object_info):
        mine = check_graph_alone(graph, known) if workflow is None else check_workflow(workflow, known, options)
        if workflow is not None and known.url and not any(one.grade is Grade.PROBLEM for one in mine):
            mine += _refusals(known, workflow)
        found += mine
    if as_json:
        print_json([finding.as_json() for finding in found])
    else:
        _print_findings(found)
    if any(one.grade is Grade.PROBLEM for one in found):
        raise typer.Exit(ExitCode.NOT_READY)


@workflow_app.command("run")
def workflow_run(
    named: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A workflow, or its manifest.")],
    image: Annotated[Path | None, typer.Option(help="The picture that it gets.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Short for --set prompt=TEXT.")] = None,
    set_values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="What a binding gets: a value, or a file.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The seed.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path(),
    url: Url = None,
) -> None:
    """Try a workflow once on one picture: what it makes is saved and measured."""
    from orchestrator.authoring.trial import Given, embedded_server, try_once
    from orchestrator.comfyui.errors import ComfyUIError, InstanceDown, NotComfyUI
    from steps.errors import StepError

    settings, base = _settings_and_base()
    workflow = _workflow(named, settings, base)
    if image is not None and not image.is_file():
        raise WorkflowFileError(f"there is no picture {image}")
    values = _pairs(set_values or ()) | ({} if prompt is None else {"prompt": prompt})
    given = Given(image, values, seed)
    addresses = (url,) if url else _urls(settings)
    with _progress() as told:
        try:
            if addresses:
                options = settings.step_options(preview=False)
                tried = try_once(workflow, given, url=addresses[0], out=out, options=options, progress=told)
            else:
                options = settings.step_options(preview=True)
                with embedded_server(settings, workflow) as address:
                    tried = try_once(workflow, given, url=address, out=out, options=options, progress=told)
        except (InstanceDown, NotComfyUI) as error:
            raise NotReadyError(str(error)) from error
        except (ComfyUIError, StepError) as error:
            errors.print(f"[red]it failed:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
            raise typer.Exit(ExitCode.SOME_FAILED) from error
    _print_tried(tried, where=addresses[0] if addresses else "the embedded server: a preview, made on the CPU")
    if any(not check.passed for check in tried.checks):
        raise typer.Exit(ExitCode.SOME_FAILED)


@workflow_app.command("list")
def workflow_list(as_json: AsJson = False) -> None:
    """Show the bundled workflows and your own, with their models and licences."""
    from orchestrator.authoring.library import entries

    settings, base = _settings_and_base()
    found = list(entries(settings, base))
    if as_json:
        print_json([entry.as_json() for entry in found])
        return
    table = Table("workflow", "of step", "GiB")
    for column in ("models", "licences"):
        table.add_column(column, overflow="fold")
    for entry in found:
        licences = [*entry.licences, *([f"{entry.unknown_licences} unknown"] if entry.unknown_licences else [])]
        name = f"{escape(entry.name)}{' (own)' if entry.own else ''}"
        models = escape(entry.problem and one_line(entry.problem, longest=200)) or escape("\n".join(entry.models))
        table.add_row(
            f"[red]{name}[/]" if entry.problem else name,
            ", ".join(entry.used_by),
            f"{entry.vram_gb:g}" if entry.vram_gb else "",
            models,
            escape(", ".join(licences)),
        )
    console.print(table)


def _answer(question: str, default: str) -> str:
    """Ask a question in the terminal; Enter takes the default, the end of input too."""
    try:
        return (
            console.input(f"{escape(question)} [dim]({escape(one_line(default, longest=60))})[/] ").strip() or default
        )
    except EOFError:
        return default


def _settings_and_base() -> tuple[Settings, Path]:
    """Return the settings and their folder; the defaults and this folder where no config file was named or found."""
    from orchestrator.settings import Settings

    if not has_config():
        return Settings(), Path().absolute()
    return settings_of(), config_of().parent


def _is_graph(named: str) -> bool:
    path = Path(named)
    return path.suffix.lower() not in ("", ".yaml", ".yml") and path.exists()


def _workflow(named: str, settings: Settings, base: Path) -> Workflow:
    from orchestrator.authoring.library import find_workflow

    return find_workflow(named, settings, base)


def _urls(settings: Settings) -> tuple[str, ...]:
    from orchestrator.authoring.servers import urls_of

    return urls_of(settings)


def _servers(settings: Settings, url: str | None, object_info: Path | None) -> Iterator[Known]:
    """Yield what a workflow is checked against."""
    from orchestrator.authoring.servers import known_to_embedded, known_to_file, known_to_server

    if object_info is not None:
        yield known_to_file(object_info)
        return
    addresses = (url,) if url else _urls(settings)
    for address in addresses:
        yield known_to_server(address)
    if not addresses:
        yield known_to_embedded()


def _refusals(known: Known, workflow: Workflow) -> list[Finding]:
    from orchestrator.authoring.servers import refused_by
    from orchestrator.doctor.findings import Finding, Grade

    words = "correct it in ComfyUI and export again"
    return [Finding("server", Grade.PROBLEM, problem, words) for problem in refused_by(known, workflow)]


def _print_findings(findings: list[Finding]) -> None:
    from orchestrator.doctor.findings import Grade

    marks = {Grade.OK: "[green]ok[/]", Grade.WARNING: "[yellow]warning[/]", Grade.PROBLEM: "[red]problem[/]"}
    table = Table("", "what")
    for name in ("found", "what to do"):
        table.add_column(name, overflow="fold")
    for one in findings:
        table.add_row(marks[one.grade], escape(one.subject), escape(one_line(one.found)), escape(one.remedy))
    console.print(table)


def _pairs(texts: list[str] | tuple[()]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
        found[name] = value
    return found


@contextmanager
def _progress() -> Iterator[Any]:
    """Show how far a prompt is: a line that changes in a terminal, nothing elsewhere."""
    if not console.is_terminal:
        yield lambda tick: None
        return
    with console.status("sending …") as status:

        def told(tick: Tick) -> None:
            status.update(f"{escape(one_line(tick.node, longest=40))}  {tick.percent:.0f} %")

        yield told


def _print_tried(tried: Tried, *, where: str) -> None:
    seconds = f" in {tried.seconds:.1f} s" if tried.seconds is not None else ""
    say(f"made{seconds} on {where}")
    for path in tried.files.values():
        say(f"  {path}")
    table = Table("", "check", "measured", "expected")
    for check in tried.checks:
        mark = "[green]ok[/]" if check.passed else "[red]failed[/]"
        table.add_row(mark, escape(check.name), escape(_measured(vars(check))), escape(check.expected))
    console.print(table)


def _measured(check: Mapping[str, Any]) -> str:
    value = check["measured"]
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    return f"{text} {check['unit']}" if check["unit"] else text

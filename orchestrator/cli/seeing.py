"""`nightreel prepare --try`: what step 0 would do with a folder of pictures, on one sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from orchestrator.cli.console import AsJson, app, console, has_config, print_json, say, settings_of
from orchestrator.errors import NotReadyError
from orchestrator.wording import counted, one_line

if TYPE_CHECKING:
    from orchestrator.seeing.trial import Trial


@app.command()
def prepare(
    source: Annotated[
        Path, typer.Option("--try", metavar="FOLDER", help="A folder of pictures, a CSV or JSONL list, or one picture.")
    ],
    set_values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another threshold, such as prepare.min_face_share=0.1."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the contact sheet.")] = Path("prepare-try"),
    most: Annotated[int, typer.Option(min=1, help="At most so many pictures.")] = 200,
    no_vision: Annotated[bool, typer.Option("--no-vision", help="By the CPU checks alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show on a contact sheet what step 0 would do with pictures, and why. Starts nothing, changes nothing."""
    from rich.progress import Progress

    from orchestrator.seeing.eyes import Eyes
    from orchestrator.seeing.overrides import differences, with_overrides
    from orchestrator.seeing.trial import try_pictures
    from orchestrator.seeing.writing import write_sheets
    from orchestrator.settings import Settings, models_dir
    from steps.errors import ResourceMissing

    settings = settings_of() if has_config() else Settings()
    options = with_overrides(settings.prepare, set_values or ())
    eyes = Eyes(settings.llm.vision, wanted=not no_vision)
    with Progress(console=console, transient=True, disable=as_json or not console.is_terminal) as bar:
        task = bar.add_task("looking", total=None)
        try:
            trial = try_pictures(
                source,
                options,
                models_dir=models_dir(),
                eyes=eyes,
                most=most,
                workers=settings.local.workers,
                progress=lambda done, count: bar.update(task, completed=done, total=count),
            )
        except ResourceMissing as error:
            raise NotReadyError(str(error)) from error
    files = write_sheets(trial, out, changed=differences(settings.prepare, options))
    if as_json:
        print_json({"files": [str(path) for path in files], "pictures": [one.as_json() for one in trial.tried]})
    else:
        _print(trial, files)


def _print(trial: Trial, files: list[Path]) -> None:
    from orchestrator.seeing.words import tip

    for one in trial.tried:
        colour = "green" if one.verdict.accepted else "red"
        near = " [yellow](close)[/]" if one.is_close else ""
        console.print(
            f"[{colour}]{one.outcome}[/]{near}  {escape(one_line(one.title))}", highlight=False, soft_wrap=True
        )
        for sentence in (*one.verdict.reasons, *([advice] if (advice := tip(one)) else [])):
            say(f"    {one_line(sentence)}")
    say(f"\nby {one_line(trial.witnesses)}")
    for reason in trial.bad:
        say(f"skipped: {one_line(reason)}")
    if trial.left_out:
        say(f"{counted(trial.left_out, 'further picture')} left out; more with --most")
    say(f"{trial.accepted} of {counted(len(trial.tried), 'picture')} accepted, {counted(trial.close, 'close call')}")
    for path in files:
        say(str(path))

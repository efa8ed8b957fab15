"""`nightreel script --try`: what the portrait would say, and what became of each draft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.console import AsJson, app, console, has_config, print_json, say, settings_of
from orchestrator.errors import ExitCode, NotReadyError
from orchestrator.wording import one_line

if TYPE_CHECKING:
    from orchestrator.script_trial import ScriptTrial


@app.command()
def script(
    painting: Annotated[
        str, typer.Option("--try", metavar="TITLE|PAINTING", help="A title of the catalogue, a picture, or any title.")
    ],
    lang: Annotated[str, typer.Option(help="The language: fr or en.")] = "fr",
    artist: Annotated[str | None, typer.Option(help="The painter, if the catalogue does not say.")] = None,
    sitter: Annotated[str | None, typer.Option(help="Who is shown, if the catalogue does not say.")] = None,
    year: Annotated[int | None, typer.Option(help="The year, if the catalogue does not say.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another script.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Print what a portrait would say, with its sources and with what the rules turned down. Changes nothing."""
    from orchestrator.script_trial import Wanted, try_script
    from orchestrator.settings import Settings
    from steps.errors import StepError

    if lang not in ("fr", "en"):
        raise typer.BadParameter(f"{lang!r}: a script is written in fr or en")
    settings = settings_of() if has_config() else Settings()
    try:
        trial = try_script(settings, Wanted(painting, artist, sitter, year), language=lang, seed=seed)
    except StepError as error:
        raise NotReadyError(str(error)) from error
    if as_json:
        print_json(trial.as_json())
    else:
        _print(trial)
    if trial.attempt is None:
        raise typer.Exit(ExitCode.SOME_FAILED)


_QUIET: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True, "style": "dim"}


def _print(trial: ScriptTrial) -> None:
    who = ", ".join(str(part) for part in (trial.subject.artist, trial.subject.year, trial.subject.sitter) if part)
    say(one_line(f"{trial.subject.title}" + (f" — {who}" if who else "")))
    attempt = trial.attempt
    if attempt is None:
        say("\nno draft kept the rules:")
        for reason in trial.reasons:
            say(f"  {one_line(reason)}")
        return
    data = attempt.data()
    say(f"\n{one_line(trial.told.marked)}\n")
    for number, source in enumerate(trial.told.sources, 1):
        console.print(one_line(f"[{number}] {source.place}: {source.text}"), **_QUIET)
    if not attempt.facts:
        say("no article was found about the painter, the sitter or the painting: its own data must do")
    for number, tried in enumerate(attempt.tried, 1):
        for broken in tried.broken:
            say(f"draft {number}: {one_line(broken.reason)}")
    said = (
        f"{data['words']} words, {data['mood']}; {data['model']}, seed {data['seed']}, prompt {data['prompt_version']}"
    )
    say(one_line(said))

"""`nightreel captions`: which presets there are, and what they look like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.console import AsJson, app, console, has_config, print_json, say, settings_of
from orchestrator.errors import NotFoundError, NotReadyError, StorageError
from orchestrator.wording import counted

if TYPE_CHECKING:
    from steps.caption_preview import Sample, Shown
    from steps.caption_styles import CaptionStyle


@app.command()
def captions(
    try_out: Annotated[bool, typer.Option("--try", help="Write a picture and a short video of each preset.")] = False,
    styles: Annotated[
        list[str] | None, typer.Option("--style", metavar="NAME", help="Only this preset; may be given again.")
    ] = None,
    text: Annotated[str, typer.Option(help="What is said and shown; by default words that are hard to set.")] = "",
    language: Annotated[str, typer.Option(help="fr or en.")] = "fr",
    picture: Annotated[Path | None, typer.Option(help="What stands behind.")] = None,
    zone: Annotated[bool, typer.Option("--zone", help="Outline what the platforms leave free.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the pictures and videos.")] = Path("captions-try"),
    as_json: AsJson = False,
) -> None:
    """List the presets of the captions, or show them with --try. Starts nothing, changes nothing."""
    from orchestrator.settings import Settings
    from steps.caption_preview import TEXTS, Sample
    from steps.caption_styles import presets
    from steps.errors import ResourceMissing

    options = (settings_of() if has_config() else Settings()).captions
    if language not in ("fr", "en"):
        raise typer.BadParameter("expected fr or en", param_hint="--language")
    spoken: Any = language
    try:
        known = presets(options.presets)
    except ResourceMissing as error:
        raise NotReadyError(str(error)) from error
    unknown = [name for name in styles or () if name not in known]
    if unknown:
        raise NotFoundError(f"there is no preset {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = {name: style for name, style in known.items() if not styles or name in styles}
    if try_out:
        _show(chosen, Sample(text or TEXTS[spoken], spoken, picture, zone), out, as_json)
    elif as_json:
        print_json({name: style.model_dump(mode="json") for name, style in chosen.items()})
    else:
        _list(chosen, options.style)


def _show(chosen: dict[str, CaptionStyle], sample: Sample, out: Path, as_json: bool) -> None:
    from orchestrator.settings import Settings
    from steps.caption_preview import preview
    from steps.errors import DiskFull, StepError

    options = (settings_of() if has_config() else Settings()).captions
    out.mkdir(parents=True, exist_ok=True)
    try:
        with console.status("drawing", spinner="dots"):
            made, sheet = preview(chosen, sample, options=options, folder=out.absolute())
    except DiskFull as error:
        raise StorageError(str(error)) from error
    except StepError as error:
        raise NotReadyError(str(error)) from error
    if as_json:
        print_json({"sheet": str(sheet), "presets": [_told(one) for one in made]})
        return
    for one in made:
        say(f"{one.name}: {one.picture} and {one.video.name}, {counted(one.cues, 'cue')}")
    say(f"side by side: {sheet}")


def _told(one: Shown) -> dict[str, Any]:
    return {"name": one.name, "picture": str(one.picture), "video": str(one.video), "cues": one.cues}


def _list(known: dict[str, CaptionStyle], current: str) -> None:
    for name, style in known.items():
        mark = " (captions.style)" if name == current else ""
        letters = "capitals" if style.uppercase else style.weight
        say(f"{name}{mark}: {style.mode}, {letters}, {style.position}, at most {counted(style.words_per_cue, 'word')}")
    say("look at them with: nightreel captions --try")

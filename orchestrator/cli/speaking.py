"""`nightreel voices`: who speaks for whom, and how each voice sounds and measures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestrator.cli.console import AsJson, app, console, errors, has_config, print_json, say, settings_of
from orchestrator.errors import ExitCode, NotReadyError
from orchestrator.wording import one_line

if TYPE_CHECKING:
    from orchestrator.auditions import Heard, Part
    from orchestrator.settings import Settings

_COLUMNS = (  # heading, check or data key, decimals
    ("s", "duration_s", 1),
    ("words/s", "speech.pace", 2),
    ("LUFS", "speech.loudness", 1),
    ("gain dB", "gain_db", 1),
    ("limited dB", "limited_db", 1),
    ("inner s", "speech.inner_silence", 2),
    ("twice s", "speech.repeated", 2),
    ("error", "error", 3),
)


@app.command()
def voices(
    out: Annotated[
        Path | None, typer.Option("--try", metavar="FOLDER", help="Let each voice say a sentence into this folder.")
    ] = None,
    text: Annotated[str, typer.Option(help="What they say instead, in the language of --language.")] = "",
    language: Annotated[str, typer.Option(help="Only this language: fr or en.")] = "",
    url: Annotated[
        str, typer.Option(help="A ComfyUI server; default: the first of config.yaml, else the embedded one.")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="The seed of every take.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Show which voice speaks for which sitter; with --try, hear and measure each."""
    from orchestrator.auditions import parts_of
    from orchestrator.settings import Settings

    settings = settings_of() if has_config() else Settings()
    parts = parts_of(settings.step_options(preview=False))
    if language:
        parts = tuple(part for part in parts if part.language == language)
        if not parts:
            raise typer.BadParameter(f"{language!r}: expected one of {', '.join(settings.languages)}")
    if text and not language:
        raise typer.BadParameter("--text needs --language: a sentence is in one language")
    if out is None:
        _show(parts, as_json=as_json)
        return
    texts = {language: text} if text else None
    found = _hear(parts, settings, out=out, url=url, texts=texts, seed=seed, quiet=as_json)
    files = _write(found, out)
    if as_json:
        print_json([one.as_json() for one in found])
    else:
        console.print(_table(found))
        say(f"wrote {', '.join(str(file) for file in files)}")
    if any(one.problem for one in found):
        raise typer.Exit(ExitCode.SOME_FAILED)


def _hear(
    parts: tuple[Part, ...],
    settings: Settings,
    *,
    out: Path,
    url: str,
    texts: dict[str, str] | None,
    seed: int,
    quiet: bool,
) -> list[Heard]:
    from orchestrator.auditions import SENTENCES, audition
    from orchestrator.authoring.servers import urls_of
    from orchestrator.authoring.trial import embedded_server
    from orchestrator.comfyui.errors import ComfyUIError
    from orchestrator.comfyui.workflow import Workflow
    from orchestrator.pipeline import pipeline_of
    from steps.audio import Audio

    step = next(one for one in pipeline_of(settings) if isinstance(one, Audio))
    workflow = Workflow.load(step.workflow)

    def told(one: Heard) -> None:
        if not quiet:
            state = f"refused: {one.problem}" if one.problem else "done"
            say(one_line(f"{one.part.language} {one.part.key} ({one.part.voice.speaker}): {state}", longest=200))

    def at(address: str, *, preview: bool) -> list[Heard]:
        return audition(
            parts,
            step=step,
            workflow=workflow,
            url=address,
            out=out,
            options=settings.step_options(preview=preview),
            texts=texts or SENTENCES,
            seed=seed,
            heard=told,
        )

    addresses = (url,) if url else urls_of(settings)
    try:
        if addresses:
            return at(addresses[0], preview=False)
        with embedded_server(settings, workflow) as address:
            return at(address, preview=True)
    except ComfyUIError as error:
        raise NotReadyError(str(error)) from error


def _show(parts: tuple[Part, ...], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "language": part.language,
                "key": part.key,
                "speaker": part.voice.speaker,
                "description": part.voice.description,
                "instruct": part.voice.instruct,
            }
            for part in parts
        ]
        print_json(rows)
        return
    table = Table("language", "sitter", "speaker", "description", "how it should sound")
    for part in parts:
        voice = part.voice
        table.add_row(*map(escape, (part.language, part.key, voice.speaker, voice.description, voice.instruct)))
    console.print(table)
    errors.print("hear them with: nightreel voices --try FOLDER", highlight=False)


def _cells(one: Heard) -> list[str]:
    cells = [one.part.language, one.part.key, one.part.voice.speaker, str(one.data.get("engine", ""))]
    for _, name, decimals in _COLUMNS:
        value = one.data.get(name) if name in one.data else one.measured(name)
        cells.append(f"{value:.{decimals}f}" if isinstance(value, int | float) else "–")
    return [*cells, one_line(one.problem or str(one.data.get("heard", "")), longest=160)]


def _headings() -> list[str]:
    return ["language", "sitter", "speaker", "voice", *(heading for heading, _, _ in _COLUMNS), "heard, or why refused"]


def _table(found: list[Heard]) -> Table:
    table = Table(*_headings()[:-1])
    table.add_column(_headings()[-1], no_wrap=True, overflow="ellipsis")
    for one in found:
        table.add_row(*map(escape, _cells(one)))
    return table


def _write(found: list[Heard], out: Path) -> tuple[Path, Path]:
    """Write the table beside the sounds, for people and for programs."""
    import json

    from steps.workfiles import write_text

    rows = [_headings(), ["---"] * len(_headings()), *(_cells(one) for one in found)]
    lines = ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
    page = write_text(out / "voices.md", "# Voices\n\n" + "\n".join(lines) + "\n")
    told = json.dumps([one.as_json() for one in found], ensure_ascii=False, indent=1)
    return page, write_text(out / "voices.json", told + "\n")

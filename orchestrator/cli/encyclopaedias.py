"""The commands about the offline encyclopaedias: check them, search as step 1 does, show an article as it is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from orchestrator.cli.console import AsJson, app, console, has_config, print_json, say, settings_of
from orchestrator.errors import ConfigError, ExitCode, NotFoundError, NotReadyError
from orchestrator.wording import one_line

if TYPE_CHECKING:
    from zim.archive import Archive, Library
    from zim.checking import Progress
    from zim.extract import Text
    from zim.finding import Found
    from zim.inspection import Inspected

zim_app = typer.Typer(help="Offline encyclopaedias (ZIM archives).", no_args_is_help=True)
app.add_typer(zim_app, name="zim")

Archives = Annotated[
    list[Path] | None, typer.Option("--archive", metavar="FILE", help="An archive instead of those of config.yaml.")
]
Lang = Annotated[str, typer.Option("--lang", help="Only this language; default: all that have an archive.")]


@zim_app.command("check")
def zim_check(
    files: Annotated[list[Path] | None, typer.Argument(help="Archives; default: those of config.yaml.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not test checksums that were never tested.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at every archive: language, date, articles, index, damage."""
    from zim.inspection import inspect

    library = _library(files)
    found: list[Inspected] = []
    for language in library.languages:
        for path in library.paths(language):
            with _progress(path) as told:
                found.append(inspect(library, language, path, test=not quick, progress=told))
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        _print_inspected(found)
    if any(one.problems for one in found):
        raise typer.Exit(ExitCode.NOT_READY)


@zim_app.command("search")
def zim_search(
    artist: Annotated[str, typer.Option(help="The painter.")] = "",
    title: Annotated[str, typer.Option(help="The work.")] = "",
    sitter: Annotated[str, typer.Option(help="Who is portrayed.")] = "",
    year: Annotated[int | None, typer.Option(min=1000, max=2100, help="When it was painted.")] = None,
    lang: Lang = "",
    archive: Archives = None,
    as_json: AsJson = False,
) -> None:
    """Show which articles would be chosen for a painting, and why the others not."""
    from zim.errors import ZimError
    from zim.research import investigate

    if not (artist or title or sitter):
        raise typer.BadParameter("give at least one of --artist, --title, --sitter")
    library = _library(archive)
    found: list[Found] = []
    for language in _languages(library, lang):
        try:
            found += investigate(library, language, artist=artist, sitter=sitter, title=title, year=year)
        except ZimError as error:
            raise NotReadyError(str(error)) from error
    if as_json:
        print_json([_found_as_json(one) for one in found])
    else:
        _print_found(found)


@zim_app.command("show")
def zim_show(
    title: Annotated[str, typer.Argument(help="An article's title; its beginning may do.")],
    lang: Lang = "",
    archive: Archives = None,
    as_json: AsJson = False,
) -> None:
    """Show an article as step 1 reads it: sections and paragraphs of plain text."""
    from zim.errors import ZimError
    from zim.extract import extract

    library = _library(archive)
    for language in _languages(library, lang):
        try:
            opened = library.archives(language)
        except ZimError as error:
            raise NotReadyError(str(error)) from error
        for one in opened:
            page = _page(one, title)
            if page is not None:
                text = extract(page.html)
                if as_json:
                    shown = {"title": page.title, "path": page.path, "archive": one.name}
                    print_json(shown | {"sections": [asdict(section) for section in text.sections]})
                else:
                    _print_article(page.title, one.name, text)
                return
    raise NotFoundError(f"no archive has an article called {title!r}, or one that begins so")


def _library(files: list[Path] | None) -> Library:
    """Return the archives that are named, else those of config.yaml.

    Raises:
        ConfigError: there are none.
    """
    from zim.archive import Library
    from zim.inspection import language_of

    if files:
        by_language: dict[str, list[Path]] = {}
        for path in files:
            by_language.setdefault(language_of(path), []).append(path)
        return Library(by_language, state_dir=_state_dir(), check_beside=False)
    settings = settings_of()
    if not settings.zim:
        raise ConfigError("no archive is configured: name one under `zim` in config.yaml, or as a file")
    return Library(dict(settings.zim.items()), state_dir=settings.home / "engines", check_beside=False)


def _state_dir() -> Path | None:
    return settings_of().home / "engines" if has_config() else None


def _languages(library: Library, lang: str) -> tuple[str, ...]:
    if lang and lang not in library.languages:
        known = ", ".join(library.languages)
        raise NotFoundError(f"there is no archive in {lang!r}; there are archives in: {known}")
    return (lang,) if lang else library.languages


def _page(archive: Archive, title: str) -> Any:
    from zim.errors import ArchiveDamaged

    exact = archive.by_title(title)
    try:
        for path in (exact,) if exact is not None else archive.suggest(title, limit=1):
            page = archive.read(path)
            if page is not None:
                return page
    except ArchiveDamaged as damaged:
        raise NotReadyError(str(damaged)) from damaged
    return None


@contextmanager
def _progress(path: Path) -> Iterator[Progress | None]:
    """Show how far a file is tested, on a terminal only."""
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(escape(one_line(path.name, longest=60)), total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _print_inspected(found: list[Inspected]) -> None:
    checksums = {True: "its checksum is right", False: "its checksum is WRONG", None: "its checksum is not tested"}
    for one in found:
        mark = "[red]problem[/]" if one.problems else "[green]ok[/]"
        console.print(f"{mark} {escape(one.language)}: {escape(str(one.path))}", highlight=False, soft_wrap=True)
        if one.articles:
            index = "with" if one.has_index else "WITHOUT"
            say(
                f"   {one_line(one.title, longest=80)}, written in {one_line(one.written_in) or 'it does not say what'}"
            )
            say(f"   of {one_line(one.date) or 'no date'}, {one.articles} articles, {one.size_bytes / 1e9:.2f} GB")
            say(f"   {index} a full-text index; {checksums[one.whole]}")
        for problem in one.problems:
            say(f"   {one_line(problem)}")


def _print_found(found: list[Found]) -> None:
    for one in found:
        chosen = f"chosen: {one.page.title}" if one.page is not None else "nothing"
        say(f"{one.subject.about} {one_line(one.subject.name)!r} in {one.archive}: {one_line(chosen)} ({one.reason})")
        for other in one.considered:
            mark = "+" if other.fits else "-"
            say(f"  {mark} {one_line(other.title)}: {one_line(other.reason)}")


def _found_as_json(one: Found) -> dict[str, Any]:
    return {
        "about": one.subject.about,
        "name": one.subject.name,
        "archive": one.archive,
        "chosen": one.page.title if one.page is not None else None,
        "reason": one.reason,
        "considered": [asdict(other) for other in one.considered],
    }


def _print_article(title: str, archive: str, text: Text) -> None:
    say(f"{one_line(title)} ({archive})")
    if not text.paragraphs:
        say("  it has no text: tables, lists or pictures only")
    for section in text.sections:
        if section.title:
            say(f"\n{'#' * section.level} {one_line(section.title)}")
        for paragraph in section.paragraphs:
            mark = "• " if paragraph.kind == "item" else ""
            say(f"[{paragraph.index}] {mark}{one_line(paragraph.text)}")

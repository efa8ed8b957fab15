"""The commands: parse, call one function, print. The only place that turns errors into exit codes."""

from __future__ import annotations

import io
import sys
import traceback

from rich.markup import escape

from orchestrator.cli import (
    captioning,
    changing,
    encyclopaedias,
    explaining,
    looking,
    nights,
    scripting,
    seeing,
    speaking,
    workflows,
)
from orchestrator.cli.console import app, errors
from orchestrator.errors import ExitCode, NightreelError

__all__ = [
    "app",
    "captioning",
    "changing",
    "encyclopaedias",
    "exit_code_of",
    "explaining",
    "looking",
    "main",
    "nights",
    "scripting",
    "seeing",
    "speaking",
    "workflows",
]


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

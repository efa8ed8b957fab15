"""What all commands share: the two consoles, the config file that was named, and how a line is printed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from db.store import Store
    from orchestrator.home import Home
    from orchestrator.settings import Settings

app = typer.Typer(
    help="Turns portrait paintings into talking vertical shorts overnight, on your own GPUs, by driving ComfyUI.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
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


def config_of() -> Path:
    """Return the config file that the command line names.

    Raises:
        ConfigError: there is none.
    """
    from orchestrator.settings import find_config

    return find_config(_config_path[0])


def has_config() -> bool:
    """Tell whether a config file was named, or lies here."""
    from orchestrator.settings import CONFIG_NAME, CONFIG_VARIABLE

    return _config_path[0] is not None or bool(os.environ.get(CONFIG_VARIABLE)) or Path(CONFIG_NAME).is_file()


def settings_of() -> Settings:
    """Read the config file that the command line names.

    Raises:
        ConfigError: it cannot be used.
    """
    from orchestrator.settings import load_settings

    return load_settings(config_of())


def open_home(settings: Settings) -> tuple[Home, Store]:
    """Open the home and its database.

    Raises:
        StorageError, DatabaseError: they cannot be used.
    """
    from orchestrator.opening import open_store

    return open_store(settings)


def say(text: str) -> None:
    """Print a line as it is: names and paths may look like markup."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def print_json(value: Any) -> None:
    """Print a value for another program."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")

"""Writes a trial's contact sheet to a folder: the page, the picture or pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.artifacts import write_whole
from orchestrator.seeing.page import render
from orchestrator.seeing.sheet import as_png, draw_sheets
from orchestrator.seeing.trial import Trial

PAGE = "sheet.html"


def write_sheets(trial: Trial, folder: Path, *, changed: Mapping[str, tuple[Any, Any]]) -> list[Path]:
    """Write the sheet and return its files, the page first. What an earlier trial left in the folder is replaced.

    Args:
        trial: What was tried.
        folder: Made if need be.
        changed: Settings that differ from config.yaml.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder = folder.expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.glob("sheet*.png"):
        earlier.unlink()
    files = [folder / PAGE]
    write_whole(files[0], render(trial, changed=changed).encode())
    for number, sheet in enumerate(draw_sheets(trial, changed=changed), 1):
        files.append(folder / ("sheet.png" if number == 1 else f"sheet-{number}.png"))
        write_whole(files[-1], as_png(sheet))
    return files

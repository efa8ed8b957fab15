"""How the files of offline encyclopaedias are given: one path, or a list of them.

A module of its own because both the settings and the steps' options have them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str | Path) else value


ArchivePaths = Annotated[tuple[Path, ...], BeforeValidator(_as_list), Field(min_length=1)]
"""The files of one language: of two that know a subject, the first one is believed."""

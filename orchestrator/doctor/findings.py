"""What a probe answers with: one thing that was looked at, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Grade(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"  # the night runs, with less
    PROBLEM = "problem"  # what it is about cannot be used


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    grade: Grade
    found: str
    remedy: str = ""
    instance: str | None = None  # the one instance it is about; another one may do the work
    step: str | None = None  # the one step that this instance cannot do; None: none of them

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


Probe = Callable[[], Iterator[Finding]]


def guarded(name: str, probe: Probe, *, instance: str | None = None) -> list[Finding]:
    """Run a probe; one that breaks is a finding too, and must not hide the others."""
    try:
        return list(probe())
    except Exception as error:
        found = f"looking at it failed: {type(error).__name__}: {error}"
        return [Finding(name, Grade.PROBLEM, found, "this is a defect; please report it", instance)]

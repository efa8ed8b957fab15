"""What the canaries of a night found: the small prompt that each instance ran before the first painting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from db.canaries import GOOD, CanaryView
from orchestrator.report.tables import LONGEST_MESSAGE, Grid, Kind
from orchestrator.wording import one_line


def canaries_grid(canaries: Sequence[CanaryView]) -> Grid:
    """Return the table of the canaries, oldest first. The sentence above it names those that were not good."""
    columns = (("instance", Kind.NAME), ("canary", Kind.NAME), ("seconds", Kind.NUMBER), ("what it found", Kind.TEXT))
    rows = tuple((one.instance, one.outcome, _seconds(one.seconds), _words(one)) for one in canaries)
    odd = list(dict.fromkeys(one.instance for one in canaries if one.outcome != GOOD))
    lead = f"Not as in the last good night: {', '.join(odd)}." if odd else ""
    return Grid("Canaries", lead, columns, rows, reads_as_text=True)


def plain_canaries(canaries: Sequence[CanaryView]) -> list[dict[str, Any]]:
    """Return the canaries as JSON values: seconds, ISO times."""
    return [
        {
            "instance": one.instance,
            "at": one.at.isoformat(),
            "outcome": one.outcome,
            "seconds": one.seconds,
            "sha256": one.sha256,
            "words": _words(one),
        }
        for one in canaries
    ]


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"


def _words(canary: CanaryView) -> str:
    return one_line(str(canary.details.get("words") or ""), longest=LONGEST_MESSAGE)

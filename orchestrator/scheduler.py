"""Which step runs are ready, in which order, and whether one would still finish. Pure: tables in, lists out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from db.states import CLAIMABLE, State
from db.store import RunView
from steps.base import SHARED, Step


def ready(runs: Iterable[RunView], step: Step) -> list[RunView]:
    """Return the runs of a step that may be claimed: everything they need is COMPLETE. In the items' order."""
    by_item: dict[int, dict[tuple[str, str], RunView]] = {}
    for run in runs:
        by_item.setdefault(run.item_id, {})[(run.step, run.variant)] = run
    found = [
        run
        for of_item in by_item.values()
        for run in of_item.values()
        if run.step == step.name and run.state in CLAIMABLE and _has_needs(run, step, of_item)
    ]
    return sorted(found, key=lambda run: (run.item_id, run.variant))


def _has_needs(run: RunView, step: Step, of_item: Mapping[tuple[str, str], RunView]) -> bool:
    if run.item_state in (State.ABORTED, State.FAILED, State.COMPLETE):
        return False
    for name in step.needs:
        need = of_item.get((name, run.variant)) or of_item.get((name, SHARED))
        if need is None or need.state is not State.COMPLETE:
            return False
    return True


def will_finish(now: datetime, *, expected_s: float, deadline: datetime | None) -> bool:
    """Tell whether work that takes `expected_s` seconds and starts now ends before the deadline."""
    return deadline is None or now + timedelta(seconds=expected_s) <= deadline

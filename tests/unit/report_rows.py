"""Nights as rows, for the tests of the report: tries with times in seconds after the opening."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from db.states import State
from db.views import AttemptView, BatchView, ItemView
from orchestrator.report.figures import NightFigures, night_figures
from steps.registry import default_steps

OPENED = datetime(2026, 5, 22, 0, 58, tzinfo=UTC)
NUMBERS = {step.name: step.number for step in default_steps()}

# (step, minutes of wall-clock, minutes of compute, runs a painting, on the card): the night of a real studio, 15
# portraits in two languages on one card, as its owner's report had it.
OWNER_NIGHT = (
    ("prepare", 0.9, 0.9, 1, False),
    ("script", 21.6, 21.6, 2, False),
    ("audio", 28.2, 27.5, 2, True),
    ("clean_pic", 2.3, 1.5, 1, True),
    ("realistic_pic", 1.6, 0.8, 1, True),
    ("transition", 22.5, 21.8, 1, True),
    ("script_video", 164.1, 163.3, 2, True),
    ("subtitles", 7.5, 6.7, 2, True),
    ("outro", 42.8, 42.0, 2, True),
    ("final_video", 3.4, 3.4, 2, False),
)


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else OPENED + timedelta(seconds=seconds)


def batch(**changes: Any) -> BatchView:
    values: dict[str, Any] = {
        "id": 1,
        "seed": 7,
        "list_name": "portraits",
        "wanted": 2,
        "languages": ("fr", "en"),
        "settings": {},
        "preview": False,
        "log_path": None,
        "opened_at": OPENED,
        "closed_at": OPENED + timedelta(days=1),
        "outcome": "complete",
        "drawn": 2,
        "carried": 0,
        "redone": 0,
    }
    return BatchView(**{**values, **changes})


def item(item_id: int, state: State = State.COMPLETE, **changes: Any) -> ItemView:
    values: dict[str, Any] = {
        "item_id": item_id,
        "painting_id": item_id,
        "batch_id": 1,
        "origin": "drawn",
        "state": state,
        "reasons": (),
        "languages": ("fr", "en"),
        "sha256": "0" * 64,
        "path": "/p",
        "title": f"Portrait {item_id}",
        "artist": "Nobody",
        **dict.fromkeys(("year", "sitter", "licence", "source", "width_px", "height_px")),
        "tags": (),
    }
    return ItemView(**{**values, **changes})


class Tries:
    """Collects the tries of a night."""

    def __init__(self) -> None:
        self.rows: list[AttemptView] = []
        self._numbers = count(1)

    def add(
        self,
        item_id: int,
        step: str,
        claimed: float,
        started: float | None,
        finished: float | None,
        *,
        variant: str = "",
        instance: str | None = "card0",
        outcome: str | None = "complete",
        **changes: Any,
    ) -> AttemptView:
        number = next(self._numbers)
        began = at(claimed)
        assert began is not None
        values: dict[str, Any] = {
            "attempt_id": number,
            "run_id": hash((item_id, step, variant)) % 1_000_000,
            "item_id": item_id,
            "batch_id": 1,
            "step": step,
            "variant": variant,
            "generation": 0,
            "number": 1,
            "instance": instance,
            "prompt_id": f"prompt{number}" if instance else None,
            "seed": 1,
            "claimed_at": began,
            "queued_at": None,
            "started_at": at(started),
            "finished_at": at(finished),
            "outcome": outcome,
            "counted": True,
            "error_class": "ExecutionFailed" if outcome == "failed" else None,
            "error_message": "a node failed" if outcome == "failed" else None,
            "remedy": "RETRY" if outcome == "failed" else None,
        }
        self.rows.append(AttemptView(**{**values, **changes}))
        return self.rows[-1]


def figures(tries: Sequence[AttemptView], items: Sequence[ItemView] | None = None, **of_batch: Any) -> NightFigures:
    """Compute the figures of a night; without items, those that the tries are about, all COMPLETE."""
    if items is None:
        items = [item(number) for number in sorted({one.item_id for one in tries})]
    return night_figures(batch(**of_batch), items, tries, step_numbers=NUMBERS, now=OPENED + timedelta(hours=30))


def owner_night(*, paintings: int = 15, turned_down: int = 5) -> tuple[list[AttemptView], list[ItemView]]:
    """Return the real night: one step after the other, one run after the other, each prompt prefetched."""
    tries, clock = Tries(), 0.0
    for step, wall, compute, languages, on_card in OWNER_NIGHT:
        began, clock = clock, clock + (wall - compute) * 60
        of_run = compute * 60 / (paintings * languages)
        for number in range(1, paintings + 1):
            for variant in ("fr", "en") if languages == 2 else ("",):
                card = "card0" if on_card else None
                tries.add(number, step, began, clock, clock + of_run, variant=variant, instance=card)
                clock += of_run
    items = [item(number) for number in range(1, paintings + 1)]
    reason = "There is more than one face: 3 besides the main one, and there must be 0."
    items += [
        item(paintings + number, State.ABORTED, title=f"Crowd {number}", reasons=(reason,))
        for number in range(1, turned_down + 1)
    ]
    return tries.rows, items

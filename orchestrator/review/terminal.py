"""The morning review in the terminal: one video after another, one key each."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from db.store import Store
from orchestrator.errors import NotFoundError
from orchestrator.home import Home
from orchestrator.review.waiting import Waiting, approve, as_json, redo, reject, waiting_videos
from steps.registry import default_steps

_KEYS = "a approve · r reject · b back to a step · c all checks · s skip · q quit"


def review_in_terminal(
    console: Console, store: Store, home: Home, *, batch_id: int | None = None, json_only: bool = False
) -> None:
    """Show every video that waits and ask for a verdict. Ends at the end of input, or when asked to."""
    videos = waiting_videos(store, home, batch_id=batch_id)
    if json_only:
        sys.stdout.write(as_json(videos) + "\n")
        return
    if not videos:
        console.print("nothing waits for a review", highlight=False)
        return
    counts = {"approved": 0, "rejected": 0, "sent back": 0}
    for number, video in enumerate(videos, 1):
        _show(console, video, f"{number} of {len(videos)}")
        outcome = _ask(console, store, home, video)
        if outcome == "quit":
            break
        if outcome in counts:
            counts[outcome] += 1
    _totals(console, counts)


def _show(console: Console, video: Waiting, place: str) -> None:
    item = video.item
    who = ", ".join(str(part) for part in (item.artist, item.year) if part)
    console.rule(f"{place} · item {item.item_id} · {video.language}")
    console.print(f"[bold]{escape(item.title)}[/]" + (f" — {escape(who)}" if who else ""), highlight=False)
    console.print(str(video.files["video"]), highlight=False, soft_wrap=True, markup=False)
    console.print(video.script, highlight=False, markup=False, style="italic")
    failed = [check for check in video.checks if not check.get("passed", True)]
    console.print(
        f"{len(video.checks) - len(failed)} of {len(video.checks)} checks passed",
        style="yellow" if failed else "green",
        highlight=False,
    )
    _print_checks(console, failed)


def _print_checks(console: Console, checks: Sequence[Mapping[str, Any]]) -> None:
    if not checks:
        return
    table = Table("step", "check", "measured", "expected")
    for check in checks:
        unit = f" {check['unit']}" if check.get("unit") else ""
        table.add_row(
            str(check["step"]), str(check["name"]), escape(f"{check['measured']}{unit}"), escape(str(check["expected"]))
        )
    console.print(table)


def _ask(console: Console, store: Store, home: Home, video: Waiting) -> str:
    while True:
        key = _read(console, _KEYS)
        match key[:1].lower():
            case "a":
                console.print(f"in the pool: {approve(store, home, video)}", highlight=False, soft_wrap=True)
                return "approved"
            case "r":
                reject(store, home, video, _read(console, "why?"))
                return "rejected"
            case "b":
                if _send_back(console, store, home, video):
                    return "sent back"
            case "c":
                _print_checks(console, video.checks)
            case "s":
                return "skipped"
            case "q" | "\x04":
                return "quit"
            case _:
                console.print(f"{escape(key)!r} is not one of the keys", highlight=False)


def _send_back(console: Console, store: Store, home: Home, video: Waiting) -> bool:
    names = [step.name for step in default_steps()]
    step = _read(console, f"from which step? {', '.join(names)}").strip()
    try:
        steps = redo(store, home, video, step, _read(console, "why?"))
    except NotFoundError as error:
        console.print(escape(str(error)), highlight=False)
        return False
    console.print(f"runs again: {', '.join(steps)}; make it with: nightreel resume", highlight=False)
    return True


def _read(console: Console, question: str) -> str:
    try:
        return console.input(f"[dim]{escape(question)}[/] > ").strip()
    except (EOFError, KeyboardInterrupt):
        return "\x04"


def _totals(console: Console, counts: dict[str, int]) -> None:
    decided = counts["approved"] + counts["rejected"]
    words = ", ".join(f"{count} {name}" for name, count in counts.items())
    rate = f"; {counts['rejected'] / decided:.0%} rejected" if decided else ""
    console.print(words + rate, highlight=False)

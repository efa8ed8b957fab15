"""The morning review in the terminal: one video after another, one key each."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from db.store import Store
from orchestrator.errors import NotFoundError
from orchestrator.home import Home
from orchestrator.review.waiting import Waiting, approve, as_json, redo, reject, waiting_video, waiting_videos
from orchestrator.wording import one_line
from steps.base import Step
from steps.registry import default_steps

_KEYS = {
    "a": "approve",
    "r": "reject",
    "b": "back to a step",
    "c": "all checks",
    "s": "skip",
    "q": "quit",
}


class _Over(Exception):
    """The input ended, or the person pressed Ctrl-C at a question: nothing more is decided."""


def review_in_terminal(
    console: Console,
    store: Store,
    home: Home,
    *,
    batch_id: int | None = None,
    json_only: bool = False,
    pipeline: Callable[[], Sequence[Step]] = default_steps,
) -> None:
    """Show every video that waits and ask for a verdict. Ends at the end of input, or when asked to.

    Args:
        console: Where it is shown.
        store: The state.
        home: Where the files and the pool are.
        batch_id: Only the videos of this night.
        json_only: List what waits as JSON, and ask nothing.
        pipeline: Returns the steps there are; asked when a video is to be sent back.

    Raises:
        StorageError: an approved video cannot be copied into the pool; it still waits.
    """
    videos = waiting_videos(store, home, batch_id=batch_id)
    if json_only:
        sys.stdout.write(as_json(videos) + "\n")
        return
    if not videos:
        console.print("nothing waits for a review", highlight=False)
        return
    counts: Counter[str] = Counter()
    try:
        for number, video in enumerate(videos, 1):
            counts[_review(console, store, home, video, f"{number} of {len(videos)}", pipeline)] += 1
    except _Over:
        console.print()
    finally:
        _totals(console, counts, left=len(waiting_videos(store, home, batch_id=batch_id)))


_Pipeline = Callable[[], Sequence[Step]]


def _review(console: Console, store: Store, home: Home, video: Waiting, place: str, pipeline: _Pipeline) -> str:
    """Show one video and ask until something is decided. Return what that was."""
    item = video.item
    now = waiting_video(store, home, item.item_id, video.language)
    if now is None or now.sha256 != video.sha256:  # sent back with another one, or decided elsewhere
        return "no longer there"
    _show(console, video, place)
    return _ask(console, store, home, video, pipeline)


def _show(console: Console, video: Waiting, place: str) -> None:
    item = video.item
    who = ", ".join(str(part) for part in (item.artist and one_line(item.artist), item.year) if part)
    console.rule(f"{place} · item {item.item_id} · {video.language}")
    console.print(f"[bold]{escape(one_line(item.title))}[/]" + (f" — {escape(who)}" if who else ""), highlight=False)
    console.print(str(video.video), highlight=False, soft_wrap=True, markup=False)
    for name, path in video.own_files.items():
        console.print(f"  {name}: {path}", **_PLAIN)
    console.print(one_line(video.told.marked or video.script), highlight=False, markup=False, style="italic")
    for number, source in enumerate(video.told.sources, 1):
        console.print(one_line(f"[{number}] {source.place}: {source.text}"), highlight=False, markup=False, style="dim")
    for words in video.disagreements:
        console.print(f"the witnesses differ about the painting: {one_line(words)}", style="yellow", **_PLAIN)
    failed = [check for check in video.checks if not check.get("passed", True)]
    length = video.facts.get("duration_s")
    facts = [f"{length:.1f} s"] if isinstance(length, int | float) else []
    facts.append(f"{len(video.checks) - len(failed)} of {len(video.checks)} checks passed")
    console.print(" · ".join(facts), style="yellow" if failed else "green", highlight=False)
    _print_checks(console, failed)


def _print_checks(console: Console, checks: Sequence[Mapping[str, Any]]) -> None:
    if not checks:
        return
    table = Table("step", "check", "measured", "expected")
    for check in checks:
        values = (check["step"], check["name"], _measured(check), check["expected"])
        table.add_row(
            *(escape(one_line(str(value))) for value in values), style="" if check.get("passed", True) else "yellow"
        )
    console.print(table)


def _measured(check: Mapping[str, Any]) -> str:
    """Return a measured value as people read it, with its unit."""
    value = check["measured"]
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    return f"{text} {check['unit']}" if check.get("unit") else text


def _ask(console: Console, store: Store, home: Home, video: Waiting, pipeline: _Pipeline) -> str:
    while True:
        answer = _read(console, " · ".join(f"{key} {words}" for key, words in _KEYS.items()))
        match _key(answer):
            case "a":
                console.print(f"in the pool: {approve(store, home, video)}", **_PLAIN)
                return "approved"
            case "r":
                reject(store, home, video, _reason(console))
                return "rejected"
            case "b":
                if _send_back(console, store, home, video, pipeline()):
                    return "sent back"
            case "c":
                _print_checks(console, video.checks)
            case "s":
                return "skipped"
            case "q":
                raise _Over
            case _:
                console.print(f"{one_line(answer, longest=40)!r} is not one of the keys", **_PLAIN)


_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}


def _key(answer: str) -> str:
    """Return the key that was meant, or nothing: a word that only begins like one decides nothing."""
    given = answer.lower()
    return next((key for key, words in _KEYS.items() if given in (key, words.split()[0], words)), "")


def _reason(console: Console) -> str:
    """Ask until there is one: a rejection without a reason teaches nothing."""
    while not (reason := _read(console, "why?")):
        console.print("a few words, please: the report counts the reasons", **_PLAIN)
    return reason


def _send_back(console: Console, store: Store, home: Home, video: Waiting, pipeline: Sequence[Step]) -> bool:
    names = [step.name for step in pipeline]
    step = _read(console, f"from which step? {', '.join(names)}")
    if step not in names:
        console.print(f"there is no step {one_line(step, longest=40)!r}", **_PLAIN)
        return False
    try:
        sent = redo(store, home, video, step, _reason(console), pipeline=pipeline)
    except NotFoundError as error:
        console.print(str(error), **_PLAIN)
        return False
    for folder in sent.withdrawn:
        console.print(f"taken out of the pool: {folder}", **_PLAIN)
    console.print(f"runs again: {', '.join(sent.steps)}; make it with: nightreel resume", **_PLAIN)
    return True


def _read(console: Console, question: str) -> str:
    try:
        answer = console.input(f"[dim]{escape(question)}[/] > ").strip()
    except (EOFError, KeyboardInterrupt) as error:
        raise _Over from error
    if not sys.stdin.isatty():
        console.print()  # nobody pressed Enter on this side
    return answer


def _totals(console: Console, counts: Mapping[str, int], *, left: int) -> None:
    words = [f"{counts[name]} {name}" for name in ("approved", "rejected", "sent back") if counts.get(name)]
    decided = counts.get("approved", 0) + counts.get("rejected", 0)
    text = ", ".join(words) if words else "nothing decided"
    if decided:
        text += f"; {counts.get('rejected', 0) / decided:.0%} rejected"
    waits = f"{left} still wait{'s' if left == 1 else ''}" if left else "nothing waits any more"
    console.print(f"{text}; {waits}", highlight=False)

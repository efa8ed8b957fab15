"""How figures read: durations, shares, and the short sentences that the Markdown and the page have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db.states import State
from orchestrator.report.figures import NightFigures


@dataclass(frozen=True)
class Grid:
    """One table of the report: a heading, a sentence, and rows of text."""

    title: str
    lead: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric_from: int = 1  # 0-based: this column and those after it are numbers


def minutes(seconds: float) -> str:
    """Return a duration as the tables show it: 42 s, 3.4 m, 4 h 56 m."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.1f} m"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} m"


def percent(share: float | None) -> str:
    """Return a share for people; a dash for none."""
    return "–" if share is None else f"{share * 100:.1f} %"


def headline(night: NightFigures) -> str:
    """Return the night in one line."""
    made = " + ".join(f"{count} {language.upper()}" for language, count in night.videos.items()) or "none"
    began, ended = night.began.astimezone(), night.ended.astimezone()
    return (
        f"{night.list_name} · {began:%Y-%m-%d %H:%M} → {ended:%H:%M} · "
        f"{len(night.items)} paintings, {sum(night.videos.values())} videos ({made})"
    )


def key_figures(night: NightFigures) -> list[tuple[str, str]]:
    """Return the four figures at the top."""
    return [
        ("total wall-clock", minutes(night.wall_s)),
        ("card compute", minutes(night.card.compute_s)),
        ("card active within prompts", percent(night.card.active)),
        ("videos", str(sum(night.videos.values()))),
    ]


def outcome_words(night: NightFigures) -> str:
    """Return what became of the paintings, as a sentence."""
    parts = [
        f"{night.count(state)} {word}"
        for state, word in (
            (State.COMPLETE, "completed"),
            (State.ABORTED, "turned down"),
            (State.FAILED, "failed"),
            (State.PENDING, "left for the next night"),
            (State.REDO, "sent back"),
            (State.PROCESSING, "under way"),
        )
        if night.count(state)
    ]
    return ", ".join(parts) if parts else "nothing was worked on"


def efficiency_words(night: NightFigures) -> str:
    """Return how busy the cards were, as a sentence."""
    if not night.instances:
        return "No prompt ran on a card."
    cards = len(night.instances)
    return (
        f"The {'card' if cards == 1 else f'{cards} cards'} computed for {minutes(night.card.compute_s)} and stood idle "
        f"before prompts for {minutes(night.card.wait_s)}: {percent(night.card.active)} active within the prompts, "
        f"{percent(night.card_active_of_night)} of the whole night."
    )


def grids(night: NightFigures) -> list[Grid]:
    """Return the tables of the report, in order; empty ones are left out."""
    tables = [_time_by_step(night), _compute_and_wait(night), _bottlenecks(night), _cards(night), _items(night)]
    tables += [_not_made(night), _failures(night)]
    return [table for table in tables if table.rows]


def _time_by_step(night: NightFigures) -> Grid:
    total = sum(step.window_s for step in night.steps)
    rows = [
        (f"{step.number} {step.name}", minutes(step.window_s), percent(step.window_s / total if total else None))
        for step in night.steps
    ]
    return Grid(
        "Time by step", "From the first claim of a step to its last end.", ("step", "wall-clock", "share"), tuple(rows)
    )


def _compute_and_wait(night: NightFigures) -> Grid:
    rows = []
    for step in night.steps:
        wait = minutes(step.share.wait_s) if step.on_card else "–"
        rows.append(
            (
                f"{step.number} {step.name}",
                str(step.runs),
                minutes(step.share.wall_s),
                minutes(step.share.compute_s),
                wait,
                percent(step.share.active) if step.on_card else "–",
                str(step.failed_tries or ""),
            )
        )
    return Grid(
        "Compute against queue wait",
        "Wait is the time for which a card stood idle before a prompt; steps without it run on the CPU.",
        ("step", "runs", "wall-clock", "compute", "queue wait", "active", "failed tries"),
        tuple(rows),
    )


def _bottlenecks(night: NightFigures) -> Grid:
    total = night.card.compute_s
    finished = max(1, night.count(State.COMPLETE))
    rows = [
        (
            str(rank),
            step.name,
            minutes(step.share.compute_s),
            percent(step.share.compute_s / total if total else None),
            minutes(step.share.compute_s / finished),
        )
        for rank, step in enumerate(night.bottlenecks(), 1)
    ]
    columns = ("#", "step", "compute", "of all compute", "a painting")
    return Grid("Top bottlenecks", "", columns, tuple(rows), numeric_from=2)


def _cards(night: NightFigures) -> Grid:
    rows = [
        (name, minutes(share.compute_s), minutes(share.wait_s), percent(share.active))
        for name, share in night.instances.items()
    ]
    return Grid("Cards", "", ("instance", "compute", "queue wait", "active"), tuple(rows))


def _items(night: NightFigures) -> Grid:
    done = sorted(
        (item for item in night.items if item.state is State.COMPLETE), key=lambda item: item.card.wall_s + item.local_s
    )
    rows = [
        (
            str(item.item_id),
            item.title,
            item.artist,
            minutes(item.card.wall_s + item.local_s),
            minutes(item.card.compute_s),
            percent(item.card.active),
            f"{item.longest_step} {minutes(item.longest_s)}",
        )
        for item in done
    ]
    columns = ("item", "painting", "artist", "wall-clock", "compute", "active", "longest step")
    return Grid("Paintings", "Quickest first.", columns, tuple(rows), numeric_from=3)


def _not_made(night: NightFigures) -> Grid:
    rows = [
        (str(item.item_id), item.title, str(item.state), "; ".join(item.reasons) or _last_failure(night, item.item_id))
        for item in night.items
        if item.state is not State.COMPLETE
    ]
    return Grid("Not made, and why", "", ("item", "painting", "state", "why"), tuple(rows), numeric_from=99)


def _last_failure(night: NightFigures, item_id: int) -> str:
    mine = [failure for failure in night.failures if failure.item_id == item_id]
    return f"{mine[-1].step}: {mine[-1].message}" if mine else ""


def _failures(night: NightFigures) -> Grid:
    titles = {item.item_id: item.title for item in night.items}
    rows = [
        (
            titles.get(one.item_id, str(one.item_id)),
            f"{one.step} {one.variant}".strip(),
            one.instance or "cpu",
            one.error_class,
            one.message.splitlines()[0][:200] if one.message else "",
            one.remedy,
        )
        for one in night.failures
    ]
    columns = ("painting", "step", "on", "error", "message", "what followed")
    return Grid("Tries that failed", "", columns, tuple(rows), numeric_from=99)


def rejection_rows(night: NightFigures, *, reviewed: int, rejected: int) -> Sequence[tuple[str, str, str]]:
    """Return the rejection rates: before the cards, after review, and what is left of all that was started."""
    begun = len(night.items)
    turned_down = night.count(State.ABORTED)
    passed = (1 - turned_down / begun) if begun else None
    after = rejected / reviewed if reviewed else None
    overall = None if passed is None or after is None else passed * (1 - after)
    return [
        ("turned down before the cards", f"{turned_down} of {begun}", percent(turned_down / begun if begun else None)),
        ("rejected in review", f"{rejected} of {reviewed}", percent(after)),
        ("came through both", "", percent(overall)),
    ]

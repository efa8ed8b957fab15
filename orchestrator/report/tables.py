"""The tables of the report, as text: the Markdown and the page show the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from db.reviews import ReviewView
from db.states import State
from orchestrator.report.figures import ItemFigures, NightFigures
from orchestrator.report.words import minutes, percent
from orchestrator.wording import counted, one_line

LONGEST_MESSAGE = 300
LONGEST_TITLE = 120
OVERLAP_FROM = 0.01
"""Share of the night from which it is worth saying that steps overlapped: windows touch at their ends in any night."""


class Kind(Enum):
    """What a column holds, which decides how it is set."""

    NUMBER = "number"
    NAME = "name"  # short, never broken
    TEXT = "text"


@dataclass(frozen=True)
class Grid:
    """One table of the report: a heading, a sentence, and rows of text on one line each."""

    title: str
    lead: str
    columns: tuple[tuple[str, Kind], ...]
    rows: tuple[tuple[str, ...], ...]
    reads_as_text: bool = False  # mostly sentences: on a narrow page, a row is set as a paragraph


def grids(night: NightFigures, reviews: Sequence[ReviewView] = ()) -> list[Grid]:
    """Return the tables of the report, in order; empty ones are left out."""
    tables = [_time_by_step(night), _compute_and_wait(night), _bottlenecks(night), _cards(night), _items(night)]
    tables += [_not_made(night), _failures(night), _verdicts(night, reviews), rejection_rates(night, reviews)]
    return [table for table in tables if table.rows]


def _columns(kind: Kind, *names: str) -> tuple[tuple[str, Kind], ...]:
    return tuple((name, kind) for name in names)


_STEP = _columns(Kind.NAME, "step")
_PAINTING = (("item", Kind.NUMBER), ("painting", Kind.TEXT))


def _title(title: str) -> str:
    return one_line(title, longest=LONGEST_TITLE)


def _time_by_step(night: NightFigures) -> Grid:
    rows = [
        (f"{step.number} {step.name}", minutes(step.window_s), percent(_part(step.window_s, night.worked_s)))
        for step in night.steps
    ]
    if rows:
        between = night.between_steps_s
        rows.append(("between steps", minutes(between), percent(_part(between, night.worked_s))))
    lead = "For how long the night was at each step; between them engines start, and restart."
    if night.overlapped_s >= OVERLAP_FROM * night.worked_s > 0:
        lead = (
            "For how long the night was at each step. Steps overlapped, so together they are longer than the night; "
            "between steps nothing was under way."
        )
    return Grid(
        "Time by step",
        lead,
        _STEP + _columns(Kind.NUMBER, "wall-clock", "of the night"),
        tuple(rows),
    )


def _part(seconds: float, whole_s: float) -> float | None:
    return seconds / whole_s if whole_s > 0 else None


def _compute_and_wait(night: NightFigures) -> Grid:
    rows = [
        (
            f"{step.number} {step.name}",
            str(step.runs),
            minutes(step.share.wall_s),
            minutes(step.share.compute_s),
            minutes(step.share.wait_s) if step.on_card else "–",
            percent(step.share.active) if step.on_card else "–",
            str(step.failed_tries or ""),
        )
        for step in night.steps
    ]
    if any(step.on_card for step in night.steps):
        card = night.card
        runs = sum(step.runs for step in night.steps if step.on_card)
        failed = sum(step.failed_tries for step in night.steps if step.on_card)
        total = (minutes(card.wall_s), minutes(card.compute_s), minutes(card.wait_s), percent(card.active))
        rows.append(("all on the cards", str(runs), *total, str(failed or "")))
    return Grid(
        "Compute against queue wait",
        "All runs together. Wait is the time for which a card stood idle before a prompt that was ready; steps without "
        "it run on the CPU.",
        _STEP + _columns(Kind.NUMBER, "runs", "wall-clock", "compute", "queue wait", "active", "failed tries"),
        tuple(rows),
    )


def _bottlenecks(night: NightFigures) -> Grid:
    steps, total = night.bottlenecks(), night.card.compute_s
    rows = [
        (
            str(rank),
            step.name,
            minutes(step.share.compute_s),
            percent(_part(step.share.compute_s, total)),
            minutes(step.share.compute_s / step.items),
            minutes(step.share.compute_s / step.runs),
        )
        for rank, step in enumerate(steps, 1)
    ]
    together = percent(_part(sum(step.share.compute_s for step in steps), total))
    lead = f"Together {together} of all compute on the cards." if len(steps) > 1 else ""
    columns = (("#", Kind.NUMBER), *_STEP, *_columns(Kind.NUMBER, "compute", "of all compute", "a painting", "a run"))
    return Grid("Top bottlenecks", lead, columns, tuple(rows))


def _cards(night: NightFigures) -> Grid:
    rows = [
        (
            one_line(name),
            minutes(share.compute_s),
            minutes(share.wait_s),
            percent(share.active),
            percent(_part(share.compute_s, night.worked_s)),
        )
        for name, share in night.instances.items()
    ]
    columns = _columns(Kind.NAME, "instance") + _columns(
        Kind.NUMBER, "compute", "queue wait", "active", "of the whole night"
    )
    return Grid("Cards", "", columns, tuple(rows) if len(rows) > 1 else ())


def _work_s(item: ItemFigures) -> float:
    return item.card.wall_s + item.local_s


def _items(night: NightFigures) -> Grid:
    done = sorted((item for item in night.items if item.state is State.COMPLETE), key=_work_s)
    rows = [
        (
            str(item.item_id),
            _title(item.title),
            _title(item.artist),
            minutes(_work_s(item)),
            minutes(item.card.compute_s),
            percent(item.card.active),
            f"{item.longest_step} {minutes(item.longest_s)}" if item.longest_step else "–",
        )
        for item in done
    ]
    lead = "The work of all steps and languages, prompts and CPU."
    if len(done) > 1:
        lead += f" Quickest first: from {minutes(_work_s(done[0]))} to {minutes(_work_s(done[-1]))}."
    columns = (
        *_PAINTING,
        ("artist", Kind.TEXT),
        *_columns(Kind.NUMBER, "wall-clock", "compute", "active"),
        ("longest step", Kind.NAME),
    )
    return Grid("Paintings", lead, columns, tuple(rows))


def _not_made(night: NightFigures) -> Grid:
    rows = [
        (str(item.item_id), _title(item.title), str(item.state), _why(night, item), minutes(_work_s(item)))
        for item in night.items
        if item.state is not State.COMPLETE
    ]
    columns = (*_PAINTING, ("state", Kind.NAME), ("why", Kind.TEXT), ("time spent", Kind.NUMBER))
    return Grid("Not made, and why", "", columns, tuple(rows), reads_as_text=True)


def _why(night: NightFigures, item: ItemFigures) -> str:
    if item.reasons:
        return " ".join(sentence(reason) for reason in item.reasons)
    mine = [failure for failure in night.failures if failure.item_id == item.item_id]
    done = f"Done up to {item.reached}." if item.reached else "Nothing was done yet."
    return f"{done} {sentence(f'{mine[-1].step}: {mine[-1].message}')}" if mine else done


def sentence(reason: str) -> str:
    """Return a reason on one line, with exactly one mark at its end.

    >>> sentence("The face is blurred"), sentence("Who is it?"), sentence("No room.;")
    ('The face is blurred.', 'Who is it?', 'No room.')
    """
    text = one_line(reason, longest=LONGEST_MESSAGE).rstrip(".;:, ")
    return text if text.endswith(("?", "!", "…")) else f"{text}."


def _failures(night: NightFigures) -> Grid:
    titles = {item.item_id: item.title for item in night.items}
    rows = [
        (
            str(one.item_id),
            _title(titles.get(one.item_id, "")),
            f"{one.step} {one.variant}".strip(),
            one.instance or "cpu",
            one.error_class,
            one_line(one.message, longest=LONGEST_MESSAGE),
            one.remedy,
        )
        for one in night.failures
    ]
    columns = (
        *_PAINTING,
        *_columns(Kind.NAME, "step", "on", "error"),
        ("message", Kind.TEXT),
        ("what it asks for", Kind.NAME),
    )
    return Grid("Tries that failed", "", columns, tuple(rows), reads_as_text=True)


def _verdicts(night: NightFigures, reviews: Sequence[ReviewView]) -> Grid:
    titles = {item.item_id: item.title for item in night.items}
    rows = [
        (
            str(one.item_id),
            _title(titles.get(one.item_id, "")),
            one.language,
            one.verdict.replace("_", " "),
            one_line(one.reason, longest=LONGEST_MESSAGE),
        )
        for one in reviews
    ]
    columns = (*_PAINTING, *_columns(Kind.NAME, "language", "verdict"), ("why", Kind.TEXT))
    return Grid("Review", "", columns, tuple(rows), reads_as_text=True)


def rejection_rates(night: NightFigures, reviews: Sequence[ReviewView]) -> Grid:
    """Return what was lost before the cards, on the way and in review, and what came through all of it."""
    begun = len(night.items)
    down = [item for item in night.items if item.state is State.ABORTED]
    failed = [item for item in night.items if item.state is State.FAILED]
    decided = [one for one in reviews if one.verdict in ("approved", "rejected")]
    rejected = [one for one in decided if one.verdict == "rejected"]
    back = [one for one in reviews if one.verdict == "sent_back"]
    kept = _part(begun - len(down) - len(failed), begun)
    after = _part(len(rejected), len(decided))
    overall = None if kept is None or after is None else kept * (1 - after)
    rows = [
        _rate("turned down before the cards", len(down), begun, _topics(r for item in down for r in item.reasons)),
        *([_rate("failed on the way", len(failed), begun, "")] if failed else []),
        _rate("rejected in review", len(rejected), len(decided), _topics(one.reason for one in rejected)),
        *([_rate("sent back in review", len(back), len(reviews), _topics(o.reason for o in back))] if back else []),
        ("came through all of it", "", percent(overall), ""),
    ]
    undecided = sum(night.videos.values()) - len(reviews)
    lead = f"{counted(undecided, 'video')} not reviewed yet." if undecided > 0 else ""
    columns = (
        ("stage", Kind.TEXT),
        *_columns(Kind.NUMBER, "how many", "rate"),
        ("most often because", Kind.TEXT),
    )
    return Grid("Rejection rates", lead, columns, tuple(rows) if begun else (), reads_as_text=True)


def _rate(stage: str, count: int, of: int, why: str) -> tuple[str, str, str, str]:
    return stage, f"{count} of {of}", percent(_part(count, of)), why


def _topics(reasons: Iterable[str], most: int = 3) -> str:
    """Return what reasons are about, the most frequent first: the words before what was measured."""
    topics = Counter(one_line(reason.partition(":")[0], longest=60).rstrip(".") for reason in reasons if reason.strip())
    return ", ".join(f"{topic} ({count})" for topic, count in topics.most_common(most))

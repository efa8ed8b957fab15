"""How the videos of a night were made, where there is more than one way, and which checks did not hold.

An encoder that was passed over, captions that were timed without the speech model that is set, sound that had to be
levelled the other way: none of it stops a night, and an owner wants to know of it in the morning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.store import Store
from db.views import AttemptView, ItemView
from orchestrator.report.tables import LONGEST_MESSAGE, Grid, Kind
from orchestrator.wording import one_line

WAYS = (
    ("speech", "audio", "voice"),
    ("captions timed by", "subtitles", "timing"),
    ("encoded with", "final_video", "encoder"),
    ("sound levelled", "final_video", "loudness_mode"),
)
"""What is told: (title, step, key of its data)."""
PASSED_OVER = ("final_video", "encoders_passed_over")


@dataclass(frozen=True)
class Making:
    """What a step run of this night made, as far as nothing has replaced it since."""

    item_id: int
    step: str
    variant: str
    data: Mapping[str, Any]
    checks: tuple[Mapping[str, Any], ...]


def makings(store: Store, items: Sequence[ItemView], attempts: Sequence[AttemptView]) -> Iterator[Making]:
    """Yield what the attempts of a night made and what is still current."""
    complete = {one.attempt_id: one.item_id for one in attempts if one.outcome == "complete"}
    with_something = set(complete.values())
    for item in items:
        if item.item_id not in with_something:
            continue
        rows = store.made(item.item_id)
        current = [one for one in store.current_artifacts(item.item_id) if one.attempt_id in complete]
        for key in dict.fromkeys((one.step, one.variant) for one in current):
            if key in rows:
                yield Making(item.item_id, *key, rows[key].data, rows[key].checks)


def ways_grid(made: Sequence[Making]) -> Grid:
    """Return the table of how things were made, most frequent first; empty when nothing of the kind was made."""
    rows = []
    for title, step, key in WAYS:
        counts = Counter(str(one.data[key]) for one in made if one.step == step and one.data.get(key))
        rows += [(title, one_line(way, longest=LONGEST_MESSAGE), str(count)) for way, count in counts.most_common()]
    step, key = PASSED_OVER
    passed_over = Counter(str(way) for one in made if one.step == step for way in one.data.get(key) or ())
    rows += [
        ("passed over", one_line(way, longest=LONGEST_MESSAGE), str(count)) for way, count in passed_over.most_common()
    ]
    columns = (("", Kind.NAME), ("how", Kind.TEXT), ("times", Kind.NUMBER))
    return Grid("How it was made", "", columns, tuple(rows))


def broken_checks_grid(made: Sequence[Making]) -> Grid:
    """Return the table of checks that did not hold, each once, with the items that it is about."""
    found: dict[tuple[str, str], list[tuple[Making, Mapping[str, Any]]]] = {}
    for one in made:
        for check in one.checks:
            if check.get("passed") is False:
                found.setdefault((one.step, str(check.get("name"))), []).append((one, check))
    rows = []
    for (step, name), hits in found.items():
        where = ", ".join(dict.fromkeys(f"{one.item_id}{f' {one.variant}' if one.variant else ''}" for one, _ in hits))
        _, first = hits[0]
        measured = one_line(str(first.get("measured")), longest=LONGEST_MESSAGE)
        expected = one_line(str(first.get("expected")), longest=LONGEST_MESSAGE)
        more = f" (and {len(hits) - 1} more)" if len(hits) > 1 else ""
        rows.append((step, name, f"{measured}{more}", expected, where))
    columns = (
        ("step", Kind.NAME),
        ("check", Kind.NAME),
        ("found", Kind.TEXT),
        ("expected", Kind.TEXT),
        ("items", Kind.TEXT),
    )
    return Grid("Checks that did not hold", "", columns, tuple(rows), reads_as_text=True)


def plain_makings(made: Sequence[Making]) -> dict[str, list[list[str]]]:
    """Return both tables as JSON values."""
    return {
        "how": [list(row) for row in ways_grid(made).rows],
        "broken_checks": [list(row) for row in broken_checks_grid(made).rows],
    }

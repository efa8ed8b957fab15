"""What the commands print about nights and items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from db.states import State
from db.store import ItemView, Status, Store
from orchestrator.home import Home
from orchestrator.verdicts import find_item
from orchestrator.wording import brief, counted, one_line

if TYPE_CHECKING:
    from orchestrator.night import NightResult
    from orchestrator.report import WrittenReport
    from steps.base import Step

PAINTING_WIDTH = 28  # of 80 columns: a title is known by its beginning, a reason is not
_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
_WIDE: dict[str, Any] = {"highlight": False, "soft_wrap": True}
_COLOURS = {
    State.COMPLETE: "green",
    State.FAILED: "red",
    State.ABORTED: "yellow",
    State.PROCESSING: "cyan",
    State.PENDING: "white",
    State.REDO: "magenta",
}


def print_summary(
    console: Console, store: Store, home: Home, result: NightResult, report: WrittenReport | None
) -> None:
    """Print the end of a night: what came out, what did not and why, and where to look."""
    from orchestrator.report.instances import instance_stories, left_out_words

    batch = store.batch(result.batch_id)
    items = store.items(result.batch_id)
    table = Table(title=f"Night {result.batch_id}: {result.outcome}")
    table.add_column("item", justify="right")
    table.add_column("painting", no_wrap=True, max_width=PAINTING_WIDTH)
    table.add_column("state")
    table.add_column("why, or what came out", overflow="fold")
    for item in items:
        table.add_row(
            str(item.item_id),
            escape(one_line(item.title)),
            f"[{_COLOURS[item.state]}]{item.state}[/]",
            escape(brief(item.reasons) or _what_came_out(store, item)),
        )
    console.print(table)
    videos = [path for item in items for path in _videos(store, home, item)]
    if videos:
        console.print(f"{counted(len(videos), 'video')}:", highlight=False)
    for path in videos:
        console.print(f"  {path}", **_PLAIN)
    for step, reason in result.stopped_steps.items():
        console.print(f"[yellow]step {step} stopped:[/] {escape(one_line(reason))}", highlight=False, soft_wrap=True)
    for words in left_out_words(instance_stories(result.log_path)):
        console.print(f"[yellow]{escape(one_line(words))}[/]", highlight=False, soft_wrap=True)
    if batch.preview:
        console.print("[dim]Previews: made on the CPU by the embedded engines, and marked as such.[/]")
    if result.outcome == "stopped":
        console.print("what is left goes on with: nightreel resume    (or the next night takes it first)", **_PLAIN)
    if report is not None:
        console.print(f"report: {report.html_path}", **_PLAIN)
    console.print(f"log:    {result.log_path}", **_PLAIN)


def _what_came_out(store: Store, item: ItemView) -> str:
    done = sorted(row.variant for row in store.current_artifacts(item.item_id) if row.name == "video")
    return "videos: " + ", ".join(done) if done else ""


def _videos(store: Store, home: Home, item: ItemView) -> list[Path]:
    rows = sorted(store.current_artifacts(item.item_id), key=lambda row: row.variant)
    return [home.artifacts / row.path for row in rows if row.name == "video"]


def print_status(console: Console, found: Status, pipeline: Sequence[Step]) -> None:
    """Print how far everything is; step runs in the order of the pipeline, those of steps that left it last."""
    places = {step.name: place for place, step in enumerate(pipeline)}
    lists = ", ".join(f"{one_line(name)} {count}" for name, count in sorted(found.lists.items()))
    console.print(counted(found.paintings, "painting") + (f" ({lists})" if lists else ""), **_PLAIN)
    if found.open_batch is None:
        console.print("no night is under way", highlight=False)
    else:
        began = found.open_batch.opened_at.astimezone()
        console.print(f"night {found.open_batch.id} is not over; it began {began:%Y-%m-%d %H:%M}", **_PLAIN)
    if not found.items:
        return
    console.print(
        "items: "
        + ", ".join(f"{found.items[state]} [{_COLOURS[state]}]{state}[/]" for state in State if found.items.get(state)),
        highlight=False,
    )
    table = Table("step", *[str(state) for state in State])
    for step in sorted({name for name, _ in found.runs}, key=lambda name: (places.get(name, 999), name)):
        name = step if step in places else f"{step} (left)"
        table.add_row(name, *[str(found.runs.get((step, state), "")) for state in State])
    console.print(table)


def print_working(console: Console, working: Sequence[Mapping[str, Any]]) -> None:
    """Print how far the work on the CPU is; what `progress_below` returns."""
    for one in working:
        share = f"{one['done_s']:.0f} of {one['total_s']:.0f} {one_line(str(one['what']), longest=40)}"
        console.print(f"{one_line(str(one['step']))}: {one_line(str(one['label']))}: {share}", **_PLAIN)


def status_as_json(found: Status) -> dict[str, Any]:
    """Return the status as plain values."""
    runs: dict[str, dict[str, int]] = {}
    for (step, state), count in found.runs.items():
        runs.setdefault(step, {})[str(state)] = count
    return {
        "paintings": found.paintings,
        "lists": dict(found.lists),
        "items": {str(state): count for state, count in found.items.items()},
        "runs": runs,
        "open_night": None if found.open_batch is None else found.open_batch.id,
    }


def describe_item(store: Store, home: Home, item_id: int) -> dict[str, Any]:
    """Return all that is known of an item, as plain values.

    Raises:
        NotFoundError: there is no such item.
    """
    item = find_item(store, item_id)
    return {
        "item": {**asdict(item), "state": str(item.state)},
        "runs": [
            {
                "run_id": run.run_id,
                "step": run.step,
                "variant": run.variant,
                "state": str(run.state),
                "tries": [asdict(attempt) for attempt in store.attempts_of_run(run.run_id)],
            }
            for run in store.runs_of_item(item_id)
        ],
        "artifacts": [
            {**asdict(row), "path": str(home.artifacts / row.path)} for row in store.current_artifacts(item_id)
        ],
    }


def print_item(console: Console, described: dict[str, Any]) -> None:
    """Print what `describe_item` returns."""
    item = described["item"]
    who = f" by {one_line(item['artist'])}" if item["artist"] else ""
    when = f", {item['year']}" if item["year"] else ""
    console.print(f"[bold]item {item['item_id']}: {escape(one_line(item['title']))}[/]{escape(who)}{when}", **_WIDE)
    console.print(f"[{_COLOURS[State(item['state'])]}]{item['state']}[/]", **_WIDE)
    for reason in item["reasons"]:
        console.print(f"  {one_line(reason)}", **_PLAIN)
    table = Table("run", "step", "", "state", "tries", "on", "last error")
    for run in described["runs"]:
        tries = run["tries"]
        last = tries[-1] if tries else {}
        error = next((one["error_message"] for one in reversed(tries) if one["error_message"]), "")
        table.add_row(
            str(run["run_id"]),
            run["step"],
            run["variant"],
            f"[{_COLOURS[State(run['state'])]}]{run['state']}[/]",
            str(len(tries) or ""),
            escape(last.get("instance") or ""),
            escape(one_line(error or "", longest=80)),
        )
    console.print(table)
    for row in described["artifacts"]:
        console.print(f"  {row['path']}", **_PLAIN)

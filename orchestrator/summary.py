"""What the commands print about nights and items."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from orchestrator.night import NightResult
    from orchestrator.report import WrittenReport

_COLOURS = {
    State.COMPLETE: "green",
    State.FAILED: "red",
    State.ABORTED: "yellow",
    State.PROCESSING: "cyan",
    State.PENDING: "white",
    State.REDO: "magenta",
}


def print_summary(console: Console, store: Store, home: Home, result: NightResult, report: WrittenReport) -> None:
    """Print the end of a night: what came out, what did not and why, and where to look."""
    batch = store.batch(result.batch_id)
    items = store.items(result.batch_id)
    table = Table(
        "item", "painting", "state", "why, or what came out", title=f"Night {result.batch_id}: {result.outcome}"
    )
    for item in items:
        table.add_row(
            str(item.item_id),
            escape(item.title[:44]),
            f"[{_COLOURS[item.state]}]{item.state}[/]",
            escape("; ".join(item.reasons) or _what_came_out(store, item)),
        )
    console.print(table)
    videos = [path for item in items for path in _videos(store, home, item)]
    if videos:
        console.print(f"{len(videos)} videos:", highlight=False)
    for path in videos:
        console.print(f"  {path}", highlight=False, soft_wrap=True, markup=False)
    for step, reason in result.stopped_steps.items():
        console.print(f"[yellow]step {step} stopped:[/] {escape(reason)}", highlight=False, soft_wrap=True)
    if batch.preview:
        console.print("[dim]Previews: made on the CPU by the embedded engines, and marked as such.[/]")
    if result.outcome == "stopped":
        console.print(
            "what is left goes on with: nightreel resume    (or the next night takes it first)", highlight=False
        )
    console.print(f"report: {report.html_path}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"log:    {result.log_path}", highlight=False, soft_wrap=True, markup=False)


def _what_came_out(store: Store, item: ItemView) -> str:
    done = sorted(row.variant for row in store.current_artifacts(item.item_id) if row.name == "video")
    return "videos: " + ", ".join(done) if done else ""


def _videos(store: Store, home: Home, item: ItemView) -> list[Path]:
    rows = sorted(store.current_artifacts(item.item_id), key=lambda row: row.variant)
    return [home.artifacts / row.path for row in rows if row.name == "video"]


def print_status(console: Console, found: Status) -> None:
    """Print how far everything is."""
    lists = ", ".join(f"{name} {count}" for name, count in sorted(found.lists.items()))
    console.print(f"{found.paintings} paintings" + (f" ({lists})" if lists else ""), highlight=False)
    if found.open_batch is None:
        console.print("no night is under way", highlight=False)
    else:
        console.print(
            f"night {found.open_batch.id}, begun {found.open_batch.opened_at:%Y-%m-%d %H:%M} UTC", highlight=False
        )
    if not found.items:
        return
    console.print(
        "items: " + ", ".join(f"{count} [{_COLOURS[state]}]{state}[/]" for state, count in found.items.items()),
        highlight=False,
    )
    table = Table("step", *[str(state) for state in State])
    for step in sorted({name for name, _ in found.runs}, key=_step_order):
        table.add_row(step, *[str(found.runs.get((step, state), "")) for state in State])
    console.print(table)


def _step_order(name: str) -> tuple[int, str]:
    from steps.registry import default_steps

    return next(((one.number, name) for one in default_steps() if one.name == name), (99, name))


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
    who = f" by {item['artist']}" if item["artist"] else ""
    when = f", {item['year']}" if item["year"] else ""
    console.print(f"[bold]item {item['item_id']}: {escape(item['title'])}[/]{escape(who)}{when}", highlight=False)
    reasons = ": " + "; ".join(item["reasons"]) if item["reasons"] else ""
    console.print(f"{item['state']}{escape(reasons)}", highlight=False)
    table = Table("step", "", "state", "tries", "on", "last error")
    for run in described["runs"]:
        tries = run["tries"]
        last = tries[-1] if tries else {}
        error = next((one["error_message"] for one in reversed(tries) if one["error_message"]), "")
        table.add_row(
            run["step"],
            run["variant"],
            f"[{_COLOURS[State(run['state'])]}]{run['state']}[/]",
            str(len(tries) or ""),
            last.get("instance") or "",
            escape((error or "").splitlines()[0][:80] if error else ""),
        )
    console.print(table)
    for row in described["artifacts"]:
        console.print(f"  {row['path']}", highlight=False, soft_wrap=True, markup=False)

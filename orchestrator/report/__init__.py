"""The execution report of a night: Markdown, JSON and one HTML page, computed from the attempts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from db.canaries import Canaries
from db.reviews import ReviewView
from db.store import Store
from db.views import ArtifactView, AttemptView, ItemView
from orchestrator.artifacts import write_whole
from orchestrator.clock import SystemClock
from orchestrator.errors import StorageError
from orchestrator.home import Home
from orchestrator.report import markdown, page
from orchestrator.report.canaries import canaries_grid, plain_canaries
from orchestrator.report.figures import VIDEO_STEP, NightFigures, Share, night_figures
from orchestrator.report.history import items_as_left, verdicts_about
from orchestrator.report.instances import instance_stories, plain_stories, restarts_grid
from orchestrator.report.makings import broken_checks_grid, makings, plain_makings, ways_grid
from orchestrator.report.tables import Grid, grids, rejection_rates
from orchestrator.sources import Told, told_by


@dataclass(frozen=True)
class WrittenReport:
    """Where a report lies."""

    markdown_path: Path
    json_path: Path
    html_path: Path


def write_report(store: Store, home: Home, batch_id: int) -> WrittenReport:
    """Compute a night's report and write it; an earlier one of the same night is replaced.

    Raises:
        DatabaseError: there is no such night, or the state cannot be read.
        StorageError: it cannot be written.
    """
    batch = store.batch(batch_id)
    items = items_as_left(store, batch)
    attempts = store.attempts(batch_id)
    figures = night_figures(
        batch,
        items,
        attempts,
        step_numbers={run.step: run.number for run in store.snapshot(batch_id)},
        now=SystemClock().now(),
    )
    reviews = verdicts_about(store, batch_id, attempts)
    stories = instance_stories(home.log_of(batch_id))
    restarts = restarts_grid(stories)
    canaries = Canaries(store.engine).of_batch(batch_id)
    of_instances = [restarts, canaries_grid(canaries)]
    tables = [grid for grid in of_instances if grid.lead]  # what nobody may miss comes first
    tables += grids(figures, reviews)
    tables += [grid for grid in of_instances if grid.rows and not grid.lead]
    made = list(makings(store, items, attempts))
    tables += [grid for grid in (broken_checks_grid(made), ways_grid(made)) if grid.rows]
    folder = home.report_of(batch_id)
    cards = list(_cards(store, home, folder, items, attempts))
    values = {
        **plain(figures, reviews),
        "restarts": plain_stories(stories),
        "canaries": plain_canaries(canaries),
        **plain_makings(made),
    }
    as_json = json.dumps(values, ensure_ascii=False, indent=2, default=str)
    written = WrittenReport(folder / "report.md", folder / "report.json", folder / "report.html")
    texts = {
        written.markdown_path: markdown.render(figures, tables),
        written.json_path: as_json + "\n",
        written.html_path: page.render(figures, tables, cards),
    }
    try:
        for path, text in texts.items():
            write_whole(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise StorageError(
            f"cannot write the report into {folder}: {error.strerror or error}\n"
            f"  nothing of the night is lost; mend it, then: nightreel report {batch_id}"
        ) from error
    return written


def plain(figures: NightFigures, reviews: Sequence[ReviewView]) -> dict[str, Any]:
    """Return a night's figures as JSON values: seconds, shares 0..1, ISO times."""
    return {
        "night": figures.batch_id,
        "list": figures.list_name,
        "outcome": figures.outcome,
        "preview": figures.preview,
        "seed": figures.seed,
        "carried": figures.carried,
        "redone": figures.redone,
        "began": figures.began.isoformat(),
        "ended": figures.ended.isoformat(),
        "wall_s": figures.wall_s,
        "paused_s": figures.paused_s,
        "card": _share(figures.card),
        "card_idle_s": figures.card_idle_s,
        "card_active_of_night": figures.card_active_of_night,
        "videos": dict(figures.videos),
        "steps": [{**asdict(step), "share": _share(step.share)} for step in figures.steps],
        "between_steps_s": figures.between_steps_s,
        "overlapped_s": figures.overlapped_s,
        "instances": {name: _share(share) for name, share in figures.instances.items()},
        "items": [{**asdict(item), "state": str(item.state), "card": _share(item.card)} for item in figures.items],
        "failures": [asdict(failure) for failure in figures.failures],
        "bottlenecks": [step.name for step in figures.bottlenecks()],
        "reviews": [{**asdict(review), "at": review.at.isoformat()} for review in reviews],
        "rejections": _rows(rejection_rates(figures, reviews)),
    }


def _share(share: Share) -> dict[str, float | None]:
    return {"compute_s": share.compute_s, "wait_s": share.wait_s, "wall_s": share.wall_s, "active": share.active}


def _rows(grid: Grid) -> list[list[str]]:
    return [list(row) for row in grid.rows]


def _cards(
    store: Store, home: Home, folder: Path, items: Sequence[ItemView], attempts: Sequence[AttemptView]
) -> Iterator[page.VideoCard]:
    """Yield the videos that this night made and that are still the current ones, by item and language."""
    made = {one.attempt_id: one.item_id for one in attempts if one.step == VIDEO_STEP and one.outcome == "complete"}
    with_video = set(made.values())
    for item in items:
        if item.item_id not in with_video:
            continue
        facts = store.made(item.item_id)
        for language, files in sorted(_videos_of(store, item.item_id, made).items()):
            row = facts.get((VIDEO_STEP, language))
            length = row.data.get("duration_s") if row is not None else None
            thumbnail = home.artifacts / files["thumbnail"].path if "thumbnail" in files else None
            yield page.VideoCard(
                item.item_id,
                item.title,
                language,
                link=_relative_link(home.artifacts / files["video"].path, folder),
                thumbnail=thumbnail,
                thumbnail_link=None if thumbnail is None else _relative_link(thumbnail, folder),
                length_s=float(length) if isinstance(length, int | float) else None,
                told=told_by(script.data) if (script := facts.get(("script", language))) is not None else Told(),
            )


def _videos_of(store: Store, item_id: int, made: Mapping[int, int]) -> dict[str, dict[str, ArtifactView]]:
    """Return the files of an item's videos that these attempts made, by language and artifact name."""
    found: dict[str, dict[str, ArtifactView]] = {}
    for row in store.current_artifacts(item_id):
        if row.attempt_id in made:
            found.setdefault(row.variant, {})[row.name] = row
    return {language: files for language, files in found.items() if "video" in files}


def _relative_link(target: Path, folder: Path) -> str:
    return Path(os.path.relpath(target, folder)).as_posix()

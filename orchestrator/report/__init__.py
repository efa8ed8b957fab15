"""The execution report of a night: Markdown, JSON and one HTML page, computed from the attempts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from db.store import Store
from db.views import ArtifactView
from orchestrator.artifacts import write_whole
from orchestrator.clock import SystemClock
from orchestrator.home import Home
from orchestrator.report import markdown, page
from orchestrator.report.figures import NightFigures, Share, night_figures
from orchestrator.report.words import rejection_rows
from steps.registry import default_steps

VIDEO_STEP = "final_video"


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
    """
    batch = store.batch(batch_id)
    items = store.items(batch_id)
    finished = {item.item_id: _videos_of(store, item.item_id) for item in items}
    figures = night_figures(
        batch,
        items,
        store.attempts(batch_id),
        videos={item_id: sorted(videos) for item_id, videos in finished.items()},
        step_numbers={step.name: step.number for step in default_steps()},
        now=SystemClock().now(),
    )
    reviews = store.reviews(batch_id)
    rejections = rejection_rows(
        figures, reviewed=len(reviews), rejected=sum(1 for review in reviews if review.verdict == "rejected")
    )
    folder = home.report_of(batch_id)
    cards = [
        _card(store, home, folder, figures_title, item_id, language, files)
        for item_id, figures_title, videos in ((one.item_id, one.title, finished[one.item_id]) for one in items)
        for language, files in sorted(videos.items())
    ]
    written = WrittenReport(folder / "report.md", folder / "report.json", folder / "report.html")
    write_whole(written.markdown_path, markdown.render(figures, rejections).encode("utf-8"))
    as_json = json.dumps(plain(figures, rejections), ensure_ascii=False, indent=2, default=str)
    write_whole(written.json_path, as_json.encode("utf-8"))
    write_whole(written.html_path, page.render(figures, rejections, cards).encode("utf-8"))
    return written


def plain(figures: NightFigures, rejections: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Return a night's figures as JSON values: seconds, shares 0..1, ISO times."""
    return {
        "night": figures.batch_id,
        "list": figures.list_name,
        "outcome": figures.outcome,
        "preview": figures.preview,
        "seed": figures.seed,
        "began": figures.began.isoformat(),
        "ended": figures.ended.isoformat(),
        "wall_s": figures.wall_s,
        "card": _share(figures.card),
        "card_active_of_night": figures.card_active_of_night,
        "videos": dict(figures.videos),
        "steps": [{**asdict(step), "share": _share(step.share)} for step in figures.steps],
        "instances": {name: _share(share) for name, share in figures.instances.items()},
        "items": [{**asdict(item), "state": str(item.state), "card": _share(item.card)} for item in figures.items],
        "failures": [asdict(failure) for failure in figures.failures],
        "bottlenecks": [step.name for step in figures.bottlenecks()],
        "rejections": [list(row) for row in rejections],
    }


def _share(share: Share) -> dict[str, float | None]:
    return {"compute_s": share.compute_s, "wait_s": share.wait_s, "wall_s": share.wall_s, "active": share.active}


def _videos_of(store: Store, item_id: int) -> dict[str, dict[str, ArtifactView]]:
    """Return the files of an item's finished videos, by language and artifact name."""
    found: dict[str, dict[str, ArtifactView]] = {}
    for row in store.current_artifacts(item_id):
        if row.step == VIDEO_STEP:
            found.setdefault(row.variant, {})[row.name] = row
    return {language: files for language, files in found.items() if "video" in files}


def _card(
    store: Store,
    home: Home,
    folder: Path,
    title: str,
    item_id: int,
    language: str,
    files: Mapping[str, ArtifactView],
) -> page.VideoCard:
    video = home.artifacts / files["video"].path
    thumbnail = files.get("thumbnail")
    made = store.made(item_id).get((VIDEO_STEP, language))
    length = made.data.get("duration_s") if made is not None else None
    return page.VideoCard(
        item_id,
        title,
        language,
        link=_relative_link(video, folder),
        thumbnail=home.artifacts / thumbnail.path if thumbnail is not None else None,
        length_s=float(length) if isinstance(length, int | float) else None,
    )


def _relative_link(target: Path, folder: Path) -> str:
    import os

    return Path(os.path.relpath(target, folder)).as_posix()

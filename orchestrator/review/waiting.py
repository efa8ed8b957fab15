"""Which videos wait for a person, with everything that the person needs in order to decide; and the three verdicts."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.store import Store
from db.views import ItemView
from orchestrator.home import Home
from orchestrator.review.pool import put_into_pool, take_out_of_pool
from orchestrator.verdicts import find_item, send_back

VIDEO_STEP = "final_video"

POOL_FILES = {
    "video": (VIDEO_STEP, "video"),
    "thumbnail": (VIDEO_STEP, "thumbnail"),
    "metadata": (VIDEO_STEP, "metadata"),
    "captions": ("subtitles", "srt"),
    "captions-styled": ("subtitles", "ass"),
}
"""Name in the pool -> step and artifact."""


@dataclass(frozen=True)
class Waiting:
    """One video that nobody has decided about yet."""

    item: ItemView
    language: str
    sha256: str  # of the video: a verdict is about these very bytes
    files: Mapping[str, Path]  # name in the pool -> file
    script: str
    checks: Sequence[Mapping[str, Any]]  # of all its steps
    facts: Mapping[str, Any]  # what the last step measured

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "item": self.item.item_id,
            "title": self.item.title,
            "language": self.language,
            "video": str(self.files["video"]),
            "script": self.script,
            "checks": [dict(check) for check in self.checks],
            "facts": dict(self.facts),
        }


def waiting_videos(store: Store, home: Home, *, batch_id: int | None = None) -> list[Waiting]:
    """Return the finished videos that no verdict was given about, oldest item first."""
    found = []
    for item_id in store.items_with_artifact(VIDEO_STEP, "video", batch_id=batch_id):
        item = store.item(item_id)
        decided = {(one.language, one.sha256) for one in store.reviews_of_item(item_id)}
        for language in item.languages:
            video = _describe(store, home, item, language)
            if video is not None and (language, video.sha256) not in decided:
                found.append(video)
    return found


def _describe(store: Store, home: Home, item: ItemView, language: str) -> Waiting | None:
    rows = {(row.step, row.name): row for row in store.current_artifacts(item.item_id) if row.variant in ("", language)}
    video = rows.get((VIDEO_STEP, "video"))
    if video is None:
        return None
    files = {name: home.artifacts / rows[where].path for name, where in POOL_FILES.items() if where in rows}
    made = store.made(item.item_id)
    checks = [
        {"step": step, **check}
        for (step, variant), row in sorted(made.items())
        if variant in ("", language)
        for check in row.checks
    ]
    script = made.get(("script", language))
    last = made.get((VIDEO_STEP, language))
    return Waiting(
        item,
        language,
        video.sha256,
        files,
        str(script.data.get("text", "")) if script is not None else "",
        checks,
        last.data if last is not None else {},
    )


def approve(store: Store, home: Home, video: Waiting) -> Path:
    """Put a video into the pool and record the verdict; return its folder there.

    The copy comes first: after a crash in between the video still waits, and approving it again replaces the copy.

    Raises:
        StorageError: it cannot be copied.
    """
    folder = put_into_pool(
        home.pool,
        item_id=video.item.item_id,
        title=video.item.title,
        language=video.language,
        files=video.files,
        facts={**video.as_json(), "approved_by": reviewer(), "sha256": video.sha256},
    )
    _record(store, video, "approved", "")
    return folder


def reject(store: Store, home: Home, video: Waiting, reason: str) -> None:
    """Record that a video is not wanted, and why."""
    take_out_of_pool(home.pool, item_id=video.item.item_id, title=video.item.title, language=video.language)
    _record(store, video, "rejected", reason)


def redo(store: Store, home: Home, video: Waiting, step: str, reason: str) -> list[str]:
    """Send a video back to a step: only its language when the step is made once a language.

    Raises:
        NotFoundError: there is no such step, or the item cannot be sent back as it stands.
    """
    from steps.registry import default_steps

    find_item(store, video.item.item_id)
    per_language = any(one.name == step and one.per_language for one in default_steps())
    steps = send_back(store, video.item.item_id, step, language=video.language if per_language else None, reason=reason)
    take_out_of_pool(home.pool, item_id=video.item.item_id, title=video.item.title, language=video.language)
    _record(store, video, "sent_back", reason)
    return steps


def _record(store: Store, video: Waiting, verdict: str, reason: str) -> None:
    store.add_review(
        video.item.item_id,
        language=video.language,
        sha256=video.sha256,
        verdict=verdict,
        reason=reason,
        reviewer=reviewer(),
    )


def reviewer() -> str:
    """Return who decides: the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def as_json(videos: Sequence[Waiting]) -> str:
    """Return the videos that wait as JSON."""
    return json.dumps([video.as_json() for video in videos], ensure_ascii=False, indent=2, default=str)

"""Which videos wait for a person, with everything that the person needs in order to decide; and the three verdicts."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db.store import Store
from db.views import ItemView, MadeRow
from orchestrator.home import Home
from orchestrator.review.pool import PoolFile, put_into_pool, take_out_of_pool
from orchestrator.sources import Told, told_by
from orchestrator.verdicts import SentBack, send_back
from steps.base import SHARED, Step
from steps.registry import NEEDS, default_steps

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
    files: Mapping[str, PoolFile]  # name in the pool -> file
    script: str
    checks: Sequence[Mapping[str, Any]]  # of all its steps, in their order
    facts: Mapping[str, Any]  # what the last step measured
    own_files: Mapping[str, Path] = field(default_factory=dict)  # "STEP.NAME" -> what the user's own steps made
    told: Told = field(default_factory=Told)  # the script's sentences, and what each rests on
    disagreements: Sequence[str] = ()  # of step 0's witnesses about the painting

    @property
    def video(self) -> Path:
        """The video's file."""
        return self.files["video"].path

    @property
    def sha256(self) -> str:
        """The video's content: a verdict is about these very bytes."""
        return self.files["video"].sha256

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "item": self.item.item_id,
            "title": self.item.title,
            "artist": self.item.artist,
            "year": self.item.year,
            "language": self.language,
            "video": str(self.video),
            "sha256": self.sha256,
            "files": {name: str(file.path) for name, file in self.files.items()},
            "own_files": {name: str(path) for name, path in self.own_files.items()},
            "script": self.script,
            "sentences": self.told.as_json(),
            "checks": [dict(check) for check in self.checks],
            "disagreements": list(self.disagreements),
            "facts": dict(self.facts),
        }


def waiting_videos(store: Store, home: Home, *, batch_id: int | None = None) -> list[Waiting]:
    """Return the finished videos that no verdict was given about, oldest item first; of one night or of all."""
    found = []
    for item_id in store.items_with_artifact(VIDEO_STEP, "video", batch_id=batch_id):
        item = store.item(item_id)
        for language in item.languages:
            if (video := waiting_video(store, home, item_id, language)) is not None:
                found.append(video)
    return found


def waiting_video(store: Store, home: Home, item_id: int, language: str) -> Waiting | None:
    """Return one video, unless a verdict was given about it; None also when it is about to be made again.

    Raises:
        NotFound: there is no such item.
    """
    item = store.item(item_id)
    made = store.made(item_id)
    rows = {(row.step, row.name): row for row in store.current_artifacts(item_id) if row.variant in ("", language)}
    last, video = made.get((VIDEO_STEP, language)), rows.get((VIDEO_STEP, "video"))
    if last is None or video is None:
        return None
    if any((one.language, one.sha256) == (language, video.sha256) for one in store.reviews_of_item(item_id)):
        return None
    script = made.get(("script", language))
    return Waiting(
        item,
        language,
        {
            name: PoolFile(home.artifacts / rows[where].path, rows[where].sha256)
            for name, where in {**POOL_FILES, **_versions(rows)}.items()
            if where in rows
        },
        str(script.data.get("text", "")) if script is not None else "",
        [
            {"step": step, **check}
            for (step, variant), row in made.items()
            if variant in ("", language)
            for check in row.checks
        ],
        last.data,
        {f"{step}.{name}": home.artifacts / row.path for (step, name), row in rows.items() if step not in NEEDS},
        told_by(script.data) if script is not None else Told(),
        _disagreements(made.get(("prepare", SHARED))),
    )


def _disagreements(prepared: MadeRow | None) -> tuple[str, ...]:
    """Return where step 0's witnesses saw different things; a workflow of one's own in its place tells nothing."""
    verdict = prepared.data.get("verdict") if prepared is not None else None
    found = verdict.get("disagreements") if isinstance(verdict, Mapping) else None
    return tuple(str(words) for words in found) if isinstance(found, list) else ()


def _versions(made: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Return the further versions of a video (`final.versions`) among the artifacts, by their names in the pool."""
    return {
        name.replace("_", "-"): (step, name) for step, name in made if step == VIDEO_STEP and name.startswith("video_")
    }


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
        facts={**video.as_json(), "approved_by": reviewer()},
    )
    _record(store, video, "approved", "")
    return folder


def reject(store: Store, home: Home, video: Waiting, reason: str) -> None:
    """Record that a video is not wanted, and why.

    Raises:
        StorageError: an earlier video of the same item and language cannot be taken out of the pool.
    """
    take_out_of_pool(home.pool, item_id=video.item.item_id, title=video.item.title, languages=[video.language])
    _record(store, video, "rejected", reason)


def redo(
    store: Store, home: Home, video: Waiting, step: str, reason: str, *, pipeline: Sequence[Step] | None = None
) -> SentBack:
    """Send a video back to a step: only its language when the step is made once a language.

    What the pool has of it leaves the pool, for all languages that are made again.

    Raises:
        NotFoundError: there is no such step, or the item cannot be sent back as it stands.
        StorageError: the pool cannot be changed; the video is sent back all the same.
    """
    pipeline = default_steps() if pipeline is None else pipeline
    per_language = any(one.name == step and one.per_language for one in pipeline)
    language = video.language if per_language else None
    sent = send_back(store, home, video.item.item_id, step, language=language, reason=reason, pipeline=pipeline)
    _record(store, video, "sent_back", reason)
    return sent


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

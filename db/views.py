"""The frozen values that cross the border of the state layer, so that nobody outside holds a row or a connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.states import State


@dataclass(frozen=True)
class PaintingRow:
    """A painting to be added to the catalogue. All text is data from outside."""

    sha256: str  # of the file's content, hexadecimal: the painting's identity
    path: str  # absolute
    title: str
    artist: str | None = None
    year: int | None = None
    sitter: str | None = None
    licence: str | None = None
    source: str | None = None
    tags: tuple[str, ...] = ()
    width_px: int | None = None
    height_px: int | None = None


@dataclass(frozen=True)
class Added:
    """What became of the paintings that were handed in."""

    added: int
    duplicates: int  # known before, or twice in what was handed in


@dataclass(frozen=True)
class StepSpec:
    """What the state layer needs to know of a step in order to make its runs."""

    name: str
    number: int  # 0-based place in the pipeline
    per_language: bool


@dataclass(frozen=True)
class BatchView:
    """One night."""

    id: int
    seed: int
    list_name: str
    wanted: int  # how many items were asked for
    languages: tuple[str, ...]
    settings: Mapping[str, Any]
    preview: bool
    log_path: str | None
    opened_at: datetime
    closed_at: datetime | None
    outcome: str | None  # "complete", "stopped", "failed"; None while open
    drawn: int  # items new in this batch
    carried: int  # items that an earlier batch left PENDING
    redone: int  # items that were sent back


@dataclass(frozen=True)
class AttemptView:
    """One try of a step run."""

    attempt_id: int
    run_id: int
    item_id: int
    batch_id: int
    step: str
    variant: str
    generation: int
    number: int  # 1-based within the generation, counting all
    instance: str | None
    prompt_id: str | None
    seed: int
    claimed_at: datetime
    queued_at: datetime | None
    started_at: datetime | None  # on the card
    finished_at: datetime | None
    outcome: str | None  # "complete", "failed", "put_back", "aborted"; None while live
    counted: bool
    error_class: str | None
    error_message: str | None
    remedy: str | None
    fallback: str | None = None  # the manifest's rung that this try ran on, to make do with less memory
    rung: str | None = None  # of the ladder of errors: what its failure led to


@dataclass(frozen=True)
class RunView:
    """One step run, with the try that is under way."""

    run_id: int
    item_id: int
    item_state: State
    step: str
    number: int  # 0-based place of the step in the pipeline
    variant: str
    state: State
    generation: int
    attempts_counted: int  # finished attempts of this generation that count against the limit
    retry_at: datetime | None
    live_attempt: AttemptView | None


@dataclass(frozen=True)
class ItemView:
    """One item of a batch, with what is known of its painting."""

    item_id: int
    painting_id: int
    batch_id: int  # that drew it
    origin: str  # "drawn", "carried", "redo": how it came to the batch that was asked about
    state: State
    reasons: tuple[str, ...]  # why it was turned down or failed
    languages: tuple[str, ...]
    sha256: str
    path: str
    title: str
    artist: str | None
    year: int | None
    sitter: str | None
    licence: str | None
    source: str | None
    tags: tuple[str, ...]
    width_px: int | None
    height_px: int | None


@dataclass(frozen=True)
class ArtifactRow:
    """A file that an attempt made, already under its final name."""

    name: str
    path: str  # relative to the root of the artifacts; never one that an earlier attempt used
    sha256: str
    size_bytes: int
    media: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ArtifactView:
    """A file that is known to the state."""

    artifact_id: int
    run_id: int
    attempt_id: int
    step: str
    variant: str
    name: str
    path: str
    sha256: str
    size_bytes: int
    media: Mapping[str, Any] | None
    made_at: datetime
    superseded_at: datetime | None  # None: current


@dataclass(frozen=True)
class MadeRow:
    """What a COMPLETE step run made."""

    files: Mapping[str, str]  # artifact name -> relative path
    data: Mapping[str, Any]
    checks: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Settled:
    """What completing an attempt led to."""

    item_state: State
    superseded_paths: tuple[str, ...]  # relative; nothing current refers to them any more


@dataclass(frozen=True)
class EventView:
    """Something that happened."""

    id: int
    at: datetime
    name: str
    batch_id: int | None
    item_id: int | None
    run_id: int | None
    attempt_id: int | None
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Status:
    """How far everything is."""

    paintings: int
    lists: Mapping[str, int]  # list name -> paintings on it
    items: Mapping[State, int]  # states without items are absent
    runs: Mapping[tuple[str, State], int]  # (step, state) -> step runs
    open_batch: BatchView | None

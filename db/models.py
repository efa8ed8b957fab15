"""The tables, with everything that must never be true as a constraint or a unique index.

    painting ─< painting_list         every known painting; the named lists it is on
       └─ item ─< step_run ─< attempt ─< artifact
            │         └──────────────────────┘
    batch ─< batch_item >─ item       the nights an item took part in
    review                            what a person decided about a video
    placement ── attempt              why an attempt went to the instance that it went to
    phase_time                        how long a workflow was silent in each phase, on each card
    canary                            the small prompt that compares an instance with its last good night
    event                             what happened, in order: every move of a state leaves one
    run_lock                          who drives the instances

Rows are read and written by `db/store.py` only, with statements over these tables. The comments at the indexes say
which question each one answers quickly with a million step runs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, Index, MetaData, Table, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from db.columns import OutsideText, StateValue, UtcDateTime
from db.states import State

# Names are given, never left to the database: a later migration has to be able to say which one it changes.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
STATES_IN_SQL = "state IN ({})".format(", ".join(f"'{state.value}'" for state in State))
OUTCOMES_IN_SQL = "outcome IN ('complete', 'failed', 'put_back', 'aborted')"
CLOSINGS_IN_SQL = "outcome IN ('complete', 'stopped', 'failed')"
VERDICTS_IN_SQL = "verdict IN ('approved', 'rejected', 'sent_back')"
ORIGINS_IN_SQL = "origin IN ('drawn', 'carried', 'redo')"
LIVE = text("outcome IS NULL")
MADE = text("outcome = 'complete'")
CURRENT = text("superseded_at IS NULL")
OPEN = text("closed_at IS NULL")


class Record(SQLModel):
    """What all tables share: one set of names, apart from any other user of SQLModel in the process."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=NAMING)


def _json(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=nullable))


class Painting(Record, table=True):
    """A known painting. The content of its file is its identity."""

    __tablename__ = "painting"

    id: int | None = Field(default=None, primary_key=True)
    sha256: str = Field(max_length=64, unique=True)
    path: str  # of the original file, absolute
    title: str
    artist: str | None = None
    year: int | None = None
    sitter: str | None = None
    licence: str | None = None
    source: str | None = None
    tags: list[str] = _json()
    width_px: int | None = None
    height_px: int | None = None
    added_at: datetime = Field(sa_type=UtcDateTime)


class PaintingList(Record, table=True):
    """A painting on a named list, such as `portraits`."""

    __tablename__ = "painting_list"

    name: str = Field(primary_key=True, max_length=100)
    painting_id: int = Field(primary_key=True, foreign_key="painting.id", index=True)


class Batch(Record, table=True):
    """One night, with the settings and the seed it ran with."""

    __tablename__ = "batch"
    __table_args__ = (
        CheckConstraint(CLOSINGS_IN_SQL, name="outcome"),
        CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="closed"),
        # Which night is unfinished?
        Index("ix_batch_open", "id", sqlite_where=OPEN, postgresql_where=OPEN),
    )

    id: int | None = Field(default=None, primary_key=True)
    seed: int = Field(sa_type=BigInteger)
    list_name: str = Field(max_length=100)
    wanted: int  # how many items were asked for
    languages: list[str] = _json()
    settings: dict[str, Any] = _json()
    preview: bool = False
    log_path: str | None = None
    opened_at: datetime = Field(sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    outcome: str | None = Field(default=None, max_length=10)


class Item(Record, table=True):
    """One painting in the batch that drew it. A painting is used once, whatever becomes of it."""

    __tablename__ = "item"
    __table_args__ = (CheckConstraint(STATES_IN_SQL, name="state"),)

    id: int | None = Field(default=None, primary_key=True)
    painting_id: int = Field(foreign_key="painting.id", unique=True)
    batch_id: int = Field(foreign_key="batch.id", index=True)
    state: State = Field(default=State.PENDING, sa_type=StateValue, index=True)
    reasons: list[str] = _json()
    languages: list[str] = _json()


class BatchItem(Record, table=True):
    """An item that a batch works on, and how it came to it."""

    __tablename__ = "batch_item"
    __table_args__ = (CheckConstraint(ORIGINS_IN_SQL, name="origin"),)

    batch_id: int = Field(primary_key=True, foreign_key="batch.id")
    item_id: int = Field(primary_key=True, foreign_key="item.id", index=True)
    origin: str = Field(max_length=10)
    position: int  # 0-based order of work within the batch


class StepRun(Record, table=True):
    """One step of one item in one variant."""

    __tablename__ = "step_run"
    __table_args__ = (
        UniqueConstraint("item_id", "step", "variant"),
        CheckConstraint(STATES_IN_SQL, name="state"),
        # How far is everything? Answered from this index alone.
        Index("ix_step_run_step_state", "step", "state"),
    )

    id: int | None = Field(default=None, primary_key=True)
    item_id: int = Field(foreign_key="item.id")
    step: str = Field(max_length=40)
    number: int  # 0-based place of the step in the pipeline
    variant: str = Field(default="", max_length=20)
    state: State = Field(default=State.PENDING, sa_type=StateValue)
    generation: int = 0  # one more each time it is sent back
    attempts_counted: int = 0  # finished attempts of this generation that count against the limit
    retry_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    data: dict[str, Any] | None = _json(nullable=True)
    checks: list[dict[str, Any]] | None = _json(nullable=True)


class Attempt(Record, table=True):
    """One try of a step run. It is live until it has an outcome."""

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("run_id", "generation", "number"),
        CheckConstraint(OUTCOMES_IN_SQL, name="outcome"),
        # A run is worked on once at a time; the same index finds what is in flight.
        Index("uq_attempt_live", "run_id", unique=True, sqlite_where=LIVE, postgresql_where=LIVE),
        # How long does a step usually take?
        Index("ix_attempt_made", "step", "id", sqlite_where=MADE, postgresql_where=MADE),
    )

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="step_run.id")
    batch_id: int = Field(foreign_key="batch.id", index=True)
    step: str = Field(max_length=40)  # the run's, repeated here for the index above
    generation: int
    number: int  # 1-based within the generation, counting all
    instance: str | None = None
    prompt_id: str | None = Field(default=None, max_length=100, unique=True)
    seed: int = Field(sa_type=BigInteger)
    claimed_at: datetime = Field(sa_type=UtcDateTime)
    queued_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)  # on the card
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    outcome: str | None = Field(default=None, max_length=10)
    counted: bool = True
    error_class: str | None = Field(default=None, max_length=100)
    error_message: str | None = Field(default=None, sa_type=OutsideText)
    remedy: str | None = Field(default=None, max_length=40)
    fallback: str | None = Field(default=None, max_length=60)  # the manifest's rung that this try ran on
    rung: str | None = Field(default=None, max_length=80)  # of the ladder of errors: what its failure led to


class Artifact(Record, table=True):
    """A checked file that an attempt made. It is current until a later one supersedes it."""

    __tablename__ = "artifact"
    __table_args__ = (
        Index("uq_artifact_current", "run_id", "name", unique=True, sqlite_where=CURRENT, postgresql_where=CURRENT),
    )

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="step_run.id", index=True)
    attempt_id: int = Field(foreign_key="attempt.id", index=True)
    name: str = Field(max_length=60)
    path: str  # relative to the root of the artifacts
    sha256: str = Field(max_length=64)
    size_bytes: int = Field(sa_type=BigInteger)
    media: dict[str, Any] | None = _json(nullable=True)
    made_at: datetime = Field(sa_type=UtcDateTime)
    superseded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Event(Record, table=True):
    """Something that happened. Never changed, never deleted."""

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_batch_id", "batch_id", "id"),
        Index("ix_event_item_id", "item_id", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    name: str = Field(max_length=60)
    batch_id: int | None = Field(default=None, foreign_key="batch.id")
    item_id: int | None = Field(default=None, foreign_key="item.id")
    run_id: int | None = Field(default=None, foreign_key="step_run.id")
    attempt_id: int | None = Field(default=None, foreign_key="attempt.id")
    details: dict[str, Any] = _json()


class Review(Record, table=True):
    """What a person decided about one video. Never changed: a new verdict is a new row."""

    __tablename__ = "review"
    __table_args__ = (
        CheckConstraint(VERDICTS_IN_SQL, name="known_verdict"),
        Index("ix_review_item_id", "item_id", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    item_id: int = Field(foreign_key="item.id")
    language: str = Field(max_length=5)
    sha256: str = Field(max_length=64)  # of the video that was looked at
    verdict: str = Field(max_length=10)
    reason: str = Field(sa_type=OutsideText)
    reviewer: str = Field(sa_type=OutsideText)
    at: datetime = Field(sa_type=UtcDateTime)


class Placement(Record, table=True):
    """Why an attempt went to its instance, and why it waited before."""

    __tablename__ = "placement"

    attempt_id: int = Field(primary_key=True, foreign_key="attempt.id")
    at: datetime = Field(sa_type=UtcDateTime)
    instance: str = Field(max_length=60)
    reasons: dict[str, Any] = _json()


class PhaseTime(Record, table=True):
    """The longest silence of a workflow on a card in one phase (load, sample, decode, save) that ended well."""

    __tablename__ = "phase_time"

    workflow: str = Field(primary_key=True, max_length=200)
    card: str = Field(primary_key=True, max_length=100)
    phase: str = Field(primary_key=True, max_length=10)
    longest_s: float
    samples: int
    at: datetime = Field(sa_type=UtcDateTime)


class Canary(Record, table=True):
    """One run of the small prompt that tells whether an instance is what it was."""

    __tablename__ = "canary"
    __table_args__ = (Index("ix_canary_instance", "instance", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    instance: str = Field(max_length=60)
    batch_id: int | None = Field(default=None, foreign_key="batch.id")
    at: datetime = Field(sa_type=UtcDateTime)
    outcome: str = Field(max_length=10)  # "good", "slow", "differs", "failed"
    seconds: float | None = None
    sha256: str | None = Field(default=None, max_length=64)  # of what it made, decoded
    details: dict[str, Any] = _json()


class RunLock(Record, table=True):
    """Who drives something that only one process may drive."""

    __tablename__ = "run_lock"

    name: str = Field(primary_key=True, max_length=60)
    owner: str
    host: str
    pid: int
    acquired_at: datetime = Field(sa_type=UtcDateTime)
    heartbeat_at: datetime = Field(sa_type=UtcDateTime)


def _table(model: type[Record]) -> Table:
    return Record.metadata.tables[str(model.__tablename__)]


PAINTINGS = _table(Painting)
PAINTING_LISTS = _table(PaintingList)
BATCHES = _table(Batch)
ITEMS = _table(Item)
BATCH_ITEMS = _table(BatchItem)
RUNS = _table(StepRun)
ATTEMPTS = _table(Attempt)
ARTIFACTS = _table(Artifact)
EVENTS = _table(Event)
REVIEWS = _table(Review)
PLACEMENTS = _table(Placement)
PHASE_TIMES = _table(PhaseTime)
CANARIES = _table(Canary)
RUN_LOCKS = _table(RunLock)

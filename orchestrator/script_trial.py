"""Tries step 1 on one painting without a night: the script, what it rests on, and which rule turned down what.

Nothing is written: no home is made, no state is changed. Without a text model in the settings the embedded one answers.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from db.engine import open_database, read
from db.errors import DatabaseError
from db.queries import paintings
from db.scripts import texts_before
from db.store import Store
from db.views import PaintingRow
from orchestrator.clock import SystemClock
from orchestrator.errors import NotFoundError, NotReadyError
from orchestrator.home import Home
from orchestrator.settings import Settings
from orchestrator.sources import Told, told_by
from steps.base import Context, Made, Subject
from steps.errors import BadOutput
from steps.hooks import hook_of
from steps.options import LlmOptions, Past, StepOptions
from steps.script import Attempt, attempt_at
from steps.script_text import folded
from steps.sitter import sitter_of

_ANY_NIGHT = 2**31


@dataclass(frozen=True)
class Wanted:
    """What the person names; None: as the catalogue says."""

    painting: str  # a title of the catalogue, a picture's file, or any title
    artist: str | None = None
    sitter: str | None = None
    year: int | None = None


@dataclass(frozen=True)
class ScriptTrial:
    """What came of it."""

    subject: Subject
    language: str
    attempt: Attempt | None  # None: nothing sound was written
    reasons: tuple[str, ...] = ()  # why not

    @property
    def told(self) -> Told:
        """The script with its sources."""
        return Told() if self.attempt is None else told_by(self.attempt.data())

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        named = {"title": self.subject.title, "artist": self.subject.artist, "year": self.subject.year}
        data = self.attempt.data() if self.attempt is not None else {}
        return named | {"language": self.language, "script": data, "reasons": list(self.reasons)}


def try_script(settings: Settings, wanted: Wanted, *, language: str, seed: int) -> ScriptTrial:
    """Write a script for one painting. Blocks until the model has answered.

    Args:
        settings: From config.yaml.
        wanted: The painting.
        language: "fr" or "en".
        seed: Of the try.

    Raises:
        NotReadyError: the embedded model does not start.
        StepError: no model answers, an archive or a prompt cannot be used.
    """
    store = _store(settings)
    subject = _subject(store, wanted)
    sitter = sitter_of(subject, {})
    with _answering(settings) as llm, tempfile.TemporaryDirectory(prefix="nightreel-") as work:
        options = settings.step_options(preview=False, llm=llm)
        context = Context(
            subject=subject,
            variant=language,
            seed=seed,
            work=Path(work),
            made={"prepare": Made({}, {"sex": sitter.sex, "age": sitter.age})},
            options=options.model_copy(update={"past": _past(store, options), "state_dir": None}),
        )
        try:
            return ScriptTrial(subject, language, attempt_at(context))
        except BadOutput as bad:
            found = bad.facts.get("reasons")
            reasons = tuple(map(str, found)) if isinstance(found, list) else (str(bad),)
            return ScriptTrial(subject, language, None, reasons)


def _store(settings: Settings) -> Store | None:
    """Return the state of the home, if it has one already."""
    database = Home(settings.home).database
    if not database.is_file():
        return None
    try:
        return Store(open_database(database), SystemClock().now, needs={})
    except DatabaseError as error:
        raise NotReadyError(str(error)) from error


def _past(store: Store | None, options: StepOptions) -> Past:
    if store is None:
        return Past()
    limit = options.script.hooks_remembered
    texts = texts_before(store.engine, _ANY_NIGHT, step="script", languages=options.languages, limit=limit)
    return Past(hooks={language: tuple(map(hook_of, found)) for language, found in texts.items()})


def _subject(store: Store | None, wanted: Wanted) -> Subject:
    """Return what is known of the painting: by the catalogue, by the words given, or by the file's name."""
    row = _in_catalogue(store, wanted.painting)
    file = Path(wanted.painting).expanduser()
    title = file.stem.replace("_", " ") if file.is_file() else wanted.painting
    if not title.strip():
        raise NotFoundError("there is no painting without a title; give one, or a picture's file")
    known = Subject(0, title, file)
    if row is not None:
        known = Subject(
            0, row.title, Path(row.path), artist=row.artist, year=row.year, sitter=row.sitter, tags=row.tags
        )
    return replace(
        known,
        artist=wanted.artist or known.artist,
        sitter=wanted.sitter or known.sitter,
        year=wanted.year if wanted.year is not None else known.year,
    )


def _in_catalogue(store: Store | None, named: str) -> PaintingRow | None:
    if store is None:
        return None
    wanted, path = folded(named), str(Path(named).expanduser().absolute())
    with read(store.engine) as conn:
        rows = paintings(conn)
    same = [row for row in rows if row.path == path or folded(row.title) == wanted]
    return next(iter(same or [row for row in rows if wanted and wanted in folded(row.title)]), None)


@contextmanager
def _answering(settings: Settings) -> Iterator[LlmOptions]:
    """Yield the language models; the embedded one runs meanwhile where no text model is named."""
    if settings.llm.text.url is not None:
        yield settings.llm
        return
    command = [sys.executable, "-P", "-m", "orchestrator.embedded.llm", "--port", "0", "--idle-exit-s", "120"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as server:
        try:
            line = server.stdout.readline().split() if server.stdout is not None else []
            if line[:1] != ["ready"]:
                raise NotReadyError("the embedded language model does not start; `nightreel doctor` may say why")
            text = settings.llm.text.model_copy(update={"url": line[1]})
            yield settings.llm.model_copy(update={"text": text})
        finally:
            server.terminate()

"""One step run: claim, execute elsewhere, store, move. The only part of a night that writes states of step runs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from db.engine import read
from db.errors import StaleRun
from db.store import ArtifactRow, AttemptView, BatchView, ItemView, MadeRow, RunView, Store
from db.tries import runs_that_failed
from orchestrator.artifacts import ArtifactStore, Stored, item_folder, run_folder
from orchestrator.clock import Clock
from orchestrator.engines.base import Execution, Task
from orchestrator.errors import StorageError
from orchestrator.home import Home
from orchestrator.ladder import Card, Situation, Trial, Whereabouts, fallback_of, seeds_asked, whereabouts
from orchestrator.log import Logger
from orchestrator.remedies import Decision, Verdict, decide, derive_seed, jitter_of
from orchestrator.settings import RetrySettings
from steps.base import SHARED, Context, EngineKind, Made, Step, Subject
from steps.errors import Remedy
from steps.options import StepOptions


class Runner:
    """Moves the step runs of one batch. All methods may be called from any thread."""

    def __init__(
        self,
        store: Store,
        home: Home,
        batch: BatchView,
        *,
        steps: Sequence[Step],
        options: StepOptions,
        retry: RetrySettings,
        clock: Clock,
        log: Logger,
    ) -> None:
        self._store = store
        self._home = home
        self._batch = batch
        self._steps = {step.name: step for step in steps}
        self._options = options
        self._retry = retry
        self._clock = clock
        self._log = log
        self._artifacts = ArtifactStore(home.artifacts)
        self._items: dict[int, ItemView] = {item.item_id: item for item in store.items(batch.id)}

    def knows(self, step: str) -> bool:
        """Tell whether a step is in tonight's pipeline."""
        return step in self._steps

    def label(self, run: RunView) -> str:
        """Name a run for people."""
        title = self._items[run.item_id].title
        return f"{title} ({run.variant})" if run.variant else title

    def claim(self, run: RunView, *, instance: str | None, placement: Mapping[str, Any] | None = None) -> Task | None:
        """Claim a run for an instance (None: for the CPU); None when somebody else moved it first.

        The prompt id is made and stored here, before anything is sent anywhere, and with it why that instance was
        chosen (`placement`).
        """
        prompt_id = str(uuid4()) if self._steps[run.step].engine is EngineKind.COMFYUI else None
        trials = self._trials(run)
        try:
            attempt = self._store.claim(
                run.run_id,
                batch_id=self._batch.id,
                instance=instance,
                prompt_id=prompt_id,
                seed=self._seed_after(run, trials),
                fallback=fallback_of(trials),
                placement=placement,
            )
        except StaleRun:
            self._log.info("run.stale", run_id=run.run_id, step=run.step)
            return None
        self._log.info(
            "run.claimed", run_id=run.run_id, attempt_id=attempt.attempt_id, step=run.step, instance=instance
        )
        try:
            return self.task(run, attempt)
        except StaleRun as error:
            self._store.put_back(attempt.attempt_id, reason=str(error))
            self._log.info("run.stale", run_id=run.run_id, step=run.step, reason=str(error))
            return None

    def task(self, run: RunView, attempt: AttemptView) -> Task:
        """Describe an attempt for an engine. Its work folder is made, and emptied.

        Raises:
            StaleRun: what the run needs is being made again.
            StorageError: there is no work folder to be had.
        """
        try:
            context = self._context(run, attempt)
        except OSError as error:
            raise StorageError(f"cannot make a folder in {self._home.work}: {error.strerror or error}") from error
        return Task(
            attempt_id=attempt.attempt_id,
            run_id=run.run_id,
            step=run.step,
            context=context,
            label=self.label(run),
            instance=attempt.instance,
            prompt_id=attempt.prompt_id,
        )

    def seed_of(self, run: RunView) -> int:
        """Return the seed of a run's next try: another one after each try that asked for it."""
        return self._seed_after(run, self._trials(run))

    def whereabouts(self, runs: Sequence[RunView], cards: Sequence[Card]) -> dict[int, Whereabouts]:
        """Return where those runs of a step may go that failed tonight, by run: what their tries so far ask for."""
        if not runs:
            return {}
        with read(self._store.engine) as conn:
            failed = runs_that_failed(conn, self._batch.id, step=runs[0].step)
        return {run.run_id: whereabouts(self._trials(run), cards) for run in runs if run.run_id in failed}

    def _seed_after(self, run: RunView, trials: Sequence[Trial]) -> int:
        sha256 = self._items[run.item_id].sha256
        asked = seeds_asked(trials)
        return derive_seed(self._batch.seed, sha256, run.step, run.variant, run.generation, asked)

    def _trials(self, run: RunView) -> list[Trial]:
        """Return the tries of a run that have ended, in its generation."""
        return [
            Trial(one.instance, one.remedy, one.rung, one.counted)
            for one in self._store.attempts_of_run(run.run_id)
            if one.generation == run.generation and one.outcome is not None
        ]

    def finish(self, run: RunView, task: Task, execution: Execution) -> bool:
        """Store what an attempt made, and move the run. False when somebody else moved it first.

        Raises:
            StepError: the files cannot be stored.
        """
        result = execution.result
        stored: tuple[Stored, ...] = ()
        try:
            if result.turned_down:
                self._store.turn_down(
                    task.attempt_id,
                    reasons=list(result.turned_down),
                    data=dict(result.data),
                    checks=[asdict(check) for check in result.checks],
                )
                self._log.info("run.turned_down", run_id=run.run_id, item_id=run.item_id, reasons=result.turned_down)
                return True
            item = self._items[run.item_id]
            folder = item_folder(item.batch_id, item.item_id, item.title)
            stored = self._artifacts.take(
                result.files,
                folder=f"{folder}/{run_folder(run.number, run.step, run.variant, run.generation)}",
                work=task.context.work,
            )
            settled = self._store.complete(
                task.attempt_id,
                artifacts=[ArtifactRow(one.name, one.path, one.sha256, one.size_bytes, None) for one in stored],
                data=dict(result.data),
                checks=[asdict(check) for check in result.checks],
                started_at=execution.started_at,
                finished_at=execution.finished_at,
            )
        except StaleRun:
            self._log.info("run.stale", run_id=run.run_id, step=run.step)
            self._discard(stored, item_id=run.item_id)
            return False
        finally:
            self.clean(task)
        for path in settled.superseded_paths:
            self._artifacts.remove(path)
        self._log.info("run.completed", run_id=run.run_id, attempt_id=task.attempt_id, step=run.step)
        return True

    def failed(
        self,
        run: RunView,
        task: Task,
        error: Exception,
        *,
        again: bool = True,
        cards: Sequence[Card] = (),
        fallbacks: Sequence[str] = (),
        suspected: bool = False,
    ) -> Decision:
        """Record a failed try and decide what follows.

        Args:
            run: The run as it was when it was claimed.
            task: The try that failed.
            error: Carries `remedy`, and `counted` when it does not speak against the item.
            again: Whether another try may follow tonight; without it a retry is put off to another night.
            cards: The instances in use.
            fallbacks: Those that the manifest of the step's workflow declares, in order.
            suspected: Whether the item itself is at fault.
        """
        remedy = getattr(error, "remedy", Remedy.RETRY)
        decision = decide(
            remedy,
            counted=bool(getattr(error, "counted", True)),
            situation=Situation(self._trials(run), task.instance, cards, fallbacks),
            policy=self._retry,
            suspected=suspected,
            jitter=jitter_of(task.context.seed),
        )
        facts = {"error_class": type(error).__name__, "message": str(error), "remedy": str(remedy)}
        rung = decision.label
        try:
            if decision.verdict is Verdict.FAIL:
                self._store.fail(task.attempt_id, **facts, rung=rung)
            else:
                retry_at = self._clock.now() + timedelta(seconds=decision.delay_s) if again else None
                self._store.retry(task.attempt_id, **facts, rung=rung, retry_at=retry_at, counted=decision.counted)
        except StaleRun:
            self._log.info("run.stale", run_id=run.run_id, step=run.step)
            return decision
        finally:
            self.clean(task)
        event = "run.failed" if decision.verdict is Verdict.FAIL else "run.retry_scheduled"
        self._log.warning(
            event, run_id=run.run_id, attempt_id=task.attempt_id, step=run.step, instance=task.instance, **facts
        )
        return decision

    def put_back(self, run: RunView, task: Task, reason: str) -> None:
        """Give a run back that was cut short through no fault of its own."""
        try:
            self._store.put_back(task.attempt_id, reason=reason)
            self._log.info("run.put_back", run_id=run.run_id, attempt_id=task.attempt_id, reason=reason)
        except StaleRun:
            self._log.info("run.stale", run_id=run.run_id, step=run.step)
        finally:
            self.clean(task)

    def clean(self, task: Task) -> None:
        """Remove an attempt's work folder."""
        shutil.rmtree(task.context.work, ignore_errors=True)

    def _discard(self, stored: Sequence[Stored], *, item_id: int) -> None:
        """Remove files that came too late, unless whoever was first stored the same ones."""
        current = {row.path for row in self._store.current_artifacts(item_id)} if stored else set()
        for one in stored:
            if one.path not in current:
                self._artifacts.remove(one.path)

    def _context(self, run: RunView, attempt: AttemptView) -> Context:
        item = self._items[run.item_id]
        step = self._steps[run.step]
        return Context(
            subject=Subject(
                item_id=item.item_id,
                title=item.title,
                painting=Path(item.path),
                artist=item.artist,
                year=item.year,
                sitter=item.sitter,
                licence=item.licence,
                tags=tuple(item.tags),
            ),
            variant=run.variant,
            seed=attempt.seed,
            work=self._home.work_of(attempt.attempt_id),
            made=self._made(run, step, self._store.made(run.item_id)),
            options=self._options,
            fallback=attempt.fallback,
            last_try=sum(trial.counted for trial in self._trials(run)) + 1 >= self._retry.attempts,
        )

    def _made(self, run: RunView, step: Step, rows: Mapping[tuple[str, str], MadeRow]) -> dict[str, Made]:
        made = {}
        for need in step.needs:
            variant = run.variant if self._steps[need].per_language else SHARED
            row = rows.get((need, variant))
            if row is None:
                raise StaleRun(f"run {run.run_id}: what {need} makes for it is being made again")
            files = {name: self._artifacts.absolute(path) for name, path in row.files.items()}
            made[need] = Made(files=files, data=row.data or {})
        return made

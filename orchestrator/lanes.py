"""The threads of a step: slots on ComfyUI instances, workers on the CPU, and collectors behind the slots.

A slot claims a run, uploads, submits and waits; when its prompt ends, a collector fetches and checks the outputs while
the slot goes on to the next run. With two slots an instance, the next prompt is in the server's queue before the
current one ends, so the card never waits for us.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial

from db.errors import DatabaseError
from db.phases import PhaseTimeStore
from db.placements import Placements
from db.store import RunView, Store
from orchestrator.clock import Clock
from orchestrator.comfyui.errors import ComfyUIError, PromptLost, Stopped
from orchestrator.comfyui.replies import HistoryEntry
from orchestrator.comfyui.workflow import Workflow
from orchestrator.earlier import Earlier, event_of, find_earlier, tell, unseen
from orchestrator.engines.base import Execution, Task, Tick
from orchestrator.engines.local import Desk, PromptEngine
from orchestrator.fleet import Fleet, Instance
from orchestrator.log import Logger
from orchestrator.observer import Observer
from orchestrator.phases import PhaseTimes
from orchestrator.placement import Placement
from orchestrator.remedies import Breaker
from orchestrator.runner import Runner
from orchestrator.stepqueue import NO_INSTANCE, StepQueue
from orchestrator.stopping import Either, StopSignal
from orchestrator.suspicion import Suspicion
from orchestrator.treating import NightParts, StepOutcome, Treating, cards_of
from steps.base import ComfyStep, LocalStep
from steps.errors import WorkStopped

__all__ = ["Adopted", "Drive", "Lanes", "StepOutcome", "StopSignal"]


@dataclass(frozen=True)
class Adopted:
    """A prompt that outlived a crash: it is waited for instead of sent."""

    run: RunView
    task: Task
    entry: HistoryEntry | None = None  # when it only has to be collected


@dataclass
class Lanes:
    """Drives one step run after another for all items of a step, on every instance at once."""

    store: Store
    fleet: Fleet
    runner: Runner
    clock: Clock
    log: Logger
    observer: Observer
    stop: StopSignal
    desk: Desk
    queue_depth: int
    same_reason: int
    suspicion: Suspicion = field(default_factory=Suspicion)  # of the whole night
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def placement(self, step: str, workflow: Workflow) -> Placement:
        """Return who decides where the runs of a ComfyUI step go, and tell it of the step."""
        self.fleet.expect(step, workflow, usual=Placements(self.store.engine).seconds_by_instance(step))
        return self.fleet.cards

    @cached_property
    def phases(self) -> PhaseTimes:
        """Return how long prompts may be silent, by what earlier ones took."""
        return PhaseTimes(PhaseTimeStore(self.store.engine, self.clock.now))

    def run_local_step(self, step: LocalStep, runs: Sequence[RunView], *, may_start: _MayStart) -> StepOutcome:
        """Run a step on the CPU for all items. Blocks until the step is over."""
        names = [f"cpu{number}" for number in range(self.desk.lanes(step))]
        queue = StepQueue(runs, clock=self.clock, workers=names, may_start=may_start, stop=self.stop.finish)
        drive = Drive(self, queue, Breaker(self.same_reason))
        threads = [
            threading.Thread(target=drive.local_lane, args=(step, name), name=f"{step.name}-{name}") for name in names
        ]
        return self._join(drive, threads)

    def run_comfy_step(
        self,
        step: ComfyStep,
        workflow: Workflow,
        runs: Sequence[RunView],
        *,
        adopted: Sequence[Adopted],
        may_start: _MayStart,
    ) -> StepOutcome:
        """Run a step on the instances for all items. Blocks until the step is over."""
        instances = self.fleet.usable()
        names = [instance.name for instance in instances]
        stranded = [one for one in adopted if one.task.instance not in names]
        for one in stranded:
            self.runner.put_back(one.run, one.task, "its instance was set aside")
        runs = [*(one.run for one in stranded), *runs]
        if not instances:
            return StepOutcome(f"{NO_INSTANCE}: {self.fleet.why_none_is_left()}")
        queue = StepQueue(
            runs,
            clock=self.clock,
            workers=names,
            may_start=may_start,
            stop=self.stop.finish,
            whereabouts=self.runner.whereabouts(runs, cards_of(self.fleet)),
            placement=self.placement(step.name, workflow),
        )
        drive = Drive(self, queue, Breaker(self.same_reason))
        threads = []
        for instance in instances:
            engine = self.engine(step, workflow, instance, drive)
            mine = [one for one in adopted if one.task.instance == instance.name]
            for one in mine:
                queue.adopt(one.run, instance.name)
            for slot in range(max(self.queue_depth, len(mine))):
                first = mine[slot] if slot < len(mine) else None
                threads.append(
                    threading.Thread(
                        target=drive.slot,
                        args=(engine, instance, first),
                        name=f"{step.name}-{instance.name}-{slot}",
                    )
                )
        return self._join(drive, threads)

    def engine(self, step: ComfyStep, workflow: Workflow, instance: Instance, drive: Drive) -> PromptEngine:
        """Return what runs the prompts of a step on an instance, and tells the drive of them."""
        drive.treating.fall_back_on([rung.name for rung in workflow.manifest.fallbacks])
        limits = partial(
            self.phases.of_prompt,
            workflow.manifest.name,
            instance.name,
            timing=workflow.manifest.timing,
            boot=lambda: instance.treated,
        )
        return PromptEngine(step, workflow, instance.session, drive, limits)

    def _join(self, drive: Drive, threads: Sequence[threading.Thread]) -> StepOutcome:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        drive.collectors.shutdown(wait=True)
        if drive.crash is not None:
            raise drive.crash
        reason = drive.outcome.stopped_because or drive.queue.stopped_because
        if reason == NO_INSTANCE:
            reason = f"{reason}: {self.fleet.why_none_is_left()}"
        drive.outcome.stopped_because = reason
        return drive.outcome


_MayStart = Callable[[RunView, int], bool]


class Drive:
    """One step being driven. Also the listener of its engines."""

    def __init__(self, lanes: Lanes, queue: StepQueue, breaker: Breaker) -> None:
        self.lanes = lanes
        self.queue = queue
        self.outcome = StepOutcome()
        self.crash: BaseException | None = None  # the database is gone, or a defect: the night cannot go on
        self.collectors = ThreadPoolExecutor(max_workers=8, thread_name_prefix="collect")
        parts = NightParts(
            lanes.fleet,
            lanes.runner,
            lanes.log,
            lanes.observer,
            lanes.stop,
            lanes.suspicion,
            cooled=lanes.phases.cooled,
        )
        self.treating = Treating(parts, queue, self.outcome, breaker)

    # --- lanes -------------------------------------------------------------------------------------------------

    def local_lane(self, step: LocalStep, name: str) -> None:
        """Work on the CPU until the step is over. Blocks."""
        with self._guard():
            self._work_locally(step, name)

    def slot(self, engine: PromptEngine, instance: Instance, first: Adopted | None) -> None:
        """Work on an instance until the step is over for it, beginning with a prompt that it has already. Blocks."""
        with self._guard():
            self._work_on_card(engine, instance, first)

    def run_locally(self, step: LocalStep, run: RunView) -> None:
        """Run what was taken out of the queue. Blocks."""
        with self._guard():
            self._run_locally(step, run)

    def await_adopted(self, engine: PromptEngine, instance: Instance, adopted: Adopted) -> None:
        """Wait for a prompt that was sent before, and take nothing else. Blocks."""
        with self._guard():
            self.lanes.observer.run_started(adopted.task)
            self._go_on(engine, instance, adopted)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """End the step for all lanes when one of them breaks: nobody is left to settle its run."""
        try:
            yield
        except BaseException as error:
            self.crash = self.crash or error
            self.lanes.log.error("defect", exc_info=error)
            self.queue.stop(f"{type(error).__name__}: {error}")

    def _work_locally(self, step: LocalStep, name: str) -> None:
        while (run := self.queue.take(name)) is not None:
            self._run_locally(step, run)

    def _run_locally(self, step: LocalStep, run: RunView) -> None:
        task = self._claim(run, instance=None)
        if task is None:
            return
        try:
            execution = self.lanes.desk.run(step, task, clock=self.lanes.clock, listener=self)
            self._store(run, task, lambda: execution)
        except DatabaseError:
            raise
        except WorkStopped as error:
            self.lanes.runner.put_back(run, task, str(error))
            self.queue.settled(run.run_id)
            self.lanes.observer.run_finished(task, "put back")
        except Exception as error:
            self.treating.treat(run, task, error, instance=None, seen=0)

    def _work_on_card(self, engine: PromptEngine, instance: Instance, first: Adopted | None) -> None:
        if first is not None:
            self.lanes.observer.run_started(first.task)
            self._go_on(engine, instance, first)
        while instance.set_aside is None and (run := self.queue.take(instance.name)) is not None:
            self._try(engine, instance, run)
        if instance.set_aside is not None:
            self.queue.forget_worker(instance.name)

    def _try(self, engine: PromptEngine, instance: Instance, run: RunView) -> None:
        """Work on a run: by the prompt of an earlier try, if one can still be had, else by a new one."""
        try:
            earlier = self._earlier(engine, instance, run)
        except ComfyUIError as error:
            task = self._claim(run, instance=instance.name)
            if task is not None:
                self._fail(run, task, error, instance=instance, seen=instance.treated)
            return
        home = instance if earlier is None else earlier.instance
        task = self._claim(run, instance=home.name)
        if task is None:
            return
        if earlier is None:
            self._play(engine, instance, run, task, submit=True)
            return
        task = replace(task, prompt_id=earlier.prompt_id)
        self._tell(event_of(earlier.sighting), task)
        resumed = replace(engine, session=home.session)
        self._go_on(resumed, home, Adopted(run, task, earlier.sighting.collectable))

    def _earlier(self, engine: PromptEngine, instance: Instance, run: RunView) -> Earlier | None:
        """Return the prompt of an earlier try of a run that ended unseen and can be had instead of a new one."""
        tries = self.lanes.store.attempts_of_run(run.run_id)
        if not tries:
            return None
        open_ended = unseen(tries, generation=run.generation, seed=self.lanes.runner.seed_of(run))
        return find_earlier(
            open_ended, here=instance, fleet=self.lanes.fleet, workflow=engine.workflow, log=self.lanes.log
        )

    def _go_on(self, engine: PromptEngine, instance: Instance, adopted: Adopted) -> None:
        """Wait for a prompt that was sent before, or collect it at once."""
        if adopted.entry is None:
            self._play(engine, instance, adopted.run, adopted.task, submit=False)
        else:
            self._hand_over(engine, instance, adopted.run, adopted.task, adopted.entry, instance.treated)

    def _play(self, engine: PromptEngine, instance: Instance, run: RunView, task: Task, *, submit: bool) -> None:
        seen = instance.treated
        stop = Either(self.lanes.stop.now, instance.leave)
        try:
            if submit:
                engine.submit(task, stop=stop)
                self.sent(task, self.lanes.clock.now())
            entry = engine.wait(task, stop=stop)
        except Stopped:
            self.treating.drop(instance, run, task)
        except DatabaseError:
            raise  # it says nothing of the prompt, which the instance keeps for the next start
        except Exception as error:
            self._fail(run, task, error, instance=instance, seen=seen)
        else:
            self._hand_over(engine, instance, run, task, entry, seen)

    def _hand_over(
        self, engine: PromptEngine, instance: Instance, run: RunView, task: Task, entry: HistoryEntry, seen: int
    ) -> None:
        self.queue.left_card(run.run_id)
        self.collectors.submit(self._collect, engine, instance, run, task, entry, seen)

    def _collect(
        self, engine: PromptEngine, instance: Instance, run: RunView, task: Task, entry: HistoryEntry, seen: int
    ) -> None:
        with self._guard():
            try:
                self._store(run, task, lambda: engine.collect(task, entry))
                if entry.is_salvaged:
                    self._tell("attempt.salvaged", task)
            except DatabaseError:
                raise
            except Exception as error:
                self._fail(run, task, error, instance=instance, seen=seen)

    def _fail(self, run: RunView, task: Task, error: Exception, *, instance: Instance, seen: int) -> None:
        if self._has_ended(task):  # its item was aborted, and its prompt withdrawn: nobody is to blame
            self.lanes.runner.put_back(run, task, "its item was aborted")
            self.queue.settled(run.run_id)
            self.lanes.observer.run_finished(task, "put back")
            return
        if isinstance(error, PromptLost):
            self._tell("attempt.lost", task)
        self.treating.treat(run, task, error, instance=instance, seen=seen)

    def _has_ended(self, task: Task) -> bool:
        """Tell whether somebody else has ended a try meanwhile."""
        tries = self.lanes.store.attempts_of_run(task.run_id)
        return any(one.attempt_id == task.attempt_id and one.outcome is not None for one in tries)

    def _tell(self, event: str | None, task: Task) -> None:
        """Write down what became of a prompt whose end nobody saw."""
        if event is not None and self.lanes.stop.abandoned is None:
            tell(
                event,
                store=self.lanes.store,
                log=self.lanes.log,
                attempt_id=task.attempt_id,
                run_id=task.run_id,
                item_id=task.context.subject.item_id,
                instance=task.instance,
                prompt_id=task.prompt_id,
            )

    # --- one run -----------------------------------------------------------------------------------------------

    def _claim(self, run: RunView, *, instance: str | None) -> Task | None:
        task = self.lanes.runner.claim(run, instance=instance, placement=self.queue.why(run.run_id))
        if task is None:
            self.queue.settled(run.run_id)
        else:
            self.lanes.observer.run_started(task)
        return task

    def _store(self, run: RunView, task: Task, execute: Callable[[], Execution]) -> None:
        execution = execute()
        if self.lanes.stop.abandoned is not None:
            return
        self.lanes.runner.finish(run, task, execution)
        self.treating.succeeded(run, task)
        self.queue.settled(run.run_id)
        self.lanes.observer.run_finished(task, "turned down" if execution.result.turned_down else "done")

    # --- listener ----------------------------------------------------------------------------------------------

    def sent(self, task: Task, at: datetime) -> None:
        """Note when a prompt was sent."""
        self.lanes.store.note_sent(task.attempt_id, at)

    def started(self, task: Task, at: datetime) -> None:
        """Note when a try began."""
        self.lanes.store.note_started(task.attempt_id, at)

    def progress(self, task: Task, tick: Tick) -> None:
        """Pass on how far a prompt is."""
        if tick.maximum > 1 and tick.value > 0:  # it computes: a loader has no steps
            self.lanes.fleet.cards.progressed(task.run_id)
        self.lanes.observer.run_progress(task, tick)

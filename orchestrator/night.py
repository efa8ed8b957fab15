"""One night, readable top to bottom: open → for each step: every item → restart → next → close → report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from db.errors import StaleItem
from db.placements import Placements
from db.states import State
from db.store import BatchView, RunView, Store
from orchestrator.artifacts import ArtifactStore
from orchestrator.canary_round import CanaryRound
from orchestrator.clock import Clock, SystemClock
from orchestrator.comfyui.errors import WorkflowError
from orchestrator.comfyui.workflow import Workflow
from orchestrator.drawing import NightRequest, coming_id, open_batch
from orchestrator.engines.cpu import CpuShare
from orchestrator.engines.local import Desk
from orchestrator.errors import NightRunningError, NotReadyError
from orchestrator.fleet import Fleet, Instance
from orchestrator.home import Home
from orchestrator.lanes import Adopted, Lanes, StepOutcome
from orchestrator.log import Logger, NightLog
from orchestrator.mending import mend, sweep
from orchestrator.nightlock import hold_lock
from orchestrator.observer import Observer, Quiet, Shielded, StepOverview
from orchestrator.opening import open_store
from orchestrator.overlap import Overlap, Policy
from orchestrator.past import with_past
from orchestrator.pipeline import pipeline_of
from orchestrator.recovery import of_step, recover
from orchestrator.restarts import Restarts
from orchestrator.runner import Runner
from orchestrator.scheduler import ready, will_finish
from orchestrator.settings import Settings
from orchestrator.stepqueue import ASKED_TO_STOP, OUT_OF_TIME
from orchestrator.stopping import StopSignal
from steps.base import ComfyStep, LocalStep, Step

__all__ = ["Night", "NightRequest", "NightResult", "load_workflows", "run_night"]


@dataclass(frozen=True)
class NightResult:
    """How the night went."""

    batch_id: int
    outcome: str  # "complete", "failed" or "stopped"
    stopped_steps: Mapping[str, str]  # step -> why it was stopped for all: something is wrong
    log_path: Path
    cut_short: Mapping[str, str] = field(default_factory=dict)  # step -> why it was left: no time, or a person's wish


def run_night(
    settings: Settings,
    request: NightRequest,
    *,
    stop: StopSignal | None = None,
    observer: Observer | None = None,
    clock: Clock | None = None,
    steps: Sequence[Step] | None = None,
) -> NightResult:
    """Run one night from the draw to the last step. Blocks until it is over.

    Args:
        settings: From config.yaml.
        request: What to do tonight.
        stop: Asks the night to end early.
        observer: Who is told how it goes.
        clock: The time; the real one if absent.
        steps: Another pipeline than that of the settings, in order.

    Raises:
        NightreelError: nothing can be done, with the reason and the exit code.
    """
    clock = clock or SystemClock()
    stop = stop or StopSignal()
    pipeline = tuple(steps or pipeline_of(settings))
    workflows = load_workflows(pipeline)
    home, store = open_store(settings, clock=clock, steps=pipeline)
    with ExitStack() as stack:
        stack.enter_context(hold_lock(store, lost=stop.abandon))
        night_log = NightLog(home.log_of(coming_id(store, resume=request.resume)))
        stack.callback(night_log.close)
        log = night_log.logger()
        fleet = stack.enter_context(Fleet(settings, home, clock=clock, log=log, stop=stop.finish))

        def night_of(batch: BatchView) -> Night:
            return Night(
                store,
                home,
                settings,
                batch,
                steps=pipeline,
                workflows=workflows,
                fleet=fleet,
                clock=clock,
                log=log,
                observer=Shielded(observer or Quiet(), log),
                stop=stop,
                deadline=request.stop_by,
            )

        unfinished = store.unfinished_batch()
        if unfinished is not None and not request.resume:
            night_of(unfinished).wind_up()
            if stop.finish.is_set():  # draw nothing only to leave it
                return NightResult(unfinished.id, "stopped", {}, home.log_of(unfinished.id))
        batch, resumed = open_batch(store, settings, request, steps=pipeline, preview=fleet.preview, log=log)
        night = night_of(batch)
        outcome = night.run(resumed=resumed)
    return NightResult(
        batch.id, outcome, dict(night.stopped_steps), home.log_of(batch.id), cut_short=dict(night.cut_short)
    )


def load_workflows(steps: Sequence[Step]) -> dict[str, Workflow]:
    """Read the workflow of every step that has one, by the step's name.

    Raises:
        NotReadyError: some cannot be used; all of them are listed.
    """
    workflows: dict[str, Workflow] = {}
    problems = []
    for step in steps:
        if isinstance(step, ComfyStep):
            try:
                workflows[step.name] = Workflow.load(step.workflow)
            except WorkflowError as error:
                problems.append(f"  - step {step.name}: {error}")
    if problems:
        raise NotReadyError("the workflows cannot be used like this:\n" + "\n".join(problems))
    return workflows


class Night:
    """One batch, from where it stands to its end."""

    def __init__(
        self,
        store: Store,
        home: Home,
        settings: Settings,
        batch: BatchView,
        *,
        steps: Sequence[Step],
        workflows: Mapping[str, Workflow],
        fleet: Fleet,
        clock: Clock,
        log: Logger,
        observer: Observer,
        stop: StopSignal,
        deadline: datetime | None,
    ) -> None:
        self.stopped_steps: dict[str, str] = {}
        self.cut_short: dict[str, str] = {}
        self._store = store
        self._home = home
        self._settings = settings
        self._batch = batch
        self._artifacts = ArtifactStore(home.artifacts)
        self._fleet = fleet
        self._clock = clock
        self._log = log
        self._observer = observer
        self._stop = stop
        self._deadline = deadline
        self._steps = steps
        self._workflows = workflows
        local = settings.local
        share = CpuShare.of(
            local.cores,
            niceness=local.niceness,
            time_limit_factor=local.time_limit_factor,
            feeds_cards=bool(settings.comfyui.instances),
        )
        self._desk = Desk(local.workers, settings.llm, share=share, stop=stop.now)
        self._runner = Runner(
            store,
            home,
            batch,
            steps=self._steps,
            options=with_past(
                settings.step_options(preview=fleet.preview, llm=fleet.llm_options(), night=f"{home.root}#{batch.id}"),
                store,
                batch,
            ),
            retry=settings.retry,
            clock=clock,
            log=log,
        )
        self._restarts = Restarts(
            fleet,
            settings.comfyui,
            clock,
            log,
            attempts=lambda: store.attempts(batch.id),
            usual=Placements(store.engine).seconds_by_instance,
        )
        self._lanes = Lanes(
            store=store,
            fleet=fleet,
            runner=self._runner,
            clock=clock,
            log=log,
            observer=observer,
            stop=stop,
            desk=self._desk,
            queue_depth=settings.comfyui.queue_depth,
            same_reason=settings.retry.same_reason,
        )

    def run(self, *, resumed: bool = False) -> str:
        """Bring every item as far as it gets tonight. Returns the batch's outcome.

        Raises:
            NightRunningError: another night took over while this process slept.
        """
        runs = {run.run_id: run for run in self._snapshot()}
        adopted = self._recover(runs)
        self._observer.night_started(self._batch.id, len({run.item_id for run in runs.values()}), resumed=resumed)
        self._mend()
        self._restarts.begin(self._workflows.values())
        self._sing()
        if self._settings.overlap:
            self._overlap(adopted)
            return self._close(is_open=False)
        last_comfy: Step | None = None
        for step in self._steps:
            waiting = ready(self._snapshot(), step)
            mine = of_step(adopted, step.name)
            if not waiting and not mine:
                continue
            if isinstance(step, ComfyStep):
                # A restart would lose the prompts that outlived a crash, those of later steps too.
                if last_comfy is not None and not adopted:
                    self._restart_between(last_comfy, step, waiting)
                last_comfy = step
            outcome = self._run_step(step, waiting, mine)
            adopted = [one for one in adopted if one not in mine]
            if outcome.stopped_because in (ASKED_TO_STOP, OUT_OF_TIME):
                self.cut_short[step.name] = outcome.stopped_because
            elif outcome.stopped_because is not None:
                self.stopped_steps[step.name] = outcome.stopped_because
            self._require_ours()
            if self._stop.finish.is_set() or outcome.stop_night:
                break
        return self._close(is_open=bool(adopted))

    def _overlap(self, adopted: Sequence[Adopted]) -> None:
        """All steps at once, each card and the CPU at what is ready for them."""
        policy = Policy(self._snapshot, self._expected_s, self._may_start, self._arrive)
        overlapped = Overlap(self._lanes, self._steps, self._workflows, policy).run(adopted)
        self.stopped_steps.update(overlapped.stopped)
        self.cut_short.update(overlapped.cut_short)
        self._require_ours()

    def wind_up(self) -> None:
        """Collect what an unfinished batch still has in flight, and close it: a new night takes over the rest."""
        runs = {run.run_id: run for run in self._snapshot()}
        adopted = self._recover(runs)
        for step in self._steps:
            if mine := of_step(adopted, step.name):
                self._run_step(step, [], mine)
                self._require_ours()
        sweep(self._store, self._artifacts, self._batch.id)
        self._store.close_batch(self._batch.id, "stopped")

    def _recover(self, runs: Mapping[int, RunView]) -> list[Adopted]:
        return recover(
            self._store,
            self._home,
            runs,
            fleet=self._fleet,
            runner=self._runner,
            workflows=self._workflows,
            log=self._log,
        )

    def _mend(self) -> None:
        """Have made again what the disk lost, and remove what a crash left of earlier redos."""
        sweep(self._store, self._artifacts, self._batch.id)
        for item, row in mend(self._store, self._artifacts, self._batch.id, steps=self._steps, log=self._log):
            self._observer.note(f"{item.title}: {row.path} is gone or damaged, and is made again")

    def _sing(self) -> None:
        """Run the canaries; the embedded engines are our own and need none."""
        wanted = self._settings.comfyui.canary
        listed = [instance for instance in self._fleet.usable() if not instance.preview]
        if wanted == "off" or not listed or self._stop.finish.is_set():
            return
        CanaryRound(
            store=self._store,
            fleet=self._fleet,
            clock=self._clock,
            log=self._log,
            observer=self._observer,
            batch_id=self._batch.id,
            song=self._workflows.get(wanted),
            options=self._settings.step_options(preview=self._fleet.preview, llm=self._fleet.llm_options()),
            timeout_s=self._settings.comfyui.ready_timeout_s,
            stop=self._stop.finish,
        ).run(listed)

    def _require_ours(self) -> None:
        """Go no further when another night holds the lock. Its engines are left to it."""
        if self._stop.abandoned is not None:
            self._fleet.leave_engines()
            self._log.error("night.stopped_now", reason=self._stop.abandoned)
            raise NightRunningError(self._stop.abandoned)

    def _run_step(self, step: Step, waiting: Sequence[RunView], adopted: Sequence[Adopted]) -> StepOutcome:
        """One step for all items that are ready for it: the barrier is the end of this function."""
        expected = self._expected_s(step)
        lanes = self._desk.lanes(step) if isinstance(step, LocalStep) else max(1, len(self._fleet.usable()))
        self._observer.step_started(
            StepOverview(
                step.name,
                step.number,
                step.title,
                len(waiting) + len(adopted),
                len(self._steps),
                None if expected is None else expected * (len(waiting) + len(adopted)) / lanes,
            )
        )
        self._log.info("step.started", step=step.name, runs=len(waiting), adopted=len(adopted))
        started = self._clock.monotonic()
        if isinstance(step, ComfyStep):
            self._restarts.expect(self._workflows[step.name])
            self._fleet.clear_cards(step.name, self._workflows[step.name], self._fleet.usable())
            outcome = self._lanes.run_comfy_step(
                step, self._workflows[step.name], waiting, adopted=adopted, may_start=self._may_start(expected)
            )
        else:
            assert isinstance(step, LocalStep)
            self._fleet.revive_llm()
            problem = self._fleet.servers.before_asking(step)
            may_start = self._may_start(expected)
            outcome = (
                StepOutcome(problem) if problem else self._lanes.run_local_step(step, waiting, may_start=may_start)
            )
        self._log.info("step.finished", step=step.name, seconds=round(self._clock.monotonic() - started, 3))
        self._observer.step_finished(step.name)
        return outcome

    def _restart_between(self, before: Step, after: Step, waiting: Sequence[RunView]) -> None:
        """The hook between two ComfyUI steps: the only reliable cure for memory that creeps over hours."""
        wanted = self._restarts.are_planned and not self._stop.finish.is_set()
        if wanted and self._may_start(self._expected_s(after))(waiting[0], 0):
            self._restarts.expect(self._workflows[after.name])
            self._restarts.between(before.name, after.name, coming=len(waiting))

    def _arrive(self, instance: Instance, step: Step, before: Step | None, coming: int) -> None:
        """The same for one idle card, in a night whose steps overlap; without `before` its models stay."""
        self._restarts.expect(self._workflows[step.name], on=instance)
        wanted = self._restarts.are_planned and not self._stop.finish.is_set()
        fits = will_finish(self._clock.now(), expected_s=self._expected_s(step) or 0.0, deadline=self._deadline)
        if before is not None and wanted and fits:
            self._restarts.between_on(instance, before.name, step.name, coming=coming)
        self._fleet.clear_cards(step.name, self._workflows[step.name], [instance])

    def _expected_s(self, step: Step) -> float | None:
        measured = self._store.typical_seconds(step.name)
        if measured is not None:
            return measured
        workflow = self._workflows.get(step.name)
        return workflow.manifest.timing.expected_s if workflow is not None else None

    def _may_start(self, expected_s: float | None) -> Callable[[RunView, int], bool]:
        def may_start(run: RunView, ahead: int) -> bool:
            whole_s = (expected_s or 0.0) * (ahead + 1)  # an instance works on one prompt after the other
            if will_finish(self._clock.now(), expected_s=whole_s, deadline=self._deadline):
                return True
            if ahead == 0:
                self._log.info("night.deadline", step=run.step, expected_s=expected_s)
            return False

        return may_start

    def _snapshot(self) -> list[RunView]:
        return self._store.snapshot(self._batch.id)

    def _close(self, *, is_open: bool) -> str:
        """Settle what can be settled, give back the rest, and close the batch unless it goes on.

        Args:
            is_open: Prompts that outlived a crash were not waited for: the batch stays open, so that the next start
                collects them.
        """
        in_flight = {attempt.item_id for attempt in self._store.in_flight(self._batch.id)}
        states = [self._settle(item.item_id, in_flight=in_flight) for item in self._store.items(self._batch.id)]
        if any(state in (State.PENDING, State.REDO, State.PROCESSING) for state in states):
            outcome = "stopped"
        elif State.FAILED in states:
            outcome = "failed"
        else:
            outcome = "complete"
        if outcome == "stopped" and (is_open or self._stop.finish.is_set()):
            return outcome  # a person stopped it: the batch stays open for `nightreel resume`
        self._store.close_batch(self._batch.id, outcome)
        self._log.info("night.closed", batch_id=self._batch.id, outcome=outcome)
        return outcome

    def _settle(self, item_id: int, *, in_flight: Collection[int]) -> State:
        state = self._store.settle_item(item_id)
        if state is not State.PROCESSING or item_id in in_flight:
            return state
        with suppress(StaleItem):  # a person aborted it at this very moment
            self._store.put_back_item(item_id)  # the night ended first: no item is left half-way
        return self._store.item(item_id).state

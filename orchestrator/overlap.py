"""A night whose steps overlap: a thread a card goes where the plan says, and the CPU takes whatever is ready.

Still step by step on every card: it stays with the models that it has loaded until nothing is left for them, and is
restarted only when it changes them. What the plan is, `planning.py` says; what is left, `board.py`; how one step run
is driven, `lanes.py`, as in strict order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from db.store import RunView
from orchestrator.board import Board, Sources
from orchestrator.comfyui.workflow import Workflow
from orchestrator.fleet import Instance
from orchestrator.lanes import Adopted, Drive, Lanes
from orchestrator.observer import StepOverview
from orchestrator.openqueue import OpenQueue
from orchestrator.planning import Kind, Plan, StepShape
from orchestrator.remedies import Breaker
from orchestrator.servers.turns import Turns
from orchestrator.stepqueue import ASKED_TO_STOP, NO_INSTANCE, OUT_OF_TIME, POLL_S
from orchestrator.treating import cards_of
from steps.base import ComfyStep, LocalStep, Step

LOOK_EVERY_S = 1.0
"""How soon something is noticed that another process did: an item aborted, or sent back."""
REST_FACTOR = 4.0
"""Looking at a large night takes a while: it rests so many times as long before the next look."""
NIGHT_ENDED = "the night was ended"


@dataclass(frozen=True)
class Policy:
    """What the night decides for its steps."""

    read: Callable[[], list[RunView]]  # all runs of the night
    expected_s: Callable[[Step], float | None]  # what a run usually takes
    may_start: Callable[[float | None], Callable[[RunView, int], bool]]  # of that many seconds
    arrive: Callable[[Instance, Step, Step | None, int], None]
    """What is done to an idle instance before it works at a step: told the step after which it is to load other models,
    and how many runs it may expect."""


@dataclass
class Overlapped:
    """How the steps went."""

    stopped: dict[str, str] = field(default_factory=dict)  # step -> why: something is wrong
    cut_short: dict[str, str] = field(default_factory=dict)  # step -> why: no time, or a person's wish


def models_of(step: Step, workflows: Mapping[str, Workflow]) -> str | None:
    """Return what a card loads for a step, the same for steps with the same files; None for one without a card.

    A workflow that names no files is taken to have its own.
    """
    if step.name not in workflows:
        return None
    files = sorted(f"{one.folder}/{one.file}" for one in workflows[step.name].manifest.needs.models)
    return "\n".join(files) or f"step {step.name}"


class Overlap:
    """Drives all steps of one night at once."""

    def __init__(self, lanes: Lanes, steps: Sequence[Step], workflows: Mapping[str, Workflow], policy: Policy) -> None:
        self._lanes = lanes
        self._steps = {step.name: step for step in steps}
        self._workflows = workflows
        self._policy = policy
        self._changed = threading.Condition()
        self._crash: BaseException | None = None
        self._is_over = False
        self._begun: dict[str, float] = {}  # step -> since when, monotonic seconds
        self._telling = threading.Lock()
        self._board = Board(
            clock=lanes.clock,
            changed=self._changed,
            shapes=[StepShape(one.name, one.number, one.needs, models_of(one, workflows)) for one in steps],
            sources=Sources(
                runs=policy.read,
                seconds=lambda step: policy.expected_s(self._steps[step]),
                whereabouts=lambda runs: lanes.runner.whereabouts(runs, cards_of(lanes.fleet)),
                cards=self._cards,
                refuses=lambda step, card: self._queue(step).refuses(step, card),
            ),
            workers=lanes.desk.workers,
        )
        self._drives = {step.name: self._drive(step) for step in steps}
        self._turns = Turns(lanes.fleet.servers, steps, self._changed)

    def _drive(self, step: Step) -> Drive:
        workflow = self._workflows.get(step.name)
        queue = OpenQueue(
            clock=self._lanes.clock,
            changed=self._changed,
            cards=self._cards,
            may_leave=self._may_leave,
            may_start=lambda run, ahead: self._policy.may_start(self._board.estimated_s(run.step))(run, ahead),
            released=self._board.note,
            stop=self._lanes.stop.finish,
            placement=None if workflow is None else self._lanes.placement(step.name, workflow),
        )
        self._board.queues[step.name] = queue
        drive = Drive(self._lanes, queue, Breaker(self._lanes.same_reason))
        if workflow is not None:
            drive.treating.fall_back_on([rung.name for rung in workflow.manifest.fallbacks])
        return drive

    def run(self, adopted: Sequence[Adopted]) -> Overlapped:
        """Bring every item as far as it gets. Blocks until nothing is left, or the night is asked to stop.

        Args:
            adopted: Prompts that outlived a crash, waited for on the instance that has each.
        """
        instances = self._lanes.fleet.usable()
        names = {instance.name for instance in instances}
        for one in adopted:
            if one.task.instance not in names:
                self._lanes.runner.put_back(one.run, one.task, "its instance was set aside")
        threads = [
            threading.Thread(
                target=self._conduct,
                args=(instance, [one for one in adopted if one.task.instance == instance.name]),
                name=f"card-{instance.name}",
            )
            for instance in instances
        ]
        threads += [
            threading.Thread(target=self._work_locally, args=(name, steps), name=name)
            for name, steps in self._local_lanes().items()
        ]
        if self._turns.are_taken:
            threads.append(threading.Thread(target=self._take_turns, name="turns"))
        self._adopt(adopted, names)
        self._look()
        for thread in threads:
            thread.start()
        try:
            self._keep_looking()
        finally:
            for thread in threads:
                thread.join()
            for drive in self._drives.values():
                drive.collectors.shutdown(wait=True)
        if self._crashed() is None:
            self._look()
        if (crash := self._crashed()) is not None:
            raise crash
        return self._conclude()

    # --- the board -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        try:
            self._board.look()
        except BaseException as error:  # the threads must hear of it, whatever it is
            self._give_up(error)

    def _keep_looking(self) -> None:
        """Keep the board up to date until nothing is left."""
        clock = self._lanes.clock
        while not self._is_closing():
            began = clock.monotonic()
            self._look()
            self._end_what_cannot_go_on()
            self._finish_steps()
            if self._board.is_over():
                break
            took_s = clock.monotonic() - began
            self._board.wait_for_change(LOOK_EVERY_S)
            clock.wait(self._lanes.stop.finish, min(LOOK_EVERY_S, REST_FACTOR * took_s))
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        if self._crashed() is not None or any(drive.outcome.stop_night for drive in self._drives.values()):
            self._stop_all(NIGHT_ENDED)

    def _end_what_cannot_go_on(self) -> None:
        """End the steps for which there is work, and no card that could ever do it."""
        left = self._board.outlook()
        names = self._cards()
        for name, drive in self._drives.items():
            if isinstance(self._steps[name], LocalStep) or not left[name].ready or left[name].active:
                continue
            if not names:
                drive.queue.stop(f"{NO_INSTANCE}: {self._lanes.fleet.why_none_is_left()}")
            elif reason := self._queue(name).why_hopeless(names):
                drive.queue.stop(reason)

    def _stop_all(self, reason: str) -> None:
        for drive in self._drives.values():
            drive.queue.stop(reason)

    def _give_up(self, error: BaseException) -> None:
        """End everything: the database is gone, or a defect."""
        self._crash = self._crash or error
        self._lanes.log.error("defect", exc_info=error)
        self._stop_all(f"{type(error).__name__}: {error}")

    def _crashed(self) -> BaseException | None:
        return self._crash or next((drive.crash for drive in self._drives.values() if drive.crash is not None), None)

    def _is_closing(self) -> bool:
        """Tell whether nothing new is begun."""
        if self._is_over or self._lanes.stop.finish.is_set() or self._crash is not None:
            return True
        return any(drive.crash is not None or drive.outcome.stop_night for drive in self._drives.values())

    def _cards(self) -> list[str]:
        return [instance.name for instance in self._lanes.fleet.usable()]

    # --- cards -----------------------------------------------------------------------------------------------------

    def _conduct(self, instance: Instance, adopted: Sequence[Adopted]) -> None:
        """Take one card from step to step until the night is over."""
        try:
            self._take_up(instance, adopted)
            self._turns.card_ends(instance.name)
            while not self._is_closing() and instance.set_aside is None:
                if not self._turns.card_begins(instance.name) or not self._go_on(instance):
                    with self._changed:
                        self._changed.wait(POLL_S)
        except BaseException as error:
            self._give_up(error)
        finally:
            self._board.leave(instance.name)

    def _adopt(self, adopted: Sequence[Adopted], names: set[str]) -> None:
        """Count what is under way already, before anything is planned: its cards are where it is."""
        for one in sorted(adopted, key=lambda one: one.run.number, reverse=True):
            if one.task.instance in names and one.task.instance is not None:
                self._queue(one.task.step).adopt(one.run, one.task.instance)
                self._board.place(one.task.instance, one.task.step)
                self._turns.occupy(one.task.instance)

    def _take_up(self, instance: Instance, adopted: Sequence[Adopted]) -> None:
        """Wait for the prompts that outlived a crash, and go on with the step of the first. No restart before."""
        at = self._board.where(instance.name)
        if not adopted or at is None:
            return
        of_others = [one for one in adopted if one.task.step != at]
        threads = [
            threading.Thread(target=self._await, args=(instance, one), name=f"adopted-{one.task.attempt_id}")
            for one in of_others
        ]
        for thread in threads:
            thread.start()
        self._visit(instance, self._steps[at], [one for one in adopted if one.task.step == at])
        for thread in threads:
            thread.join()
        for step in {one.task.step for one in of_others}:
            self._settle(instance, step)
            self._queue(step).part(instance.name)

    def _await(self, instance: Instance, adopted: Adopted) -> None:
        step = self._steps[adopted.task.step]
        assert isinstance(step, ComfyStep)
        self._begin(step)
        drive = self._drives[step.name]
        drive.await_adopted(self._lanes.engine(step, self._workflows[step.name], instance, drive), instance, adopted)

    def _go_on(self, instance: Instance) -> bool:
        """Have a card do what is planned for it; False when that is nothing."""
        try:
            before = self._board.where(instance.name)
            plan = self._board.decide(instance.name)
            if plan.step is not None:
                self._go(instance, before, plan)
            return plan.step is not None
        finally:
            self._turns.card_ends(instance.name)

    def _go(self, instance: Instance, before: str | None, plan: Plan) -> None:
        assert plan.kind is Kind.GO
        assert plan.step is not None
        step = self._steps[plan.step]
        if before != plan.step:
            self._lanes.log.info("card.moved", instance=instance.name, before=before, step=step.name, reason=plan.why)
        stays = before is None or self._board.share_models(before, step.name)
        coming = -(-self._board.outlook()[step.name].left // max(1, len(self._cards())))
        self._policy.arrive(instance, step, None if stays or before is None else self._steps[before], coming)
        if instance.set_aside is None:
            self._visit(instance, step, [])

    def _visit(self, instance: Instance, step: Step, adopted: Sequence[Adopted]) -> None:
        """Have a card work at a step for as long as the plan leaves it there."""
        assert isinstance(step, ComfyStep)
        self._begin(step)
        drive, queue = self._drives[step.name], self._queue(step.name)
        engine = self._lanes.engine(step, self._workflows[step.name], instance, drive)
        queue.join(instance.name)
        slots = [
            threading.Thread(
                target=drive.slot,
                args=(engine, instance, adopted[slot] if slot < len(adopted) else None),
                name=f"{step.name}-{instance.name}-{slot}",
            )
            for slot in range(max(self._lanes.queue_depth, len(adopted)))
        ]
        for thread in slots:
            thread.start()
        for thread in slots:
            thread.join()
        self._settle(instance, step.name)
        queue.part(instance.name)

    def _settle(self, instance: Instance, step: str) -> None:
        """Block until nothing of a step is this card's any more: a restart would lose what is being fetched from it."""
        queue = self._queue(step)
        with self._changed:
            while queue.holds(instance.name) and self._crashed() is None and self._lanes.stop.abandoned is None:
                self._changed.wait(POLL_S)

    def _may_leave(self, card: str) -> bool:
        """Tell whether a card that found nothing at its step should go elsewhere. Called under the lock."""
        if self._is_closing() or self._turns.is_wanted(card):
            return True
        plan = self._board.plan(card)
        return plan.kind is not Kind.STAY and plan.step != self._board.where(card)

    def _queue(self, step: str) -> OpenQueue:
        return self._board.queues[step]

    # --- the CPU ---------------------------------------------------------------------------------------------------

    def _local_lanes(self) -> dict[str, list[LocalStep]]:
        """Return the threads for steps without a card, by name: those that wait for a server have threads of their own.

        A worker that waited with them would be missed where there is work for the CPU.
        """
        local = sorted(
            (step for step in self._steps.values() if isinstance(step, LocalStep)), key=lambda step: step.number
        )
        asking = [step for step in local if step.asks]
        desk = self._lanes.desk
        lanes = {f"cpu{number}": [one for one in local if not one.asks] for number in range(desk.workers)}
        at_once = max((desk.lanes(step) for step in asking), default=0)
        return lanes | {f"ask{number}": asking for number in range(at_once)}

    def _work_locally(self, name: str, local: Sequence[LocalStep]) -> None:
        """Take what is ready of some steps without a card, the lower number first, until the night is over."""
        for step in local:
            self._queue(step.name).join(name)
        try:
            while not self._is_closing():
                found = self._next_local(local, name)
                if found is not None:
                    step, run = found
                    try:
                        self._begin(step)
                        self._drives[step.name].run_locally(step, run)
                    finally:
                        self._turns.asking_ends(step.name)
        except BaseException as error:
            self._give_up(error)

    def _next_local(self, local: Sequence[LocalStep], name: str) -> tuple[LocalStep, RunView] | None:
        with self._changed:
            for step in local:
                if not self._turns.asking_begins(step.name):
                    continue
                if (run := self._queue(step.name).take_now(name)) is not None:
                    return step, run
                self._turns.asking_ends(step.name)
            self._changed.wait(POLL_S)
        return None

    def _take_turns(self) -> None:
        """Hand cards over between ComfyUI and language models, until the night is over."""
        try:
            while not self._is_closing():
                for step, problem in self._turns.lead(self._board.outlook()).items():
                    self._queue(step).stop(problem)
                with self._changed:
                    self._changed.wait(POLL_S)
        except BaseException as error:
            self._give_up(error)

    # --- telling ---------------------------------------------------------------------------------------------------

    def _begin(self, step: Step) -> None:
        """Say that a step has begun, once."""
        with self._telling:
            if step.name in self._begun:
                return
            self._begun[step.name] = self._lanes.clock.monotonic()
            runs = self._board.outlook()[step.name].left
            expected = self._board.estimated_s(step.name)
            at_once = max(1, len(self._cards()))
            if isinstance(step, LocalStep):
                self._lanes.fleet.revive_llm()
                at_once = self._lanes.desk.lanes(step)
            whole = None if expected is None else expected * runs / at_once
            self._lanes.observer.step_started(
                StepOverview(step.name, step.number, step.title, runs, len(self._steps), whole)
            )
            self._lanes.log.info("step.started", step=step.name, runs=runs, adopted=0)

    def _finish_steps(self, *, all_of_them: bool = False) -> None:
        """Say of which steps nothing is left."""
        left = self._board.outlook()
        for name in [name for name in self._begun if all_of_them or not left[name].left]:
            with self._telling:
                seconds = self._lanes.clock.monotonic() - self._begun.pop(name)
                self._lanes.log.info("step.finished", step=name, seconds=round(seconds, 3))
                self._lanes.observer.step_finished(name)

    def _conclude(self) -> Overlapped:
        """Say how the steps went."""
        result = Overlapped()
        left = self._board.left_in_database()
        for name, drive in self._drives.items():
            reason = drive.outcome.stopped_because or drive.queue.stopped_because
            if reason == OUT_OF_TIME:
                result.cut_short[name] = reason
            elif reason not in (None, NIGHT_ENDED):
                result.stopped[name] = reason
            elif name in self._begun and left[name]:
                result.cut_short[name] = ASKED_TO_STOP
        self._finish_steps(all_of_them=True)
        return result

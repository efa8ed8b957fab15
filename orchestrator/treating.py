"""What becomes of a try that failed, and of the instance on which it failed.

What is right for an error is decided elsewhere: the rung by `ladder.py` and `remedies.py`, who is to blame by
`suspicion.py`. Here it is carried out: recorded in the database, done to the instance, told to the queue of the step
and to whoever watches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from db.store import RunView
from orchestrator.comfyui.errors import (
    ComfyUIError,
    CudaPoisoned,
    MissingModel,
    MissingNodeClass,
    NotComfyUI,
    UnsupportedServer,
)
from orchestrator.engines.base import Task
from orchestrator.fleet import Fleet, Instance, can_restart
from orchestrator.ladder import LADDERS, Card
from orchestrator.ladder_words import rung_words
from orchestrator.log import Logger
from orchestrator.observer import Observer
from orchestrator.remedies import Before, Breaker, Decision, Verdict, signature
from orchestrator.runner import Runner
from orchestrator.stepqueue import StepQueue
from orchestrator.stopping import StopSignal
from orchestrator.suspicion import Blame, Failed, Suspicion
from steps.errors import DiskFull, Remedy, StepError, is_disk_full

TOO_SMALL_ITEMS = 2
"""Different items that ran out of memory on a card even after its restart, after which a step leaves that card out."""


@dataclass
class StepOutcome:
    """How a step went for all items."""

    stopped_because: str | None = None
    stop_night: bool = False


@dataclass(frozen=True)
class NightParts:
    """The parts of a night that a failed try touches."""

    fleet: Fleet
    runner: Runner
    log: Logger
    observer: Observer
    stop: StopSignal
    suspicion: Suspicion = field(default_factory=Suspicion)
    cooled: Callable[[str], None] = lambda card: None  # told when a card was freed of its models


def cards_of(fleet: Fleet) -> tuple[Card, ...]:
    """Return the instances in use, as the ladder of errors sees them."""
    return tuple(Card(one.name, one.vram_gb, can_restart(one)) for one in fleet.usable())


LACKING = (MissingNodeClass, MissingModel, NotComfyUI, UnsupportedServer)
"""What is wrong with one instance, and need not be with the others."""


class Treating:
    """Treats the failed tries of one step. All methods may be called from any thread."""

    def __init__(self, night: NightParts, queue: StepQueue, outcome: StepOutcome, breaker: Breaker) -> None:
        self._night = night
        self._queue = queue
        self._outcome = outcome
        self._breaker = breaker
        self._fallbacks: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._outgrown: dict[str, set[int]] = {}  # card -> items for which it was too small

    def fall_back_on(self, names: Sequence[str]) -> None:
        """Take note of the fallbacks that the step's workflow declares, in the order in which they are tried."""
        self._fallbacks = tuple(names)

    def succeeded(self, run: RunView, task: Task) -> None:
        """Note that a run came through: from now on failures are the items' own."""
        with self._lock:
            self._breaker.succeeded()
        if task.instance is not None:
            self._night.suspicion.succeeded(item_id=run.item_id, step=run.step, card=task.instance)

    def treat(self, run: RunView, task: Task, error: Exception, *, instance: Instance | None, seen: int) -> None:
        """Record a failed try and do what it leads to. The table is in ladder.py."""
        if self._night.stop.abandoned is not None:
            return
        if is_disk_full(error) and not isinstance(error, StepError):
            error = DiskFull(f"no room left on the disk: {error}")
        if not isinstance(error, (StepError, ComfyUIError)):
            self._night.log.error("defect", run_id=run.run_id, attempt_id=task.attempt_id, exc_info=error)
        if instance is not None and self._leaves_to_others(run, task, error, instance=instance):
            return
        blame = Blame.NOBODY if instance is None else self._blame(run, error, instance, seen)
        decision = self._night.runner.failed(
            run,
            task,
            error,
            cards=cards_of(self._night.fleet),
            fallbacks=self._fallbacks,
            suspected=blame is Blame.ITEM,
        )
        self._trip(run, task, error, decision)
        self._tell(run, task, decision)
        if instance is None:
            self._night.fleet.revive_llm()
        elif not self._cure(run, task, error, decision=decision, blame=blame, instance=instance, seen=seen):
            self._queue.forget_worker(instance.name)
        if decision.verdict is Verdict.RETRY:
            failed_on = instance.name if instance is not None and decision.elsewhere else None
            self._queue.again(run.run_id, delay_s=decision.delay_s, failed_on=failed_on, only_on=decision.only_on)
            self._night.observer.run_finished(task, "again")
        else:
            self._queue.settled(run.run_id)
            self._night.observer.run_finished(task, "failed" if decision.verdict is Verdict.FAIL else "put back")

    def _leaves_to_others(self, run: RunView, task: Task, error: Exception, *, instance: Instance) -> bool:
        """Leave an instance that lacks what a step needs out of that step, as long as another has it."""
        if not isinstance(error, LACKING) or not self._night.fleet.leave_out_of(instance, run.step, error):
            return False
        self._night.runner.put_back(run, task, f"{type(error).__name__}: {error}")
        self._queue.again(run.run_id, delay_s=0, failed_on=None)
        self._night.observer.note(f"{instance.name} is left out of step {run.step}: {error}")
        self._night.observer.run_finished(task, "put back")
        return True

    # -- who is to blame ----------------------------------------------------------------------------------------------

    def _blame(self, run: RunView, error: Exception, instance: Instance, seen: int) -> Blame:
        remedy = getattr(error, "remedy", Remedy.RETRY)
        if not LADDERS[remedy].suspects or not getattr(error, "counted", True):
            return Blame.NOBODY
        failed = Failed(
            run.run_id, run.item_id, run.step, instance.name, boot=seen, breaks_card=isinstance(error, CudaPoisoned)
        )
        others = frozenset(one.name for one in self._night.fleet.usable()) - {instance.name}
        blame = self._night.suspicion.failed(failed, others=others)
        reason = f"{type(error).__name__}: {error}"
        if blame is Blame.ITEM:
            self._night.log.warning("item.suspected", item_id=run.item_id, run_id=run.run_id, reason=reason)
        elif blame is not Blame.NOBODY:
            self._night.log.warning(
                "instance.suspected", instance=instance.name, step=run.step, blame=str(blame), reason=reason
            )
        return blame

    # -- what is done to the instance ---------------------------------------------------------------------------------

    def _cure(
        self,
        run: RunView,
        task: Task,
        error: Exception,
        *,
        decision: Decision,
        blame: Blame,
        instance: Instance,
        seen: int,
    ) -> bool:
        """Do to an instance what the error asks for; False when nothing more of this step goes there."""
        reason = f"{type(error).__name__}: {error}"
        if blame is Blame.SET_ASIDE_CARD:
            why = f"different items fail on it and come through elsewhere; the last one with {reason}"
            self._night.fleet.leave_out(instance, why)
            return False
        before = _also_restart(decision.before, instance) if blame is Blame.RESTART_CARD else decision.before
        kept = True
        if before is Before.RESTART_IDLE:
            self._queue.left_card(run.run_id, completed=False)
            with self._queue.resting(instance.name, stop=self._night.stop.now):
                kept = self._treat(instance, before, task=task, reason=reason, seen=seen)
        elif before is not Before.NOTHING:
            kept = self._treat(instance, before, task=task, reason=reason, seen=seen)
        if blame is Blame.RESTART_CARD:
            self._night.suspicion.restarted(instance.name, boot=instance.treated)
        return kept and not self._is_too_small(run, decision, instance)

    def _treat(self, instance: Instance, before: Before, *, task: Task, reason: str, seen: int) -> bool:
        if before is Before.FREE:
            self._night.cooled(instance.name)
        return self._night.fleet.treat(instance, before, seen=seen, reason=reason, prompt_id=task.prompt_id)

    def _is_too_small(self, run: RunView, decision: Decision, instance: Instance) -> bool:
        """Tell whether enough items had to leave a card for a larger one: the next would have to as well."""
        if decision.label != "larger":
            return False
        with self._lock:
            items = self._outgrown.setdefault(instance.name, set())
            items.add(run.item_id)
            too_small = len(items) == TOO_SMALL_ITEMS
        if too_small:
            self._night.log.warning("instance.too_small", instance=instance.name, step=run.step)
        return too_small

    # -- what is told -------------------------------------------------------------------------------------------------

    def _tell(self, run: RunView, task: Task, decision: Decision) -> None:
        if decision.label is not None:
            words = rung_words(decision.label, here=task.instance, only_on=decision.only_on)
            self._night.log.info(
                "ladder.rung", run_id=run.run_id, step=run.step, instance=task.instance, rung=decision.label, done=words
            )

    def _trip(self, run: RunView, task: Task, error: Exception, decision: Decision) -> None:
        # `reason` is the message without the instance's name, which would make one reason look like two.
        reason = signature(type(error).__name__, str(getattr(error, "reason", error)))
        tripped = False
        if decision.counted:
            remedy = getattr(error, "remedy", Remedy.RETRY)
            cards = 1 if task.instance is None else len(self._queue.workers_used())
            with self._lock:
                tripped = self._breaker.failed(run.item_id, remedy, reason, card=task.instance or "", cards=cards)
        if not (tripped or decision.stop_step) or self._outcome.stopped_because is not None:
            return
        self._outcome.stopped_because = f"{type(error).__name__}: {error}"
        self._outcome.stop_night = decision.stop_night
        self._queue.stop(self._outcome.stopped_because)
        self._night.log.error("step.stopped", step=run.step, reason=self._outcome.stopped_because)
        self._night.observer.note(f"step {run.step} is stopped for all items: {self._outcome.stopped_because}")

    # -- what is given up ---------------------------------------------------------------------------------------------

    def drop(self, instance: Instance, run: RunView, task: Task) -> None:
        """Give up a prompt because we were told to stop at once, or because its instance was set aside."""
        if self._night.stop.abandoned is not None:
            return  # it is the other night's now
        if task.prompt_id is not None:
            with suppress(ComfyUIError):  # it is stopping that counts; the prompt may run on, and is not collected
                instance.session.withdraw(task.prompt_id)
        if self._night.stop.now.is_set():
            self._night.runner.put_back(run, task, "stopped at once")
            self._queue.settled(run.run_id)
        else:
            self._night.runner.put_back(run, task, "its instance was set aside")
            self._queue.again(run.run_id, delay_s=0, failed_on=None)
        self._night.observer.run_finished(task, "put back")


def _also_restart(before: Before, instance: Instance) -> Before:
    """Return what is done to a card under suspicion: a restart where there is one, beside what the error asks for."""
    if not can_restart(instance):
        return Before.FREE if before is Before.NOTHING else before
    if before is Before.INTERRUPT:
        return Before.RESTART  # what waits behind the prompt that hangs would be lost with it anyway
    return Before.RESTART_IDLE if before in (Before.NOTHING, Before.FREE) else before

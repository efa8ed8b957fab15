"""What becomes of a try that failed, and of the instance on which it failed.

The errors' own table is in `remedies.py`; here it is carried out: recorded in the database, done to the instance, told
to the queue of the step and to whoever watches.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass

from db.store import RunView
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.engines.base import Task
from orchestrator.fleet import Fleet, Instance
from orchestrator.log import Logger
from orchestrator.observer import Observer
from orchestrator.remedies import Before, Breaker, Decision, Verdict, signature
from orchestrator.runner import Runner
from orchestrator.stepqueue import StepQueue
from orchestrator.stopping import StopSignal
from steps.errors import DiskFull, Remedy, StepError, is_disk_full


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


class Treating:
    """Treats the failed tries of one step. All methods may be called from any thread."""

    def __init__(self, night: NightParts, queue: StepQueue, outcome: StepOutcome, breaker: Breaker) -> None:
        self._night = night
        self._queue = queue
        self._outcome = outcome
        self._breaker = breaker
        self._breaker_lock = threading.Lock()

    def succeeded(self) -> None:
        """Note that a run came through: from now on failures are the items' own."""
        with self._breaker_lock:
            self._breaker.succeeded()

    def treat(self, run: RunView, task: Task, error: Exception, *, instance: Instance | None, seen: int) -> None:
        """Record a failed try and do what it leads to. The table is in remedies.py."""
        if self._night.stop.abandoned is not None:
            return
        if is_disk_full(error) and not isinstance(error, StepError):
            error = DiskFull(f"no room left on the disk: {error}")
        if not isinstance(error, (StepError, ComfyUIError)):
            self._night.log.error("defect", run_id=run.run_id, attempt_id=task.attempt_id, exc_info=error)
        decision = self._night.runner.failed(run, task, error)
        self._trip(run, error, decision)
        treated = True
        if instance is not None and decision.before is not Before.NOTHING:
            treated = self._night.fleet.treat(
                instance,
                decision.before,
                seen=seen,
                reason=f"{type(error).__name__}: {error}",
                prompt_id=task.prompt_id,
            )
        if instance is not None and not treated:
            self._queue.forget_worker(instance.name)
        if instance is None:
            self._night.fleet.revive_llm()
        if decision.verdict is Verdict.RETRY:
            failed_on = instance.name if instance is not None and decision.counted else None
            self._queue.again(run.run_id, delay_s=decision.delay_s, failed_on=failed_on)
            self._night.observer.run_finished(task, "again")
        else:
            self._queue.settled(run.run_id)
            self._night.observer.run_finished(task, "failed" if decision.verdict is Verdict.FAIL else "put back")

    def _trip(self, run: RunView, error: Exception, decision: Decision) -> None:
        # `reason` is the message without the instance's name, which would make one reason look like two.
        reason = signature(type(error).__name__, str(getattr(error, "reason", error)))
        tripped = False
        if decision.counted:
            with self._breaker_lock:
                tripped = self._breaker.failed(run.item_id, getattr(error, "remedy", Remedy.RETRY), reason)
        if not (tripped or decision.stop_step) or self._outcome.stopped_because is not None:
            return
        self._outcome.stopped_because = f"{type(error).__name__}: {error}"
        self._outcome.stop_night = decision.stop_night
        self._queue.stop(self._outcome.stopped_because)
        self._night.log.error("step.stopped", step=run.step, reason=self._outcome.stopped_because)
        self._night.observer.note(f"step {run.step} is stopped for all items: {self._outcome.stopped_because}")

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

"""The canaries of all instances at the start of a night, and what becomes of an instance whose canary fails."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from db.canaries import GOOD, Canaries, CanaryView
from db.store import Store
from orchestrator.canary import PAST, Past, Sung, sing
from orchestrator.clock import Clock
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.comfyui.workflow import Workflow
from orchestrator.fleet import Fleet, Instance, can_restart
from orchestrator.log import Logger
from orchestrator.observer import Observer
from steps.options import StepOptions


@dataclass(frozen=True)
class CanaryRound:
    """Lets one canary run on each of some instances, all at once.

    Args:
        store: Where outcomes are kept.
        fleet: Restarts an instance whose canary failed, and sets it aside when the second one fails too.
        batch_id: The night.
        song: The workflow; None for the basic canary.
        options: Sizes for the workflow.
        timeout_s: Seconds before a canary is given up.
        stop: Set to give all of them up.
    """

    store: Store
    fleet: Fleet
    clock: Clock
    log: Logger
    observer: Observer
    batch_id: int
    song: Workflow | None
    options: StepOptions
    timeout_s: float
    stop: threading.Event

    def run(self, instances: Sequence[Instance]) -> None:
        """Run the canaries. Blocks until each came back or was given up."""
        if not instances:
            return
        with ThreadPoolExecutor(max_workers=len(instances), thread_name_prefix="canary") as pool:
            for done in [pool.submit(self._one, instance) for instance in instances]:
                done.result()

    def _one(self, instance: Instance) -> None:
        if self._is_busy(instance):
            return
        sung = self._sing(instance)
        if not sung.is_usable and not self.stop.is_set():
            if can_restart(instance):
                if not self.fleet.restart(instance, f"its canary failed: {sung.words}"):
                    return
                sung = self._sing(instance)
            if not sung.is_usable:
                self.fleet.leave_out(instance, f"its canary failed: {sung.words}")

    def _is_busy(self, instance: Instance) -> bool:
        """Tell whether somebody else's prompts, or ours of before a crash, are on the instance: they go first."""
        try:
            queue = instance.session.client.queue()
        except ComfyUIError:
            return False  # the canary will say so
        return bool(queue.running_items or queue.pending_items)

    def _sing(self, instance: Instance) -> Sung:
        canaries = Canaries(self.store.engine)
        good = canaries.good_ones(instance.name, limit=PAST)
        newest = good[0].details if good else {}
        song = newest.get("song")
        seconds = [one.seconds for one in good if one.seconds is not None and one.details.get("song") == song]
        sung = sing(
            instance.session.client,
            self.clock,
            song=self.song,
            options=self.options,
            past=Past(seconds, newest),
            timeout_s=self.timeout_s,
            stop=self.stop,
        )
        canaries.add(
            CanaryView(
                instance.name,
                self.clock.now(),
                sung.outcome,
                sung.seconds,
                sung.sha256,
                {**sung.details, "words": sung.words},
                self.batch_id,
            )
        )
        facts = {"instance": instance.name, "outcome": sung.outcome, "message": sung.words, "seconds": sung.seconds}
        if sung.outcome == GOOD:
            self.log.info("instance.canary", **facts)
        else:
            self.log.warning("instance.canary", **facts)
            self.observer.note(f"the canary of {instance.name} is not as it should be: {sung.words}")
        return sung

"""When instances are restarted by plan, and what each must be again after any restart of the night.

Between two steps is the one moment at which a restart costs nothing that the next step would not pay anyway: no prompt
runs, and the models change. Restarts after a fault are not planned here (`fleet.treat`), but what is waited for after
them is: the node classes of tonight that the instance had, and the card's memory that was free at first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from db.views import AttemptView
from orchestrator.clock import Clock
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.comfyui.hostprocess import committed_share, is_here, process_behind
from orchestrator.comfyui.readiness import GIB, Expectation, Headroom, free_vram_bytes
from orchestrator.comfyui.replies import SystemStats
from orchestrator.comfyui.workflow import Workflow
from orchestrator.drift import Sample, growth_gb, reasons_to_restart, slowdown
from orchestrator.fleet import Fleet, Instance, can_restart
from orchestrator.log import Logger
from orchestrator.settings import ComfyUISettings

SETTLE_S = 5.0
"""Seconds for an instance to give back what it was asked for."""
LOOK_EVERY_S = 0.25
NEVER = threading.Event()


@dataclass
class _Known:
    """What is remembered of one instance over the night."""

    classes: frozenset[str] = frozenset()  # those of tonight's that it had when it was greeted
    vram_free_bytes: int | None = None  # the most that was seen
    host_ram_used_bytes: int | None = None  # when it was greeted
    sample: Sample | None = None  # at the last step boundary
    restarted: int = 0  # `instance.treated` at that time
    counted: int = 0  # prompts that it had finished by then


@dataclass
class Restarts:
    """The planned restarts of one night.

    Args:
        fleet: The instances.
        settings: When to restart, and what drift is borne.
        clock: The time.
        log: Told what was measured, and why an instance was kept or restarted.
        attempts: Returns those of this night so far.
        usual: Returns the seconds that a prompt of a step usually takes, by instance.
    """

    fleet: Fleet
    settings: ComfyUISettings
    clock: Clock
    log: Logger
    attempts: Callable[[], Sequence[AttemptView]]
    usual: Callable[[str], Mapping[str, float]]
    _known: dict[str, _Known] = field(default_factory=dict)

    def begin(self, workflows: Iterable[Workflow]) -> None:
        """Take note of what every instance is like before tonight's first prompt. Blocks for two requests of each."""
        classes = {str(node.get("class_type")) for workflow in workflows for node in workflow.graph.values()}
        self._each(self.fleet.usable(), lambda instance: self._greet(instance, classes))

    def expect(self, workflow: Workflow, *, on: Instance | None = None) -> None:
        """Say what comes, on one instance or on all: after any restart, the card must have the memory that it needs."""
        needed_bytes = int((workflow.manifest.needs.vram_gb or 0) * GIB)
        for instance in self.fleet.usable() if on is None else [on]:
            known = self._of(instance)
            kept_bytes = int(self.fleet.servers.handover.kept_gb.get(instance.name, 0.0) * GIB)
            free_bytes = None if known.vram_free_bytes is None else known.vram_free_bytes - kept_bytes
            headroom = None if free_bytes is None else Headroom(max(0, free_bytes), needed_bytes)
            instance.expect = Expectation(known.classes, headroom)

    @property
    def are_planned(self) -> bool:
        """Tell whether anything is ever restarted by plan."""
        return self.settings.restart != "never"

    def between(self, before: str, after: str, *, coming: int) -> None:
        """Restart, between two steps, what is to be restarted. Blocks until all of it answers again.

        Args:
            before: The ComfyUI step that is over.
            after: The one that comes.
            coming: Runs of the coming step, on all cards together.
        """
        instances = self.fleet.usable()
        share = -(-coming // max(1, len(instances)))
        self._each(instances, lambda one: self.between_on(one, before, after, coming=share))

    def between_on(self, instance: Instance, before: str, after: str, *, coming: int) -> None:
        """Do so for one instance, which is at a boundary of its own; `coming` counts its own runs."""
        if not self.are_planned or instance.set_aside is not None or not can_restart(instance):
            return
        if busy := self._busy(instance):
            self.log.info("instance.kept", instance=instance.name, reason=busy)
            return
        reason = f"between {before} and {after}"
        if self.settings.restart == "drift":
            drifted = self._drift(instance, before, coming=coming)
            if not drifted:
                self.log.info("instance.kept", instance=instance.name, reason="nothing is past its budget")
                return
            reason = f"{reason}: {'; '.join(drifted)}"
        self.fleet.restart(instance, reason)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _of(self, instance: Instance) -> _Known:
        return self._known.setdefault(instance.name, _Known())

    def _each(self, instances: Sequence[Instance], deed: Callable[[Instance], None]) -> None:
        """Do something to every instance at once: a restart may take minutes."""
        threads = [
            threading.Thread(target=deed, args=(instance,), name=f"restart-{instance.name}") for instance in instances
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _greet(self, instance: Instance, classes: set[str]) -> None:
        client, known = instance.session.client, self._of(instance)
        try:
            stats = client.system_stats()
            known.classes = frozenset(classes & set(client.object_info()))
        except ComfyUIError:
            return  # nothing is expected of it then; what is wrong with it, its first prompt finds out
        free = free_vram_bytes(stats)
        known.vram_free_bytes = None if free is None else free[1]
        known.host_ram_used_bytes = stats.ram_total_bytes - stats.ram_free_bytes
        instance.expect = Expectation(
            known.classes, None if known.vram_free_bytes is None else Headroom(known.vram_free_bytes)
        )

    def _busy(self, instance: Instance) -> str:
        """Return why an instance must not be restarted now; empty when nothing runs on it."""
        client = instance.session.client
        try:
            queue = client.queue()
        except ComfyUIError:
            return ""  # it does not answer: a restart is what it needs
        items = [*queue.running_items, *queue.pending_items]
        if not items:
            return ""
        ours = sum(item.client_id == client.client_id for item in items)
        return f"{ours} of our prompts are in its queue" if ours else "somebody else's prompt is in its queue"

    def _drift(self, instance: Instance, step: str, *, coming: int) -> tuple[str, ...]:
        """Measure an instance and return what is past its budget."""
        known = self._of(instance)
        mine = [one for one in self.attempts() if one.instance == instance.name and one.outcome == "complete"]
        try:
            sample = self._measure(instance, known)
        except ComfyUIError as error:
            return (f"it cannot be measured: {error.reason}",)
        is_same = known.restarted == instance.treated
        growth = growth_gb(known.sample if is_same else None, sample, prompts=len(mine) - known.counted, coming=coming)
        slow = slowdown(step, seconds_of(mine, step), learned_s=self.usual(step).get(instance.name))
        found = reasons_to_restart(sample, self.settings.drift, growth=growth, slow=slow)
        self.log.info(
            "instance.measured",
            instance=instance.name,
            ram_gb=_rounded(sample.ram_gb),
            is_process=sample.is_process,
            committed_share=_rounded(sample.committed_share),
            vram_held_gb=_rounded(sample.vram_held_gb),
            growth_gb=_rounded(growth),
            slowdown=None if slow is None else _rounded(slow.factor),
            past_budget=list(found),
        )
        known.sample = None if found else sample
        known.restarted, known.counted = instance.treated, len(mine)
        return found

    def _measure(self, instance: Instance, known: _Known) -> Sample:
        """Ask an instance to give back what it need not keep, and measure what it holds after that.

        The next step loads other models anyway. What a server keeps on purpose would look like a leak otherwise.
        """
        client = instance.session.client
        client.free()
        best = self._look(instance, known)
        until = self.clock.monotonic() + SETTLE_S
        while self.clock.monotonic() < until and not _has_returned(best):
            self.clock.wait(NEVER, LOOK_EVERY_S)
            best = _lower(best, self._look(instance, known))
        return best

    def _look(self, instance: Instance, known: _Known) -> Sample:
        client = instance.session.client
        stats = client.system_stats()
        sample = Sample(committed_share=committed_share() if is_here(client.url) else None)
        process = process_behind(client.url, stats.argv)
        rss = None if process is None else process.rss_bytes()
        if rss is not None:
            sample = replace(sample, ram_gb=rss / GIB, is_process=True)
        elif known.host_ram_used_bytes is not None and stats.ram_total_bytes > 0:
            sample = replace(sample, ram_gb=max(0, _used(stats) - known.host_ram_used_bytes) / GIB)
        free = free_vram_bytes(stats)
        if free is not None:
            known.vram_free_bytes = max(known.vram_free_bytes or 0, free[1])
            sample = replace(sample, vram_held_gb=(known.vram_free_bytes - free[1]) / GIB)
        return sample


def seconds_of(attempts: Sequence[AttemptView], step: str) -> list[float]:
    """Return how long the prompts of a step took on the card, oldest first; those of an unknown length are left out."""
    done = [one for one in attempts if one.step == step and one.started_at is not None and one.finished_at is not None]
    done.sort(key=lambda one: (one.finished_at, one.attempt_id))
    return [(one.finished_at - one.started_at).total_seconds() for one in done if one.started_at and one.finished_at]


def _used(stats: SystemStats) -> int:
    return stats.ram_total_bytes - stats.ram_free_bytes


def _has_returned(sample: Sample) -> bool:
    """Tell whether the card's memory is back: then the models are unloaded, and the RAM figure is the one to judge."""
    return sample.vram_held_gb is not None and sample.vram_held_gb < 0.5


def _lower(one: Sample, other: Sample) -> Sample:
    """Return the less of each figure: memory is given back bit by bit, and others use the machine too."""
    return replace(
        other,
        ram_gb=_least(one.ram_gb, other.ram_gb),
        committed_share=_least(one.committed_share, other.committed_share),
        vram_held_gb=_least(one.vram_held_gb, other.vram_held_gb),
    )


def _least(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)

"""The instances of a night: opened, restarted, freed, set aside, and closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from orchestrator.cards import CardFacts, Cards
from orchestrator.children import Child
from orchestrator.clock import Clock
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.comfyui.replies import Place
from orchestrator.comfyui.restart import wait_until_ready
from orchestrator.comfyui.workflow import Workflow
from orchestrator.errors import NotReadyError
from orchestrator.home import Home
from orchestrator.instances import Instance, Opening, can_restart
from orchestrator.log import Logger
from orchestrator.remedies import Before, wait_before_retry
from orchestrator.sampling import SSH_PERIOD_S, HostWatch, Sampling, Source, is_over_ssh, sample, source_of
from orchestrator.servers.handover import Cards as CardSide
from orchestrator.servers.pool import ServerPool
from orchestrator.settings import Settings
from orchestrator.telemetry import GpuSample, sample_here
from steps.options import LlmOptions

__all__ = ["Fleet", "Instance", "can_restart"]

INTERRUPT_S = 15.0
"""Seconds for a prompt that hangs to hear an interrupt; then its instance is restarted, or set aside."""


class Fleet:
    """All instances of a night, and the embedded engines when no real ones are listed."""

    def __init__(
        self, settings: Settings, home: Home, *, clock: Clock, log: Logger, stop: threading.Event | None = None
    ) -> None:
        """Take note of the settings; nothing is opened yet.

        Args:
            settings: From config.yaml.
            home: Where the engines of our own live.
            clock: The time.
            log: Told what becomes of the instances.
            stop: When set, a restart that fails is not tried again.
        """
        self._stop = stop or threading.Event()
        self._settings = settings
        self._home = home
        self._clock = clock
        self._log = log
        self._llm_child: Child | None = None
        self._has_embedded_llm = False
        self._reviving = threading.Lock()
        self._sources: dict[str, Source | None] = {}  # host -> what tells of its cards
        self._opening = Opening(settings, home, clock, log)
        self._sampling: Sampling | None = None
        self.instances: list[Instance] = []
        self.cards = Cards(settings.comfyui, clock=clock, log=log, give_up=self._give_up)
        side = CardSide(self.usable, self.restart, self._samples_of, self.cards.reported)
        self.servers = ServerPool(settings.servers, home, side, clock, log, self._stop)

    def __enter__(self) -> Self:
        """Open every instance. One that does not answer is set aside, unless none is left.

        Raises:
            NotReadyError: no instance answers; says for each what was found.
        """
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def preview(self) -> bool:
        """Whether anything is made by an embedded engine."""
        return self._has_embedded_llm or any(instance.preview for instance in self.instances)

    def llm_options(self) -> LlmOptions:
        """Return the language models' settings, with the embedded engine's address where none is given."""
        options = self.servers.filled(self._settings.llm)
        if self._llm_child is None:
            return options
        # No patience with our own: when it has died, it is started again after the first try that fails.
        given = {"url": self._llm_child.address, "patience_s": 0.0}
        return options.model_copy(
            update={
                "text": options.text if options.text.url else options.text.model_copy(update=given),
                "vision": options.vision if options.vision.url else options.vision.model_copy(update=given),
            }
        )

    def usable(self) -> list[Instance]:
        """Return the instances that are not set aside."""
        return [instance for instance in self.instances if instance.set_aside is None]

    def named(self, name: str | None) -> Instance | None:
        """Return an instance in use by its name."""
        return next((one for one in self.usable() if one.name == name), None)

    def restart_all(self, reason: str) -> None:
        """Restart every instance that can be, all at once, and wait until they answer."""
        threads = [
            threading.Thread(target=self.restart, args=(instance, reason), name=f"restart-{instance.name}")
            for instance in self.usable()
            if can_restart(instance)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def restart(self, instance: Instance, reason: str) -> bool:
        """Restart one instance and wait until it answers, some times over; False when it is left out. Blocks."""
        self._log.info("instance.restarting", instance=instance.name, reason=reason)
        with self._away(instance):
            return self._restart(instance)

    def _restart(self, instance: Instance) -> bool:
        failures = 0
        while instance.set_aside is None:
            try:
                restarted = instance.session.restart(
                    instance.restarter,
                    timeout_s=self._settings.comfyui.ready_timeout_s,
                    needed=instance.expect.needed,
                    headroom=instance.expect.headroom,
                )
            except (ComfyUIError, NotReadyError) as error:
                failures += 1
                self._log.warning("instance.down", instance=instance.name, message=str(error))
                if failures > self._settings.comfyui.max_restarts or not can_restart(instance):
                    self._set_aside(instance, str(error))
                elif self._clock.wait(self._stop, wait_before_retry(self._settings.retry, failures)):
                    return False
            else:
                instance.treated += 1
                self.cards.restarted(instance.name)
                self._log.info("instance.restarted", instance=instance.name, seconds=round(restarted.seconds, 1))
                if restarted.missing_bytes:
                    missing_gb = round(restarted.missing_bytes / 2**30, 1)
                    self._log.warning("instance.memory_held", instance=instance.name, missing_gb=missing_gb)
                return self._keeps_off_reserved(instance)
        return False

    @contextmanager
    def _away(self, instance: Instance) -> Iterator[None]:
        """Have nobody count on an instance meanwhile."""
        self.cards.away(instance.name, is_away=True)
        try:
            yield
        finally:
            self.cards.away(instance.name, is_away=False)

    def _keeps_off_reserved(self, instance: Instance) -> bool:
        """Make sure that a restart has not brought an instance to a reserved card; False when it is left alone."""
        if not self._opening.reserved or instance.listed is None:
            return True
        try:
            stats = instance.session.client.system_stats()
        except ComfyUIError:
            return True  # it went away again: whoever has a prompt for it restarts it once more
        problem = self._opening.check_card(instance, stats, sample(self._sources.get(instance.listed.host)))
        if problem is not None:
            self._log.error("instance.refused", instance=instance.name, reason=problem)
            self._set_aside(instance, problem)
        return problem is None

    def treat(
        self, instance: Instance, before: Before, *, seen: int, reason: str, prompt_id: str | None = None
    ) -> bool:
        """Do to an instance what an error asks for before the next try; False when it was set aside.

        Args:
            instance: Where the error happened.
            before: What is asked for.
            seen: `instance.treated` when the failed prompt was sent: if it was restarted since, that is enough.
            reason: For the log.
            prompt_id: The prompt that failed.
        """
        with instance.treating:
            if instance.set_aside is not None:
                return False
            if before is Before.NOTHING or instance.treated != seen:
                return True
            if before is Before.INTERRUPT:
                problem = self._interrupt(instance, prompt_id, reason)
                return not problem or self._restart_or_leave(instance, f"{reason}; {problem}")
            if before in (Before.RESTART, Before.RESTART_IDLE):
                return self._restart_or_leave(instance, reason)
            if before is Before.WAIT and instance.child is not None and not instance.child.is_alive():
                return self.restart(instance, reason)  # it will not come back by itself
            try:
                if before is Before.FREE:
                    instance.session.client.free()
                    self._log.info("instance.freed", instance=instance.name, reason=reason)
                else:
                    self._log.warning("instance.down", instance=instance.name, message=reason)
                    with self._away(instance):
                        wait_until_ready(instance.session.client, timeout_s=self._wait_s(instance), clock=self._clock)
                    self._log.info("instance.ready", instance=instance.name)
            except ComfyUIError as error:
                return self.restart(instance, str(error))
            return True

    def _interrupt(self, instance: Instance, prompt_id: str | None, reason: str) -> str:
        """Free an instance of a prompt that hangs. Return what became of it instead; empty when it is gone."""
        if prompt_id is None:
            return "no prompt is known that could be interrupted"
        self._log.info("instance.interrupted", instance=instance.name, reason=reason)
        try:
            instance.session.withdraw(prompt_id)
            deadline = self._clock.monotonic() + INTERRUPT_S
            while instance.session.client.queue().find(prompt_id)[0] is Place.RUNNING:
                if self._clock.monotonic() >= deadline:
                    return "it did not hear the interrupt"
                self._clock.wait(threading.Event(), 0.1)
        except ComfyUIError as error:
            return f"it does not answer: {error}"
        return ""

    def _restart_or_leave(self, instance: Instance, reason: str) -> bool:
        """Restart an instance that is of no use as it is; set it aside where it cannot be."""
        if can_restart(instance):
            return self.restart(instance, reason)
        self._set_aside(instance, f"{reason}; it has no `restart` in config.yaml")
        return False

    def _wait_s(self, instance: Instance) -> float:
        """How long to wait for an instance to come back by itself: briefly when we can restart it."""
        full = self._settings.comfyui.ready_timeout_s
        return min(10.0, full) if can_restart(instance) else full

    def why_none_is_left(self) -> str:
        """Say for each instance why it was set aside."""
        return "; ".join(f"{one.name}: {one.set_aside}" for one in self.instances if one.set_aside is not None)

    def leave_out(self, instance: Instance, reason: str) -> None:
        """Set an instance aside for the rest of the night."""
        self._set_aside(instance, reason)

    def leave_out_of(self, instance: Instance, step: str, error: Exception) -> bool:
        """Give an instance no more runs of a step, as it lacks something; False when no other could take them."""
        missing = str(getattr(error, "reason", error))
        is_news = not self.cards.lacks(instance.name, step)
        is_left_to_others = self.cards.leave_out(instance.name, step, missing)
        if is_news:
            self._log.warning("instance.left_out", instance=instance.name, step=step, missing=missing)
        return is_left_to_others

    def expect(self, step: str, workflow: Workflow, *, usual: Mapping[str, float]) -> None:
        """Tell placement of a step that comes.

        Args:
            step: Its name.
            workflow: What it runs.
            usual: Seconds that it took on instances in earlier nights.
        """
        self.cards.expect(step, workflow.manifest.needs, workflow.manifest.timing, usual=usual)

    def _give_up(self, name: str, reason: str) -> None:
        instance = self.named(name)
        if instance is not None:
            self._set_aside(instance, reason)

    def _set_aside(self, instance: Instance, reason: str) -> None:
        self.cards.remove(instance.name, reason)
        instance.set_aside = reason
        instance.leave.set()
        self._log.error("instance.set_aside", instance=instance.name, reason=reason)

    def _open(self) -> None:
        self.servers.open()
        llm = self.servers.filled(self._settings.llm)
        listed = [one for one in self._settings.comfyui.instances if one.role == "work"]
        self._opening = replace(self._opening, samples=self._look_at_hosts())
        if llm.text.url is None or llm.vision.url is None:
            self._llm_child = self._opening.llm()
            self._has_embedded_llm = True
        openers: list[Callable[[], Instance]]
        if listed:
            openers = [partial(self._opening.listed, one) for one in listed]
        else:
            openers = [partial(self._opening.embedded, one) for one in range(self._settings.comfyui.embedded.cards)]
        with ThreadPoolExecutor(max_workers=len(openers), thread_name_prefix="open") as pool:
            opened = [pool.submit(opener) for opener in openers]
        problems: list[str] = []
        names = [one.name for one in listed] or [f"preview{number}" for number in range(len(openers))]
        for name, one in zip(names, opened, strict=True):
            try:
                self.instances.append(one.result())
            except (ComfyUIError, NotReadyError) as error:
                problems.append(str(error))
                self._log.warning("instance.down", instance=name, message=str(error))
                self._log.error("instance.set_aside", instance=name, reason=str(error))
        if not self.instances:
            raise NotReadyError("no ComfyUI instance can be used:\n" + "\n".join(f"  - {one}" for one in problems))
        self._tell_cards()
        self._watch_hosts()

    def _look_at_hosts(self) -> dict[str, Sequence[GpuSample]]:
        """Find out what tells of the cards of each host, and look once. What tells nothing is not asked again."""
        entries = self._settings.comfyui.instances
        hosts = sorted({one.host for one in entries})
        self._sources = {host: source_of(host, [one for one in entries if one.host == host]) for host in hosts}
        asked = [host for host in hosts if self._sources[host] is not None]
        if not asked:
            return {}
        with ThreadPoolExecutor(max_workers=len(asked), thread_name_prefix="telemetry") as pool:
            found = dict(zip(asked, pool.map(lambda host: sample(self._sources[host]), asked), strict=True))
        for host in asked:
            if not found[host] and not is_over_ssh(entries):
                self._sources[host] = None
        return dict(found)

    def _tell_cards(self) -> None:
        """Tell placement what was found when the instances were opened."""
        for instance in self.instances:
            listed = instance.listed
            if listed is None:
                self.cards.add(CardFacts(instance.name))
                continue
            self.cards.add(
                CardFacts(
                    listed.name, listed.host, listed.gpu, listed.vram_gb, max_temperature_c=listed.max_temperature_c
                )
            )
            if instance.stats is not None:
                self.cards.reported(instance.name, instance.stats)
        for host, samples in self._opening.samples.items():
            if samples:
                self.cards.measured(host, samples)
        for instance in self.instances:
            instance.vram_gb = self.cards.vram_gb(instance.name)

    def _watch_hosts(self) -> None:
        settings = self._settings.comfyui
        watches = []
        for host, source in self._sources.items():
            mine = [one for one in self.instances if one.listed is not None and one.listed.host == host]
            clients = {
                one.name: one.session.client
                for one in mine
                if not one.preview and one.listed is not None and one.listed.telemetry != "off"
            }
            is_far = is_over_ssh([one.listed for one in mine if one.listed is not None])
            period_s = max(SSH_PERIOD_S, settings.telemetry_period_s) if is_far else settings.telemetry_period_s
            watches.append(HostWatch(host, source, clients, period_s))
        self._sampling = Sampling(self.cards, settings.cooling, period_s=settings.telemetry_period_s)
        self._sampling.start(watches)

    def _samples_of(self, host: str) -> Sequence[GpuSample]:
        """Return the cards of a host as they are now. Blocks."""
        if host in self._sources:
            return sample(self._sources[host])
        return sample_here() or () if not host else ()

    def clear_cards(self, step: str, workflow: Workflow, instances: Sequence[Instance]) -> None:
        """Have cards free of language models before they work at a step; leave those out of it that are not. Blocks."""
        for name, problem in self.servers.before_cards(instances, workflow.manifest.needs.vram_gb).items():
            self.cards.leave_out(name, step, problem)
            self._log.warning("instance.left_out", instance=name, step=step, missing=problem)

    def revive_llm(self) -> None:
        """Start the embedded language model again if it ended: it crashed, or nobody asked it anything for long."""
        with self._reviving:
            child = self._llm_child
            if child is None or child.is_alive():
                return
            self._log.info("instance.restarting", instance=child.name, reason="its process has ended")
            try:
                child.restart()
                self._log.info("instance.restarted", instance=child.name)
            except NotReadyError as error:
                self._log.warning("instance.down", instance=child.name, message=str(error))

    def leave_engines(self) -> None:
        """Let the engines that we started run on: another night uses them."""
        self._llm_child = None
        self.servers.let_go()
        for instance in self.instances:
            instance.child = None

    def close(self) -> None:
        """Close every session and end the engines that we started: all of them, even if one cannot be."""
        with ExitStack() as stack:
            if self._llm_child is not None:
                stack.callback(self._llm_child.stop)
            stack.callback(self.servers.close)
            for instance in self.instances:
                if instance.child is not None:
                    stack.callback(instance.child.stop)
                stack.callback(instance.session.close)
            if self._sampling is not None:
                stack.callback(self._sampling.close)  # comes first
        self.instances.clear()
        self._llm_child = None

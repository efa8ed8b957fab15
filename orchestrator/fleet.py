"""The instances of a night: opened, restarted, freed, set aside, and closed."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import NAMESPACE_URL, uuid5

from orchestrator.children import Child
from orchestrator.clock import Clock
from orchestrator.comfyui.errors import ComfyUIError, InstanceDown
from orchestrator.comfyui.pace import STEADY, Pace
from orchestrator.comfyui.replies import Place, SystemStats
from orchestrator.comfyui.restart import (
    CommandRestart,
    Expectation,
    NoRestart,
    ProcessRestart,
    Restarter,
    SshRestart,
    SystemdRestart,
    wait_until_ready,
)
from orchestrator.comfyui.session import InstanceSession
from orchestrator.errors import NotReadyError
from orchestrator.home import Home
from orchestrator.log import Logger
from orchestrator.remedies import Before, wait_before_retry
from orchestrator.settings import InstanceSettings, RestartSettings, Settings
from steps.options import LlmOptions

LISTED_PACE = STEADY
OWN_PACE = replace(STEADY, down_after_s=2.0)
"""An engine of our own to which there is no connection is gone: nothing lies between us and it."""
INTERRUPT_S = 15.0
"""Seconds for a prompt that hangs to hear an interrupt; then its instance is restarted, or set aside."""


@dataclass
class Instance:
    """One ComfyUI server in use."""

    name: str
    session: InstanceSession
    restarter: Restarter
    preview: bool = False
    child: Child | None = None
    set_aside: str | None = None  # why it is left out for the rest of the night
    leave: threading.Event = field(default_factory=threading.Event)  # set with it: nobody waits for its prompts
    treating: threading.Lock = field(default_factory=threading.Lock)
    treated: int = 0  # how often it was restarted, so that two prompts that failed together restart it once
    vram_gb: float | None = None  # of its card, GiB; None: not known
    expect: Expectation = field(default_factory=Expectation)  # what it must be again after a restart


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
        self._reviving = threading.Lock()
        self.instances: list[Instance] = []

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
        embedded_llm = self._settings.llm.text.url is None or self._settings.llm.vision.url is None
        return embedded_llm or any(instance.preview for instance in self.instances)

    def llm_options(self) -> LlmOptions:
        """Return the language models' settings, with the embedded engine's address where none is given."""
        options = self._settings.llm
        if self._llm_child is None:
            return options
        update = {"url": self._llm_child.address}
        return LlmOptions(
            text=options.text if options.text.url else options.text.model_copy(update=update),
            vision=options.vision if options.vision.url else options.vision.model_copy(update=update),
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
                self._log.info("instance.restarted", instance=instance.name, seconds=round(restarted.seconds, 1))
                if restarted.missing_bytes:
                    missing_gb = round(restarted.missing_bytes / 2**30, 1)
                    self._log.warning("instance.memory_held", instance=instance.name, missing_gb=missing_gb)
                return True
        return False

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

    def _set_aside(self, instance: Instance, reason: str) -> None:
        instance.set_aside = reason
        instance.leave.set()
        self._log.error("instance.set_aside", instance=instance.name, reason=reason)

    def _open(self) -> None:
        self._open_llm()
        listed = [one for one in self._settings.comfyui.instances if one.role == "work"]
        openers: list[Callable[[], Instance]]
        if listed:
            openers = [partial(self._open_listed, one) for one in listed]
        else:
            openers = [partial(self._open_embedded, number) for number in range(self._settings.comfyui.embedded.cards)]
        with ThreadPoolExecutor(max_workers=len(openers), thread_name_prefix="open") as pool:
            opened = [pool.submit(opener) for opener in openers]
        problems: list[str] = []
        for one in opened:
            try:
                self.instances.append(one.result())
            except (ComfyUIError, NotReadyError) as error:
                problems.append(str(error))
                self._log.warning("instance.down", message=str(error))
        if not self.instances:
            raise NotReadyError("no ComfyUI instance can be used:\n" + "\n".join(f"  - {one}" for one in problems))

    def _open_llm(self) -> None:
        llm = self._settings.llm
        if llm.text.url is not None and llm.vision.url is not None:
            return
        self._llm_child = Child(
            "embedded-llm",
            "orchestrator.embedded.llm",
            folder=self._home.engines / "llm",
            arguments=["--idle-exit-s", str(self._settings.comfyui.embedded.idle_exit_s)],
            probe="/health",
        )
        self._start_child(self._llm_child)

    def _open_embedded(self, number: int) -> Instance:
        name = f"preview{number}"
        folder = self._home.engines / name
        embedded = self._settings.comfyui.embedded
        arguments = ["--directory", str(folder), "--idle-exit-s", str(embedded.idle_exit_s)]
        for class_name, seconds in embedded.timed.items():
            arguments += ["--timed", f"{class_name}={seconds}"]
        child = Child(name, "orchestrator.embedded", folder=folder, arguments=arguments, probe="/system_stats")
        self._start_child(child)
        session = self._session(name, child.address, pace=OWN_PACE)
        session.start()
        return Instance(name, session, ProcessRestart(child.restart), preview=True, child=child)

    def _session(self, name: str, url: str, *, pace: Pace) -> InstanceSession:
        """Return a session whose client id is the same in every night: after a crash, events go on coming."""
        client_id = str(uuid5(NAMESPACE_URL, f"{self._home.root}#{name}"))
        return InstanceSession(name, url, clock=self._clock, client_id=client_id, pace=pace)

    def _start_child(self, child: Child) -> None:
        child.start()
        self._log.info(
            "instance.adopted" if child.adopted else "instance.started", instance=child.name, url=child.address
        )

    def _open_listed(self, listed: InstanceSettings) -> Instance:
        assert listed.url is not None, "settings demand an address of every working instance"
        session = self._session(listed.name, listed.url, pace=LISTED_PACE)
        restarter = restarter_of(listed.restart)
        try:
            stats = self._greet(session, restarter)
        except ComfyUIError:
            session.close()
            raise
        session.start()
        self._log.info("instance.ready", instance=listed.name, url=listed.url, version=stats.comfyui_version)
        return Instance(listed.name, session, restarter, preview=stats.preview)

    def _greet(self, session: InstanceSession, restarter: Restarter) -> SystemStats:
        """Ask an instance what it is; one that is down is restarted once, where that can be done."""
        try:
            return session.client.system_stats()
        except InstanceDown as error:
            if isinstance(restarter, NoRestart):
                raise error.about(instance=session.name) from error
            self._log.info("instance.restarting", instance=session.name, reason=str(error))
            session.restart(restarter, timeout_s=self._settings.comfyui.ready_timeout_s)
            self._log.info("instance.restarted", instance=session.name)
            return session.client.system_stats()

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
        for instance in self.instances:
            instance.child = None

    def close(self) -> None:
        """Close every session and end the engines that we started: all of them, even if one cannot be."""
        with ExitStack() as stack:
            if self._llm_child is not None:
                stack.callback(self._llm_child.stop)
            for instance in self.instances:
                if instance.child is not None:
                    stack.callback(instance.child.stop)
                stack.callback(instance.session.close)
        self.instances.clear()
        self._llm_child = None


def can_restart(instance: Instance) -> bool:
    """Tell whether an instance has a way to be restarted."""
    return not isinstance(instance.restarter, NoRestart)


def restarter_of(settings: RestartSettings | None) -> Restarter:
    """Return how an instance is restarted, by its settings."""
    if settings is None:
        return NoRestart()
    if settings.systemd is not None:
        return SystemdRestart(settings.systemd, timeout_s=settings.timeout_s)
    if settings.command is None:
        return NoRestart()
    if settings.ssh is not None:
        return SshRestart(
            settings.ssh,
            settings.command,
            key=settings.key,
            known_hosts=settings.known_hosts or Path("~/.ssh/known_hosts").expanduser(),
            timeout_s=settings.timeout_s,
        )
    return CommandRestart(tuple(shlex.split(settings.command)), timeout_s=settings.timeout_s)

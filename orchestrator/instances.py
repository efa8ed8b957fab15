"""Opens the instances of a night: those that are listed, those that we start, and the embedded engines.

Opening ends when the instance answers and is known not to work on a reserved card. What becomes of it afterwards is in
`fleet.py`.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from orchestrator.children import Child, module_program
from orchestrator.clock import Clock
from orchestrator.comfyui.errors import InstanceDown
from orchestrator.comfyui.pace import STEADY, Pace
from orchestrator.comfyui.replies import SystemStats
from orchestrator.comfyui.restart import (
    CommandRestart,
    Expectation,
    NoRestart,
    ProcessRestart,
    Restarter,
    SshRestart,
    SystemdRestart,
)
from orchestrator.comfyui.session import InstanceSession
from orchestrator.errors import NotReadyError
from orchestrator.home import Home
from orchestrator.log import Logger
from orchestrator.own_comfyui import output_folder, program_of
from orchestrator.reserved import Evidence, why_not_started, why_refused
from orchestrator.settings import InstanceSettings, RestartSettings, Settings
from orchestrator.telemetry import GpuSample

LISTED_PACE = STEADY
OWN_PACE = replace(STEADY, down_after_s=2.0)
"""An engine of our own to which there is no connection is gone: nothing lies between us and it."""


@dataclass
class Instance:
    """One ComfyUI server in use."""

    name: str
    session: InstanceSession
    restarter: Restarter
    preview: bool = False
    child: Child | None = None
    listed: InstanceSettings | None = None  # as config.yaml has it
    set_aside: str | None = None  # why it is left out for the rest of the night
    leave: threading.Event = field(default_factory=threading.Event)  # set with it: nobody waits for its prompts
    treating: threading.Lock = field(default_factory=threading.Lock)
    treated: int = 0  # how often it was restarted, so that two prompts that failed together restart it once
    vram_gb: float | None = None  # of its card, GiB; None: not known
    expect: Expectation = field(default_factory=Expectation)  # what it must be again after a restart
    stats: SystemStats | None = None  # what it said when it was greeted


@dataclass(frozen=True)
class Opening:
    """Opens instances. Safe to use from several threads at once.

    Args:
        settings: From config.yaml.
        home: Where the engines of our own live.
        clock: The time.
        log: Told what becomes of the instances.
        samples: The cards of each host, where they are known.
    """

    settings: Settings
    home: Home
    clock: Clock
    log: Logger
    samples: Mapping[str, Sequence[GpuSample]] = field(default_factory=dict)

    @property
    def reserved(self) -> tuple[InstanceSettings, ...]:
        """Return the reserved cards."""
        return tuple(one for one in self.settings.comfyui.instances if one.role == "reserved")

    def listed(self, listed: InstanceSettings) -> Instance:
        """Open an instance of config.yaml. Blocks until it answers.

        Raises:
            ComfyUIError, NotReadyError: it does not, or it works on a reserved card.
        """
        if listed.start is not None:
            return self._own(listed)
        assert listed.url is not None, "settings demand an address of every working instance"
        restarter = restarter_of(listed.restart)
        session = self._session(listed.name, listed.url, pace=LISTED_PACE, output_dir=listed.output_dir)
        stats = self._enter(session, restarter, listed)
        self.log.info("instance.ready", instance=listed.name, url=listed.url, version=stats.comfyui_version)
        return Instance(listed.name, session, restarter, preview=stats.preview, listed=listed, stats=stats)

    def embedded(self, number: int) -> Instance:
        """Open an embedded engine. Blocks until it answers.

        Raises:
            NotReadyError: it did not start.
        """
        name = f"preview{number}"
        folder = self.home.engines / name
        embedded = self.settings.comfyui.embedded
        arguments = ["--directory", str(folder), "--idle-exit-s", str(embedded.idle_exit_s)]
        for class_name, seconds in embedded.timed.items():
            arguments += ["--timed", f"{class_name}={seconds}"]
        child = Child(name, module_program("orchestrator.embedded", arguments, probe="/system_stats"), folder=folder)
        self.start(child)
        session = self._session(name, child.address, pace=OWN_PACE)
        session.start()
        return Instance(name, session, ProcessRestart(child.restart), preview=True, child=child)

    def llm(self) -> Child:
        """Start the embedded language model. Blocks until it answers.

        Raises:
            NotReadyError: it did not start.
        """
        arguments = ["--idle-exit-s", str(self.settings.comfyui.embedded.idle_exit_s)]
        program = module_program("orchestrator.embedded.llm", arguments, probe="/health")
        child = Child("embedded-llm", program, folder=self.home.engines / "llm")
        self.start(child)
        return child

    def start(self, child: Child) -> None:
        """Start a process of ours, or use the one that outlived us."""
        child.start()
        self.log.info(
            "instance.adopted" if child.adopted else "instance.started", instance=child.name, url=child.address
        )

    def check_card(self, instance: Instance, stats: SystemStats, samples: Sequence[GpuSample]) -> str | None:
        """Return why an instance that answers must be left alone; None when it may be used."""
        if instance.listed is None:
            return None
        return why_refused(instance.listed, self.reserved, Evidence(instance.session.url, stats, samples))

    # -- inside -------------------------------------------------------------------------------------------------------

    def _own(self, listed: InstanceSettings) -> Instance:
        assert listed.start is not None
        problem = why_not_started(listed, self.reserved, self.samples.get(listed.host, ()))
        if problem is not None:
            raise self._refused(listed, problem)
        folder = self.home.engines / listed.name
        program = program_of(listed.name, listed.start, gpu=listed.gpu, folder=folder)
        child = Child(listed.name, program, folder=folder)
        restarter = ProcessRestart(child.restart)
        self.start(child)
        try:
            session = self._session(listed.name, child.address, pace=OWN_PACE, output_dir=output_folder(folder))
            stats = self._enter(session, restarter, listed)
        except BaseException:
            child.stop()
            raise
        return Instance(listed.name, session, restarter, preview=stats.preview, child=child, listed=listed, stats=stats)

    def _enter(self, session: InstanceSession, restarter: Restarter, listed: InstanceSettings) -> SystemStats:
        """Greet an instance and make sure of its card; the session is started, or closed and an error raised."""
        try:
            stats = self._greet(session, restarter)
            evidence = Evidence(session.url, stats, self.samples.get(listed.host, ()))
            problem = why_refused(listed, self.reserved, evidence)
            if problem is not None:
                raise self._refused(listed, problem)
        except BaseException:
            session.close()
            raise
        session.start()
        return stats

    def _refused(self, listed: InstanceSettings, problem: str) -> NotReadyError:
        self.log.error("instance.refused", instance=listed.name, reason=problem)
        return NotReadyError(problem)

    def _session(self, name: str, url: str, *, pace: Pace, output_dir: Path | None = None) -> InstanceSession:
        """Return a session whose client id is the same in every night: after a crash, events go on coming."""
        client_id = str(uuid5(NAMESPACE_URL, f"{self.home.root}#{name}"))
        return InstanceSession(name, url, clock=self.clock, client_id=client_id, pace=pace, output_dir=output_dir)

    def _greet(self, session: InstanceSession, restarter: Restarter) -> SystemStats:
        """Ask an instance what it is; one that is down is restarted once, where that can be done."""
        try:
            return session.client.system_stats()
        except InstanceDown as error:
            if isinstance(restarter, NoRestart):
                raise error.about(instance=session.name) from error
            self.log.info("instance.restarting", instance=session.name, reason=str(error))
            session.restart(restarter, timeout_s=self.settings.comfyui.ready_timeout_s)
            self.log.info("instance.restarted", instance=session.name)
            return session.client.system_stats()


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
        return login_of(settings)
    return CommandRestart(tuple(shlex.split(settings.command)), timeout_s=settings.timeout_s)


def login_of(settings: RestartSettings) -> SshRestart:
    """Return how to log in to the host of an instance that is restarted over SSH."""
    assert settings.ssh is not None
    return SshRestart(
        settings.ssh,
        settings.command or "true",
        key=settings.key,
        known_hosts=settings.known_hosts or Path("~/.ssh/known_hosts").expanduser(),
        timeout_s=settings.timeout_s,
    )

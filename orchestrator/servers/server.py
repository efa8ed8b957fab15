"""One language model server: awake, at rest, or not running, whoever has started it."""

from __future__ import annotations

import threading
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from orchestrator.clock import Clock
from orchestrator.errors import NotReadyError
from orchestrator.home import Home
from orchestrator.log import Logger
from orchestrator.server_settings import ServerSettings
from orchestrator.servers.errors import CannotRest, ServerBroken, ServerError
from orchestrator.servers.manners import Line, manners_of
from orchestrator.servers.process import KeptChild

HANGS_AFTER_S = 30.0
"""Seconds after which one of ours that ran and does not answer is started again."""


class Stage(StrEnum):
    """What a server is, as far as we know."""

    UNKNOWN = "unknown"  # somebody else's, not yet asked
    ENDED = "ended"
    AWAKE = "awake"
    RESTING = "resting"


class Body(Protocol):
    """What a server of ours runs in: a process, or a thread of our own."""

    address: str

    def adopt(self) -> bool:
        """Use what has outlived us, if anything has and is still what is wanted; end it otherwise."""

    def start(self) -> None:
        """Begin, or use what has outlived us. Blocks until it answers. Raises NotReadyError."""

    def restart(self) -> None:
        """End it and begin anew at the same address. Blocks until it answers. Raises NotReadyError."""

    def stop(self) -> None:
        """End it with all that it has started; it may be started again."""

    def close(self) -> None:
        """End it for good."""

    def is_alive(self) -> bool:
        """Tell whether it runs."""

    @property
    def log_path(self) -> Path:
        """Where its output goes."""

    @property
    def pid(self) -> int:
        """Return the process above all of its processes; 0 when there is none."""


class ManagedServer:
    """One server of config.yaml. All methods may be called from any thread; most of them block."""

    def __init__(
        self, settings: ServerSettings, home: Home, *, clock: Clock, log: Logger, stop: threading.Event
    ) -> None:
        """Describe it; nothing is started or asked yet.

        Args:
            settings: From config.yaml.
            home: Where its folder, record and log are.
            clock: The time.
            log: Told what becomes of it.
            stop: When set, nothing is waited for.
        """
        self.settings = settings
        self.name = settings.name
        self._log = log
        self._body = body_of(settings, home, stop)
        self._marker = home.engines / f"server-{settings.name}.resting"  # for a kind that cannot be asked
        self._manners = manners_of(settings)
        url = self._body.address if self._body is not None else settings.url or ""
        self._line = Line(settings.name, url, settings, clock, stop)
        self._changing = threading.RLock()
        self._restarts = 0
        self._found = Stage.UNKNOWN  # how somebody else's was when it was first asked
        self.stage = Stage.UNKNOWN if self._body is None else Stage.ENDED
        self.broken = ""  # why it is given up for tonight

    @property
    def url(self) -> str:
        """Its address, without /v1."""
        return self._line.url

    @property
    def pid(self) -> int:
        """The process above all of its processes, where it is ours and runs; else 0."""
        return self._body.pid if self._body is not None else 0

    def open(self) -> None:
        """Use the one that has outlived us, if there is one. Raises NotReadyError."""
        with self._changing:
            if self._body is not None and self._body.adopt():
                self.stage = Stage.RESTING if self._marker.exists() else Stage.AWAKE
                self._log.info("server.adopted", server=self.name, url=self._line.url, log=str(self._body.log_path))

    def is_awake(self) -> bool:
        """Ask it whether it runs, is well, and has its memory."""
        with self._changing:
            if self._body is not None and not self._body.is_alive():
                return False
            try:
                return self._line.is_healthy() and not self._is_resting()
            except ServerError:
                return False

    def wake(self) -> None:
        """Have it run and be awake. Blocks until it answers.

        Raises:
            ServerError: it cannot be started, does not answer, or has died too often.
        """
        with self._changing:
            self._require_life()
            try:
                self._rouse()
            except ServerError as error:
                if self._body is None or self._line.stop.is_set():
                    raise
                self._log.warning("server.down", server=self.name, message=str(error))
                self._start_again(self._body)  # it hangs, or died at this moment
                self._rouse()

    def rest(self) -> None:
        """Have it give its cards' memory back, by whatever way it has. Blocks.

        Raises:
            CannotRest: it has none, and is not ours to end.
            ServerError: it does not do what it was asked for.
        """
        with self._changing:
            if self._body is not None and not self._body.is_alive():
                self._note(Stage.ENDED)
                return
            try:
                if not self._is_resting():
                    self._manners.rest(self._line)
                    self._log.info("server.resting", server=self.name)
                self._note(Stage.RESTING)
            except ServerError as error:
                if self._body is None:
                    if not isinstance(error, CannotRest) and not self._line.is_healthy():
                        self._note(Stage.UNKNOWN)  # it is not there at all: it holds nothing
                        return
                    raise
                self.stop(str(error))

    def stop(self, reason: str) -> bool:
        """End it with all that it has started; False when it is not ours to end."""
        with self._changing:
            if self._body is None:
                return False
            self._body.stop()
            self._log.info("server.stopped", server=self.name, reason=reason)
            self._note(Stage.ENDED)
            return True

    def close(self) -> None:
        """End it for good when it is ours; put somebody else's back as it was found: it was awake for a reason."""
        with self._changing:
            if self._body is not None:
                was = self.stage
                self._body.close()
                self._note(Stage.ENDED)
                if was is not Stage.ENDED:
                    self._log.info("server.stopped", server=self.name, reason="the night is over")
            elif self._found is Stage.AWAKE and self.stage is Stage.RESTING:
                try:
                    self.wake()
                except ServerError as error:
                    self._log.warning("server.down", server=self.name, message=str(error))

    def look_after(self) -> None:
        """Start it again if it should be awake and has died. Blocks; does not raise."""
        if self._body is None or self.stage is not Stage.AWAKE or self._body.is_alive():
            return
        with self._changing:
            if self.stage is Stage.AWAKE and not self._body.is_alive():
                try:
                    self._require_life()
                except ServerError as error:
                    self._log.warning("server.down", server=self.name, message=str(error))

    def _rouse(self) -> None:
        """Wake what runs, and make sure that it is well."""
        if self._is_resting():
            self._manners.wake(self._line)
            self._log.info("server.awake", server=self.name)
        # One of ours has answered when it was started; what somebody else starts may be on its way.
        patience_s = self.settings.ready_timeout_s if self._body is None else HANGS_AFTER_S
        self._line.wait_for("healthy", self._line.is_healthy, patience_s)
        self._note(Stage.AWAKE)

    def _is_resting(self) -> bool:
        """Ask it, or remember."""
        told = self._manners.is_resting(self._line)
        resting = self._marker.exists() if told is None else told
        if self._found is Stage.UNKNOWN:
            self._found = Stage.RESTING if resting else Stage.AWAKE
        return resting

    def _require_life(self) -> None:
        """Start it when it does not run, as often as it may be."""
        body = self._body
        if body is None or (self.stage is not Stage.ENDED and body.is_alive()):
            return
        if self.broken:
            raise ServerBroken(self.broken, server=self.name)
        if self.stage in (Stage.AWAKE, Stage.RESTING):
            self._log.warning("server.died", server=self.name, log=str(body.log_path))
            self._start_again(body)
            return
        try:
            body.start()
        except NotReadyError as error:  # it has never been up tonight: it would not be the next time either
            raise ServerError(str(error), server=self.name) from error
        self._note_start(body)

    def _start_again(self, body: Body) -> None:
        """Start it until it is up, as often as that may be tried in a night."""
        problem = f"see {body.log_path}"
        while self._restarts < self.settings.max_restarts and not self._line.stop.is_set():
            self._restarts += 1
            try:
                body.restart()
            except NotReadyError as error:
                problem = str(error)
                self._log.warning("server.down", server=self.name, message=problem)
            else:
                self._note_start(body)
                return
        self._note(Stage.ENDED)
        if self._line.stop.is_set():
            raise ServerError(problem, server=self.name)
        self.broken = f"{self.name} was started {self._restarts + 1} times tonight and does not stay up: {problem}"
        self._log.error("server.broken", server=self.name, reason=self.broken)
        raise ServerBroken(self.broken, server=self.name)

    def _note_start(self, body: Body) -> None:
        self._note(Stage.AWAKE)
        self._log.info("server.started", server=self.name, url=self._line.url, log=str(body.log_path))

    def _note(self, stage: Stage) -> None:
        self.stage = stage
        if stage is Stage.RESTING:
            self._marker.parent.mkdir(parents=True, exist_ok=True)
            self._marker.touch()
        else:
            self._marker.unlink(missing_ok=True)


def body_of(settings: ServerSettings, home: Home, stop: threading.Event) -> Body | None:
    """Return what a server of ours runs in; None for somebody else's."""
    if settings.command:
        return KeptChild(settings, home, stop)
    if settings.inside is not None:
        from orchestrator.servers.inside_http import InsideBody

        return InsideBody(settings, home)
    return None

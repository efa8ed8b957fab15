"""The language model servers of a night: which steps they serve, whose turn it is, who looks after them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from orchestrator.clock import Clock
from orchestrator.errors import NotReadyError
from orchestrator.home import Home
from orchestrator.instances import Instance
from orchestrator.log import Logger
from orchestrator.server_settings import ServerSettings
from orchestrator.servers.errors import ServerError
from orchestrator.servers.handover import Cards, HandOver
from orchestrator.servers.server import ManagedServer
from steps.base import LocalStep, Step
from steps.llm_options import LlmEndpoint, LlmOptions

LOOK_EVERY_S = 1.0
JOIN_S = 2.0


@dataclass
class ServerPool:
    """All servers of config.yaml.

    Args:
        settings: Those servers; none in most homes.
        home: Where their folders, records and logs are.
        cards: The ComfyUI side.
        clock: The time.
        log: Told what becomes of them.
        stop: When set, nothing is waited for.
    """

    settings: Sequence[ServerSettings]
    home: Home
    cards: Cards
    clock: Clock
    log: Logger
    stop: threading.Event
    servers: list[ManagedServer] = field(default_factory=list)
    _closing: threading.Event = field(default_factory=threading.Event)
    _watch: threading.Thread | None = None

    def __post_init__(self) -> None:
        """Describe the servers; nothing is started yet."""
        self.handover = HandOver(self.servers, self.cards, self.clock, self.log, self.stop)

    def open(self) -> None:
        """Take note of the servers, use those that have outlived us, and begin to look after them.

        None is started: a card may still be ComfyUI's.

        Raises:
            NotReadyError: something of theirs cannot be written.
        """
        self.servers.extend(
            ManagedServer(one, self.home, clock=self.clock, log=self.log, stop=self.stop) for one in self.settings
        )
        if not self.servers:
            return
        for server in self.servers:
            server.open()
        self._watch = threading.Thread(target=self._look_after, name="servers", daemon=True)
        self._watch.start()

    def close(self) -> None:
        """End those that are ours, and put others back as they were found."""
        self._closing.set()
        with ExitStack() as stack:
            for server in self.servers:
                stack.callback(server.close)
            if self._watch is not None:
                stack.callback(self._watch.join, JOIN_S)  # comes first
        self.servers.clear()

    def let_go(self) -> None:
        """Leave them running: another night has taken over."""
        self._closing.set()
        self.servers.clear()

    # --- what they serve ---------------------------------------------------------------------------------------------

    def filled(self, options: LlmOptions) -> LlmOptions:
        """Return options with the addresses of servers where there are none."""

        def fill(which: str, endpoint: LlmEndpoint) -> LlmEndpoint:
            server = None if endpoint.url else self._serving(which)
            return endpoint if server is None else endpoint.model_copy(update={"url": f"{server.url.rstrip('/')}/v1"})

        update = {"text": fill("text", options.text), "vision": fill("vision", options.vision)}
        return options.model_copy(update=update)

    def of_step(self, step: Step) -> list[ManagedServer]:
        """Return the servers that a step asks."""
        found: list[ManagedServer] = []
        for which in step.asks if isinstance(step, LocalStep) else ():
            server = self._serving(which)
            if server is not None and server not in found:
                found.append(server)
        return found

    def _serving(self, which: str) -> ManagedServer | None:
        return next((one for one in self.servers if which in one.settings.serves), None)

    # --- in strict order ---------------------------------------------------------------------------------------------

    def before_asking(self, step: Step) -> str:
        """Have the servers awake that a step asks. Blocks. Returns why the step cannot start, or "".

        A night that is asked to stop begins no step anyway, and says so itself.
        """
        for server in self.of_step(step):
            if problem := self.wake_for(server):
                return problem
        return ""

    def wake_for(self, server: ManagedServer) -> str:
        """Have a server awake, and all else off its cards. Blocks. Returns why it cannot be had, or ""."""
        try:
            self.handover.to_server(server)
        except (ServerError, NotReadyError) as error:
            if self.stop.is_set():
                return ""
            self.log.error("server.unusable", server=server.name, reason=str(error))
            return str(error)
        return ""

    def before_cards(self, instances: Sequence[Instance], needed_gb: float) -> Mapping[str, str]:
        """Have the cards of instances free of language models. Blocks.

        Returns:
            Why some cannot be used for what comes, by instance.
        """
        if not self.servers or self.stop.is_set():
            return {}
        found = {one.name: self.handover.to_card(one, needed_gb) for one in instances}
        return {} if self.stop.is_set() else {name: problem for name, problem in found.items() if problem}

    def _look_after(self) -> None:
        while not self._closing.wait(LOOK_EVERY_S):  # in real time, as processes die in it
            for server in list(self.servers):
                server.look_after()

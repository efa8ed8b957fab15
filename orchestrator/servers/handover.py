"""A card changes hands: from ComfyUI to a language model server, and back. Checked by the card's free memory.

Only ever at a step boundary, when nobody has work on the card. The side that leaves is asked to give its memory back;
when the memory is not free in time it is restarted, or ended; when it is not free even then, the other side does not
begin, and what holds the memory is said.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from orchestrator.card_settings import Gpu
from orchestrator.clock import Clock
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.comfyui.replies import SystemStats
from orchestrator.instances import Instance, can_restart
from orchestrator.log import Logger
from orchestrator.servers import keeper
from orchestrator.servers.errors import CannotRest, CardHeld, ServerError
from orchestrator.servers.memory import Gauge, Memory, same_card
from orchestrator.servers.server import ManagedServer, Stage
from orchestrator.telemetry import GpuSample
from steps.demands import NOMINAL

SLACK_GB = 2.0
"""How much of a card may stay held where nobody said how much the other side needs: contexts, and a desktop."""
BUSY_S = 3600.0
"""Seconds that a prompt, left over from before a crash, may keep a card from changing hands."""
LOOK_EVERY_S = 0.25


@dataclass(frozen=True)
class Cards:
    """What is known of, and can be done with, the ComfyUI side."""

    instances: Callable[[], Sequence[Instance]]  # in use
    restart: Callable[[Instance, str], bool]  # with a reason; False when it is left out
    samples: Callable[[str], Sequence[GpuSample]]  # the cards of a host, now
    reported: Callable[[str, SystemStats], None]  # told what an instance says of itself


@dataclass
class HandOver:
    """Hands cards over. Its methods block, and may be called from any thread; one at a time does something.

    Args:
        servers: All of them.
        cards: The ComfyUI side.
        clock: The time.
        log: Told of every change of hands, and of what stands in its way.
        stop: When set, nothing is waited for.
    """

    servers: Sequence[ManagedServer]
    cards: Cards
    clock: Clock
    log: Logger
    stop: threading.Event
    kept_gb: dict[str, float] = field(default_factory=dict)
    """Instance -> what stayed held of its card when it was handed over last: a server at rest keeps a little."""
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _named: dict[str, Sequence[GpuSample]] = field(default_factory=dict)  # host -> its cards
    _most_free_gb: dict[str, float] = field(default_factory=dict)  # card -> the most that was seen
    _holder: str | None = None  # the server that was woken last, until a card is asked back

    @property
    def gauge(self) -> Gauge:
        """Return what reads the cards' memory."""
        return Gauge(self.cards.samples)

    # --- who shares a card with whom ---------------------------------------------------------------------------------

    def sharing(self, server: ManagedServer) -> list[Instance]:
        """Return the instances that work on a card of a server, or may."""
        return [one for one in self.cards.instances() if self._shares(server, _host(one), _gpus(one))]

    def servers_on(self, instance: Instance) -> list[ManagedServer]:
        """Return the servers that have the card of an instance, or may have."""
        return [one for one in self.servers if self._shares(one, _host(instance), _gpus(instance))]

    def rivals(self, server: ManagedServer) -> list[ManagedServer]:
        """Return the other servers that have a card of this one, or may have."""
        settings = server.settings
        gpus = None if settings.gpus is None else list(settings.gpus)
        return [one for one in self.servers if one is not server and self._shares(one, settings.host, gpus)]

    def _shares(self, server: ManagedServer, host: str, gpus: Sequence[Gpu | None] | None) -> bool:
        mine = server.settings.gpus
        if server.settings.host != host or mine == () or gpus == []:
            return False
        samples = self._names_of(host)
        pairs = ((one, other) for one in mine or (None,) for other in gpus or (None,))
        return any(same_card(one, other, samples) for one, other in pairs)

    def _names_of(self, host: str) -> Sequence[GpuSample]:
        """Return the cards of a host as they were once: their indexes and UUIDs stay what they are."""
        if not self._named.get(host):
            self._named[host] = self.cards.samples(host)
        return self._named[host]

    # --- to a server -------------------------------------------------------------------------------------------------

    def to_server(self, server: ManagedServer) -> None:
        """Have a server awake, and all that it needs of its cards' memory free before. Blocks.

        Raises:
            CardHeld: the memory is not free; says who holds it.
            ServerError: the server cannot be had.
        """
        with self._lock:
            began = self.clock.monotonic()
            if self._holder == server.name:
                server.wake()
                return
            instances = self.sharing(server)
            for rival in self.rivals(server):
                rival.rest()
            for instance in instances:
                self._empty(instance)
            if not server.is_awake():  # one that has outlived a crash, or is somebody else's, holds its memory already
                self._have_free_for(server, instances)
            server.wake()
            self._holder = server.name
            if instances:
                seconds = round(self.clock.monotonic() - began, 1)
                self.log.info("card.handed_over", to=server.name, of=[one.name for one in instances], seconds=seconds)

    def _empty(self, instance: Instance) -> None:
        """Wait until an instance has nothing to do, and ask it to give its memory back. One that is down has none."""
        until = self.clock.monotonic() + BUSY_S
        client = instance.session.client
        try:
            while (queue := client.queue()).running_items or queue.pending_items:
                if self.stop.is_set() or self.clock.monotonic() >= until:
                    left = len(queue.running_items) + len(queue.pending_items)
                    raise CardHeld(f"{instance.name} still has work in its queue ({left})")
                self.clock.wait(self.stop, LOOK_EVERY_S)
            client.free()
            self.log.info("instance.freed", instance=instance.name, reason="its card goes to a language model")
        except ComfyUIError as error:
            self.log.warning("instance.down", instance=instance.name, message=str(error))

    def _have_free_for(self, server: ManagedServer, instances: Sequence[Instance]) -> None:
        """Wait until a server's cards have the memory that it needs; restart the instances on them if need be."""
        held = self._wait_for_server(server, instances)
        if not held:
            return
        restartable = [one for one in instances if can_restart(one)]
        for instance in restartable:
            self.cards.restart(instance, f"{held}; {server.name} needs it")
        if restartable:
            held = self._wait_for_server(server, instances)
        if held:
            self.log.error("card.held", wanted_by=server.name, reason=held)
            raise CardHeld(f"{server.name} is not started: {held}", server=server.name)

    def _wait_for_server(self, server: ManagedServer, instances: Sequence[Instance]) -> str:
        settings = server.settings
        pids = {server.pid, *keeper.descendants(server.pid)} if server.pid else set()

        def problem() -> str:
            for gpu in settings.gpus or (None,):
                beside = [one for one in instances if self._is_on(one, gpu)]
                memory = self.gauge.of_card(settings.host, gpu, beside)
                if memory is None:
                    continue
                usable_gb = memory.free_gb + memory.held_by(pids)
                if said := self._short(memory, usable_gb, settings.vram_gb):
                    return said
            return ""

        return self._until_free(problem, settings.vram_timeout_s)

    def _is_on(self, instance: Instance, gpu: Gpu | None) -> bool:
        samples = self._names_of(_host(instance))
        return any(same_card(one, gpu, samples) for one in _gpus(instance) or (None,))

    # --- to ComfyUI --------------------------------------------------------------------------------------------------

    def to_card(self, instance: Instance, needed_gb: float) -> str:
        """Have an instance's card free of language models. Blocks. Returns why it cannot be used, or "".

        Args:
            instance: About to work at a step; it has nothing to do now.
            needed_gb: What the step needs of the card's memory, GiB; 0: not known.
        """
        with self._lock:
            servers = self.servers_on(instance)
            if not servers:
                return ""
            began, holder = self.clock.monotonic(), self._holder
            kept = self._lay_to_rest(servers)
            unknown = not needed_gb and bool(kept)  # it stays beside, and nobody said how much is needed
            held = "" if unknown else self._wait_for_card(instance, servers, needed_gb)
            if held:
                ended = [one.name for one in servers if one.stage is not Stage.ENDED and one.stop(held)]
                held = self._wait_for_card(instance, servers, needed_gb) if ended else held
            if held:
                reasons = "; ".join([held, *kept])
                self.log.error("card.held", wanted_by=instance.name, reason=reasons)
                return reasons
            self._tell(instance)
            if holder is not None:
                seconds = round(self.clock.monotonic() - began, 1)
                self.log.info("card.handed_over", to=instance.name, of=[one.name for one in servers], seconds=seconds)
            return ""

    def _lay_to_rest(self, servers: Sequence[ManagedServer]) -> list[str]:
        """Have servers give their memory back; returns of those that cannot why."""
        kept = []
        for server in servers:
            try:
                server.rest()
            except CannotRest as error:
                kept.append(f"{error}, and is not Nightreel's to end")
            except ServerError as error:
                kept.append(str(error))
            if self._holder == server.name:
                self._holder = None
        return kept

    def _wait_for_card(self, instance: Instance, servers: Sequence[ManagedServer], needed_gb: float) -> str:
        gpu = next(iter(_gpus(instance) or (None,)))

        def problem() -> str:
            memory = self.gauge.of_card(_host(instance), gpu, [instance])
            if memory is None:
                return ""
            usable_gb = memory.free_gb + self.gauge.own_gb(memory, instance)
            said = self._short(memory, usable_gb, NOMINAL * needed_gb or None)
            self.kept_gb[instance.name] = max(0.0, self._most_free_gb[memory.card] - usable_gb)
            return said

        return self._until_free(problem, max(one.settings.vram_timeout_s for one in servers))

    def _tell(self, instance: Instance) -> None:
        """Have placement know of the free memory at once: it looks only once in a while."""
        try:
            self.cards.reported(instance.name, instance.session.client.system_stats(read_timeout_s=5.0))
        except ComfyUIError as error:
            self.log.warning("instance.down", instance=instance.name, message=str(error))

    # --- memory ------------------------------------------------------------------------------------------------------

    def _short(self, memory: Memory, usable_gb: float, needed_gb: float | None) -> str:
        """Say what is missing of a card's memory, and who holds it; "" when nothing is."""
        most_gb = max(self._most_free_gb.get(memory.card, 0.0), memory.free_gb)
        self._most_free_gb[memory.card] = most_gb
        wanted_gb = most_gb - SLACK_GB if needed_gb is None else needed_gb
        if usable_gb >= wanted_gb:
            return ""
        return (
            f"{memory.card} has {memory.free_gb:.1f} of {memory.total_gb:.1f} GiB free, and {wanted_gb:.1f} GiB are "
            f"needed; it is held by: {memory.holders()}"
        )

    def _until_free(self, problem: Callable[[], str], timeout_s: float) -> str:
        """Block until there is no problem; return what is left of it after so long."""
        until = self.clock.monotonic() + timeout_s
        while said := problem():
            if self.clock.monotonic() >= until or self.stop.is_set():
                return said
            self.clock.wait(self.stop, LOOK_EVERY_S)
        return ""


def groups_of(handover: HandOver) -> list[list[ManagedServer]]:
    """Return the servers that can only be awake in turn, or that share instances: together; each in one group."""
    groups: list[list[ManagedServer]] = []
    for server in handover.servers:
        near = {id(one) for one in (server, *handover.rivals(server))}
        near |= {id(one) for instance in handover.sharing(server) for one in handover.servers_on(instance)}
        met = [group for group in groups if any(id(one) in near for one in group)]
        groups = [group for group in groups if group not in met] + [[*chain.from_iterable(met), server]]
    return groups


def _host(instance: Instance) -> str:
    return instance.listed.host if instance.listed is not None else ""


def _gpus(instance: Instance) -> list[Gpu | None]:
    """Return the card of an instance; none for the embedded engines, which use none."""
    return [instance.listed.gpu] if instance.listed is not None else []

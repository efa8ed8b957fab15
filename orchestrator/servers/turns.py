"""Whose turn it is on cards that ComfyUI shares with language models, in a night whose steps overlap.

In strict order nobody needs to be asked: one step is over before the next begins. When steps overlap, the cards that a
server shares work in turn with the steps that ask it. The language model goes first, as what it makes is what the rest
of the night needs; it gives way when nothing is left for it to do, and comes back at the next boundary, when a card has
nothing more to take at its step. Cards that share nothing are never asked to wait.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.instances import Instance
from orchestrator.planning import StepOutlook
from orchestrator.servers.handover import groups_of
from orchestrator.servers.pool import ServerPool
from orchestrator.servers.server import ManagedServer
from steps.base import Step

CARDS = ""
"""The party of all instances that share a group's cards."""


@dataclass
class _Group:
    """Servers and instances that can only have their cards in turn."""

    servers: Sequence[ManagedServer]
    instances: frozenset[str]
    party: str | None = None  # whose turn it is: a server's, or `CARDS`; None: it changes just now, or has not begun
    is_wanted: bool = False  # a server waits for the cards to come free
    visitors: set[str] = field(default_factory=set)  # instances at work
    asking: int = 0  # step runs that ask the server


class Turns:
    """The turns of one night. All methods but `lead` return at once, and may be called from any thread."""

    def __init__(self, pool: ServerPool, steps: Sequence[Step], changed: threading.Condition) -> None:
        """Find out who shares what.

        Args:
            pool: The servers.
            steps: The pipeline, in order.
            changed: Rung when a turn begins or ends.
        """
        self._pool = pool
        self._changed = changed
        self._groups = [
            _Group(servers, frozenset(one.name for server in servers for one in pool.handover.sharing(server)))
            for servers in groups_of(pool.handover)
        ]
        asked = {step.name: pool.of_step(step) for step in sorted(steps, key=lambda step: step.number)}
        self._asked = {name: servers[0] for name, servers in asked.items() if servers}
        self._by_instance = {name: group for group in self._groups for name in group.instances}
        self._by_server = {server.name: group for group in self._groups for server in group.servers}

    @property
    def are_taken(self) -> bool:
        """Whether there is anything to take turns at: a server of ours that a step asks."""
        return bool(self._asked)

    # --- cards -------------------------------------------------------------------------------------------------------

    def card_begins(self, instance: str) -> bool:
        """Tell whether an instance may begin at a step now; if so, it has begun."""
        group = self._by_instance.get(instance)
        if group is None:
            return True
        with self._changed:
            if group.party != CARDS or group.is_wanted:
                return False
            group.visitors.add(instance)
            return True

    def occupy(self, instance: str) -> None:
        """Count an instance as at work, whoever's turn it is: a prompt of its own has outlived a crash."""
        group = self._by_instance.get(instance)
        if group is not None:
            with self._changed:
                group.visitors.add(instance)

    def card_ends(self, instance: str) -> None:
        """Say that an instance is at a boundary."""
        group = self._by_instance.get(instance)
        if group is not None:
            with self._changed:
                group.visitors.discard(instance)
                self._changed.notify_all()

    def is_wanted(self, instance: str) -> bool:
        """Tell whether an instance that finds nothing to take should leave its step: a language model waits."""
        group = self._by_instance.get(instance)
        return group is not None and group.is_wanted

    # --- steps that ask ----------------------------------------------------------------------------------------------

    def asking_begins(self, step: str) -> bool:
        """Tell whether a run of a step may begin now; if so, it counts as begun."""
        server = self._asked.get(step)
        if server is None:
            return True
        with self._changed:
            group = self._by_server[server.name]
            if group.party != server.name:
                return False
            group.asking += 1
            return True

    def asking_ends(self, step: str) -> None:
        """Say that such a run is over, or that there was none."""
        server = self._asked.get(step)
        if server is not None:
            with self._changed:
                self._by_server[server.name].asking -= 1
                self._changed.notify_all()

    # --- the hand-over -----------------------------------------------------------------------------------------------

    def lead(self, outlook: Mapping[str, StepOutlook]) -> dict[str, str]:
        """Hand over what is to change hands now. Blocks for as long as that takes.

        Args:
            outlook: What is left of each step.

        Returns:
            The steps that cannot go on, with the reason.
        """
        problems: dict[str, str] = {}
        for group in self._groups:
            target = self._target(group, outlook)
            if target is None:
                continue
            server = next((one for one in group.servers if one.name == target), None)
            problem = ""
            try:
                if server is not None:
                    problem = self._pool.wake_for(server)
                else:
                    self._pool.before_cards(self._instances(group.instances), 0.0)
            finally:
                with self._changed:
                    # One that cannot be had is not asked for again: its steps are over.
                    group.party = None if problem else target
                    group.is_wanted = False
                    self._changed.notify_all()
            problems |= self._of(server, problem)
        return problems | self._broken()

    def _target(self, group: _Group, outlook: Mapping[str, StepOutlook]) -> str | None:
        """Return whose turn is to begin now, and end the present one; None when nothing changes yet."""
        with self._changed:
            wanted = self._wanted(group, outlook)
            target = wanted or CARDS
            if group.party == target or (wanted is None and not group.instances):
                group.is_wanted = False
                return None
            group.is_wanted = wanted is not None
            if group.asking or (wanted is not None and group.visitors):
                return None
            group.party = None
            return target

    def _wanted(self, group: _Group, outlook: Mapping[str, StepOutlook]) -> str | None:
        """Return the server of a group for which there is work: the present one before others, else by the step."""
        names = {one.name for one in group.servers}
        busy = [
            server.name
            for step, server in self._asked.items()
            if server.name in names and step in outlook and (outlook[step].ready or outlook[step].active)
        ]
        return group.party if group.party in busy else next(iter(busy), None)

    def _instances(self, names: Collection[str]) -> list[Instance]:
        return [one for one in self._pool.cards.instances() if one.name in names]

    def _broken(self) -> dict[str, str]:
        """Return the steps whose server was given up while they asked it."""
        found: dict[str, str] = {}
        for server in self._pool.servers:
            found |= self._of(server, server.broken)
        return found

    def _of(self, server: ManagedServer | None, problem: str) -> dict[str, str]:
        return {step: problem for step, one in self._asked.items() if one is server} if problem else {}

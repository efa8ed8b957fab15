"""Looks at cards, hosts and the room in the background, one thread for each, and tells placement.

Placement never waits for any of this: it uses what was told last. A source that fails is asked again after the next
period; one that was never there is not asked again.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from orchestrator.card_settings import CoolingSettings
from orchestrator.cards import Cards
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.instances import login_of
from orchestrator.settings import InstanceSettings
from orchestrator.telemetry import GpuSample, number, output_of, sample_here, sample_over

Source = Callable[[], tuple[GpuSample, ...] | None]
SSH_PERIOD_S = 30.0
"""A login costs the other side a process or two: it is not worth one every few seconds."""
STATS_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 20.0
JOIN_S = 2.0


@dataclass(frozen=True)
class HostWatch:
    """What is looked at on one host."""

    host: str
    source: Source | None  # of its cards
    clients: Mapping[str, ComfyClient]  # by instance: those that are asked for their memory
    period_s: float


def source_of(host: str, instances: Sequence[InstanceSettings]) -> Source | None:
    """Return what tells about the cards of a host; None when nothing does.

    Args:
        host: "" for this machine.
        instances: All entries of that host, reserved ones too.
    """
    wanted = {one.telemetry for one in instances}
    if "local" in wanted or (not host and "auto" in wanted and any(one.gpu is not None for one in instances)):
        return sample_here
    for one in instances:
        if one.telemetry == "ssh" and one.restart is not None and one.restart.ssh is not None:
            login = login_of(one.restart)
            return lambda: sample_over(login.run)
    return None


def is_over_ssh(instances: Sequence[InstanceSettings]) -> bool:
    """Tell whether the cards of a host are asked over SSH."""
    return any(one.telemetry == "ssh" for one in instances)


def sample(source: Source | None) -> tuple[GpuSample, ...]:
    """Return the cards that a source tells of, now; none when it fails. Blocks."""
    if source is None:
        return ()
    try:
        return source() or ()
    except ComfyUIError:  # of the login
        return ()


class Sampling:
    """The threads that look. Made when the fleet is open, closed with it."""

    def __init__(self, cards: Cards, cooling: CoolingSettings, *, period_s: float) -> None:
        self._cards = cards
        self._cooling = cooling
        self._period_s = period_s
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, hosts: Sequence[HostWatch]) -> None:
        """Begin to look. Returns at once."""
        for watch in hosts:
            if watch.source is not None or watch.clients:
                self._begin(partial(self.look, watch), watch.period_s, f"telemetry {watch.host or 'here'}")
        if self._cooling.ambient_command or self._cooling.ambient_file:
            self.look_at_room()
            self._begin(self.look_at_room, self._period_s, "telemetry room")

    def close(self) -> None:
        """Stop looking. A look that hangs is left to end by itself."""
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_S)

    def look(self, watch: HostWatch) -> None:
        """Look at one host once. Blocks."""
        if samples := sample(watch.source):
            self._cards.measured(watch.host, samples)
        for name, client in watch.clients.items():
            if self._stop.is_set():
                return
            with suppress(ComfyUIError):  # whoever has a prompt there notices as well
                self._cards.reported(name, client.system_stats(read_timeout_s=STATS_TIMEOUT_S))

    def look_at_room(self) -> None:
        """Look at the room's temperature once. Blocks."""
        self._cards.room(room_celsius(self._cooling))

    def _begin(self, look: Callable[[], None], period_s: float, name: str) -> None:
        def run() -> None:
            while not self._stop.wait(period_s):  # in real time: what is measured does not follow a clock of ours
                look()

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()


def room_celsius(cooling: CoolingSettings) -> float | None:
    """Return the temperature of the room, °C; None when it cannot be read. Blocks."""
    if cooling.ambient_command is not None:
        try:
            words = shlex.split(cooling.ambient_command)
        except ValueError:
            return None
        text = output_of(words, timeout_s=COMMAND_TIMEOUT_S) if words else None
        return None if text is None else number(text)
    if cooling.ambient_file is None:
        return None
    try:
        found = number(cooling.ambient_file.read_text(errors="replace")[:200])
    except OSError:
        return None
    # The kernel's sensors tell thousandths of a degree.
    return found / 1000 if found is not None and abs(found) >= 1000 else found

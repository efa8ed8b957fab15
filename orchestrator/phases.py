"""For how long a prompt may be silent: learned for each workflow, card and phase from silences that ended well.

A card reads a model from a slow disk for four minutes and then tells of a step each second: one limit for both is
either too late for a sampler that hangs or too early for the load. The first prompt after a restart, or after another
workflow, loads its models; it is learned apart, as `cold`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from db.errors import DatabaseError
from db.phases import PhaseRow
from steps.demands import Phase, Timing

FACTOR = 3.0
SLACK = 0.1
"""A limit is the longest silence so many times over, and this share of the manifest's `idle_timeout_s` more."""
LEAST = 0.2
"""No learned limit is less than this share of it: garbage collection, a busy disk or a neighbour takes as long."""
ENOUGH = 3
"""So many prompts have to end well before what they took may shorten the manifest's own limit."""
COLD = "-c"
"""Ending of the phase's name under which a cold prompt is kept."""

Key = tuple[str, str, str]  # workflow, card, phase


class Keeper(Protocol):
    """Where learned times outlive the night; see `db.phases.PhaseTimeStore`."""

    def load(self) -> Iterable[PhaseRow]:
        """Return everything that is known."""

    def keep(self, rows: Iterable[PhaseRow]) -> None:
        """Keep rows in the place of earlier ones."""


def limit_of(timing: Timing, phase: Phase, *, known: PhaseRow | None) -> float:
    """Return for how many seconds a prompt may be silent in a phase.

    Args:
        timing: From the manifest of its workflow: the floor of the phase, and the limit where nothing is known.
        phase: What it is doing.
        known: What was learned on this card.
    """
    floor_s = timing.phases.get(phase, 0.0)
    if known is None:
        return max(floor_s, timing.idle_timeout_s)
    idle_s = timing.idle_timeout_s
    learned_s = max(floor_s, LEAST * idle_s, known.longest_s * FACTOR + SLACK * idle_s)
    return learned_s if known.samples >= ENOUGH else max(learned_s, idle_s)


class PhaseTimes:
    """The learned times of all workflows and cards. Thread-safe."""

    def __init__(self, keeper: Keeper) -> None:
        """Read what earlier nights learned."""
        self._keeper = keeper
        self._lock = threading.Lock()
        self._rows: dict[Key, PhaseRow] = {(row.workflow, row.card, row.phase): row for row in keeper.load()}
        self._warm: dict[str, tuple[str, int]] = {}  # card -> the workflow that it ran last, and in which of its lives
        self._doubted: set[Key] = set()  # limits that struck, and no prompt ended well since

    def of_prompt(self, workflow: str, card: str, *, timing: Timing, boot: Callable[[], int]) -> PromptLimits:
        """Return the limits of one prompt.

        Args:
            workflow: Its name.
            card: The instance that runs it.
            timing: From its manifest.
            boot: Returns how often that instance was restarted so far.
        """
        return PromptLimits(self, workflow, card, timing, boot)

    def cooled(self, card: str) -> None:
        """Note that a card holds no models any more: its memory was freed."""
        with self._lock:
            self._warm.pop(card, None)

    def is_warm(self, workflow: str, card: str, *, boot: int) -> bool:
        """Tell whether the last prompt of a card's present life was one of the same workflow."""
        with self._lock:
            return self._warm.get(card) == (workflow, boot)

    def limit_s(self, key: Key, phase: Phase, *, timing: Timing) -> float:
        """Return for how many seconds a prompt may be silent in a phase."""
        with self._lock:
            limit_s = limit_of(timing, phase, known=self._rows.get(key))
            return max(limit_s, timing.idle_timeout_s) if key in self._doubted else limit_s

    def doubt(self, key: Key) -> None:
        """Note that a limit struck: until a prompt ends well, the manifest's own one is the least that counts."""
        with self._lock:
            self._doubted.add(key)

    def learn(self, silences: Mapping[Key, float], *, card: str, workflow: str, boot: int) -> None:
        """Take in the longest silences of a prompt that ended well, by phase."""
        with self._lock:
            self._warm[card] = (workflow, boot)
            self._doubted -= set(silences)
            changed = [row for key, seconds in silences.items() if (row := self._raise(key, seconds)) is not None]
        if changed:
            with suppress(DatabaseError):  # whatever is wrong with it, the next move of a state tells
                self._keeper.keep(changed)

    def _raise(self, key: Key, seconds: float) -> PhaseRow | None:
        """Count one more sample. Return the row where it is worth keeping: not at each of a thousand prompts."""
        old = self._rows.get(key, PhaseRow(*key, longest_s=0.0, samples=0))
        new = PhaseRow(*key, longest_s=max(old.longest_s, round(seconds, 3)), samples=old.samples + 1)
        self._rows[key] = new
        return new if new.longest_s > old.longest_s or new.samples <= ENOUGH or new.samples % 64 == 0 else None


@dataclass
class PromptLimits:
    """How long one prompt may be silent, phase by phase. Used by one thread: whoever waits for it."""

    times: PhaseTimes
    workflow: str
    card: str
    timing: Timing
    boot: Callable[[], int]
    _is_cold: bool | None = None

    def limit_s(self, phase: Phase) -> float:
        """Return for how many seconds it may be silent now. First asked when it runs: that decides warm or cold."""
        return self.times.limit_s(self._key(phase), phase, timing=self.timing)

    def struck(self, phase: Phase) -> None:
        """Note that it was given up for its silence."""
        self.times.doubt(self._key(phase))

    def ended_well(self, silences: Mapping[Phase, float]) -> None:
        """Note its longest silences, once it has ended in success."""
        found = {self._key(phase): seconds for phase, seconds in silences.items()}
        self.times.learn(found, card=self.card, workflow=self.workflow, boot=self.boot())

    def _key(self, phase: Phase) -> Key:
        if self._is_cold is None:
            self._is_cold = not self.times.is_warm(self.workflow, self.card, boot=self.boot())
        return self.workflow, self.card, f"{phase}{COLD if self._is_cold else ''}"

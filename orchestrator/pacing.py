"""How fast each instance is at each step: from earlier nights, from tonight, and guessed from manifests until then."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median

from steps.demands import Timing

RECENT = 5
"""Prompts of tonight that count for an instance: enough to forget one odd prompt, few enough to see it slow down."""


class Speeds:
    """Measured and expected seconds. Not thread-safe: its owner has the lock."""

    def __init__(self) -> None:
        self._timings: dict[str, Timing] = {}
        self._usual: dict[str, dict[str, float]] = {}  # step -> instance -> seconds, of earlier nights
        self._warm: dict[tuple[str, str], deque[float]] = {}  # (step, instance) -> seconds of tonight
        self._cold: dict[tuple[str, str], deque[float]] = {}  # those that had to load their models

    def begin(self, step: str, timing: Timing, *, usual: Mapping[str, float]) -> None:
        """Take note of a step that comes; see `Cards.expect`."""
        self._timings[step] = timing
        self._usual[step] = dict(usual)

    def note(self, step: str, instance: str, seconds: float, *, is_cold: bool) -> None:
        """Take note of a prompt that came to a good end."""
        table = self._cold if is_cold else self._warm
        table.setdefault((step, instance), deque(maxlen=RECENT)).append(seconds)

    def cold_s(self, step: str) -> float:
        """Return how much longer a prompt takes that loads its models; 0 while that is not known."""
        extra = [
            median(cold) - median(self._warm[key])
            for key, cold in self._cold.items()
            if key[0] == step and key in self._warm
        ]
        return max(0.0, median(extra)) if extra else 0.0

    def estimates(self, step: str, vram_gb: Mapping[str, float | None]) -> dict[str, float]:
        """Return the seconds that a step takes on each instance, where anything can be said.

        One that was never measured counts as fast as the fastest that was, in the ratio of what the manifest expects of
        cards of their size: it is tried, and then it is known.

        Args:
            step: The step.
            vram_gb: The instances, with the memory of their cards.
        """
        known = {name: seconds for name in vram_gb if (seconds := self._measured(step, name)) is not None}
        timing = self._timings.get(step)
        if not known:
            sizes = {name: size for name, size in vram_gb.items() if size is not None}
            return {name: timing.expected_s_on(size) for name, size in sizes.items()} if timing is not None else {}
        fastest = min(known, key=lambda name: known[name])
        found = dict(known)
        for name in vram_gb.keys() - known.keys():
            mine, theirs = vram_gb[name], vram_gb[fastest]
            ratio = 1.0
            if timing is not None and mine is not None and theirs is not None:
                ratio = timing.expected_s_on(mine) / timing.expected_s_on(theirs)
            found[name] = known[fastest] * ratio
        return found

    def _measured(self, step: str, instance: str) -> float | None:
        key = (step, instance)
        if key in self._warm:
            return median(self._warm[key])
        usual = self._usual.get(step, {}).get(instance)
        if usual is not None:
            return usual
        return median(self._cold[key]) if key in self._cold else None

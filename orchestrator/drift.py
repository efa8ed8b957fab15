"""When an instance has drifted so far from what it was that a restart pays: pure decisions over measurements.

Servers keep more RAM from model to model, promise more than there is, do not give back the card's memory, and become
slow over hours. Nothing but a restart cures that, and a restart costs a load of the models. So it happens between two
steps, where the models change anyway, and where the limit is passed, or would be before the next such moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from orchestrator.settings import DriftSettings

FEW = 3
"""Prompts whose median is compared: one alone may be a long clip."""


@dataclass(frozen=True)
class Sample:
    """What one instance held between two steps, after it was asked to give back what it need not keep.

    None: it cannot be measured from here.
    """

    ram_gb: float | None = None  # GiB
    is_process: bool = False  # `ram_gb` is the server's own; else by how much its machine uses more than at first
    committed_share: float | None = None  # of its machine's RAM and swap, 0..
    vram_held_gb: float | None = None  # GiB of the card's memory that were free at first


@dataclass(frozen=True)
class Slowdown:
    """How much longer the prompts of a step take on one card than they did."""

    step: str
    first_s: float
    latest_s: float

    @property
    def factor(self) -> float:
        """Return how many times as long."""
        return self.latest_s / self.first_s


def slowdown(step: str, seconds: Sequence[float], *, learned_s: float | None = None) -> Slowdown | None:
    """Compare the latest prompts of a step on one card with the first ones of the night; None for too few.

    Args:
        step: Its name.
        seconds: Of its prompts on that card since the night or the last restart began, oldest first. The first one
            loads the models and says nothing.
        learned_s: What a prompt usually took there on earlier nights; used where tonight's are too few to compare.
    """
    warm = list(seconds)[1:]
    if len(warm) >= 2 * FEW:
        first_s = median(warm[:FEW])
    elif len(warm) >= FEW and learned_s is not None:
        first_s = learned_s
    else:
        return None
    return Slowdown(step, first_s, median(warm[-FEW:])) if first_s > 0 else None


def growth_gb(earlier: Sample | None, now: Sample, *, prompts: int, coming: int) -> float:
    """Return by how much its RAM will have grown when the coming prompts are through, at the rate of the last ones.

    Args:
        earlier: At the step boundary before, if it has not been restarted since.
        now: At this one.
        prompts: Ran on it in between.
        coming: Will run on it before the next boundary.
    """
    if earlier is None or earlier.ram_gb is None or now.ram_gb is None or prompts <= 0:
        return 0.0
    return max(0.0, (now.ram_gb - earlier.ram_gb) / prompts * coming)


def reasons_to_restart(
    sample: Sample, budget: DriftSettings, *, growth: float = 0.0, slow: Slowdown | None = None
) -> tuple[str, ...]:
    """Return what is past its budget, each in words such as `RSS 41.0 GB > 32 GB`; empty: it can go on.

    Args:
        sample: What was measured.
        budget: From config.yaml.
        growth: GiB of RAM that it will have more at the next boundary.
        slow: How much slower it has become.
    """
    found = []
    if sample.ram_gb is not None:
        ram = f"RSS {sample.ram_gb:.1f} GB" if sample.is_process else f"its host uses {sample.ram_gb:.1f} GB more RAM"
        if sample.ram_gb > budget.rss_gb:
            found.append(f"{ram} > {budget.rss_gb:g} GB")
        elif sample.ram_gb + growth > budget.rss_gb:
            found.append(f"{ram}, and {growth:.1f} GB more by the end of the next step > {budget.rss_gb:g} GB")
    if sample.committed_share is not None and sample.committed_share > budget.committed_share:
        found.append(f"committed memory {sample.committed_share:.0%} > {budget.committed_share:.0%} of RAM and swap")
    if sample.vram_held_gb is not None and sample.vram_held_gb > budget.vram_gb:
        found.append(f"card memory not given back {sample.vram_held_gb:.1f} GB > {budget.vram_gb:g} GB")
    if slow is not None and slow.factor > budget.slowdown:
        found.append(
            f"{slow.step} takes {slow.latest_s:.1f} s a prompt instead of {slow.first_s:.1f} s: "
            f"{slow.factor:.1f} × > {budget.slowdown:g} ×"
        )
    return tuple(found)

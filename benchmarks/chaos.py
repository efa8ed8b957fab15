"""How much card time nights of chaos throw away: undisturbed work of which nothing came, by the cards' own ledger.

The nights are those of the tests (`tests/chaos`), by their seeds; what a fault destroyed itself stands beside it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.nursery import Nursery

NIGHTS = 60
AT_ONCE = 5
GOAL = 0.05


def measures() -> Iterator[dict[str, Any]]:
    """Play the nights, print where the card time went, and yield the record.

    Raises:
        RuntimeError: a night broke one of the rules that hold after every night.
    """
    with tempfile.TemporaryDirectory() as name, Nursery() as nursery:
        reports = list(nursery.nights(range(1, NIGHTS + 1), jobs=AT_ONCE, folder=Path(name)))
    if wrong := [report["seed"] for report in reports if report["problems"]]:
        raise RuntimeError(f"nights went wrong: {wrong}; see python -m tests.chaos {wrong[0]} --verbose")
    spent = {key: sum(report["waste"][key] for report in reports) for key in ("used_s", "destroyed_s", "wasted_s")}
    whole_s = sum(spent.values())
    strikes = sum(report["waste"]["strikes"] for report in reports)
    shares = {key.removesuffix("_s"): seconds / whole_s for key, seconds in spent.items()}
    print(
        f"{NIGHTS} nights, {strikes} faults, {sum(len(report['lives']) for report in reports)} lives: of the card time "
        + ", ".join(f"{share:.1%} {key}" for key, share in shares.items()),
        flush=True,
    )
    yield {
        "name": "chaos_wasted_gpu_ratio",
        "value": round(shares["wasted"], 4),
        "unit": "ratio",
        "goal": f"<= {GOAL}",
        "holds": shares["wasted"] <= GOAL,
        "destroyed_ratio": round(shares["destroyed"], 4),
    }

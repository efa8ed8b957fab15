"""How much card time of a night was thrown away, by the cards' own ledger.

Every second in which a card ran a prompt is one of three kinds:

    used       its result became an artifact
    destroyed  a fault hit that very prompt: the card died or hung under it, a node failed, its file was cut short, or
               no room was left for it
    wasted     neither: it was undisturbed, and nothing came of it for reasons of ours (a restart under a second prompt,
               a prompt that ran twice, one that was given up or not found again)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HARMLESS = frozenset({"chatter", "drop_socket", "mute_socket", "slow_history", "stall"})
"""Faults that strike while a prompt runs and leave its result whole."""


@dataclass(frozen=True)
class Ran:
    """One run of a prompt on a card, in real seconds."""

    prompt_id: str
    card: int
    boot: int
    seconds: float
    how: str  # as the card noted it; "died" with the card
    destroyed: bool
    is_canary: bool  # not an attempt's: it is run before a night to see whether the card is well


@dataclass(frozen=True)
class Waste:
    """Where the card time of a night went, real seconds."""

    used_s: float
    destroyed_s: float
    wasted_s: float
    wasted_prompts: int
    strikes: int  # faults that struck

    @property
    def ratio(self) -> float:
        """The share of what was wasted."""
        whole = self.used_s + self.destroyed_s + self.wasted_s
        return self.wasted_s / whole if whole else 0.0


def runs_of(ledger: Iterable[Mapping[str, Any]]) -> list[Ran]:
    """Return every run of a prompt on a card."""
    found: list[Ran] = []
    open_at: dict[int, Mapping[str, Any]] = {}  # card -> the line with which its prompt began
    struck: set[tuple[str, int, int]] = set()
    for line in ledger:
        if "card" not in line:
            continue
        card = int(line["card"])
        where = (str(line.get("prompt")), card, int(line.get("boot", -1)))
        if line["event"] == "begin":
            open_at[card] = line
        elif line["event"] == "strike" and line["kind"] not in HARMLESS and line["point"] in ("node", "tick", "save"):
            struck.add(where)
        elif line["event"] in ("end", "death") and card in open_at:
            begun = open_at.pop(card)
            prompt, boot = begun["prompt"], begun["boot"]
            destroyed = (prompt, card, boot) in struck or line.get("why") == "fault"
            seconds, how = line["t"] - begun["t"], line.get("how", "died")
            found.append(Ran(prompt, card, boot, seconds, how, destroyed, begun["canary"]))
    return found


def measure(ledger: Iterable[Mapping[str, Any]], home: Path) -> Waste:
    """Add up where the card time of a night went."""
    lines = list(ledger)
    used = _prompts(home, "outcome = 'complete'")
    no_room = _prompts(home, "error_class = 'DiskFull'")
    sums = {"used": 0.0, "destroyed": 0.0, "wasted": 0.0}
    wasted = 0
    for ran in (one for one in runs_of(lines) if not one.is_canary):
        kind = "used" if ran.prompt_id in used else "wasted"
        if ran.destroyed or ran.prompt_id in no_room:
            kind = "destroyed"
        sums[kind] += ran.seconds
        wasted += kind == "wasted"
    strikes = sum(1 for line in lines if line["event"] == "strike")
    return Waste(round(sums["used"], 3), round(sums["destroyed"], 3), round(sums["wasted"], 3), wasted, strikes)


def _prompts(home: Path, condition: str) -> set[str]:
    """Return the prompts of the attempts for which a condition in SQL holds."""
    with closing(sqlite3.connect(f"file:{home / 'nightreel.db'}?mode=ro", uri=True)) as conn:
        rows = conn.execute(f"SELECT prompt_id FROM attempt WHERE prompt_id IS NOT NULL AND {condition}")  # noqa: S608
        return {row[0] for row in rows}

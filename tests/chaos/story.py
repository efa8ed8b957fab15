"""Tells a night of chaos for people: its lives, and what happened on its cards, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.chaos.ledger import lines_of


def tell(report: dict[str, Any]) -> str:
    """Return a night's story; the cards' part only while its folder is there."""
    lines = [f"  {report.get('seconds', 0)} s, {report.get('cpu_s', 0)} s of CPU, {report.get('waste')}"]
    for number, lived in enumerate(report.get("lives", [])):
        end = "killed" if lived["killed"] else str(lived["found"])
        lines.append(f"  life {number}{' (morning)' if lived['is_morning'] else ''}: {lived['seconds']} s, {end}")
    ledger = lines_of(Path(report["folder"]) / "ledger.jsonl")
    for line in ledger:
        rest = " ".join(f"{key}={value}" for key, value in line.items() if key not in ("t", "event"))
        lines.append(f"  {line['t'] - ledger[0]['t']:8.3f}  {line['event']:8} {rest}")
    return "\n".join(lines)

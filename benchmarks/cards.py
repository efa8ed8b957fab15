"""Throughput on 1, 2, 4, 8 and 16 embedded cards with prompts of half a second."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.rig import Timing, add_paintings, make_settings, pipeline, rehearse

PROMPT_S = 0.5
PROMPTS_A_CARD = 20
CARDS = (1, 2, 4, 8, 16)


def prompts_per_second(cards: int) -> float:
    """Run one step over enough items on so many cards; return prompts a second, from first start to last end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = make_settings(folder / "home", cards=cards, languages=("fr",))
        steps = pipeline([Timing("render", PROMPT_S, on_card=True, per_language=False)], folder / "workflows")
        from orchestrator.opening import open_store

        _, store = open_store(settings, steps=steps)
        add_paintings(store, folder / "paintings", cards * PROMPTS_A_CARD)
        result, store, _ = rehearse(settings, steps, paintings=cards * PROMPTS_A_CARD)
        attempts = [one for one in store.attempts(result.batch_id) if one.outcome == "complete"]
        starts = [one.started_at for one in attempts if one.started_at is not None]
        ends = [one.finished_at for one in attempts if one.finished_at is not None]
        return len(attempts) / (max(ends) - min(starts)).total_seconds()


def measures() -> Iterator[dict[str, Any]]:
    """Measure, print a line for people, and yield the records."""
    rates = {}
    for cards in CARDS:
        rates[cards] = prompts_per_second(cards)
        print(
            f"{cards:2d} cards: {rates[cards]:6.2f} prompts/s, {rates[cards] / rates[1]:5.2f} x one card, "
            f"{rates[cards] * PROMPT_S / cards:.1%} of what {cards} could do",
            flush=True,
        )
    speedup = rates[16] / rates[1]
    yield {
        "name": "cards16_speedup",
        "value": round(speedup, 2),
        "unit": "x",
        "goal": ">= 15",
        "holds": speedup >= 15,
    }

"""A rehearsal of a real night, sixty times as fast, on one embedded card with timed nodes.

The night: 20 portraits, 5 turned down at step 0, 15 made in French and English, on one card, 2026-05-22 from 02:58 to
07:54. Its owner's report gives compute and queue wait by step; its card was active for 89.4 % of the wall-clock. The
seconds below are that report's compute divided by the step runs, and by sixty.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.rig import Timing, add_paintings, make_settings, pipeline, rehearse
from orchestrator.report.figures import attempt_shares

FASTER = 60.0
ITEMS, TURNED_DOWN, MADE, LANGUAGES = 20, 5, 15, 2
OWNER_ACTIVE = 0.894

# (step, minutes of compute in that night, runs, on the card, once a language)
OWNER_NIGHT = (
    ("prepare", 0.9, ITEMS, False, False),
    ("script", 21.6, MADE * LANGUAGES, False, True),
    ("audio", 27.5, MADE * LANGUAGES, True, True),
    ("clean_pic", 1.5, MADE, True, False),
    ("realistic_pic", 0.8, MADE, True, False),
    ("transition", 21.8, MADE, True, False),
    ("script_video", 163.3, MADE * LANGUAGES, True, True),
    ("subtitles", 6.7, MADE * LANGUAGES, False, True),
    ("outro", 42.0, MADE * LANGUAGES, True, True),
    ("final_video", 3.4, MADE * LANGUAGES, False, True),
)


def timings() -> list[Timing]:
    """Return the steps of the rehearsal."""
    return [
        Timing(
            name,
            minutes * 60 / runs / FASTER,
            on_card=on_card,
            per_language=per_language,
            turns_down=TURNED_DOWN if name == "prepare" else 0,
        )
        for name, minutes, runs, on_card, per_language in OWNER_NIGHT
    ]


def measures() -> Iterator[dict[str, Any]]:
    """Rehearse, print a table for people, and yield the records."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = make_settings(folder / "home", cards=1)
        steps = pipeline(timings(), folder / "workflows")
        from orchestrator.opening import open_store

        _, store = open_store(settings, steps=steps)
        add_paintings(store, folder / "paintings", ITEMS, turned_down=TURNED_DOWN)
        result, store, _ = rehearse(settings, steps, paintings=ITEMS)
        attempts = store.attempts(result.batch_id)
        batch = store.batch(result.batch_id)
    shares = attempt_shares(attempts)
    on_card = {step.name for step in steps if step.engine == "comfyui"}
    compute = window = 0.0
    print(f"{'step':14} {'runs':>4} {'window s':>9} {'compute s':>9} {'active':>7}")
    for step in steps:
        mine = [one for one in attempts if one.step == step.name and one.attempt_id in shares]
        starts = [one.started_at for one in mine if one.started_at is not None]
        ends = [one.finished_at for one in mine if one.finished_at is not None]
        seconds = (max(ends) - min(starts)).total_seconds()
        busy = sum(shares[one.attempt_id].compute_s for one in mine)
        if step.name in on_card:
            compute, window = compute + busy, window + seconds
        print(f"{step.name:14} {len(mine):4d} {seconds:9.2f} {busy:9.2f} {busy / seconds:7.1%}")
    assert batch.closed_at is not None
    whole = (batch.closed_at - batch.opened_at).total_seconds()
    everything = sum(shares[one.attempt_id].compute_s for one in attempts if one.attempt_id in shares)
    active = compute / window
    print(f"within the ComfyUI steps the card was active for {active:.1%} of {window:.1f} s")
    print(
        f"the whole night took {whole:.1f} s: {compute / whole:.1%} on the card, "
        f"{min(1.0, everything / whole):.1%} with the steps that the owner's report counts as compute too "
        f"(the owner's: {OWNER_ACTIVE:.1%})",
        flush=True,
    )
    yield {
        "name": "replay_active_ratio",
        "value": round(active, 4),
        "unit": "ratio",
        "goal": ">= 0.97",
        "holds": active >= 0.97,
    }
    yield {
        "name": "replay_whole_night_ratio",
        "value": round(min(1.0, everything / whole), 4),
        "unit": "ratio",
        "goal": "beside it",
        "holds": True,
    }

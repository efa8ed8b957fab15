"""A small night that can be killed: run as a process of its own, with steps that take a given time.

usage: python -m tests.acceptance.small_night HOME run|resume

Every artifact depends on its run's seed, so two nights that end with the same artifacts made the same choices. The
benchmarks' rig makes the steps; here they also write what they were given.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.rig import Timing, add_paintings, make_settings, pipeline
from db.store import Store
from orchestrator.home import Home
from orchestrator.night import NightRequest, run_night
from orchestrator.opening import open_store
from orchestrator.settings import Settings
from steps.base import Step

PAINTINGS = 5
TURNED_DOWN = 1
TIMINGS = [
    Timing("look", 0.02, on_card=False, per_language=False, turns_down=TURNED_DOWN),
    Timing("paint", 0.15, on_card=True, per_language=False),
    Timing("speak", 0.12, on_card=True, per_language=True),
    Timing("cut", 0.05, on_card=False, per_language=True),
    Timing("close", 0.1, on_card=True, per_language=True),
]


def build(home: Path) -> tuple[Settings, tuple[Step, ...]]:
    """Return the settings and the steps of the small night in a folder."""
    settings = make_settings(home, cards=2, workers=2)
    return settings, pipeline(TIMINGS, home / "workflows")


def prepare(home: Path) -> tuple[Home, Store]:
    """Make the home with its paintings."""
    settings, steps = build(home)
    opened, store = open_store(settings, steps=steps)
    add_paintings(store, home / "paintings", PAINTINGS, turned_down=TURNED_DOWN)
    return opened, store


def main(home: Path, mode: str) -> int:
    """Run or resume the night. Prints `opened` once the batch is there."""
    settings, steps = build(home)
    request = NightRequest(resume=mode == "resume", paintings=PAINTINGS, seed=7)
    result = run_night(settings, request, steps=steps)
    print(result.outcome, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))

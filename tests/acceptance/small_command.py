"""The command line with the steps of a small night: everything is real but what a step makes.

usage: SMALL_NIGHT_SECONDS=0.1 python -m tests.acceptance.small_command HOME run|resume …
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml

from benchmarks.rig import Timing, add_paintings, make_settings, pipeline
from db.store import Store
from orchestrator import cli, night
from orchestrator.opening import open_store
from steps.base import Step

PAINTINGS = 6
SECONDS = "SMALL_NIGHT_SECONDS"  # environment variable: how long a prompt takes


def small_steps(home: Path) -> tuple[Step, ...]:
    """Return the steps of the night."""
    timings = [
        Timing("look", 0.0, on_card=False, per_language=False),
        Timing("paint", float(os.environ.get(SECONDS, "0.1")), on_card=True, per_language=False),
        Timing("cut", 0.0, on_card=False, per_language=True),
    ]
    return pipeline(timings, home / "workflows")


def prepare(home: Path) -> Store:
    """Make the home with its config and its paintings."""
    settings = make_settings(home, cards=1, languages=("fr",))
    steps = small_steps(home)
    _, store = open_store(settings, steps=steps)
    add_paintings(store, home / "paintings", PAINTINGS)
    (home / "config.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")), encoding="utf-8")
    return store


def main(home: Path, arguments: list[str]) -> None:
    """Run one command in a home; ends the process with its exit code."""
    steps = small_steps(home)
    night.pipeline_of = lambda settings: steps
    sys.argv = ["nightreel", "--config", str(home / "config.yaml"), *arguments]
    cli.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

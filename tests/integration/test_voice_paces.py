"""How quickly voices spoke in earlier nights, and the table of voices on the command line."""

from __future__ import annotations

import json

import pytest
from db_world import World
from typer.testing import CliRunner

from db.store import StepSpec, Store
from orchestrator.cli import app
from orchestrator.past import with_past
from steps.options import StepOptions

STEPS = (StepSpec("audio", 2, per_language=True),)


def night(world: World, *takes: tuple[str, str, int, float]) -> int:
    """Speak so many takes (voice, engine, words, seconds) in a night of their own. Return its number."""
    batch = world.open(len(takes), steps=STEPS, languages=("en",))
    for run, (voice, engine, words, seconds) in zip(world.store.snapshot(batch.id), takes, strict=True):
        attempt = world.store.claim(run.run_id, batch_id=batch.id, instance=None, prompt_id=None, seed=1)
        now, data = world.clock.now(), {"voice": voice, "engine": engine, "words": words, "sounding_s": seconds}
        world.store.complete(attempt.attempt_id, artifacts=[], data=data, checks=[], started_at=now, finished_at=now)
    world.store.close_batch(batch.id, "complete")
    return batch.id


def test_a_night_knows_the_paces_before_it_and_not_its_own(tmp_path) -> None:
    """Real voices and previews are kept apart; takes without the figures count for nothing."""
    world = World(tmp_path)
    world.store = Store(world.engine, world.clock.now, needs={"audio": ()})
    real = ("en/Serena", "real", 100, 40.0), ("en/Serena", "real", 50, 26.0), ("en/Ryan", "real", 10, 5.0)
    first = night(world, *real, ("en/Serena", "espeak", 100, 90.0), ("en/Ryan", "real", 0, 3.0))
    second = night(world, ("en/Serena", "real", 1, 99.0))

    def paces(batch_id: int, *, preview: bool) -> dict[str, float]:
        return with_past(StepOptions(preview=preview), world.store, world.store.batch(batch_id)).voice_pace

    assert paces(first, preview=False) == {}
    assert paces(second, preview=False) == {"en/Serena": 0.44, "en/Ryan": 0.5}
    assert paces(second, preview=True) == {"en/Serena": 0.9}


def test_the_table_of_voices_is_shown_without_a_home(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To tune it, one has to see it; an old man's voice is not a young woman's."""
    monkeypatch.chdir(tmp_path)
    told = json.loads(CliRunner().invoke(app, ["voices", "--json", "--language", "fr"]).stdout)
    speakers = {one["key"]: one["speaker"] for one in told}
    assert speakers["female"] == "Serena"
    assert len({one["description"] for one in told}) == len(told) == 6
    refused = CliRunner().invoke(app, ["voices", "--language", "de"])
    assert refused.exit_code == 2

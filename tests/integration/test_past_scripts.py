"""What a night's scripts are told about earlier nights: the same however often the night is interrupted."""

from __future__ import annotations

from db_world import World

from db.store import StepSpec, Store
from orchestrator.past import with_past
from steps.options import Past, ScriptOptions, StepOptions

STEPS = (StepSpec("script", 0, per_language=True),)


def night(world: World, *texts: str) -> int:
    """Open a night of so many paintings, write their scripts in English, and close it. Return its number."""
    batch = world.open(len(texts), steps=STEPS, languages=("en",))
    for run, text in zip(world.store.snapshot(batch.id), texts, strict=True):
        attempt = world.store.claim(run.run_id, batch_id=batch.id, instance=None, prompt_id=None, seed=1)
        now = world.clock.now()
        world.store.complete(
            attempt.attempt_id, artifacts=[], data={"text": text}, checks=[], started_at=now, finished_at=now
        )
    world.store.close_batch(batch.id, "complete")
    return batch.id


def past_of(world: World, batch_id: int, *, remembered: int = 50) -> Past:
    options = StepOptions(script=ScriptOptions(hooks_remembered=remembered))
    return with_past(options, world.store, world.store.batch(batch_id)).past


def test_a_night_knows_the_hooks_before_it_and_not_its_own(tmp_path):
    """The latest last; a shout takes the sentence behind it along."""
    world = World(tmp_path)
    world.store = Store(world.engine, world.clock.now, needs={"script": ()})
    first = night(world, "Psst. Come here, you. I am paint.", "Look at my nose. It itches.")
    second = night(world, "I hate soup. Truly.")
    third = night(world, "My frame pinches me. Ouch.")
    assert past_of(world, first).hooks == {"fr": (), "en": ()}
    assert past_of(world, second).hooks["en"] == ("Psst. Come here, you.", "Look at my nose.")
    assert past_of(world, third).hooks["en"][-1] == "I hate soup."
    assert past_of(world, third, remembered=1).hooks["en"] == ("I hate soup.",)
    assert past_of(world, second).hooks["en"] == ("Psst. Come here, you.", "Look at my nose.")  # asked again later
    assert len(past_of(world, first).items) == 2

"""What a night's scripts are told about the nights before, and about each other.

Settled when the night opens and the same each time it is resumed: an answer that depended on which script was finished
first would make another video after a crash.
"""

from __future__ import annotations

from db.paces import seconds_per_word_before
from db.scripts import texts_before
from db.store import BatchView, Store
from steps.hooks import hook_of
from steps.options import Past, StepOptions

TAKES_REMEMBERED = 400
"""Ten nights of twenty paintings in two languages."""


def with_past(options: StepOptions, store: Store, batch: BatchView) -> StepOptions:
    """Return a night's options with earlier hooks, the order of its items, and how quickly each voice has spoken."""
    limit = options.script.hooks_remembered
    texts = texts_before(store.engine, batch.id, step="script", languages=options.languages, limit=limit)
    past = Past(
        hooks={language: tuple(map(hook_of, found)) for language, found in texts.items()},
        items=tuple(item.item_id for item in store.items(batch.id)),
    )
    engines = ("espeak", "neural") if options.preview else ("real",)
    paces = seconds_per_word_before(store.engine, batch.id, step="audio", engines=engines, limit=TAKES_REMEMBERED)
    return options.model_copy(update={"past": past, "voice_pace": paces})

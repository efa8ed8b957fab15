"""Prompts whose end nobody saw: where they are now, and what became of them.

Two things lead here: a crash of ours left attempts PROCESSING (`recovery.py`), or an instance fell silent while it had
a prompt, so that the try was ended and its run is about to be tried again. What a card makes or has made is not made
twice: a prompt that is still there is waited for, one that has ended is collected, and one that its server has
forgotten is salvaged from the files that it left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from db.store import AttemptView, Store
from orchestrator.comfyui import salvage
from orchestrator.comfyui.errors import ComfyUIError, InstanceDown
from orchestrator.comfyui.replies import HistoryEntry, Outcome, Place
from orchestrator.comfyui.session import InstanceSession
from orchestrator.comfyui.workflow import Workflow
from orchestrator.fleet import Fleet, Instance
from orchestrator.log import Logger

CRASHED = "cut short by a crash"
"""Why an attempt was put back that no instance knew, or could be asked for, after a crash."""

_SILENT: list[type[InstanceDown]] = [InstanceDown, *InstanceDown.__subclasses__()]
UNSEEN_ENDS = frozenset(kind.__name__ for kind in _SILENT)
"""Errors that say nothing of the prompt: it may have run to its end."""


@dataclass(frozen=True)
class Sighting:
    """Where a prompt is."""

    place: Place
    entry: HistoryEntry | None = None  # when FINISHED; when UNKNOWN: put together from the files that it left

    @property
    def is_there(self) -> bool:
        """Tell whether there is anything to wait for or to collect."""
        return self.place is not Place.UNKNOWN or self.entry is not None

    @property
    def collectable(self) -> HistoryEntry | None:
        """Return what can be collected at once; None where waiting for it tells how it ended."""
        return self.entry if self.entry is not None and self.entry.outcome is Outcome.SUCCESS else None


@dataclass(frozen=True)
class Earlier:
    """A prompt of an earlier try that can still be had."""

    prompt_id: str
    instance: Instance  # that has it; perhaps set aside, when its files are on this machine
    sighting: Sighting


def look(
    session: InstanceSession, prompt_ids: Sequence[str], *, workflow: Workflow, sent_long_ago: bool = False
) -> dict[str, Sighting]:
    """Ask an instance where some prompts of one workflow are.

    Args:
        session: The instance.
        prompt_ids: Which ones.
        workflow: What they ran: it tells the names of their files.
        sent_long_ago: Nothing of them can be on its way any more: one look will do.

    Raises:
        ComfyUIError: the instance does not answer.
    """
    client = session.client
    found = client.look_all(prompt_ids) if sent_long_ago else client.locate_all(prompt_ids)
    return {
        prompt_id: Sighting(Place.UNKNOWN, session.salvage(prompt_id, workflow))
        if one.place is Place.UNKNOWN
        else Sighting(one.place, one.entry)
        for prompt_id, one in found.items()
    }


def find_earlier(
    attempts: Sequence[AttemptView], *, here: Instance, fleet: Fleet, workflow: Workflow, log: Logger
) -> Earlier | None:
    """Return the latest prompt of a run's earlier tries that is worth having instead of a new one.

    Args:
        attempts: Those tries whose end was not seen, the latest first: see `unseen`.
        here: Where the run would be tried again.
        fleet: The instances, those that are set aside, too.
        workflow: What the tries ran.
        log: Told of other instances that cannot be asked; the run does not wait for them.

    Raises:
        ComfyUIError: `here` cannot be asked: it may be making the very thing at this moment.
    """
    for attempt in attempts:
        instance = next((one for one in fleet.instances if one.name == attempt.instance), None)
        if instance is None or attempt.prompt_id is None:
            continue
        try:
            sighting = _look_back(instance, attempt.prompt_id, workflow)
        except ComfyUIError as error:
            if instance is here:
                raise
            log.warning("instance.down", instance=instance.name, message=str(error))
            continue
        if _is_wanted(sighting, attempt):
            return Earlier(attempt.prompt_id, instance, sighting)
    return None


def unseen(attempts: Sequence[AttemptView], *, generation: int, seed: int) -> list[AttemptView]:
    """Return the tries that asked for the very same thing and whose end nobody saw, the latest first.

    They end at the first try whose end is known: whatever was before it has been looked for then.
    """
    return list(_unseen(attempts, generation=generation, seed=seed))


def _unseen(attempts: Sequence[AttemptView], *, generation: int, seed: int) -> Iterator[AttemptView]:
    for attempt in reversed(attempts):
        if attempt.generation != generation or attempt.seed != seed or attempt.outcome is None:
            return
        if attempt.outcome != "put_back" and attempt.error_class not in UNSEEN_ENDS:
            return
        yield attempt


def _look_back(instance: Instance, prompt_id: str, workflow: Workflow) -> Sighting:
    session = instance.session
    if instance.set_aside is None:
        return look(session, [prompt_id], workflow=workflow, sent_long_ago=True)[prompt_id]
    if session.output_dir is None:
        return Sighting(Place.UNKNOWN)
    return Sighting(Place.UNKNOWN, salvage.find_on_disk(session.output_dir, prompt_id, workflow=workflow))


def _is_wanted(sighting: Sighting, attempt: AttemptView) -> bool:
    """Tell whether an earlier prompt is worth having: not one that we withdrew, and not one that failed."""
    if sighting.place in (Place.PENDING, Place.RUNNING):
        return attempt.outcome != "put_back" or attempt.error_message == CRASHED
    return sighting.collectable is not None


def tell(
    event: str,
    *,
    store: Store,
    log: Logger,
    attempt_id: int,
    run_id: int,
    item_id: int,
    instance: str | None,
    prompt_id: str | None,
) -> None:
    """Write down what became of a prompt whose end nobody saw: into the night's log and into the history."""
    log.info(event, attempt_id=attempt_id, run_id=run_id, instance=instance, prompt_id=prompt_id)
    store.log_event(event, attempt_id=attempt_id, run_id=run_id, item_id=item_id, prompt_id=prompt_id)


def event_of(sighting: Sighting) -> str | None:
    """Return the event to tell when a prompt is taken up; None for files, which first have to prove themselves."""
    if sighting.place is Place.UNKNOWN:
        return None
    return "attempt.collected" if sighting.place is Place.FINISHED else "attempt.reattached"

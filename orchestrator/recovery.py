"""What a crash left PROCESSING: re-attach, collect, or put back.

The prompt id was stored before it was sent, so each instance can be asked. Nothing is guessed from how long ago it was:
a prompt that is queued or running is waited for again, one that has ended is collected (both by adopting it, since
waiting for an ended prompt answers at once), and one that nobody knows runs again and is not counted.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

from db.errors import StaleRun
from db.store import AttemptView, RunView, Store
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.comfyui.replies import Place
from orchestrator.engines.base import Task
from orchestrator.fleet import Fleet
from orchestrator.home import Home
from orchestrator.lanes import Adopted
from orchestrator.log import Logger
from orchestrator.runner import Runner

WORTH_WAITING = (Place.PENDING, Place.RUNNING, Place.FINISHED)


def recover(
    store: Store,
    home: Home,
    runs: Mapping[int, RunView],
    *,
    fleet: Fleet,
    runner: Runner,
    log: Logger,
) -> list[Adopted]:
    """Settle every attempt that was live when the last night died, except those that are still worth waiting for.

    Args:
        store: The state.
        home: Its stale work folders are removed.
        runs: The batch's step runs by id; live attempts of other runs are put back.
        fleet: The instances, open.
        runner: Describes adopted attempts for the engine.
        log: Says which way each attempt went.

    Returns:
        The prompts to wait for, each on the instance that has it.
    """
    live = store.in_flight()
    _remove_stale_work(home)
    adopted: list[Adopted] = []
    for attempt in live:
        run = runs.get(attempt.run_id)
        found = _look(attempt, fleet, log) if run is not None and runner.knows(run.step) else None
        task = _describe(run, attempt, runner=runner) if run is not None and found in WORTH_WAITING else None
        if run is None or task is None:
            store.put_back(attempt.attempt_id, reason="cut short by a crash")
            log.info("attempt.lost", attempt_id=attempt.attempt_id, run_id=attempt.run_id, instance=attempt.instance)
            continue
        adopted.append(Adopted(run, task))
        event = "attempt.collected" if found is Place.FINISHED else "attempt.reattached"
        log.info(event, attempt_id=attempt.attempt_id, run_id=attempt.run_id, instance=attempt.instance)
        store.log_event(event, attempt_id=attempt.attempt_id, run_id=attempt.run_id, item_id=attempt.item_id)
    return adopted


def of_step(adopted: Sequence[Adopted], step: str) -> list[Adopted]:
    """Return the adopted prompts of one step."""
    return [one for one in adopted if one.task.step == step]


def _describe(run: RunView, attempt: AttemptView, *, runner: Runner) -> Task | None:
    """Describe an attempt for the engine; None when what it was made from is being made again."""
    try:
        return runner.task(run, attempt)
    except StaleRun:
        return None


def _look(attempt: AttemptView, fleet: Fleet, log: Logger) -> Place | None:
    """Ask the instance where the attempt's prompt is; None when it cannot be asked."""
    instance = fleet.named(attempt.instance)
    if instance is None or attempt.prompt_id is None:
        return None
    try:
        return instance.session.client.locate(attempt.prompt_id).place
    except ComfyUIError as error:
        log.warning("instance.down", instance=instance.name, message=str(error))
        return None


def _remove_stale_work(home: Home) -> None:
    for folder in home.work.glob("attempt-*"):
        shutil.rmtree(folder, ignore_errors=True)

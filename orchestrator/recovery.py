"""What a crash left PROCESSING: re-attach, collect, salvage, or put back.

The prompt id was stored before it was sent, so each instance can be asked. Nothing is guessed from how long ago it was:
a prompt that is queued or running is waited for again, one that has ended is collected, one that its server forgot is
salvaged from the files that it left, and one that nobody knows runs again and is not counted. Which of these it was is
written into the log and the history: attempt.reattached, .collected, .salvaged or .lost.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from db.errors import StaleRun
from db.store import AttemptView, RunView, Store
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.comfyui.workflow import Workflow
from orchestrator.earlier import CRASHED, Sighting, event_of, look, tell
from orchestrator.engines.base import Task
from orchestrator.fleet import Fleet, Instance
from orchestrator.home import Home
from orchestrator.lanes import Adopted
from orchestrator.log import Logger
from orchestrator.runner import Runner


def recover(
    store: Store,
    home: Home,
    runs: Mapping[int, RunView],
    *,
    fleet: Fleet,
    runner: Runner,
    workflows: Mapping[str, Workflow],
    log: Logger,
) -> list[Adopted]:
    """Settle every attempt that was live when the last night died, except those that are still worth waiting for.

    Args:
        store: The state.
        home: Its stale work folders are removed.
        runs: The batch's step runs by id; live attempts of other runs are put back.
        fleet: The instances, open.
        runner: Describes adopted attempts for the engine.
        workflows: What the steps' prompts ran, by step: it tells what their files are called.
        log: Says which way each attempt went.

    Returns:
        The prompts to wait for or to collect, each on the instance that has it.
    """
    live = store.in_flight()
    _remove_stale_work(home)
    known = [one for one in live if one.run_id in runs and runner.knows(one.step) and one.step in workflows]
    sightings = _look_for(known, fleet=fleet, workflows=workflows, log=log)
    adopted: list[Adopted] = []
    for attempt in live:
        run, sighting = runs.get(attempt.run_id), sightings.get(attempt.attempt_id)
        task = _describe(run, attempt, runner=runner) if run is not None and sighting is not None else None
        event: str | None = "attempt.lost"
        if run is None or sighting is None or task is None:
            store.put_back(attempt.attempt_id, reason=CRASHED)
        else:
            adopted.append(Adopted(run, task, sighting.collectable))
            event = event_of(sighting)
        if event is not None:
            tell(
                event,
                store=store,
                log=log,
                attempt_id=attempt.attempt_id,
                run_id=attempt.run_id,
                item_id=attempt.item_id,
                instance=attempt.instance,
                prompt_id=attempt.prompt_id,
            )
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


def _look_for(
    attempts: Sequence[AttemptView], *, fleet: Fleet, workflows: Mapping[str, Workflow], log: Logger
) -> dict[int, Sighting]:
    """Return where the prompts of attempts are, by attempt, without those that are nowhere. All instances at once."""
    by_instance: dict[str, list[AttemptView]] = {}
    for attempt in attempts:
        if attempt.instance is not None and attempt.prompt_id is not None:
            by_instance.setdefault(attempt.instance, []).append(attempt)
    asked = [(fleet.named(name), mine) for name, mine in by_instance.items()]
    found: dict[int, Sighting] = {}
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="recover") as pool:
        for one in pool.map(
            lambda pair: {} if pair[0] is None else _look_on(pair[0], pair[1], workflows=workflows, log=log), asked
        ):
            found |= one
    return found


def _look_on(
    instance: Instance, attempts: Sequence[AttemptView], *, workflows: Mapping[str, Workflow], log: Logger
) -> dict[int, Sighting]:
    found: dict[int, Sighting] = {}
    try:
        for step in dict.fromkeys(one.step for one in attempts):
            mine = {str(one.prompt_id): one.attempt_id for one in attempts if one.step == step}
            sightings = look(instance.session, list(mine), workflow=workflows[step])
            found |= {mine[prompt_id]: one for prompt_id, one in sightings.items() if one.is_there}
    except ComfyUIError as error:
        log.warning("instance.down", instance=instance.name, message=str(error))
    return found


def _remove_stale_work(home: Home) -> None:
    for folder in home.work.glob("attempt-*"):
        shutil.rmtree(folder, ignore_errors=True)

"""What must hold after every night, whatever happened in it. Each broken rule is one sentence.

Read from outside: from the database's rows, the files on the disk, the night's log and the cards' ledger, not through
the code that wrote them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from db.states import MOVES
from tests.chaos import wasted
from tests.chaos.ledger import lines_of
from tests.chaos.pipeline import PIPELINES, SIDE_PX, TURNED_DOWN, StepPlan, note_of, strip_of
from tests.chaos.plan import BLAMED

if TYPE_CHECKING:
    from tests.chaos.night import Night

Row = dict[str, Any]
NOTHING_ANSWERS = "NotReadyError"
NOTHING_TO_DO = "CatalogueError"


def ask(home: Path, question: str) -> list[Row]:
    """Ask the database, read-only."""
    with closing(sqlite3.connect(f"file:{home / 'nightreel.db'}?mode=ro", uri=True)) as conn:
        conn.row_factory = sqlite3.Row
        return [dict(row) for row in conn.execute(question)]


def has_batch(night: Night) -> bool:
    """Tell whether the night was ever begun."""
    return bool(ask(night.home, "SELECT id FROM batch"))


def newest_attempt(night: Night) -> int:
    """Return the id of the newest attempt, 0 without any."""
    return int(ask(night.home, "SELECT coalesce(max(id), 0) AS id FROM attempt")[0]["id"])


def is_settled(night: Night) -> bool:
    """Tell whether every item of the night has come to its end."""
    items = ask(night.home, "SELECT state FROM item")
    open_nights = ask(night.home, "SELECT id FROM batch WHERE closed_at IS NULL")
    return bool(items) and not open_nights and all(row["state"] in ("COMPLETE", "FAILED", "ABORTED") for row in items)


def ends(night: Night) -> dict[str, int]:
    """Count how things ended, to see that the nights are as varied as they should be."""
    counts = Counter(f"items {row['state']}" for row in ask(night.home, "SELECT state FROM item"))
    counts.update(f"tries {row['outcome']}" for row in ask(night.home, "SELECT outcome FROM attempt"))
    for lived in night.lives:
        error = lived.found.get("error")
        counts["lives killed"] += lived.killed
        counts["mornings"] += lived.is_morning
        counts[f"lives {error or lived.found.get('outcome', 'ended')}"] += not lived.killed
    for name in (one["event"] for path in (night.home / "logs").glob("*.jsonl") for one in lines_of(path)):
        if name in ("attempt.reattached", "attempt.collected", "attempt.lost", "instance.set_aside", "step.stopped"):
            counts[name] += 1
    return dict(counts)


def judge_evening(night: Night) -> list[str]:
    """Return what is wrong after the last life in which things failed."""
    return [*_lives(night), *_evening(night)]


def judge(night: Night) -> list[str]:
    """Return what is wrong when all is over."""
    if night.stuck is not None:
        return [f"life {len(night.lives)} did not end; what it was doing:\n{night.stuck}"]
    rules = (
        _lives,
        _items,
        _causes,
        _database,
        _artifacts,
        _contents,
        _duplicates,
        _adoption,
        _order,
        _logs,
        _tidiness,
        _waste,
    )
    return [problem for rule in rules for problem in rule(night)]


# -- lives ------------------------------------------------------------------------------------------------------------


def _lives(night: Night) -> Iterator[str]:
    for number, lived in enumerate(night.lives):
        found = lived.found
        if lived.killed:
            continue
        if not found:
            yield f"life {number} ended without a word; see {night.folder}"
        elif "crash" in found:
            yield f"life {number} crashed:\n{found['crash']}"
        elif found.get("error") == NOTHING_ANSWERS and lived.is_morning:
            yield f"life {number} found no card in the morning: {found['message']}"
        elif found.get("error") not in (None, NOTHING_ANSWERS, NOTHING_TO_DO):
            yield f"life {number} ended with {found['error']}: {found['message']}"
        if found.get("threads"):
            yield f"life {number} left threads behind: {', '.join(found['threads'])}"
    if night.strangers:
        yield f"processes were left behind: {'; '.join(night.strangers)}"


def _evening(night: Night) -> Iterator[str]:
    """A night that is over has nothing under way, and a reason for whatever is still to do."""
    last = night.lives[-1].found
    if last.get("error") == NOTHING_ANSWERS:
        return  # it never began: all is as the life before left it
    for row in ask(night.home, "SELECT id, step, state FROM step_run WHERE state = 'PROCESSING'"):
        yield f"run {row['id']} ({row['step']}) is PROCESSING although no night runs"
    for row in ask(night.home, "SELECT id, state FROM item WHERE state = 'PROCESSING'"):
        yield f"item {row['id']} is PROCESSING although no night runs"
    waiting = ask(night.home, "SELECT id FROM item WHERE state IN ('PENDING', 'REDO')")
    if waiting and not last.get("stopped_steps") and not last.get("cut_short"):
        yield f"{len(waiting)} items still wait, and the night gives no reason: {last}"
    for step, reason in last.get("stopped_steps", {}).items():
        if not reason.strip():
            yield f"step {step} was stopped without a reason"


# -- what is stored ---------------------------------------------------------------------------------------------------


def _items(night: Night) -> Iterator[str]:
    rows = ask(
        night.home, "SELECT item.id, item.state, title, tags FROM item JOIN painting ON painting.id = painting_id"
    )
    if len(rows) != night.plan.paintings:
        yield f"{len(rows)} items came of {night.plan.paintings} paintings"
    for row in rows:
        unwanted = TURNED_DOWN in json.loads(row["tags"])
        expected = {"ABORTED"} if unwanted else {"COMPLETE", "FAILED"} if night.plan.may_fail() else {"COMPLETE"}
        if unwanted and night.plan.may_fail():
            expected.add("FAILED")
        if row["state"] not in expected:
            yield f"item {row['id']} ({row['title']}) ended {row['state']}, not {' or '.join(sorted(expected))}"
    yield from _failed(night)


def _failed(night: Night) -> Iterator[str]:
    """A run FAILED because its tries were spent, because it failed on two cards, or because no rung was left."""
    tries = ask(
        night.home,
        "SELECT run_id, attempt.step, instance, counted, error_class, rung FROM attempt JOIN step_run "
        "ON step_run.id = run_id AND attempt.generation = step_run.generation "
        "WHERE state = 'FAILED' AND outcome = 'failed' ORDER BY run_id, attempt.id",
    )
    for run_id, group in itertools.groupby(tries, key=lambda row: row["run_id"]):
        mine = list(group)
        counted = [row for row in mine if row["counted"]]
        why = mine[-1]["rung"]
        fits = {
            "spent": len(counted) >= night.plan.attempts,
            "suspected": len({row["instance"] for row in counted}) >= 2,
            "exhausted": sum(1 for row in mine if row["error_class"] == "OutOfMemory") >= 2,
        }
        if not fits.get(why, False):
            told = ", ".join(f"{row['error_class']} on {row['instance']}" for row in mine)
            yield f"run {run_id} ({mine[-1]['step']}) FAILED as {why} after {told}"


def _causes(night: Night) -> Iterator[str]:
    """Tries that speak against items are as many as what struck could have cost, and no more.

    Silence is left out: on a machine that does too much at once a card may be silent for no other reason.
    """
    rows = ask(
        night.home,
        "SELECT error_class FROM attempt WHERE outcome = 'failed' AND counted AND prompt_id IS NOT NULL "
        "AND error_class <> 'Hung'",
    )
    struck = Counter(line["kind"] for line in night.ledger if line["event"] == "strike")
    most = sum(BLAMED.get(kind, 0) * count for kind, count in struck.items())
    if len(rows) > most:
        classes = ", ".join(sorted(row["error_class"] for row in rows))
        yield f"{len(rows)} tries were held against items ({classes}); what struck explains {most}: {dict(struck)}"


def _database(night: Night) -> Iterator[str]:
    check = ask(night.home, "PRAGMA integrity_check")
    if check != [{"integrity_check": "ok"}]:
        yield f"the database is damaged: {check}"
    if broken := ask(night.home, "PRAGMA foreign_key_check"):
        yield f"rows point nowhere: {broken}"
    for row in ask(night.home, "SELECT id, run_id FROM attempt WHERE outcome IS NULL"):
        yield f"attempt {row['id']} of run {row['run_id']} has no outcome"
    for row in ask(night.home, "SELECT id FROM batch WHERE closed_at IS NULL"):
        yield f"batch {row['id']} was never closed"
    yield from _moves(night, "run_id", "run.")
    yield from _moves(night, "item_id", "item.")


def _moves(night: Night, key: str, prefix: str) -> Iterator[str]:
    """Walk through the events of each row: every move must start where the one before ended."""
    states: dict[int, str] = {}
    for row in ask(night.home, f"SELECT name, {key} AS id FROM event WHERE {key} IS NOT NULL ORDER BY id"):  # noqa: S608
        move = MOVES.get(row["name"])
        if move is None or not row["name"].startswith(prefix):
            continue
        before = states.get(row["id"], "PENDING")
        if before not in move.sources:
            yield f"{key} {row['id']}: {row['name']} came while it was {before}"
        states[row["id"]] = str(move.target)
    table = {"run_id": "step_run", "item_id": "item"}[key]
    for row in ask(night.home, f"SELECT id, state FROM {table}"):  # noqa: S608
        if states.get(row["id"], "PENDING") != row["state"]:
            yield f"{table} {row['id']} is {row['state']}, and its events end at {states.get(row['id'], 'PENDING')}"


CURRENT = (
    "SELECT artifact.*, step_run.step, step_run.variant, step_run.item_id, attempt.seed, attempt.outcome "
    "FROM artifact JOIN step_run ON step_run.id = artifact.run_id JOIN attempt ON attempt.id = artifact.attempt_id "
    "WHERE superseded_at IS NULL"
)


def _artifacts(night: Night) -> Iterator[str]:
    """Rows and files are the same set, byte for byte, and every complete run has what its step makes."""
    root = night.home / "artifacts"
    rows = ask(night.home, CURRENT)
    on_disk = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    for path in sorted(on_disk - {row["path"] for row in rows}):
        yield f"{path} lies among the artifacts and nothing names it"
    for row in rows:
        path = root / row["path"]
        if not path.is_file():
            yield f"{row['path']} is an artifact and is not there"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            yield f"{row['path']} is not what was hashed"
        if row["outcome"] != "complete":
            yield f"{row['path']} was made by an attempt that ended {row['outcome']}"
    made = Counter((row["run_id"], row["name"]) for row in rows)
    card_steps = {step.name: step.on_card for step in PIPELINES[night.plan.pipeline]}
    for row in ask(night.home, "SELECT id, step FROM step_run WHERE state = 'COMPLETE'"):
        name = "image" if card_steps[row["step"]] else "note"
        if made[(row["id"], name)] != 1:
            yield f"run {row['id']} ({row['step']}) is COMPLETE with {made[(row['id'], name)]} files named {name}"


def _contents(night: Night) -> Iterator[str]:
    """Every artifact is what its inputs and its seed make of it, computed here once more."""
    root = night.home / "artifacts"
    rows = {(row["item_id"], row["step"], row["variant"]): row for row in ask(night.home, CURRENT)}
    items = ask(night.home, "SELECT item.id, title, path FROM item JOIN painting ON painting.id = painting_id")
    plans = {step.name: step for step in PIPELINES[night.plan.pipeline]}
    for (item_id, step, variant), row in rows.items():
        item = next(one for one in items if one["id"] == item_id)
        plan = plans[step]
        needs = [rows.get((item_id, need, variant if plans[need].per_language else "")) for need in plan.needs]
        paths = [root / need["path"] for need in needs if need is not None]
        if len(paths) < len(needs) or not all(path.is_file() for path in (*paths, root / row["path"])):
            if None in needs:
                yield f"{row['path']} is there without what it was made from"
            continue
        check = _check_strip if plan.on_card else _check_note
        yield from check(plan, row, paths, item=item, path=root / row["path"])


def _check_note(plan: StepPlan, row: Row, needs: list[Path], *, item: Row, path: Path) -> Iterator[str]:
    words = note_of(
        plan.name, item["title"], row["variant"], seed=row["seed"], inputs=[need.read_bytes() for need in needs]
    )
    if path.read_text() != words:
        yield f"{row['path']} says {path.read_text()!r}; its inputs make {words!r}"


def _check_strip(plan: StepPlan, row: Row, needs: list[Path], *, item: Row, path: Path) -> Iterator[str]:
    pictures = [need for need in needs if need.suffix == ".png"]
    x, width = strip_of(row["seed"], needs[0].read_text(), from_painting=not pictures)
    try:
        source = _pixels(pictures[-1] if pictures else Path(item["path"]))
        found = _pixels(path)
    except (OSError, SyntaxError) as error:
        yield f"{row['path']} cannot be read: {error}"
        return
    expected = (255 - source)[: min(16, SIDE_PX), x : x + width]
    if found.shape != expected.shape or (found != expected).any():
        yield f"{row['path']} is not the strip that seed {row['seed']} cuts out of its input"


def _pixels(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


# -- what happened on the cards ---------------------------------------------------------------------------------------


def _duplicates(night: Night) -> Iterator[str]:
    attempts = ask(night.home, "SELECT id, run_id, generation, outcome, prompt_id FROM attempt")
    done = Counter((row["run_id"], row["generation"]) for row in attempts if row["outcome"] == "complete")
    for (run_id, generation), count in done.items():
        if count > 1:
            yield f"run {run_id} was completed {count} times in generation {generation}"
    known = {row["prompt_id"] for row in attempts if row["prompt_id"]}
    ran = [one for one in wasted.runs_of(night.ledger) if not one.is_canary]
    for prompt_id in sorted({one.prompt_id for one in ran} - known):
        yield f"prompt {prompt_id} ran on a card, and no attempt has it"
    # One that a fault took while nobody knew whether it had been accepted is rightly sent again.
    whole = Counter(one.prompt_id for one in ran if not one.destroyed)
    for prompt_id, count in whole.items():
        if count > 1:
            yield f"prompt {prompt_id} ran {count} times"


def _adoption(night: Night) -> Iterator[str]:
    """What a card finished whole is collected after a kill, where nothing happened to that card."""
    if any(kill.how == "stop twice" for kill in night.plan.kills):
        return  # a person wanted to wait for nothing
    rows = ask(night.home, "SELECT id, prompt_id FROM attempt WHERE outcome = 'put_back' AND prompt_id IS NOT NULL")
    given_up = {row["prompt_id"]: row["id"] for row in rows}
    troubled = {line["card"] for line in night.ledger if line["event"] in ("strike", "restart", "death")}
    for ran in wasted.runs_of(night.ledger):
        if ran.prompt_id in given_up and ran.how == "success" and ran.card not in troubled:
            yield f"attempt {given_up[ran.prompt_id]} was put back, and card {ran.card} had finished it undisturbed"


def _order(night: Night) -> Iterator[str]:
    """Strict order: within a life, no step begins before the one ahead of it is over for all."""
    if night.plan.overlap:
        return
    numbers = {step.name: number for number, step in enumerate(PIPELINES[night.plan.pipeline])}
    attempts = ask(night.home, "SELECT id, step FROM attempt ORDER BY id")
    first = 0
    for lived in night.lives:
        mine = [row for row in attempts if first < row["id"] <= lived.last_attempt]
        first = lived.last_attempt
        for before, after in itertools.pairwise(mine):
            if numbers[after["step"]] < numbers[before["step"]]:
                yield f"attempt {after['id']} ({after['step']}) was claimed after one of {before['step']}"


def _logs(night: Night) -> Iterator[str]:
    """A line that speaks of a defect is one, however well the night ended."""
    for path in sorted((night.home / "logs").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if '"defect"' not in line:
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("event") == "defect":
                yield f"{path.name} tells of a defect: {json.dumps(entry)[:3000]}"


def _tidiness(night: Night) -> Iterator[str]:
    for path in (night.home / "work").iterdir():
        yield f"work/{path.name} was left behind"
    for path in night.home.rglob("*"):
        if path.suffix in (".part", ".tmp") or path.name.startswith(".probe"):
            yield f"{path.relative_to(night.home)} was left behind"


def _waste(night: Night) -> Iterator[str]:
    """Undisturbed work is thrown away only for a cause: a fault that struck, a restart, a kill."""
    found = wasted.measure(night.ledger, night.home)
    causes = defaultdict(int)
    for line in night.ledger:
        causes[line["event"]] += 1
    kills = sum(1 for lived in night.lives if lived.killed) + len(night.plan.kills)
    hung = len(ask(night.home, "SELECT id FROM attempt WHERE error_class = 'Hung'"))
    most = causes["strike"] + causes["restart"] + kills + hung
    if found.wasted_prompts > most:
        yield f"{found.wasted_prompts} undisturbed prompts were thrown away, for {most} causes at most: {found}"

"""docs/errors.md, generated from the error classes, the remedies and the exit codes themselves."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.errors import ExitCode
from orchestrator.ladder import LADDERS, Before, Rung, Where
from orchestrator.phases import ENOUGH, FACTOR, LEAST, SLACK
from orchestrator.suspicion import MOST_RESTARTS
from steps.errors import Remedy, StepError
from steps.registry import default_steps

EXIT_WORDS = {
    ExitCode.OK: "Done; every item that was not turned down is COMPLETE.",
    ExitCode.UNEXPECTED: "A defect in Nightreel; please report it with the lines printed.",
    ExitCode.USAGE: "The command line is wrong, or names something that does not exist or cannot be used.",
    ExitCode.CONFIG: "`config.yaml` is missing or wrong; every problem is listed with its key.",
    ExitCode.SOME_FAILED: "The night ended; at least one item FAILED, or a step was stopped for all.",
    ExitCode.STOPPED: "The night was stopped before its end (SIGINT, SIGTERM or `--stop-by`): `nightreel resume`.",
    ExitCode.NIGHT_RUNNING: "Another night holds the lock of this home.",
    ExitCode.NOTHING_TO_DO: "No painting is left to draw, and nothing to go on with.",
    ExitCode.NOT_READY: "Something that a night needs is missing; every problem is listed with its remedy.",
    ExitCode.STORAGE: "The home folder or its database cannot be used, or the disk is full.",
    ExitCode.STOPPED_NOW: "Stopped at once by a second SIGINT. What ran was put back.",
}

_BEFORE_WORDS = {
    Before.NOTHING: "",
    Before.FREE: "the card's memory is freed",
    Before.RESTART: "the instance is restarted at once",
    Before.RESTART_IDLE: "the instance is restarted, once its other prompt is over",
    Before.INTERRUPT: "the prompt is interrupted; if that is not heard, the instance is restarted",
    Before.WAIT: "the instance is waited for, then restarted",
}
_WHERE_WORDS = {
    Where.ELSEWHERE: "on another card if there is one",
    Where.SAME: "on the same card",
    Where.LARGER: "on a larger card, or once on one as large",
}

# What happened, in the words of whoever watches -> what is done, and the remedy of the errors that it ends in.
SYMPTOMS: tuple[tuple[str, str, Remedy | None], ...] = (
    ("the socket is lost, silent or deaf", "the instance is polled, the socket opened anew; costs nothing", None),
    ("an answer to a submission is lost", "the prompt is looked for before it is sent again", None),
    ("HTTP 5xx, refused, no answer", "", Remedy.WAIT_AND_RETRY),
    (
        "the graph is refused",
        "the reason names node and field; the other items would be refused as well",
        Remedy.STOP_STEP,
    ),
    (
        "the memory of a card that language models use as well is held",
        "who holds it is restarted, or ended, before the step; if that does not help, the reason says who it is",
        Remedy.STOP_STEP,
    ),
    ("out of memory", "", Remedy.FREE_AND_RETRY),
    ("the CUDA context is broken", "", Remedy.RESTART_AND_RETRY),
    ("no progress for longer than ever before (see below)", "", Remedy.INTERRUPT_AND_RETRY),
    (
        "the worker thread of the instance is dead",
        "as no progress: the interrupt is not heard",
        Remedy.INTERRUPT_AND_RETRY,
    ),
    ("served from the cache, with a missing or stale file", "", Remedy.REFRESH_AND_RETRY),
    ("black, frozen, silent, too short, not decodable", "", Remedy.RETRY_NEW_SEED),
    ("a node raises", "", Remedy.RETRY),
)


def error_classes() -> list[type[StepError] | type[ComfyUIError]]:
    """Return every class of error that a step run can end with, bases before what is derived from them."""
    default_steps()  # a step may bring errors of its own: they exist once it is imported
    return [*_tree(StepError), *_tree(ComfyUIError)]


def _tree(root: type[StepError] | type[ComfyUIError]) -> Iterator[type[StepError] | type[ComfyUIError]]:
    for child in root.__subclasses__():
        yield child
        yield from _tree(child)


def page() -> str:
    """Return docs/errors.md."""
    lines = [
        "# Errors: what each one leads to",
        "",
        "An error carries a *remedy*; a remedy is a ladder, and each failed try takes its run one rung further. One",
        "table says so, `orchestrator/ladder.py`, and nothing else decides. This page is generated from it by",
        "`python -m orchestrator.reference`.",
        "",
        "## The ladder",
        "",
        "| what happens | what is done, rung by rung |",
        "|---|---|",
        *(f"| {what} | {'; '.join(filter(None, (told, _ladder_words(remedy))))} |" for what, told, remedy in SYMPTOMS),
        "",
        "The rung that a failed try led to is kept with it. So a ladder goes on where it stood when Nightreel itself",
        "is killed, and `nightreel show ITEM` and the report say in words what was done.",
        "",
        "## Remedies",
        "",
        "| remedy | rung | what is done | the next try | counts as a try |",
        "|---|---|---|---|---|",
        *_remedy_rows(),
        "",
        "An item has three tries at a step (`retry.attempts`), with growing waits between them. A try that was cut",
        "short by Nightreel's own crash, or by an instance that went away, is not counted, up to `retry.uncounted` of",
        "them. When the first `retry.same_reason` items of a step all fail for the same reason and none came through,",
        "the step stops for all: its runs stay PENDING, so nothing is lost once that is mended and the night resumed.",
        "Where several cards work, one of them alone does not stop a step.",
        "",
        *_BLAME,
        *_STALLS,
        "## What can happen to a step run",
        "",
        "| error | what it is | remedy | counts as a try |",
        "|---|---|---|---|",
    ]
    for kind in sorted(set(error_classes()), key=lambda kind: (not issubclass(kind, StepError), kind.__name__)):
        words = (kind.__doc__ or "").strip().splitlines()[0]
        counted = "yes" if getattr(kind, "counted", True) else "no"
        lines.append(f"| `{kind.__name__}` | {words} | `{kind.remedy}` | {counted} |")
    lines += ["", "## Exit codes of the commands", "", "| code | meaning |", "|---:|---|"]
    lines += [f"| {int(code)} | {EXIT_WORDS[code]} |" for code in ExitCode]
    return "\n".join(lines) + "\n"


def _ladder_words(remedy: Remedy | None) -> str:
    """Return the rungs of a remedy as one sentence."""
    if remedy is None:
        return ""
    ladder = LADDERS[remedy]
    if ladder.stops_step:
        return "the step stops for all items"
    words = [_rung_words(rung) for rung in ladder.rungs]
    return " → ".join([*words, "set aside: the run fails"])


def _rung_words(rung: Rung) -> str:
    first = _BEFORE_WORDS[rung.before]
    return ", ".join(filter(None, (first, _next_words(rung))))


def _next_words(rung: Rung) -> str:
    """Return how the next try differs."""
    words = ["the next fallback of the manifest" if rung.falls_back else "again"]
    words += ["under another file name"] if rung.name == "refresh" else []
    words += ["with another seed"] if rung.new_seed else []
    words += [_WHERE_WORDS[rung.where]] if rung.where is not Where.ELSEWHERE else []
    words += ["once"] if rung.times == 1 else []
    return " ".join(words)


def _remedy_rows() -> Iterator[str]:
    for remedy in Remedy:
        ladder = LADDERS[remedy]
        for number, rung in enumerate(ladder.rungs, start=1):
            done = _BEFORE_WORDS[rung.before] or "nothing"
            counts = "if its error does" if rung.counted else "no"
            yield f"| `{remedy}` | {number} `{rung.name}` | {done} | {_next_words(rung)} | {counts} |"
        if not ladder.rungs:
            end = "the run fails"
            if ladder.stops_step:
                end = "the step stops for all" + (", and the night" if ladder.stops_night else "")
            yield f"| `{remedy}` | – | {end} | none | {'no' if ladder.stops_step else 'yes'} |"


_BLAME = (
    "## Who is to blame",
    "",
    "Two different items that fail one after the other on one card speak against the card. It is restarted, once its",
    "other prompt is over. If two more fail before anything comes through there, while items come through elsewhere,",
    f"it is set aside for the night, and so it is after {MOST_RESTARTS} such restarts. The only card in use is never",
    "set aside on suspicion; a card without a `restart` is freed of its memory instead of restarted.",
    "",
    "One item that fails on two cards, on both of which other items of the step came through, speaks against the item:",
    "it fails without its other tries. Neither counts running out of memory, which has rungs of its own: a card that",
    "two items had to leave for another one is left out of that step, and of no other. Nor do errors that are the same",
    "for all items, or an instance that is gone.",
    "",
)
_STALLS = (
    "## No progress",
    "",
    "For each workflow, card and phase (load, encode, sample, decode, save), Nightreel remembers the longest silence",
    "that ended well; apart from the others for the first prompt after a restart or another workflow, which loads its",
    f"models. A prompt that is silent for {FACTOR:g} times as long, and {SLACK:.0%} of `timing.idle_timeout_s` of its",
    "manifest more, counts as hung; but never before what `timing.phases` says of the phase, or before",
    f"{LEAST:.0%} of `timing.idle_timeout_s`. Until {ENOUGH} prompts have ended well, that itself is the least that",
    "counts. A limit that struck is not trusted again before a prompt",
    "has ended well: the next one gets at least `timing.idle_timeout_s`, so that a slower driver or a larger picture",
    "costs one try and not the night.",
    "",
)

"""docs/errors.md, generated from the error classes, the remedies and the exit codes themselves."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.errors import ExitCode
from orchestrator.remedies import TREATMENTS, Before
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
    Before.NOTHING: "nothing",
    Before.FREE: "the card's memory is freed",
    Before.RESTART: "the instance is restarted",
    Before.WAIT: "the instance is waited for, then restarted",
}


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
        "An error carries a *remedy*; one table says what a remedy means. Nothing else decides. This page is generated",
        "by `python -m orchestrator.reference`.",
        "",
        "## Remedies",
        "",
        "| remedy | tries again | new seed | before the next try | stops the step for all | stops the night |",
        "|---|---|---|---|---|---|",
    ]
    for remedy in Remedy:
        one = TREATMENTS[remedy]
        answers = (
            _yes(one.tries_again),
            _yes(one.new_seed),
            _BEFORE_WORDS[one.before],
            _yes(one.stops_step),
            _yes(one.stops_night),
        )
        lines.append(f"| `{remedy}` | " + " | ".join(answers) + " |")
    lines += [
        "",
        "An item has three tries at a step (`retry.attempts`), with growing waits between them. A try that was cut",
        "short by Nightreel's own crash, or by an instance that went away, is not counted, up to `retry.uncounted` of",
        "them. When the first `retry.same_reason` items of a step all fail for the same reason and none came through,",
        "the step stops for all: its runs stay PENDING, so nothing is lost once that is mended and the night resumed.",
        "",
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


def _yes(value: bool) -> str:
    return "yes" if value else "no"

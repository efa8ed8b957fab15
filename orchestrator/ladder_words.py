"""The ladder of errors in words: what was done after each failed try, for `nightreel show`, the report and the log."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from orchestrator.ladder import LADDERS
from orchestrator.remedies import EXHAUSTED, SPENT, SUSPECTED

_TOLD = {rung.name: rung.told for ladder in LADDERS.values() for rung in ladder.rungs} | {
    EXHAUSTED: "nothing is left to try, set aside",
    SPENT: "no tries left",
    SUSPECTED: "others come through on both cards, so it fails without more tries",
}


@dataclass(frozen=True)
class Told:
    """What is told of one try; the fields are those of an attempt."""

    instance: str | None
    outcome: str | None
    error_class: str | None
    rung: str | None
    fallback: str | None


def rung_words(label: str, *, here: str | None = None, only_on: Collection[str] = ()) -> str:
    """Return what was done after a failed try.

    Args:
        label: The rung as it is kept with the try.
        here: Where the try failed.
        only_on: The instances that may take the next one.

    >>> rung_words("fallback:tiled_vae"), rung_words("larger", only_on={"card1"}), rung_words("free")
    ('fell back to tiled_vae', 'moved to card1', 'memory freed')
    """
    name, _, fallback = label.partition(":")
    words = _TOLD.get(name, name)
    if fallback:
        return f"{words} to {fallback}"
    elsewhere = sorted(set(only_on) - {here})
    return f"{words} to {' or '.join(elsewhere)}" if elsewhere else words


def history_words(tries: Iterable[Told]) -> str:
    """Return what was done about the failed tries of a run, such as `out of memory on card0: memory freed, restarted`.

    Empty when no try failed, or none that left a trace of what was done.
    """
    known = list(tries)
    groups: list[tuple[str, list[str]]] = []
    for index, one in enumerate(known):
        if one.error_class is None or one.rung is None:
            continue
        head = error_words(one.error_class) + (f" on {one.instance}" if one.instance else "")
        words = rung_words(one.rung, here=one.instance, only_on=_next_place(one, known[index + 1 :]))
        if groups and groups[-1][0] == head:
            groups[-1][1].append(words)
        else:
            groups.append((head, [words]))
    sentences = [f"{head}: {', '.join(words)}" for head, words in groups]
    last = known[-1] if known else None
    if sentences and last is not None and last.outcome == "complete":
        on = f" on {last.instance}" if last.instance else ""
        sentences.append(f"complete{on}{f' with the fallback {last.fallback}' if last.fallback else ''}")
    return "; ".join(sentences)


def _next_place(one: Told, later: Sequence[Told]) -> tuple[str, ...]:
    """Return where the next try went, for a rung that sends it somewhere."""
    return tuple(filter(None, (after.instance for after in later[:1]))) if one.rung == "larger" else ()


def error_words(error_class: str) -> str:
    """Return an error's name for people.

    >>> error_words("OutOfMemory"), error_words("CudaPoisoned"), error_words("Hung")
    ('out of memory', 'CUDA poisoned', 'hung')
    """
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", error_class).lower()
    return words.replace("cuda", "CUDA")

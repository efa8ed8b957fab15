"""The questions about a guessed manifest, each with the guess as its default: Enter takes it.

The terminal is handed in as two functions, so that a test can answer. Whoever has no terminal, or says --yes, is asked
nothing and gets the guesses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from orchestrator.authoring.proposal import Around, Bound, Place, Proposal, placed
from orchestrator.wording import one_line
from steps.sources import Source

Answer = Callable[[str, str], str]
"""Asks a question; takes the question and the default, returns what was typed, or the default."""
Say = Callable[[str], None]


def ask(proposal: Proposal, around: Around, *, answer: Answer, say: Say) -> Proposal:
    """Return the proposal as a person wants it.

    Args:
        proposal: The guesses.
        around: The pipeline, for what can be chosen.
        answer: Asks one question.
        say: Prints a line.
    """
    title = one_line(answer("What is it called, for people?", proposal.title), longest=80) or proposal.title
    bindings = tuple(_source(bound, around, answer=answer, say=say) for bound in proposal.bindings)
    asked = replace(proposal, title=title, bindings=bindings, vram_gb=_memory(proposal.vram_gb, answer, say))
    if asked.step is None:
        return asked
    asked = placed(asked, around, name=asked.step.name)
    assert asked.step is not None
    return replace(asked, step=_number(asked.step, around, answer=answer, say=say))


def _source(bound: Bound, around: Around, *, answer: Answer, say: Say) -> Bound:
    """Ask where an uploaded file comes from; values keep their guess."""
    if bound.media is None or not bound.source:
        return bound
    choices = [one.source for one in around.offers if one.media == bound.media]
    if bound.media == "image":
        choices.append("subject.painting")
    node = one_line(bound.targets[0][0], longest=60)
    say(f"The node {node} takes a file ({bound.media}). It can be:")
    for number, choice in enumerate(choices, 1):
        say(f"  {number}  {choice}")
    while True:
        wanted = answer("Which one? A number, or a `from:` of your own", bound.source).strip()
        if wanted.isdecimal() and 1 <= int(wanted) <= len(choices):
            return replace(bound, source=choices[int(wanted) - 1])
        try:
            source = Source(wanted)
        except ValueError as error:
            say(f"found {one_line(wanted, longest=60)!r}; expected {error}")
            continue
        if source.is_file:
            return replace(bound, source=str(source))
        say(f"{source} is no file; expected one of the list, or made.STEP.NAME")


def _memory(guess: float, answer: Answer, say: Say) -> float:
    while True:
        wanted = answer("How much memory must the card have, GiB? 0: any card", f"{guess:g}").strip()
        try:
            found = float(wanted)
        except ValueError:
            found = -1.0
        if 0 <= found < 100_000:
            return found
        say(f"found {one_line(wanted, longest=40)!r}; expected a number such as 16")


def _number(place: Place, around: Around, *, answer: Answer, say: Say) -> Place:
    """Ask where in the pipeline the step goes; not before what it builds on."""
    least = max((around.numbers.get(one, 0) for one in place.needs), default=0)
    listed = ", ".join(f"{number} {name}" for name, number in sorted(around.numbers.items(), key=lambda one: one[1]))
    say(f"The steps there are: {listed}")
    while True:
        wanted = answer("After which number does it run?", str(place.number)).strip()
        if wanted.isdecimal() and least <= int(wanted) < 1000:
            return replace(place, number=int(wanted))
        say(f"found {one_line(wanted, longest=40)!r}; it builds on {', '.join(place.needs)}: {least} or more")

"""A manifest as it might be, before a person has agreed to it: what is guessed, asked about, and then written.

Separate from the guessing, because the questions and the writer know nothing of how a guess was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.pipeline import Offer
from steps.manifest import Media, ModelFile, Scalar


@dataclass(frozen=True)
class Bound:
    """One binding of the proposal."""

    name: str
    targets: tuple[tuple[str, str], ...]  # (node as a manifest names it, input)
    media: Media | None = None  # of a file that is uploaded; None for a value
    source: str = ""  # where its value comes from; empty for none
    value: Scalar | None = None
    limits: Mapping[str, int | float] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)  # our spelling -> the node's


@dataclass(frozen=True)
class Saved:
    """One output of the proposal."""

    name: str
    node: str
    media: Media
    key: str = ""
    width: str = ""  # where its exact width is to be found; empty: any
    height: str = ""


@dataclass(frozen=True)
class Place:
    """Where a step of its own goes."""

    name: str
    number: int
    per_language: bool
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Proposal:
    """A manifest as it might be."""

    name: str  # of the files
    title: str
    bindings: tuple[Bound, ...]
    outputs: tuple[Saved, ...]
    models: tuple[ModelFile, ...] = ()
    vram_gb: float = 0.0
    instead_of: str = ""  # the built-in step whose workflow it replaces
    step: Place | None = None  # otherwise, the step that it is
    notes: tuple[str, ...] = ()  # what a person should know about the guesses

    def bound(self, name: str) -> Bound | None:
        """Return a binding by its name."""
        return next((one for one in self.bindings if one.name == name), None)


@dataclass(frozen=True)
class Around:
    """What a proposal is made for."""

    offers: tuple[Offer, ...]  # what the steps of the pipeline make
    numbers: Mapping[str, int]  # of the steps
    width: int  # of generated clips, pixels
    height: int


def placed(proposal: Proposal, around: Around, *, name: str) -> Proposal:
    """Return a proposal as a step of its own, right behind the last step that it reads."""
    steps = [one.source.split(".")[1] for one in proposal.bindings if one.source.startswith("made.")]
    needs = tuple(dict.fromkeys(steps)) or ("prepare",)
    per_language = {offer.step: offer.per_language for offer in around.offers}
    number = max(around.numbers.get(one, 0) for one in needs)
    spoken = any(per_language.get(one, False) for one in needs)
    in_order = tuple(sorted(needs, key=lambda one: around.numbers.get(one, 0)))
    return replace(proposal, step=Place(name, number, spoken, in_order))


def name_from(text: str) -> str:
    """Return a name made of a text: lower-case letters, digits and _; empty when nothing is left of it.

    >>> name_from("Sparkle Workflow (2)"), name_from("4x-Upscale"), name_from("été")
    ('sparkle_workflow_2', 'w_4x_upscale', 't')
    """
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:40].strip("_")
    return f"w_{name}" if name[:1].isdigit() else name


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """Return a name that is not taken yet."""
    names = set(taken)
    number = 2
    name = wanted
    while name in names:
        name = f"{wanted}_{number}"
        number += 1
    return name

"""What a workflow asks of an instance: memory, model files, node classes, and time.

Separate from the manifest as a whole, because placement, the doctor and the watch over a running prompt read only this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from steps.sections import FromList, Section, is_number

Phase = Literal["load", "encode", "sample", "decode", "save"]
"""What a prompt is doing: reading models and inputs, preparing, sampling, decoding, writing."""

PHASES: tuple[Phase, ...] = ("load", "encode", "sample", "decode", "save")

NOMINAL = 0.9
"""Least share of its nominal memory that a card reports: one sold with 32 GB has 31.4 GiB to give."""


class ModelFile(Section):
    """A model that must lie on the instance."""

    folder: str = Field(min_length=1, description="Folder below `models/`")
    file: str = Field(min_length=1, description="Name as the loader node lists it")
    kind: Literal["file", "folder"] = Field("file", description="`folder`: a folder that no loader of the core lists")
    licence: str | None = Field(None, description="Its licence, as its makers state it")


class Needs(Section):
    """What the graph asks of an instance."""

    vram_gb: float = Field(0.0, ge=0, description="Memory that the card must have, GiB")
    models: Annotated[tuple[ModelFile, ...], FromList] = Field((), description="Model files")
    node_classes: Annotated[tuple[str, ...], FromList] = Field(
        (), description="Node classes; by default those of the graph"
    )


def _by_memory(value: Any) -> dict[float, float]:
    """Return a table of seconds by memory; a single number holds for every card."""
    table = {0: value} if is_number(value) else value
    if not isinstance(table, Mapping) or not table:
        raise ValueError("seconds, or a table of them by the memory of the card, such as {24: 450, 96: 90}")
    for memory_gb, seconds in table.items():
        if not is_number(memory_gb) or memory_gb < 0 or not is_number(seconds) or seconds <= 0:
            raise ValueError("seconds greater than 0, by the memory of the card in GB, such as {24: 450, 96: 90}")
    return {float(memory_gb): float(table[memory_gb]) for memory_gb in sorted(table)}


def _phase_floors(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise ValueError(f"seconds by phase, such as {{load: 600, sample: 300}}; phases are {', '.join(PHASES)}")
    for phase, seconds in value.items():
        if phase not in PHASES or not is_number(seconds) or seconds <= 0:
            raise ValueError(f"seconds greater than 0, by phase; phases are {', '.join(PHASES)}")
    return {str(phase): float(seconds) for phase, seconds in value.items()}


class Timing(Section):
    """How long it takes, and when to give up."""

    expected_by_memory: Annotated[dict[float, float], BeforeValidator(_by_memory)] = Field(
        {0.0: 60.0},
        alias="expected_s",
        description="Usual seconds, for the first estimate of a night: a number, or a table by the card's memory in GB",
    )
    idle_timeout_s: float = Field(300.0, gt=0, description="Seconds without any progress before it counts as hung")
    total_timeout_s: float = Field(3600.0, gt=0, description="Seconds before it is given up although it progresses")
    phases: Annotated[dict[str, float], BeforeValidator(_phase_floors)] = Field(
        {}, description="Seconds without progress in a phase that never count as hung, whatever was learned"
    )

    @property
    def expected_s(self) -> float:
        """Return the usual seconds on the largest card of the table: a first guess where no card is known yet."""
        return self.expected_by_memory[max(self.expected_by_memory)]

    def expected_s_on(self, vram_gb: float | None) -> float:
        """Return the usual seconds on a card of so many GiB; without a number, as `expected_s`.

        A row of the table holds for cards of that size and up to the next row; smaller cards get the first row.
        """
        if vram_gb is None:
            return self.expected_s
        reached = [memory_gb for memory_gb in self.expected_by_memory if vram_gb >= NOMINAL * memory_gb]
        return self.expected_by_memory[max(reached, default=min(self.expected_by_memory))]

    def phase_floor_s(self, phase: Phase) -> float:
        """Return for how long nothing may happen in a phase before it counts as hung, at the least."""
        return self.phases.get(phase, self.idle_timeout_s)

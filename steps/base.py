"""The contract between the orchestrator and a step.

A step is a pure function of its inputs: it is handed a frozen description of the item and what earlier steps made, and
returns files and data. It never sees the database, the scheduler or the address of a ComfyUI instance, so the same
step runs in a thread, in another process or on another host.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from steps.options import StepOptions

SHARED = ""
"""The variant of a step run that all languages of an item share."""


class EngineKind(StrEnum):
    """What a step needs in order to run."""

    LOCAL = "local"  # Python in a work folder: CPU, LLM over HTTP, FFmpeg
    COMFYUI = "comfyui"  # a prompt on a ComfyUI instance


@dataclass(frozen=True)
class Subject:
    """The item a step works on: one painting in one batch. All text comes from outside and is data."""

    item_id: int
    title: str
    painting: Path  # absolute path of the original file; never written to
    artist: str | None = None
    year: int | None = None
    sitter: str | None = None
    licence: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """One thing that was measured about a result, with what was expected. Shown in the review."""

    name: str  # dotted, such as "audio.duration"
    measured: float | str
    expected: str  # for people, such as ">= 2.0"
    unit: str = ""
    passed: bool = True


@dataclass(frozen=True)
class Made:
    """What one earlier step made for this item and variant."""

    files: Mapping[str, Path]  # artifact name -> absolute path, read-only
    data: Mapping[str, Any]  # JSON values


@dataclass(frozen=True)
class Context:
    """Everything a step may look at."""

    subject: Subject
    variant: str  # SHARED or a language such as "fr"
    seed: int  # 0 .. 2**63 - 1; another one in each try that asks for it
    work: Path  # an existing, empty folder of this attempt's own
    made: Mapping[str, Made]  # by step name: all that `needs` names, of this variant or shared
    options: StepOptions
    last_try: bool = False  # whether nothing follows if this one fails: what would just do is better than nothing
    fallback: str | None = None  # the rung of the workflow's manifest that makes do with less memory; None: as it is

    def file(self, step: str, name: str) -> Path:
        """Return the path of an earlier step's artifact."""
        return self.made[step].files[name]


@dataclass(frozen=True)
class Result:
    """What a step made. Files lie in the context's work folder; the orchestrator takes them from there."""

    files: Mapping[str, Path] = field(default_factory=dict)  # artifact name -> path inside `Context.work`
    data: Mapping[str, Any] = field(default_factory=dict)  # JSON values for later steps, review and report
    checks: tuple[Check, ...] = ()
    turned_down: tuple[str, ...] = ()  # reasons for people; not empty: the item is ABORTED


@dataclass(frozen=True)
class Binding:
    """What to put into a workflow for one prompt. Names are those of the workflow's manifest."""

    workflow: str  # manifest name, such as "clean_pic"
    values: Mapping[str, Any]  # binding name -> literal
    uploads: Mapping[str, Path]  # binding name -> file to upload; its server-side name becomes the value


class Step(ABC):
    """One step of the pipeline."""

    name: str
    number: int  # 0-based place in the pipeline
    title: str  # for people
    engine: EngineKind
    per_language: bool
    needs: tuple[str, ...]  # names of the steps whose results this one reads


class LocalStep(Step):
    """A step that runs Python."""

    engine = EngineKind.LOCAL
    asks: tuple[str, ...] = ()
    """The models of `llm` that it asks, of "text" and "vision": it waits for a server more than for the CPU."""

    @abstractmethod
    def run(self, context: Context) -> Result:
        """Do the work. Blocks; raises StepError; leaves files only below `context.work`."""


class ComfyStep(Step):
    """A step that runs one prompt on a ComfyUI instance."""

    engine = EngineKind.COMFYUI
    workflow: str

    @abstractmethod
    def bind(self, context: Context) -> Binding:
        """Say what the workflow's bindings get. Fast; may write small derived inputs below `context.work`."""

    @abstractmethod
    def collect(self, context: Context, outputs: Mapping[str, Path]) -> Result:
        """Check the downloaded outputs (manifest output name -> path below `context.work`) and name the artifacts.

        Raises:
            BadOutput: a file is not what it should be (black, silent, too short, not decodable).
        """

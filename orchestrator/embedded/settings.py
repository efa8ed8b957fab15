"""What one pretend card is told when it starts: where its files are, how fast it is, how it should misbehave.

Frozen, and handed to everything that needs it, so that several cards live in one process without sharing any state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from orchestrator.embedded.dialect import CURRENT, Dialect

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class CardSettings:
    """The settings of one pretend card."""

    directory: Path  # holds input/, output/, temp/ and models/; made when missing; temp/ is emptied at the start
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    step_seconds: float = 0.0  # what a sampler step, or a second of a timed node, takes
    timed: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Node class -> seconds it takes. When not empty, nothing is rendered: placeholders of the right kind and size."""
    dialect: Dialect = CURRENT
    seed: int = 0  # of the faults that happen by chance
    faults: tuple[str, ...] = ()  # see orchestrator/embedded/faults.py
    idle_exit_s: float | None = None  # exit after so long without a question, a socket or a running prompt
    lru_nodes: int = 0  # keep so many node results across prompts; 0: only those of the latest prompt
    max_upload_bytes: int = 100 * MEBIBYTE
    vram_bytes: int | None = None  # what /system_stats claims; None: the machine's memory, as a real one on the CPU

    @property
    def is_timed(self) -> bool:
        """Whether durations are given and pictures are placeholders."""
        return bool(self.timed)

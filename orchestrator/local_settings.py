"""Settings of the work on this machine's CPU: how much of it at once, on how many cores, and how patiently."""

from __future__ import annotations

from pydantic import Field

from steps.option_base import Options


class LocalSettings(Options):
    """Work on this machine's CPU."""

    workers: int = Field(2, ge=1, le=32, description="Step runs on the CPU at once")
    cores: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Cores that this work may use, Whisper and FFmpeg included. By default all but one, which is left "
        "for feeding the cards; all of them where there are no cards but the embedded ones",
    )
    niceness: int = Field(
        10, ge=0, le=19, description="How much this work gives way to everything else: 0 not at all, 19 to all"
    )
    time_limit_factor: float = Field(
        1.0,
        ge=0.1,
        le=100,
        description="How many times their usual limit programs may take; the limits grow with the length of what is "
        "worked on. More than 1 for a slow machine",
    )

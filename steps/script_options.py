"""Settings of the script, and what its step is told about earlier nights."""

from __future__ import annotations

from pydantic import Field

from steps.option_base import Options


class ScriptOptions(Options):
    """What the portrait says."""

    max_words: int = Field(150, ge=20, le=400, description="Longest script, words")
    min_words: int = Field(30, ge=5, le=200, description="Shortest script, words")
    tries: int = Field(3, ge=1, le=6, description="How often the model is asked, with the reasons, before giving up")
    facts: int = Field(10, ge=1, le=40, description="Most facts handed to the model for one painting")
    hooks_remembered: int = Field(
        50, ge=0, le=500, description="No script begins like one of so many before it, in its language; 0: they may"
    )


class Past(Options):
    """What the orchestrator knows and a step cannot: the night it is part of, and those before.

    All of it is settled when a night opens, so that a night that is resumed writes what it would have written.
    """

    hooks: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="First sentences of the latest scripts of earlier nights, by language"
    )
    items: tuple[int, ...] = Field((), description="Ids of the night's items in order: no two begin in the same manner")

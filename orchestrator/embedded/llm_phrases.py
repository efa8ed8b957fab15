"""What the embedded writer can say: phrases by their place in the monologue and their mood.

A phrase is used when every name in its braces is known. `{e}` is the French feminine ending of the sitter's past
participles; a phrase that has it is left out when the sex is unknown. `{que_fact}` is a fact as a subordinate clause
("qu'il naquit à Rome", "that he was born in Rome"), `{fact}` one after a colon. `{painter}` is the painter as one would
call him who has sat for weeks. Numbers come from the data alone. What follows `|` is a condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TOPICS_OF: Mapping[str, tuple[str, ...]] = {
    "cheeky": ("theft", "secret", "quarrel", "food", "money", "animal", "love"),
    "solemn": ("death", "fame"),
    "tender": ("grief", "love", "animal"),
    "proud": ("fame", "money", "work"),
    "melancholic": ("grief", "death", "found"),
}
"""Mood -> the topics that suit it; the topics are those of `Phrases.topics`."""
MOODS = tuple(TOPICS_OF)


@dataclass(frozen=True)
class Phrases:
    """One language's phrases."""

    openings: Mapping[str, tuple[str, ...]]  # by mood; know nothing, or the painter
    identities: tuple[str, ...]  # sitter, title, artist, year; the richest that fits is preferred
    jokes: Mapping[str, tuple[str, ...]]  # by mood, about the painter
    gossip: tuple[str, ...]  # about a portrait's life
    of_artist: tuple[str, ...]  # frames for facts, by what they are about
    of_sitter: tuple[str, ...]
    of_work: tuple[str, ...]
    reactions: Mapping[str, tuple[str, ...]]  # by topic of the fact before
    closings: Mapping[str, tuple[str, ...]]  # by mood; lead back to the picture
    topics: Mapping[str, str]  # what a fact is about: topic -> pattern on folded text

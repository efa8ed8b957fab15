"""The pipeline: which steps there are, in which order, and which builds on which.

It is the one table of the pipeline's shape. The modules of the steps load OpenCV, libzim and PyAV, so they are imported
when a step is first asked for: a command that only needs names and order stays quick.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType

from steps.base import Step

NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "prepare": (),
        "script": ("prepare",),
        "audio": ("prepare", "script"),
        "clean_pic": ("prepare",),
        "realistic_pic": ("clean_pic",),
        "transition": ("clean_pic", "realistic_pic"),
        "script_video": ("realistic_pic", "audio", "script", "prepare"),
        "subtitles": ("script", "audio", "script_video"),
        "outro": ("clean_pic", "script_video"),
        "final_video": (
            "prepare",
            "script",
            "audio",
            "clean_pic",
            "transition",
            "script_video",
            "subtitles",
            "outro",
        ),
    }
)
"""Step -> the steps whose results it reads; in the order of the pipeline."""

_CLASSES = {
    "prepare": "Prepare",
    "script": "Script",
    "audio": "Audio",
    "clean_pic": "CleanPic",
    "realistic_pic": "RealisticPic",
    "transition": "Transition",
    "script_video": "ScriptVideo",
    "subtitles": "Subtitles",
    "outro": "Outro",
    "final_video": "FinalVideo",
}


def default_steps() -> tuple[Step, ...]:
    """Return the ten steps of the pipeline, in order of their numbers. The same objects each time."""
    return tuple(sorted((step(name) for name in NEEDS), key=lambda one: one.number))


@cache
def step(name: str) -> Step:
    """Return a step of the pipeline by its name. Loads only that one.

    Raises:
        KeyError: with the names there are.
    """
    if name not in NEEDS:
        raise KeyError(f"there is no step {name!r}; there are: {', '.join(NEEDS)}")
    found: Step = getattr(importlib.import_module(f"steps.{name}"), _CLASSES[name])()
    return found


def steps_after(name: str, needs: Mapping[str, tuple[str, ...]] = NEEDS) -> tuple[str, ...]:
    """Return a step and all that depend on it, directly or not, in the order of the table.

    Args:
        name: The step to begin with.
        needs: Step -> the steps it reads, each listed after those; by default the pipeline's own table.

    Raises:
        KeyError: with the names there are.
    """
    if name not in needs:
        raise KeyError(f"there is no step {name!r}; there are: {', '.join(needs)}")
    touched = {name}
    for other, reads in needs.items():
        if touched.intersection(reads):
            touched.add(other)
    return tuple(other for other in needs if other in touched)


def needs_of(steps: Iterable[Step]) -> dict[str, tuple[str, ...]]:
    """Return the table of some steps, which may include a user's own, in the order given.

    Raises:
        ValueError: two steps share a name, or one reads a step that is absent or comes later.
    """
    table: dict[str, tuple[str, ...]] = {}
    for one in steps:
        if one.name in table:
            raise ValueError(f"two steps are called {one.name!r}")
        unmet = [need for need in one.needs if need not in table]
        if unmet:
            before = ", ".join(table) or "none"
            raise ValueError(f"step {one.name!r} needs {', '.join(unmet)}, which no step before it makes ({before})")
        table[one.name] = one.needs
    return table

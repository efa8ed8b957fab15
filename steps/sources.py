"""Where a manifest's `from:` gets a value: the small language of dotted paths, checked when a manifest is read.

    seed                  the number of this try
    prefix                the output name of this try; the orchestrator supplies it, a step never does
    variant               the language, or nothing
    subject.title         also artist, year, sitter, licence, item_id; and subject.painting, a file
    options.video.width   any single setting of the steps
    made.STEP.data.KEY    what an earlier step found out
    made.STEP.NAME        a file that an earlier step made

It is separate from the manifest because two parties read it: the manifest's checks, and the step that asks for values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import CoreSchema, core_schema

from steps.base import Context
from steps.errors import ManifestError
from steps.options import StepOptions

RESERVED = ("seed", "prefix", "variant")
SUBJECT_VALUES = ("title", "artist", "year", "sitter", "licence", "item_id")
SUBJECT_FILES = ("painting",)
_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")


class Source(str):
    """A checked path such as `options.video.width`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Source:
        """Check the path; ValueError says what would do."""
        if not _PATH.fullmatch(text):
            raise ValueError("a dotted path such as seed, options.video.width or made.prepare.frame")
        _check(text.split("."))
        return super().__new__(cls, text)

    @property
    def parts(self) -> list[str]:
        """Return the parts between the dots."""
        return self.split(".")

    @property
    def is_file(self) -> bool:
        """Tell whether it names a file rather than a value."""
        parts = self.parts
        return (parts[0] == "made" and len(parts) == 3) or (parts[0] == "subject" and parts[1] in SUBJECT_FILES)

    @property
    def step(self) -> str | None:
        """Return the earlier step it reads, if it reads one."""
        return self.parts[1] if self.parts[0] == "made" else None

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        """Let pydantic check one wherever a model has it."""
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))


def _check(parts: list[str]) -> None:
    """Raise ValueError unless the path can lead somewhere."""
    root, rest = parts[0], parts[1:]
    if root in RESERVED and not rest:
        return
    if root == "subject" and len(rest) == 1 and rest[0] in SUBJECT_VALUES + SUBJECT_FILES:
        return
    if root == "subject":
        raise ValueError("subject." + ", subject.".join(SUBJECT_VALUES + SUBJECT_FILES))
    if root == "made" and (len(rest) == 2 or (len(rest) > 2 and rest[1] == "data")) and rest[1:] != ["data"]:
        return
    if root == "made":
        raise ValueError("made.STEP.NAME for a file, or made.STEP.data.KEY for a value")
    if root == "options" and rest:
        _walk_options(rest)
        return
    raise ValueError("one of seed, prefix, variant, subject.…, options.…, made.…")


def _walk_options(parts: list[str]) -> None:
    here: Any = StepOptions()
    for index, part in enumerate(parts):
        there = _child(here, part)
        if there is _NOTHING:
            known = list(type(here).model_fields) if isinstance(here, BaseModel) else sorted(map(str, here or ()))
            found = ".".join(["options", *parts[: index + 1]])
            raise ValueError(f"a setting that exists; {found} does not, here there are {', '.join(known) or 'none'}")
        here = there
    if isinstance(here, BaseModel | Mapping):
        raise ValueError(f"a single setting; options.{'.'.join(parts)} is a group of them")


_NOTHING = object()


def _child(here: Any, part: str) -> Any:
    if isinstance(here, BaseModel):
        return getattr(here, part) if part in type(here).model_fields else _NOTHING
    if isinstance(here, Mapping):
        return here.get(part, _NOTHING)
    return _NOTHING


def read(source: Source, context: Context) -> Any:
    """Return what a path leads to for one item: a JSON value, or a Path for a file; None where there is nothing.

    Raises:
        ManifestError: the step it names is not among those this step builds on, or made no such file or value.
        ValueError: it is `prefix`, which only the orchestrator knows.
    """
    root, rest = source.parts[0], source.parts[1:]
    if root == "prefix":
        raise ValueError("prefix is supplied when the prompt is made, not by a step")
    if root == "seed":
        return context.seed
    if root == "variant":
        return context.variant or None
    if root == "subject":
        return getattr(context.subject, rest[0])
    if root == "options":
        return read_option(source, context.options)
    return _read_made(source, context)


def read_option(source: Source, options: StepOptions) -> Any:
    """Return the setting that a path such as `options.video.width` leads to; None where there is nothing."""
    here: Any = options
    for part in source.parts[1:]:
        here = _child(here, part)
    return None if here is _NOTHING else str(here) if isinstance(here, Path) else here


def _read_made(source: Source, context: Context) -> Any:
    step, name = source.parts[1:3]
    if step not in context.made:
        known = ", ".join(sorted(context.made)) or "none"
        raise ManifestError(f"`{source}`: this step does not build on `{step}`; it builds on: {known}", source=source)
    made = context.made[step]
    if source.is_file:
        if name not in made.files:
            known = ", ".join(sorted(made.files)) or "none"
            raise ManifestError(f"`{source}`: step {step} made no file `{name}`; its files are: {known}", source=source)
        return made.files[name]
    here: Any = made.data
    for part in source.parts[3:]:
        if not isinstance(here, Mapping) or part not in here:
            known = ", ".join(sorted(map(str, here))) or "nothing" if isinstance(here, Mapping) else "a single value"
            raise ManifestError(f"`{source}`: step {step} has no `{part}` in its data; it has: {known}", source=source)
        here = here[part]
    return here

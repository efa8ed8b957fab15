"""The questions that are put to the models, one text file each, so that an owner can read and change them.

A file of the same name in the owner's folder (`HOME/prompts`) takes the place of a packaged one. It may start with
`version: N` and a line `---`; the version that is kept with everything a model answered has the text's hash in it, so
that an edited file is told apart. An own file must have every placeholder of the packaged one: a question that lost its
data would be answered all the same, and wrongly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from steps.errors import ResourceMissing

MAX_PROMPT_BYTES = 100_000


@dataclass(frozen=True)
class Prompt:
    """One question."""

    name: str
    version: str  # what the file says, and the start of its hash
    text: str  # with $placeholders
    is_own: bool = False  # the owner's, not the packaged one

    @property
    def placeholders(self) -> frozenset[str]:
        """The names of what is filled in."""
        return frozenset(Template(self.text).get_identifiers())

    def fill(self, **values: Any) -> str:
        """Put values into the placeholders.

        Raises:
            ResourceMissing: the text has a placeholder that nobody fills, or a stray dollar sign.
        """
        try:
            return Template(self.text).substitute(values)
        except (KeyError, ValueError) as error:
            raise ResourceMissing(
                f"The prompt {self.name}.txt has a placeholder that is not known ({error}); there are: "
                + (", ".join(f"${name}" for name in values) or "none")
                + ". A dollar sign is written $$.",
                prompt=self.name,
            ) from error


def load(name: str, folder: Path | None = None) -> Prompt:
    """Return a prompt by its file name without the ending: the owner's from a folder, or else the packaged one.

    Raises:
        ResourceMissing: there is no such file, it cannot be read, or it lacks a placeholder of the packaged one.
    """
    packaged = _packaged(name)
    path = folder / f"{name}.txt" if folder is not None else None
    if path is None or not path.exists():
        return packaged
    try:
        content = path.read_bytes()[: MAX_PROMPT_BYTES + 1]
        own = _parsed(name, content.decode(), is_own=True)
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceMissing(f"The prompt {path} cannot be read: {error}", prompt=name) from error
    if len(content) > MAX_PROMPT_BYTES:
        raise ResourceMissing(f"The prompt {path} has more than {MAX_PROMPT_BYTES} bytes.", prompt=name)
    if missing := sorted(packaged.placeholders - own.placeholders):
        raise ResourceMissing(
            f"The prompt {path} lacks {', '.join(f'${one}' for one in missing)}. Put that where it belongs, or move "
            "the file away: then the packaged one is used.",
            prompt=name,
        )
    return own


def names() -> tuple[str, ...]:
    """Return the names of all packaged prompts."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(one.name.removesuffix(".txt") for one in files if one.name.endswith(".txt")))


def problems(folder: Path) -> Iterator[str]:
    """Yield what is wrong with an owner's prompts: those that cannot be used, and files that nothing reads."""
    known = names()
    for path in sorted(folder.glob("*.txt")) if folder.is_dir() else ():
        if path.stem not in known:
            yield f"{path}: there is no prompt of that name; there are: {', '.join(known)}"
            continue
        try:
            own = load(path.stem, folder)
            own.fill(**dict.fromkeys(_packaged(path.stem).placeholders, ""))
        except ResourceMissing as error:
            yield str(error)


def version_of(prompts: Iterable[Prompt]) -> str:
    """Return one version for prompts that are used together."""
    return "+".join(prompt.version for prompt in prompts)


@cache
def _packaged(name: str) -> Prompt:
    try:
        content = resources.files(__name__).joinpath(f"{name}.txt").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceMissing(f"The prompt {name}.txt cannot be read: {error}", prompt=name) from error
    return _parsed(name, content, is_own=False)


def _parsed(name: str, content: str, *, is_own: bool) -> Prompt:
    head, line, text = content.replace("\r\n", "\n").partition("\n---\n")
    key, _, version = head.strip().partition(":")
    if not line or key.strip() != "version" or not version.strip():
        version, text = "own", content
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return Prompt(name, f"{version.strip()[:20]}-{digest}", text.strip(), is_own)


def as_data(value: Any) -> str:
    """Return a value as JSON that cannot be taken for the prompt's own words.

    Angle brackets are escaped, so that no text inside can close the block that the JSON stands in.
    """
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return text.replace("<", "\\u003c").replace(">", "\\u003e")

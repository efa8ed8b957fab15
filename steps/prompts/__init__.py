"""The questions that are put to the models, one text file each, so that an owner can read and change them.

A file starts with `version: N`, a line `---`, and then the text. The version is kept with everything that a model
answered to it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template
from typing import Any

from steps.errors import ResourceMissing


@dataclass(frozen=True)
class Prompt:
    """One question."""

    name: str
    version: str  # what the file says, and the start of its hash, so that an edited file is told apart
    text: str  # with $placeholders

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
                + (", ".join(f"${name}" for name in values) or "none"),
                prompt=self.name,
            ) from error


@cache
def load(name: str) -> Prompt:
    """Return a prompt by its file name without the ending.

    Raises:
        ResourceMissing: there is no such file, or its head is not `version: …` and `---`.
    """
    try:
        content = resources.files(__name__).joinpath(f"{name}.txt").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceMissing(f"The prompt {name}.txt cannot be read: {error}", prompt=name) from error
    head, line, text = content.partition("\n---\n")
    key, _, version = head.strip().partition(":")
    if not line or key.strip() != "version" or not version.strip():
        raise ResourceMissing(
            f"The prompt {name}.txt must start with a line 'version: N' and a line '---'.", prompt=name
        )
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return Prompt(name, version=f"{version.strip()}-{digest}", text=text.strip())


def as_data(value: Any) -> str:
    """Return a value as JSON that cannot be taken for the prompt's own words.

    Angle brackets are escaped, so that no text inside can close the block that the JSON stands in.
    """
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return text.replace("<", "\\u003c").replace(">", "\\u003e")

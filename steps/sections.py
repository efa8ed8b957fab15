"""What all parts of a manifest are made of: the base of its models, and the few types of their values.

Separate from the parts themselves, so that what a workflow asks of a card (`demands.py`) and what may be changed in its
graph (`changes.py`) need not know the whole manifest.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
)

from steps.sources import Source

Scalar = StrictStr | StrictBool | StrictInt | StrictFloat
NAME = re.compile(r"[a-z][a-z0-9_]*")


def _is_name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError("a name of lower-case letters, digits and _, beginning with a letter")
    return text


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number; yes and no are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _as_number(value: Any) -> int | float | Source:
    if isinstance(value, str):
        return Source(value)
    if not is_number(value) or value <= 0:
        raise ValueError("a number above 0, or where to find one, such as options.video.width")
    found: int | float = value
    return found


Name = Annotated[str, AfterValidator(_is_name)]
Number = Annotated[int | float | Source, PlainValidator(_as_number)]
"""A number above 0, or where to find one, such as `options.video.width`."""
FromList = BeforeValidator(_as_tuple)
"""Makes a YAML list the tuple that a frozen model holds."""


class Section(BaseModel):
    """Base of all parts of a manifest: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

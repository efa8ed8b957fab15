"""Other thresholds than those of config.yaml, for one trial: `--set prepare.min_face_share=0.1`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from orchestrator.errors import ConfigError
from steps.options import PrepareOptions

PREFIX = "prepare."


def with_overrides(options: PrepareOptions, pairs: Sequence[str]) -> PrepareOptions:
    """Return the settings with some changed.

    Args:
        options: Those of config.yaml.
        pairs: Each KEY=VALUE; the key with or without `prepare.`, the value as YAML would have it.

    Raises:
        ConfigError: with every pair that cannot be used, one a line.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        key = key.strip().removeprefix(PREFIX)
        if not separator or not key:
            problems.append(f"  {pair!r} is not KEY=VALUE, such as {PREFIX}min_face_share=0.1")
        elif key not in PrepareOptions.model_fields:
            problems.append(f"  {PREFIX}{key}: no such key; there are: {', '.join(PrepareOptions.model_fields)}")
        else:
            values[key] = _value(text)
    try:
        changed = PrepareOptions.model_validate(options.model_dump() | values)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            problems.append(f"  {PREFIX}{'.'.join(map(str, one['loc']))}: found {one['input']!r}; {one['msg']}")
    if problems:
        raise ConfigError("these settings cannot be tried:\n" + "\n".join(problems))
    return changed


def differences(before: PrepareOptions, after: PrepareOptions) -> Mapping[str, tuple[Any, Any]]:
    """Return what was changed: key with `prepare.`, the configured value and the one that is tried."""
    one, other = before.model_dump(mode="json"), after.model_dump(mode="json")
    return {f"{PREFIX}{key}": (one[key], other[key]) for key in one if one[key] != other[key]}


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text

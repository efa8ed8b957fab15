"""How a manifest that `extends` another one says only what is different.

Substitutes for a workflow (another model, fewer steps, another node pack) must stay drop-ins for their step: the same
bindings, the same outputs. What is written once cannot come apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BY_NAME = ("bindings", "outputs")
_BY_KEY = ("needs", "timing")
_PLACE = frozenset({"node", "input", "targets"})


def merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the base's data with what the substitute says itself.

    `bindings` and `outputs` are merged by name and key, and one that the substitute sets to nothing is left out;
    `needs` and `timing` by key; everything else is the substitute's where it states it. A binding's place (`node` and
    `input`, or `targets`) is one thing.
    """
    result = {**base, **own}
    for section in _BY_NAME:
        if isinstance(base.get(section), Mapping) and isinstance(own.get(section), Mapping):
            result[section] = _merged_by_name(base[section], own[section])
    for section in _BY_KEY:
        if isinstance(base.get(section), Mapping) and isinstance(own.get(section), Mapping):
            result[section] = {**base[section], **own[section]}
    return result


def _merged_by_name(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = dict(base)
    for name, part in own.items():
        if part is None and name in base:
            del result[name]
        elif isinstance(part, Mapping) and isinstance(base.get(name), Mapping):
            dropped = _PLACE if _PLACE & set(part) else frozenset()
            result[name] = {**{key: value for key, value in base[name].items() if key not in dropped}, **part}
        else:
            result[name] = part
    return result

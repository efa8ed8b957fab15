"""Fill a JSON schema: with what is known, by the names of its properties, and with the smallest legal value elsewhere.

That is how one small engine answers questions that it was never written for, with an object that validates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 12


class Unfillable(ValueError):
    """The schema asks for something that this engine does not know how to make."""


def fill(schema: Mapping[str, Any], known: Mapping[str, Any] | None = None) -> Any:
    """Return a value that the schema accepts.

    Args:
        schema: A JSON schema; `$ref` within itself, `anyOf`, `enum`, `const`, bounds and minimum lengths are followed.
        known: Values by property name; one is used wherever its name occurs and its kind and range fit.

    Raises:
        Unfillable: the schema refers to something that is not there, or is nested without end.
    """
    return _value(schema, schema, known or {}, name="", depth=0)


def _value(schema: Any, root: Mapping[str, Any], known: Mapping[str, Any], *, name: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise Unfillable("the schema is nested too deeply")
    if not isinstance(schema, Mapping):
        return None
    if "$ref" in schema:
        schema = {**_resolve(str(schema["$ref"]), root), **{k: v for k, v in schema.items() if k != "$ref"}}
        return _value(schema, root, known, name=name, depth=depth + 1)
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return _value(schema[choice][0], root, known, name=name, depth=depth + 1)
    if name in known and _fits(known[name], schema):
        return known[name]
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    return _smallest(schema, root, known, depth=depth)


def _smallest(schema: Mapping[str, Any], root: Mapping[str, Any], known: Mapping[str, Any], *, depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0] if kind else "null"
    if kind == "object":
        properties = schema.get("properties") or {}
        required = schema.get("required") or []
        wanted = [key for key in properties if key in required or key in known]
        return {key: _value(properties[key], root, known, name=key, depth=depth + 1) for key in wanted}
    if kind == "array":
        count = int(schema.get("minItems", 0))
        return [_value(schema.get("items", {}), root, known, name="", depth=depth + 1) for _ in range(min(count, 100))]
    if kind == "integer":
        return _number(schema, step=1)
    if kind == "number":
        return float(_number(schema, step=0.001))
    if kind == "boolean":
        return False
    if kind == "null":
        return None
    return "-" * min(int(schema.get("minLength", 0)), 1000)


def _number(schema: Mapping[str, Any], *, step: float) -> Any:
    lowest = schema.get("minimum", schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else None)
    highest = schema.get("maximum", schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else None)
    value: Any = 0
    if lowest is not None and value < lowest:
        value = lowest
    if highest is not None and value > highest:
        value = highest
    return value


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Tell whether a known value may stand where the schema says."""
    kinds = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "array": list,
        "object": dict,
        "null": type(None),
    }
    kind = schema.get("type")
    if isinstance(kind, str) and not isinstance(value, kinds.get(kind, object)):  # type: ignore[arg-type]
        return False
    if isinstance(value, bool) != (kind == "boolean") and kind is not None:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        return bool(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)))
    if isinstance(value, int | float) and not isinstance(value, bool):
        inside = schema.get("minimum", value) <= value <= schema.get("maximum", value)
        return bool(
            inside and schema.get("exclusiveMinimum", value - 1) < value < schema.get("exclusiveMaximum", value + 1)
        )
    return True


def _resolve(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    node: Any = root
    if not reference.startswith("#"):
        raise Unfillable(f"the schema refers to {reference!r}, outside itself")
    for part in reference.lstrip("#/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, Mapping) or key not in node:
            raise Unfillable(f"the schema refers to {reference!r}, which is not there")
        node = node[key]
    if not isinstance(node, Mapping):
        raise Unfillable(f"the schema refers to {reference!r}, which is no schema")
    return node

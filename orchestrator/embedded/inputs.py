"""Which inputs a node of a graph has, and what is wrong with a value: the part of validation that looks at one input.

Classes of the newer style have inputs that depend on other inputs (a chosen format brings its own quality) and inputs
that grow (`values.a`, `values.b`); both arrive as dotted keys. `declared` flattens them to plain inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.embedded.schemas import Schema
from orchestrator.embedded.values import Choice

DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
AUTOGROW = "COMFY_AUTOGROW_V3"
MATCH_TYPE = "COMFY_MATCHTYPE_V3"
LONGEST_LISTED = 20
"""A longer list of choices is left out of an error."""

Problem = dict[str, Any]


@dataclass(frozen=True)
class InputSpec:
    """One input of a node, as its class and its other values make it."""

    name: str
    type: Any  # a type's name, or the list of an old-style combo
    options: Mapping[str, Any]
    is_required: bool

    @property
    def config(self) -> list[Any]:
        """How an error shows the input."""
        return [self.type, dict(self.options)]

    @property
    def choices(self) -> list[Any] | None:
        """The values that may be chosen; None when the input is not a combo."""
        if isinstance(self.type, list):
            return self.type
        return list(self.options.get("options", [])) if self.type == "COMBO" else None

    @property
    def is_lazy(self) -> bool:
        """Whether the value is made only when the node asks for it."""
        return bool(self.options.get("lazy"))


def declared(schema: Schema, given: Mapping[str, Any]) -> dict[str, InputSpec]:
    """List the inputs of a node, by name, in order; those that depend on a choice included."""
    specs: dict[str, InputSpec] = {}
    for section in ("required", "optional"):
        for name, raw in schema["input"].get(section, {}).items():
            for spec in _flatten(name, raw, given, is_required=section == "required"):
                specs[spec.name] = spec
    return specs


def _flatten(name: str, raw: list[Any], given: Mapping[str, Any], *, is_required: bool) -> Iterator[InputSpec]:
    options = raw[1] if len(raw) > 1 else {}
    if raw[0] == AUTOGROW:
        yield from _grown(name, options["template"])
        return
    yield InputSpec(name, raw[0], options, is_required)
    if raw[0] != DYNAMIC_COMBO:
        return
    for option in options["options"]:
        if option["key"] == given.get(name):
            for section in ("required", "optional"):
                for inner, inner_raw in option["inputs"].get(section, {}).items():
                    yield from _flatten(f"{name}.{inner}", inner_raw, given, is_required=section == "required")


def _grown(name: str, template: Mapping[str, Any]) -> Iterator[InputSpec]:
    raw = next(iter(template["input"].get("required", template["input"].get("optional", {})).values()))
    names = template.get("names") or [f"{template['prefix']}{index}" for index in range(template.get("max", 100))]
    for index, inner in enumerate(names):
        options = raw[1] if len(raw) > 1 else {}
        yield InputSpec(f"{name}.{inner}", raw[0], options, index < template.get("min", 0))


def nested(schema: Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted values into what a node's function takes: a `Choice`, or a dict of what grew."""
    kinds = {name: raw[0] for section in schema["input"].values() for name, raw in section.items()}
    flat = {name: value for name, value in values.items() if "." not in name}
    for name, kind in kinds.items():
        inner = {key.removeprefix(f"{name}."): value for key, value in values.items() if key.startswith(f"{name}.")}
        if kind == AUTOGROW:
            flat[name] = inner
        elif kind == DYNAMIC_COMBO and name in flat:
            flat[name] = Choice(flat[name], inner)
    return flat


def missing(spec: InputSpec) -> Problem:
    """Say that a required input has no value."""
    return {
        "type": "required_input_missing",
        "message": "Required input is missing",
        "details": spec.name.rsplit(".", 1)[-1],
        "extra_info": {"input_name": spec.name},
    }


def bad_link(spec: InputSpec, value: Any) -> Problem:
    """Say that a list is not a link."""
    return {
        "type": "bad_linked_input",
        "message": "Bad linked input, must be a length-2 list of [node_id, slot_index]",
        "details": spec.name,
        "extra_info": {"input_name": spec.name, "input_config": spec.config, "received_value": value},
    }


def type_mismatch(spec: InputSpec, received: Any, link: list[Any]) -> Problem | None:
    """Say that a link brings a type that the input does not take, or return None."""
    if _accepts(spec, received):
        return None
    return {
        "type": "return_type_mismatch",
        "message": "Return type mismatch between linked nodes",
        "details": f"{spec.name}, received_type({received}) mismatch input_type({spec.type})",
        "extra_info": {
            "input_name": spec.name,
            "input_config": spec.config,
            "received_type": received,
            "linked_node": link,
        },
    }


def _accepts(spec: InputSpec, received: Any) -> bool:
    wanted = spec.options["template"]["allowed_types"] if spec.type == MATCH_TYPE else spec.type
    if received == wanted or MATCH_TYPE in (received, wanted):
        return True
    if not isinstance(received, str) or not isinstance(wanted, str):
        return False
    offered, accepted = set(received.split(",")), set(wanted.split(","))
    return "*" in offered | accepted or bool(offered & accepted)


def coerce(spec: InputSpec, value: Any) -> Any:
    """Turn a value into the input's type; raises what the conversion raises."""
    if isinstance(value, dict) and "__value__" in value:
        value = value["__value__"]
    if spec.type == "INT":
        return int(value)
    if spec.type == "FLOAT":
        return float(value)
    if spec.type == "STRING":
        return str(value)
    if spec.type == "BOOLEAN":
        return bool(value)
    return value


def not_converted(spec: InputSpec, value: Any, error: Exception) -> Problem:
    """Say that a value cannot become the input's type."""
    return {
        "type": "invalid_input_type",
        "message": f"Failed to convert an input value to a {spec.type} value",
        "details": f"{spec.name}, {value}, {error}",
        "extra_info": {
            "input_name": spec.name,
            "input_config": spec.config,
            "received_value": value,
            "exception_message": str(error),
        },
    }


def out_of_range(spec: InputSpec, value: Any) -> Problem | None:
    """Say that a value is too small, too large or not in the list, or return None."""
    for key, kind, word in (("min", "value_smaller_than_min", "smaller"), ("max", "value_bigger_than_max", "bigger")):
        limit = spec.options.get(key)
        if limit is not None and (value < limit if key == "min" else value > limit):
            return {
                "type": kind,
                "message": f"Value {value} {word} than {key} of {limit}",
                "details": spec.name,
                "extra_info": {"input_name": spec.name, "input_config": spec.config, "received_value": value},
            }
    return _not_in_list(spec, value)


def _not_in_list(spec: InputSpec, value: Any) -> Problem | None:
    choices = spec.choices
    if choices is None:
        return None
    values = value if spec.options.get("multiselect") and isinstance(value, list) else [value]
    wrong = [one for one in values if one not in choices]
    if not wrong:
        return None
    is_long = len(choices) > LONGEST_LISTED
    listed = f"(list of length {len(choices)})" if is_long else str(choices)
    return {
        "type": "value_not_in_list",
        "message": "Value not in list",
        "details": f"{spec.name}: {', '.join(repr(one) for one in wrong)} not in {listed}",
        "extra_info": {
            "input_name": spec.name,
            "input_config": None if is_long else spec.config,
            "received_value": value,
        },
    }


def failed_check(spec: InputSpec, reason: str) -> Problem:
    """Say that a class's own check turned a value down."""
    return {
        "type": "custom_validation_failed",
        "message": "Custom validation failed for node",
        "details": f"{spec.name} - {reason}",
        "extra_info": {"input_name": spec.name},
    }

"""Whether a server could run a graph, by the server's own node schemas. Pure.

It finds what the server would find when the prompt is posted, so that a missing node pack or model shows in the evening
and not at three in the morning. It is never stricter than the server: what it does not understand, it lets pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.comfyui.errors import NodeProblem
from orchestrator.comfyui.graphs import Graph, class_of, inputs_of, link_of, title_of
from orchestrator.comfyui.replies import mapping

_FILE_LOADERS = frozenset({"LoadImage", "LoadImageMask", "LoadAudio", "LoadVideo", "LoadImageOutput"})


def check_graph(
    graph: Graph, object_info: Mapping[str, Any], *, bound: frozenset[tuple[str, str]] = frozenset()
) -> Iterator[NodeProblem]:
    """Yield what a server with these node classes would refuse.

    Args:
        graph: API format.
        object_info: Node class -> schema.
        bound: (node id, input) whose value in the graph is only a placeholder.
    """
    for node_id in graph:
        class_type = class_of(graph, node_id)
        schema = object_info.get(class_type)
        if not isinstance(schema, dict):
            message = f"the node class {class_type} is not installed there"
            yield NodeProblem(node_id, class_type, title_of(graph, node_id), "missing_node_type", message)
            continue
        for kind, message in _check_node(graph, node_id, schema, object_info=object_info, bound=bound):
            yield NodeProblem(node_id, class_type, title_of(graph, node_id), kind, message)


def _check_node(
    graph: Graph,
    node_id: str,
    schema: Mapping[str, Any],
    *,
    object_info: Mapping[str, Any],
    bound: frozenset[tuple[str, str]],
) -> Iterator[tuple[str, str]]:
    inputs = inputs_of(graph, node_id)
    for name, spec, required in _specs(mapping(schema.get("input")), inputs):
        if name not in inputs:
            if required:
                yield "required_input_missing", f"the input `{name}` is missing"
            continue
        link = link_of(inputs[name])
        if link is not None:
            yield from _check_link(graph, name, spec, link=link, object_info=object_info)
        elif (node_id, name) not in bound and not _is_file_choice(class_of(graph, node_id), spec):
            yield from _check_value(name, spec, inputs[name])


def _specs(declared: Mapping[str, Any], inputs: Mapping[str, Any]) -> Iterator[tuple[str, list[Any], bool]]:
    """Yield (name, [type, config], required) of each input, those that a dynamic choice brings along included."""
    for section in ("required", "optional"):
        for name, spec in mapping(declared.get(section)).items():
            if isinstance(spec, list) and spec:
                yield from _unfolded(name, spec, section == "required", inputs)


def _unfolded(
    name: str, spec: list[Any], required: bool, inputs: Mapping[str, Any]
) -> Iterator[tuple[str, list[Any], bool]]:
    if spec[0] == "COMFY_AUTOGROW_V3":  # its inputs are `name.a`, `name.b` …, as many as are linked
        return
    yield name, spec, required
    if spec[0] != "COMFY_DYNAMICCOMBO_V3":
        return
    for option in _config(spec).get("options") or ():
        if isinstance(option, dict) and option.get("key") == inputs.get(name):
            for section in ("required", "optional"):
                for inner, inner_spec in mapping(mapping(option.get("inputs")).get(section)).items():
                    if isinstance(inner_spec, list) and inner_spec:
                        needed = required and section == "required"
                        yield from _unfolded(f"{name}.{inner}", inner_spec, needed, inputs)


def _check_link(
    graph: Graph, name: str, spec: list[Any], *, link: tuple[str, int], object_info: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    source, slot = link
    outputs = mapping(object_info.get(class_of(graph, source))).get("output")
    if not isinstance(outputs, list):
        return  # the source's own problem is told elsewhere
    label = title_of(graph, source)
    if not 0 <= slot < len(outputs):
        yield "bad_linked_input", f"`{name}` is linked to output {slot} of `{label}`, which has {len(outputs)}"
    elif not _types_fit(outputs[slot], spec[0]):
        yield "return_type_mismatch", f"`{name}` takes {spec[0]}; `{label}` gives {outputs[slot]}"


def _types_fit(given: Any, taken: Any) -> bool:
    if not isinstance(given, str) or not isinstance(taken, str):
        return True  # choices, whose rules differ by version
    if "*" in (given, taken) or given.startswith("COMFY_") or taken.startswith(("COMFY_", "COMBO")) or given == "COMBO":
        return True
    return bool(set(given.split(",")) & set(taken.split(",")))


def _check_value(name: str, spec: list[Any], value: Any) -> Iterator[tuple[str, str]]:
    options = _options(spec)
    if options is not None:
        if not isinstance(value, list) and value not in options:
            shown = ", ".join(map(str, options[:8])) + (" …" if len(options) > 8 else "")
            yield "value_not_in_list", f"`{name}` is {value!r}, which is not there; there is: {shown or 'nothing'}"
    elif spec[0] in ("INT", "FLOAT"):
        yield from _check_number(name, spec, value)


def _check_number(name: str, spec: list[Any], value: Any) -> Iterator[tuple[str, str]]:
    try:
        number = float(value)
    except (TypeError, ValueError):
        yield "invalid_input_type", f"`{name}` is {value!r}; a number is expected"
        return
    config = _config(spec)
    low, high = config.get("min"), config.get("max")
    if isinstance(low, int | float) and number < low:
        yield "value_smaller_than_min", f"`{name}` is {value!r}; the smallest is {low}"
    if isinstance(high, int | float) and number > high:
        yield "value_bigger_than_max", f"`{name}` is {value!r}; the largest is {high}"


def _options(spec: list[Any]) -> list[Any] | None:
    """Return the choices of an input, in either style of schema; None when it is not one of choices."""
    if isinstance(spec[0], list):
        return spec[0]
    options = _config(spec).get("options")
    if spec[0] == "COMFY_DYNAMICCOMBO_V3" and isinstance(options, list):
        return [option.get("key") for option in options if isinstance(option, dict)]
    return options if spec[0] == "COMBO" and isinstance(options, list) else None


def _is_file_choice(class_type: str, spec: list[Any]) -> bool:
    """Tell whether the choices are files of the input folder: sub-folders and uploads are valid and not listed."""
    config = _config(spec)
    return (class_type in _FILE_LOADERS and _options(spec) is not None) or any(
        key.endswith("_upload") or key == "remote" for key in config
    )


def _config(spec: list[Any]) -> Mapping[str, Any]:
    return mapping(spec[1]) if len(spec) > 1 else {}

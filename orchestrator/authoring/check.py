"""Whether a workflow would work in a night, as far as that can be told without running it.

Pure: a loaded workflow, the pipeline's settings and what a server knows go in; findings come out, each with what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.authoring.nodes import SAVES_NOTHING
from orchestrator.authoring.servers import Known
from orchestrator.comfyui.graphs import class_of, find_nodes, inputs_of, link_of
from orchestrator.comfyui.replies import mapping
from orchestrator.comfyui.workflow import Workflow
from orchestrator.doctor.findings import Finding, Grade
from steps.demands import NOMINAL
from steps.manifest import BindingSpec, Target
from steps.options import StepOptions
from steps.sources import Source, read_option

_LOOSELY = frozenset({"missing_node_type", "value_not_in_list"})
"""What an embedded server may lack although a real one has it."""
_LARGEST_SEED = 2**63 - 1
_GRID_INPUTS = frozenset({"width", "height", "length"})
_ADVICE = {
    "missing_node_type": "install the node pack that has it, or take the node out",
    "value_not_in_list": "put that file on the server, or choose one that is there, in the graph",
    "required_input_missing": "export the workflow again with a ComfyUI like the server's",
    "return_type_mismatch": "export the workflow again with a ComfyUI like the server's",
}


def check_workflow(workflow: Workflow, known: Known, options: StepOptions) -> list[Finding]:
    """Return what is wrong with a workflow on a server, or a single finding that says that nothing is.

    Args:
        workflow: Loaded: its manifest and graph fit together.
        known: The server.
        options: The settings that its bindings may read.
    """
    fitted = workflow.fitted_to(known.object_info)
    findings = [
        *_as_server_says(fitted, known),
        *_outputs(fitted, known),
        *_numbers(fitted, known, options),
        *_models(fitted, known),
        *_memory(fitted, known),
        *_repeats(fitted),
    ]
    if any(one.grade is Grade.PROBLEM for one in findings):
        return findings
    nodes = f"{len(fitted.graph)} nodes, {len(fitted.manifest.bindings)} bindings"
    return [*findings, Finding(f"workflow {workflow.manifest.name}", Grade.OK, f"{nodes}; it fits {known.where}")]


def check_graph_alone(graph: Mapping[str, Any], known: Known) -> list[Finding]:
    """Return what is wrong with a graph that has no manifest yet."""
    from orchestrator.comfyui.schemas import check_graph

    found = [_of_node(str(one), one.kind, known) for one in check_graph(graph, known.object_info)]
    if any(one.grade is Grade.PROBLEM for one in found):
        return found
    return [*found, Finding("graph", Grade.OK, f"{len(graph)} nodes; it fits {known.where}")]


def _as_server_says(workflow: Workflow, known: Known) -> Iterator[Finding]:
    for problem in workflow.validate(known.object_info):
        yield _of_node(str(problem), problem.kind, known)


def _of_node(words: str, kind: str, known: Known) -> Finding:
    if known.is_embedded and kind in _LOOSELY:
        remedy = "the embedded server stands in for the usual nodes and models only; check against your own: --url"
        return Finding("node", Grade.WARNING, words, remedy)
    return Finding("node", Grade.PROBLEM, words, _ADVICE.get(kind, "correct it in ComfyUI and export again"))


def _outputs(workflow: Workflow, known: Known) -> Iterator[Finding]:
    for name, output in workflow.manifest.outputs.items():
        class_type = class_of(workflow.graph, find_nodes(workflow.graph, output.node)[0])
        schema = known.object_info.get(class_type)
        why = SAVES_NOTHING.get(class_type)
        if why is None and isinstance(schema, dict) and schema.get("output_node") is False:
            why = f"{class_type} saves nothing"
        if why is not None:
            remedy = "name a node that saves a file: SaveImage, SaveVideo, SaveAudio"
            yield Finding(f"outputs.{name}", Grade.PROBLEM, f"`{output.node}`: {why}", remedy)


def _numbers(workflow: Workflow, known: Known, options: StepOptions) -> Iterator[Finding]:
    """Yield numbers that a node would refuse, or take for another one without a word."""
    for name, spec in workflow.manifest.bindings.items():
        value = _value(spec, options)
        if value is None and spec.source != "seed":
            continue
        wanted = spec.broken_by(spec.spelled(value)) if value is not None else None
        if wanted:
            found = f"found {value!r}{f' in {spec.source}' if spec.source else ''}; expected {wanted}"
            yield Finding(f"bindings.{name}", Grade.PROBLEM, found, "correct the setting, or the binding's `limits`")
            continue
        for target in spec.targets:
            config = _config(workflow, target, known)
            yield from _number(name, spec, target, value, config)


def _number(name: str, spec: BindingSpec, target: Target, value: Any, config: Mapping[str, Any]) -> Iterator[Finding]:
    where = f"`{target.input}` of `{target.node}`"
    low, high, step = (config.get(key) for key in ("min", "max", "step"))
    if spec.source == "seed":
        if isinstance(high, int) and high < _LARGEST_SEED:
            remedy = "seeds go up to 2^63-1: leave this one out of the bindings, or use a node that takes them all"
            yield Finding(f"bindings.{name}", Grade.PROBLEM, f"{where} takes at most {high}", remedy)
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if isinstance(low, int | float) and value < low:
        yield Finding(f"bindings.{name}", Grade.PROBLEM, f"{where} gets {value}; the smallest is {low}", "raise it")
    elif isinstance(high, int | float) and value > high:
        yield Finding(f"bindings.{name}", Grade.PROBLEM, f"{where} gets {value}; the largest is {high}", "lower it")
    elif target.input.rpartition(".")[2] in _GRID_INPUTS and isinstance(step, int) and step > 1:
        start = low if isinstance(low, int) else 0
        over = (value - start) % step
        if over and (value % step or start % step):
            lower = int(value - over)
            found = f"{where} gets {value}, which the node takes for {lower}"
            yield Finding(f"bindings.{name}", Grade.PROBLEM, found, f"use {lower} or {lower + step}")


def _value(spec: BindingSpec, options: StepOptions) -> Any:
    """Return what a binding gets where that is the same for every item; None where it is not."""
    if spec.source is None:
        return spec.value
    found = read_option(Source(spec.source), options) if spec.source.startswith("options.") else None
    return spec.value if found is None else found


def _config(workflow: Workflow, target: Target, known: Known) -> Mapping[str, Any]:
    """Return the limits that a node's schema states for an input."""
    class_type = class_of(workflow.graph, find_nodes(workflow.graph, target.node)[0])
    declared = mapping(mapping(known.object_info.get(class_type)).get("input"))
    for section in ("required", "optional"):
        spec = mapping(declared.get(section)).get(target.input)
        if isinstance(spec, list) and len(spec) > 1:
            return mapping(spec[1])
    return {}


def _models(workflow: Workflow, known: Known) -> Iterator[Finding]:
    """Yield models that `needs` names and no node of the server offers."""
    offered = set(_offered(known.object_info))
    for model in workflow.manifest.needs.models:
        if model.kind == "folder" or model.file in offered or not offered:
            continue
        if _is_named_in(workflow, model.file):
            continue  # the loader's own finding says it
        remedy = f"put it into models/{model.folder}, or take it out of needs.models"
        grade = Grade.WARNING if known.is_embedded else Grade.PROBLEM
        yield Finding("needs.models", grade, f"{model.file} is not offered by {known.where}", remedy)


def _is_named_in(workflow: Workflow, file: str) -> bool:
    return any(value == file for node_id in workflow.graph for value in inputs_of(workflow.graph, node_id).values())


def _offered(object_info: Mapping[str, Any]) -> Iterator[str]:
    """Yield every file that some loader offers."""
    for schema in object_info.values():
        for section in ("required", "optional"):
            for spec in mapping(mapping(mapping(schema).get("input")).get(section)).values():
                if isinstance(spec, list) and spec:
                    options = spec[0] if isinstance(spec[0], list) else mapping(spec[1:2] and spec[1]).get("options")
                    yield from (one for one in options or () if isinstance(one, str))


def _memory(workflow: Workflow, known: Known) -> Iterator[Finding]:
    wanted = workflow.manifest.needs.vram_gb
    if known.vram_gib is not None and known.vram_gib < NOMINAL * wanted:
        found = f"the card of {known.where} has {known.vram_gib:.1f} GiB; needs.vram_gb is {wanted:g}"
        yield Finding("needs.vram_gb", Grade.PROBLEM, found, "lower it if it is too careful, or use a larger card")


def _repeats(workflow: Workflow) -> Iterator[Finding]:
    """Yield what would make a retry, or another item, give the same files again."""
    sources = {spec.source for spec in workflow.manifest.bindings.values()}
    if "seed" not in sources:
        remedy = "bind the seed of its sampler: from: seed"
        yield Finding("bindings", Grade.WARNING, "no binding takes the seed: a retry makes the same again", remedy)
    for name, output in workflow.manifest.outputs.items():
        node_id = find_nodes(workflow.graph, output.node)[0]
        value = inputs_of(workflow.graph, node_id).get("filename_prefix")
        bound = {(find_nodes(workflow.graph, one.node)[0], one.input) for one in _prefixed(workflow)}
        if isinstance(value, str) and link_of(value) is None and (node_id, "filename_prefix") not in bound:
            remedy = f"bind it: {{node: {output.node}, input: filename_prefix, from: prefix}}"
            found = f"`filename_prefix` of `{output.node}` is always the same: the server may answer with an old file"
            yield Finding(f"outputs.{name}", Grade.WARNING, found, remedy)


def _prefixed(workflow: Workflow) -> Sequence[Target]:
    return [
        target for spec in workflow.manifest.bindings.values() if spec.source == "prefix" for target in spec.targets
    ]

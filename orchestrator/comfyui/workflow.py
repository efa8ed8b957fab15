"""A workflow as it is used: its manifest and its graph, loaded, bound to the values of one prompt, checked.

Everything that can be found wrong without a server is found when the workflow is loaded, before a night starts; what
needs a server's list of node classes is found by `validate`. A server itself would say the same only in the middle of
the night, and some of it never.
"""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.comfyui.errors import NodeProblem, WorkflowError
from orchestrator.comfyui.graphs import Graph, changed, class_of, find_nodes, inputs_of, link_of, links_of, title_of
from orchestrator.comfyui.schemas import check_graph
from steps.errors import ManifestError
from steps.manifest import BindingSpec, Manifest, NodeChange, Target, load_manifest

MAX_GRAPH_BYTES = 20_000_000


@dataclass(frozen=True)
class Workflow:
    """One workflow. Immutable: `bind` returns a graph of its own each time."""

    manifest: Manifest
    graph: Graph  # API format: node id -> {class_type, inputs, _meta}

    @classmethod
    def load(cls, name_or_path: str | Path) -> Workflow:
        """Read a manifest and the graph beside it, and check that they fit together.

        Args:
            name_or_path: The name of a bundled workflow, such as `clean_pic`, or the path of a manifest.

        Raises:
            WorkflowError: says the file, what was found, what was expected and what to do.
        """
        try:
            manifest = load_manifest(name_or_path)
        except ManifestError as error:
            raise WorkflowError(str(error)) from error
        workflow = cls(manifest, read_graph(manifest.graph_path))
        problems = [*workflow._misfits(), *workflow._change_misfits()]
        if problems:
            listed = "\n".join(f"  {problem}" for problem in problems)
            raise WorkflowError(f"workflow {manifest.path} does not fit its graph {manifest.graph}:\n{listed}")
        return workflow

    def bind(self, values: Mapping[str, Any], *, prefix: str, fallback: str | None = None) -> dict[str, Any]:
        """Return the graph with every binding's value put in; the workflow itself is not changed.

        Args:
            values: Binding name -> text, number or yes/no; for an upload, the server-side name of the file. May leave
                out bindings that have a literal in the manifest, and the prefix.
            prefix: Where the outputs go, unique to the try: with a repeated one, the server may hand out old files.
            fallback: Name of the manifest's rung to make do with less memory; by default none.

        Raises:
            WorkflowError: a binding is unknown, gets nothing, gets something that no node can take or that breaks its
                limits; or there is no such fallback.
        """
        unknown = sorted(set(values) - set(self.manifest.bindings))
        if unknown:
            known = ", ".join(self.manifest.bindings) or "none"
            raise self._error(f"there is no binding `{unknown[0]}`; there are: {known}")
        graph: dict[str, Any] = copy.deepcopy(dict(self.graph if fallback is None else self._rung(fallback).graph))
        for name, spec in self.manifest.bindings.items():
            value = self._value(name, spec, values=values, prefix=prefix)
            if fallback is not None:
                value = self._on_fallback(fallback, name, value)
            value = self._within_limits(name, spec, value)
            for target in spec.targets:
                graph[self._node(target)]["inputs"][target.input] = value
        return graph

    def fitted_to(self, object_info: Mapping[str, Any]) -> Workflow:
        """Return the workflow for a server, with the manifest's alternatives for classes that the server lacks.

        Args:
            object_info: Node class -> schema; may hold only the classes of `alternative_classes()`.
        """
        wanted = [
            change
            for change in self.manifest.alternatives
            for node_id in find_nodes(self.graph, change.node)
            if class_of(self.graph, node_id) not in object_info and change.class_type in object_info
        ]
        return replace(self, graph=changed(self.graph, wanted)) if wanted else self

    def alternative_classes(self) -> frozenset[str]:
        """Return the classes whose presence decides what `fitted_to` does; empty when it has nothing to decide."""
        return frozenset(
            class_type
            for change in self.manifest.alternatives
            for node_id in find_nodes(self.graph, change.node)
            for class_type in (class_of(self.graph, node_id), change.class_type)
        )

    def validate(self, object_info: Mapping[str, Any], *, fallback: str | None = None) -> list[NodeProblem]:
        """Compare the graph with a server's node classes; an empty list means that the server can run it.

        Args:
            object_info: As `ComfyClient.object_info()` returns it. Files to be uploaded are not looked for in it.
            fallback: Name of the rung to look at; by default the workflow as it is. Alternatives are applied.
        """
        fitted = self.fitted_to(object_info)
        graph = fitted.graph if fallback is None else fitted._rung(fallback).graph
        problems = list(check_graph(graph, object_info, bound=self._bound_inputs()))
        for class_type in self.manifest.needs.node_classes:
            if class_type not in object_info and all(problem.class_type != class_type for problem in problems):
                message = f"the node class {class_type} is not installed there"
                problems.append(NodeProblem("", class_type, "", "missing_node_type", message))
        return problems

    def node_classes(self) -> frozenset[str]:
        """Return the node classes that an instance must have; one that an alternative can stand in for is not."""
        replaceable = {node_id for one in self.manifest.alternatives for node_id in find_nodes(self.graph, one.node)}
        fixed = frozenset(class_of(self.graph, node_id) for node_id in self.graph if node_id not in replaceable)
        return fixed | set(self.manifest.needs.node_classes)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _rung(self, name: str) -> Workflow:
        """Return the workflow with the nodes of a fallback."""
        try:
            nodes = self.manifest.fallback(name).nodes
        except ManifestError as error:
            raise WorkflowError(str(error)) from error
        return replace(self, graph=changed(self.graph, nodes))

    def _on_fallback(self, fallback: str, binding: str, value: Any) -> Any:
        try:
            return self.manifest.on_fallback(fallback, binding, value)
        except ManifestError as error:
            raise WorkflowError(str(error)) from error

    def _within_limits(self, name: str, spec: BindingSpec, value: Any) -> Any:
        """Return a value as the node spells it, once it keeps to the limits: a server would round it without a word."""
        value = spec.spelled(value)
        wanted = None if spec.kind == "upload" else spec.broken_by(value)
        if wanted is not None:
            found = f"a text of {len(value)} characters" if isinstance(value, str) and len(value) > 60 else repr(value)
            raise self._error(f"the binding `{name}` gets {found}; expected {wanted}")
        return value

    def _value(self, name: str, spec: BindingSpec, *, values: Mapping[str, Any], prefix: str) -> Any:
        if name in values:
            value = values[name]
        elif spec.source == "prefix":
            value = prefix
        else:
            value = spec.value
        if value is None:
            raise self._error(f"the binding `{name}` gets nothing; it needs a value from the step, or one of its own")
        if not isinstance(value, str | int | float):  # a list would be taken for a link
            raise self._error(f"the binding `{name}` gets {type(value).__name__}; a text, number or yes/no is expected")
        if spec.kind == "upload" and not isinstance(value, str):
            raise self._error(f"the binding `{name}` gets {value!r}; the name of an uploaded file is expected")
        return value

    def _node(self, target: Target) -> str:
        return find_nodes(self.graph, target.node)[0]

    def _bound_inputs(self) -> frozenset[tuple[str, str]]:
        """Return (node id, input) of all that a binding sets: what the graph has there is only a placeholder."""
        return frozenset(
            (self._node(target), target.input) for spec in self.manifest.bindings.values() for target in spec.targets
        )

    def _misfits(self) -> Iterator[str]:
        for name, spec in self.manifest.bindings.items():
            for target in spec.targets:
                problem = self._reference_problem(target.node) or self._input_problem(target)
                if problem:
                    yield f"bindings.{name}: {problem}"
        for name, output in self.manifest.outputs.items():
            problem = self._reference_problem(output.node)
            if problem:
                yield f"outputs.{name}: {problem}"

    def _change_misfits(self) -> Iterator[str]:
        """Yield what is wrong with alternatives and fallbacks: each has to leave a graph that the bindings fit."""
        changes: list[tuple[str, tuple[NodeChange, ...]]] = [
            *((f"alternatives.{index}", (change,)) for index, change in enumerate(self.manifest.alternatives)),
            *((f"fallbacks.{rung.name}.nodes", rung.nodes) for rung in self.manifest.fallbacks),
        ]
        for key, nodes in changes:
            problems = [problem for change in nodes if (problem := self._reference_problem(change.node))]
            if not problems:
                problems = list(replace(self, graph=changed(self.graph, nodes))._misfits())
            yield from (f"{key}: {problem}" for problem in problems)

    def _reference_problem(self, reference: str) -> str:
        found = find_nodes(self.graph, reference)
        if len(found) == 1:
            return ""
        if found:
            return f"`{reference}` is {len(found)} nodes of the graph ({', '.join(found)}); name one of them by `#ID`"
        titles = sorted({title_of(self.graph, node_id) for node_id in self.graph})
        shown = ", ".join(titles[:20]) + (" …" if len(titles) > 20 else "")
        shown += ". Titles are set in the editor"
        known = [*titles, *(f"class:{class_of(self.graph, one)}" for one in self.graph)]
        meant = _meant(reference, known)
        return f"the graph has no node `{reference}`{meant}; its nodes are called: {shown}"

    def _input_problem(self, target: Target) -> str:
        inputs = inputs_of(self.graph, self._node(target))
        if target.input not in inputs:
            known = ", ".join(inputs) or "none"
            meant = _meant(target.input, list(inputs))
            return f"the node `{target.node}` has no input `{target.input}`{meant}; its inputs are: {known}"
        link = link_of(inputs[target.input])
        if link is not None:
            source = title_of(self.graph, link[0]) or link[0]
            return f"`{target.input}` of `{target.node}` is linked to `{source}`: bind the value there instead"
        return ""

    def _error(self, problem: str) -> WorkflowError:
        return WorkflowError(f"workflow {self.manifest.name}: {problem}")


def _meant(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def read_graph(path: Path) -> dict[str, Any]:
    """Read a graph in API format.

    Raises:
        WorkflowError: it is missing, too large, no JSON, in the editor's own format, or has links that lead nowhere.
    """
    try:
        if path.stat().st_size > MAX_GRAPH_BYTES:
            raise _unusable(path, f"it has {path.stat().st_size} bytes; a graph has at most {MAX_GRAPH_BYTES}")
        graph = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _unusable(path, "there is no such file; the manifest names it under `graph`") from error
    except OSError as error:
        raise _unusable(path, f"it cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _unusable(path, f"it is not JSON ({error})") from error
    problem = format_problem(graph)
    if problem:
        raise _unusable(path, problem)
    assert isinstance(graph, dict)
    return graph


def format_problem(graph: Any) -> str:
    """Return what is wrong with the format of what a file holds, as a sentence; empty when it is a graph."""
    export = "open it in ComfyUI and use Workflow > Export (API)"
    if not isinstance(graph, dict):
        return f"it holds a {type(graph).__name__}; a graph in API format is expected: {export}"
    if isinstance(graph.get("nodes"), list):
        return f"it is in the editor's own format; the API format is expected: {export}"
    if isinstance(graph.get("prompt"), dict) and "class_type" not in graph["prompt"]:
        return "it is a whole request; only what is under `prompt` is expected"
    if not graph:
        return f"it has no nodes: {export}"
    for node_id, node in graph.items():
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
            return f"`{node_id}` has no class_type; a graph in API format is expected: {export}"
        if not isinstance(node.get("inputs"), dict):
            return f"node `{node_id}` ({node['class_type']}) has no inputs: {export}"
        for other in links_of(graph, node_id):
            if other not in graph:
                return (
                    f"node `{node_id}` ({node['class_type']}) is linked to node `{other}`, which is not there: {export}"
                )
    return ""


def _unusable(path: Path, problem: str) -> WorkflowError:
    return WorkflowError(f"the graph {path} cannot be used: {problem}")

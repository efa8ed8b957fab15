"""Whether a posted graph may be queued: the walk from its output nodes to everything they need.

Answers are those of a real server, also where they surprise: an output that fails does not stop the others, a value is
converted in place, a link into nothing is reported as an exception. Nothing here waits or touches the queue.
"""

from __future__ import annotations

import traceback
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.embedded import inputs
from orchestrator.embedded.dialect import Dialect
from orchestrator.embedded.errors import type_name
from orchestrator.embedded.files import Folders
from orchestrator.embedded.inputs import InputSpec, Problem
from orchestrator.embedded.nodes.base import NodeType
from orchestrator.embedded.schemas import Schemas

GraphJson = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What validation says of a graph."""

    error: dict[str, Any] | None  # None: the graph may be queued
    outputs: list[str] = field(default_factory=list)  # the output nodes that will run
    node_errors: dict[str, Any] = field(default_factory=dict)


def request_error(kind: str, message: str, details: str = "", **extra_info: Any) -> dict[str, Any]:
    """Write the `error` part of a refusal."""
    return {"type": kind, "message": message, "details": details, "extra_info": extra_info}


class Validator:
    """Validates graphs against the node classes of one card."""

    def __init__(self, schemas: Schemas, types: Mapping[str, NodeType], folders: Folders, dialect: Dialect) -> None:
        self._schemas = schemas
        self._types = types
        self._folders = folders
        self._dialect = dialect

    def validate(self, graph: GraphJson, *, only: Collection[str] | None = None) -> Verdict:
        """Check a graph, converting its values in place.

        Args:
            graph: What was posted, in API format.
            only: Output nodes to which the run is limited (`partial_execution_targets`).

        Raises:
            TypeError: the graph is not of API format; a real server answers 500 to it as well.
        """
        if not isinstance(graph, dict):
            raise TypeError(f"a graph is an object, not {type(graph).__name__}")
        found: list[str] = []
        for node_id, node in graph.items():
            error = self._unknown_class(node_id, node)
            if error is not None:
                return Verdict(error)
            if self._schemas.is_output(node["class_type"]) and (only is None or node_id in only):
                found.append(node_id)
        if not found:
            return Verdict(request_error("prompt_no_outputs", "Prompt has no outputs"))
        return self._validate_outputs(graph, found)

    def _unknown_class(self, node_id: str, node: Any) -> dict[str, Any] | None:
        if "class_type" in node and node["class_type"] in self._schemas:
            return None
        details = f"Node ID '#{node_id}'"
        title = node.get("_meta", {}).get("title")
        class_type = node.get("class_type")
        if self._dialect.unknown_class_error == "invalid_prompt":
            what = (
                "a node is missing the class_type property"
                if class_type is None
                else f"node {class_type} does not exist"
            )
            return request_error("invalid_prompt", f"Cannot execute because {what}.", details)
        if class_type is None:
            message = (
                f"Node '{title or f'ID #{node_id}'}' has no class_type. "
                "The workflow may be corrupted or a custom node is missing."
            )
        else:
            message = f"Node '{title or class_type}' not found. The custom node may not be installed."
        known_title = title or class_type
        return request_error(
            "missing_node_type", message, details, node_id=node_id, class_type=class_type, node_title=known_title
        )

    def _validate_outputs(self, graph: GraphJson, outputs: list[str]) -> Verdict:
        walk = _Walk(self._schemas, self._types, self._folders, self._dialect, graph)
        good: list[str] = []
        details: list[str] = []
        node_errors: dict[str, Any] = {}
        for output in outputs:
            reasons = walk.visit_output(output)
            if reasons is None:
                good.append(output)
                continue
            details += [f"{reason['message']}: {reason['details']}" for reason in reasons]
            for node_id, problems in walk.validated.items():
                if problems:
                    entry = node_errors.setdefault(
                        node_id,
                        {"errors": problems, "dependent_outputs": [], "class_type": graph[node_id]["class_type"]},
                    )
                    entry["dependent_outputs"].append(output)
        if good:
            return Verdict(None, good, node_errors)
        error = request_error(
            "prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(details)
        )
        return Verdict(error, [], node_errors)


class _Walk:
    """One validation of one graph: which nodes were looked at, and what was found."""

    def __init__(
        self,
        schemas: Schemas,
        types: Mapping[str, NodeType],
        folders: Folders,
        dialect: Dialect,
        graph: GraphJson,
    ) -> None:
        self._schemas = schemas
        self._types = types
        self._folders = folders
        self._dialect = dialect
        self._graph = graph
        self._visiting: list[str] = []
        self._failed: set[str] = set()
        self.validated: dict[str, list[Problem]] = {}  # node -> its own problems

    def visit_output(self, output: str) -> list[Problem] | None:
        """Return None for a good output, else the problems that sit on the output node itself."""
        try:
            is_good = self._visit(output)
        except Exception as error:
            self._failed.add(output)
            self._visiting.clear()
            self.validated[output] = [
                {
                    "type": "exception_during_validation",
                    "message": "Exception when validating node",
                    "details": str(error),
                    "extra_info": {
                        "exception_type": type_name(error),
                        "traceback": traceback.format_tb(error.__traceback__),
                    },
                }
            ]
            return self.validated[output]
        return None if is_good else self.validated[output]

    def _visit(self, node_id: str) -> bool:
        if node_id in self.validated:
            return node_id not in self._failed
        if node_id in self._visiting:
            self._report_cycle(self._visiting[self._visiting.index(node_id) :])
            return False
        given = self._graph[node_id]["inputs"]
        class_type = self._graph[node_id]["class_type"]
        schema = self._schemas.get(class_type)
        assert schema is not None, "classes were looked up before the walk"
        self._visiting.append(node_id)
        problems: list[Problem] = []
        is_valid = True
        for spec in inputs.declared(schema, given).values():
            found, is_source_good = self._check(spec, given, self._types[class_type])
            problems += [found] if found else []
            is_valid = is_valid and is_source_good
        self._visiting.remove(node_id)
        if node_id not in self.validated:  # else it is part of a cycle, which is its only problem
            self.validated[node_id] = problems
            if problems or not is_valid:
                self._failed.add(node_id)
        return node_id not in self._failed

    def _check(self, spec: InputSpec, given: dict[str, Any], node_type: NodeType) -> tuple[Problem | None, bool]:
        """Check one input: what is wrong with it, and whether what it is linked to is good."""
        if spec.name not in given:
            return (inputs.missing(spec) if spec.is_required else None), True
        value = given[spec.name]
        if isinstance(value, list):
            return self._check_link(spec, value)
        try:
            value = given[spec.name] = inputs.coerce(spec, value)
        except Exception as error:
            return inputs.not_converted(spec, value, error), True
        check = node_type.checks.get(spec.name)
        if check is None:
            return inputs.out_of_range(spec, value), True
        reason = check(self._folders, value)
        return (inputs.failed_check(spec, reason) if reason else None), True

    def _check_link(self, spec: InputSpec, link: list[Any]) -> tuple[Problem | None, bool]:
        if len(link) != 2:
            return inputs.bad_link(spec, link), True
        source, slot = link
        received = self._schemas.outputs(self._graph[source]["class_type"])[slot]
        problem = inputs.type_mismatch(spec, received, link)
        if problem is not None:
            return problem, True
        try:
            return None, self._visit(source)
        except Exception as error:
            self._failed.add(source)
            if source in self._visiting:
                self._visiting.remove(source)
            self.validated[source] = [
                {
                    "type": "exception_during_inner_validation",
                    "message": "Exception when validating inner node",
                    "details": str(error),
                    "extra_info": {
                        "input_name": spec.name,
                        "input_config": spec.config,
                        "exception_message": str(error),
                        "exception_type": type_name(error),
                        "traceback": traceback.format_tb(error.__traceback__),
                        "linked_node": link,
                    },
                }
            ]
            return None, False

    def _report_cycle(self, nodes: list[str]) -> None:
        """Note a circle of links on each of its nodes."""
        path = " -> ".join(f"{node_id} ({self._graph[node_id]['class_type']})" for node_id in [*nodes, nodes[0]])
        for node_id in nodes:
            self._failed.add(node_id)
            problem = {
                "type": "dependency_cycle",
                "message": "Dependency cycle detected",
                "details": path,
                "extra_info": {"node_id": node_id, "cycle_nodes": nodes},
            }
            self.validated[node_id] = [problem] if self._dialect.reports_cycles else []

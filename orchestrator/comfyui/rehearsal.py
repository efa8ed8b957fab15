"""Having a server check a graph without running it.

A server checks all that leads to an output node before it queues a prompt, and queues nothing when every output node is
refused. So a graph whose output nodes each lack an input that they require is checked from end to end and never runs;
what the server says beyond the missing inputs is what it would say of the real prompt. Our own check against the
node schemas cannot know what a custom node looks for in its inputs.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import NodeProblem, Refused
from orchestrator.comfyui.graphs import Graph, class_of, find_nodes, inputs_of, link_of
from orchestrator.comfyui.replies import mapping
from orchestrator.comfyui.workflow import Workflow

MISSING = "required_input_missing"


def rehearse(client: ComfyClient, fitted: Workflow, *, object_info: Mapping[str, Any]) -> tuple[NodeProblem, ...]:
    """Ask a server what it would refuse in a workflow. Blocks; nothing is run, and nothing is left in the queue.

    What it says of files that are uploaded only when the prompt is sent is left out.

    Args:
        client: The server.
        fitted: The workflow as `fitted_to` this server made it; it should pass `validate` first, which tells more of
            what is missing.
        object_info: The server's node classes.

    Returns:
        What the server does not like; empty, too, when the graph has no output node that can be made to be refused.

    Raises:
        ComfyUIError: the server does not answer, or not like one.
    """
    spoilt, dropped = _spoilt(fitted.graph, object_info)
    if not dropped:
        return ()
    uploads = _uploading(fitted)
    prompt_id = str(uuid4())
    try:
        client.submit(prompt_id, spoilt)
    except Refused as refused:
        return tuple(
            problem
            for problem in refused.problems
            if not (problem.kind == MISSING and f"`{dropped.get(problem.node_id)}`" in problem.message)
            and not (problem.node_id in uploads and problem.kind != MISSING)
        )
    client.withdraw(prompt_id)  # a class that takes less than its schema says: the prompt is fine, and must not run
    return ()


def _uploading(workflow: Workflow) -> frozenset[str]:
    """Return the ids of the nodes that read a file which is not uploaded yet."""
    return frozenset(
        node_id
        for spec in workflow.manifest.bindings.values()
        if spec.kind == "upload"
        for target in spec.targets
        for node_id in find_nodes(workflow.graph, target.node)
    )


def _spoilt(graph: Graph, object_info: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the graph without one required input of each output node, and node id -> the input that was taken out.

    Output nodes that have nothing but links (previews) are left out: without the link, nothing before them is checked.
    """
    spoilt: dict[str, Any] = copy.deepcopy(dict(graph))
    dropped: dict[str, str] = {}
    for node_id in graph:
        schema = mapping(object_info.get(class_of(graph, node_id)))
        if not schema.get("output_node"):
            continue
        required = mapping(mapping(schema.get("input")).get("required"))
        inputs = inputs_of(graph, node_id)
        name = next((one for one in required if one in inputs and link_of(inputs[one]) is None), None)
        if name is None:
            del spoilt[node_id]
        else:
            del spoilt[node_id]["inputs"][name]
            dropped[node_id] = name
    return spoilt, dropped

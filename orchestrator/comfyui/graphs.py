"""Reading a graph in API format: its nodes, their titles, and what a manifest means by a node.

Separate from `workflow.py`, because refusals, progress and downloads ask the same questions of graphs that came back
from a server and belong to no workflow file.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from steps.changes import NodeChange
from steps.demands import Phase

Graph = Mapping[str, Any]


def title_of(graph: Graph, node_id: str) -> str:
    """Return what people call a node: its title, else its class; empty when the graph has no such node."""
    node = graph.get(node_id)
    if not isinstance(node, dict):
        return ""
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return str(title or node.get("class_type") or "")


def class_of(graph: Graph, node_id: str) -> str:
    """Return a node's class; empty when the graph has no such node."""
    node = graph.get(node_id)
    return str(node.get("class_type") or "") if isinstance(node, dict) else ""


def inputs_of(graph: Graph, node_id: str) -> Mapping[str, Any]:
    """Return a node's inputs; empty when it has none."""
    node = graph.get(node_id)
    inputs = node.get("inputs") if isinstance(node, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def find_nodes(graph: Graph, reference: str) -> tuple[str, ...]:
    """Return the ids of the nodes that a manifest's reference means.

    Args:
        graph: API format.
        reference: A title, `#ID` or `class:CLASS`.
    """
    if reference.startswith("#"):
        return (reference[1:],) if reference[1:] in graph else ()
    if reference.startswith("class:"):
        return tuple(node_id for node_id in graph if class_of(graph, node_id) == reference.removeprefix("class:"))
    return tuple(node_id for node_id, node in graph.items() if _title(node) == reference)


def _title(node: Any) -> str | None:
    meta = node.get("_meta") if isinstance(node, dict) else None
    title = meta.get("title") if isinstance(meta, dict) else None
    return title if isinstance(title, str) else None


def link_of(value: Any) -> tuple[str, int] | None:
    """Return (node id, slot) where an input's value is a link; a link is exactly a string and a number."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int):
        return value[0], value[1]
    return None


def links_of(graph: Graph, node_id: str) -> Iterator[str]:
    """Yield the ids of the nodes that a node's inputs are linked to."""
    for value in inputs_of(graph, node_id).values():
        link = link_of(value)
        if link is not None:
            yield link[0]


def changed(graph: Graph, changes: Iterable[NodeChange]) -> Graph:
    """Return a copy of a graph with some nodes changed; references that name no node of it are passed over."""
    result: dict[str, Any] = copy.deepcopy(dict(graph))
    for change in changes:
        for node_id in find_nodes(result, change.node):
            node = result[node_id]
            kept = {name: value for name, value in node["inputs"].items() if name not in change.without}
            node["inputs"] = {**kept, **change.inputs}
            node["class_type"] = change.class_type or node["class_type"]
    return result


_PHASES: tuple[tuple[Phase, re.Pattern[str]], ...] = (
    ("save", re.compile(r"^(Save|Preview|CreateVideo|VHS_VideoCombine)")),
    ("decode", re.compile(r"Decode")),
    (
        "encode",
        re.compile(r"Encode(?!r)|^(KSamplerSelect|ImageScale|ResizeImage|GetImageSize|LTXVPreprocess)|Scheduler$"),
    ),
    ("load", re.compile(r"Load")),
)


def phase_of(class_type: str) -> Phase:
    """Return what a prompt is doing while a node of a class runs.

    Nodes that nobody knows count as sampling, which has the most patience: a pack's one node may load, sample and
    decode by itself, as those for speech do. What a loader node has read moves to the card in the first sampling node.
    """
    return next((phase for phase, pattern in _PHASES if pattern.search(class_type)), "sample")

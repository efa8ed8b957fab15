"""Why a server turned a prompt down, in words that the owner of a workflow understands.

The server's own texts are for programmers and differ between versions; this module is the one place that knows them.
Pure: a recorded answer in, an error out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.comfyui.errors import MissingInput, MissingModel, MissingNodeClass, NodeProblem, Refused
from orchestrator.comfyui.graphs import class_of, title_of
from orchestrator.comfyui.replies import mapping

SHOWN = 6  # problems told in one message
_MISSING_CLASS = ("missing_node_type", "invalid_prompt")  # the latter is the word of versions before 0.12
_MODEL_FILE = re.compile(r"`\S+` is '[^']*\.(safetensors|ckpt|pt|pt2|pth|bin|pkl|sft|gguf|onnx)'")


def refusal(reply: Mapping[str, Any], *, graph: Mapping[str, Any], prompt_id: str = "") -> Refused:
    """Return the error that says, in words, why a prompt was refused. Knows the bodies of all versions."""
    error = reply.get("error")
    error = error if isinstance(error, dict) else {"message": str(error or "")}  # older routes answer a plain text
    kind = str(error.get("type") or "")
    problems = tuple(dict.fromkeys(_node_problems(reply.get("node_errors"), graph)))
    if not problems:
        problems = (_whole_problem(error, graph),)
    refused: type[Refused] = Refused
    if kind in _MISSING_CLASS and problems[0].class_type:
        refused = MissingNodeClass
    elif all(problem.kind == "value_not_in_list" and _MODEL_FILE.search(problem.message) for problem in problems):
        refused = MissingModel
    elif all(problem.kind == "custom_validation_failed" for problem in problems):
        refused = MissingInput
    listed = "; ".join(str(problem) for problem in problems[:SHOWN])
    if len(problems) > SHOWN:
        listed += f"; and {len(problems) - SHOWN} more"
    return refused(
        f"the prompt was refused: {listed}", prompt_id=prompt_id, problems=problems, kind=kind or "node_errors"
    )


def _whole_problem(error: Mapping[str, Any], graph: Mapping[str, Any]) -> NodeProblem:
    """Return the problem of an answer that blames no node in `node_errors`."""
    extra = mapping(error.get("extra_info"))
    node_id = str(extra.get("node_id") or "")
    details = str(error.get("details") or "")
    if not node_id and details.startswith("Node ID '#"):  # up to 0.11 the id is only in the text
        node_id = details.removeprefix("Node ID '#").removesuffix("'")
    message = str(error.get("message") or error.get("type") or "no reason given").strip()
    class_type = str(extra.get("class_type") or class_of(graph, node_id))
    kind = str(error.get("type") or "")
    if kind in _MISSING_CLASS and class_type:
        message = f"the node class {class_type} is not installed there"
    elif details and details != message and not details.startswith("Node ID"):
        message = f"{message} ({details})"
    return NodeProblem(node_id, class_type, title_of(graph, node_id), kind, message)


def _node_problems(node_errors: Any, graph: Mapping[str, Any]) -> Iterator[NodeProblem]:
    for node_id, about in node_errors.items() if isinstance(node_errors, dict) else ():
        about = about if isinstance(about, dict) else {}
        class_type = str(about.get("class_type") or class_of(graph, node_id))
        for error in about.get("errors") or ():
            if isinstance(error, dict):
                kind = str(error.get("type") or "")
                yield NodeProblem(str(node_id), class_type, title_of(graph, node_id), kind, _in_words(kind, error))


def _in_words(kind: str, error: Mapping[str, Any]) -> str:
    """Return one error of a node as a sentence; the server's own texts are for programmers."""
    extra = mapping(error.get("extra_info"))
    name = str(extra.get("input_name") or error.get("details") or "?")
    details = str(error.get("details") or "")
    received = extra.get("received_value")
    match kind:
        case "required_input_missing":
            return f"the input `{name}` is missing"
        case "value_not_in_list":
            return f"`{name}` is {received!r}, which is not there; {_choices(extra, details)}"
        case "value_smaller_than_min" | "value_bigger_than_max":
            return f"`{name}` is {received!r}: {error.get('message')}"
        case "invalid_input_type":
            return f"`{name}` is {received!r}, which cannot be turned into what the node takes"
        case "return_type_mismatch" | "bad_linked_input":
            return f"`{name}` is linked to something that does not fit ({details})"
        case "custom_validation_failed":
            return details or "the node itself refuses its inputs"
        case "dependency_cycle":
            return f"the graph runs in a circle: {details}"
        case "exception_during_validation" | "exception_during_inner_validation":
            return f"the node cannot be checked ({details}); a link leads nowhere, or the node has no `inputs`"
    message = str(error.get("message") or kind or "refused")
    return f"{message} ({details})" if details else message


def _choices(extra: Mapping[str, Any], details: str) -> str:
    config = extra.get("input_config")
    config = config if isinstance(config, list) else []
    options = config[0] if config else None
    if options == "COMBO" and len(config) > 1:
        options = mapping(config[1]).get("options")
    if isinstance(options, list):
        shown = ", ".join(str(option) for option in options[:8]) or "nothing at all"
        return f"there is: {shown}{' …' if len(options) > 8 else ''}"
    return details.rpartition(" not in ")[2] or "the server does not say what is"

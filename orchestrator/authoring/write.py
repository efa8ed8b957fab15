"""The text of a manifest: short, commented, one line a binding, and read back before anybody relies on it.

Titles and prompts come from outside; each is quoted so that YAML can make nothing else of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from orchestrator.authoring.proposal import Bound, Proposal, Saved
from orchestrator.wording import one_line

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_WIDTH = 120


def manifest_text(proposal: Proposal, *, graph: str, exported: str) -> str:
    """Return a manifest as a file has it.

    Args:
        proposal: What it says.
        graph: File name of the graph beside it.
        exported: Name of the file that the graph came from, for the comment.
    """
    lines = [
        f"# From {one_line(exported, longest=80)}. Every key: docs/workflows.md",
        f"title: {scalar(proposal.title)}",
        f"graph: {scalar(graph)}",
        "",
    ]
    lines += ["bindings:" if proposal.bindings else "bindings: {}"]
    for bound in proposal.bindings:
        lines += _binding(bound)
    lines += ["", "outputs:"]
    lines += [f"  {saved.name}: {_flow(_output(saved))}" for saved in proposal.outputs]
    lines += ["", *_needs(proposal)]
    if proposal.step is not None:
        place = proposal.step
        step = {"name": place.name, "number": place.number, "needs": list(place.needs)}
        if place.per_language:
            step["per_language"] = True
        lines += ["", f"# It runs after step {place.number}, once an item" + _once(place.per_language)]
        lines += [f"step: {_flow(step)}"]
    return "\n".join(lines) + "\n"


def config_lines(proposal: Proposal, workflow: str) -> list[str]:
    """Return what config.yaml has to say, in order to use it.

    Args:
        proposal: The manifest.
        workflow: Its path as config.yaml names it.
    """
    return ["steps:", f"  {config_key(proposal)}: {_flow({'workflow': workflow})}"]


def config_key(proposal: Proposal) -> str:
    """Return the name under `steps:` that a workflow goes by."""
    return proposal.instead_of or (proposal.step.name if proposal.step is not None else proposal.name)


def scalar(value: Any) -> str:
    r"""Return a single value as YAML on one line, safe also between braces.

    >>> scalar("IN_IMAGE"), scalar("yes"), scalar("a: {b}\n")
    ('IN_IMAGE', '"yes"', '"a: {b}\\n"')
    """
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
            return value
        quoted = yaml.safe_dump([value], default_style='"', width=2**31, allow_unicode=True)
        return quoted.strip()[2:].strip()
    return str(yaml.safe_dump([value], default_flow_style=True, width=2**31).strip()[1:-1])


def _flow(value: Any) -> str:
    """Return a value in braces or brackets, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(one) for one in value) + "]"
    return scalar(value)


def _binding(bound: Bound) -> Iterator[str]:
    facts: dict[str, Any] = {}
    if bound.media is not None:
        facts["kind"] = "upload"
    if bound.source:
        facts["from"] = bound.source
    if bound.value is not None:
        facts["value"] = bound.value
    if bound.limits:
        facts["limits"] = dict(bound.limits)
    if bound.choices:
        facts["choices"] = dict(bound.choices)
    if len(bound.targets) == 1:
        node, name = bound.targets[0]
        yield from _wrapped(bound.name, {"node": node, "input": name, **facts})
    else:
        yield f"  {bound.name}:"
        for key, value in facts.items():
            yield f"    {key}: {_flow(value)}"
        yield "    targets:"
        for node, name in bound.targets:
            yield f"      - {_flow({'node': node, 'input': name})}"


def _wrapped(name: str, facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line where it fits, else a line a key."""
    line = f"  {name}: {_flow(facts)}"
    if len(line) <= _WIDTH:
        yield line
        return
    yield f"  {name}:"
    for key, value in facts.items():
        yield f"    {key}: {_flow(value)}"


def _output(saved: Saved) -> dict[str, Any]:
    wanted = {"node": saved.node, "media": saved.media, "key": saved.key, "width": saved.width, "height": saved.height}
    return {key: value for key, value in wanted.items() if value}


def _needs(proposal: Proposal) -> Iterator[str]:
    yield "needs:"
    yield f"  vram_gb: {proposal.vram_gb:g}" + ("" if proposal.vram_gb else "  # 0: any card will do")
    if proposal.models:
        yield "  models:"
        for model in proposal.models:
            facts = {"folder": model.folder, "file": model.file}
            yield f"    - {_flow({**facts, 'licence': model.licence} if model.licence else facts)}"


def _once(per_language: bool) -> str:
    return " and language" if per_language else ""

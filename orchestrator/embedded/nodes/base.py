"""What a node class is to the executor: a function with a few optional companions.

A family of nodes is one module with one `Family`; the registry in this package joins them. Functions take what the
graph binds by keyword and return a `NodeOutput`. They may raise whatever they like: a client sees the type's name.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from orchestrator.embedded.files import Folders
from orchestrator.embedded.models import ModelFiles
from orchestrator.embedded.rendering import Renderers
from orchestrator.embedded.settings import CardSettings
from orchestrator.embedded.values import Frame


@dataclass(frozen=True)
class Expansion:
    """A subgraph that takes a node's place."""

    graph: Mapping[str, Any]  # ids are relative; links between them too
    results: tuple[Any, ...]  # the outputs: links into the subgraph, or values


@dataclass(frozen=True)
class NodeOutput:
    """What a node gives."""

    values: tuple[Any, ...] = ()
    ui: dict[str, Any] | None = None  # what history lists under the node
    expansion: Expansion | None = None
    pending: Future[NodeOutput] | None = None  # the node goes on by itself; others run meanwhile


def gives(*values: Any, ui: dict[str, Any] | None = None) -> NodeOutput:
    """Write the result of a node shortly."""
    return NodeOutput(values=values, ui=ui)


class NodeContext(Protocol):
    """What a node may use of its card and of the prompt it runs in."""

    @property
    def settings(self) -> CardSettings:
        """How the card was set up."""

    @property
    def folders(self) -> Folders:
        """Where files are."""

    @property
    def models(self) -> ModelFiles:
        """Which models there are."""

    @property
    def renderers(self) -> Renderers:
        """What draws and speaks."""

    @property
    def placeholders(self) -> dict[Hashable, bytes]:
        """Clips that a card with timed nodes has encoded already, by their shape."""

    @property
    def node_id(self) -> str:
        """The id of the node."""

    @property
    def prompt(self) -> Mapping[str, Any]:
        """The graph as it goes into saved files."""

    @property
    def extra_data(self) -> Mapping[str, Any]:
        """What was submitted beside the graph."""

    def progress(self, value: int, maximum: int, *, preview: Frame | None = None, png: bool = False) -> None:
        """Tell how far the node is, with an optional picture. Raises Interrupted."""

    def step(self, value: int, maximum: int) -> None:
        """Take one step of a sampler (1-based): its time, its faults, its progress. Raises Interrupted."""

    def saved(self, path: Path) -> None:
        """Tell that a file was saved."""

    def check_interrupted(self) -> None:
        """Raise Interrupted when the prompt was interrupted."""

    def wait(self, seconds: float) -> None:
        """Let time pass; ends early, by raising Interrupted, when the prompt is interrupted."""


Run = Callable[..., NodeOutput]


@dataclass(frozen=True)
class NodeType:
    """A node class that a card can run."""

    name: str
    run: Run
    fingerprint: Callable[..., Any] | None = None
    """(context, **inputs) -> what else than the inputs its result depends on; NaN: never the same."""
    checks: Mapping[str, Callable[[Folders, Any], str | None]] = field(default_factory=dict)
    """Input -> what to check instead of its range or list; returns what is wrong with the value."""
    wanted: Callable[..., list[str]] | None = None
    """(**inputs) -> the lazy inputs it needs, given the others."""
    is_async: bool = False


class Family(dict[str, NodeType]):
    """The node classes of one module, by name."""

    def node(
        self,
        name: str,
        *,
        fingerprint: Callable[..., Any] | None = None,
        checks: Mapping[str, Callable[[Folders, Any], str | None]] | None = None,
        wanted: Callable[..., list[str]] | None = None,
        is_async: bool = False,
    ) -> Callable[[Run], Run]:
        """Register the function below as a node class."""

        def register(run: Run) -> Run:
            self[name] = NodeType(name, run, fingerprint, checks or {}, wanted, is_async)
            return run

        return register

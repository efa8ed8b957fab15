"""How far a prompt has come, from the events of its nodes: which node, which step of how many, how many per cent.

Pure counting, without I/O. The server tells no total, so the graph gives the weights: a sampler weighs as much as it
has steps, any other node one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from orchestrator.comfyui.graphs import Graph, class_of, inputs_of, link_of, links_of, title_of

SAMPLER_STEPS = 8  # of a sampler whose schedule cannot be read from the graph
MOST_BEFORE_THE_END = 99.0  # 100 % is said by the history alone


@dataclass(frozen=True)
class Started:
    """The prompt began to run."""

    at: datetime  # aware, UTC; the server's clock where it told, else ours


@dataclass(frozen=True)
class Progress:
    """How far a prompt has come."""

    node_id: str  # the node as it was submitted
    node_title: str
    class_type: str
    value: float  # of `maximum`; 0 of 1 for a node that tells no progress
    maximum: float
    percent: float  # 0 .. 100 over the whole prompt; never goes back


class Meter:
    """Counts one prompt's progress. Not thread-safe."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._weights = {node_id: float(weight_of(graph, node_id)) for node_id in graph}
        self._cached: set[str] = set()
        self._done: set[str] = set()
        self._shown_as: dict[str, str] = {}
        self._node_id = ""
        self._value, self._maximum = 0.0, 1.0
        self._percent = 0.0

    @property
    def has_graph(self) -> bool:
        """Tell whether the graph is known."""
        return bool(self._graph)

    @property
    def class_type(self) -> str:
        """Return the class of the node that runs; empty where it is not known."""
        return class_of(self._graph, self._node_id)

    @property
    def has_begun(self) -> bool:
        """Tell whether a first node runs or ran."""
        return bool(self._node_id)

    def cache(self, nodes: Iterable[str]) -> None:
        """Note nodes that will not run."""
        self._cached.update(nodes)

    def start(self, node_id: str, shown_as: str) -> None:
        """Note that a node began to run; the ones before it are done, or so close that it makes no difference."""
        self._shown_as[node_id] = shown_as
        if self._node_id and self._node_id != shown_as:
            self._done.add(self._node_id)
        self._node_id, self._value, self._maximum = shown_as, 0.0, 1.0

    def tick(self, node_id: str, *, value: float, maximum: float) -> None:
        """Note a node's own progress."""
        shown_as = self._shown_as.get(node_id, node_id.partition(".")[0] if node_id not in self._graph else node_id)
        if shown_as != self._node_id:
            self.start(node_id, shown_as)
        if maximum > 0:
            self._value, self._maximum = min(max(value, 0.0), maximum), maximum

    def finish(self, node_id: str) -> None:
        """Note that a node is done."""
        self._done.add(node_id)

    def read(self) -> Progress | None:
        """Return how far the prompt has come; None before its first node."""
        if not self._node_id:
            return None
        self._percent = max(self._percent, min(MOST_BEFORE_THE_END, self._share() * 100))
        return Progress(
            node_id=self._node_id,
            node_title=title_of(self._graph, self._node_id) or self._node_id,
            class_type=class_of(self._graph, self._node_id),
            value=self._value,
            maximum=self._maximum,
            percent=round(self._percent, 1),
        )

    def _share(self) -> float:
        total = sum(weight for node_id, weight in self._weights.items() if node_id not in self._cached)
        if total <= 0:
            return 0.0
        done = sum(self._weights.get(node_id, 0.0) for node_id in self._done - self._cached)
        if self._node_id not in self._done:
            done += self._weights.get(self._node_id, 0.0) * self._value / self._maximum
        return done / total


def weight_of(graph: Graph, node_id: str) -> int:
    """Return what a node weighs: one that takes steps their number, any other node 1."""
    inputs, class_type = inputs_of(graph, node_id), class_of(graph, node_id)
    takes_steps = "steps" in inputs or ("Sampler" in class_type and "sigmas" in inputs)
    if not takes_steps or "Scheduler" in class_type:  # a scheduler only writes the plan
        return 1
    steps = _steps(graph, node_id)
    first, last = inputs.get("start_at_step"), inputs.get("end_at_step")
    if isinstance(first, int) and isinstance(last, int):
        steps = min(steps, last) - first
    return max(1, steps)


def _steps(graph: Graph, node_id: str, *, hops: int = 6) -> int:
    """Return the number of steps, from the node itself or the scheduler that it is linked to."""
    inputs = inputs_of(graph, node_id)
    own = inputs.get("steps")
    if isinstance(own, int) and not isinstance(own, bool):
        return own
    sigmas = inputs.get("sigmas")
    if isinstance(sigmas, str):  # a schedule written out: one step between each two values
        return max(1, len(sigmas.replace(",", " ").split()) - 1)
    link = link_of(own if own is not None else sigmas)
    if link is None or hops == 0:
        return SAMPLER_STEPS
    return _steps_behind(graph, link[0], hops=hops - 1)


def _steps_behind(graph: Graph, node_id: str, *, hops: int) -> int:
    inputs = inputs_of(graph, node_id)
    value = inputs.get("value")
    if "steps" not in inputs and "sigmas" not in inputs and isinstance(value, int):
        return value  # a primitive that holds the number
    if "steps" in inputs or "sigmas" in inputs:
        return _steps(graph, node_id, hops=hops)
    if hops > 0:
        for other in links_of(graph, node_id):
            found = _steps_behind(graph, other, hops=hops - 1)
            if found != SAMPLER_STEPS:
                return found
    return SAMPLER_STEPS

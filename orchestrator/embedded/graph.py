"""The nodes of a running prompt, and which of them comes next.

Two things make this more than a topological sort. A node may be replaced by a subgraph while the prompt runs; and
among nodes that are ready, those whose result a person sees soonest go first, in the order that real servers use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Link = tuple[str, int]


def as_link(value: Any) -> Link | None:
    """Return a value as a link (node, slot), or None when it is a literal."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    source, slot = value
    is_link = isinstance(source, str) and isinstance(slot, int | float) and not isinstance(slot, bool)
    return (source, int(slot)) if is_link else None


@dataclass(frozen=True)
class _Place:
    parent: str
    display: str


class RunningGraph:
    """The nodes of one prompt, with those that came by expansion."""

    def __init__(self, prompt: Mapping[str, Any]) -> None:
        self.prompt = prompt
        self._added: dict[str, Any] = {}
        self._places: dict[str, _Place] = {}

    def node(self, node_id: str) -> Any:
        """Return a node as JSON."""
        return self._added[node_id] if node_id in self._added else self.prompt[node_id]

    def class_type(self, node_id: str) -> str:
        """Return a node's class."""
        return str(self.node(node_id)["class_type"])

    def add(self, node_id: str, node: Any, *, parent: str) -> None:
        """Add a node of a subgraph that takes the place of `parent`."""
        self._added[node_id] = node
        self._places[node_id] = _Place(parent, self.display(parent))

    def parent(self, node_id: str) -> str | None:
        """Return the node that a node came out of, or None for one of the prompt's own."""
        place = self._places.get(node_id)
        return place.parent if place else None

    def display(self, node_id: str) -> str:
        """Return the submitted node under which a person sees this one."""
        place = self._places.get(node_id)
        return place.display if place else node_id

    def real(self, node_id: str) -> str:
        """Return the submitted node that a node came out of."""
        while (place := self._places.get(node_id)) is not None:
            node_id = place.parent
        return node_id

    def links(self, node_id: str) -> Iterator[tuple[str, Link]]:
        """Yield the inputs of a node that are links."""
        for name, value in self.node(node_id)["inputs"].items():
            link = as_link(value)
            if link is not None:
                yield name, link


class Order:
    """What is still to run, and what of it may run now."""

    def __init__(
        self,
        graph: RunningGraph,
        *,
        is_cached: Callable[[str], bool],
        is_lazy: Callable[[str, str], bool],
        is_output: Callable[[str], bool],
        is_async: Callable[[str], bool],
    ) -> None:
        self._graph = graph
        self._is_cached = is_cached
        self._is_lazy = is_lazy
        self._is_output = is_output
        self._is_async = is_async
        self._waiting_for: dict[str, int] = {}  # node -> how many others must finish first
        self._blocks: dict[str, dict[str, None]] = {}  # node -> those that wait for it
        self._outside = 0  # nodes that go on by themselves
        self._woken = threading.Condition()

    def __bool__(self) -> bool:
        return bool(self._waiting_for)

    def add(self, node_id: str) -> None:
        """Put a node and everything it needs on the list."""
        todo, links = [node_id], []
        while todo:
            current = todo.pop()
            if current in self._waiting_for:
                continue
            self._waiting_for[current] = 0
            self._blocks[current] = {}
            for name, (source, _) in self._graph.links(current):
                if self._is_lazy(current, name):
                    continue
                if not self._is_cached(source):
                    todo.append(source)
                    links.append((source, current))
        for source, current in links:
            self._hold(source, current)

    def require(self, node_id: str, name: str) -> None:
        """Make a lazy input of a node needed."""
        source = dict(self._graph.links(node_id))[name][0]
        if not self._is_cached(source):
            self.add(source)
            self._hold(source, node_id)

    def wait_for(self, node_id: str, source: str) -> None:
        """Let a node wait for one more."""
        self.add(source)
        self._hold(source, node_id)

    def _hold(self, source: str, node_id: str) -> None:
        if node_id not in self._blocks[source]:
            self._blocks[source][node_id] = None
            self._waiting_for[node_id] += 1

    def detach(self, node_id: str) -> Callable[[], None]:
        """Let a node go on by itself; the returned function brings it back, from any thread."""
        with self._woken:
            self._outside += 1
            self._waiting_for[node_id] += 1

        def attach() -> None:
            with self._woken:
                self._outside -= 1
                self._waiting_for[node_id] -= 1
                self._woken.notify_all()

        return attach

    def finish(self, node_id: str) -> None:
        """Take a finished node off the list."""
        del self._waiting_for[node_id]
        for waiting in self._blocks.pop(node_id):
            self._waiting_for[waiting] -= 1

    def next(self) -> str:
        """Choose the node to run now; blocks while only nodes that go on by themselves are left.

        Raises:
            RuntimeError: nothing is ready and nothing goes on: the nodes wait for each other.
        """
        with self._woken:
            while not (ready := [node for node, count in self._waiting_for.items() if count == 0]):
                if not self._outside:
                    raise RuntimeError("Dependency cycle detected")
                self._woken.wait()
        return self._soonest_seen(ready)

    def _soonest_seen(self, ready: list[str]) -> str:
        for node in ready:
            if self._is_output(node) or self._is_async(node):
                return node
        for node in ready:
            if any(self._is_output(after) for after in self._blocks[node]):
                return node
        for node in ready:
            if any(self._is_output(last) for after in self._blocks[node] for last in self._blocks[after]):
                return node
        return ready[0]

"""Results of nodes that need not run again, by what they depend on: class, inputs, ancestors, never the node's id."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.embedded.graph import RunningGraph, as_link


@dataclass(frozen=True)
class Result:
    """What a node gave when it ran."""

    values: tuple[Any, ...]
    ui: dict[str, Any] | None
    meta: dict[str, Any] | None  # under which ids it was shown then; a later hit repeats them


class Keys:
    """The keys of one prompt's nodes. A node's key holds those of everything before it."""

    _unequal = itertools.count()

    def __init__(self, graph: RunningGraph, fingerprint: Callable[[str], Any]) -> None:
        """Take the graph, and a function that tells what else than its inputs a node depends on."""
        self._graph = graph
        self._fingerprint = fingerprint
        self._keys: dict[str, bytes] = {}

    def of(self, node_id: str) -> bytes:
        """Return the key of a node."""
        if node_id not in self._keys:
            for ancestor in self._ancestors_first(node_id):
                self._keys[ancestor] = self._compute(ancestor)
        return self._keys[node_id]

    def has(self, node_id: str) -> bool:
        """Whether a node has a key; one in a broken branch, which validation left out of the run, need not."""
        try:
            self.of(node_id)
        except (AttributeError, KeyError, TypeError):
            return False
        return True

    def _ancestors_first(self, node_id: str) -> list[str]:
        """List a node and its ancestors without a key, each after what it needs. Iterative: graphs can be deep."""
        order: list[str] = []
        todo: list[tuple[str, bool]] = [(node_id, False)]
        seen: set[str] = set()
        while todo:
            current, is_expanded = todo.pop()
            if is_expanded:
                order.append(current)
            elif current not in seen and current not in self._keys:
                seen.add(current)
                todo.append((current, True))
                todo += [(source, False) for _, (source, _) in self._graph.links(current)]
        return order

    def _compute(self, node_id: str) -> bytes:
        node = self._graph.node(node_id)
        digest = hashlib.sha256()
        digest.update(repr((node["class_type"], self._plain(self._fingerprint(node_id)))).encode())
        for name, value in sorted(node["inputs"].items()):
            link = as_link(value)
            shown = ("link", self._keys[link[0]], link[1]) if link else self._plain(value)
            digest.update(repr((name, shown)).encode())
        return digest.digest()

    def _plain(self, value: Any) -> Any:
        """Replace NaN, which equals nothing, by something that equals nothing."""
        if isinstance(value, float) and math.isnan(value):
            return ("never the same", next(self._unequal))
        return value


class NodeCache:
    """The results that one card keeps."""

    def __init__(self, *, lru_nodes: int = 0) -> None:
        """Keep the results of the latest prompt, or the `lru_nodes` that were used last."""
        self._lru_nodes = lru_nodes
        self._results: OrderedDict[bytes, Result] = OrderedDict()

    def get(self, key: bytes) -> Result | None:
        """Return the result under a key."""
        result = self._results.get(key)
        if result is not None:
            self._results.move_to_end(key)
        return result

    def put(self, key: bytes, result: Result) -> None:
        """Keep a result."""
        self._results[key] = result
        self._results.move_to_end(key)

    def begin(self, keys: Iterable[bytes]) -> None:
        """Forget what the prompt that begins cannot use."""
        if self._lru_nodes:
            while len(self._results) > self._lru_nodes:
                self._results.popitem(last=False)
            return
        kept = set(keys)
        for key in [key for key in self._results if key not in kept]:
            del self._results[key]

    def clear(self) -> None:
        """Forget everything."""
        self._results.clear()

"""Runs one prompt: node after node, with the messages a client sees, in the order a real server sends them.

Per node: `progress_state` (running), `executing`, `progress` while it works, `executed` if it has something to show,
`progress_state` (finished). A node whose result is cached is silent, but for output nodes, which repeat what they
showed. See the recordings in tests/resources for the exact order.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from orchestrator.embedded import inputs
from orchestrator.embedded.cache import Keys, NodeCache, Result
from orchestrator.embedded.context import RunningNode, Services
from orchestrator.embedded.errors import Abandoned, Interrupted, OutOfMemoryError, type_name
from orchestrator.embedded.graph import Order, RunningGraph, as_link
from orchestrator.embedded.nodes.base import Expansion, NodeOutput
from orchestrator.embedded.progress import ProgressBoard
from orchestrator.embedded.prompts import Item, Outcome
from orchestrator.embedded.sockets import Outbox
from orchestrator.embedded.values import Blocked

OOM_TIPS = (
    "This error means you ran out of memory on your GPU.\n\n"
    "TIPS: If the workflow worked before you might have accidentally set the batch_size to a large number."
)


class NodeFailed(Exception):
    """A node raised; carries which one and what it was given."""

    def __init__(self, node_id: str, error: Exception, shown_inputs: dict[str, list[Any]]) -> None:
        self.node_id = node_id
        self.error = error
        self.shown_inputs = shown_inputs
        super().__init__(str(error))


class PromptRun:
    """One prompt while it runs."""

    def __init__(self, services: Services, cache: NodeCache, outbox: Outbox, item: Item) -> None:
        _, self.prompt_id, prompt, self.extra_data, self._wanted = item
        self._services = services
        self._cache = cache
        self._outbox = outbox
        self._graph = RunningGraph(prompt)
        self._board = ProgressBoard(self._graph, self.prompt_id, outbox)
        self._fingerprints: dict[str, Any] = {}
        self._keys = Keys(self._graph, self._fingerprint)
        self._order = Order(
            self._graph,
            is_cached=self._is_cached,
            is_lazy=self._is_lazy,
            is_output=lambda node: services.schemas.is_output(self._graph.class_type(node)),
            is_async=lambda node: services.types[self._graph.class_type(node)].is_async,
        )
        self._results: dict[str, Result] = {}  # of this run, so that nothing is lost if the cache lets go of it
        self._executed: dict[str, None] = {}
        self._pending: dict[str, Future[NodeOutput]] = {}
        self._expanded: dict[str, tuple[Any, ...]] = {}  # node -> the links that are its outputs
        self._failed_inputs: dict[str, list[Any]] = {}
        self.outcome = Outcome()
        self.current_display: str | None = None  # what a client that reconnects is told

    def run(self) -> Outcome:
        """Run to the end; never raises what a node raised, except what is not an `Exception`."""
        try:
            self._run_nodes()
        except NodeFailed as failure:
            self._tell_failure(failure)
        except Exception as error:  # a graph that nobody foresaw must not take the only worker with it
            self._tell_failure(NodeFailed(self._wanted[0], error, {}))
        else:
            self.outcome.succeeded = True
            self._tell("execution_success", {"prompt_id": self.prompt_id})
        if self._services.settings.dialect.lists_cached_outputs:
            self._list_cached()
        return self.outcome

    def _run_nodes(self) -> None:
        self._tell("execution_start", {"prompt_id": self.prompt_id})
        known = [node_id for node_id in self._graph.prompt if self._keys.has(node_id)]
        self._cache.begin([self._keys.of(node_id) for node_id in known])
        cached = [node_id for node_id in known if self._is_cached(node_id)]
        self._tell("execution_cached", {"nodes": cached, "prompt_id": self.prompt_id})
        for node_id in self._wanted:
            self._order.add(node_id)
        while self._order:
            node_id = self._order.next()
            if self._advance(node_id):
                self._order.finish(node_id)

    # --- one node ---------------------------------------------------------------------------------------------------

    def _advance(self, node_id: str) -> bool:
        """Bring a node further; returns whether it is over."""
        if node_id in self._expanded:
            self._complete(node_id, NodeOutput(values=self._resolve(self._expanded[node_id])))
            return True
        if node_id in self._pending:
            return self._collect(node_id)
        if self._is_cached(node_id):
            self._repeat(node_id)
            return True
        self._board.start(node_id)
        self.current_display = self._graph.display(node_id)
        self._outbox.send_private(
            "executing", {"node": node_id, "display_node": self.current_display, "prompt_id": self.prompt_id}
        )
        try:
            return self._execute(node_id)
        except Exception as error:
            raise NodeFailed(node_id, error, self._failed_inputs) from error

    def _execute(self, node_id: str) -> bool:
        class_type = self._graph.class_type(node_id)
        node_type = self._services.types[class_type]
        schema = self._services.schemas.get(class_type)
        assert schema is not None, "validated before"
        values = self._gather(node_id, schema)
        if node_type.wanted is not None:
            missing = [name for name in node_type.wanted(**values) if name not in values]
            for name in missing:
                self._order.require(node_id, name)
            if missing:
                return False
        self._failed_inputs = {name: [_shown(value)] for name, value in values.items()}
        context = RunningNode(self._services, self._board, self._outbox, node_id, self._graph.node(node_id), self)
        context.check_interrupted()
        blocked = next((value for value in values.values() if isinstance(value, Blocked)), None)
        if blocked is not None:
            self._tell_blocked(node_id, blocked)
            self._complete(node_id, NodeOutput(values=(Blocked(None),) * len(schema["output"])))
            return True
        return self._take(node_id, context.run(node_type, inputs.nested(schema, values)))

    def _take(self, node_id: str, output: NodeOutput) -> bool:
        if output.pending is not None:
            self._pending[node_id] = output.pending
            attach = self._order.detach(node_id)
            output.pending.add_done_callback(lambda _: attach())
            return False
        if output.expansion is not None:
            self._expand(node_id, output.expansion)
            return False
        self._complete(node_id, output)
        return True

    def _collect(self, node_id: str) -> bool:
        try:
            output = self._pending.pop(node_id).result()
        except Exception as error:
            raise NodeFailed(node_id, error, {}) from error
        return self._take(node_id, output)

    def _complete(self, node_id: str, output: NodeOutput) -> None:
        meta = None
        if output.ui is not None:
            meta = self._meta(node_id)
            self.outcome.outputs[node_id] = output.ui
            self.outcome.meta[node_id] = meta
            self._tell_executed(node_id, output.ui)
        result = Result(output.values, output.ui, meta)
        self._results[node_id] = result
        self._cache.put(self._keys.of(node_id), result)
        self._executed[node_id] = None
        self._board.finish(node_id)

    def _repeat(self, node_id: str) -> None:
        """Show again what a cached node showed when it ran."""
        result = self._result(node_id)
        if self._outbox.client_id is not None:
            self._tell_executed(node_id, result.ui)
            if result.ui is not None:
                self.outcome.outputs[node_id] = result.ui
                self.outcome.meta[node_id] = result.meta
        self._board.finish(node_id)

    def _expand(self, node_id: str, expansion: Expansion) -> None:
        prefix = f"{node_id}.0.0."

        def absolute(value: Any) -> Any:
            link = as_link(value)
            return [prefix + link[0], link[1]] if link and link[0] in expansion.graph else value

        for inner, node in expansion.graph.items():
            bound = {name: absolute(value) for name, value in node["inputs"].items()}
            self._graph.add(prefix + inner, {**node, "inputs": bound}, parent=node_id)
        self._expanded[node_id] = tuple(absolute(value) for value in expansion.results)
        needed = [link[0] for value in self._expanded[node_id] if (link := as_link(value))]
        shown = [prefix + inner for inner, node in expansion.graph.items() if self._shows(node["class_type"])]
        for source in dict.fromkeys([*needed, *shown]):
            self._order.wait_for(node_id, source)

    # --- values -----------------------------------------------------------------------------------------------------

    def _gather(self, node_id: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a node's inputs; lazy ones only as far as they are there."""
        given = self._graph.node(node_id)["inputs"]
        values = {}
        for name in inputs.declared(schema, given):
            if name not in given:
                continue
            link = as_link(given[name])
            if link is None:
                values[name] = given[name]
            elif self._is_cached(link[0]):
                values[name] = self._result(link[0]).values[link[1]]
        return values

    def _resolve(self, results: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(self._result(link[0]).values[link[1]] if (link := as_link(value)) else value for value in results)

    def _is_cached(self, node_id: str) -> bool:
        if node_id not in self._results:
            result = self._cache.get(self._keys.of(node_id))
            if result is None:
                return False
            self._results[node_id] = result
        return True

    def _result(self, node_id: str) -> Result:
        assert self._is_cached(node_id)
        return self._results[node_id]

    def _is_lazy(self, node_id: str, name: str) -> bool:
        node = self._graph.node(node_id)
        if self._services.types[node["class_type"]].wanted is None:
            return False
        schema = self._services.schemas.get(node["class_type"])
        assert schema is not None
        spec = inputs.declared(schema, node["inputs"]).get(name)
        return spec is not None and spec.is_lazy

    def _shows(self, class_type: str) -> bool:
        return self._services.schemas.is_output(class_type)

    def _fingerprint(self, node_id: str) -> Any:
        node = self._graph.node(node_id)
        function = self._services.types[node["class_type"]].fingerprint
        if function is None:
            return None
        try:
            self._fingerprints[node_id] = function(self._services.folders, **node["inputs"])
        except (OSError, TypeError, ValueError):
            self._fingerprints[node_id] = float("nan")  # the node itself will say what is wrong with the file
        return self._fingerprints[node_id]

    def graph_for_metadata(self) -> dict[str, Any]:
        """Return the graph as it is written into saved files: loaders with what their file was."""
        return {
            node_id: {**node, "is_changed": [self._fingerprints[node_id]]} if node_id in self._fingerprints else node
            for node_id, node in self._graph.prompt.items()
        }

    # --- messages ---------------------------------------------------------------------------------------------------

    def _tell(self, kind: str, data: Mapping[str, Any], *, to_all: bool = False) -> None:
        """Send a message of the prompt's life and keep it for the history."""
        stamped = {**data, "timestamp": int(time.time() * 1000)}
        self.outcome.messages.append((kind, stamped))
        if to_all:
            self._outbox.send(kind, stamped)
        else:
            self._outbox.send_private(kind, stamped)

    def _tell_executed(self, node_id: str, ui: dict[str, Any] | None) -> None:
        told = {"node": node_id, "display_node": self._graph.display(node_id), "output": ui}
        self._outbox.send_private("executed", {**told, "prompt_id": self.prompt_id})

    def _tell_blocked(self, node_id: str, blocked: Blocked) -> None:
        """Not an end: the prompt goes on. Sent like an error, never kept, and to all when there is no client."""
        if blocked.message is None:
            return
        told = {
            **self._about(node_id),
            "exception_message": f"Execution Blocked: {blocked.message}",
            "exception_type": "ExecutionBlocked",
            "traceback": [],
            "current_inputs": [],
            "current_outputs": [],
        }
        self._outbox.send("execution_error", told)

    def _tell_failure(self, failure: NodeFailed) -> None:
        about = self._about(failure.node_id)
        error = failure.error
        if isinstance(error, Abandoned):
            return
        if isinstance(error, Interrupted):
            self._tell("execution_interrupted", about, to_all=True)
            return
        tips = OOM_TIPS if isinstance(error, OutOfMemoryError) else ""
        told = {
            **about,
            "exception_message": f"{error}\n{tips}",
            "exception_type": type_name(error),
            "traceback": traceback.format_tb(error.__traceback__),
            "current_inputs": failure.shown_inputs,
            "current_outputs": list(self._graph.prompt),
        }
        self._tell("execution_error", told)

    def _about(self, node_id: str) -> dict[str, Any]:
        real = self._graph.real(node_id)
        return {
            "prompt_id": self.prompt_id,
            "node_id": real,
            "node_type": self._graph.class_type(real),
            "executed": list(self._executed),
        }

    def _meta(self, node_id: str) -> dict[str, Any]:
        return {
            "node_id": node_id,
            "display_node": self._graph.display(node_id),
            "parent_node": self._graph.parent(node_id),
            "real_node_id": self._graph.real(node_id),
        }

    def _list_cached(self) -> None:
        """Old servers list the outputs of cached nodes in every case."""
        for node_id in self._wanted:
            if node_id not in self.outcome.outputs and self._is_cached(node_id):
                result = self._result(node_id)
                if result.ui is not None:
                    self.outcome.outputs[node_id] = result.ui
                    self.outcome.meta[node_id] = result.meta


def _shown(value: Any) -> Any:
    """Write a value as an error shows it: what JSON can hold as it is, everything else as text."""
    return value if value is None or isinstance(value, str | int | float) else str(value)

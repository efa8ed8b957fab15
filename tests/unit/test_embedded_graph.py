"""The order in which the embedded server runs nodes, and what it takes for the same node."""

from __future__ import annotations

import pytest

from orchestrator.embedded.cache import Keys, NodeCache, Result
from orchestrator.embedded.graph import Order, RunningGraph, as_link


def _graph(**nodes) -> RunningGraph:
    return RunningGraph({name: {"class_type": kind, "inputs": bound} for name, (kind, bound) in nodes.items()})


def _order(graph: RunningGraph, *, cached=(), lazy=()) -> Order:
    return Order(
        graph,
        is_cached=lambda node: node in cached,
        is_lazy=lambda node, name: (node, name) in lazy,
        is_output=lambda node: graph.class_type(node) == "Save",
        is_async=lambda node: graph.class_type(node) == "Async",
    )


def _run(order: Order) -> list[str]:
    done = []
    while order:
        node = order.next()
        done.append(node)
        order.finish(node)
    return done


def test_what_is_seen_soonest_runs_first():
    """An output goes before other ready nodes, so that a person sees a first result early."""
    graph = _graph(
        a=("Make", {}), slow=("Work", {"x": ["a", 0]}), s1=("Save", {"x": ["slow", 0]}), s2=("Save", {"x": ["a", 0]})
    )
    order = _order(graph)
    for output in ("s1", "s2"):
        order.add(output)
    assert _run(order) == ["a", "s2", "slow", "s1"]


def test_cached_nodes_and_what_is_before_them_are_left_out():
    """Nothing is run for a result that is there."""
    graph = _graph(a=("Make", {}), b=("Work", {"x": ["a", 0]}), s=("Save", {"x": ["b", 0]}))
    order = _order(graph, cached={"b"})
    order.add("s")
    assert _run(order) == ["s"]


def test_lazy_inputs_wait_until_asked_for():
    """A switch makes only the branch it takes."""
    graph = _graph(
        a=("Make", {}), b=("Make", {}), w=("Switch", {"yes": ["a", 0], "no": ["b", 0]}), s=("Save", {"x": ["w", 0]})
    )
    order = _order(graph, lazy={("w", "yes"), ("w", "no")})
    order.add("s")
    assert order.next() == "w"
    order.require("w", "no")
    assert _run(order) == ["b", "w", "s"]


def test_a_detached_node_lets_others_run():
    """A node that goes on by itself holds up only what needs it."""
    graph = _graph(a=("Async", {}), b=("Work", {}), s=("Save", {"x": ["a", 0], "y": ["b", 0]}))
    order = _order(graph)
    order.add("s")
    assert order.next() == "a"
    attach = order.detach("a")
    assert order.next() == "b"
    order.finish("b")
    attach()
    assert _run(order) == ["a", "s"]


def test_nodes_that_wait_for_each_other_are_an_error():
    """An expansion can make a circle that validation never saw; waiting for ever would hide it."""
    graph = _graph(a=("Work", {"x": ["b", 0]}), b=("Work", {"x": ["a", 0]}))
    order = _order(graph)
    order.add("a")
    with pytest.raises(RuntimeError, match="cycle"):
        order.next()


@pytest.mark.parametrize(
    ("value", "link"),
    [
        (["1", 0], ("1", 0)),
        (["1", 1.0], ("1", 1)),
        ([1, 0], None),
        (["1", 0, 0], None),
        ("1", None),
        (["a", "b"], None),
    ],
)
def test_only_an_id_and_a_slot_are_a_link(value, link):
    """A list of two texts is a value; taking it for a link would look for a node of that name."""
    assert as_link(value) == link


def _keys(graph: RunningGraph, fingerprints=None) -> Keys:
    return Keys(graph, lambda node: (fingerprints or {}).get(node))


def test_the_same_content_under_other_ids_has_the_same_key():
    """A graph exported again has new ids, and still hits."""
    one = _graph(a=("Make", {"n": 1}), b=("Work", {"x": ["a", 0]}))
    other = _graph(k=("Make", {"n": 1}), l=("Work", {"x": ["k", 0]}))
    assert _keys(one).of("b") == _keys(other).of("l")


@pytest.mark.parametrize(
    "changed",
    [
        _graph(a=("Make", {"n": 2}), b=("Work", {"x": ["a", 0]})),
        _graph(a=("Make", {"n": 1}), b=("Work", {"x": ["a", 1]})),
        _graph(a=("Other", {"n": 1}), b=("Work", {"x": ["a", 0]})),
    ],
)
def test_ancestors_belong_to_the_key(changed):
    """A change far up must run everything below it again."""
    base = _graph(a=("Make", {"n": 1}), b=("Work", {"x": ["a", 0]}))
    assert _keys(base).of("b") != _keys(changed).of("b")


def test_what_is_never_the_same_has_a_key_of_its_own_each_time():
    """NaN is how a node says that it must always run."""
    graph = _graph(a=("Make", {"n": 1}))
    assert _keys(graph, {"a": float("nan")}).of("a") != _keys(graph, {"a": float("nan")}).of("a")


def test_deep_graphs_need_no_deep_stack():
    """A chain of ten thousand nodes is a graph like any other."""
    nodes = {"0": ("Make", {})} | {str(n): ("Work", {"x": [str(n - 1), 0]}) for n in range(1, 10_000)}
    graph = _graph(**nodes)
    assert len(_keys(graph).of("9999")) == 32
    order = _order(graph)
    order.add("9999")
    assert order.next() == "0"


def test_the_cache_keeps_only_what_the_latest_prompt_has():
    """As on most hosts: what another prompt made is gone when the next one begins."""
    cache = NodeCache()
    cache.put(b"a", Result((1,), None, None))
    cache.put(b"b", Result((2,), None, None))
    cache.begin([b"b", b"c"])
    assert cache.get(b"a") is None
    assert cache.get(b"b") is not None


def test_a_larger_cache_forgets_what_was_used_longest_ago():
    """With a number of nodes to keep, results survive prompts that do not use them."""
    cache = NodeCache(lru_nodes=2)
    for key in (b"a", b"b", b"c"):
        cache.put(key, Result((), None, None))
    cache.get(b"a")
    cache.begin([])
    assert [cache.get(key) is not None for key in (b"a", b"b", b"c")] == [True, False, True]

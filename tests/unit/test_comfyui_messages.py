"""Recorded websocket messages read into events, and all the others read into nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.comfyui.messages import (
    BranchBlocked,
    Hello,
    NodeDone,
    NodeProgress,
    NodesCached,
    NodeStarted,
    PromptEnded,
    PromptStarted,
    QueueChanged,
    parse_message,
)
from orchestrator.comfyui.replies import Outcome

RECORDED: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent.parent / "resources" / "comfyui" / "messages.json").read_text()
)


def events(name: str) -> list[Any]:
    parsed = [parse_message(json.dumps(message)) for message in RECORDED[name]]
    return [event for event in parsed if event is not None]


@pytest.mark.parametrize("name", ["success", "success 0.3.64"])
def test_a_run_is_read_in_order(name):
    """Both versions: start, cache, nodes, ticks, result, end."""
    kinds = [type(event) for event in events(name) if not isinstance(event, QueueChanged)]
    assert kinds[:2] == [PromptStarted, NodesCached]
    assert kinds[-2:] == [PromptEnded, PromptEnded]
    assert kinds.count(NodeProgress) >= 4
    assert NodeDone in kinds


def test_the_two_ends_of_a_run_differ():
    """The terminal message tells the outcome; `executing` without a node only that it is over."""
    ends = [event for event in events("success") if isinstance(event, PromptEnded)]
    assert [end.outcome for end in ends] == [Outcome.SUCCESS, None]
    assert ends[0].at is not None


def test_a_blocked_branch_is_no_end():
    """It comes as execution_error [d6]."""
    read = events("blocked")
    (blocked,) = [event for event in read if isinstance(event, BranchBlocked)]
    assert "no face found" in blocked.message
    assert all(event.outcome is not Outcome.ERROR for event in read if isinstance(event, PromptEnded))


def test_after_a_reconnect_the_running_node_has_no_prompt():
    """Only `{"node": ID}` is repeated [g1]."""
    repeated = [event for event in events("reconnect") if isinstance(event, NodeStarted) and event.prompt_id is None]
    assert [event.node_id for event in repeated] == ["2"]


def test_nodes_of_an_expanded_subgraph_are_shown_as_the_submitted_one():
    """Progress speaks of the owner's nodes."""
    started = [event for event in events("expanded") if isinstance(event, NodeStarted)]
    inner = [event for event in started if event.node_id != event.shown_as]
    assert inner
    assert all(event.node_id.startswith(f"{event.shown_as}.") for event in inner)


def test_a_failed_and_an_interrupted_run_end_as_such():
    """The history decides; these only hurry it."""
    assert Outcome.ERROR in [getattr(event, "outcome", None) for event in events("error")]
    assert Outcome.INTERRUPTED in [getattr(event, "outcome", None) for event in events("interrupted")]


def test_the_hello_is_recognised():
    """Its answer proves that a socket is not deaf."""
    assert parse_message('{"type":"feature_flags","data":{"supports_preview_metadata":true}}') == Hello()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x00\x00\x01\x00\x00\x00\x01\xff\xd8\xff",
        b"",
        "",
        "garbage",
        "null",
        "[]",
        "{}",
        '{"type": "status"}',
        '{"type": "status", "data": {"status": null}}',
        '{"type": "progress", "data": {"value": "x", "max": 3, "node": "1"}}',
        '{"type": "progress", "data": {"value": 1}}',
        '{"type": "executing", "data": {"node": null}}',
        '{"type": "execution_success", "data": {}}',
        '{"type": "execution_cached", "data": {"prompt_id": "p", "nodes": 3}}',
        '{"type": "assets.seed.started", "data": {"prompt_id": "p"}}',
        '{"type": 7, "data": {"a": 1}}',
        '{"type": "progress_state", "data": {"prompt_id": "p", "nodes": {}}}',
    ],
)
def test_what_nothing_reads_is_nothing(raw):
    """Unknown types, broken messages and previews come all night and must not end the reading thread."""
    assert parse_message(raw) is None


@given(
    st.sampled_from(["status", "progress", "executing", "executed", "execution_start", "execution_error", "x"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
)
def test_no_message_raises(kind, data):
    """The reading thread has no one to tell."""
    parse_message(json.dumps({"type": kind, "data": data}))
    keys = ("prompt_id", "node", "value", "max", "timestamp", "nodes", "status", "exception_type")
    parse_message(json.dumps({"type": kind, "data": dict.fromkeys(keys, data)}))

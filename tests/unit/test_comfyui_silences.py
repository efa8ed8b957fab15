"""How long a running prompt was silent, phase by phase: what the limits are learned from."""

from __future__ import annotations

import pytest

from orchestrator.clock import SystemClock
from orchestrator.comfyui.messages import NodeProgress, NodesCached, NodeStarted, PromptEnded, PromptStarted
from orchestrator.comfyui.watch import Board, Watch

GRAPH = {
    "1": {"class_type": "UNETLoader", "inputs": {}},
    "2": {"class_type": "KSampler", "inputs": {"steps": 3, "model": ["1", 0]}},
    "3": {"class_type": "VAEDecode", "inputs": {"samples": ["2", 0]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0]}},
}


class Turned(SystemClock):
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Turned:
    return Turned()


@pytest.fixture
def board(clock) -> Board:
    return Board(clock)


@pytest.fixture
def watch(board) -> Watch:
    return board.add("p", graph=GRAPH, accepted=True)


def play(board: Board, clock: Turned, *events) -> None:
    for wait_s, event in events:
        clock.at += wait_s
        board.apply(event)


def test_each_phase_has_its_own_longest_silence(board, clock, watch):
    """Time in the queue counts for nothing, and what comes before the first node counts as loading."""
    play(
        board,
        clock,
        (500, PromptStarted("p", None)),
        (4, NodesCached("p", ())),
        (1, NodeStarted("p", "1", "1")),
        (60, NodeStarted("p", "2", "2")),
        (20, NodeProgress("p", "2", 1, 3)),
        (2, NodeProgress("p", "2", 2, 3)),
        (3, NodeStarted("p", "3", "3")),
        (7, NodeStarted("p", "9", "9")),
        (0.5, PromptEnded("p", None)),
    )
    assert watch.silences == {"load": 60, "sample": 20, "decode": 7, "save": 0.5}


def test_the_sockets_own_silence_is_not_learned(board, clock, watch):
    """A socket that had gone deaf was opened anew: nobody knows what happened before."""
    play(board, clock, (0, PromptStarted("p", None)), (1, NodeStarted("p", "2", "2")))
    clock.at += 90
    watch.renewed_at = clock.at
    play(board, clock, (10, NodeProgress("p", "2", 1, 3)), (5, NodeProgress("p", "2", 2, 3)))
    assert watch.silences == {"load": 1, "sample": 5}


def test_what_a_reconnect_repeats_ends_no_silence(board, clock, watch):
    """The server tells every new socket which node runs, of a stuck prompt too."""
    play(
        board, clock, (0, PromptStarted("p", None)), (1, NodeStarted("p", "2", "2")), (50, NodeStarted(None, "2", "2"))
    )
    assert watch.silences == {"load": 1}
    assert clock.at - watch.alive_at == 50


def test_a_prompt_without_a_graph_counts_as_sampling(board, clock):
    """Adopted after a crash, before the queue was seen: the most patience there is."""
    watch = board.add("q", graph={}, accepted=True)
    play(board, clock, (0, PromptStarted("q", None)), (1, NodeStarted("q", "2", "2")))
    assert watch.phase == "sample"

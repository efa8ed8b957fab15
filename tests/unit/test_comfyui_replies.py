"""What servers of three versions answered, read into values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.comfyui.errors import NotComfyUI
from orchestrator.comfyui.replies import (
    Outcome,
    Place,
    parse_history,
    parse_queue,
    parse_system_stats,
    parse_time,
)

RECORDED = Path(__file__).parent.parent / "resources" / "comfyui"
HISTORIES: dict[str, Any] = json.loads((RECORDED / "histories.json").read_text())
URL = "http://card:8188"


def recorded(name: str) -> Any:
    reply = HISTORIES[name]
    return parse_history(reply, next(iter(reply)), url=URL)


@pytest.mark.parametrize("name", [name for name in HISTORIES if "0.3.64" not in name and name.startswith("shape")])
def test_every_recorded_output_shape_is_read(name):
    """The same kind of file is under different keys by node; a shape that breaks the reader loses a finished film."""
    entry = recorded(name)
    assert entry.outcome is Outcome.SUCCESS
    named = json.dumps(HISTORIES[name]).count('"filename"')
    assert len(list(entry.files())) == named


def test_a_video_answers_under_images():
    """SaveVideo has no key of its own."""
    (file,) = recorded("shape SaveVideo").files()
    assert (file.key, file.filename, file.subfolder, file.folder) == ("images", "j_vid_00001_.mp4", "rec", "output")


def test_a_file_entry_with_strange_fields_is_kept_as_data():
    """Custom nodes add keys, and one of them gives a path of the server: none of it may matter."""
    shown = {"gifs": [{"filename": "a.mp4", "type": "output", "fullpath": "/srv/a.mp4", "frame_rate": 16}, 7, None]}
    reply = {"p": {"outputs": {"3": {**shown, "text": ["x"], "n": 4}, "4": None}, "status": {"status_str": "success"}}}
    entry = parse_history(reply, "p", url=URL)
    assert entry is not None
    assert [(file.key, file.subfolder) for file in entry.files()] == [("gifs", "")]


@pytest.mark.parametrize("name", ["success", "success 0.3.64"])
def test_times_and_cache_come_from_the_messages(name):
    """Card time in the reports is computed from these two."""
    entry = recorded(name)
    assert entry.started_at < entry.finished_at
    assert entry.started_at.tzinfo is UTC
    assert (entry.finished_at - entry.started_at).total_seconds() == pytest.approx(0.604, abs=0.01)
    assert entry.graph["9"]["class_type"] == "SaveImage"


def test_nodes_that_were_cached_are_named():
    """A prompt of which nothing ran has card time of zero, and says so."""
    assert recorded("success").cached == ("1",)


@pytest.mark.parametrize("name", ["error", "error 0.3.64"])
def test_an_error_carries_node_and_reason(name):
    """The morning report groups failures by these."""
    entry = recorded(name)
    assert entry.outcome is Outcome.ERROR
    assert (entry.failure.node_id, entry.failure.node_type) == ("3", "RaiseError")
    assert entry.failure.exception_type == "ValueError"
    assert entry.failure.message.startswith("boom: bad latent")


@pytest.mark.parametrize("name", ["interrupted", "interrupted 0.3.64"])
def test_an_interrupted_prompt_is_not_an_error(name):
    """Both have the status `error`; a person who pressed stop is no failure of the item."""
    assert recorded(name).outcome is Outcome.INTERRUPTED


@pytest.mark.parametrize("name", ["blocked", "silent block"])
def test_a_blocked_branch_is_a_success_without_outputs(name):
    """Whether something is missing is decided where the outputs are wanted."""
    entry = recorded(name)
    assert entry.outcome is Outcome.SUCCESS
    assert not [file for file in entry.files() if file.folder == "output"]


def test_nodes_of_an_expanded_subgraph_know_who_was_submitted():
    """An output of node 3.0.0.2 belongs to node 3 of our graph."""
    assert recorded("expanded").display_nodes["3.0.0.2"] == "3"


def test_an_unknown_id_is_none_and_not_an_error():
    """GET /history/ID answers 200 with {} for what it does not know, or not yet."""
    assert parse_history({}, "p", url=URL) is None
    assert parse_history({"p": "(trimmed)"}, "p", url=URL) is None


def test_an_entry_without_status_is_read_by_what_it_made():
    """Missing keys happen between versions."""
    entry = parse_history({"p": {"outputs": {}}}, "p", url=URL)
    assert entry is not None
    assert (entry.outcome, entry.started_at, entry.cached) == (Outcome.SUCCESS, None, ())


@pytest.mark.parametrize("reply", [[], "OK", None, 3])
def test_an_answer_that_is_no_history_is_not_comfyui(reply):
    """Another program's JSON must not be taken for an empty history: that would mean `lost`."""
    with pytest.raises(NotComfyUI):
        parse_history(reply, "p", url=URL)


def test_the_queue_is_in_order_of_execution():
    """The server lists waiting prompts in heap order [f2]."""
    rows = [[5, "e", {}, {}, []], [-2, "a", {}, {}, []], [5, "d", {}, {}, []], [3.5, "c", {}, {"client_id": "x"}, []]]
    queue = parse_queue({"queue_running": [[1, "r", {"1": {}}, {}, []]], "queue_pending": rows}, url=URL)
    assert queue.running == ("r",)
    assert queue.pending == ("a", "c", "d", "e")
    assert queue.find("r")[0] is Place.RUNNING
    place, item = queue.find("c")
    assert place is Place.PENDING
    assert item is not None
    assert item.client_id == "x"
    assert queue.find("nobody") == (Place.UNKNOWN, None)


@pytest.mark.parametrize("row", [None, 4, [], [1], "x"])
def test_a_broken_queue_row_is_left_out(row):
    """One odd entry must not hide the others."""
    queue = parse_queue({"queue_running": [row, [1, "r"]], "queue_pending": None}, url=URL)
    assert queue.running == ("r",)
    assert queue.pending == ()


@pytest.mark.parametrize("reply", [{}, [], {"queue_running": 3}, {"models": []}, None])
def test_an_answer_that_is_no_queue_is_not_comfyui(reply):
    """Found, expected: the message names both."""
    with pytest.raises(NotComfyUI, match=r"a queue was expected"):
        parse_queue(reply, url=URL)


def test_recorded_statistics_are_read():
    """A real server has neither boot id nor preview mark."""
    stats = parse_system_stats(json.loads((RECORDED / "system_stats.json").read_text())["0.27.0"], url=URL)
    assert stats.comfyui_version == "0.27.0"
    assert stats.boot_id is None
    assert stats.preview is False
    assert stats.devices[0].kind == "cpu"
    assert stats.devices[0].index is None
    assert stats.ram_total_bytes > 10**9


@pytest.mark.parametrize("reply", [{"system": {}}, {"version": "0.9"}, {"system": 1, "devices": []}, [], "hello"])
def test_other_programs_are_told_apart_by_their_statistics(reply):
    """Ollama, vLLM and the like also answer JSON."""
    with pytest.raises(NotComfyUI, match="ComfyUI's statistics were expected"):
        parse_system_stats(reply, url=URL)


@pytest.mark.parametrize("value", [None, "x", True, 1e30, float("inf"), float("nan"), -(10**20)])
def test_a_time_that_is_none_is_nothing(value):
    """A broken timestamp must not break the entry around it."""
    assert parse_time(value) is None


def test_a_time_is_milliseconds_since_the_epoch():
    """In UTC, aware."""
    assert parse_time(1_500) == datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC)

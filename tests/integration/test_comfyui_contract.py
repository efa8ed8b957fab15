"""What the client relies on, against any ComfyUI: the life of a prompt, from its submission to its end.

The embedded server by default, any other one with --comfyui-url. Nodes of the core are enough; what needs our test
nodes, or a node that came later, is skipped where it is missing. Files are in `test_comfyui_contract_files.py`.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from comfyui_graphs import PICTURE, film, new_id, node, picture, run, scale, sleeping, sound
from comfyui_proxy import wire

from orchestrator.clock import SystemClock
from orchestrator.comfyui.errors import (
    AnswerTimedOut,
    ExecutionFailed,
    Interrupted,
    MissingInput,
    MissingNodeClass,
    OutOfMemory,
    OutputMissing,
    PromptLost,
    Refused,
    ServerFault,
)
from orchestrator.comfyui.progress import Progress, Started
from orchestrator.comfyui.replies import Outcome, Place
from orchestrator.comfyui.schemas import check_graph
from orchestrator.comfyui.session import InstanceSession
from orchestrator.comfyui.submission import Patience

pytestmark = pytest.mark.comfyui


# -- running ----------------------------------------------------------------------------------------------------------


def test_a_prompt_runs_and_says_when(comfy):
    """Success, with the server's own times."""
    entry = run(comfy, picture())
    assert entry.outcome is Outcome.SUCCESS
    assert entry.started_at <= entry.finished_at


def test_an_identical_prompt_is_answered_from_the_cache(comfy, tmp_path):
    """It runs nothing and names the old file; the outputs must still be in the history."""
    graph = picture()
    first, second = run(comfy, graph), run(comfy, graph)
    assert second.outcome is Outcome.SUCCESS
    assert [file.filename for file in second.files()] == [file.filename for file in first.files()]
    assert comfy.collect(second, PICTURE, into=tmp_path)["image"].is_file()


def test_another_prefix_alone_saves_anew(comfy):
    """What lies before the saver comes out of the cache; each try has files of its own all the same."""
    graph = picture()
    first = run(comfy, graph)
    graph["9"]["inputs"]["filename_prefix"] = f"contract/{new_id()}"
    second = run(comfy, graph)
    assert {"1", "2"} <= set(second.cached)
    assert "9" not in second.cached
    assert {file.filename for file in second.files()}.isdisjoint(file.filename for file in first.files())


def test_two_prompts_are_queued_and_come_back_in_order(comfy):
    """The card never waits for us: the next prompt is there before the current one ends."""
    ids = [new_id() for _ in range(3)]
    for prompt_id in ids:
        comfy.submit(prompt_id, picture())
    with ThreadPoolExecutor() as pool:
        entries = list(pool.map(lambda one: comfy.wait(one, idle_timeout_s=30, total_timeout_s=60), ids))
    assert [entry.prompt_id for entry in entries] == ids
    ends = [entry.finished_at for entry in entries]
    assert ends == sorted(ends)


def test_the_queue_tells_what_runs_and_what_waits(comfy, slow):
    """By id, under our client's name, in the order in which they will run."""
    ids = [new_id() for _ in range(3)]
    comfy.submit(ids[0], slow(3))
    for prompt_id in ids[1:]:
        comfy.submit(prompt_id, picture())
    try:
        until_running(comfy, ids[0])
        queue = comfy.client.queue()
        assert queue.running == (ids[0],)
        assert queue.pending == (ids[1], ids[2])
        assert {item.client_id for item in queue.pending_items} == {comfy.client.client_id}
    finally:
        for prompt_id in reversed(ids):
            comfy.withdraw(prompt_id)


def test_events_are_the_fast_way(comfy):
    """A prompt that takes no time is known to be over long before the next poll would come."""
    run(comfy, picture())
    delays = []
    for _ in range(5):
        began = time.monotonic()
        run(comfy, picture())
        delays.append(time.monotonic() - began)
    assert comfy.is_live
    assert min(delays) < QUICKEST_POLL_S


def test_progress_is_told(comfy, slow):
    """Start first, then node by node; never back."""
    told: list[Any] = []
    run(comfy, slow(0.7), on_progress=told.append)
    percents = [one.percent for one in told if isinstance(one, Progress)]
    assert isinstance(told[0], Started)
    assert percents == sorted(percents)
    assert any(0 < percent < 100 for percent in percents)


def test_the_steps_of_a_node_are_told(comfy, dev_nodes):
    """As a sampler tells them."""
    told: list[Any] = []
    run(comfy, sleeping(8, 0.08), on_progress=told.append)
    ticks = [one for one in told if isinstance(one, Progress)]
    assert any(one.class_type == "SleepWithProgress" and 0 < one.value < one.maximum == 8 for one in ticks)


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_an_unknown_class_is_refused(comfy):
    """And nothing of it is queued."""
    graph = picture(source={"class_type": "NoSuchNodeAnywhere", "inputs": {"image": ["1", 0]}})
    prompt_id = new_id()
    with pytest.raises(MissingNodeClass, match="NoSuchNodeAnywhere"):
        comfy.submit(prompt_id, graph)
    assert comfy.client.locate(prompt_id).place is Place.UNKNOWN


def test_a_half_valid_graph_is_refused_and_taken_back(comfy):
    """HTTP 200 with node_errors."""
    graph = picture()
    graph["7"] = scale(8, 8)
    graph["7"]["inputs"]["upscale_method"] = "magic"
    graph["8"] = {"class_type": "SaveImage", "inputs": {"images": ["7", 0], "filename_prefix": "contract/bad"}}
    with pytest.raises(Refused, match="`upscale_method` is 'magic'"):
        comfy.submit(new_id(), graph)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"width": 10**9}, "width"), ({"height": None}, "height"), ({"image": ["77", 0]}, None)],
    ids=["too large", "missing", "linked to nothing"],
)
def test_an_input_that_cannot_be_is_refused(comfy, change, words):
    """Before anything runs, naming the input where the server does."""
    source = scale(8, 8)
    source["inputs"] = {key: value for key, value in (source["inputs"] | change).items() if value is not None}
    with pytest.raises((Refused, ServerFault), match=words):
        comfy.submit(new_id(), picture(source=source), patience=Patience(grace_s=0.1))


def test_a_missing_input_file_is_refused(comfy):
    """By the loader's own check, which looks at the disk."""
    graph = picture(source={"class_type": "LoadImage", "inputs": {"image": "nowhere/nothing.png"}})
    with pytest.raises(MissingInput, match=r"nothing\.png"):
        comfy.submit(new_id(), graph)


def test_a_graph_of_the_editor_is_a_server_fault(comfy):
    """500 in plain text; our own loader refuses such a file before."""
    with pytest.raises((ServerFault, Refused)):
        comfy.submit(new_id(), {"last_node_id": 1, "nodes": [{"id": 1}], "links": []}, patience=Patience(grace_s=0.1))


def test_our_own_check_of_a_graph_agrees_with_the_server(classes):
    """Schemas come in two styles, by class and by version: a graph that runs must not be found wanting in either."""
    for graph in (picture(), picture(source=scale(8, 8)), film(), sound("a.flac")):
        uploads = frozenset(
            (node_id, name) for node_id in graph for name in graph[node_id]["inputs"] if name in ("image", "audio")
        )
        assert list(check_graph(graph, classes, bound=uploads)) == []
    wrong = picture(source=scale(8, 8))
    wrong["2"]["inputs"]["upscale_method"] = "magic"
    assert [problem.node_id for problem in check_graph(wrong, classes, bound=frozenset())] == ["2"]


# -- failures ---------------------------------------------------------------------------------------------------------


def test_a_node_that_fails_is_named(comfy, tmp_path):
    """A picture that is none: nothing checks it before the loader opens it."""
    path = tmp_path / "broken.png"
    path.write_bytes(new_id().encode())
    graph = picture(source={"class_type": "LoadImage", "inputs": {"image": comfy.client.upload(path)}})
    with pytest.raises(ExecutionFailed, match=r"LoadImage.*UnidentifiedImageError"):
        run(comfy, graph)
    assert run(comfy, picture()).outcome is Outcome.SUCCESS


def test_a_failing_node_tells_its_first_line(comfy, dev_nodes):
    """Class, type of error and its first line."""
    with pytest.raises(ExecutionFailed, match=r"RaiseError.*ValueError: boom"):
        run(comfy, picture(source=node("RaiseError", message="boom\nmore")))


@pytest.mark.parametrize(
    "kind", ["torch.OutOfMemoryError", "comfy.OOM_EXCEPTION", "RuntimeError(CUDA error: out of memory)", "MemoryError"]
)
def test_all_kinds_of_out_of_memory_are_told_as_such(comfy, dev_nodes, kind):
    """As recorded [d2]."""
    with pytest.raises(OutOfMemory):
        run(comfy, picture(source=node("RaiseOOM", kind=kind)))


def test_a_blocked_branch_ends_as_a_missing_output(comfy, dev_nodes, tmp_path):
    """The socket says error, the prompt succeeds, and the picture is not there."""
    entry = run(comfy, picture(source=node("Blocker", message="no face found")))
    assert entry.outcome is Outcome.SUCCESS
    with pytest.raises(OutputMissing):
        comfy.collect(entry, PICTURE, into=tmp_path)


def test_a_stalled_server_is_waited_for(comfy, dev_nodes):
    """A node keeps the interpreter lock for longer than our read time-out; the post is accepted all the same [h6]."""
    impatient = InstanceSession("card0", comfy.url, clock=SystemClock(), read_timeout_s=0.5)
    with impatient:
        assert impatient.events.wait_live(10)
        blocking, after = new_id(), new_id()
        impatient.submit(blocking, picture(source=node("HoldGIL", n=25)))
        until_running(impatient, blocking)
        accepted = impatient.submit(after, picture(), patience=Patience(answer_s=30, grace_s=0.5))
        assert impatient.wait(after, idle_timeout_s=30, total_timeout_s=60).outcome is Outcome.SUCCESS
        assert impatient.wait(blocking, idle_timeout_s=30, total_timeout_s=60).outcome is Outcome.SUCCESS
        assert accepted.looked_up


# -- taking back ------------------------------------------------------------------------------------------------------


def test_an_interrupted_prompt_is_told_as_such(comfy, slow):
    """By its id, so that no other prompt is hit: first a wrong id, which changes nothing."""
    prompt_id = new_id()
    comfy.submit(prompt_id, slow(20))
    running = threading.Event()
    with ThreadPoolExecutor() as pool:
        done = pool.submit(
            comfy.wait, prompt_id, idle_timeout_s=20, total_timeout_s=40, on_progress=lambda _: running.set()
        )
        assert running.wait(10)
        comfy.client.interrupt(new_id())
        assert comfy.client.locate(prompt_id).place is Place.RUNNING
        comfy.client.interrupt(prompt_id)
        with pytest.raises(Interrupted):
            done.result(20)


def test_a_waiting_prompt_can_be_deleted(comfy, slow):
    """It leaves no trace, and whoever waits for it is told that it is lost."""
    runs, waits = new_id(), new_id()
    comfy.submit(runs, slow(1.5))
    comfy.submit(waits, picture())
    assert comfy.client.locate(waits).place is Place.PENDING
    with ThreadPoolExecutor() as pool:
        done = pool.submit(comfy.wait, waits, idle_timeout_s=20, total_timeout_s=40)
        comfy.client.delete(waits)
        with pytest.raises(PromptLost):
            done.result(20)
    assert comfy.client.locate(waits).place is Place.UNKNOWN
    comfy.withdraw(runs)


def test_a_prompt_is_withdrawn_wherever_it_is(comfy, slow):
    """Deleted while it waits, interrupted while it runs; one that is gone is no error."""
    runs, waits = new_id(), new_id()
    comfy.submit(runs, slow(20))
    comfy.submit(waits, picture())
    until_running(comfy, runs)
    assert comfy.withdraw(waits) in (Place.PENDING, Place.UNKNOWN)
    assert comfy.withdraw(runs) is Place.RUNNING
    with pytest.raises(Interrupted):
        comfy.wait(runs, idle_timeout_s=20, total_timeout_s=40)
    assert comfy.withdraw(new_id()) is Place.UNKNOWN
    assert comfy.client.locate(waits).place is Place.UNKNOWN


# -- coming back ------------------------------------------------------------------------------------------------------


def test_another_process_re_attaches_by_the_id_alone(comfyui_url, comfy, slow):
    """What a crash left on the card is waited for, not made again."""
    prompt_id = new_id()
    comfy.submit(prompt_id, slow(0.7))
    with InstanceSession("card0", comfyui_url, clock=SystemClock()) as other:
        entry = other.wait(prompt_id, idle_timeout_s=20, total_timeout_s=40)
    assert entry.prompt_id == prompt_id


def test_the_same_client_gets_the_events_of_a_prompt_that_still_runs(comfyui_url, slow):
    """After a crash, under the client id of before: progress comes again, and the end by an event."""
    prompt_id, client_id = new_id(), new_id()
    with InstanceSession("card0", comfyui_url, clock=SystemClock(), client_id=client_id) as first:
        assert first.events.wait_live(15)
        first.submit(prompt_id, slow(1.5))
        until_running(first, prompt_id)
    told: list[Any] = []
    with InstanceSession("card0", comfyui_url, clock=SystemClock(), client_id=client_id) as second:
        entry = second.wait(prompt_id, idle_timeout_s=20, total_timeout_s=40, on_progress=told.append)
    assert entry.outcome is Outcome.SUCCESS
    assert any(isinstance(one, Progress) for one in told)


def test_a_finished_prompt_is_found_by_its_id(comfyui_url, comfy):
    """However long ago it ended."""
    entry = run(comfy, picture())
    with InstanceSession("card0", comfyui_url, clock=SystemClock()) as other:
        again = other.wait(entry.prompt_id, idle_timeout_s=20, total_timeout_s=40)
    assert again.outputs == entry.outputs


def test_a_wire_that_is_cut_in_the_middle_costs_nothing(comfyui_url, slow):
    """Every connection ends while the prompt runs: the socket is opened anew, and the prompt is waited for."""
    with wire(comfyui_url) as line, InstanceSession("card0", line.url, clock=SystemClock()) as session:
        assert session.events.wait_live(15)
        prompt_id = new_id()
        session.submit(prompt_id, slow(1.5))
        until_running(session, prompt_id)
        line.cut()
        entry = session.wait(prompt_id, idle_timeout_s=20, total_timeout_s=40)
        assert entry.outcome is Outcome.SUCCESS
        assert session.events.wait_live(15)
        assert session.events.openings == 2


def test_polling_alone_is_enough(comfyui_url):
    """Where a proxy passes no websockets."""
    session = InstanceSession("card0", comfyui_url, clock=SystemClock())
    session._tracker.start()  # the poller without the socket
    try:
        entry = run(session, picture())
        assert entry.outcome is Outcome.SUCCESS
        assert not session.is_live
    finally:
        session.close()


# -- the server -------------------------------------------------------------------------------------------------------


def test_statistics_and_freeing(comfy):
    """What telemetry reads, and what an out of memory leads to."""
    stats = comfy.client.system_stats()
    assert stats.devices
    assert stats.comfyui_version
    comfy.client.free()
    assert run(comfy, picture()).outcome is Outcome.SUCCESS


def test_one_class_can_be_asked_for(comfy):
    """An unknown one is an empty answer, not an error."""
    assert set(comfy.client.object_info("SaveImage")) == {"SaveImage"}
    assert comfy.client.object_info("No/Such Node") == {}


QUICKEST_POLL_S = 0.25


def until_running(session: InstanceSession, prompt_id: str) -> None:
    deadline = time.monotonic() + 15
    with suppress(AnswerTimedOut):  # it runs, and holds the server up
        while prompt_id not in session.client.queue().running:
            assert time.monotonic() < deadline, "the prompt does not run"
            time.sleep(0.01)

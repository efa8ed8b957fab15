"""What the client relies on, against any ComfyUI: the embedded one by default, a real one with --comfyui-url.

Only node classes of the core are used; a test that needs the test nodes is skipped where they are missing.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from orchestrator.clock import SystemClock
from orchestrator.comfyui.errors import (
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
from orchestrator.comfyui.pace import Pace
from orchestrator.comfyui.progress import Progress, Started
from orchestrator.comfyui.replies import Outcome, Place
from orchestrator.comfyui.session import InstanceSession
from orchestrator.comfyui.submission import Patience
from steps.manifest import OutputSpec

pytestmark = pytest.mark.comfyui

QUICK = Pace(live_poll_s=0.5)
OUT = {"image": OutputSpec.model_validate({"node": "OUT", "media": "image", "width": 64, "height": 48})}


@pytest.fixture(scope="module")
def session(comfyui_url: str) -> Iterator[InstanceSession]:
    with InstanceSession("card0", comfyui_url, clock=SystemClock(), read_timeout_s=20, pace=QUICK) as session:
        assert session.events.wait_live(15)
        yield session


@pytest.fixture(scope="module")
def classes(session: InstanceSession) -> dict[str, Any]:
    return session.client.object_info()


@pytest.fixture
def dev_nodes(classes: dict[str, Any]) -> None:
    if "SleepWithProgress" not in classes:
        pytest.skip("this server has no test nodes")


def new_id() -> str:
    return str(uuid.uuid4())


def unique() -> int:
    return uuid.uuid4().int % 2**24


def picture(*, source: dict[str, Any] | None = None, prefix: str = "") -> dict[str, Any]:
    """A graph that saves one picture of 64 x 48, different from all others unless a source is given."""
    empty = {"width": 64, "height": 48, "batch_size": 1, "color": unique()}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty, "_meta": {"title": "EMPTY"}},
        "2": source or {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "9": {
            "class_type": "SaveImage",
            "inputs": {"images": ["2", 0], "filename_prefix": prefix or f"contract/{new_id()}"},
            "_meta": {"title": "OUT"},
        },
    }


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": {"image": ["1", 0], "seed": unique(), **inputs}}


def sleeping(steps: int, seconds_per_step: float) -> dict[str, Any]:
    return picture(source=node("SleepWithProgress", steps=steps, seconds_per_step=seconds_per_step, preview=False))


def run(session: InstanceSession, graph: dict[str, Any], **options: Any) -> Any:
    prompt_id = new_id()
    session.submit(prompt_id, graph)
    return session.wait(prompt_id, idle_timeout_s=30, total_timeout_s=60, **options)


def test_a_prompt_gives_its_picture(session, tmp_path):
    """The whole way: submit, wait, collect, checked."""
    entry = run(session, picture())
    made = session.collect(entry, OUT, into=tmp_path)
    assert entry.outcome is Outcome.SUCCESS
    assert Image.open(made["image"]).size == (64, 48)
    assert entry.started_at <= entry.finished_at


def test_a_uploaded_picture_is_what_the_graph_loads(session, tmp_path):
    """Content-addressed: the second upload gives the same name."""
    path = tmp_path / "L'Été 50%.png"
    pixels = np.random.default_rng(unique()).integers(0, 255, (48, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    name = session.client.upload(path)
    assert session.client.upload(path) == name
    entry = run(session, picture(source={"class_type": "LoadImage", "inputs": {"image": name}}))
    made = session.collect(entry, OUT, into=tmp_path)
    assert np.array_equal(np.asarray(Image.open(made["image"]).convert("RGB")), pixels)


def test_two_uploads_of_other_bytes_have_other_names(session, tmp_path):
    """A crash in the middle of an upload must not poison the name for ever."""
    names = set()
    for number in range(2):
        path = tmp_path / "same name.png"
        Image.new("RGB", (8, 8), (number, unique() % 256, 7)).save(path)
        names.add(session.client.upload(path))
    assert len(names) == 2


def test_an_identical_prompt_is_answered_from_the_cache(session, tmp_path):
    """It runs nothing and names the old file; the outputs must still be in the history."""
    graph = picture()
    first, second = run(session, graph), run(session, graph)
    assert second.outcome is Outcome.SUCCESS
    assert [file.filename for file in second.files()] == [file.filename for file in first.files()]
    assert session.collect(second, OUT, into=tmp_path)["image"].is_file()


def test_two_prompts_are_queued_and_come_back_in_order(session):
    """The card never waits for us: the next prompt is there before the current one ends."""
    ids = [new_id() for _ in range(3)]
    for prompt_id in ids:
        session.submit(prompt_id, picture())
    with ThreadPoolExecutor() as pool:
        entries = list(pool.map(lambda one: session.wait(one, idle_timeout_s=30, total_timeout_s=60), ids))
    assert [entry.prompt_id for entry in entries] == ids
    ends = [entry.finished_at for entry in entries]
    assert ends == sorted(ends)


def test_events_are_the_fast_way(session):
    """Polling would take a quarter of a second at best."""
    run(session, picture())
    delays = []
    for _ in range(5):
        prompt_id = new_id()
        began = time.monotonic()
        session.submit(prompt_id, picture())
        session.wait(prompt_id, idle_timeout_s=30, total_timeout_s=60)
        delays.append(time.monotonic() - began)
    assert session.is_live
    assert min(delays) < 0.2


def test_progress_is_told(session, dev_nodes):
    """Start first, then the node with its steps; never back."""
    told: list[Any] = []
    run(session, sleeping(8, 0.08), on_progress=told.append)
    ticks = [one for one in told if isinstance(one, Progress)]
    assert isinstance(told[0], Started)
    assert any(one.class_type == "SleepWithProgress" and 0 < one.value < one.maximum == 8 for one in ticks)
    assert [one.percent for one in ticks] == sorted(one.percent for one in ticks)


def test_an_unknown_class_is_refused(session):
    """And nothing of it is queued."""
    graph = picture(source={"class_type": "NoSuchNodeAnywhere", "inputs": {"image": ["1", 0]}})
    prompt_id = new_id()
    with pytest.raises(MissingNodeClass, match="NoSuchNodeAnywhere"):
        session.submit(prompt_id, graph)
    assert session.client.locate(prompt_id).place is Place.UNKNOWN


def test_a_half_valid_graph_is_refused_and_taken_back(session):
    """HTTP 200 with node_errors."""
    graph = picture()
    graph["7"] = {
        "class_type": "ImageScale",
        "inputs": {"image": ["1", 0], "upscale_method": "magic", "width": 8, "height": 8, "crop": "disabled"},
    }
    graph["8"] = {"class_type": "SaveImage", "inputs": {"images": ["7", 0], "filename_prefix": "contract/bad"}}
    with pytest.raises(Refused, match="`upscale_method` is 'magic'"):
        session.submit(new_id(), graph)


def test_a_missing_input_file_is_refused(session):
    """By the loader's own check, which looks at the disk."""
    graph = picture(source={"class_type": "LoadImage", "inputs": {"image": "nowhere/nothing.png"}})
    with pytest.raises(MissingInput, match=r"nothing\.png"):
        session.submit(new_id(), graph)


def test_a_graph_of_the_editor_is_a_server_fault(session):
    """500 in plain text; our own loader refuses such a file before."""
    with pytest.raises((ServerFault, Refused)):
        session.submit(new_id(), {"last_node_id": 1, "nodes": [{"id": 1}], "links": []}, patience=Patience(grace_s=0.1))


def test_a_failing_node_is_named(session, dev_nodes):
    """Class, type of error and its first line."""
    with pytest.raises(ExecutionFailed, match=r"RaiseError.*ValueError: boom"):
        run(session, picture(source=node("RaiseError", message="boom\nmore")))


@pytest.mark.parametrize(
    "kind", ["torch.OutOfMemoryError", "comfy.OOM_EXCEPTION", "RuntimeError(CUDA error: out of memory)", "MemoryError"]
)
def test_all_kinds_of_out_of_memory_are_told_as_such(session, dev_nodes, kind):
    """As recorded [d2]."""
    with pytest.raises(OutOfMemory):
        run(session, picture(source=node("RaiseOOM", kind=kind)))


def test_a_blocked_branch_ends_as_a_missing_output(session, dev_nodes, tmp_path):
    """The socket says error, the prompt succeeds, and the picture is not there."""
    entry = run(session, picture(source=node("Blocker", message="no face found")))
    assert entry.outcome is Outcome.SUCCESS
    with pytest.raises(OutputMissing):
        session.collect(entry, OUT, into=tmp_path)


def test_an_interrupted_prompt_is_told_as_such(session, dev_nodes):
    """By its id, so that no other prompt is hit."""
    prompt_id = new_id()
    session.submit(prompt_id, sleeping(200, 0.05))
    running = threading.Event()
    with ThreadPoolExecutor() as pool:
        done = pool.submit(
            session.wait, prompt_id, idle_timeout_s=20, total_timeout_s=40, on_progress=lambda _: running.set()
        )
        assert running.wait(10)
        session.client.interrupt(prompt_id)
        with pytest.raises(Interrupted):
            done.result(20)


def test_a_waiting_prompt_can_be_withdrawn(session, dev_nodes):
    """It leaves no trace, and whoever waits for it is told that it is lost."""
    runs, waits = new_id(), new_id()
    session.submit(runs, sleeping(20, 0.1))
    session.submit(waits, picture())
    assert session.client.locate(waits).place is Place.PENDING
    with ThreadPoolExecutor() as pool:
        done = pool.submit(session.wait, waits, idle_timeout_s=20, total_timeout_s=40)
        session.client.delete(waits)
        with pytest.raises(PromptLost):
            done.result(20)
    session.wait(runs, idle_timeout_s=20, total_timeout_s=40)


def test_another_process_re_attaches_by_the_id_alone(comfyui_url, session, dev_nodes):
    """What a crash left on the card is waited for, not made again."""
    prompt_id = new_id()
    session.submit(prompt_id, sleeping(10, 0.05))
    with InstanceSession("card0", comfyui_url, clock=SystemClock()) as other:
        entry = other.wait(prompt_id, idle_timeout_s=20, total_timeout_s=40)
    assert entry.prompt_id == prompt_id


def test_a_finished_prompt_is_found_by_its_id(comfyui_url, session):
    """However long ago it ended."""
    entry = run(session, picture())
    with InstanceSession("card0", comfyui_url, clock=SystemClock()) as other:
        again = other.wait(entry.prompt_id, idle_timeout_s=20, total_timeout_s=40)
    assert again.outputs == entry.outputs


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


def test_a_stalled_server_is_waited_for(session, classes, dev_nodes):
    """A node keeps the interpreter lock for longer than our read time-out; the post is accepted all the same [h6]."""
    impatient = InstanceSession("card0", session.url, clock=SystemClock(), read_timeout_s=0.5)
    with impatient:
        assert impatient.events.wait_live(10)
        blocking, after = new_id(), new_id()
        impatient.submit(blocking, picture(source=node("HoldGIL", n=25)))
        time.sleep(0.2)
        accepted = impatient.submit(after, picture(), patience=Patience(answer_s=30, grace_s=0.5))
        assert accepted.looked_up
        assert impatient.wait(after, idle_timeout_s=30, total_timeout_s=60).outcome is Outcome.SUCCESS
        assert impatient.wait(blocking, idle_timeout_s=30, total_timeout_s=60).outcome is Outcome.SUCCESS


def test_statistics_and_freeing(session):
    """What telemetry reads, and what an out of memory leads to."""
    stats = session.client.system_stats()
    assert stats.devices
    assert stats.comfyui_version
    session.client.free()
    assert run(session, picture()).outcome is Outcome.SUCCESS


def test_one_class_can_be_asked_for(session):
    """An unknown one is an empty answer, not an error."""
    assert set(session.client.object_info("SaveImage")) == {"SaveImage"}
    assert session.client.object_info("No/Such Node") == {}


def test_temporary_previews_are_no_outputs(session, tmp_path):
    """PreviewImage answers under the same key as SaveImage."""
    graph = picture()
    graph["9"] = {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}, "_meta": {"title": "OUT"}}
    with pytest.raises(OutputMissing):
        session.collect(run(session, graph), OUT, into=tmp_path)


def test_a_download_is_checked_against_the_manifest(session, tmp_path):
    """64 x 48 came, another size was promised."""
    wanted = {"image": OutputSpec.model_validate({"node": "OUT", "media": "image", "width": 65})}
    entry = run(session, picture())
    with pytest.raises(Exception, match="width 64, expected 65"):
        session.collect(entry, wanted, into=tmp_path)
    assert list(Path(tmp_path).iterdir()) == []

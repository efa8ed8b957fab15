"""The client against an embedded server that misbehaves: every fault that it knows, over real sockets and processes."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from orchestrator.clock import SystemClock
from orchestrator.comfyui.errors import (
    BadDownload,
    Hung,
    InstanceDown,
    Interrupted,
    OutOfMemory,
    OutputMissing,
    PromptLost,
    Refused,
    RestartFailed,
)
from orchestrator.comfyui.pace import STEADY, Pace
from orchestrator.comfyui.progress import Progress
from orchestrator.comfyui.replies import HistoryEntry, Outcome
from orchestrator.comfyui.restart import NoRestart, ProcessRestart
from orchestrator.comfyui.session import InstanceSession
from orchestrator.comfyui.submission import Patience
from steps.manifest import OutputSpec
from tests.integration.comfyui_embedded import Embedded, embedded

OUT = {"image": OutputSpec.model_validate({"node": "OUT", "media": "image"})}
QUICK = Patience(answer_s=20, down_s=1.0, grace_s=0.3)
PACE = Pace(
    recheck_s=0.2,
    silent_poll_s=(0.1, 0.3),
    live_poll_s=0.4,
    flowing_poll_s=0.8,
    down_after_s=6.0,
    missing_after_s=0.5,
    socket_check_s=0.1,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A server for the faults that it survives."""
    with embedded(tmp_path_factory.mktemp("shared")) as server:
        yield server


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A server for the faults that end it."""
    with embedded(tmp_path_factory.mktemp("mortal")) as server:
        yield server


@pytest.fixture
def own(mortal: Embedded) -> Embedded:
    """The mortal server, brought back to life where the test before has ended it."""
    assert mortal.process is not None
    if mortal.process.poll() is not None or mortal.is_damaged:
        mortal.again()
    return mortal


@pytest.fixture
def session(request: pytest.FixtureRequest) -> Iterator[InstanceSession]:
    name = "own" if "own" in request.fixturenames else "shared"
    server: Embedded = request.getfixturevalue(name)
    with new_session(server) as session:
        assert session.events.wait_live(10)
        yield session


@pytest.fixture
def background() -> Iterator[Callable[..., Future[Any]]]:
    with ThreadPoolExecutor(8) as pool:
        yield pool.submit


def new_session(server: Embedded, **options: Any) -> InstanceSession:
    values = {"read_timeout_s": 1.0, "pace": PACE, **options}
    return InstanceSession("card0", server.url, clock=SystemClock(), **values)


def graph(*, steps: int = 5, seconds_per_step: float = 0.05) -> dict[str, Any]:
    seed = uuid.uuid4().int % 2**24
    empty = {"width": 64, "height": 48, "batch_size": 1, "color": seed}
    sleep = {
        "image": ["1", 0], "steps": steps, "seconds_per_step": seconds_per_step, "preview": True, "seed": seed
    }  # fmt: skip
    save = {"images": ["2", 0], "filename_prefix": f"faults/{uuid.uuid4()}"}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "2": {"class_type": "SleepWithProgress", "inputs": sleep, "_meta": {"title": "SLEEP"}},
        "9": {"class_type": "SaveImage", "inputs": save, "_meta": {"title": "OUT"}},
    }


def submitted(session: InstanceSession, **options: Any) -> str:
    prompt_id = str(uuid.uuid4())
    session.submit(prompt_id, graph(**options), patience=QUICK)
    return prompt_id


def finished(session: InstanceSession, prompt_id: str, *, idle_timeout_s: float = 20, **options: Any) -> HistoryEntry:
    return session.wait(prompt_id, idle_timeout_s=idle_timeout_s, total_timeout_s=60, **options)


def run(session: InstanceSession, **options: Any) -> HistoryEntry:
    return finished(session, submitted(session), **options)


def test_a_server_that_dies_and_comes_back_has_lost_the_prompt(own, session, background):
    """SIGKILL in the middle of a node [h1]; afterwards the same session goes on with the new process."""
    own.misbehave("die", node="SaveImage")
    done = background(finished, session, submitted(session))
    assert own.process is not None
    own.process.wait(10)
    first_boot = session.boot_id
    own.again()
    with pytest.raises(PromptLost) as caught:
        done.result(20)
    assert caught.value.counted is False
    assert run(session).outcome is Outcome.SUCCESS
    assert session.events.wait_live(10)
    assert session.boot_id != first_boot


def test_a_server_that_dies_and_stays_away_is_down(own, background):
    """The others go on; this one is restarted or waited for."""
    with new_session(own, down_after_s=0.8) as session:
        own.misbehave("die", node="SaveImage")
        done = background(finished, session, submitted(session))
        with pytest.raises(InstanceDown):
            done.result(20)


def test_a_dead_worker_is_told_as_hung(own, session, background):
    """HTTP looks healthy, the prompt stays running [h3]; the one behind it would stay pending for ever."""
    own.is_damaged = True
    own.misbehave("zombie", node="SleepWithProgress")
    runs, behind = submitted(session), submitted(session)
    waits = background(session.wait, behind, idle_timeout_s=10, total_timeout_s=1.5)
    with pytest.raises(Hung, match="nothing has come"):
        finished(session, runs, idle_timeout_s=1)
    with pytest.raises(Hung, match="queue has not moved"):
        waits.result(10)


def test_a_hanging_node_is_hung_and_can_be_interrupted(shared, session):
    """This one hears the interrupt; the next prompt runs."""
    shared.misbehave("hang", node="SleepWithProgress")
    prompt_id = submitted(session)
    with pytest.raises(Hung):
        finished(session, prompt_id, idle_timeout_s=1)
    session.withdraw(prompt_id)
    with pytest.raises(Interrupted):
        finished(session, prompt_id)
    assert run(session).outcome is Outcome.SUCCESS


def test_a_server_that_forgets_its_queue_has_lost_the_prompts(shared, session, background):
    """Both the one that ran and the one that waited."""
    shared.misbehave("forget_queue", node="SaveImage")
    waits = [background(finished, session, submitted(session)) for _ in range(2)]
    for wait in waits:
        with pytest.raises(PromptLost):
            wait.result(20)
    assert run(session).outcome is Outcome.SUCCESS


def test_a_dropped_socket_does_not_cost_the_prompt(shared, session):
    """Polling covers the gap, and a new socket brings the events that follow."""
    shared.misbehave("drop_socket", node="SleepWithProgress")
    told: list[Any] = []
    prompt_id = submitted(session, steps=30)
    assert finished(session, prompt_id, on_progress=told.append).outcome is Outcome.SUCCESS
    assert any(isinstance(one, Progress) and one.value > 1 for one in told)
    assert session.events.openings == 2


def test_a_socket_that_says_nothing_costs_little(shared, session):
    """It answers our hello and then tells of no prompt: caught twice, it is no longer relied on."""
    shared.misbehave("mute_socket", node="SleepWithProgress")
    try:
        deadline = time.monotonic() + 15
        while session.events.is_useful or not session.is_live:
            assert run(session).outcome is Outcome.SUCCESS
            assert time.monotonic() < deadline
        began = time.monotonic()
        assert run(session).outcome is Outcome.SUCCESS
        assert time.monotonic() - began < 1.0
    finally:
        shared.behave()
    told: list[Any] = []
    prompt_id = submitted(session, steps=40)
    assert finished(session, prompt_id, on_progress=told.append).outcome is Outcome.SUCCESS
    assert any(isinstance(one, Progress) for one in told)


def test_a_stall_is_forgiven(shared, session):
    """Nothing is answered for three seconds: no event, no HTTP, no pong [h5]."""
    shared.misbehave("stall", node="SleepWithProgress", seconds=1.5)
    assert run(session).outcome is Outcome.SUCCESS


def test_a_late_history_is_waited_for(shared, session):
    """The end was told, the entry is written a second later."""
    shared.misbehave("slow_history", seconds=0.5)
    assert run(session).outcome is Outcome.SUCCESS


@pytest.mark.parametrize("kind", ["post_timeout", "post_lost"])
def test_an_answer_that_does_not_come_does_not_double_the_prompt(shared, session, kind):
    """It was queued all the same [h6]."""
    shared.misbehave(kind, seconds=2)
    prompt_id = str(uuid.uuid4())
    accepted = session.submit(prompt_id, graph(steps=200), patience=QUICK)
    queue = session.client.queue()
    assert accepted.looked_up
    assert [*queue.running, *queue.pending].count(prompt_id) == 1
    session.client.withdraw(prompt_id)
    with pytest.raises((Interrupted, PromptLost)):
        finished(session, prompt_id)


def test_a_refusal_is_told(shared, session):
    """400 with node_errors."""
    shared.misbehave("refuse")
    with pytest.raises(Refused):
        submitted(session)


@pytest.mark.parametrize("how", ["torch", "cuda", "memory"])
def test_out_of_memory_is_told(shared, session, how):
    """In each of the ways in which it appears."""
    shared.misbehave("oom", node="SleepWithProgress", how=how)
    with pytest.raises(OutOfMemory):
        run(session)


def test_a_truncated_file_is_never_taken(shared, session, tmp_path):
    """Its name is final and its bytes are half: only decoding tells."""
    shared.misbehave("truncate_file")
    with pytest.raises(BadDownload):
        session.collect(run(session), OUT, into=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_gone_is_missing(shared, session, tmp_path):
    """The history lists it."""
    shared.misbehave("missing_file")
    with pytest.raises(OutputMissing):
        session.collect(run(session), OUT, into=tmp_path)


def test_a_download_that_is_cut_is_fetched_again(shared, session, tmp_path):
    """The network, not the file."""
    entry = run(session)
    shared.misbehave("cut", route="/view", times=2)
    assert session.collect(entry, OUT, into=tmp_path)["image"].is_file()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "route": "/queue", "times": 3},
        {"kind": "html", "route": "/queue", "times": 3},
        {"kind": "cut", "route": "/queue", "times": 3},
        {"kind": "answer_late", "route": "/queue", "seconds": 1.2},
        {"kind": "answer_late", "route": "/history", "seconds": 1.2},
    ],
    ids=lambda fault: f"{fault['kind']} {fault['route']}",
)
def test_a_poll_that_goes_wrong_for_a_moment_is_forgiven(shared, fault):
    """A proxy that restarts, a page in place of JSON, an answer that comes late: the prompt itself is well."""
    session = new_session(shared)
    session._tracker.start()  # without a socket, so that polling is all there is
    try:
        prompt_id = submitted(session, steps=10)
        shared.misbehave(**fault)
        assert finished(session, prompt_id).outcome is Outcome.SUCCESS
    finally:
        session.close()


def test_a_restart_of_a_child_process_is_proved_by_its_boot_id(own, session, background):
    """The prompt that it held is lost, and the session goes on with the new process."""
    lost = background(finished, session, submitted(session, steps=200))
    before = session.client.system_stats().boot_id
    restarted = session.restart(ProcessRestart(own.again), timeout_s=30, needed=["SaveImage"])
    assert restarted.boot_id not in (None, before)
    with pytest.raises(PromptLost):
        lost.result(20)
    assert run(session).outcome is Outcome.SUCCESS


def test_an_instance_without_a_way_to_restart_says_so(shared, session):
    """With the key that is missing."""
    with pytest.raises(RestartFailed, match=r"has no `restart` in config\.yaml"):
        session.restart(NoRestart(), timeout_s=5)


def test_many_waiting_sessions_cost_little(shared):
    """Sixty-four cards must leave the machine to FFmpeg: less than half a core while they wait."""
    sessions = [new_session(shared, pace=STEADY) for _ in range(16)]
    try:
        for session in sessions:
            session.start()
        assert all(session.events.wait_live(20) for session in sessions)
        long = submitted(sessions[0], steps=60, seconds_per_step=0.1)
        stop = threading.Event()
        with ThreadPoolExecutor(32) as pool:
            ids = [submitted(session) for session in sessions for _ in range(2)]
            waits = [
                pool.submit(session.wait, prompt_id, idle_timeout_s=60, total_timeout_s=60, stop=stop)
                for session, prompt_id in zip([one for one in sessions for _ in range(2)], ids, strict=True)
            ]
            time.sleep(0.5)
            began, spent = time.monotonic(), time.process_time()
            time.sleep(2)
            share = (time.process_time() - spent) / (time.monotonic() - began)
            stop.set()
            for wait in waits:
                with pytest.raises(Exception, match="stopped"):
                    wait.result(5)
        for session, prompt_id in zip([one for one in sessions for _ in range(2)], ids, strict=True):
            session.client.delete(prompt_id)
        sessions[0].withdraw(long)
        assert share < 0.125  # of a core, for 16 sessions with two waits each
    finally:
        for session in sessions:
            session.close()

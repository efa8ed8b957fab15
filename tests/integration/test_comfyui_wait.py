"""Waiting for a prompt through every race that was recorded: each test is one of them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from comfyui_stage import GRAPH, Stage, open_stage

from orchestrator.clock import SystemClock
from orchestrator.comfyui.errors import (
    ConnectionRefused,
    ExecutionFailed,
    Hung,
    InstanceDown,
    Interrupted,
    OutOfMemory,
    PromptLost,
    Stopped,
)
from orchestrator.comfyui.pace import Pace
from orchestrator.comfyui.progress import Progress, Started
from orchestrator.comfyui.replies import HistoryEntry, Outcome
from orchestrator.comfyui.session import InstanceSession

LONG_S = 30.0
QUICK = Pace(
    recheck_s=0.15,
    silent_poll_s=(0.1, 0.2),
    live_poll_s=0.3,
    flowing_poll_s=0.6,
    down_after_s=0.6,
    missing_after_s=0.4,
    socket_check_s=0.1,
)
"""All of it in tenths of seconds; what is tested is the order of things, not their length."""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as stage:
        yield stage


@pytest.fixture
def session(stage: Stage) -> Iterator[InstanceSession]:
    with new_session(stage) as session:
        assert session.events.wait_live(5)
        yield session


@pytest.fixture
def background() -> Iterator[Callable[..., Future[Any]]]:
    with ThreadPoolExecutor(8) as pool:
        yield pool.submit


def new_session(stage: Stage, **options: Any) -> InstanceSession:
    return InstanceSession("card0", stage.url, clock=SystemClock(), client_id="night-7", pace=QUICK, **options)


def submitted(session: InstanceSession) -> str:
    prompt_id = str(uuid.uuid4())
    session.submit(prompt_id, GRAPH)
    return prompt_id


def waiting(
    background: Callable[..., Future[Any]],
    session: InstanceSession,
    prompt_id: str,
    *,
    idle_timeout_s: float = LONG_S,
    total_timeout_s: float = LONG_S,
    **options: Any,
) -> Future[HistoryEntry]:
    return background(
        session.wait, prompt_id, idle_timeout_s=idle_timeout_s, total_timeout_s=total_timeout_s, **options
    )


def test_success_comes_with_the_servers_own_times(stage, session, background):
    """Reports compute card time from these: they must be the server's clock, aware, in UTC."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id)
    stage.begin(prompt_id)
    stage.end(prompt_id, outputs={"9": {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}})
    entry = done.result(5)
    assert entry.outcome is Outcome.SUCCESS
    assert entry.started_at is not None
    assert entry.finished_at is not None
    assert entry.started_at.tzinfo is UTC
    assert entry.finished_at - entry.started_at == timedelta(milliseconds=600)


def test_history_that_follows_late_is_waited_for(stage, session, background):
    """The end is told before the history is written: an empty history right after it must not count as lost."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id)
    stage.begin(prompt_id)
    stage.end(prompt_id, history_after_s=0.4)
    assert done.result(5).outcome is Outcome.SUCCESS


def test_the_end_is_known_within_milliseconds(stage, session, background):
    """Between the end of one prompt and the next submission lies this wait: the card may be idle for it."""
    delays = []
    for _ in range(10):
        prompt_id = submitted(session)
        done = waiting(background, session, prompt_id)
        stage.begin(prompt_id)
        stage.end(prompt_id, history_after_s=0.003)
        written = time.monotonic()
        done.result(5)
        delays.append(time.monotonic() - written)
    assert sorted(delays)[5] < 0.02


def test_polling_takes_over_when_there_is_no_socket(stage, background):
    """A proxy that passes no websockets must cost seconds at most, not the night."""

    async def refuse(request):
        from aiohttp import web

        return web.Response(status=403)

    stage._websocket = refuse  # type: ignore[method-assign]
    stage.stop()
    stage.start()
    with new_session(stage) as session:
        prompt_id = submitted(session)
        done = waiting(background, session, prompt_id, idle_timeout_s=0.8)
        stage.begin(prompt_id, tell=False)
        time.sleep(1.5)  # longer than idle_timeout_s: without a socket, silence alone is no hang
        assert not done.done()
        stage.end(prompt_id, tell=False)
        assert done.result(5).outcome is Outcome.SUCCESS
        assert not session.is_live


def test_a_dropped_socket_comes_back_under_the_same_id(stage, session, background):
    """Messages go to the id that a prompt was submitted under: only that one brings the rest of the events [g1]."""
    prompt_id = submitted(session)
    told: list[Any] = []
    done = waiting(background, session, prompt_id, on_progress=told.append)
    stage.begin(prompt_id)
    stage.tick(prompt_id, 1)
    stage.drop_sockets()
    stage.until(lambda: stage.opened == 2 and session.is_live)
    stage.tick(prompt_id, 3)
    stage.until(lambda: any(isinstance(one, Progress) and one.value == 3 for one in told))
    stage.end(prompt_id)
    assert done.result(5).outcome is Outcome.SUCCESS


def test_an_end_missed_while_the_socket_was_away_is_found(stage, session, background):
    """Nothing is replayed after a reconnect: the history alone tells [g2]."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id)
    stage.begin(prompt_id)
    stage.is_deaf = True
    stage.drop_sockets()
    stage.end(prompt_id, tell=False)
    assert done.result(5).outcome is Outcome.SUCCESS


def test_a_deaf_socket_is_replaced(stage, session, background):
    """The server may forget an open socket [g3]; polling finds the end, and a new socket brings the next events."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id)
    stage.sockets.clear()  # the server forgets it; it stays open and answers pings
    stage.begin(prompt_id)
    stage.end(prompt_id)
    assert done.result(10).outcome is Outcome.SUCCESS
    stage.until(lambda: stage.opened == 2 and session.is_live)


def test_a_silent_socket_is_replaced_before_the_prompt_counts_as_hung(stage, session, background):
    """A healthy prompt on a deaf socket would otherwise be killed for its silence."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id, idle_timeout_s=3.0)
    stage.begin(prompt_id)
    stage.sockets.clear()
    stage.until(lambda: stage.opened == 2 and session.is_live)
    for value in range(8):  # for longer than the idle limit, counted from the start
        time.sleep(0.4)
        stage.tick(prompt_id, value, 8)
    stage.end(prompt_id)
    assert done.result(5).outcome is Outcome.SUCCESS


def test_an_execution_blocked_is_not_the_end(stage, session, background):
    """It comes as an execution_error and the prompt goes on to success [d6]."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id)
    stage.begin(prompt_id)
    data = {"exception_type": "ExecutionBlocked", "exception_message": "Execution Blocked: no face found"}
    stage.say("execution_error", {"prompt_id": prompt_id, "node_id": "9", **data})
    time.sleep(0.3)
    assert not done.done()
    stage.end(prompt_id)
    assert done.result(5).outcome is Outcome.SUCCESS


def test_a_burst_after_a_stall_keeps_the_servers_times(stage, session, background):
    """During a stall all messages come at once afterwards: arrival says nothing about when things began [h5]."""
    prompt_id = submitted(session)
    told: list[Any] = []
    done = waiting(background, session, prompt_id, on_progress=told.append)
    began = datetime.now(UTC) - timedelta(seconds=40)
    stage.say("execution_start", {"prompt_id": prompt_id, "timestamp": int(began.timestamp() * 1000)})
    for value in range(1, 5):
        stage.tick(prompt_id, value)
    stage.end(prompt_id)
    done.result(5)
    assert isinstance(told[0], Started)
    assert abs((told[0].at - began).total_seconds()) < 0.01


def test_messages_of_others_and_unknown_ones_are_ignored(stage, session, background):
    """Prompts without a client id are told to everybody, and custom nodes send what they like [g4, j2]."""
    prompt_id, other = submitted(session), str(uuid.uuid4())
    told: list[Any] = []
    done = waiting(background, session, prompt_id, on_progress=told.append)
    stage.begin(prompt_id)
    stage.tick(other, 4)
    stage.say("execution_interrupted", {"prompt_id": other, "node_id": "2"})
    stage.say("execution_success", {"prompt_id": other})
    stage.say("crystools.monitor", {"gpus": [None]})
    stage.say("logs", {"entries": ["x"]})
    stage.say_bytes(b"\x00\x00\x00\x01\x00\x00\x00\x02" + b"\x89PNG" * 1_000_000)
    stage.say_bytes(b"")
    stage.tick(prompt_id, 2)
    stage.until(lambda: any(isinstance(one, Progress) and one.value == 2 for one in told))
    assert not done.done()
    stage.end(prompt_id)
    assert done.result(5).outcome is Outcome.SUCCESS
    assert session.events.openings == 1


def test_progress_names_node_step_and_percent(stage, session, background):
    """What the page and the terminal show: title, step of steps, per cent over the whole prompt, never back."""
    prompt_id = submitted(session)
    told: list[Any] = []
    done = waiting(background, session, prompt_id, on_progress=told.append)
    stage.begin(prompt_id)
    stage.say("executing", {"node": "2", "display_node": "2", "prompt_id": prompt_id})
    for value in (1, 2, 3, 4):
        stage.tick(prompt_id, value)
        time.sleep(0.12)
    stage.say("executing", {"node": "9", "display_node": "9", "prompt_id": prompt_id})
    stage.end(prompt_id)
    done.result(5)
    ticks = [one for one in told if isinstance(one, Progress)]
    assert isinstance(told[0], Started)
    assert (ticks[-2].node_title, ticks[-2].class_type) == ("Sleep", "SleepWithProgress")
    assert any((one.value, one.maximum) == (2.0, 4.0) for one in ticks)
    assert [one.percent for one in ticks] == sorted(one.percent for one in ticks)
    assert 0 < ticks[1].percent < 90 <= ticks[-1].percent + 20 <= 120


def test_progress_is_not_told_more_than_ten_times_a_second(stage, session, background):
    """A node may tick a thousand times a second, and a listener writes to a database."""
    prompt_id = submitted(session)
    told: list[Any] = []
    done = waiting(background, session, prompt_id, on_progress=told.append)
    stage.begin(prompt_id)
    began = time.monotonic()
    for value in range(400):
        stage.tick(prompt_id, value, 400)
    took_s = time.monotonic() - began
    stage.end(prompt_id)
    done.result(5)
    assert len(told) <= took_s * 10 + 5


def test_a_failed_node_is_told_with_its_title(stage, session, background):
    """The operator reads this in the morning; the server's paths and tracebacks stay out of it."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id)
    stage.begin(prompt_id)
    data = {"node_id": "2", "node_type": "SleepWithProgress", "exception_type": "ValueError"}
    trace = ['  File "/opt/secret/execution.py"']
    stage.end(
        prompt_id, kind="execution_error", data={**data, "exception_message": "bad latent\nx\n", "traceback": trace}
    )
    with pytest.raises(ExecutionFailed) as caught:
        done.result(5)
    assert "card0: `Sleep` (SleepWithProgress) failed with ValueError: bad latent" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.prompt_id == prompt_id


def test_out_of_memory_asks_for_freed_memory(stage, session, background):
    """It is the one failure that another setting of the card may heal."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id)
    stage.begin(prompt_id)
    data = {"node_id": "2", "node_type": "KSampler", "exception_type": "torch.OutOfMemoryError"}
    stage.end(prompt_id, kind="execution_error", data={**data, "exception_message": "Allocation on device \n"})
    with pytest.raises(OutOfMemory):
        done.result(5)


def test_an_interrupted_prompt_is_told_as_such(stage, session, background):
    """Its status is `error` like any failure; only the message tells that somebody stopped it [e1]."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id)
    stage.begin(prompt_id)
    stage.end(prompt_id, kind="execution_interrupted", data={"node_id": "2", "node_type": "KSampler", "executed": []})
    with pytest.raises(Interrupted):
        done.result(5)


def test_a_prompt_in_neither_place_is_looked_for_twice(stage, session, background):
    """A prompt that moves between the two questions is in neither of the answers: one look must not count as lost."""
    prompt_id = submitted(session)
    row = stage.pending.pop()
    done = waiting(background, session, prompt_id)
    looks = len(stage.asked("GET", f"/history/{prompt_id}"))
    session._tracker.look_now()
    stage.until(lambda: len(stage.asked("GET", f"/history/{prompt_id}")) > looks)
    stage.pending.append(row)
    time.sleep(0.5)
    assert not done.done()
    stage.begin(prompt_id)
    stage.end(prompt_id)
    assert done.result(5).outcome is Outcome.SUCCESS


def test_a_prompt_that_was_deleted_is_lost_and_not_counted(stage, session, background):
    """A deleted prompt leaves no trace and no message [f1]; the item is not at fault."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id)
    stage.pending.clear()
    with pytest.raises(PromptLost) as caught:
        done.result(8)
    assert caught.value.counted is False


def test_a_restarted_server_has_lost_the_prompt(stage, session, background):
    """A restart empties queue and history [h1]: the prompt will never end."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id)
    stage.begin(prompt_id)
    stage.stop()
    stage.forget()
    time.sleep(0.2)
    stage.start()
    with pytest.raises(PromptLost):
        done.result(8)


def test_another_boot_id_is_proof_enough(stage, background):
    """Where the server tells which process it is, there is no need to look twice."""
    stage.stats["boot_id"] = "first"
    with new_session(stage) as session:
        assert session.events.wait_live(5)
        prompt_id = submitted(session)
        done = waiting(background, session, prompt_id)
        stage.begin(prompt_id)
        stage.until(lambda: session.boot_id == "first")
        stage.forget()
        stage.stats["boot_id"] = "second"
        stage.drop_sockets()
        with pytest.raises(PromptLost, match="has restarted"):
            done.result(8)


def test_a_server_that_stays_away_is_down(stage, background):
    """The runner restarts it or waits; a prompt must not wait for ever on a dead port."""
    with new_session(stage) as session:
        prompt_id = submitted(session)
        done = waiting(background, session, prompt_id)
        began = time.monotonic()
        stage.stop()
        with pytest.raises(ConnectionRefused) as caught:
            done.result(8)
        assert isinstance(caught.value, InstanceDown)
        assert 0.5 < time.monotonic() - began < 3  # not at the first refusal: it may be coming back
        assert caught.value.counted is False


def test_a_running_prompt_without_any_sign_of_life_is_hung(stage, session, background):
    """The zombie worker: HTTP is healthy, the prompt stays running, nothing ever comes [h3]."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id, idle_timeout_s=0.8)
    stage.begin(prompt_id)
    began = time.monotonic()
    with pytest.raises(Hung, match="nothing has come for 1 s in its phase `sample`"):
        done.result(8)
    assert time.monotonic() - began >= 0.7


def test_waiting_in_the_queue_does_not_count_as_idle(stage, session, background):
    """With two prompts queued, the second one waits for as long as the first one runs."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id, idle_timeout_s=0.3)
    time.sleep(0.8)
    assert not done.done()
    stage.begin(prompt_id)
    stage.end(prompt_id)
    assert done.result(5).outcome is Outcome.SUCCESS


def test_a_queue_that_stands_still_is_hung_in_the_end(stage, session, background):
    """Behind a prompt of somebody else that never ends, ours would wait for ever."""
    stage.running.append([0, "foreign", {}, {}, []])
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id, total_timeout_s=0.5)
    with pytest.raises(Hung, match="queue has not moved"):
        done.result(8)


def test_a_prompt_that_runs_for_too_long_is_hung(stage, session, background):
    """A node may tick for ever: progress alone does not keep a prompt alive."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id, total_timeout_s=0.8)
    stage.begin(prompt_id)
    for value in range(20):
        if done.done():
            break
        stage.tick(prompt_id, value, 100)
        time.sleep(0.1)
    with pytest.raises(Hung, match="total_timeout_s"):
        done.result(5)


def test_a_stall_shorter_than_the_idle_limit_is_forgiven(stage, session, background):
    """A node that keeps the interpreter lock stops HTTP and pongs for seconds although the job is healthy [h5]."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id, idle_timeout_s=3)
    stage.begin(prompt_id)
    stage.stall(1.2)
    time.sleep(1.3)
    stage.end(prompt_id)
    assert done.result(5).outcome is Outcome.SUCCESS


def test_a_stall_longer_than_the_idle_limit_is_hung(stage, session, background):
    """A server that does not answer at all gives no sign of life either, and must not wait for an HTTP time-out."""
    prompt_id = submitted(session)
    done = waiting(background, session, prompt_id, idle_timeout_s=0.6)
    stage.begin(prompt_id)
    stage.until(lambda: session._board.open_watches()[0].running_since is not None)
    stage.stall(1.6)
    began = time.monotonic()
    with pytest.raises(Hung):
        done.result(8)
    assert time.monotonic() - began < 1.2


def test_stop_is_noticed_at_once_even_during_a_stall(stage, session, background):
    """Ctrl-C twice means now, whatever the server does; the prompt is left for the next night to find."""
    prompt_id, stop = submitted(session), threading.Event()
    done = waiting(background, session, prompt_id, stop=stop)
    stage.begin(prompt_id)
    stage.stall(1)
    time.sleep(0.1)
    stop.set()
    began = time.monotonic()
    with pytest.raises(Stopped):
        done.result(5)
    assert time.monotonic() - began < 0.25
    assert [row[1] for row in stage.running] == [prompt_id]


def test_close_ends_waits_and_threads_promptly(stage, background):
    """A night that ends must not leave threads that hold the process."""
    before = set(threading.enumerate())
    session = new_session(stage)
    session.start()
    assert session.events.wait_live(5)
    done = waiting(background, session, submitted(session))
    time.sleep(0.2)
    began = time.monotonic()
    session.close()
    assert time.monotonic() - began < 1.0
    with pytest.raises(Stopped):
        done.result(2)
    left = [one for one in set(threading.enumerate()) - before if one.name.startswith(("events", "poll"))]
    assert left == []


def test_a_stored_id_is_re_attached_after_a_crash(stage, session, background):
    """The new session has never seen the prompt; the id alone brings it back, with its graph for the progress."""
    prompt_id = str(uuid.uuid4())
    stage.accept({"prompt_id": prompt_id, "prompt": GRAPH, "client_id": "night-7"})
    stage.begin(prompt_id, tell=False)
    told: list[Any] = []
    done = waiting(background, session, prompt_id, on_progress=told.append)
    stage.until(lambda: any(isinstance(one, Started) for one in told))
    stage.tick(prompt_id, 2)
    stage.until(lambda: any(isinstance(one, Progress) for one in told))
    assert [one.node_title for one in told if isinstance(one, Progress)] == ["Sleep"]
    stage.end(prompt_id)
    assert done.result(5).outcome is Outcome.SUCCESS


def test_a_prompt_of_another_client_id_is_not_taken_for_hung(stage, session, background):
    """Its events go elsewhere, so silence on our socket means nothing."""
    prompt_id = str(uuid.uuid4())
    stage.accept({"prompt_id": prompt_id, "prompt": GRAPH, "client_id": "the process that died"})
    stage.begin(prompt_id, tell=False)
    done = waiting(background, session, prompt_id, idle_timeout_s=0.7)
    time.sleep(1.5)
    assert not done.done()
    stage.end(prompt_id, tell=False)
    assert done.result(6).outcome is Outcome.SUCCESS


def test_an_id_that_finished_long_ago_is_found_at_once(stage, session, background):
    """What was in flight when we crashed may be done: it is collected, not made again."""
    prompt_id = str(uuid.uuid4())
    stage.end(prompt_id, tell=False)
    began = time.monotonic()
    assert session.wait(prompt_id, idle_timeout_s=5, total_timeout_s=5).outcome is Outcome.SUCCESS
    assert time.monotonic() - began < 0.3
    assert session.events.openings == 1


def test_two_waits_cost_one_question(stage, session, background):
    """An instance holds two prompts all night: asking for each would double the traffic for nothing."""
    first, second = submitted(session), submitted(session)
    waits = [waiting(background, session, one) for one in (first, second)]
    asked = len(stage.asked("GET", "/queue"))
    time.sleep(0.8)
    assert 1 <= len(stage.asked("GET", "/queue")) - asked <= 3
    stage.begin(first)
    for prompt_id, wait in zip((first, second), waits, strict=True):
        stage.end(prompt_id)
        assert wait.result(5).prompt_id == prompt_id

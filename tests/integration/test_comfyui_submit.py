"""Handing prompts over exactly once, against every answer that was recorded and some that were not."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from comfyui_stage import GRAPH, Stage, json_answer, open_stage, text_answer

from orchestrator.clock import SystemClock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import (
    AnswerTimedOut,
    ConnectionBroken,
    ConnectionRefused,
    GatewayDown,
    InstanceDown,
    MissingNodeClass,
    NotComfyUI,
    Refused,
    ServerFault,
    Stopped,
    TooLarge,
    UnsupportedServer,
)
from orchestrator.comfyui.pace import Pace
from orchestrator.comfyui.replies import Place
from orchestrator.comfyui.submission import Patience

QUICK = Patience(answer_s=5.0, grace_s=0.1, sends=3)
RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "resources" / "comfyui" / "refusals.json").read_text()
)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as stage:
        yield stage


@pytest.fixture
def client(stage: Stage) -> Iterator[ComfyClient]:
    client = ComfyClient(
        stage.url, client_id="night-7", clock=SystemClock(), read_timeout_s=0.4, pace=Pace(recheck_s=0.15)
    )
    yield client
    client.close()


def new_id() -> str:
    return str(uuid.uuid4())


def recorded(note: str) -> dict[str, Any]:
    return next(one for one in RECORDED if one["note"].startswith(note))


def test_the_prompt_goes_under_our_id_and_client_id(stage, client):
    """Both are what brings it back after a crash; without a client id, cached nodes leave no outputs."""
    prompt_id = new_id()
    accepted = client.submit(prompt_id, GRAPH, extra_data={"extra_pnginfo": {"job": 7}})
    (post,) = stage.asked("POST", "/prompt")
    assert post.body["prompt_id"] == prompt_id
    assert post.body["client_id"] == "night-7"
    assert post.body["prompt"] == GRAPH
    assert post.body["extra_data"] == {"preview_method": "none", "extra_pnginfo": {"job": 7}}
    assert "number" not in post.body  # a repeated number with a repeated id breaks the server's queue
    assert (accepted.prompt_id, accepted.number, accepted.looked_up) == (prompt_id, 0, False)


def test_a_prompt_accepted_without_an_answer_is_found_and_not_sent_again(stage, client):
    """The server reads the request after we gave up on it [h6]: a second send would make the film twice."""
    prompt_id = new_id()

    async def accept_and_say_nothing(request: web.Request) -> web.StreamResponse:
        stage.accept(await request.json())
        await asyncio.sleep(0.6)
        return web.Response()

    stage.routes["POST /prompt"] = accept_and_say_nothing
    accepted = client.submit(prompt_id, GRAPH, patience=QUICK)
    assert accepted.looked_up
    assert [row[1] for row in stage.pending] == [prompt_id]
    assert len(stage.asked("POST", "/prompt")) == 1


def test_a_prompt_that_arrives_in_the_grace_time_is_found(stage, client):
    """It may still lie in the server's socket buffer at the first look."""
    prompt_id = new_id()

    async def accept_late(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        asyncio.get_running_loop().call_later(0.8, stage.accept, body)
        await asyncio.sleep(0.6)
        return web.Response()

    stage.routes["POST /prompt"] = accept_late
    accepted = client.submit(prompt_id, GRAPH, patience=Patience(answer_s=5, grace_s=0.6))
    assert accepted.looked_up
    assert len(stage.asked("POST", "/prompt")) == 1


def test_a_prompt_that_never_arrived_is_sent_again_under_the_same_id(stage, client):
    """Only after two looks, and with the same id, so that the stored one stays true."""
    prompt_id = new_id()
    first = threading.Event()

    async def lose_the_first(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if not first.is_set():
            first.set()
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        row = stage.accept(body)
        return web.json_response({"prompt_id": row[1], "number": row[0], "node_errors": {}})

    stage.routes["POST /prompt"] = lose_the_first
    accepted = client.submit(prompt_id, GRAPH, patience=QUICK)
    posts = stage.asked("POST", "/prompt")
    assert not accepted.looked_up
    assert [post.body["prompt_id"] for post in posts] == [prompt_id, prompt_id]
    assert len(stage.asked("GET", f"/history/{prompt_id}")) >= 2


def test_a_prompt_that_was_done_before_its_answer_is_found_in_the_history(stage, client):
    """A cached prompt takes milliseconds: it may be over when we ask."""
    prompt_id = new_id()

    async def run_and_break(request: web.Request) -> web.StreamResponse:
        await request.read()
        stage.history[prompt_id] = {"outputs": {}, "status": {"status_str": "success"}}
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    stage.routes["POST /prompt"] = run_and_break
    accepted = client.submit(prompt_id, GRAPH, patience=QUICK)
    assert (accepted.looked_up, accepted.number) == (True, -1)


def test_a_server_that_never_takes_it_is_given_up_as_unsure(stage, client):
    """Whoever stores the attempt must know that it may be there after all."""

    async def hang_up(request: web.Request) -> web.StreamResponse:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    stage.routes["POST /prompt"] = hang_up
    with pytest.raises(ConnectionBroken) as caught:
        client.submit(new_id(), GRAPH, patience=QUICK)
    assert caught.value.facts["maybe_accepted"] is True
    assert len(stage.asked("POST", "/prompt")) == 3


def test_a_server_that_dies_on_the_prompt_is_down(stage, client):
    """The node may have killed it [h2]: the answer never comes, and the port refuses from then on."""

    async def die(request: web.Request) -> web.StreamResponse:
        await request.read()
        threading.Thread(target=stage.stop).start()
        await asyncio.sleep(5)
        return web.Response()

    stage.routes["POST /prompt"] = die
    with pytest.raises(InstanceDown) as caught:
        client.submit(new_id(), GRAPH, patience=Patience(down_s=0.6, grace_s=0.1))
    assert caught.value.facts["maybe_accepted"] is True


def test_a_refused_connection_is_certain(client, stage):
    """Nothing was sent, so there is nothing to look for."""
    stage.stop()
    began = time.monotonic()
    with pytest.raises(ConnectionRefused) as caught:
        client.submit(new_id(), GRAPH)
    assert "maybe_accepted" not in caught.value.facts
    assert time.monotonic() - began < 1


def test_a_stalled_server_is_waited_for(stage, client):
    """A node that keeps the interpreter lock holds everything up; the prompt is queued all the same [h6]."""
    prompt_id = new_id()
    client.queue()
    stage.stall(1.2)
    accepted = client.submit(prompt_id, GRAPH, patience=Patience(answer_s=8, grace_s=0.2))
    assert accepted.looked_up
    assert [row[1] for row in stage.pending] == [prompt_id]


def test_a_stop_ends_the_search(stage, client):
    """A person who wants to stop now does not wait two minutes for a stalled server."""
    stop = threading.Event()
    stage.stall(2.0)
    threading.Timer(0.6, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped) as caught:
        client.submit(new_id(), GRAPH, stop=stop)
    assert time.monotonic() - began < 1.5
    assert caught.value.facts["maybe_accepted"] is True


def test_200_with_node_errors_is_taken_back_and_refused(stage, client):
    """The good branches were queued: they would cost card time for a result that lacks the wanted output [c2]."""
    prompt_id = new_id()
    answer = dict(recorded("two output branches")["response"], prompt_id=prompt_id)

    async def accept_half(request: web.Request) -> web.StreamResponse:
        stage.accept(await request.json())
        return web.json_response(answer)

    stage.routes["POST /prompt"] = accept_half
    with pytest.raises(Refused, match="upscale_method"):
        client.submit(prompt_id, GRAPH)
    assert stage.pending == []


def test_200_with_node_errors_of_a_prompt_that_runs_already_is_interrupted(stage, client):
    """Deleting does not touch what runs."""
    prompt_id = new_id()
    answer = dict(recorded("two output branches")["response"], prompt_id=prompt_id)

    async def run_half(request: web.Request) -> web.StreamResponse:
        stage.accept(await request.json())
        stage.running.append(stage.pending.pop())
        return web.json_response(answer)

    stage.routes["POST /prompt"] = run_half
    with pytest.raises(Refused):
        client.submit(prompt_id, GRAPH)
    assert [one.body for one in stage.asked("POST", "/interrupt")] == [{"prompt_id": prompt_id}]


def test_a_recorded_400_is_a_refusal(stage, client):
    """Nothing is looked for: the server has said no."""
    case = recorded("unknown class_type")
    stage.routes["POST /prompt"] = json_answer(case["response"], status=400)
    with pytest.raises(MissingNodeClass, match="NoSuchNode"):
        client.submit(new_id(), case["graph"])
    assert stage.asked("GET", "/queue") == []


def test_a_500_that_queued_nothing_is_the_graphs_fault(stage, client):
    """The editor's own format does that [c1]."""
    stage.routes["POST /prompt"] = text_answer(
        "500 Internal Server Error\n\nServer got itself in trouble", status=500, content_type="text/plain"
    )
    with pytest.raises(ServerFault, match="editor's own"):
        client.submit(new_id(), GRAPH, patience=QUICK)
    assert len(stage.asked("POST", "/prompt")) == 1


def test_a_500_that_queued_the_prompt_is_an_acceptance(stage, client):
    """The heap compare fails after the append [f3]."""

    async def queue_and_fail(request: web.Request) -> web.StreamResponse:
        stage.accept(await request.json())
        return web.Response(status=500, text="500 Internal Server Error")

    stage.routes["POST /prompt"] = queue_and_fail
    assert client.submit(new_id(), GRAPH, patience=QUICK).looked_up


def test_a_proxys_502_is_no_answer_of_the_server(stage, client):
    """The proxy may have passed it on."""
    stage.routes["POST /prompt"] = text_answer("<html><title>502 Bad Gateway</title></html>", status=502)
    with pytest.raises(GatewayDown):
        client.submit(new_id(), GRAPH, patience=QUICK)


def test_413_names_the_limit(stage, client):
    """Recorded text of the server [i4]."""
    text = "Maximum request body size 1048576 exceeded."
    stage.routes["POST /prompt"] = text_answer(text, status=413, content_type="text/plain")
    with pytest.raises(TooLarge, match="1048576") as caught:
        client.submit(new_id(), GRAPH)
    assert "--max-upload-size" in str(caught.value)


def test_a_server_that_gives_an_id_of_its_own_is_too_old(stage, client):
    """Before 0.3.45 the id could not be chosen; the prompt it queued under another one is taken back."""
    own = new_id()

    async def ignore_our_id(request: web.Request) -> web.StreamResponse:
        stage.accept({**await request.json(), "prompt_id": own})
        return web.json_response({"prompt_id": own, "number": 0, "node_errors": {}})

    stage.routes["POST /prompt"] = ignore_our_id
    with pytest.raises(UnsupportedServer):
        client.submit(new_id(), GRAPH)
    assert stage.pending == []


@pytest.mark.parametrize("answer", [{}, [], {"ok": True}, "done"])
def test_an_answer_that_is_no_acceptance_is_not_comfyui(stage, client, answer):
    """Another API at that port may well answer 200 to a POST."""
    stage.routes["POST /prompt"] = json_answer(answer)
    with pytest.raises(NotComfyUI, match="a prompt id was expected"):
        client.submit(new_id(), GRAPH)


def test_withdraw_takes_a_prompt_off_wherever_it_is(stage, client):
    """Deleted while it waits, interrupted while it runs, and nothing of another prompt is touched."""
    waiting, runs, absent = new_id(), new_id(), new_id()
    for prompt_id in (waiting, runs):
        client.submit(prompt_id, GRAPH)
    stage.begin(runs)
    assert client.withdraw(waiting) is Place.UNKNOWN  # looked for again, and gone
    assert client.withdraw(runs) is Place.RUNNING
    assert client.withdraw(absent) is Place.UNKNOWN
    assert stage.pending == []
    assert [one.body for one in stage.asked("POST", "/interrupt")] == [{"prompt_id": runs}]


def test_locate_asks_the_queue_first_and_looks_twice(stage, client):
    """The other order, or one look, can miss a prompt that moves [a4]."""
    prompt_id = new_id()
    assert client.locate(prompt_id).place is Place.UNKNOWN
    paths = [one.path for one in stage.seen]
    assert paths == ["/queue", f"/history/{prompt_id}"] * 2
    client.submit(prompt_id, GRAPH)
    assert client.locate(prompt_id).place is Place.PENDING
    stage.begin(prompt_id)
    assert client.locate(prompt_id).place is Place.RUNNING
    stage.end(prompt_id)
    location = client.locate(prompt_id)
    assert location.place is Place.FINISHED
    assert location.entry is not None


def test_a_read_timeout_is_told_as_busy(stage, client):
    """One time-out is no reason to kill anything."""
    client.queue()
    stage.stall(1.2)
    with pytest.raises(AnswerTimedOut, match="did not answer GET /queue in time"):
        client.queue()

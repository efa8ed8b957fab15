"""VLLM inside our own process, by a stand-in with the real signatures: asked through the same socket as any server."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from servers_world import managed, server_settings

from orchestrator.servers.errors import ServerError
from orchestrator.servers.server import ManagedServer, Stage

STAND_IN = Path(__file__).resolve().parents[1] / "resources" / "vllm_stand_in"
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}, "strict": True}}


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(STAND_IN))
    found = importlib.import_module("vllm")
    found.CALLS.clear()
    yield found
    for name in ("vllm", "vllm.sampling_params"):
        sys.modules.pop(name, None)


@pytest.fixture
def inside(tmp_path: Path, vllm: Any) -> Iterator[ManagedServer]:
    server = managed(server_settings(inside={"model": "/models/qwen", "arguments": {"max_model_len": 8192}}), tmp_path)
    server.wake()
    yield server
    server.close()


def ask(server: ManagedServer, text: str, **more: Any) -> requests.Response:
    body = {"messages": [{"role": "user", "content": text}], "max_tokens": 64, **more}
    return requests.post(f"{server.url}/v1/chat/completions", json=body, timeout=20)


def said(reply: requests.Response) -> str:
    assert reply.status_code == 200, reply.text
    return str(reply.json()["choices"][0]["message"]["content"])


def test_a_question_is_answered_in_openais_form(inside):
    """The shape is asked for, and what the model's makers recommend holds where the question says nothing."""
    reply = ask(inside, "Bonjour", response_format=SCHEMA, seed=7, temperature=0.1)
    assert json.loads(said(reply)) == {"said": "Bonjour", "seed": 7, "top_p": 0.8, "temperature": 0.1}
    answer = reply.json()
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert requests.get(f"{inside.url}/v1/models", timeout=5).json()["data"][0]["id"] == "/models/qwen"


def test_questions_that_come_together_are_answered_together(inside, vllm):
    """Twenty scripts cost hardly more than one."""
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: said(ask(inside, str(number))), range(20)))
    assert answers == [str(number) for number in range(20)]
    assert len(vllm.CALLS) < 20
    assert sum(vllm.CALLS) == 20


def test_a_bad_question_fails_alone(inside):
    """One painting's article is too long; the nineteen others were asked in the same moment."""
    with ThreadPoolExecutor(3) as pool:
        replies = list(pool.map(lambda text: ask(inside, text), ["one", "too long", "two"]))
    assert [reply.status_code for reply in replies] == [200, 400, 200]
    assert "longer than the maximum model length" in replies[1].json()["error"]["message"]
    assert ask(inside, "x", temperature=-1).status_code == 400
    assert requests.post(f"{inside.url}/v1/chat/completions", data=b"{", timeout=5).status_code == 400


def test_it_sleeps_and_wakes_like_a_server(inside):
    """One way of handing over the card, whatever the model runs in."""
    inside.rest()
    assert inside.stage is Stage.RESTING
    assert ask(inside, "x").status_code == 503
    inside.wake()
    assert said(ask(inside, "x")) == "x"
    inside.stop("enough")
    assert inside.stage is Stage.ENDED
    inside.wake()
    assert said(ask(inside, "y")) == "y"


def test_without_vllm_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    """It is an extra of several gigabytes; nobody has it by accident."""
    monkeypatch.setitem(sys.modules, "vllm", None)
    server = managed(server_settings(inside={"model": "/models/qwen"}), tmp_path)
    with pytest.raises(ServerError, match=r"vLLM is not installed here: .*pip install 'nightreel\[vllm\]'"):
        server.wake()
    server.close()


def test_a_model_that_cannot_be_loaded_is_named(tmp_path, vllm):
    """A slip in the path, or an argument that this vLLM has not."""
    for inside, words in (
        ({"model": "/no/such/model"}, "cannot load /no/such/model: OSError"),
        ({"model": "/m", "arguments": {"gpu_memory": 1}}, "unexpected keyword argument 'gpu_memory'"),
    ):
        server = managed(server_settings(inside=inside), tmp_path)
        with pytest.raises(ServerError, match=words):
            server.wake()
        server.close()

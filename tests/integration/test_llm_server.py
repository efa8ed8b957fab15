"""The embedded language model as a process behind a real socket: OpenAI's forms, a clean start and a clean end."""

from __future__ import annotations

import base64
import io
import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from senses_pictures import couple, portrait
from senses_server import embedded

from orchestrator.embedded.llm import main, serve


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with embedded("--idle-exit-s", "120") as (address, _):
        yield address


def post(url: str, body: Any) -> requests.Response:
    return requests.post(url + "/chat/completions", json=body, timeout=30)


def asking(text: str = "Hello", *, schema: dict[str, Any] | None = None, picture: str | None = None) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if picture is not None:
        parts.append({"type": "image_url", "image_url": {"url": picture}})
    body: dict[str, Any] = {"model": "x", "messages": [{"role": "user", "content": parts}], "seed": 3}
    if schema is not None:
        described = {"name": "shape", "schema": schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": described}
    return body


def data_uri(picture: Any) -> str:
    content = io.BytesIO()
    picture.save(content, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def said(reply: requests.Response) -> str:
    assert reply.status_code == 200, reply.text
    return reply.json()["choices"][0]["message"]["content"]


def test_health_and_models_answer(url):
    """Start-up waits for one of them; the summary shows the other."""
    root = url.removesuffix("/v1")
    for address in (root + "/health", url + "/health"):
        assert requests.get(address, timeout=10).json()["nightreel_preview"] is True
    models = requests.get(url + "/models", timeout=10).json()
    assert [one["id"] for one in models["data"]] == ["nightreel-preview"]


def test_an_answer_has_openais_form_and_is_marked(url):
    """Clients that others wrote read these fields; the fingerprint says that it is a preview."""
    answer = post(url, asking()).json()
    assert answer["object"] == "chat.completion"
    assert answer["system_fingerprint"] == answer["model"] == "nightreel-preview"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert "preview" in answer["choices"][0]["message"]["content"]
    assert answer["usage"]["total_tokens"] > 0


def test_pictures_are_judged_by_what_they_show(url):
    """One face or two: measured, not guessed."""
    schema = {
        "type": "object",
        "properties": {"persons": {"type": "integer"}, "portrait": {"type": "number"}, "sex": {"type": "string"}},
        "required": ["persons", "portrait", "sex"],
    }
    one = json.loads(said(post(url, asking("A lady", schema=schema, picture=data_uri(portrait())))))
    two = json.loads(said(post(url, asking("Two", schema=schema, picture=data_uri(couple())))))
    assert (one["persons"], two["persons"]) == (1, 2)
    assert one["portrait"] > 0.5 > two["portrait"]
    assert one["sex"] == "woman"


def test_the_same_question_gets_the_same_answer(url):
    """Nights are reproducible from their seeds."""
    schema = {"type": "object", "properties": {"sentences": {"type": "array", "items": {"type": "object"}}}}
    block = '<<<DATA\n{"language": "en", "painting": {"artist": "Agnes Holt"}, "facts": []}\nDATA>>>'
    bodies = [asking(block, schema=schema) | {"seed": seed} for seed in (1, 1, 2)]
    first, again, other = (said(post(url, body)) for body in bodies)
    assert first == again != other
    assert "Agnes Holt" in first


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ([], None),
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hello"]}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages"),
        (asking() | {"stream": True}, "stream"),
        (asking() | {"response_format": {"type": "json_schema"}}, "response_format"),
        (asking() | {"response_format": "json"}, "response_format"),
        (asking(schema={"$ref": "#/nowhere"}), "response_format"),
        (asking(picture="https://example.org/a.jpg"), "messages"),
        (asking(picture="data:image/png;base64,!!!"), "messages"),
        (asking(picture="data:image/png;base64,aGVsbG8="), "messages"),
    ],
)
def test_a_bad_request_is_refused_in_openais_form(url, body, param):
    """With the name of the field, so that whoever wrote the client finds it."""
    reply = post(url, body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert error["message"]


def test_what_is_no_json_or_no_path_is_refused(url):
    """A browser, a port scanner, a wrong address: an answer, never a traceback."""
    bad = requests.post(url + "/chat/completions", data=b"{half", timeout=10)
    assert (bad.status_code, bad.json()["error"]["type"]) == (400, "invalid_request_error")
    assert requests.get(url + "/nothing", timeout=10).status_code == 404
    assert "error" in requests.get(url + "/nothing", timeout=10).json()
    assert requests.get(url + "/chat/completions", timeout=10).status_code == 405


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number):
    """A night starts and ends it many times."""
    with embedded() as (_, process):
        process.send_signal(number)
        assert process.wait(10) == 0


def test_it_ends_by_itself_when_nobody_asks():
    """After a crash of the orchestrator nothing may stay behind for ever."""
    with embedded("--idle-exit-s", "0.3") as (_, process):
        assert process.wait(10) == 0


def test_a_question_keeps_it_alive():
    """Idleness is counted from the last question, not from the start."""
    with embedded("--idle-exit-s", "1.5") as (url, process):
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            assert requests.get(url + "/models", timeout=10).status_code == 200
            time.sleep(0.2)
        assert process.poll() is None


def test_faults_on_demand():
    """The stand-ins for what real servers do; the first 429 is followed by an answer."""
    with embedded("--fault", "http_429") as (url, _):
        assert [post(url, asking()).status_code for _ in range(2)] == [429, 200]
    with embedded("--fault", "http_400") as (url, _):
        assert post(url, asking()).json()["error"]["message"]
    with embedded("--fault", "slow") as (url, process):
        with pytest.raises(requests.Timeout):
            requests.post(url + "/chat/completions", json=asking(), timeout=0.5)
        process.terminate()
        assert process.wait(10) == 0  # a hanging answer does not hold it back


def test_a_port_that_is_taken_is_said(url, capsys):
    """Exit status 1 and one line, not a traceback."""
    port = int(url.split(":")[2].split("/")[0])
    assert serve("127.0.0.1", port) == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--port", "0", "--fault", "unheard_of"])

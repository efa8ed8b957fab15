"""What a language model's server may answer, and which of our errors each becomes."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from pydantic import BaseModel, ConfigDict, Field
from senses_server import Reply, embedded, errs, says, scripted

from steps.errors import BadOutput, Remedy, ServiceRefused, ServiceUnavailable
from steps.external.llm import MAX_ANSWER_BYTES, Chat
from steps.options import LlmEndpoint


class Mood(BaseModel):
    model_config = ConfigDict(extra="forbid")

    word: str = Field(min_length=2)
    strength: int = Field(ge=0, le=10)


GOOD = {"word": "calm", "strength": 3}


def ask(url: str | None, **endpoint: object) -> Mood:
    chat = Chat(LlmEndpoint(url=url, **({"timeout_s": 5.0, "patience_s": 0.0} | endpoint)))
    return chat.ask(Mood, system="s", user="u", schema_name="mood", seed=2**40 + 7)


def test_a_question_carries_what_the_server_needs():
    """Model, both messages, schema, a seed that fits 32 bits, the key."""
    with scripted(says(GOOD)) as model:
        assert ask(model.url + "/", model="qwen", api_key="secret") == Mood(**GOOD)
        sent, headers = model.asked[0], model.headers[0]
    assert sent["model"] == "qwen"
    assert [one["role"] for one in sent["messages"]] == ["system", "user"]
    assert sent["messages"][1]["content"] == "u"
    assert sent["response_format"]["json_schema"]["schema"]["additionalProperties"] is False
    assert sent["seed"] == 7
    assert sent["stream"] is False
    assert headers["Authorization"] == "Bearer secret"


def test_the_servers_own_name_is_kept():
    """The review shows which model wrote, and an alias such as 'default' says nothing."""
    with scripted(says(GOOD, model="Qwen3")) as model:
        chat = Chat(LlmEndpoint(url=model.url))
        chat.ask(Mood, system="s", user="u", schema_name="m", seed=1)
        assert chat.answered_by == "Qwen3"


@pytest.mark.parametrize(
    "content",
    [
        '```json\n{"word": "calm", "strength": 3}\n```',
        'Sure!\n```\n{"word": "calm", "strength": 3}\n```\nAnything else?',
        '<think>Hm, {"word": 1}?</think>\n{"word": "calm", "strength": 3}',
    ],
)
def test_a_fenced_or_thought_over_answer_is_read(content):
    """Servers without structured output give these, and they are right."""
    with scripted(says(content)) as model:
        assert ask(model.url) == Mood(**GOOD)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (says("It is a calm picture."), "the answer"),
        (says('{"word": "cal'), "the answer"),
        (says({"word": "calm"}), "strength"),
        (says({"word": "calm", "strength": 99}), "strength"),
        (says(GOOD | {"extra": 1}), "extra"),
        (says(""), "empty"),
        (says('{"word": "calm"', finish="length"), "too long"),
        (Reply(b'{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}'), "empty"),
    ],
)
def test_an_answer_of_another_shape_is_bad_output_with_reasons(reply, reason):
    """The reasons go back to the model; the remedy is another seed."""
    with scripted(reply) as model, pytest.raises(BadOutput) as caught:
        ask(model.url)
    assert reason in " ".join(caught.value.facts["reasons"])
    assert caught.value.remedy is Remedy.RETRY_NEW_SEED


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_busy_or_failing_server_is_unavailable(status):
    """Later it may work."""
    with scripted(errs(status, "loading weights")) as model, pytest.raises(ServiceUnavailable, match="loading weights"):
        ask(model.url)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 422])
def test_a_refusal_is_final(status):
    """The next item would be refused as well; the server's own words are passed on."""
    with scripted(errs(status, "no such model 'x'")) as model, pytest.raises(ServiceRefused, match="no such model"):
        ask(model.url)


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"", b"{}", b'{"choices": []}', b"[1]", b"\xff\xfe"])
def test_another_program_at_the_address_is_a_refusal(body):
    """A wrong port in the settings answers too; it must not look like a model in a bad mood."""
    with scripted(Reply(body)) as model, pytest.raises(ServiceRefused, match="does not answer as a language model"):
        ask(model.url)


def test_an_endless_answer_is_cut_off():
    """Nobody may fill our memory."""
    with scripted(Reply(b" " * (MAX_ANSWER_BYTES + 1))) as model, pytest.raises(ServiceRefused, match="bytes"):
        ask(model.url)


def test_an_answer_that_breaks_off_is_unavailable():
    """The server was killed in the middle."""
    with scripted(Reply(b'{"choices"', length=5000)) as model, pytest.raises(ServiceUnavailable):
        ask(model.url)


def test_silence_ends_at_the_time_limit():
    """A hung server must not hold a night."""
    done = threading.Event()
    with scripted(Reply(hangs=done)) as model:
        started = time.monotonic()
        with pytest.raises(ServiceUnavailable):
            ask(model.url, timeout_s=0.3)
        assert time.monotonic() - started < 5
        done.set()


def test_nobody_at_the_address_is_unavailable():
    """The server is being restarted."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ServiceUnavailable):
            ask(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")


@pytest.mark.parametrize("url", [None, "127.0.0.1:8000/v1", "ftp://127.0.0.1/v1", "http://", "http://[bad/v1"])
def test_an_address_that_is_none_is_refused(url):
    """A mistake in the settings, the same for every item."""
    with pytest.raises(ServiceRefused):
        ask(url)


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    """Nothing leaves the house, and a company proxy cannot reach our loopback anyway."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with scripted(says(GOOD)) as model:
        assert ask(model.url) == Mood(**GOOD)


def test_no_more_questions_at_once_than_allowed():
    """A small server falls over when twenty scripts arrive together."""
    gate, most, now, lock = threading.Event(), [0], [0], threading.Lock()

    with scripted(says(GOOD)) as model:
        honest = model.next_reply

        def held() -> Reply:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            gate.wait(0.15)
            with lock:
                now[0] -= 1
            return honest()

        model.next_reply = held  # type: ignore[method-assign]
        threads = [threading.Thread(target=ask, args=(model.url,), kwargs={"concurrency": 2}) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(model.asked) == 6
    assert most[0] == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("prose", BadOutput),
        ("half_json", BadOutput),
        ("http_400", ServiceRefused),
        ("http_429", ServiceUnavailable),
        ("slow", ServiceUnavailable),
    ],
)
def test_the_embedded_models_faults_are_told_apart(fault, error):
    """The faults of the stand-in are those of real servers."""
    with embedded("--fault", fault) as (url, _), pytest.raises(error):
        ask(url, timeout_s=2.0)


def test_the_embedded_model_fills_a_schema_it_never_saw():
    """One code path for real and embedded engines."""
    with embedded() as (url, _):
        assert ask(url) == Mood(word="--", strength=0)

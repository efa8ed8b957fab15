"""What the doctor says of language model servers and of the CPU, before a night is spent on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from senses_server import embedded

from orchestrator.doctor import Grade, examine
from orchestrator.doctor.servers import cpu_share, managed_servers
from orchestrator.engines.cpu import cores_here
from orchestrator.errors import ConfigError
from orchestrator.settings import Settings, parse_settings

CARD = {"name": "card0", "url": "http://127.0.0.1:9", "gpu": 0}
VLLM = ["python3", "serve", "--host", "127.0.0.1", "--port", "{port}", "--enable-sleep-mode"]


def settings(*servers: dict[str, Any], instances: tuple[dict[str, Any], ...] = (CARD,), **more: Any) -> Settings:
    loaded = {"servers": list(servers), "comfyui": {"instances": list(instances)}, **more}
    return parse_settings(loaded, Path("/tmp/config.yaml"))


def found(*servers: dict[str, Any], **more: Any) -> list[str]:
    return [one.found for one in managed_servers(settings(*servers, **more)) if one.grade is not Grade.OK]


def test_a_server_that_is_set_up_well_is_fine():
    """And nothing is started to find that out."""
    assert found({"name": "a", "command": VLLM, "kind": "vllm", "gpus": [0], "vram_gb": 20}) == []


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ({"command": ["no-such-program", "{port}"], "gpus": []}, "`no-such-program`.* is not installed here"),
        ({"command": VLLM[:-1], "kind": "vllm", "gpus": [0]}, "no --enable-sleep-mode"),
        ({"command": ["python3", "{port}", VLLM[-1]], "kind": "vllm", "gpus": [0]}, "answers the whole network"),
        ({"command": ["python3", "{port}"], "kind": "sglang", "gpus": [0]}, "no --enable-memory-saver"),
        ({"command": ["python3", "{port}"], "gpus": [0]}, "it is ended, and loaded anew each time"),
        ({"command": VLLM, "kind": "vllm"}, "does not say which cards it has"),
        ({"inside": {"model": "/m"}, "gpus": [0]}, "vLLM is not installed in Nightreel's own environment"),
        ({"url": "http://127.0.0.1:9", "gpus": []}, "does not answer"),
    ],
)
def test_what_is_wrong_with_a_server_is_said(server, words):
    """One finding each, with what to do about it."""
    import re

    said = found({"name": "a", **server})
    assert any(re.search(words, one) for one in said), said


def test_a_server_without_its_routes_of_sleep_is_found_out():
    """Started without the developer's mode: it answers everything but what the hand-over needs."""
    with embedded("--idle-exit-s", "60") as (address, _):
        root = address.removesuffix("/v1")
        said = found({"name": "a", "url": root, "kind": "vllm", "gpus": [0]})
    assert len(said) == 1
    assert "/is_sleeping answers HTTP 404" in said[0]


def test_models_that_a_server_serves_are_not_taken_for_previews():
    """Without an address in `llm` the embedded model would be meant, if there were no server."""
    server = {"name": "qwen", "command": VLLM, "kind": "vllm", "gpus": [0], "serves": ["text"]}
    subjects = {one.subject: one.found for one in examine(settings(server), steps=())}
    assert subjects["LLM text"] == "the server qwen (default)"
    assert "embedded" in subjects["LLM vision"]


def test_more_cores_than_there_are_is_a_slip():
    """It would be taken for all of them without a word."""
    there = len(cores_here())
    (finding,) = cpu_share(settings(local={"cores": there + 1}))
    assert (finding.grade, finding.found) == (Grade.WARNING, f"local.cores is {there + 1}, and there are {there}")


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        ([{"name": "a", "command": ["x"]}], "needs {port}"),
        ([{"name": "a"}], "one of `command`, `url` and `inside`"),
        ([{"name": "a", "url": "http://h/v1"}], "without /v1"),
        ([{"name": "a", "url": "http://h:1"}, {"name": "a", "url": "http://h:2"}], "twice: a"),
        ([{"name": "a", "url": "http://h:1"}, {"name": "b", "url": "http://h:2"}], "a and b both serve text"),
        ([{"name": "a", "inside": {"model": "/m", "arguments": {"model": "/x"}}}], "set by Nightreel itself"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(servers, words):
    """At once, by the key that is wrong."""
    with pytest.raises(ConfigError, match=words):
        settings(*servers)

"""The client against a real server of the llama.cpp family, in this process, on a real socket.

It runs where `xllamacpp` is installed (the extra `llamacpp`), with a model of random weights that is written here, or
with the GGUF file that $NIGHTREEL_TEST_GGUF names. What such a model says means nothing; that it has the shape that was
asked for, and that twenty questions are answered together, is the server's work and ours.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import pytest
import requests
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from tiny_gguf import write_tiny_model

from orchestrator.doctor.findings import Grade
from orchestrator.doctor.services import language_model
from steps.errors import BadAnswer, QuestionRefused, ServiceRefused
from steps.external.llm import Chat
from steps.external.llm_shape import Format
from steps.options import LlmEndpoint

xllamacpp = pytest.importorskip("xllamacpp", reason="the extra `llamacpp` is not installed")
pytestmark = pytest.mark.llamacpp

MODEL_VARIABLE = "NIGHTREEL_TEST_GGUF"
TOGETHER = 8


class Mood(BaseModel):
    model_config = ConfigDict(extra="forbid")

    word: Literal["calm", "angry", "sad"]
    strength: int = Field(ge=0, le=10)
    why: str = Field(max_length=24)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with four places."""
    named = os.environ.get(MODEL_VARIABLE)
    path = Path(named) if named else write_tiny_model(tmp_path_factory.mktemp("gguf") / "tiny.gguf")
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx, settings.n_parallel, settings.endpoint_metrics = 8192, 4, True
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(settings)
    yield server.listening_address + "/v1"
    del server


def chat(url: str, **endpoint: object) -> Chat:
    return Chat(LlmEndpoint(url=url, **({"timeout_s": 100.0, "max_tokens": 256} | endpoint)))


def test_a_schema_is_kept_by_the_servers_grammar(url):
    """Names, bounds and all, out of a model that knows nothing."""
    done = chat(url).answer(Mood, system="You answer.", user="How is the sea?", schema_name="mood", seed=5, repairs=0)
    assert done.form is Format.SCHEMA
    assert done.tries == 1
    assert done.tokens.answered > 5
    assert not done.tokens.estimated


def test_the_same_seed_gives_the_same_answer(url):
    """A night that is killed and goes on ends with the same scripts."""
    first, again = (
        chat(url).ask(Mood, system="You answer.", user="And the sky?", schema_name="mood", seed=11) for _ in range(2)
    )
    assert first == again


def test_many_questions_are_answered_at_once(url):
    """More than the server has places: it queues the rest itself."""
    asked = chat(url, concurrency=TOGETHER)
    with ThreadPoolExecutor(TOGETHER) as pool:
        answers = list(
            pool.map(
                lambda seed: asked.ask(Mood, system="You answer.", user="Well?", schema_name="mood", seed=seed),
                range(TOGETHER),
            )
        )
    assert len(answers) == TOGETHER


def test_without_a_grammar_a_bad_answer_goes_back_in_the_models_own_template(url):
    """Two turns more, which its chat template must take; nonsense it stays."""
    with pytest.raises(BadAnswer) as caught:
        chat(url, structured="text", max_tokens=64).answer(
            Mood, system="You answer.", user="How?", schema_name="mood", seed=1, repairs=1
        )
    assert caught.value.facts["reasons"]


def test_a_question_longer_than_the_context_is_refused_as_that(url):
    """In the server's own words, which differ from everybody else's."""
    with pytest.raises(QuestionRefused, match="longer context"):
        chat(url).ask(Mood, system="s", user="word " * 20_000, schema_name="mood", seed=1)


def test_a_picture_for_a_model_without_eyes_stops_the_step(url):
    """The server says so in its own words; the remedy names the setting."""
    picture = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(picture, "PNG")
    with pytest.raises(ServiceRefused, match=r"llm\.vision\.model"):
        chat(url).answer(Mood, system="s", user="What is this?", image=picture.getvalue(), schema_name="mood", seed=1)


def test_the_doctor_finds_the_server(url):
    """By the route that all of these servers have."""
    served = requests.get(url + "/models", timeout=10).json()["data"][0]["id"]
    findings = list(language_model("text", LlmEndpoint(url=url, model=served)))
    assert [one.grade for one in findings] == [Grade.OK]

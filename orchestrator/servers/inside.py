"""vLLM inside our own process: for a home that wants no server beside Nightreel.

vLLM is imported when the model is loaded, and never before: it is an optional extra of several gigabytes. Questions
that arrive together are answered together, since one call with twenty of them takes hardly longer than one with one;
only one thread ever calls vLLM, which is not made for several.

Source: `vllm.LLM` of vLLM 0.32 (`entrypoints/llm.py`: the constructor, `chat`, `get_default_sampling_params`, `sleep`,
`wake_up`), `vllm.SamplingParams` and `vllm.sampling_params.StructuredOutputsParams`.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import queue
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import NotReadyError
from orchestrator.server_settings import ServerSettings
from orchestrator.servers.process import environment_of

GATHER_S = 0.05
"""How long a question waits for others to be answered with it."""
MOST_TOGETHER = 256
TAKEN_OVER = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""What the model's own makers recommend, and a question may say otherwise."""

_REMEDY = (
    "install it with: pip install 'nightreel[vllm]' (several GB, into an environment with CUDA), "
    "or run it as a server of its own: docs/language-models.md"
)


class BadQuestion(Exception):
    """A question cannot be put to the model; the message says why. The same question would be refused again."""


class EngineAsleep(Exception):
    """The engine is asleep, or not loaded: it answers later."""


@dataclass
class _Question:
    body: Mapping[str, Any]
    done: threading.Event = field(default_factory=threading.Event)
    answer: dict[str, Any] | None = None
    error: Exception | None = None


class InsideEngine:
    """One model in our own process. All methods may be called from any thread; all block."""

    def __init__(self, settings: ServerSettings) -> None:
        """Keep the settings; nothing is imported yet.

        Args:
            settings: With `inside`.
        """
        assert settings.inside is not None
        self._settings = settings
        self._inside = settings.inside
        self._vllm: Any = None
        self._llm: Any = None
        self._using = threading.Lock()  # held by whoever calls vLLM
        self._waiting: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.is_sleeping = False

    @property
    def is_loaded(self) -> bool:
        """Whether there is a model, asleep or awake."""
        return self._llm is not None

    @property
    def model(self) -> str:
        """The model's name."""
        return self._inside.model

    def load(self) -> None:
        """Import vLLM and load the model; does nothing when that was done.

        Raises:
            NotReadyError: vLLM is not installed, or cannot load the model; says what to do.
        """
        with self._using:
            if self._llm is not None:
                return
            try:
                vllm = importlib.import_module("vllm")
            except ImportError as error:
                raise NotReadyError(f"{self._settings.name}: vLLM is not installed here: {_REMEDY}") from error
            try:
                with _environment(environment_of(self._settings)):
                    llm = vllm.LLM(model=self._inside.model, enable_sleep_mode=True, **self._inside.arguments)
            except Exception as error:  # whatever a model, a driver or an argument makes vLLM raise
                raise NotReadyError(
                    f"{self._settings.name}: vLLM cannot load {self._inside.model}: {type(error).__name__}: {error}; "
                    "see `inside.model` and `inside.arguments` of the server, and how much memory the card has free"
                ) from error
            self._vllm, self._llm, self.is_sleeping = vllm, llm, False
        self._thread = threading.Thread(target=self._work, name=f"vllm {self._settings.name}", daemon=True)
        self._thread.start()

    def unload(self) -> None:
        """Drop the model and give its memory back."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()
        with self._using:
            llm, self._llm = self._llm, None
            if llm is not None:
                with contextlib.suppress(AttributeError):  # its engine is a process of its own, which is ended so
                    llm.llm_engine.engine_core.shutdown()
                del llm
                gc.collect()

    def sleep(self, level: int) -> None:
        """Have it give its memory back, when what is being answered is answered.

        Raises:
            EngineAsleep: no model is loaded.
        """
        with self._using:
            self._require().sleep(level=level)
            self.is_sleeping = True

    def wake_up(self) -> None:
        """Have it take its memory again.

        Raises:
            EngineAsleep: no model is loaded.
        """
        with self._using:
            self._require().wake_up()
            self.is_sleeping = False

    def ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question in the form of OpenAI's chat API.

        Raises:
            BadQuestion: it cannot be put to the model.
            EngineAsleep: not now.
        """
        if self._thread is None or self.is_sleeping:
            raise EngineAsleep("the engine is asleep, or not loaded")
        question = _Question(body)
        self._waiting.put(question)
        question.done.wait()
        if question.error is not None:
            raise question.error
        assert question.answer is not None
        return question.answer

    def _require(self) -> Any:
        if self._llm is None:
            raise EngineAsleep("no model is loaded")
        return self._llm

    # --- the one thread that calls vLLM ------------------------------------------------------------------------------

    def _work(self) -> None:
        is_over = False
        while not is_over:
            first = self._waiting.get()
            if first is None:
                break
            together = [first]
            until = time.monotonic() + GATHER_S
            while len(together) < MOST_TOGETHER and not is_over:
                try:
                    another = self._waiting.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    break
                if another is None:
                    is_over = True
                else:
                    together.append(another)
            self._answer(together)
        while not self._waiting.empty():  # asked while it was told to end
            if (late := self._waiting.get()) is not None:
                _settle(late, EngineAsleep("the engine was ended"))

    def _answer(self, together: Sequence[_Question]) -> None:
        """Answer questions in one call; when that fails, one by one, so that a bad one fails alone."""
        ready = []
        for question in together:
            try:
                ready.append((question, _messages(question.body), self._sampling(question.body)))
            except Exception as error:  # whatever vLLM says to such parameters
                _settle(question, error if isinstance(error, BadQuestion) else BadQuestion(str(error)))
        if not ready:
            return
        try:
            with self._using:
                if self.is_sleeping:
                    raise EngineAsleep("the engine is asleep")
                outputs = self._require().chat(
                    [messages for _, messages, _ in ready],
                    sampling_params=[sampling for _, _, sampling in ready],
                    use_tqdm=False,
                )
            for (question, _, _), output in zip(ready, outputs, strict=True):
                question.answer = _completion(output, self.model)
                question.done.set()
        except EngineAsleep as error:
            for question, _, _ in ready:
                _settle(question, error)
        except Exception as error:
            if len(ready) == 1:
                _settle(ready[0][0], BadQuestion(f"{type(error).__name__}: {error}"))
            else:
                for question, _, _ in ready:
                    self._answer([question])

    def _sampling(self, body: Mapping[str, Any]) -> Any:
        usual = self._require().get_default_sampling_params()
        given = {name: getattr(usual, name) for name in TAKEN_OVER if hasattr(usual, name)}
        given |= {name: body[name] for name in (*TAKEN_OVER, "seed", "max_tokens") if body.get(name) is not None}
        schema = _schema(body)
        if schema is not None:
            shapes = importlib.import_module("vllm.sampling_params")
            given["structured_outputs"] = shapes.StructuredOutputsParams(json=schema)
        return self._vllm.SamplingParams(**given)


def _settle(question: _Question, error: Exception) -> None:
    question.error = error
    question.done.set()


def _messages(body: Mapping[str, Any]) -> list[Any]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadQuestion("`messages` is missing")
    return messages


def _schema(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the JSON schema that an answer is to have, out of `response_format`."""
    wanted = body.get("response_format")
    if not isinstance(wanted, dict) or wanted.get("type") in (None, "text"):
        return None
    if wanted.get("type") == "json_object":
        return {"type": "object"}
    described = wanted.get("json_schema")
    if not isinstance(described, dict) or not isinstance(described.get("schema"), dict):
        raise BadQuestion("`response_format` is none of text, json_object and json_schema with a schema")
    schema: dict[str, Any] = described["schema"]
    return schema


def _completion(output: Any, model: str) -> dict[str, Any]:
    """Wrap what vLLM returns as OpenAI does."""
    said = output.outputs[0]
    asked, answered = len(output.prompt_token_ids or ()), len(said.token_ids or ())
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": said.text},
                "finish_reason": said.finish_reason or "stop",
            }
        ],
        "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered},
    }


@contextlib.contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set variables for as long as the block lasts: vLLM's engine is a process that inherits them."""
    names = [name for name in wanted if name not in ("PYTHONUNBUFFERED", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")]
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: wanted[name] for name in names})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

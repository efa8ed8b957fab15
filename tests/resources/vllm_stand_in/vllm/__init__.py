"""A stand-in for the vllm package, with the signatures of 0.32 as far as Nightreel uses them.

It answers by the schema that it is asked for, remembers how it was called, and refuses what the real one refuses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from vllm.sampling_params import SamplingParams, StructuredOutputsParams

__all__ = ["LLM", "CompletionOutput", "RequestOutput", "SamplingParams", "StructuredOutputsParams"]

CALLS: list[int] = []
"""How many conversations each call of `chat` had."""


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: list[int]
    cumulative_logprob: float | None = None
    logprobs: None = None
    finish_reason: str | None = "stop"


@dataclass
class RequestOutput:
    request_id: str
    prompt: str | None
    prompt_token_ids: list[int] | None
    outputs: list[CompletionOutput] = field(default_factory=list)
    finished: bool = True


class _Core:
    def __init__(self) -> None:
        self.is_down = False

    def shutdown(self, timeout: float | None = None) -> None:
        self.is_down = True


class _Engine:
    def __init__(self) -> None:
        self.engine_core = _Core()


class LLM:
    def __init__(
        self,
        model: str,
        *,
        tokenizer: str | None = None,
        tensor_parallel_size: int = 1,
        dtype: str = "auto",
        quantization: str | None = None,
        seed: int = 0,
        gpu_memory_utilization: float = 0.92,
        **kwargs: Any,
    ) -> None:
        if unknown := set(kwargs) - {"enable_sleep_mode", "max_model_len", "disable_log_stats"}:
            raise TypeError(f"EngineArgs.__init__() got an unexpected keyword argument {sorted(unknown)[0]!r}")
        if model == "/no/such/model":
            raise OSError(f"{model} is not a local folder and is not a valid model identifier")
        self.model = model
        self.can_sleep = kwargs.get("enable_sleep_mode", False)
        self.is_asleep = False
        self.llm_engine = _Engine()

    def get_default_sampling_params(self) -> SamplingParams:
        return SamplingParams(temperature=0.7, top_p=0.8)

    def chat(
        self,
        messages: list[Any],
        sampling_params: SamplingParams | list[SamplingParams] | None = None,
        use_tqdm: bool = True,
        lora_request: None = None,
        priority: int | None = None,
        chat_template: str | None = None,
    ) -> list[RequestOutput]:
        assert not self.is_asleep, "the caller guarantees that nothing is asked in sleep"
        assert isinstance(sampling_params, list)
        assert len(sampling_params) == len(messages)
        CALLS.append(len(messages))
        for conversation in messages:
            if conversation[-1]["content"] == "too long":
                raise ValueError("The decoder prompt (length 9000) is longer than the maximum model length of 8192.")
        return [self._answer(one, how) for one, how in zip(messages, sampling_params, strict=True)]

    def _answer(self, conversation: list[dict[str, Any]], how: SamplingParams) -> RequestOutput:
        told = {
            "said": conversation[-1]["content"],
            "seed": how.seed,
            "top_p": how.top_p,
            "temperature": how.temperature,
        }
        text = json.dumps(told) if how.structured_outputs is not None else str(conversation[-1]["content"])
        return RequestOutput("0", None, [1, 2, 3], [CompletionOutput(0, text, [4, 5])])

    def sleep(self, level: int = 1, mode: str = "abort") -> None:
        assert self.can_sleep, "Sleep mode is not enabled in the model config"
        self.is_asleep = True

    def wake_up(self, tags: list[str] | None = None) -> bool:
        self.is_asleep = False
        return True

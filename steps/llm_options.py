"""Settings of the language and vision models: where they are, how much they are asked, and what that may cost.

Apart from the other settings because a home with real models tunes these more than all others.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steps.option_base import Options

Which = Literal["text", "vision"]
"""The two models that a night talks to; they may be one server."""


class LlmEndpoint(Options):
    """One OpenAI-compatible server: vLLM, SGLang, llama.cpp, llama-swap."""

    url: str | None = Field(None, description="Base URL ending in /v1; without one, the embedded engine")
    model: str = Field("default", description="Model name sent with each request")
    concurrency: int = Field(
        16,
        ge=1,
        le=256,
        description="Requests at once: as many items wait for the server together, so that it can batch them. What it "
        "cannot take it queues, and that counts towards `timeout_s`",
    )
    timeout_s: float = Field(180.0, gt=0, le=3600, description="Seconds before a request is given up")
    patience_s: float = Field(
        60.0,
        ge=0,
        le=3600,
        description="Seconds that a server which is busy (HTTP 429, 503), failing or not there is asked again; what it "
        "says in Retry-After is heeded",
    )
    structured: Literal["auto", "json_schema", "json_object", "text"] = Field(
        "auto",
        description="How the shape of an answer is asked for. `auto`: by JSON schema, and with less where the server "
        "refuses that; in any case the answer is checked here",
    )
    repairs: int = Field(
        1, ge=0, le=5, description="How often an answer of the wrong shape goes back to the model with what was wrong"
    )
    max_tokens: int = Field(2048, ge=64, le=131072, description="Longest answer, tokens, its thinking included")
    image_side: int = Field(1024, ge=64, le=4096, description="Pictures are sent with at most this longer side, pixels")
    api_key: str | None = Field(None, description="Bearer token, when the server wants one")


class LlmOptions(Options):
    """The language and vision models."""

    text: LlmEndpoint = Field(LlmEndpoint(), description="The model that writes")
    vision: LlmEndpoint = Field(LlmEndpoint(), description="The model that looks at pictures")
    tokens_per_item: int = Field(
        200_000,
        ge=1000,
        description="Tokens that one painting may cost in a night, questions and answers; then it fails",
    )
    tokens_per_night: int = Field(
        20_000_000,
        ge=1000,
        description="Tokens that a night may cost; then the steps that ask are stopped, and what is left waits for the "
        "next night",
    )

"""Settings of language model servers that Nightreel starts itself, or puts to sleep and wakes.

Apart from `llm`, which says what a step asks and how: a home whose models are simply there needs none of this. It is
for models that share their cards with ComfyUI, or that nobody else starts.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from orchestrator.card_settings import Gpu, beside, checked_gpu
from steps.option_base import Options

Serves = Literal["text", "vision"]
Kind = Literal["vllm", "sglang", "llama-swap", "llama-server", "other"]
PORT = "{port}"
"""Where the port goes in a command."""


class InsideSettings(Options):
    """vLLM inside Nightreel's own process."""

    model: str = Field(..., min_length=1, description="The model: a folder, or a name that vLLM finds on this machine")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="Further arguments of vllm.LLM, such as {gpu_memory_utilization: 0.8}"
    )

    @field_validator("arguments")
    @classmethod
    def _ours_stay_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(set(value) & {"model", "enable_sleep_mode", "disable_log_stats"})
        if taken:
            raise ValueError(f"{', '.join(taken)} is set by Nightreel itself; leave it out")
        return value


class ServerSettings(Options):
    """One language model server: started by Nightreel (`command`), inside it (`inside`), or somebody else's (`url`)."""

    name: str = Field(..., pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$", description="Short name, used everywhere")
    command: tuple[str, ...] = Field(
        (),
        description="Its command, word by word, with {port} where its port goes, such as [vllm, serve, /models/qwen, "
        '--host, 127.0.0.1, --port, "{port}", --enable-sleep-mode]',
    )
    url: str | None = Field(
        None, description="Address of one that somebody else starts, without /v1, such as http://127.0.0.1:8080"
    )
    inside: InsideSettings | None = Field(None, description="Run vLLM inside Nightreel, without a server")
    kind: Kind = Field(
        "other",
        description="How it gives its cards' memory back: `vllm` by its sleep mode, `sglang` by its memory saver, "
        "`llama-swap` and `llama-server` (in router mode) by unloading; `other` can only be ended and started again",
    )
    serves: tuple[Serves, ...] = Field(
        ("text", "vision"), description="The models of `llm` that have no `url` of their own and are found here"
    )
    gpus: tuple[Gpu, ...] | None = Field(
        None,
        description="Its cards: indexes in nvidia-smi, or UUIDs; [] for none. Without it, it is taken to share every "
        "card of its host",
    )
    vram_gb: float | None = Field(
        None, gt=0, le=1024, description="Memory of each of its cards that it takes when it is awake, GiB"
    )
    port: int = Field(0, ge=0, le=65535, description="Its port on 127.0.0.1, with `command`; 0: a free one")
    folder: Path | None = Field(None, description="Folder in which `command` runs; by default one of its own")
    environment: dict[str, str] = Field(default_factory=dict, description="Further environment variables")
    model: str | None = Field(None, min_length=1, description="What llama-swap is to unload; by default all it runs")
    api_key: str | None = Field(None, description="Bearer token for its health and memory routes, when it wants one")
    probe: str = Field("/health", pattern=r"^/\S*$", description="Path that answers 200 when it is healthy")
    ready_timeout_s: float = Field(
        900.0, gt=0, le=7200, description="Seconds until it must answer after its start, or its waking"
    )
    vram_timeout_s: float = Field(
        60.0, gt=0, le=3600, description="Seconds in which memory must be given back that was asked for"
    )
    max_restarts: int = Field(3, ge=0, le=50, description="How often a night starts it again after it died")
    linger_s: float = Field(
        120.0,
        ge=0,
        le=86400,
        description="Seconds that it outlives a Nightreel that was killed, so that the next start need not load the "
        "model again",
    )

    @property
    def host(self) -> str:
        """Return the machine that its cards are in; "" for this one."""
        host = urlsplit(self.url or "").hostname or ""
        return "" if host in ("localhost", "::1") or host.startswith("127.") else host

    @property
    def is_ours(self) -> bool:
        """Tell whether Nightreel starts and ends it."""
        return self.url is None

    @field_validator("gpus")
    @classmethod
    def _name_cards(cls, value: tuple[Gpu, ...] | None) -> tuple[Gpu, ...] | None:
        if value is None:
            return None
        return tuple(gpu for gpu in (checked_gpu(one) for one in value) if gpu is not None)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if sum([bool(self.command), self.url is not None, self.inside is not None]) != 1:
            raise ValueError("give one of `command`, `url` and `inside`")
        if self.url is not None:
            parts = urlsplit(self.url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"`url` is {self.url!r}; expected something like http://127.0.0.1:8080")
            if parts.path.rstrip("/").endswith("/v1"):
                raise ValueError("`url` is the server's own address, without /v1")
        if self.command:
            if not self.command[0].strip():
                raise ValueError("the first word of `command` is the program")
            if not self.port and not any(PORT in word for word in self.command):
                raise ValueError("`command` needs {port} where its port goes, such as --port {port}; or give `port`")
        if self.inside is not None and self.kind not in ("vllm", "other"):
            raise ValueError("`inside` is vLLM; leave `kind` out")
        return self

    def beside(self, base: Path) -> ServerSettings:
        """Return it with absolute paths.

        Args:
            base: Folder of the config file.
        """
        return self.model_copy(update={"folder": beside(self.folder, base)})


def _distinct(servers: tuple[ServerSettings, ...]) -> tuple[ServerSettings, ...]:
    doubled = sorted(name for name, count in Counter(one.name for one in servers).items() if count > 1)
    if doubled:
        raise ValueError(f"server names must differ; twice: {', '.join(doubled)}")
    for which in ("text", "vision"):
        names = [one.name for one in servers if which in one.serves]
        if len(names) > 1:
            raise ValueError(f"{' and '.join(names)} both serve {which}; say under `serves` what each is for")
    return servers


Servers = Annotated[tuple[ServerSettings, ...], AfterValidator(_distinct)]

"""Settings of cards: how a ComfyUI of our own is started, and what keeps cards, rooms and memory within limits.

Apart from the other settings because they are about hardware: whoever has one card and a cool room needs none of them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from steps.options import Options

Role = Literal["work", "reserved", "llm", "safety"]
Telemetry = Literal["auto", "local", "ssh", "comfyui", "off"]
Gpu = int | str
"""Index in the order of nvidia-smi (0-based), or UUID such as GPU-8f6b…; the beginning of a UUID is enough."""

_UUID = re.compile(r"(GPU|MIG)-[0-9A-Za-z/-]+")


def checked_gpu(value: Gpu | None) -> Gpu | None:
    """Return a card as it is named everywhere: an index as a number, else a UUID.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 64:
        return value
    if value is None or (isinstance(value, str) and _UUID.fullmatch(value)):
        return value
    raise ValueError("expected an index (0 to 63) or a UUID as `nvidia-smi -L` shows it, such as GPU-8f6b2c1e")


class StartSettings(Options):
    """How Nightreel starts a ComfyUI of this machine itself: one process for one card."""

    folder: Path = Field(..., description="Folder of the ComfyUI checkout: it holds main.py; relative to this file")
    python: Path | None = Field(
        None, description="Python that runs it; by default the one in `venv` or `.venv` of the folder, else Nightreel's"
    )
    port: int = Field(0, ge=0, le=65535, description="Its port on 127.0.0.1; 0: a free one")
    base_directory: Path | None = Field(
        None, description="Its --base-directory, with `custom_nodes` and `models`; by default the checkout"
    )
    models_dir: Path | None = Field(None, description="A folder of models beside its own, laid out as `models/`")
    extra_model_paths: Path | None = Field(None, description="Its --extra-model-paths-config, a YAML file")
    reserve_vram_gb: float | None = Field(None, ge=0, le=256, description="Its --reserve-vram: left to others, GiB")
    arguments: tuple[str, ...] = Field((), description="Further arguments, such as [--disable-smart-memory]")
    environment: dict[str, str] = Field(default_factory=dict, description="Further environment variables")
    offline: bool = Field(True, description="Forbid it to fetch models from the network (HF_HUB_OFFLINE)")
    ready_timeout_s: float = Field(300.0, gt=0, le=3600, description="Seconds until it must answer")

    @field_validator("arguments")
    @classmethod
    def _ours_stay_ours(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        taken = sorted({word.split("=")[0] for word in value} & OWN_ARGUMENTS)
        if taken:
            raise ValueError(f"{', '.join(taken)} is set by Nightreel itself; leave it out, or use the key for it")
        return value

    def beside(self, base: Path) -> StartSettings:
        """Return it with absolute paths.

        Args:
            base: Folder of the config file.
        """
        names = ("folder", "python", "base_directory", "models_dir", "extra_model_paths")
        return self.model_copy(update={name: beside(getattr(self, name), base) for name in names})


OWN_ARGUMENTS = frozenset(
    {
        *("--port", "--listen", "--base-directory", "--output-directory", "--input-directory", "--temp-directory"),
        *("--user-directory", "--database-url", "--extra-model-paths-config", "--reserve-vram", "--cuda-device"),
        *("--auto-launch", "--tls-keyfile", "--tls-certfile"),
    }
)
"""Arguments of ComfyUI that keep instances apart: a person's own would take that away."""


class CoolingSettings(Options):
    """When fewer cards work at once. A limit of a single card is `max_temperature_c` of its instance."""

    ambient_max_c: float | None = Field(
        None, ge=0, le=80, description="Room temperature above which only `at_most` instances work, °C"
    )
    ambient_command: str | None = Field(
        None, description="Command of this machine that prints the room temperature; its first number counts, °C"
    )
    ambient_file: Path | None = Field(
        None, description="File that holds the room temperature, °C, or thousandths of it as below /sys"
    )
    any_card_max_c: float | None = Field(
        None, ge=30, le=120, description="Temperature of any card above which only `at_most` instances work, °C"
    )
    at_most: int = Field(1, ge=1, le=64, description="Instances that work at once while it is too hot")
    hysteresis_c: float = Field(
        5.0, ge=0, le=40, description="How far a card or the room must cool below its limit before work goes on, °C"
    )
    longest_s: float = Field(
        1800.0, ge=60, le=86400, description="A card that has not cooled down after so many seconds is set aside"
    )

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        sources = [self.ambient_command, self.ambient_file]
        if all(sources):
            raise ValueError("give either `ambient_command` or `ambient_file`, not both")
        if self.ambient_max_c is not None and not any(sources):
            raise ValueError("`ambient_max_c` needs `ambient_command` or `ambient_file`, which tells the temperature")
        return self

    def beside(self, base: Path) -> CoolingSettings:
        """Return it with absolute paths.

        Args:
            base: Folder of the config file.
        """
        return self.model_copy(update={"ambient_file": beside(self.ambient_file, base)})


def beside(path: Path | None, base: Path) -> Path | None:
    """Return a path of a config file as an absolute one; `~` is the home of whoever runs us."""
    return None if path is None else (base / path.expanduser()).absolute()

"""config.yaml as typed, frozen settings.

Every key has a default, a description, a unit where it has one and a range; `docs/configuration.md` and the project's
own `config.yaml` are generated from here. All problems of a file are reported together, each with its key, what was
found and what would do.
"""

from __future__ import annotations

import os
import re
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from orchestrator.card_settings import CoolingSettings, Gpu, Role, StartSettings, Telemetry, beside, checked_gpu
from orchestrator.errors import ConfigError
from orchestrator.local_settings import LocalSettings
from orchestrator.server_settings import Servers
from steps.options import (
    ArchivePaths,
    AudioOptions,
    CaptionOptions,
    FinalOptions,
    Language,
    LlmOptions,
    Options,
    PrepareOptions,
    ScriptOptions,
    StepOptions,
    TalkOptions,
    VideoOptions,
)

CONFIG_NAME = "config.yaml"
CONFIG_VARIABLE = "NIGHTREEL_CONFIG"
MODELS_VARIABLE = "NIGHTREEL_MODELS"


class NightSettings(Options):
    """What a night takes on."""

    paintings: int = Field(20, ge=1, le=500, description="Paintings of a night, those carried over included")
    list: str = Field("portraits", min_length=1, max_length=80, description="Named list that they are drawn from")
    stop_by: time | None = Field(
        None, description="Local time after which nothing is started that would not finish, such as 07:00"
    )
    seed: int | None = Field(None, ge=0, lt=2**63, description="Seed of the draw; without one, a new one each night")

    @field_validator("stop_by", mode="before")
    @classmethod
    def _accept_clock_time(cls, value: object) -> object:
        """YAML reads a bare 07:00 as 420 and 07:00:00 as 25200 (base 60); take them for what was meant."""
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 24 * 3600:
            return value
        minutes = value if value < 24 * 60 else value // 60
        return time(minutes // 60, minutes % 60)


class RetrySettings(Options):
    """What happens after an error."""

    attempts: int = Field(3, ge=1, le=10, description="Tries in all, the first one included")
    backoff_s: float = Field(5.0, ge=0, le=3600, description="Wait before the second try, seconds")
    backoff_factor: float = Field(3.0, ge=1, le=10, description="By how much each further wait is longer")
    backoff_max_s: float = Field(300.0, ge=0, le=7200, description="Longest wait, seconds")
    uncounted: int = Field(
        8, ge=0, le=100, description="Tries that an instance's fault may cost before they count against the item"
    )
    same_reason: int = Field(
        3, ge=2, le=50, description="A step stops for all when its first so many items fail for the same reason"
    )


class RestartSettings(Options):
    """How one instance is restarted: over SSH, by a systemd unit of this machine, or by a command."""

    ssh: str | None = Field(None, description="user@host or user@host:port")
    command: str | None = Field(None, description="The command, run over SSH when `ssh` is given, else here")
    systemd: str | None = Field(None, description="A systemd unit of this machine, such as comfyui@0")
    key: Path | None = Field(None, description="Private key file for SSH; without one, the agent")
    known_hosts: Path | None = Field(None, description="known_hosts file; without one, ~/.ssh/known_hosts")
    timeout_s: float = Field(60.0, gt=0, le=3600, description="Seconds that the restart command may take")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.systemd and (self.command or self.ssh):
            raise ValueError("give either `systemd` or `command` (with or without `ssh`), not both")
        if self.ssh and not self.command:
            raise ValueError("`ssh` needs `command`, such as: sudo -n systemctl restart comfyui@0")
        return self


class InstanceSettings(Options):
    """One ComfyUI server, pinned to one card."""

    name: str = Field(..., pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$", description="Short name, used everywhere")
    url: str | None = Field(None, description="Address, such as http://127.0.0.1:8188; not with `start`")
    gpu: Gpu | None = Field(
        None, description="Card: its index in nvidia-smi, or its UUID; an index counts on the host of `url`"
    )
    role: Role = Field(
        "work",
        description="What the card is for: `work` for prompts; `llm` and `safety` for other servers, `reserved` for a "
        "person: no prompt ever goes to these, and a working instance that runs on a reserved card is refused",
    )
    vram_gb: float | None = Field(
        None, gt=0, le=1024, description="Memory of the card, GiB; without it, what the instance reports"
    )
    max_temperature_c: float | None = Field(
        None, ge=30, le=120, description="Temperature above which the card gets no new prompt until it has cooled, °C"
    )
    telemetry: Telemetry = Field(
        "auto",
        description="Where temperatures and memory come from: `local` (NVML, else nvidia-smi), `ssh` (nvidia-smi on "
        "the host of `restart.ssh`), `comfyui` (what the instance reports, memory only) or `off`; `auto`: `local` "
        "for this machine, else `comfyui`",
    )
    output_dir: Path | None = Field(
        None, description="Its output folder, where this machine can read it: files are saved from it after a crash"
    )
    start: StartSettings | None = Field(None, description="Nightreel starts and ends this ComfyUI itself")
    restart: RestartSettings | None = Field(
        None, description="How it is restarted; without it, never, unless Nightreel started it"
    )

    @property
    def host(self) -> str:
        """Return the machine that its card is in; "" for this one."""
        host = urlsplit(self.url or "").hostname or ""
        return "" if host in ("localhost", "::1") or host.startswith("127.") else host

    @field_validator("gpu")
    @classmethod
    def _names_a_card(cls, value: Gpu | None) -> Gpu | None:
        return checked_gpu(value)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.role != "work":
            return self
        if self.start is not None:
            if self.url or self.restart:
                raise ValueError(
                    "`start` goes without `url` and `restart`: Nightreel chooses the one and does the other"
                )
            return self
        if not self.url:
            raise ValueError("an instance with role `work` needs `url`, or `start`")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"`url` is {self.url!r}; expected something like http://127.0.0.1:8188")
        if self.telemetry == "ssh" and not (self.restart and self.restart.ssh):
            raise ValueError("`telemetry: ssh` needs `restart.ssh`, which says where to log in")
        return self

    def beside(self, base: Path) -> InstanceSettings:
        """Return it with absolute paths.

        Args:
            base: Folder of the config file.
        """
        start = None if self.start is None else self.start.beside(base)
        return self.model_copy(update={"output_dir": beside(self.output_dir, base), "start": start})


class EmbeddedSettings(Options):
    """The embedded engines, used when no instance is listed: previews made on the CPU."""

    cards: int = Field(2, ge=1, le=16, description="Pretend cards: one process each")
    idle_exit_s: float = Field(
        180.0, ge=5, le=86400, description="Seconds after which an engine that nobody asks ends by itself"
    )
    timed: dict[str, float] = Field(
        default_factory=dict, description="For rehearsals: seconds per node class, with placeholders for pictures"
    )


class DriftSettings(Options):
    """How far an instance may drift before `restart: drift` restarts it at the next step boundary."""

    rss_gb: float = Field(
        32.0,
        gt=0,
        le=4096,
        description="RAM that a server may hold after giving back what it can, GiB: its own where it runs on this "
        "machine, else by how much its host uses more than at the beginning of the night",
    )
    committed_share: float = Field(
        0.95, gt=0, le=10, description="Memory promised to all processes, as a share of RAM and swap (this machine)"
    )
    vram_gb: float = Field(2.0, gt=0, le=1024, description="Card memory that it may fail to give back, GiB")
    slowdown: float = Field(
        1.5, gt=1, le=100, description="How many times as long a step's prompts may take as at first, on the same card"
    )


class ComfyUISettings(Options):
    """The ComfyUI instances."""

    instances: tuple[InstanceSettings, ...] = Field((), description="One per card; empty: the embedded engines")
    embedded: EmbeddedSettings = Field(EmbeddedSettings(), description="The embedded engines")
    restart: Literal["between_steps", "drift", "never"] = Field(
        "between_steps",
        description="When instances are restarted by plan: between any two steps; only where they drifted past "
        "`drift`; never. One that hangs or breaks is restarted all the same",
    )
    drift: DriftSettings = Field(DriftSettings(), description="What `restart: drift` bears")
    ready_timeout_s: float = Field(300.0, gt=0, le=3600, description="Seconds until a restarted instance must answer")
    queue_depth: int = Field(2, ge=1, le=8, description="Prompts kept in each instance's queue, the running one too")
    cooling: CoolingSettings = Field(CoolingSettings(), description="When fewer cards work at once")
    telemetry_period_s: float = Field(
        10.0, ge=1, le=600, description="How often temperatures and memory are asked for, seconds"
    )
    spare_ram_gb: float = Field(
        4.0,
        ge=0,
        le=512,
        description="Memory of a host that must stay free, GiB: with less, its instances load models one after another",
    )
    vram_wait_s: float = Field(
        120.0,
        ge=0,
        le=86400,
        description="Seconds that a step waits for a card whose memory another program fills, before it is tried there",
    )
    canary: str = Field(
        "basic",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Small prompt on every instance before a night: `off`, `basic` (costs no card time), or the name "
        "of a step, such as clean_pic, whose workflow is run once with a fixed picture and seed",
    )
    max_restarts: int = Field(3, ge=0, le=50, description="Failed restarts after which an instance is set aside")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [instance.name for instance in self.instances]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"instance names must differ; twice: {', '.join(doubled)}")
        urls = [instance.url.rstrip("/") for instance in self.instances if instance.url]
        doubled = sorted({url for url in urls if urls.count(url) > 1})
        if doubled:
            raise ValueError(f"instances must have addresses of their own; twice: {', '.join(doubled)}")
        if self.instances and not any(instance.role == "work" for instance in self.instances):
            raise ValueError("no instance has the role `work`: none is left to work with")
        reserved = {(one.host, one.gpu): one.name for one in self.instances if one.role == "reserved"}
        for instance in self.instances:
            if instance.role == "work" and instance.gpu is not None and (instance.host, instance.gpu) in reserved:
                keeper = reserved[(instance.host, instance.gpu)]
                raise ValueError(f"{instance.name} is on the card (gpu: {instance.gpu}) that is reserved as {keeper}")
        return self


class StepSettings(Options):
    """A workflow of the user's own: instead of a built-in step's, or as a step of its own."""

    workflow: str = Field(
        ..., min_length=1, description="A manifest (.yaml), relative to this file, or the name of a bundled workflow"
    )
    after: str | None = Field(
        None, min_length=1, description="For a step of its own: the step that it follows, instead of by its number"
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        """Take `clean_pic: clean_pic_4b` for `clean_pic: {workflow: clean_pic_4b}`."""
        return {"workflow": value} if isinstance(value, str) else value

    def beside(self, base: Path) -> StepSettings:
        """Return it with an absolute path; a bare name is a bundled workflow, or one in `workflows/` beside the file.

        Args:
            base: Folder of the config file.
        """
        return self.model_copy(update={"workflow": place_of_workflow(self.workflow, base)})


class Settings(Options):
    """The whole of config.yaml."""

    home: Path = Field(
        Path("~/nightreel"), description="Database, artifacts, pool, reports and logs; relative to this file"
    )
    languages: tuple[Language, ...] = Field(("fr", "en"), min_length=1, description="One video each, of: fr, en")
    night: NightSettings = Field(NightSettings(), description="What a night takes on")
    overlap: bool = Field(
        False,
        description="Whether steps may overlap: the CPU and each card go on with what is ready for them, a card with "
        "the models that it has loaded for as long as there is work for them. Without it, each step ends for all "
        "items before the next one begins",
    )
    retry: RetrySettings = Field(RetrySettings(), description="What happens after an error")
    comfyui: ComfyUISettings = Field(ComfyUISettings(), description="The ComfyUI instances")
    llm: LlmOptions = Field(LlmOptions(), description="Language and vision models")
    servers: Servers = Field((), description="Language model servers that Nightreel starts, puts to sleep and wakes")
    zim: dict[Language, ArchivePaths] = Field({}, description="Offline Wikipedia by language; relative to this file")
    local: LocalSettings = Field(LocalSettings(), description="Work on the CPU")
    video: VideoOptions = Field(VideoOptions(), description="Sizes and rates")
    prepare: PrepareOptions = Field(PrepareOptions(), description="Step 0: what is accepted")
    script: ScriptOptions = Field(ScriptOptions(), description="Step 1: what the portrait says")
    audio: AudioOptions = Field(AudioOptions(), description="Step 2: who speaks")
    talk: TalkOptions = Field(TalkOptions(), description="Step 6: the talking portrait")
    captions: CaptionOptions = Field(CaptionOptions(), description="Step 7: captions")
    final: FinalOptions = Field(FinalOptions(), description="Step 9: the final cut")
    steps: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], StepSettings] = Field(
        default_factory=dict,
        description="Workflows of your own, by step: instead of a built-in step's, or as a step of its own",
    )

    @field_validator("languages")
    @classmethod
    def _no_language_twice(cls, value: tuple[Language, ...]) -> tuple[Language, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a language is listed twice")
        return value

    def step_options(self, *, preview: bool, llm: LlmOptions | None = None, night: str = "") -> StepOptions:
        """Return what steps may read, with the addresses that the fleet found."""
        return StepOptions(
            languages=self.languages,
            video=self.video,
            prepare=self.prepare,
            script=self.script,
            audio=self.audio,
            talk=self.talk,
            captions=self.captions,
            final=self.final,
            llm=llm or self.llm,
            zim=self.zim,
            models_dir=models_dir(),
            state_dir=self.home / "engines",
            prompts_dir=self.home / "prompts",
            preview=preview,
            night=night,
        )


def place_of_workflow(named: str, base: Path) -> str:
    """Return what a config file means by a workflow: a bundled one's name, or the absolute path of a manifest.

    Args:
        named: A path relative to `base`, or a bare name: of a bundled workflow, else of one in `base/workflows/`.
        base: Folder of the config file.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", named):
        return str((base / Path(named).expanduser()).absolute())
    own = base / "workflows" / f"{named}.yaml"
    bundled = Path(__file__).resolve().parent.parent / "workflows" / f"{named}.yaml"
    return str(own.absolute()) if own.is_file() and not bundled.is_file() else named


def models_dir() -> Path:
    """Return the folder of the two face model files: $NIGHTREEL_MODELS, else `models` beside the packages."""
    named = os.environ.get(MODELS_VARIABLE)
    return Path(named) if named else Path(__file__).resolve().parent.parent / "models"


def find_config(named: Path | None) -> Path:
    """Return the config file to use: the one named, else $NIGHTREEL_CONFIG, else ./config.yaml.

    Raises:
        ConfigError: there is none.
    """
    candidate = named or Path(os.environ.get(CONFIG_VARIABLE) or CONFIG_NAME)
    if candidate.is_dir():
        candidate = candidate / CONFIG_NAME
    if not candidate.is_file():
        raise ConfigError(
            f"no config file at {candidate.absolute()}\n"
            f"  make one with: nightreel init DIR    then: cd DIR, or name it: nightreel --config DIR/{CONFIG_NAME} …"
        )
    return candidate.resolve()


def load_settings(path: Path) -> Settings:
    """Read and check a config file. Relative paths in it are relative to its folder.

    Raises:
        ConfigError: with every problem, one a line.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > 1_000_000:
            raise ConfigError(f"{path} has {len(raw)} bytes; a config file has a few hundred. Is it the right file?")
        loaded = yaml.safe_load(raw.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: byte {error.start} cannot be read; save it as UTF-8") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path} is not valid YAML: {_yaml_words(error)}") from error
    return parse_settings(loaded, path)


def parse_settings(loaded: object, path: Path) -> Settings:
    """Check what a config file holds, and make its paths absolute.

    Raises:
        ConfigError: with every problem, one a line.
    """
    if loaded is None:
        loaded = {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path} holds a {type(loaded).__name__}; expected keys such as `home:` and `night:`")
    try:
        settings = Settings.model_validate(loaded)
    except ValidationError as error:
        raise ConfigError(f"{path} has {_count(error.error_count())}:\n" + "\n".join(_problems(error))) from error
    return _absolute(settings, path.parent)


def _absolute(settings: Settings, base: Path) -> Settings:
    def place(value: Path | None) -> Path | None:
        return None if value is None else (base / value.expanduser()).absolute()

    return settings.model_copy(
        update={
            "home": place(settings.home),
            "comfyui": settings.comfyui.model_copy(
                update={
                    "instances": tuple(instance.beside(base) for instance in settings.comfyui.instances),
                    "cooling": settings.comfyui.cooling.beside(base),
                }
            ),
            "servers": tuple(server.beside(base) for server in settings.servers),
            "zim": {language: tuple(map(place, archives)) for language, archives in settings.zim.items()},
            "captions": settings.captions.model_copy(
                update={
                    "model": place(settings.captions.model),
                    "fonts_dir": place(settings.captions.fonts_dir),
                    "presets": place(settings.captions.presets),
                    "fallback_fonts": tuple(place(font) for font in settings.captions.fallback_fonts),
                }
            ),
            "final": settings.final.model_copy(update={"music": place(settings.final.music)}),
            "steps": {name: step.beside(base) for name, step in settings.steps.items()},
        }
    )


def _count(number: int) -> str:
    return "1 problem" if number == 1 else f"{number} problems"


def _yaml_words(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark is not None else str(problem)


def _problems(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"]) or "the file"
        lines.append(f"  {key}: {_problem_words(problem)}")
    return lines


def _problem_words(problem: Any) -> str:
    found = repr(problem["input"])
    found = found if len(found) <= 80 else found[:77] + "..."
    match problem["type"]:
        case "extra_forbidden":
            return f"no such key (found {found}); see docs/configuration.md for the keys there are"
        case "missing":
            return "is missing; it has no default"
        case "value_error":
            return str(problem["msg"]).removeprefix("Value error, ")
        case _:
            return f"found {found}; {problem['msg'][0].lower()}{problem['msg'][1:]}"

"""A ComfyUI of this machine that Nightreel starts itself: its command line, environment and folders.

One process for one card. What instances would otherwise share is kept apart: output, input, temp and user folders, the
database, the log. Models and custom nodes are shared, and read only. How the process is started, adopted and ended is
in `children.py`.

Source of the options: `main.py --help` of ComfyUI 0.3.60 to 0.27, where all of them are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from orchestrator.artifacts import write_whole
from orchestrator.card_settings import Gpu, StartSettings
from orchestrator.children import Program
from orchestrator.errors import NotReadyError

HIDDEN = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
"""Variables of our own Python, which would lead another one astray."""


def program_of(name: str, settings: StartSettings, *, gpu: Gpu | None, folder: Path) -> Program:
    """Return the program of an instance, with its folders made.

    Args:
        name: Of the instance, for messages.
        settings: How it is started.
        gpu: Its card; None: it sees all of them.
        folder: Its own folder, for all that it writes.

    Raises:
        NotReadyError: the checkout, the Python or a folder is not there; all of it is listed.
    """
    folder = folder.absolute()
    problems = start_problems(settings)
    if problems:
        raise NotReadyError(f"{name} cannot be started:\n" + "\n".join(f"    {problem}" for problem in problems))
    make_folders(folder)
    paths = extra_model_paths(settings, folder)
    environment = environment_of(settings, gpu)

    def command(port: int) -> Sequence[str]:
        return command_of(settings, folder, port=port, model_paths=paths)

    shown = json.dumps([list(command(0)), environment], sort_keys=True)
    return Program(
        command,
        probe="/system_stats",
        announces=False,
        port=settings.port,
        timeout_s=settings.ready_timeout_s,
        environment=environment,
        identity=hashlib.sha256(shown.encode()).hexdigest(),
    )


def output_folder(folder: Path) -> Path:
    """Return where an instance of ours saves what it makes."""
    return folder.absolute() / "output"


def python_of(settings: StartSettings) -> Path:
    """Return the Python that runs it: the one named, else that of the checkout's environment, else ours."""
    if settings.python is not None:
        return settings.python
    beside = [settings.folder / name / "bin" / "python" for name in ("venv", ".venv")]
    return next((path for path in beside if path.exists()), Path(sys.executable))


def command_of(settings: StartSettings, folder: Path, *, port: int, model_paths: Sequence[Path] = ()) -> list[str]:
    """Return the command line."""
    words = [str(python_of(settings)), str(settings.folder / "main.py"), "--listen", "127.0.0.1", "--port", str(port)]
    if settings.base_directory is not None:
        words += ["--base-directory", str(settings.base_directory)]
    words += ["--output-directory", str(output_folder(folder)), "--input-directory", str(folder / "input")]
    words += ["--temp-directory", str(folder), "--user-directory", str(folder / "user")]  # it appends `temp` itself
    words += ["--database-url", f"sqlite:///{folder / 'comfyui.db'}"]
    for path in model_paths:
        words += ["--extra-model-paths-config", str(path)]
    if settings.reserve_vram_gb is not None:
        words += ["--reserve-vram", f"{settings.reserve_vram_gb:g}"]
    return [*words, *settings.arguments]


def environment_of(settings: StartSettings, gpu: Gpu | None) -> dict[str, str]:
    """Return what it gets beside our own environment."""
    environment = {name: "" for name in HIDDEN if name in os.environ}
    environment["PYTHONUNBUFFERED"] = "1"
    if gpu is not None:
        # Without the order, CUDA counts the fastest card first, and nvidia-smi the one in the first slot.
        environment |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": str(gpu)}
    if settings.offline:
        environment |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    return environment | settings.environment


def make_folders(folder: Path) -> None:
    """Make the folders of an instance.

    Raises:
        NotReadyError: one cannot be made.
    """
    for name in ("output", "input", "temp", "user"):
        try:
            (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotReadyError(f"cannot make {folder / name}: {error.strerror or error}") from error


def extra_model_paths(settings: StartSettings, folder: Path) -> list[Path]:
    """Return the files that tell it where models lie beside its own; one for `models_dir` is written here.

    Every folder in `models_dir` is named, because a ComfyUI takes only what is named, and packs add kinds of their own.
    """
    found = [] if settings.extra_model_paths is None else [settings.extra_model_paths]
    if settings.models_dir is not None:
        kinds = sorted(path.name for path in settings.models_dir.iterdir() if path.is_dir() and path.name[0] != ".")
        section: Mapping[str, str] = {"base_path": str(settings.models_dir), **{kind: kind for kind in kinds}}
        written = folder / "extra_model_paths.yaml"
        write_whole(written, yaml.safe_dump({"nightreel": dict(section)}, sort_keys=False).encode())
        found.append(written)
    return found


def start_problems(settings: StartSettings) -> list[str]:
    """Return what keeps a ComfyUI from being started; empty when nothing is seen."""
    problems = []
    if not (settings.folder / "main.py").is_file():
        problems.append(f"`start.folder` is {settings.folder}, which holds no main.py; give the ComfyUI checkout")
    if not os.access(python_of(settings), os.X_OK):
        problems.append(f"`start.python` is {python_of(settings)}, which cannot be run")
    base = settings.base_directory
    if base is not None and not (base / "custom_nodes").is_dir():
        problems.append(f"`start.base_directory` is {base}; ComfyUI needs a folder `custom_nodes` in it")
    if settings.models_dir is not None and not settings.models_dir.is_dir():
        problems.append(f"`start.models_dir` is {settings.models_dir}, which is no folder")
    if settings.extra_model_paths is not None and not settings.extra_model_paths.is_file():
        problems.append(f"`start.extra_model_paths` is {settings.extra_model_paths}, which is no file")
    return problems

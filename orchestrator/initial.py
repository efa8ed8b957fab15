"""A new home: a folder with a short config.yaml to edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.artifacts import write_whole
from orchestrator.errors import StorageError
from orchestrator.home import Home
from orchestrator.settings import CONFIG_NAME, load_settings

_TEMPLATE = """\
# Nightreel. Every key has a default: this file holds only what differs. All keys: docs/configuration.md

home: .                         # database, artifacts, pool, reports, logs; relative to this file
languages: [fr, en]

night:
  paintings: 20                 # a night's paintings, those carried over included
  list: portraits               # the named list that they are drawn from
  # stop_by: "07:00"            # start nothing that would not finish by then

# Without instances, embedded engines make previews on the CPU. Yours go here, one per card:
# comfyui:
#   instances:
#     - {name: card0, url: "http://127.0.0.1:8188", gpu: 0, restart: {systemd: comfyui@0}}
#     - {name: card1, url: "http://gpu-box:8188", gpu: 0,
#        restart: {ssh: "comfy@gpu-box", command: "sudo -n systemctl restart comfyui@0"}}
#     - {name: games, gpu: 2, role: reserved}

# Any OpenAI-compatible server; without one, the embedded writer:
# llm:
#   text:   {url: "http://127.0.0.1:8000/v1", model: Qwen3.6-27B-FP8, concurrency: 16}
#   vision: {url: "http://127.0.0.1:8000/v1", model: Qwen3.6-27B-FP8}
"""


@dataclass(frozen=True)
class NewHome:
    """What was made."""

    folder: Path
    config: Path
    is_new: bool  # False: a config.yaml was there, and was kept


def make_home(folder: Path, *, samples: bool = False) -> NewHome:
    """Make a home, with the sample paintings in its catalogue when asked for. Keeps a config.yaml that is there.

    Raises:
        StorageError: the folder cannot be used.
    """
    folder = folder.expanduser().absolute()
    config = folder / CONFIG_NAME
    is_new = not config.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if is_new:
            archives = {} if not samples else _sample_archives(folder)
            write_whole(config, (_TEMPLATE + zim_lines(archives, folder)).encode())
    except OSError as error:
        raise StorageError(f"cannot make {folder}: {error.strerror or error}") from error
    settings = load_settings(config)
    Home(settings.home).create()
    if samples:
        _add_samples(folder, config)
    return NewHome(folder, config, is_new)


def zim_lines(archives: Mapping[str, Path], base: Path) -> str:
    """Return the `zim:` part of a config file, with paths relative to its folder where they lie below it."""
    if not archives:
        return "\n# Offline Wikipedia:\n# zim: {fr: /data/wikipedia_fr_all.zim, en: /data/wikipedia_en_all.zim}\n"
    lines = "".join(f'  {language}: "{_relative(path, base)}"\n' for language, path in sorted(archives.items()))
    return "\nzim:\n" + lines


def _relative(path: Path, base: Path) -> str:
    return str(path.relative_to(base) if path.is_relative_to(base) else path)


def _sample_archives(folder: Path) -> Mapping[str, Path]:
    from orchestrator.sample.make import make_samples

    return make_samples(folder / "samples").archives


def _add_samples(folder: Path, config: Path) -> None:
    from orchestrator import catalogue
    from orchestrator.opening import open_store
    from orchestrator.sample.make import make_samples

    _, store = open_store(load_settings(config))
    catalogue.add(store, make_samples(folder / "samples").catalogue, list_name="portraits")

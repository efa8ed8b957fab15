"""What the cards of a host say about themselves: memory, temperature, load, and who works on them.

Three sources, each of which may be missing: NVML (the `nvidia-ml-py` package and a driver), the `nvidia-smi` program of
this machine, and the same program over SSH. A source that is not there answers None, and a figure that a card does not
have is None: nothing here ever fails a night. What ComfyUI itself reports is read in `sampling.py`.
"""

from __future__ import annotations

import csv
import importlib
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.card_settings import Gpu

GIB = 1024**3
MIB_PER_GIB = 1024
TIMEOUT_S = 15.0
MAX_OUTPUT_BYTES = 256 * 1024
COMFYUI_PORT = 8188  # where a ComfyUI listens that was not told otherwise
MARK = "@nightreel@"  # between the answers of several commands that run as one

GPU_QUERY = (
    "nvidia-smi",
    "--query-gpu=index,uuid,name,memory.total,memory.used,temperature.gpu,utilization.gpu,power.draw",
    "--format=csv,noheader,nounits",
)
PROCESS_QUERY = (
    "nvidia-smi",
    "--query-compute-apps=gpu_uuid,pid,process_name,used_memory",
    "--format=csv,noheader,nounits",
)
REMOTE_QUERY = (
    f"{' '.join(GPU_QUERY)} && echo {MARK} && {' '.join(PROCESS_QUERY)} && echo {MARK}"
    " && { ps -ww -eo pid=,args= | grep -F main.py || true; }"
)
"""One login for all that is asked; processes are listed with their arguments, which say which port is whose."""


@dataclass(frozen=True)
class GpuProcess:
    """One process that computes on a card."""

    pid: int
    name: str  # as the driver tells it
    used_gb: float | None = None
    arguments: str = ""  # its whole command line; "" where it cannot be seen


@dataclass(frozen=True)
class GpuSample:
    """One card at one moment. All text is the machine's: data, for messages and comparison only."""

    index: int  # 0-based, in the order of nvidia-smi
    uuid: str
    name: str
    vram_total_gb: float | None = None
    vram_used_gb: float | None = None
    temperature_c: float | None = None
    utilisation: float | None = None  # 0..1
    power_w: float | None = None
    processes: tuple[GpuProcess, ...] = ()


def find_gpu(samples: Iterable[GpuSample], gpu: Gpu | None) -> GpuSample | None:
    """Return the card of an index or of a UUID, whose beginning is enough; None when it is not there or not clear."""
    if gpu is None:
        return None
    found = [one for one in samples if (one.index == gpu if isinstance(gpu, int) else one.uuid.startswith(gpu))]
    return found[0] if len(found) == 1 else None


def sample_here() -> tuple[GpuSample, ...] | None:
    """Return the cards of this machine, by NVML or else by nvidia-smi; None when there is neither. Blocks."""
    samples = sample_nvml()
    return sample_smi() if samples is None else samples


def sample_nvml() -> tuple[GpuSample, ...] | None:
    """Return the cards of this machine by NVML; None without its package, a driver or a card that answers."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    try:
        return tuple(_nvml_card(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
    except nvml.NVMLError:
        return None
    finally:
        nvml.nvmlShutdown()


def _nvml_card(nvml: Any, index: int) -> GpuSample:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)

    def ask(name: str, *arguments: Any) -> Any:
        try:
            return getattr(nvml, name)(handle, *arguments)
        except nvml.NVMLError:
            return None  # this card has no such figure, or does not tell us

    memory = ask("nvmlDeviceGetMemoryInfo")
    load = ask("nvmlDeviceGetUtilizationRates")
    power_mw = ask("nvmlDeviceGetPowerUsage")
    temperature = ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU)
    return GpuSample(
        index=index,
        uuid=_text(ask("nvmlDeviceGetUUID")),
        name=_text(ask("nvmlDeviceGetName")),
        vram_total_gb=None if memory is None else memory.total / GIB,
        vram_used_gb=None if memory is None else memory.used / GIB,
        temperature_c=None if temperature is None else float(temperature),
        utilisation=None if load is None else load.gpu / 100,
        power_w=None if power_mw is None else power_mw / 1000,
        processes=tuple(_nvml_process(one) for one in ask("nvmlDeviceGetComputeRunningProcesses") or ()),
    )


def _nvml_process(process: Any) -> GpuProcess:
    arguments = command_line(process.pid)
    used = process.usedGpuMemory
    return GpuProcess(process.pid, arguments.split(" ")[0], None if used is None else used / GIB, arguments)


def _text(value: Any) -> str:
    """Return what NVML calls something; old versions of its package answer with bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")


def sample_smi(*, timeout_s: float = TIMEOUT_S) -> tuple[GpuSample, ...] | None:
    """Return the cards of this machine by nvidia-smi; None when it is not there, fails or hangs. Blocks."""
    cards = output_of(GPU_QUERY, timeout_s=timeout_s)
    if cards is None:
        return None
    samples = parse_gpus(cards)
    processes = parse_processes(output_of(PROCESS_QUERY, timeout_s=timeout_s) or "")
    known = {pid: command_line(pid) for rows in processes.values() for pid in (row.pid for row in rows)}
    return _joined(samples, processes, known)


def sample_over(run: Callable[[str], bytes]) -> tuple[GpuSample, ...] | None:
    """Return the cards of another machine.

    Args:
        run: Runs a command line there and returns what it printed, such as `SshRestart.run`; may raise its own errors.
    """
    parts = run(REMOTE_QUERY).decode(errors="replace").split(MARK)
    if len(parts) != 3:
        return None
    known = {}
    for line in parts[2].splitlines():
        pid, _, arguments = line.strip().partition(" ")
        if pid.isdecimal():
            known[int(pid)] = arguments.strip()
    return _joined(parse_gpus(parts[0]), parse_processes(parts[1]), known)


def output_of(argv: Sequence[str], *, timeout_s: float) -> str | None:
    """Run a program to its end and return what it printed; None when it is not there, fails or hangs. Blocks."""
    try:
        done = subprocess.run(list(argv), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout[:MAX_OUTPUT_BYTES].decode(errors="replace") if done.returncode == 0 else None


def _joined(
    samples: Iterable[GpuSample], processes: Mapping[str, Sequence[GpuProcess]], known: Mapping[int, str]
) -> tuple[GpuSample, ...]:
    return tuple(
        replace(
            sample,
            processes=tuple(replace(one, arguments=known.get(one.pid, "")) for one in processes.get(sample.uuid, ())),
        )
        for sample in samples
    )


def parse_gpus(text: str) -> tuple[GpuSample, ...]:
    """Read what `GPU_QUERY` prints. Rows that are none, as of a driver that fails, are left out."""
    samples = {}
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) < 8 or not row[0].strip().isdecimal():
            continue
        index, uuid, *name = row[:-5]
        total, used, temperature, load, power = (number(cell) for cell in row[-5:])
        samples[int(index)] = GpuSample(
            index=int(index),
            uuid=uuid.strip(),
            name=", ".join(part.strip() for part in name),
            vram_total_gb=None if total is None else total / MIB_PER_GIB,
            vram_used_gb=None if used is None else used / MIB_PER_GIB,
            temperature_c=temperature,
            utilisation=None if load is None else load / 100,
            power_w=power,
        )
    return tuple(samples[index] for index in sorted(samples))


def parse_processes(text: str) -> dict[str, list[GpuProcess]]:
    """Read what `PROCESS_QUERY` prints: processes by the UUID of their card."""
    found: dict[str, list[GpuProcess]] = {}
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) < 4 or not row[1].strip().isdecimal():
            continue
        used = number(row[-1])
        name = ", ".join(part.strip() for part in row[2:-1])
        found.setdefault(row[0].strip(), []).append(
            GpuProcess(int(row[1]), name, None if used is None else used / MIB_PER_GIB)
        )
    return found


def number(text: str) -> float | None:
    """Return the first number of a text, such as `71`, `71 C` or `[N/A]` (None)."""
    found = re.match(r"\s*[^\d\s\[-]{0,16}?\s*(-?\d{1,9}(?:\.\d{1,9})?)", text)
    return float(found.group(1)) if found else None


def command_line(pid: int) -> str:
    """Return the command line of a process of this machine; "" when it is gone or hidden."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def works_on(sample: GpuSample, url: str) -> GpuProcess | None:
    """Return the process on a card that serves a ComfyUI address, by its arguments; None when there is none."""
    port = urlsplit(url).port or COMFYUI_PORT
    for process in sample.processes:
        words = process.arguments.replace("=", " ").split(" ")
        if not any(word.rpartition("/")[2] == "main.py" for word in words):
            continue
        stated = words[words.index("--port") + 1 :][:1] if "--port" in words else [str(COMFYUI_PORT)]
        if stated == [str(port)]:
            return process
    return None

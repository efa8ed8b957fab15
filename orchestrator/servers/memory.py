"""How much memory of a card is free, and who holds the rest: read, never reckoned.

Two sources: the card's own figures (NVML, or nvidia-smi, here or over SSH), which name the processes as well; else what
a ComfyUI on that card tells, which counts every process's memory but names none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from orchestrator.card_settings import Gpu
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.comfyui.readiness import GIB, free_vram_bytes
from orchestrator.instances import Instance
from orchestrator.servers import keeper
from orchestrator.telemetry import GpuProcess, GpuSample, find_gpu, works_on

SHOWN = 4
WORDS_SHOWN = 60


@dataclass(frozen=True)
class Memory:
    """The memory of one card at one moment."""

    card: str  # for people, such as "card 0"
    total_gb: float
    free_gb: float
    processes: tuple[GpuProcess, ...] = ()  # that compute on it, where that is known

    def held_by(self, pids: Collection[int]) -> float:
        """Return how much some processes hold, GiB; 0 where that is not known."""
        return sum(one.used_gb or 0.0 for one in self.processes if one.pid in pids)

    def holders(self) -> str:
        """Say who holds it, those first who hold most."""
        known = sorted(self.processes, key=lambda one: -(one.used_gb or 0.0))[:SHOWN]
        if not known:
            return "which program holds it is not known here: see nvidia-smi"
        return ", ".join(_words(one) for one in known)


def _words(process: GpuProcess) -> str:
    name = process.arguments or process.name or "a program"
    shown = name if len(name) <= WORDS_SHOWN else name[: WORDS_SHOWN - 1] + "…"
    used = "" if process.used_gb is None else f" {process.used_gb:.1f} GiB"
    return f"{shown} (process {process.pid}){used}"


@dataclass(frozen=True)
class Gauge:
    """Reads the memory of cards.

    Args:
        samples: Returns the cards of a host as they are now; none when they tell nothing. Blocks.
    """

    samples: Callable[[str], Sequence[GpuSample]]

    def of_card(self, host: str, gpu: Gpu | None, beside: Sequence[Instance] = ()) -> Memory | None:
        """Return a card's memory; None when nothing tells of it. Blocks.

        Args:
            host: "" for this machine.
            gpu: Which card; None: the only one, if there is one only.
            beside: Instances that work on it, which are asked where the card tells nothing itself.
        """
        samples = self.samples(host)
        sample = find_gpu(samples, gpu) or (samples[0] if gpu is None and len(samples) == 1 else None)
        if sample is not None and sample.vram_total_gb is not None and sample.vram_used_gb is not None:
            free_gb = sample.vram_total_gb - sample.vram_used_gb
            return Memory(_name(host, gpu, sample), sample.vram_total_gb, free_gb, sample.processes)
        for instance in beside:
            try:
                figures = free_vram_bytes(instance.session.client.system_stats(read_timeout_s=5.0))
            except ComfyUIError:
                continue
            if figures is not None:
                return Memory(_name(host, gpu, sample), figures[0] / GIB, figures[1] / GIB)
        return None

    def own_gb(self, memory: Memory, instance: Instance) -> float:
        """Return how much of a card an instance holds itself, which it can use again, GiB."""
        pid = 0 if instance.child is None else instance.child.pid
        if pid and memory.processes:
            return memory.held_by({pid, *keeper.descendants(pid)})
        serving = works_on(GpuSample(0, "", "", processes=memory.processes), instance.session.url)
        if serving is not None:
            return serving.used_gb or 0.0
        try:
            stats = instance.session.client.system_stats(read_timeout_s=5.0)
        except ComfyUIError:
            return 0.0
        device = stats.devices[0] if stats.devices else None
        return 0.0 if device is None or device.kind == "cpu" else device.torch_total_bytes / GIB


def same_card(one: Gpu | None, other: Gpu | None, samples: Sequence[GpuSample]) -> bool:
    """Tell whether two names of cards of a host mean the same one. One that is not named may be any."""
    if one is None or other is None:
        return True
    first, second = find_gpu(samples, one), find_gpu(samples, other)
    if first is not None and second is not None:
        return first.index == second.index
    return one == other


def _name(host: str, gpu: Gpu | None, sample: GpuSample | None) -> str:
    index = sample.index if sample is not None else gpu
    return "the card" + (f" {index}" if index is not None else "") + (f" of {host}" if host else "")

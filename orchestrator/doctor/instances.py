"""Probes of one ComfyUI instance: that it answers, is what it should be, and could run every step of the night."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.clock import SystemClock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import ComfyUIError, NotComfyUI
from orchestrator.comfyui.rehearsal import rehearse
from orchestrator.comfyui.replies import SystemStats
from orchestrator.comfyui.workflow import Workflow
from orchestrator.doctor.findings import Finding, Grade
from orchestrator.settings import InstanceSettings
from steps.demands import NOMINAL

OLDEST_COMFYUI = (0, 3, 60)
LEAST_RAM_BYTES = 30 * 2**30
"""A server that streams the larger models through its memory wants 64 GB; below half of that it swaps."""
GIB = 2**30
SHOWN = 4  # problems of a workflow in one line
SHORT_S = 10.0


@dataclass(frozen=True)
class Examined:
    """What an instance answered, for comparisons between instances."""

    settings: InstanceSettings
    stats: SystemStats | None
    findings: tuple[Finding, ...]


def examine_instance(settings: InstanceSettings, workflows: Mapping[str, Workflow]) -> Examined:
    """Look at one instance. Blocks for some seconds; nothing is run on its card.

    Args:
        settings: The instance.
        workflows: Step name -> its workflow.
    """
    subject = f"instance {settings.name}"
    if settings.start is not None and settings.role == "work":
        words = f"Nightreel starts it, from {settings.start.folder}"
        return Examined(settings, None, (Finding(subject, Grade.OK, words, "", settings.name),))
    if settings.role != "work" or settings.url is None:
        words = "reserved: never touched" if settings.role == "reserved" else f"for {settings.role}, not for the night"
        return Examined(settings, None, (Finding(subject, Grade.OK, words, "", settings.name),))
    client = ComfyClient(settings.url, client_id="nightreel-doctor", clock=SystemClock(), read_timeout_s=SHORT_S)
    try:
        stats = client.system_stats()
        known = client.object_info()
        findings = [*_server(settings, stats), *_steps(client, settings, stats, known, workflows)]
    except ComfyUIError as error:
        remedy = "correct its url" if isinstance(error, NotComfyUI) else "start it, or correct its url"
        return Examined(settings, None, (Finding(subject, Grade.PROBLEM, str(error), remedy, settings.name),))
    finally:
        client.close()
    return Examined(settings, stats, tuple(findings))


def _server(settings: InstanceSettings, stats: SystemStats) -> Iterator[Finding]:
    subject = f"instance {settings.name}"
    card = stats.devices[0] if stats.devices else None
    words = f"ComfyUI {stats.comfyui_version} at {settings.url}"
    if card is not None and not stats.preview:
        words += f", {card.name or card.kind}, {card.vram_total_bytes / GIB:.1f} GiB"
    version = tuple(int(part) for part in stats.comfyui_version.split(".") if part.isdigit())
    if version and version < OLDEST_COMFYUI:
        oldest = ".".join(str(part) for part in OLDEST_COMFYUI)
        remedy = f"update it: Nightreel is made for {oldest} and newer"
        yield Finding(subject, Grade.WARNING, words, remedy, settings.name)
    else:
        yield Finding(subject, Grade.OK, words, "", settings.name)
    if stats.preview:
        return
    if card is not None and card.kind == "cpu":
        remedy = "start it without --cpu, on the machine with the card"
        yield Finding(f"{subject}: card", Grade.WARNING, "it computes on the CPU", remedy, settings.name)
    if 0 < stats.ram_total_bytes < LEAST_RAM_BYTES:
        found = f"its machine has {stats.ram_total_bytes / GIB:.0f} GiB of memory"
        remedy = "give it 64 GB for the larger models; with less it swaps or is killed"
        yield Finding(f"{subject}: memory", Grade.WARNING, found, remedy, settings.name)
    if card is not None and settings.vram_gb is not None:
        found_gb = card.vram_total_bytes / GIB
        if not NOMINAL * settings.vram_gb <= found_gb <= settings.vram_gb / NOMINAL:
            found = f"it works on {found_gb:.1f} GiB ({card.name}); config.yaml says {settings.vram_gb:g} GB"
            remedy = "see which card the unit is pinned to (CUDA_VISIBLE_DEVICES), or correct `vram_gb`"
            yield Finding(f"{subject}: card", Grade.PROBLEM, found, remedy, settings.name)


def _steps(
    client: ComfyClient,
    settings: InstanceSettings,
    stats: SystemStats,
    known: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
) -> Iterator[Finding]:
    for step, workflow in workflows.items():
        found, remedy = _step_problem(client, stats, known, workflow)
        if found:
            subject = f"instance {settings.name}: {step}"
            yield Finding(subject, Grade.PROBLEM, found, remedy, settings.name, step)


def _step_problem(
    client: ComfyClient, stats: SystemStats, known: Mapping[str, Any], workflow: Workflow
) -> tuple[str, str]:
    """Return why an instance cannot run a workflow, and what to do; ("", "") when it can."""
    fitted = workflow.fitted_to(known)
    problems = [str(problem) for problem in fitted.validate(known)]
    if not problems:
        problems = [str(one) for one in rehearse(client, fitted, object_info=known)]
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        return "; ".join(problems[:SHOWN]) + more, "install the nodes and put the model files there that are named"
    total = stats.devices[0].vram_total_bytes / GIB if stats.devices else 0.0
    wanted = workflow.manifest.needs.vram_gb
    if not stats.preview and 0 < total < NOMINAL * wanted:
        found = f"its card has {total:.1f} GiB, and {workflow.manifest.name} needs {wanted:g} GB"
        return found, "choose a workflow that needs less under `steps`, or leave the step to a larger card"
    return "", ""


def compare(examined: Sequence[Examined]) -> Iterator[Finding]:
    """Yield what only shows when instances are looked at together."""
    answered = [one for one in examined if one.stats is not None]
    for index, one in enumerate(answered):
        for other in answered[:index]:
            assert one.stats is not None
            assert other.stats is not None
            if one.stats.boot_id is not None and one.stats.boot_id == other.stats.boot_id:
                found = f"it is the same server as {other.settings.name}"
                remedy = "start one server for each card, and give each its own url"
                yield Finding(f"instance {one.settings.name}", Grade.PROBLEM, found, remedy, one.settings.name)


def steps_nobody_can_do(examined: Sequence[Examined], steps: Sequence[str]) -> Iterator[Finding]:
    """Yield the steps that no instance can run."""
    usable = [
        one
        for one in examined
        if one.stats is not None
        and not any(found.grade is Grade.PROBLEM and found.step is None for found in _deciding(one.findings))
    ]
    for step in steps:
        if usable and not any(
            all(found.step != step or found.grade is not Grade.PROBLEM for found in one.findings) for one in usable
        ):
            found = "no instance can run it; each says above why"
            yield Finding(f"step {step}", Grade.PROBLEM, found, "make one of them able to", step=step)


def _deciding(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that decide whether an instance can be used: a broken way to restart does not."""
    return [found for found in findings if not found.subject.endswith(": restart")]

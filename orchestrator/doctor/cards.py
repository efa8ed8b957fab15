"""Cards: whether each instance is on the card that it should be on, and none is on a reserved one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from orchestrator.comfyui.replies import SystemStats
from orchestrator.doctor.findings import Finding, Grade
from orchestrator.own_comfyui import start_problems
from orchestrator.reserved import Evidence, why_not_started, why_refused
from orchestrator.sampling import sample, source_of
from orchestrator.settings import InstanceSettings
from orchestrator.telemetry import GpuSample, find_gpu

Answered = tuple[InstanceSettings, SystemStats | None]


def cards(listed: Sequence[Answered]) -> Iterator[Finding]:
    """Yield what is wrong with the cards of the instances. Blocks while the cards of each host are asked.

    Args:
        listed: All entries of config.yaml, each with what its server answered.
    """
    by_host = sorted(listed, key=lambda one: one[0].host)
    for host, group in groupby(by_host, key=lambda one: one[0].host):
        there = list(group)
        entries = [settings for settings, _ in there]
        samples = sample(source_of(host, entries))
        reserved = [one for one in entries if one.role == "reserved"]
        for settings, stats in there:
            if settings.role == "work":
                yield from _card(settings, stats, reserved, samples)


def _card(
    settings: InstanceSettings,
    stats: SystemStats | None,
    reserved: Sequence[InstanceSettings],
    samples: Sequence[GpuSample],
) -> Iterator[Finding]:
    subject = f"instance {settings.name}: card"
    refused = None
    if settings.start is not None:
        for problem in start_problems(settings.start):
            remedy = "correct it in config.yaml"
            yield Finding(f"instance {settings.name}", Grade.PROBLEM, problem, remedy, settings.name)
        refused = why_not_started(settings, reserved, samples)
    else:
        refused = (
            None if stats is None else why_refused(settings, reserved, Evidence(settings.url or "", stats, samples))
        )
    if refused is not None:
        yield Finding(subject, Grade.PROBLEM, refused, "a reserved card is never touched", settings.name)
    sample_of_it = find_gpu(samples, settings.gpu)
    if samples and settings.gpu is not None and sample_of_it is None:
        there = ", ".join(f"{one.index} ({one.name})" for one in samples)
        remedy = "correct `gpu`; nvidia-smi -L lists the cards"
        yield Finding(
            subject, Grade.PROBLEM, f"its machine has no card {settings.gpu}; it has {there}", remedy, settings.name
        )
    elif sample_of_it is not None:
        yield from _heat(subject, settings, sample_of_it)


def _heat(subject: str, settings: InstanceSettings, card: GpuSample) -> Iterator[Finding]:
    limit = settings.max_temperature_c
    if limit is not None and card.temperature_c is not None and card.temperature_c >= limit:
        found = f"it is at {card.temperature_c:.0f} °C, and `max_temperature_c` is {limit:g}"
        remedy = "look at its fans, or raise the limit; until it has cooled it gets no prompt"
        yield Finding(subject, Grade.WARNING, found, remedy, settings.name)

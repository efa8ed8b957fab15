"""Whether an instance works on a card that is reserved for a person. Pure: what was reported, compared.

A reserved card is never touched, so an instance that may be on one is refused before the first prompt, and again after
each restart. None of the signs is there always: an instance pinned by CUDA_VISIBLE_DEVICES calls its card `cuda:0`
whichever it is, and a process table is not visible from everywhere. So all of them are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.comfyui.replies import SystemStats
from orchestrator.settings import InstanceSettings
from orchestrator.telemetry import GpuSample, find_gpu, works_on


@dataclass(frozen=True)
class Evidence:
    """What is known of an instance and of the cards of its host."""

    url: str
    stats: SystemStats
    samples: Sequence[GpuSample] = ()  # of all cards of the host; empty when nobody tells


def why_refused(instance: InstanceSettings, reserved: Sequence[InstanceSettings], evidence: Evidence) -> str | None:
    """Return why an instance must be left alone; None when nothing says that its card is a reserved one.

    Args:
        instance: The instance.
        reserved: All entries with the role `reserved`; those of other hosts do not matter.
        evidence: What was found.
    """
    for keeper in reserved:
        if keeper.host != instance.host or keeper.gpu is None:
            continue
        sign = _sign(instance, keeper, evidence)
        if sign is not None:
            return (
                f"{instance.name} is refused: {sign}, and that card is reserved as {keeper.name}. Pin the instance to "
                "another card (CUDA_VISIBLE_DEVICES of its unit) and say which under `gpu`"
            )
    return None


def why_not_started(
    instance: InstanceSettings, reserved: Sequence[InstanceSettings], samples: Sequence[GpuSample]
) -> str | None:
    """Return why a ComfyUI of our own must not be started on its card; None when it may be.

    Args:
        instance: How it would be started.
        reserved: All entries with the role `reserved`.
        samples: The cards of this machine; empty when nobody tells.
    """
    for keeper in reserved:
        if keeper.host != instance.host:
            continue
        if instance.gpu is None:
            return f"{instance.name} has no `gpu`: it would see every card, and {keeper.name} is reserved; give it one"
        card, mine = find_gpu(samples, keeper.gpu), find_gpu(samples, instance.gpu)
        if keeper.gpu == instance.gpu or (card is not None and mine is not None and card.uuid == mine.uuid):
            return f"{instance.name} is not started: its `gpu: {instance.gpu}` is the card reserved as {keeper.name}"
        if type(keeper.gpu) is not type(instance.gpu) and (card is None or mine is None):
            return (
                f"{instance.name} is not started: nobody here tells whether its `gpu: {instance.gpu}` is the reserved "
                f"`gpu: {keeper.gpu}`; give both as an index, or both as a UUID"
            )
    return None


def _sign(instance: InstanceSettings, keeper: InstanceSettings, evidence: Evidence) -> str | None:
    card = find_gpu(evidence.samples, keeper.gpu)
    index = card.index if card is not None else keeper.gpu if isinstance(keeper.gpu, int) else None
    mine = find_gpu(evidence.samples, instance.gpu)
    if card is not None and mine is not None and mine.uuid == card.uuid:
        return f"its `gpu: {instance.gpu}` is card {card.index}, {card.uuid}"
    if card is not None and (process := works_on(card, evidence.url)) is not None:
        return f"its process {process.pid} computes on card {card.index} ({card.name})"
    pinned = _pinned_by_argument(evidence.stats)
    if index is not None and pinned is not None and index in pinned:
        return f"it was started with --cuda-device {','.join(map(str, pinned))}"
    return _sign_of_device(instance, card, index, evidence)


def _sign_of_device(
    instance: InstanceSettings, card: GpuSample | None, index: int | None, evidence: Evidence
) -> str | None:
    """Return what the instance's own word about its cards says."""
    devices = [device for device in evidence.stats.devices if device.kind not in ("cpu", "")]
    for device in devices:
        if card is not None and len(card.uuid) > 8 and card.uuid in device.name:
            return f"it reports the card {card.uuid}"
    if not devices or _pinned_by_argument(evidence.stats) is not None:
        return None
    if len(devices) > 1 and index is not None and index < len(devices):
        return f"it sees {len(devices)} cards, card {index} among them, so it is pinned to none"
    if card is not None and card.name and card.name in devices[0].name:
        namesakes = [one for one in evidence.samples if one.name == card.name]
        if len(namesakes) == 1:
            return f"it reports a {card.name}, and card {card.index} is the only one"
    if instance.gpu is None and index is not None and devices[0].index == index:
        return f"it reports card {index} and has no `gpu` that says otherwise"
    return None


def _pinned_by_argument(stats: SystemStats) -> list[int] | None:
    """Return the cards that `--cuda-device` names; None without it."""
    words = " ".join(stats.argv).replace("--cuda-device=", "--cuda-device ").split(" ")
    if "--cuda-device" not in words:
        return None
    named = words[words.index("--cuda-device") + 1 :][:1]
    return [int(one) for one in (named[0].split(",") if named else []) if one.strip().isdecimal()]

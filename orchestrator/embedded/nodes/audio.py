"""Sound: loaded, made, cut, mixed and saved."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestrator.embedded import pixels
from orchestrator.embedded.files import Folders
from orchestrator.embedded.nodes.base import Family, NodeContext, NodeOutput, gives
from orchestrator.embedded.nodes.image_outputs import save_file
from orchestrator.embedded.values import Audio, Choice

AUDIO = Family()


def _audio_exists(folders: Folders, value: Any) -> str | None:
    return None if folders.has_input(value) else f"Invalid audio file: {value}"


def _content_hash(folders: Folders, *, audio: str, **_: Any) -> str:
    return hashlib.sha256(folders.input_file(audio).read_bytes()).hexdigest()


@AUDIO.node("LoadAudio", fingerprint=_content_hash, checks={"audio": _audio_exists})
def load_audio(context: NodeContext, *, audio: str) -> NodeOutput:
    """Read the sound of an audio or video file."""
    from orchestrator.embedded import media

    return gives(media.read_audio(context.folders.input_file(audio)))


@AUDIO.node("EmptyAudio")
def empty_audio(context: NodeContext, *, duration: float, sample_rate: int, channels: int) -> NodeOutput:
    """Silence."""
    return gives(Audio(np.zeros((channels, round(duration * sample_rate)), dtype=np.float32), sample_rate))


@AUDIO.node("TrimAudioDuration")
def trim_audio(context: NodeContext, *, audio: Audio, start_index: float, duration: float) -> NodeOutput:
    """Cut a piece out; a negative start counts from the end, and the end of the sound is the limit."""
    total = audio.samples.shape[1]
    start = round(start_index * audio.rate_hz) + (total if start_index < 0 else 0)
    start = max(0, min(start, total - 1))
    stop = min(start + round(duration * audio.rate_hz), total)
    if start >= stop or (start_index > 0 and start_index * audio.rate_hz >= total):
        raise ValueError("AudioTrim: Start time must be less than end time and be within the audio length.")
    return gives(audio.part(start, stop))


@AUDIO.node("AudioConcat")
def concat_audio(context: NodeContext, *, audio1: Audio, audio2: Audio, direction: str) -> NodeOutput:
    """Play one sound after the other."""
    first, second = _alike(audio1, audio2)
    parts = [first.samples, second.samples] if direction == "after" else [second.samples, first.samples]
    return gives(Audio(np.concatenate(parts, axis=1), first.rate_hz))


@AUDIO.node("AudioMerge")
def merge_audio(context: NodeContext, *, audio1: Audio, audio2: Audio, merge_method: str) -> NodeOutput:
    """Play two sounds at once; the first one's length counts."""
    first, second = _alike(audio1, audio2)
    length = first.samples.shape[1]
    other = np.zeros_like(first.samples)
    shared = min(length, second.samples.shape[1])
    other[:, :shared] = second.samples[:, :shared]
    ways: Mapping[str, Callable[[], npt.NDArray[np.float32]]] = {
        "add": lambda: first.samples + other,
        "mean": lambda: (first.samples + other) / np.float32(2),
        "subtract": lambda: first.samples - other,
        "multiply": lambda: first.samples * other,
    }
    mixed = ways[merge_method]()
    loudest = float(np.abs(mixed).max(initial=0.0))
    return gives(Audio(mixed / loudest if loudest > 1.0 else mixed, first.rate_hz))


def _alike(first: Audio, second: Audio) -> tuple[Audio, Audio]:
    """Bring two sounds to the higher of their rates and to the same number of channels."""
    rate_hz = max(first.rate_hz, second.rate_hz)
    channels = max(first.samples.shape[0], second.samples.shape[0])
    return _as(first, rate_hz, channels), _as(second, rate_hz, channels)


def _as(audio: Audio, rate_hz: int, channels: int) -> Audio:
    samples = audio.samples
    if audio.rate_hz != rate_hz:
        count = round(samples.shape[1] * rate_hz / audio.rate_hz)
        places = np.linspace(0, samples.shape[1] - 1, count)
        known = np.arange(samples.shape[1])
        samples = np.stack([np.interp(places, known, channel) for channel in samples]).astype(np.float32)
    if samples.shape[0] < channels:
        samples = np.repeat(samples[:1], channels, axis=0)
    return Audio(samples, rate_hz)


@AUDIO.node("AudioAdjustVolume")
def adjust_volume(context: NodeContext, *, audio: Audio, volume: int) -> NodeOutput:
    """Make a sound louder or softer, in dB."""
    if volume == 0:
        return gives(audio)
    return gives(Audio(audio.samples * np.float32(10 ** (volume / 20)), audio.rate_hz))


@AUDIO.node("SplitAudioChannels")
def split_channels(context: NodeContext, *, audio: Audio) -> NodeOutput:
    """Part left and right."""
    if audio.samples.shape[0] != 2:
        raise ValueError("AudioSplit: Input audio must be stereo.")
    return gives(Audio(audio.samples[:1], audio.rate_hz), Audio(audio.samples[1:], audio.rate_hz))


@AUDIO.node("JoinAudioChannels")
def join_channels(context: NodeContext, *, audio_left: Audio, audio_right: Audio) -> NodeOutput:
    """Make left and right one sound; the shorter one's length counts."""
    left, right = _alike(audio_left, audio_right)
    length = min(left.samples.shape[1], right.samples.shape[1])
    return gives(Audio(np.stack([left.mono[:length], right.mono[:length]]), left.rate_hz))


def _save(context: NodeContext, audio: Audio, prefix: str | None, *, kind: str, quality: str = "") -> NodeOutput:
    """Save a sound, or preview it where there is no prefix."""
    from orchestrator.embedded import media

    plan = context.folders.plan_temp() if prefix is None else context.folders.plan(prefix)
    name = plan.name(0, kind, underscore=context.settings.dialect.audio_underscore)
    texts = pixels.metadata_texts(context.prompt, context.extra_data)
    save_file(context, plan, name, lambda part: media.write_audio(part, audio, texts, kind=kind, quality=quality))
    return gives(audio, ui={"audio": [plan.entry(name)]})


@AUDIO.node("SaveAudio")
def save_flac(context: NodeContext, *, audio: Audio, filename_prefix: str) -> NodeOutput:
    """Save as flac."""
    return _save(context, audio, filename_prefix, kind="flac")


@AUDIO.node("SaveAudioMP3")
def save_mp3(context: NodeContext, *, audio: Audio, filename_prefix: str, quality: str) -> NodeOutput:
    """Save as mp3."""
    return _save(context, audio, filename_prefix, kind="mp3", quality=quality)


@AUDIO.node("SaveAudioOpus")
def save_opus(context: NodeContext, *, audio: Audio, filename_prefix: str, quality: str) -> NodeOutput:
    """Save as opus."""
    return _save(context, audio, filename_prefix, kind="opus", quality=quality)


@AUDIO.node("SaveAudioAdvanced")
def save_audio_advanced(context: NodeContext, *, audio: Audio, filename_prefix: str, format: Choice) -> NodeOutput:
    """Save in a chosen format."""
    return _save(context, audio, filename_prefix, kind=format.key, quality=format.inputs.get("quality", ""))


@AUDIO.node("PreviewAudio")
def preview_audio(context: NodeContext, *, audio: Audio) -> NodeOutput:
    """Let a sound be heard."""
    return _save(context, audio, None, kind="flac")

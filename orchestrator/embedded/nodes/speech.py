"""Speech nodes of three Qwen3-TTS packs. They differ in names and limits, not in what they do."""

from __future__ import annotations

import re
from typing import Any

from orchestrator.embedded.nodes.base import Family, NodeContext, NodeOutput, gives
from orchestrator.embedded.values import Audio, Model

SPEECH = Family()

TOKENS_PER_SECOND = 12.5
SPEAKING_STEPS = 8
DESIGNED_MALE, DESIGNED_FEMALE = "Ryan", "Serena"

_MALE_WORDS = re.compile(r"\b(man|male|boy|gentleman|baritone|bass|homme|masculine?)\b", re.IGNORECASE)


def _speak(
    context: NodeContext, text: str, *, language: str, speaker: str, instruct: str, seed: int, max_new_tokens: int
) -> NodeOutput:
    """Speak a text; what goes beyond the tokens is cut off, as with the real model."""
    for step in range(1, SPEAKING_STEPS + 1):
        context.step(step, SPEAKING_STEPS)
    if not text.strip():
        raise ValueError("text is empty")
    audio = context.renderers.synthesize(text, language=language, speaker=speaker, instruct=instruct, seed=seed)
    limit = int(max_new_tokens / TOKENS_PER_SECOND * audio.rate_hz)
    return gives(audio if limit >= audio.samples.shape[1] else audio.part(0, limit))


def _designed_speaker(instruct: str) -> str:
    """Choose a preset voice for a described one."""
    return DESIGNED_MALE if _MALE_WORDS.search(instruct) else DESIGNED_FEMALE


@SPEECH.node("FB_Qwen3TTSCustomVoice")
def fb_custom_voice(
    context: NodeContext,
    *,
    text: str,
    speaker: str,
    language: str,
    instruct: str = "",
    seed: int = 0,
    max_new_tokens: int = 2048,
    **settings: Any,
) -> NodeOutput:
    """A preset voice (flybirdxx's pack)."""
    return _speak(
        context,
        text,
        language=language,
        speaker=speaker,
        instruct=instruct,
        seed=seed,
        max_new_tokens=max_new_tokens,
    )


@SPEECH.node("FB_Qwen3TTSVoiceDesign")
def fb_voice_design(
    context: NodeContext,
    *,
    text: str,
    instruct: str,
    language: str,
    seed: int = 0,
    max_new_tokens: int = 2048,
    **settings: Any,
) -> NodeOutput:
    """A described voice (flybirdxx's pack)."""
    return _speak(
        context,
        text,
        language=language,
        speaker=_designed_speaker(instruct),
        instruct=instruct,
        seed=seed,
        max_new_tokens=max_new_tokens,
    )


@SPEECH.node("FB_Qwen3TTSVoiceClone")
def fb_voice_clone(
    context: NodeContext,
    *,
    target_text: str,
    language: str,
    ref_audio: Audio | None = None,
    ref_text: str = "",
    seed: int = 0,
    max_new_tokens: int = 2048,
    **settings: Any,
) -> NodeOutput:
    """A copied voice (flybirdxx's pack); nothing is copied here, a preset one speaks."""
    return _speak(
        context,
        target_text,
        language=language,
        speaker=DESIGNED_FEMALE,
        instruct="",
        seed=seed,
        max_new_tokens=max_new_tokens,
    )


@SPEECH.node("FB_Qwen3TTSConfig")
def fb_config(context: NodeContext, **pauses: float) -> NodeOutput:
    """Pauses (flybirdxx's pack); the synthesizer makes its own."""
    return gives(pauses)


@SPEECH.node("Qwen3Loader")
def qwen3_loader(
    context: NodeContext,
    *,
    repo_id: str,
    source: str,
    precision: str,
    attention: str,
    local_model_path: str = "",
) -> NodeOutput:
    """Name a speech model (DarioFT's pack)."""
    return gives(Model("tts", repo_id))


@SPEECH.node("Qwen3CustomVoice")
def qwen3_custom_voice(
    context: NodeContext,
    *,
    model: Model,
    text: str,
    language: str,
    speaker: str,
    seed: int,
    instruct: str = "",
    custom_speaker_name: str = "",
    max_new_tokens: int = 2048,
) -> NodeOutput:
    """A preset voice (DarioFT's pack)."""
    return _speak(
        context,
        text,
        language=language,
        speaker=speaker,
        instruct=instruct,
        seed=seed,
        max_new_tokens=max_new_tokens,
    )


@SPEECH.node("Qwen3VoiceDesign")
def qwen3_voice_design(
    context: NodeContext,
    *,
    model: Model,
    text: str,
    language: str,
    instruct: str,
    seed: int,
    max_new_tokens: int = 2048,
) -> NodeOutput:
    """A described voice (DarioFT's pack)."""
    return _speak(
        context,
        text,
        language=language,
        speaker=_designed_speaker(instruct),
        instruct=instruct,
        seed=seed,
        max_new_tokens=max_new_tokens,
    )


@SPEECH.node("AILab_Qwen3TTSCustomVoice_Advanced")
def ailab_custom_voice(
    context: NodeContext,
    *,
    text: str,
    speaker: str,
    language: str,
    instruct: str = "",
    seed: int = -1,
    max_new_tokens: int = 2048,
    **settings: Any,
) -> NodeOutput:
    """A preset voice (1038lab's pack)."""
    return _speak(
        context,
        text,
        language=language,
        speaker=speaker,
        instruct=instruct,
        seed=max(0, seed),
        max_new_tokens=max_new_tokens,
    )


@SPEECH.node("AILab_Qwen3TTSVoiceDesign_Advanced")
def ailab_voice_design(
    context: NodeContext,
    *,
    text: str,
    instruct: str,
    language: str,
    seed: int = -1,
    max_new_tokens: int = 2048,
    **settings: Any,
) -> NodeOutput:
    """A described voice (1038lab's pack)."""
    return _speak(
        context,
        text,
        language=language,
        speaker=_designed_speaker(instruct),
        instruct=instruct,
        seed=max(0, seed),
        max_new_tokens=max_new_tokens,
    )

"""What a sampler is told: words, and the pictures that go with them."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.embedded.nodes.base import Family, NodeContext, NodeOutput, gives
from orchestrator.embedded.values import Audio, Choice, Conditioning, Images, Latent, Model

CONDITIONING = Family()

WRITER_STEPS = 4


@CONDITIONING.node("CLIPTextEncode")
def encode_text(context: NodeContext, *, text: str, clip: Model) -> NodeOutput:
    """Keep the words."""
    return gives(Conditioning(text))


@CONDITIONING.node("ConditioningZeroOut")
def zero_out(context: NodeContext, *, conditioning: Conditioning) -> NodeOutput:
    """Say nothing."""
    return gives(replace(conditioning, text="", is_zero=True))


@CONDITIONING.node("ConditioningCombine")
def combine(context: NodeContext, *, conditioning_1: Conditioning, conditioning_2: Conditioning) -> NodeOutput:
    """Say two things."""
    return gives(_joined(conditioning_1, conditioning_2))


@CONDITIONING.node("ConditioningConcat")
def concat(context: NodeContext, *, conditioning_to: Conditioning, conditioning_from: Conditioning) -> NodeOutput:
    """Say one thing after the other."""
    return gives(_joined(conditioning_to, conditioning_from))


@CONDITIONING.node("ConditioningAverage")
def average(
    context: NodeContext,
    *,
    conditioning_to: Conditioning,
    conditioning_from: Conditioning,
    conditioning_to_strength: float,
) -> NodeOutput:
    """Say the stronger of two things first."""
    pair = [conditioning_to, conditioning_from]
    first, second = pair if conditioning_to_strength >= 0.5 else reversed(pair)
    return gives(_joined(first, second))


def _joined(first: Conditioning, second: Conditioning) -> Conditioning:
    return Conditioning(
        text="\n".join(filter(None, (first.text, second.text))),
        references=(*first.references, *second.references),
        start=first.start or second.start,
        end=first.end or second.end,
        fps=first.fps or second.fps,
        is_zero=first.is_zero and second.is_zero,
    )


@CONDITIONING.node("ConditioningSetTimestepRange")
def set_timestep_range(context: NodeContext, *, conditioning: Conditioning, start: float, end: float) -> NodeOutput:
    """Say it only for some steps; here, for all."""
    return gives(conditioning)


@CONDITIONING.node("FluxGuidance")
def flux_guidance(context: NodeContext, *, conditioning: Conditioning, guidance: float) -> NodeOutput:
    """Say it louder or more softly."""
    return gives(conditioning)


@CONDITIONING.node("FluxKontextMultiReferenceLatentMethod")
def reference_method(context: NodeContext, *, conditioning: Conditioning, reference_latents_method: str) -> NodeOutput:
    """Choose how several pictures are told apart."""
    return gives(conditioning)


@CONDITIONING.node("ReferenceLatent")
def reference_latent(context: NodeContext, *, conditioning: Conditioning, latent: Latent | None = None) -> NodeOutput:
    """Add a picture to be edited."""
    if latent is None:
        return gives(conditioning)
    return gives(replace(conditioning, references=(*conditioning.references, latent)))


@CONDITIONING.node("TextGenerateLTX2Prompt")
def rewrite_prompt(
    context: NodeContext,
    *,
    clip: Model,
    prompt: str,
    max_length: int,
    sampling_mode: Choice,
    image: Images | None = None,
    video: Images | None = None,
    audio: Audio | None = None,
    thinking: bool = False,
    use_default_template: bool = True,
) -> NodeOutput:
    """Rewrite a prompt; there is no language model here, so it stays as it is."""
    for step in range(1, WRITER_STEPS + 1):
        context.step(step, WRITER_STEPS)
    return gives(prompt)

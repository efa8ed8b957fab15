"""LTX-2.3: clips with sound, and portraits that say a given speech."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from orchestrator.embedded.nodes.base import Family, NodeContext, NodeOutput, gives
from orchestrator.embedded.nodes.latents import floored
from orchestrator.embedded.values import Audio, AudioLatent, AvLatent, Conditioning, Images, Latent, Model

LTX = Family()

BLOCK_PX = 32
ENCODER_RATE_HZ = 44_100
ENCODER_BLOCK = 4096
"""The audio encoder resamples and crops around the centre to whole blocks, so that up to 46 ms are lost at each end."""


def frames_of(length: int) -> int:
    """Round a length down to 8n+1 frames."""
    return (length - 1) // 8 * 8 + 1


def _empty(width: int, height: int, length: int, batch: int) -> Latent:
    return Latent(floored(width, BLOCK_PX), floored(height, BLOCK_PX), frames=frames_of(length), batch=batch)


@LTX.node("EmptyLTXVLatentVideo")
def empty_video(context: NodeContext, *, width: int, height: int, length: int, batch_size: int) -> NodeOutput:
    """An empty clip in blocks of 32 pixels and 8n+1 frames."""
    return gives(_empty(width, height, length, batch_size))


@LTX.node("LTXVImgToVideo")
def image_to_video(
    context: NodeContext,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Model,
    image: Images,
    width: int,
    height: int,
    length: int,
    batch_size: int,
    strength: float,
) -> NodeOutput:
    """A clip that begins with a picture."""
    return gives(positive, negative, replace(_empty(width, height, length, batch_size), start=image))


@LTX.node("LTXVImgToVideoInplace")
def image_to_video_inplace(
    context: NodeContext, *, vae: Model, image: Images, latent: Latent, strength: float, bypass: bool
) -> NodeOutput:
    """Put a picture at the beginning of a clip."""
    return gives(latent if bypass else replace(latent, start=image))


@LTX.node("LTXVAddGuide")
def add_guide(
    context: NodeContext,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Model,
    latent: Latent,
    image: Images,
    frame_idx: int,
    strength: float,
    attention_mask: object = None,
    iclora_parameters: object = None,
) -> NodeOutput:
    """Put a picture somewhere in a clip: here at its beginning or at its end, whichever is nearer."""
    index = frame_idx + latent.frames if frame_idx < 0 else frame_idx
    is_end = index > latent.frames // 2
    return gives(positive, negative, replace(latent, end=image) if is_end else replace(latent, start=image))


@LTX.node("LTXVCropGuides")
def crop_guides(context: NodeContext, *, positive: Conditioning, negative: Conditioning, latent: Latent) -> NodeOutput:
    """Take the guides of an earlier stage away; they leave no trace here."""
    return gives(positive, negative, latent)


@LTX.node("LTXVConditioning")
def conditioning(
    context: NodeContext, *, positive: Conditioning, negative: Conditioning, frame_rate: float
) -> NodeOutput:
    """Say how many frames a second has."""
    return gives(replace(positive, fps=frame_rate), replace(negative, fps=frame_rate))


@LTX.node("LTXVReferenceAudio")
def reference_audio(
    context: NodeContext,
    *,
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    reference_audio: Audio,
    audio_vae: Model,
    identity_guidance_scale: float,
    start_percent: float,
    end_percent: float,
) -> NodeOutput:
    """Say whose voice is to be heard; there is only one here."""
    return gives(model, positive, negative)


@LTX.node("LTXVPreprocess")
def preprocess(context: NodeContext, *, image: Images, img_compression: int) -> NodeOutput:
    """Make a picture look as if it came out of a video; here it stays clean."""
    return gives(image)


@LTX.node("LTXVConcatAVLatent")
def concat_av(context: NodeContext, *, video_latent: Latent, audio_latent: AudioLatent) -> NodeOutput:
    """Join picture and sound, to be sampled together."""
    return gives(AvLatent(video_latent, audio_latent))


@LTX.node("LTXVSeparateAVLatent")
def separate_av(context: NodeContext, *, av_latent: AvLatent) -> NodeOutput:
    """Part picture and sound."""
    return gives(av_latent.video, av_latent.audio)


@LTX.node("LTXVLatentUpsampler")
def upsample(context: NodeContext, *, samples: Latent, upscale_model: Model, vae: Model) -> NodeOutput:
    """Double the size of a clip."""
    return gives(replace(samples, width=samples.width * 2, height=samples.height * 2))


@LTX.node("LTXVAudioVAEEncode")
def encode_audio(context: NodeContext, *, audio: Audio, audio_vae: Model) -> NodeOutput:
    """Encode a sound, losing what does not fill a block, half of it at each end."""
    lost = int(audio.duration_s * ENCODER_RATE_HZ) % ENCODER_BLOCK / ENCODER_RATE_HZ
    head = int(lost / 2 * audio.rate_hz)
    length = int((audio.duration_s - lost) * audio.rate_hz)
    kept = audio.part(head, head + length)
    return gives(AudioLatent(kept, kept.duration_s))


@LTX.node("LTXVAudioVAEDecode")
def decode_audio(context: NodeContext, *, samples: AudioLatent, audio_vae: Model) -> NodeOutput:
    """Turn a latent into sound, in stereo; one that was not given is silent."""
    if samples.audio is None:
        silence = np.zeros((2, int(samples.duration_s * ENCODER_RATE_HZ)), dtype=np.float32)
        return gives(Audio(silence, ENCODER_RATE_HZ))
    return gives(Audio(np.repeat(samples.audio.mono[None, :], 2, axis=0), samples.audio.rate_hz))


@LTX.node("LTXVEmptyLatentAudio")
def empty_audio(
    context: NodeContext, *, frames_number: int, frame_rate: int, batch_size: int, audio_vae: Model
) -> NodeOutput:
    """An empty sound as long as a clip."""
    return gives(AudioLatent(None, frames_number / frame_rate))

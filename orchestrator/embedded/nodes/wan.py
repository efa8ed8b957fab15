"""Wan 2.1 and 2.2: clips out of one picture or two."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.embedded.nodes.base import Family, NodeContext, NodeOutput, gives
from orchestrator.embedded.nodes.latents import floored
from orchestrator.embedded.values import Conditioning, Images, Latent, Model

WAN = Family()


def frames_of(length: int) -> int:
    """Round a length down to 4n+1 frames."""
    return (length - 1) // 4 * 4 + 1


def _conditioned(
    positive: Conditioning,
    negative: Conditioning,
    *,
    start: Images | None,
    end: Images | None,
    size: tuple[int, int],
    length: int,
    batch: int,
) -> NodeOutput:
    """Tell the sampler which pictures the clip has at its ends.

    An end picture on a frame beyond the last 4n+1 is outside of what is encoded: it is lost without a word.
    """
    seen_end = end if (length - 1) % 4 == 0 else None
    latent = Latent(floored(size[0], 16), floored(size[1], 16), frames=frames_of(length), batch=batch)
    told = [replace(one, start=start, end=seen_end) for one in (positive, negative)]
    return gives(*told, latent)


@WAN.node("WanFirstLastFrameToVideo")
def first_last_frame(
    context: NodeContext,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Model,
    width: int,
    height: int,
    length: int,
    batch_size: int,
    start_image: Images | None = None,
    end_image: Images | None = None,
    **looks: Any,
) -> NodeOutput:
    """A clip from one picture to another."""
    return _conditioned(
        positive, negative, start=start_image, end=end_image, size=(width, height), length=length, batch=batch_size
    )


@WAN.node("WanFunInpaintToVideo")
def fun_inpaint(
    context: NodeContext,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Model,
    width: int,
    height: int,
    length: int,
    batch_size: int,
    start_image: Images | None = None,
    end_image: Images | None = None,
    clip_vision_output: Any = None,
) -> NodeOutput:
    """A clip from one picture to another, by the model made for filling in."""
    return _conditioned(
        positive, negative, start=start_image, end=end_image, size=(width, height), length=length, batch=batch_size
    )


@WAN.node("WanImageToVideo")
def image_to_video(
    context: NodeContext,
    *,
    positive: Conditioning,
    negative: Conditioning,
    vae: Model,
    width: int,
    height: int,
    length: int,
    batch_size: int,
    start_image: Images | None = None,
    clip_vision_output: Any = None,
) -> NodeOutput:
    """A clip that begins with a picture."""
    return _conditioned(
        positive, negative, start=start_image, end=None, size=(width, height), length=length, batch=batch_size
    )


@WAN.node("EmptyHunyuanLatentVideo")
def empty_clip(context: NodeContext, *, width: int, height: int, length: int, batch_size: int) -> NodeOutput:
    """An empty clip, for text alone; Wan shares it with another family."""
    return gives(Latent(floored(width, 16), floored(height, 16), frames=frames_of(length), batch=batch_size))


@WAN.node("Wan22ImageToVideoLatent")
def image_to_video_5b(
    context: NodeContext,
    *,
    vae: Model,
    width: int,
    height: int,
    length: int,
    batch_size: int,
    start_image: Images | None = None,
) -> NodeOutput:
    """A clip that may begin with a picture, by the smaller model; blocks of 32."""
    return gives(
        Latent(
            floored(width, 32),
            floored(height, 32),
            frames=frames_of(length),
            batch=batch_size,
            start=start_image,
            sampled=False,
        )
    )

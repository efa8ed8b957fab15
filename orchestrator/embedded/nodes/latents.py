"""Latents: empty ones, encoded ones, and back to pictures. Masks, too, since most of them end in a latent.

Sizes and lengths are rounded down as the models do it, and silently, as a real server does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from orchestrator.embedded.decode import decode
from orchestrator.embedded.nodes.base import Family, NodeContext, NodeOutput, gives
from orchestrator.embedded.values import AudioLatent, Frame, Images, Latent, Masks, Model, Plane

LATENTS = Family()

AnyLatent = TypeVar("AnyLatent", Latent, AudioLatent)


def floored(pixels: int, step: int) -> int:
    """Round a side down to a multiple, but not to nothing."""
    return max(step, pixels // step * step)


@LATENTS.node("EmptyFlux2LatentImage")
def empty_flux2(context: NodeContext, *, width: int, height: int, batch_size: int) -> NodeOutput:
    """An empty picture in blocks of 16."""
    return gives(Latent(floored(width, 16), floored(height, 16), batch=batch_size))


@LATENTS.node("EmptySD3LatentImage")
def empty_sd3(context: NodeContext, *, width: int, height: int, batch_size: int) -> NodeOutput:
    """An empty picture in blocks of 8."""
    return gives(Latent(floored(width, 8), floored(height, 8), batch=batch_size))


@LATENTS.node("EmptyLatentImage")
def empty_latent(context: NodeContext, *, width: int, height: int, batch_size: int) -> NodeOutput:
    """An empty picture in blocks of 8."""
    return gives(Latent(floored(width, 8), floored(height, 8), batch=batch_size))


def _encoded(images: Images, vae: Model) -> Latent:
    step = 16 if "flux2" in vae.name or "full_encoder" in vae.name else 8
    return Latent(floored(images.width, step), floored(images.height, step), frames=images.count, start=images)


@LATENTS.node("VAEEncode")
def vae_encode(context: NodeContext, *, pixels: Images, vae: Model) -> NodeOutput:
    """Encode pictures; what does not fill a block is cropped around the centre."""
    return gives(_encoded(pixels, vae))


@LATENTS.node("VAEEncodeTiled")
def vae_encode_tiled(context: NodeContext, *, pixels: Images, vae: Model, **tiling: int) -> NodeOutput:
    """Encode pictures in tiles."""
    return gives(_encoded(pixels, vae))


@LATENTS.node("VAEDecode")
def vae_decode(context: NodeContext, *, samples: Latent, vae: Model) -> NodeOutput:
    """Show a latent."""
    return gives(decode(samples, context.renderers))


@LATENTS.node("VAEDecodeTiled")
def vae_decode_tiled(context: NodeContext, *, samples: Latent, vae: Model, **tiling: int) -> NodeOutput:
    """Show a latent in tiles."""
    return gives(decode(samples, context.renderers))


@LATENTS.node("LatentUpscale")
def latent_upscale(
    context: NodeContext, *, samples: Latent, upscale_method: str, width: int, height: int, crop: str
) -> NodeOutput:
    """Resize a latent; a side of 0 follows the other one."""
    if width == 0 and height == 0:
        return gives(samples)
    new_width = width or round(samples.width * height / samples.height)
    new_height = height or round(samples.height * width / samples.width)
    return gives(replace(samples, width=floored(new_width, 8), height=floored(new_height, 8)))


@LATENTS.node("LatentUpscaleBy")
def latent_upscale_by(context: NodeContext, *, samples: Latent, upscale_method: str, scale_by: float) -> NodeOutput:
    """Resize a latent by a factor."""
    width, height = round(samples.width * scale_by), round(samples.height * scale_by)
    return gives(replace(samples, width=floored(width, 8), height=floored(height, 8)))


@LATENTS.node("RepeatLatentBatch")
def repeat_latent_batch(context: NodeContext, *, samples: Latent, amount: int) -> NodeOutput:
    """Repeat a latent."""
    return gives(replace(samples, batch=samples.batch * amount))


@LATENTS.node("LatentFromBatch")
def latent_from_batch(context: NodeContext, *, samples: Latent, batch_index: int, length: int) -> NodeOutput:
    """Take latents out of a batch."""
    return gives(replace(samples, batch=min(length, samples.batch)))


@LATENTS.node("SetLatentNoiseMask")
def set_noise_mask(context: NodeContext, *, samples: Any, mask: Masks) -> NodeOutput:
    """Say what of a latent is to be made anew: 0 keeps, 1 makes anew."""
    return gives(_masked(samples, mask))


def _masked(samples: AnyLatent, mask: Masks) -> AnyLatent:
    return replace(samples, noise_mask=mask)


@LATENTS.node("SolidMask")
def solid_mask(context: NodeContext, *, value: float, width: int, height: int) -> NodeOutput:
    """A mask of one value."""
    return gives(Masks((np.full((height, width), value, dtype=np.float32),)))


@LATENTS.node("InvertMask")
def invert_mask(context: NodeContext, *, mask: Masks) -> NodeOutput:
    """The opposite of a mask."""
    return gives(Masks(tuple(1.0 - plane for plane in mask.planes)))


@LATENTS.node("MaskToImage")
def mask_to_image(context: NodeContext, *, mask: Masks) -> NodeOutput:
    """Show masks as grey pictures."""
    return gives(Images.of(*[_grey(plane) for plane in mask.planes]))


def _grey(plane: Plane) -> Frame:
    return np.repeat((np.clip(plane, 0, 1) * 255).astype(np.uint8)[:, :, None], 3, axis=2)


@LATENTS.node("ImageToMask")
def image_to_mask(context: NodeContext, *, image: Images, channel: str) -> NodeOutput:
    """Take one channel as a mask; pictures have no transparency here, so alpha is full."""
    index = {"red": 0, "green": 1, "blue": 2}.get(channel)
    return gives(Masks(tuple(_channel(frame, index) for frame in image.frames())))


def _channel(frame: Frame, index: int | None) -> Plane:
    if index is None:
        return np.ones(frame.shape[:2], dtype=np.float32)
    return frame[:, :, index].astype(np.float32) / 255.0

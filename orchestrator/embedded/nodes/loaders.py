"""Models by name: loaders, LoRAs and patches. No weights are read; a name that is listed is enough."""

from __future__ import annotations

from typing import Any

from orchestrator.embedded import pixels
from orchestrator.embedded.nodes.base import Family, NodeContext, NodeOutput, gives
from orchestrator.embedded.values import Images, Model

LOADERS = Family()


@LOADERS.node("UNETLoader")
def load_unet(context: NodeContext, *, unet_name: str, weight_dtype: str) -> NodeOutput:
    """Name a diffusion model."""
    return gives(Model("model", context.models.load("diffusion_models", unet_name), (weight_dtype,)))


@LOADERS.node("CLIPLoader")
def load_clip(context: NodeContext, *, clip_name: str, type: str, device: str = "default") -> NodeOutput:
    """Name a text encoder."""
    return gives(Model("clip", context.models.load("text_encoders", clip_name), (type,)))


@LOADERS.node("DualCLIPLoader")
def load_two_clips(
    context: NodeContext, *, clip_name1: str, clip_name2: str, type: str, device: str = "default"
) -> NodeOutput:
    """Name two text encoders that work as one."""
    names = [context.models.load("text_encoders", name) for name in (clip_name1, clip_name2)]
    return gives(Model("clip", " + ".join(names), (type,)))


@LOADERS.node("VAELoader")
def load_vae(context: NodeContext, *, vae_name: str) -> NodeOutput:
    """Name a VAE."""
    name = vae_name if vae_name == "pixel_space" else context.models.load("vae", vae_name)
    return gives(Model("vae", name))


@LOADERS.node("CheckpointLoaderSimple")
def load_checkpoint(context: NodeContext, *, ckpt_name: str) -> NodeOutput:
    """Name a model that brings its text encoder and its VAE."""
    name = context.models.load("checkpoints", ckpt_name)
    return gives(Model("model", name), Model("clip", name), Model("vae", name))


@LOADERS.node("LTXAVTextEncoderLoader")
def load_ltx_text_encoder(context: NodeContext, *, text_encoder: str, ckpt_name: str, device: str) -> NodeOutput:
    """Name the text encoder of an LTX checkpoint."""
    context.models.load("checkpoints", ckpt_name)
    return gives(Model("clip", context.models.load("text_encoders", text_encoder), ("ltxav",)))


@LOADERS.node("LTXVAudioVAELoader")
def load_ltx_audio_vae(context: NodeContext, *, ckpt_name: str) -> NodeOutput:
    """Name the audio VAE of an LTX checkpoint."""
    return gives(Model("audio_vae", context.models.load("checkpoints", ckpt_name)))


@LOADERS.node("LatentUpscaleModelLoader")
def load_latent_upscaler(context: NodeContext, *, model_name: str) -> NodeOutput:
    """Name a model that enlarges latents."""
    return gives(Model("latent_upscaler", context.models.load("latent_upscale_models", model_name)))


@LOADERS.node("FrameInterpolationModelLoader")
def load_interpolator(context: NodeContext, *, model_name: str) -> NodeOutput:
    """Name a model that makes frames between frames."""
    return gives(Model("interpolator", context.models.load("frame_interpolation", model_name)))


@LOADERS.node("UpscaleModelLoader")
def load_upscaler(context: NodeContext, *, model_name: str) -> NodeOutput:
    """Name a model that enlarges pictures."""
    return gives(Model("upscaler", context.models.load("upscale_models", model_name)))


@LOADERS.node("ImageUpscaleWithModel")
def upscale_with_model(context: NodeContext, *, upscale_model: Model, image: Images) -> NodeOutput:
    """Enlarge pictures: twice where the model's name says so, else four times."""
    factor = 2 if "x2" in upscale_model.name.lower() or upscale_model.name.lower().startswith("2x") else 4
    return gives(pixels.resize_all(image, width=image.width * factor, height=image.height * factor))


@LOADERS.node("CLIPVisionLoader")
def load_clip_vision(context: NodeContext, *, clip_name: str) -> NodeOutput:
    """Name a vision encoder."""
    return gives(Model("clip_vision", context.models.load("clip_vision", clip_name)))


@LOADERS.node("CLIPVisionEncode")
def encode_clip_vision(context: NodeContext, *, clip_vision: Model, image: Images, crop: str) -> NodeOutput:
    """Look at a picture; what was seen plays no role here."""
    return gives(clip_vision.changed("looked"))


@LOADERS.node("LoraLoaderModelOnly")
def load_lora_for_model(context: NodeContext, *, model: Model, lora_name: str, strength_model: float) -> NodeOutput:
    """Patch a model."""
    return gives(model.changed(f"{context.models.load('loras', lora_name)}@{strength_model:g}"))


@LOADERS.node("LoraLoader")
def load_lora(
    context: NodeContext, *, model: Model, clip: Model, lora_name: str, strength_model: float, strength_clip: float
) -> NodeOutput:
    """Patch a model and its text encoder."""
    name = context.models.load("loras", lora_name)
    return gives(model.changed(f"{name}@{strength_model:g}"), clip.changed(f"{name}@{strength_clip:g}"))


@LOADERS.node("CLIPSetLastLayer")
def clip_set_last_layer(context: NodeContext, *, clip: Model, stop_at_clip_layer: int) -> NodeOutput:
    """Stop a text encoder early."""
    return gives(clip.changed(f"layer {stop_at_clip_layer}"))


def _patch(name: str) -> None:
    """Register a class that changes nothing but how a model samples."""

    @LOADERS.node(name)
    def patch(context: NodeContext, *, model: Model, **settings: Any) -> NodeOutput:
        return gives(model.changed(f"{name}({', '.join(f'{key}={value}' for key, value in settings.items())})"))


for _name in ("FluxKVCache", "ModelSamplingAuraFlow", "ModelSamplingFlux", "ModelSamplingLTXV", "ModelSamplingSD3"):
    _patch(_name)

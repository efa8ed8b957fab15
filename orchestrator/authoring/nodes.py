"""What is known of node classes: which take a file, which save one, which load a model, which make pictures of a size.

The tables hold the nodes of ComfyUI itself and of the packs that are met most. What is in no table is judged by the
names of its inputs, so that a pack nobody has heard of still gives a usable first draft.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from steps.manifest import Media

FILE_INPUTS: Mapping[str, Mapping[str, Media]] = {
    "LoadImage": {"image": "image"},
    "LoadImageMask": {"image": "image"},
    "LoadAudio": {"audio": "audio"},
    "LoadVideo": {"file": "video"},
    "VHS_LoadVideo": {"video": "video"},
    "VHS_LoadAudioUpload": {"audio": "audio"},
    "Image Load": {"image": "image"},
}
"""Class -> input that names a file in the server's input folder -> what it is."""

SAVERS: Mapping[str, Media] = {
    "SaveImage": "image",
    "SaveImageAdvanced": "image",
    "SaveAnimatedPNG": "video",
    "SaveAnimatedWEBP": "video",
    "SaveAudio": "audio",
    "SaveAudioAdvanced": "audio",
    "SaveAudioMP3": "audio",
    "SaveAudioOpus": "audio",
    "SaveVideo": "video",
    "SaveWEBM": "video",
    "VHS_VideoCombine": "video",
}
"""Class -> what it saves."""

HISTORY_KEYS: Mapping[str, str] = {"VHS_VideoCombine": "gifs"}
"""Class -> key of its files in the history, where that is not the usual one."""

SAVES_NOTHING: Mapping[str, str] = {
    "PreviewImage": "it only shows the picture: use SaveImage",
    "PreviewAudio": "it only plays the sound: use SaveAudio",
    "PreviewAny": "it only shows the value",
    "SaveImageWebsocket": "it leaves no file: use SaveImage",
}

MODEL_INPUTS: Mapping[str, Mapping[str, str]] = {
    "AudioEncoderLoader": {"audio_encoder_name": "audio_encoders"},
    "CLIPLoader": {"clip_name": "text_encoders"},
    "CLIPVisionLoader": {"clip_name": "clip_vision"},
    "CheckpointLoaderSimple": {"ckpt_name": "checkpoints"},
    "ControlNetLoader": {"control_net_name": "controlnet"},
    "DiffControlNetLoader": {"control_net_name": "controlnet"},
    "DualCLIPLoader": {"clip_name1": "text_encoders", "clip_name2": "text_encoders"},
    "FrameInterpolationModelLoader": {"model_name": "frame_interpolation"},
    "GLIGENLoader": {"gligen_name": "gligen"},
    "ImageOnlyCheckpointLoader": {"ckpt_name": "checkpoints"},
    "LTXAVTextEncoderLoader": {"text_encoder": "text_encoders", "ckpt_name": "checkpoints"},
    "LTXVAudioVAELoader": {"ckpt_name": "checkpoints"},
    "LatentUpscaleModelLoader": {"model_name": "latent_upscale_models"},
    "LoraLoader": {"lora_name": "loras"},
    "LoraLoaderModelOnly": {"lora_name": "loras"},
    "ModelPatchLoader": {"name": "model_patches"},
    "QuadrupleCLIPLoader": {f"clip_name{number}": "text_encoders" for number in range(1, 5)},
    "StyleModelLoader": {"style_model_name": "style_models"},
    "TripleCLIPLoader": {f"clip_name{number}": "text_encoders" for number in range(1, 4)},
    "UNETLoader": {"unet_name": "diffusion_models"},
    "UnetLoaderGGUF": {"unet_name": "diffusion_models"},
    "UpscaleModelLoader": {"model_name": "upscale_models"},
    "VAELoader": {"vae_name": "vae"},
}
"""Class -> input -> folder of models whose files it offers."""

MODEL_SUFFIXES = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth", ".bin", ".onnx")
_FOLDER_WORDS: tuple[tuple[str, str], ...] = (
    ("lora", "loras"),
    ("vae", "vae"),
    ("clip_vision", "clip_vision"),
    ("clip", "text_encoders"),
    ("text_encoder", "text_encoders"),
    ("t5", "text_encoders"),
    ("control", "controlnet"),
    ("upscale", "upscale_models"),
    ("ckpt", "checkpoints"),
    ("checkpoint", "checkpoints"),
    ("unet", "diffusion_models"),
    ("model", "diffusion_models"),
)

TEXT_INPUTS = ("text", "prompt", "positive_prompt", "string", "value", "caption", "instruction", "t5xxl", "clip_l")
"""Inputs that hold the words of a prompt, the likelier ones first."""

SEED_INPUTS = ("seed", "noise_seed", "rand_seed")
LENGTH_INPUTS = ("length", "frames", "num_frames", "frame_count", "video_frames", "frames_number")
VALUE_INPUTS = ("value", "int", "number", "string", "text", "Number", "float")
"""Inputs of nodes that only hand on a literal: primitives, constants."""

SPEECH = re.compile(r"TTS|Speech|Voice", re.IGNORECASE)
_FAMILIES: tuple[tuple[re.Pattern[str], int, int], ...] = (
    (re.compile(r"LTX"), 32, 8),
    (re.compile(r"Wan|Hunyuan|Cosmos"), 16, 4),
    (re.compile(r"Flux|Qwen|SD3"), 16, 0),
)


def model_folder(class_type: str, input_name: str) -> str:
    """Return the folder below `models/` that an input's file lies in; `checkpoints` where nothing tells."""
    known = MODEL_INPUTS.get(class_type, {}).get(input_name)
    if known is not None:
        return known
    lowered = input_name.lower()
    return next((folder for word, folder in _FOLDER_WORDS if word in lowered), "checkpoints")


def is_model(class_type: str, input_name: str, value: object) -> bool:
    """Tell whether an input names a model file."""
    if not isinstance(value, str) or not value:
        return False
    return input_name in MODEL_INPUTS.get(class_type, {}) or value.lower().endswith(MODEL_SUFFIXES)


def size_step(class_type: str) -> int:
    """Return of what number, pixels, width and height must be multiples for a class of nodes."""
    return next((step for pattern, step, _ in _FAMILIES if pattern.search(class_type)), 8)


def length_step(class_type: str) -> int:
    """Return n of the n·k+1 frames that a class of nodes makes; 0 where any number will do."""
    return next((frames for pattern, _, frames in _FAMILIES if pattern.search(class_type)), 0)


def saved_media(class_type: str, inputs: Mapping[str, object]) -> Media | None:
    """Return what a class of nodes saves; None when it saves nothing of use."""
    if class_type in SAVERS or class_type in SAVES_NOTHING:
        return SAVERS.get(class_type)
    if not isinstance(inputs.get("filename_prefix"), str):
        return None
    lowered = class_type.lower()
    if "video" in lowered or "gif" in lowered:
        return "video"
    return "audio" if "audio" in lowered or "sound" in lowered else "image" if "image" in lowered else None

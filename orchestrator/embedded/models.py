"""Which model files a card claims to have.

Weights are never read, so the official names of the usual model families are always there; files that lie in the
card's own models/ folder are listed beside them, as a real server lists them, so that a test can add or take one away.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from orchestrator.embedded.errors import BadModelFile

MODEL_EXTENSIONS = (".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft")

FOLDER_NAMES = (
    "checkpoints",
    "configs",
    "loras",
    "vae",
    "text_encoders",
    "diffusion_models",
    "clip_vision",
    "style_models",
    "embeddings",
    "diffusers",
    "vae_approx",
    "controlnet",
    "gligen",
    "upscale_models",
    "latent_upscale_models",
    "custom_nodes",
    "hypernetworks",
    "photomaker",
    "classifiers",
    "model_patches",
    "audio_encoders",
    "background_removal",
    "frame_interpolation",
    "geometry_estimation",
    "optical_flow",
    "detection",
    "qwen-tts",
)

LEGACY_FOLDERS = MappingProxyType({"diffusion_models": ("unet",), "text_encoders": ("clip",)})

BUILT_IN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "checkpoints": (
            "ltx-2.3-22b-dev-fp8.safetensors",
            "ltx-2.3-22b-distilled-fp8.safetensors",
        ),
        "diffusion_models": (
            "flux-2-klein-4b-fp8.safetensors",
            "flux-2-klein-9b-fp8.safetensors",
            "flux-2-klein-9b-kv-fp8.safetensors",
            "flux-2-klein-base-4b-fp8.safetensors",
            "flux-2-klein-base-9b-fp8.safetensors",
            "wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors",
            "wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors",
            "wan2.2_ti2v_5B_fp16.safetensors",
        ),
        "text_encoders": (
            "gemma_3_12B_it_fp4_mixed.safetensors",
            "qwen_3_4b.safetensors",
            "qwen_3_8b_fp8mixed.safetensors",
            "umt5_xxl_fp8_e4m3fn_scaled.safetensors",
        ),
        "vae": (
            "flux2-vae.safetensors",
            "full_encoder_small_decoder.safetensors",
            "wan2.2_vae.safetensors",
            "wan_2.1_vae.safetensors",
        ),
        "loras": (
            "gemma-3-12b-it-abliterated_lora_rank64_bf16.safetensors",
            "ltx-2.3-id-lora-talkvid-3k.safetensors",
            "ltx_2.3_22b_distilled_1.1_lora_dynamic_fro09_avg_rank_111_bf16.safetensors",
            "wan2.2_i2v_lightx2v_4steps_lora_v1_high_noise.safetensors",
            "wan2.2_i2v_lightx2v_4steps_lora_v1_low_noise.safetensors",
        ),
        "latent_upscale_models": ("ltx-2.3-spatial-upscaler-x2-1.1.safetensors",),
        "frame_interpolation": ("film_net_fp16.safetensors",),
        "qwen-tts": (
            "Qwen3-TTS-12Hz-0.6B-Base/model.safetensors",
            "Qwen3-TTS-12Hz-0.6B-CustomVoice/model.safetensors",
            "Qwen3-TTS-12Hz-1.7B-Base/model.safetensors",
            "Qwen3-TTS-12Hz-1.7B-CustomVoice/model.safetensors",
            "Qwen3-TTS-12Hz-1.7B-VoiceDesign/model.safetensors",
            "Qwen3-TTS-Tokenizer-12Hz/model.safetensors",
        ),
    }
)
"""Folder -> official file names, from the templates of each family."""


class ModelFiles:
    """The model files of one card."""

    def __init__(self, directory: Path) -> None:
        """Look under `directory`/models; folders there are optional."""
        self._root = directory.resolve() / "models"

    def folders(self) -> list[str]:
        """Name the folders of models."""
        return list(FOLDER_NAMES)

    def names(self, folder: str) -> list[str]:
        """List the files of a folder, relative to it, sorted. The disk is looked at each time."""
        roots = (folder, *LEGACY_FOLDERS.get(folder, ()))
        found = {name for root in roots for name in _walk(self._root / root)}
        return sorted(found | set(BUILT_IN.get(folder, ())))

    def load(self, folder: str, name: str) -> str:
        """Pretend to read a model's weights.

        Raises:
            BadModelFile: the file lies on the disk and is empty.
            FileNotFoundError: it is neither on the disk nor an official name.
        """
        for root in (folder, *LEGACY_FOLDERS.get(folder, ())):
            path = self._root / root / name
            if path.is_file():
                if path.stat().st_size == 0:
                    raise BadModelFile("Error while deserializing header: header too small")
                return name
        if name not in BUILT_IN.get(folder, ()):
            raise FileNotFoundError(f"Model in folder '{folder}' with filename '{name}' not found.")
        return name


def _walk(root: Path) -> list[str]:
    """Model files below a folder, with `/` between the parts of their names."""
    found = []
    for folder, _, names in os.walk(root):
        relative = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if relative == "." else f"{relative}/"
        found += [prefix + name for name in names if name.lower().endswith(MODEL_EXTENSIONS)]
    return found

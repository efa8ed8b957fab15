"""Pictures out: saved, previewed, compared, sent over the websocket."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from orchestrator.embedded import pixels
from orchestrator.embedded.files import SavePlan, write_beside
from orchestrator.embedded.nodes.base import Family, NodeContext, NodeOutput, gives
from orchestrator.embedded.values import Choice, Images, Latent, Masks

IMAGE_OUTPUTS = Family()


def save_pngs(context: NodeContext, images: Images, plan: SavePlan, *, underscore: bool = True) -> list[dict[str, str]]:
    """Save a batch as numbered PNG files and list them as history does."""
    level = 1 if plan.type == "temp" or context.settings.is_timed else 4
    texts = pixels.metadata_texts(context.prompt, context.extra_data)
    entries = []
    for index, frame in enumerate(images.frames()):
        context.check_interrupted()
        name = plan.name(index, "png", underscore=underscore)
        save_bytes(context, plan, name, pixels.png_bytes(frame, texts, compress_level=level))
        entries.append(plan.entry(name))
    return entries


def save_bytes(context: NodeContext, plan: SavePlan, name: str, content: bytes) -> None:
    """Write one file under its final name."""
    save_file(context, plan, name, lambda part: _write(part, content))


def save_file(context: NodeContext, plan: SavePlan, name: str, write: Callable[[Path], None]) -> None:
    """Let `write` fill one file, which then gets its final name."""
    context.saved(write_beside(plan.folder / name, write))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@IMAGE_OUTPUTS.node("SaveImage")
def save_image(context: NodeContext, *, images: Images, filename_prefix: str) -> NodeOutput:
    """Save a batch as PNG files."""
    plan = context.folders.plan(filename_prefix, width=images.width, height=images.height)
    return gives(images, ui={"images": save_pngs(context, images, plan)})


@IMAGE_OUTPUTS.node("SaveImageAdvanced")
def save_image_advanced(context: NodeContext, *, images: Images, filename_prefix: str, format: Choice) -> NodeOutput:
    """Save a batch; only PNG with 8 bits is written, whatever depth is asked for."""
    if format.key != "png":
        raise ValueError(f"this preview server saves png only, not {format.key}")
    plan = context.folders.plan(filename_prefix, width=images.width, height=images.height)
    return gives(images, ui={"images": save_pngs(context, images, plan, underscore=False)})


@IMAGE_OUTPUTS.node("PreviewImage")
def preview_image(context: NodeContext, *, images: Images) -> NodeOutput:
    """Show a batch."""
    return gives(ui={"images": save_pngs(context, images, context.folders.plan_temp())})


@IMAGE_OUTPUTS.node("MaskPreview")
def mask_preview(context: NodeContext, *, mask: Masks) -> NodeOutput:
    """Show a mask."""
    grey = [np.repeat((plane * 255).astype(np.uint8)[:, :, None], 3, axis=2) for plane in mask.planes]
    entries = save_pngs(context, Images.of(*grey), context.folders.plan_temp())
    return gives(ui={"images": entries, "animated": [False]})


@IMAGE_OUTPUTS.node("ImageCompare")
def image_compare(
    context: NodeContext, *, compare_view: Any = None, image_a: Images | None = None, image_b: Images | None = None
) -> NodeOutput:
    """Show two pictures side by side."""
    shown = {}
    for letter, images in (("a", image_a), ("b", image_b)):
        if images is not None:
            plan = context.folders.plan_temp(f"comfy.compare.{letter}")
            shown[f"{letter}_images"] = save_pngs(context, images, plan)
    return gives(ui=shown)


@IMAGE_OUTPUTS.node("SaveImageWebsocket", fingerprint=lambda folders, **_: float("nan"))
def save_image_websocket(context: NodeContext, *, images: Images) -> NodeOutput:
    """Send each picture whole over the websocket; history keeps nothing."""
    for index, frame in enumerate(images.frames()):
        context.progress(index, images.count, preview=frame, png=True)
    return gives()


@IMAGE_OUTPUTS.node("SaveAnimatedWEBP")
def save_animated_webp(
    context: NodeContext,
    *,
    images: Images,
    filename_prefix: str,
    fps: float,
    lossless: bool,
    quality: int,
    method: str,
) -> NodeOutput:
    """Save a batch as one moving WEBP."""
    options = {"lossless": lossless, "quality": quality, "method": {"default": 4, "fastest": 0, "slowest": 6}[method]}
    return _save_animation(context, images, filename_prefix, fps, "webp", options)


@IMAGE_OUTPUTS.node("SaveAnimatedPNG")
def save_animated_png(
    context: NodeContext, *, images: Images, filename_prefix: str, fps: float, compress_level: int
) -> NodeOutput:
    """Save a batch as one moving PNG."""
    return _save_animation(context, images, filename_prefix, fps, "png", {"compress_level": compress_level})


def _save_animation(
    context: NodeContext, images: Images, prefix: str, fps: float, extension: str, options: dict[str, Any]
) -> NodeOutput:
    plan = context.folders.plan(prefix, width=images.width, height=images.height)
    first, *others = (Image.fromarray(frame) for frame in images.frames())
    buffer = io.BytesIO()
    first.save(
        buffer,
        extension.upper(),
        save_all=True,
        append_images=others,
        duration=int(1000.0 / fps),
        **options,
    )
    name = plan.name(0, extension)
    save_bytes(context, plan, name, buffer.getvalue())
    return gives(ui={"images": [plan.entry(name)], "animated": [True]})


@IMAGE_OUTPUTS.node("SaveLatent")
def save_latent(context: NodeContext, *, samples: Latent, filename_prefix: str) -> NodeOutput:
    """Save a latent; there are no numbers in it, so the file only says so."""
    plan = context.folders.plan(filename_prefix)
    name = plan.name(0, "latent")
    save_bytes(context, plan, name, json.dumps({"note": pixels.PREVIEW_NOTE, "latent": repr(samples)}).encode())
    return gives(ui={"latents": [plan.entry(name)]})


@IMAGE_OUTPUTS.node("PreviewAny")
def preview_any(context: NodeContext, *, source: Any = None) -> NodeOutput:
    """Show a value as text."""
    if isinstance(source, str):
        text = source
    elif isinstance(source, int | float | bool):
        text = str(source)
    else:
        try:
            text = json.dumps(source, indent=4)
        except (TypeError, ValueError):
            text = str(source)
    return gives(text, ui={"text": [text]})

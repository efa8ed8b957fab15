"""Operations on single pictures that several nodes share: resizing the ways a server offers, cropping, flat colours."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, ImageSequence
from PIL.PngImagePlugin import PngInfo

from orchestrator.embedded.values import Frame, Images, Masks, Plane

PREVIEW_NOTE = "Nightreel preview: rendered on the CPU without a model"
"""Marks every file that a card saves."""

_FILTERS = {
    "nearest-exact": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "bislerp": Image.Resampling.BICUBIC,
}
_EMPTY_MASK_PX = 64


def resize(frame: Frame, *, width: int, height: int, method: str = "lanczos", crop: str = "disabled") -> Frame:
    """Resize a picture, cropping it around its centre to the new shape first when `crop` is "center"."""
    old_height, old_width = frame.shape[:2]
    left, top = 0.0, 0.0
    if crop == "center":
        left, top = _centre_margins(old_width, old_height, width, height)
    if (old_width, old_height) == (width, height):
        return frame
    box = (left, top, old_width - left, old_height - top)
    resized = Image.fromarray(frame).resize((width, height), _FILTERS[method], box=box)
    return np.asarray(resized)


def _centre_margins(old_width: int, old_height: int, width: int, height: int) -> tuple[float, float]:
    old_aspect, new_aspect = old_width / old_height, width / height
    if old_aspect > new_aspect:
        return float(round((old_width - old_width * (new_aspect / old_aspect)) / 2)), 0.0
    return 0.0, float(round((old_height - old_height * (old_aspect / new_aspect)) / 2))


def resize_all(images: Images, *, width: int, height: int, method: str = "lanczos", crop: str = "disabled") -> Images:
    """Resize every picture of a batch."""
    if (images.width, images.height) == (width, height):
        return images
    return images.map(
        lambda frame: resize(frame, width=width, height=height, method=method, crop=crop), width=width, height=height
    )


def resize_mask(plane: Plane, *, width: int, height: int) -> Plane:
    """Resize a mask."""
    resized = Image.fromarray(plane, "F").resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)


def flat(width: int, height: int, colour: tuple[int, int, int]) -> Frame:
    """Make a picture of one colour."""
    frame: Frame = np.empty((height, width, 3), dtype=np.uint8)
    frame[:] = colour
    return frame


def load(path: Path) -> tuple[Images, Masks]:
    """Read an image file upright, with the inverse of its transparency as a mask; an animation is a batch."""
    frames: list[Frame] = []
    planes: list[Plane] = []
    with Image.open(path) as file:
        for picture in ImageSequence.Iterator(file):
            upright = ImageOps.exif_transpose(picture)
            if upright.mode == "I":
                upright = upright.point(lambda value: value * (1 / 255))
            frame = np.asarray(upright.convert("RGB"))
            if frames and frame.shape != frames[0].shape:
                continue
            frames.append(frame)
            planes.append(_transparency(upright))
    return Images.of(*frames), Masks(tuple(planes))


def _transparency(picture: Image.Image) -> Plane:
    if "A" in picture.getbands():
        return 1.0 - np.asarray(picture.getchannel("A"), dtype=np.float32) / 255.0
    if picture.mode == "P" and "transparency" in picture.info:
        return 1.0 - np.asarray(picture.convert("RGBA").getchannel("A"), dtype=np.float32) / 255.0
    return np.zeros((_EMPTY_MASK_PX, _EMPTY_MASK_PX), dtype=np.float32)


def png_bytes(frame: Frame, texts: Mapping[str, Any], *, compress_level: int = 4) -> bytes:
    """Encode a picture as PNG, with JSON values as text chunks."""
    info = PngInfo()
    for key, value in texts.items():
        info.add_text(key, json.dumps(value))
    info.add_text("Comment", PREVIEW_NOTE)
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG", pnginfo=info, compress_level=compress_level)
    return buffer.getvalue()


def metadata_texts(prompt: Mapping[str, Any], extra_data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a saved file says about how it was made: the graph, and the client's own keys."""
    return {"prompt": prompt, **(extra_data.get("extra_pnginfo") or {})}

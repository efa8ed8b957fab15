"""Pictures in: loading, making, resizing, choosing from a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from math import sqrt
from typing import Any

import numpy as np

from orchestrator.embedded import pixels
from orchestrator.embedded.files import Folders
from orchestrator.embedded.nodes.base import Family, NodeContext, NodeOutput, gives
from orchestrator.embedded.values import Choice, Frame, Images, Masks

IMAGES = Family()

MEGAPIXEL = 1024 * 1024


def _image_exists(folders: Folders, value: Any) -> str | None:
    return None if folders.has_input(value) else f"Invalid image file: {value}"


def content_hash(folders: Folders, *, image: str, **_: Any) -> str:
    """Say what an image file holds, so that the same name with other content is another input."""
    return hashlib.sha256(folders.input_file(image).read_bytes()).hexdigest()


@IMAGES.node("LoadImage", fingerprint=content_hash, checks={"image": _image_exists})
def load_image(context: NodeContext, *, image: str) -> NodeOutput:
    """Read an image of the input folder."""
    return gives(*pixels.load(context.folders.input_file(image)))


@IMAGES.node("LoadImageMask", fingerprint=content_hash, checks={"image": _image_exists})
def load_image_mask(context: NodeContext, *, image: str, channel: str) -> NodeOutput:
    """Read one channel of an image of the input folder as a mask."""
    pictures, transparency = pixels.load(context.folders.input_file(image))
    if channel == "alpha":
        return gives(transparency)
    index = ("red", "green", "blue").index(channel)
    return gives(Masks(tuple(frame[:, :, index].astype(np.float32) / 255.0 for frame in pictures.frames())))


@IMAGES.node("LoadImageOutput", fingerprint=content_hash, checks={"image": _image_exists})
def load_image_output(context: NodeContext, *, image: str) -> NodeOutput:
    """Read an image of the output folder."""
    name = image if image.endswith("]") else f"{image} [output]"
    return gives(*pixels.load(context.folders.input_file(name)))


@IMAGES.node("EmptyImage")
def empty_image(context: NodeContext, *, width: int, height: int, batch_size: int, color: int) -> NodeOutput:
    """Make pictures of one colour."""
    frame = pixels.flat(width, height, (color >> 16 & 255, color >> 8 & 255, color & 255))
    return gives(Images.of(*[frame] * batch_size))


@IMAGES.node("ImageInvert")
def image_invert(context: NodeContext, *, image: Images) -> NodeOutput:
    """Make a negative."""
    return gives(image.map(lambda frame: 255 - frame, width=image.width, height=image.height))


@IMAGES.node("ImageScale")
def image_scale(
    context: NodeContext, *, image: Images, upscale_method: str, width: int, height: int, crop: str
) -> NodeOutput:
    """Resize; a side of 0 follows the other one."""
    if width == 0 and height == 0:
        return gives(image)
    new_width = width or max(1, round(image.width * height / image.height))
    new_height = height or max(1, round(image.height * width / image.width))
    return gives(pixels.resize_all(image, width=new_width, height=new_height, method=upscale_method, crop=crop))


@IMAGES.node("ImageScaleBy")
def image_scale_by(context: NodeContext, *, image: Images, upscale_method: str, scale_by: float) -> NodeOutput:
    """Resize by a factor."""
    width, height = round(image.width * scale_by), round(image.height * scale_by)
    return gives(pixels.resize_all(image, width=width, height=height, method=upscale_method))


@IMAGES.node("ImageScaleToTotalPixels")
def image_scale_to_total_pixels(
    context: NodeContext, *, image: Images, upscale_method: str, megapixels: float, resolution_steps: int
) -> NodeOutput:
    """Resize to a number of pixels, both sides multiples of `resolution_steps`."""
    scale = sqrt(megapixels * MEGAPIXEL / (image.width * image.height))
    width = round(image.width * scale / resolution_steps) * resolution_steps
    height = round(image.height * scale / resolution_steps) * resolution_steps
    return gives(pixels.resize_all(image, width=width, height=height, method=upscale_method))


@IMAGES.node("ImageScaleToMaxDimension")
def image_scale_to_max_dimension(
    context: NodeContext, *, image: Images, upscale_method: str, largest_size: int
) -> NodeOutput:
    """Resize so that the longer side has a length."""
    scale = largest_size / max(image.width, image.height)
    width, height = round(image.width * scale), round(image.height * scale)
    return gives(pixels.resize_all(image, width=width, height=height, method=upscale_method))


@IMAGES.node("ResizeImagesByLongerEdge")
def resize_by_longer_edge(context: NodeContext, *, images: Images, longer_edge: int) -> NodeOutput:
    """Resize so that the longer side has a length; the older name of the node above."""
    scale = longer_edge / max(images.width, images.height)
    width, height = int(images.width * scale), int(images.height * scale)
    return gives(pixels.resize_all(images, width=width, height=height))


@IMAGES.node("ResizeImageMaskNode")
def resize_image_or_mask(
    context: NodeContext, *, input: Images | Masks, resize_type: Choice, scale_method: str
) -> NodeOutput:
    """Resize a picture or a mask by one of several rules."""
    width, height = _chosen_size(input.width, input.height, resize_type)
    crop = resize_type.inputs.get("crop", "disabled")
    if isinstance(input, Masks):
        planes = tuple(pixels.resize_mask(plane, width=width, height=height) for plane in input.planes)
        return gives(Masks(planes))
    return gives(pixels.resize_all(input, width=width, height=height, method=scale_method, crop=crop))


def _chosen_size(width: int, height: int, rule: Choice) -> tuple[int, int]:
    """Compute the size that a rule of `ResizeImageMaskNode` leads to."""
    given = rule.inputs
    if rule.key == "scale dimensions":
        new_width, new_height = given["width"], given["height"]
        return (
            new_width or (round(width * new_height / height) if new_height else width),
            new_height or (round(height * new_width / width) if new_width else height),
        )
    if rule.key == "match size":
        return given["match"].width, given["match"].height
    if rule.key == "scale to multiple":
        multiple = given["multiple"]
        return max(width // multiple, 1) * multiple, max(height // multiple, 1) * multiple
    rules: dict[str, Callable[[], float]] = {
        "scale by multiplier": lambda: given["multiplier"],
        "scale longer dimension": lambda: given["longer_size"] / max(width, height),
        "scale shorter dimension": lambda: given["shorter_size"] / min(width, height),
        "scale width": lambda: given["width"] / width,
        "scale height": lambda: given["height"] / height,
        "scale total pixels": lambda: sqrt(given["megapixels"] * MEGAPIXEL / (width * height)),
    }
    scale = rules[rule.key]()
    return max(1, round(width * scale)), max(1, round(height * scale))


@IMAGES.node("ImageFromBatch")
def image_from_batch(context: NodeContext, *, image: Images, batch_index: int, length: int) -> NodeOutput:
    """Take pictures out of a batch; a negative index counts from the end."""
    index = batch_index + image.count if batch_index < 0 else batch_index
    index = min(max(index, 0), image.count - 1)
    return gives(image.part(index, min(length, image.count - index)))


@IMAGES.node("RepeatImageBatch")
def repeat_image_batch(context: NodeContext, *, image: Images, amount: int) -> NodeOutput:
    """Repeat a batch."""

    def frames() -> Iterator[Frame]:
        for _ in range(amount):
            yield from image.frames()

    return gives(Images(image.count * amount, image.height, image.width, frames))


@IMAGES.node("ImageBatch")
def image_batch(context: NodeContext, *, image1: Images, image2: Images) -> NodeOutput:
    """Join two batches; the second one takes the size of the first."""
    return gives(_joined([image1, image2]))


@IMAGES.node("BatchImagesNode")
def batch_images(context: NodeContext, *, images: dict[str, Images]) -> NodeOutput:
    """Join several batches; all take the size of the first."""
    return gives(_joined(list(images.values())))


def _joined(batches: list[Images]) -> Images:
    first = batches[0]
    fitted = [
        pixels.resize_all(batch, width=first.width, height=first.height, method="bilinear", crop="center")
        for batch in batches
    ]

    def frames() -> Iterator[Frame]:
        for batch in fitted:
            yield from batch.frames()

    return Images(sum(batch.count for batch in fitted), first.height, first.width, frames)


@IMAGES.node("ImageCrop")
def image_crop(context: NodeContext, *, image: Images, width: int, height: int, x: int, y: int) -> NodeOutput:
    """Cut a rectangle out."""
    left, top = min(x, image.width - 1), min(y, image.height - 1)
    right, bottom = min(left + width, image.width), min(top + height, image.height)
    return gives(image.map(lambda frame: frame[top:bottom, left:right], width=right - left, height=bottom - top))


@IMAGES.node("ImageFlip")
def image_flip(context: NodeContext, *, image: Images, flip_method: str) -> NodeOutput:
    """Mirror pictures."""
    axis = 0 if flip_method.startswith("x") else 1
    return gives(image.map(lambda frame: np.flip(frame, axis), width=image.width, height=image.height))


@IMAGES.node("ImageRotate")
def image_rotate(context: NodeContext, *, image: Images, rotation: str) -> NodeOutput:
    """Turn pictures by quarters."""
    turns = {"none": 0, "90 degrees": 1, "180 degrees": 2, "270 degrees": 3}[rotation]
    width, height = (image.height, image.width) if turns % 2 else (image.width, image.height)
    return gives(image.map(lambda frame: np.rot90(frame, -turns), width=width, height=height))


@IMAGES.node("GetImageSize")
def get_image_size(context: NodeContext, *, image: Images) -> NodeOutput:
    """Measure a batch."""
    return gives(image.width, image.height, image.count)

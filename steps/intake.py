"""Open whatever picture file an owner has, safely, and turn it into an upright 8-bit sRGB picture.

Every file is hostile until decoded: the size is read from the header and judged before a pixel is unpacked, only
formats that Pillow decodes by itself are tried (no outside program is ever started for one), and any error of a decoder
is an answer about the file, not a failure of ours. Apart from `steps/prepare.py` because nothing here knows of faces.
"""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from steps.base import Check
from steps.errors import InvalidInput

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF", "PPM")
"""Formats that are tried. Not EPS, PDF or WMF, for which Pillow would start an outside program."""

MOST_LENGTHS = 8
"""A picture whose longer side has more of the shorter one is a frieze or a scan gone wrong: shrunk, nothing is left."""

_CAN_MOVE = frozenset({"GIF", "WEBP", "PNG", "AVIF"})  # several pictures in a TIFF or MPO are pages, not an animation
_ORIENTATION = 0x0112  # EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_NO_PICTURES = {
    b"%pdf": "a PDF",
    b"%!ps": "PostScript",
    b"<svg": "a drawing (SVG)",
    b"<?xml": "an XML file",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"version https://git-lfs": "a Git LFS pointer",
}
"""What picture files turn out to be when somebody saved the wrong thing; first bytes, lower case."""
_MODE_OF_SPACE = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}

# Our own limit comes from the settings and is applied to the header, before decoding. Pillow's is one number for the
# whole process, and warns or raises by it, which threads with different limits could not share.
Image.MAX_IMAGE_PIXELS = None
Image.init()  # Pillow loads its formats late, and a listed one that is not loaded yet would be an error


class Unusable(Exception):
    """The file cannot become a portrait, for a reason that a person is told."""

    def __init__(self, sentence: str, check: Check) -> None:
        """Keep the sentence for people and what was measured."""
        super().__init__(sentence)
        self.sentence = sentence
        self.check = check


@dataclass(frozen=True)
class Intake:
    """A picture that was read."""

    picture: Image.Image  # mode RGB, upright, its longer side at most what was asked for
    width: int  # of the file, pixels, upright
    height: int
    format: str  # such as "JPEG"
    mode: str  # Pillow's name of the pixel layout in the file, such as "CMYK"
    notes: tuple[str, ...]  # what was done to it, for the review


def read_picture(path: Path, *, max_pixels: int, min_side: int, longest: int) -> Intake:
    """Read a picture file. Blocks; takes up to about three bytes of memory a pixel of the file, times two.

    Args:
        path: Any file.
        max_pixels: A file whose header claims more is not decoded.
        min_side: Shortest side that is accepted, pixels.
        longest: The result's longer side is at most this, pixels.

    Raises:
        Unusable: the file is no picture that can be used.
        InvalidInput: the file is gone or may not be read.
    """
    try:
        if not path.is_file():
            raise InvalidInput(f"The painting's file {path} is not there.", path=str(path))
        size_bytes = path.stat().st_size
        source = path.open("rb")
    except OSError as error:
        raise InvalidInput(f"The painting's file {path} cannot be read: {error.strerror}", path=str(path)) from error
    with source:
        if size_bytes == 0:
            raise Unusable("The file is empty.", Check("file.size", 0, "> 0", "bytes", passed=False))
        try:
            return _read(source, max_pixels=max_pixels, min_side=min_side, longest=longest)
        except (Unusable, MemoryError):
            raise
        except Exception as error:  # a decoder given hostile bytes may raise anything; all of it says the same
            if isinstance(error, OSError) and error.errno is not None:
                raise InvalidInput(f"Reading {path} failed: {error.strerror}", path=str(path)) from error
            raise _undecodable(error, _beginning(source)) from error


def _beginning(source: BinaryIO) -> bytes:
    try:
        source.seek(0)
        return source.read(512)
    except OSError:
        return b""


def _read(source: Any, *, max_pixels: int, min_side: int, longest: int) -> Intake:
    with Image.open(source, formats=_known_formats()) as opened:
        _judge_header(opened, max_pixels=max_pixels, min_side=min_side)
        kind, mode, size = str(opened.format), opened.mode, opened.size
        if kind == "JPEG":  # let the decoder shrink by 2, 4 or 8 on the way: faster, and less memory
            opened.draft(None, (longest, longest))
        opened.load()
        turn = _orientation(opened)
        notes: list[str] = []
        picture = _to_srgb(_roughly_reduced(opened, longest), notes)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if turn is not None:
        picture = picture.transpose(turn)
        notes.append("turned upright by its EXIF orientation")
        if turn in (_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8]):
            size = size[1], size[0]
    return Intake(picture, width=size[0], height=size[1], format=kind, mode=mode, notes=tuple(notes))


def _roughly_reduced(image: Image.Image, longest: int) -> Image.Image:
    """Shrink a very large picture by a whole number first, so that converting its colours costs little."""
    factor = max(image.size) // (2 * longest)
    if factor < 2 or image.mode not in ("L", "RGB", "CMYK", "YCbCr") or "transparency" in image.info:
        return image
    smaller = image.reduce(factor)
    smaller.info = image.info
    return smaller


def _known_formats() -> list[str]:
    """Return those formats that this build of Pillow has."""
    return [name for name in FORMATS if name in Image.OPEN]


def _judge_header(opened: Image.Image, *, max_pixels: int, min_side: int) -> None:
    """Refuse by what the header says, before anything is decoded."""
    width, height = opened.size
    if width * height > max_pixels:
        raise Unusable(
            f"The picture claims {width} x {height} pixels, more than the {max_pixels:,} that are opened.",
            Check("file.pixels", width * height, f"<= {max_pixels}", "px", passed=False),
        )
    if min(width, height) < min_side:
        raise Unusable(
            f"The picture is too small: {width} x {height} pixels, and the shorter side must have {min_side}.",
            Check("file.shorter_side", min(width, height), f">= {min_side}", "px", passed=False),
        )
    if max(width, height) > MOST_LENGTHS * min(width, height):
        lengths = round(max(width, height) / min(width, height), 1)
        raise Unusable(
            f"The picture is a strip: {width} x {height} pixels, {lengths:g} times as long as wide, "
            f"and at most {MOST_LENGTHS} times can be judged.",
            Check("file.lengths", lengths, f"<= {MOST_LENGTHS}", passed=False),
        )
    if opened.format in _CAN_MOVE and getattr(opened, "is_animated", False):
        raise Unusable(
            "The file is an animation; a still painting is expected.",
            Check("file.animated", "yes", "no", passed=False),
        )


def _undecodable(error: Exception, beginning: bytes) -> Unusable:
    sentence = "The file is damaged or no picture that can be read."
    if "truncated" in str(error).lower():
        sentence = "The file breaks off in the middle."
    elif isinstance(error, UnidentifiedImageError) and (kind := _kind_of(beginning)):
        sentence = f"The file is {kind} and no picture, whatever its name says."
    found = f"{type(error).__name__}: {error}"[:200]
    return Unusable(sentence, Check("file.decodes", found, "a whole picture", passed=False))


def _kind_of(beginning: bytes) -> str | None:
    """Return what a file is that is no picture, as far as its first bytes tell."""
    for magic, kind in _NO_PICTURES.items():
        if beginning.lstrip().lower().startswith(magic):
            return kind
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(beginning)  # its last letter may be cut
    except UnicodeDecodeError:
        return None
    return "a text" if all(letter.isprintable() or letter in "\t\n\r\f" for letter in text) else None


def _orientation(opened: Image.Image) -> Image.Transpose | None:
    try:
        return _TURNS.get(opened.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken EXIF is common and says nothing about the picture: as it lies is upright
        return None


def _to_srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Return the picture as 8-bit RGB in sRGB, over white where it is transparent."""
    profile = image.info.get("icc_profile")
    image = _to_8_bit(image, notes)
    image = _flattened(image, notes)
    if isinstance(profile, bytes) and profile:
        converted = _by_profile(image, profile)
        if converted is not None:
            notes.append("converted to sRGB by its colour profile")
            return converted
    if image.mode not in ("RGB", "L"):
        notes.append(f"converted from {image.mode} without a profile")
    return image.convert("RGB")


def _to_8_bit(image: Image.Image, notes: list[str]) -> Image.Image:
    """Scale one deep channel (16-bit, 32-bit, float) to 8 bits; Pillow's own conversion would clip it."""
    if not (image.mode.startswith("I") or image.mode == "F"):
        return image
    notes.append(f"scaled from mode {image.mode} to 8 bits")
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(values.max(initial=0.0))
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    full = next((full for full in usual if peak <= full), peak)
    return Image.fromarray(np.clip(values * (255.0 / full), 0, 255).astype(np.uint8))


def _flattened(image: Image.Image, notes: list[str]) -> Image.Image:
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("1", "YCbCr", "HSV", "LAB", "RGBX"):
        image = image.convert("RGB")
    if image.mode not in ("RGBA", "LA", "La", "RGBa", "PA") and "transparency" not in image.info:
        return image
    picture = image.convert("RGBA")
    if picture.getchannel("A").getextrema() != (255, 255):
        notes.append("laid over white where it is transparent")
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture)
    return ground.convert("RGB")


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert by the embedded profile; None when the profile is broken or belongs to another kind of picture."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODE_OF_SPACE.get(source.profile.xcolor_space)
        if mode is None or mode != image.mode:
            return None
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None

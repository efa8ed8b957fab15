"""Pictures for a vision model: as data URIs, no larger than the model looks at.

A picture costs tokens by its size, and servers refuse bodies that are too long; so it is made smaller here, once.
"""

from __future__ import annotations

import base64
import io

from PIL import Image

from steps.errors import InvalidInput

MAX_BYTES = 4 * 1024 * 1024
"""Of the encoded picture, before base64 makes a third more of it."""

_QUALITIES = (90, 75, 55)
_KINDS = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp"}


def data_uri(content: bytes, *, side: int) -> str:
    """Return a picture as a data URI: as it is when it is small enough, else smaller, as a JPEG.

    Args:
        content: A JPEG, PNG or WebP file's bytes.
        side: Most pixels of the longer side.

    Raises:
        InvalidInput: it is no such picture, or damaged.
    """
    try:
        with Image.open(io.BytesIO(content), formats=tuple(_KINDS)) as picture:
            kind = _KINDS[picture.format or "JPEG"]
            if max(picture.size) > side or len(content) > MAX_BYTES:
                kind, content = "jpeg", _smaller(picture, side)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidInput(f"The picture for the vision model cannot be read: {error}") from error
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _smaller(picture: Image.Image, side: int) -> bytes:
    plain = picture.convert("RGB")
    plain.thumbnail((side, side), Image.Resampling.LANCZOS)
    for quality in _QUALITIES:
        encoded = io.BytesIO()
        plain.save(encoded, "JPEG", quality=quality)
        if encoded.tell() <= MAX_BYTES:
            break
    return encoded.getvalue()

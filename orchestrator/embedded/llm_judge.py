"""The embedded vision model: CPU checks in place of a network that sees.

Faces, their number and sharpness are really measured. Sex, age and nudity are guessed from the words that come with the
picture, from proportions and from skin tones; where nothing speaks, the answer is "unknown" or a low value. Good enough
for a demo and for tests, and marked as a preview wherever it is used.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import re
from typing import Any

import cv2
import numpy as np
from PIL import Image

from orchestrator.embedded.llm_hints import child_of, nudity_of, sex_of
from steps.external.faces import Face, Faces
from steps.external.faces import Image as Pixels
from steps.judging import Measured, is_clear, measure
from steps.options import PrepareOptions

MAX_SIDE = 4096
LONGEST = 768
_DATA_URI = re.compile(r"data:image/(?:png|jpe?g|webp);base64,", re.IGNORECASE)
_FOREHEAD, _CHIN, _EYES = 10, 152, (33, 133, 362, 263)  # rows of the mesh
_SHARP, _BLURRED = 400.0, 4.0  # sharpness that counts as not blurred at all, and as fully blurred
_SKIN_TOLERANCE = np.array([70.0, 9.0, 9.0])  # luma and the two chroma values, against the median of the cheeks
_COLOURLESS = 3.0  # standard deviation of chroma below which a picture has no skin tones to tell apart


class NotAPicture(ValueError):
    """The image_url is no data URI of a picture that can be read."""


def picture_of(url: str) -> Pixels:
    """Decode a data URI to pixels, its longer side at most 768.

    Raises:
        NotAPicture: it is another kind of address, broken, or too large.
    """
    head = _DATA_URI.match(url)
    if head is None:
        raise NotAPicture(
            "image_url must be a data URI of a PNG, JPEG or WebP picture; nothing is fetched from elsewhere"
        )
    try:
        content = base64.b64decode(url[head.end() :], validate=True)
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as opened:
            if max(opened.size) > MAX_SIDE:
                raise NotAPicture(f"the picture is {opened.size[0]} x {opened.size[1]}; at most {MAX_SIDE} a side")
            picture = opened.convert("RGB")
    except NotAPicture:
        raise
    except (binascii.Error, OSError, SyntaxError, ValueError) as error:
        raise NotAPicture(f"the picture cannot be decoded: {error}") from error
    picture.thumbnail((LONGEST, LONGEST))
    return np.ascontiguousarray(np.asarray(picture, np.uint8)[:, :, ::-1])


def look(faces: Faces, image_bgr: Pixels, *, told: dict[str, Any]) -> dict[str, Any]:
    """Return what can be said about a picture, by the names that questions usually use.

    Args:
        faces: The networks.
        image_bgr: The picture.
        told: What the question says about it: title, sitter, tags, in any of their forms.
    """
    options = PrepareOptions()
    measured = measure(faces, image_bgr, options)
    main = measured.main
    clear = main is not None and is_clear(main, options)
    words = _words_told(told)
    child, nudity = child_of(words), nudity_of(words)
    if main is not None and clear:
        child = max(child, 0.4 * _low_eyes(faces, image_bgr, main.face))
        nudity = max(nudity, _bare(image_bgr, main.face))
    return {
        "persons": measured.persons,
        "sex": sex_of(*(str(told.get(key) or "") for key in ("sitter", "tags", "title", "text"))),
        "nudity": round(nudity, 2),
        "child": round(child, 2),
        "portrait": round(_portrait(measured, clear=clear), 2),
        "blur": round(_blur(main.sharpness), 2) if main is not None else 0.0,
        "text": 0.05,
        "face_share": round(measured.share, 3),
        "note": _note(measured, clear=clear),
    }


def _words_told(told: dict[str, Any]) -> str:
    tags = told.get("tags") or []
    listed = tags if isinstance(tags, list) else [tags]
    return " ".join(str(told.get(key) or "") for key in ("title", "sitter", "text")) + " " + " ".join(map(str, listed))


def _portrait(measured: Measured, *, clear: bool) -> float:
    if not clear:
        return 0.1
    alone = 1.0 if not measured.others else 0.4
    return float(np.clip(0.5 + 2.5 * (measured.share - 0.1), 0.1, 0.97)) * alone


def _blur(measured: float) -> float:
    """Map sharpness to 0 (sharp) .. 1 (blurred), evenly on a logarithmic scale."""
    return float(np.clip(1 - math.log(max(measured, 1e-3) / _BLURRED) / math.log(_SHARP / _BLURRED), 0, 1))


def _low_eyes(faces: Faces, image_bgr: Pixels, face: Face) -> float:
    """Return 0 .. 1: how far down the face the eyes sit, as in children, whose foreheads are large."""
    mesh = faces.mesh(image_bgr, face)
    axis = mesh[_CHIN] - mesh[_FOREHEAD]
    length = float(np.dot(axis, axis))
    if length <= 0:
        return 0.0
    place = float(np.dot(mesh[list(_EYES)].mean(axis=0) - mesh[_FOREHEAD], axis)) / length
    return float(np.clip((place - 0.38) / 0.08, 0, 1))


def _bare(image_bgr: Pixels, face: Face) -> float:
    """Return 0 .. 1: how much more of the body than of the background has the colour of the cheeks."""
    pixels = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2YCrCb).astype(np.float32)
    if float(pixels[:, :, 1:].std(axis=(0, 1)).max()) < _COLOURLESS:
        return 0.0
    top, left, right = max(0, face.y), max(0, face.x), face.x + 2 * face.w
    cheeks = pixels[top + face.h // 3 : top + face.h * 4 // 5, left + face.w // 4 : left + face.w * 3 // 4]
    under = max(0, face.y + round(1.15 * face.h))
    body = pixels[under : under + round(2.5 * face.h), max(0, face.x - face.w) : right]
    if cheeks.size == 0 or body.size == 0:
        return 0.0
    tone = np.median(cheeks.reshape(-1, 3), axis=0)
    beside = np.concatenate([pixels[:under, : max(0, face.x - face.w)], pixels[:under, right:]], axis=1)
    share = _share_of(body, tone) - _share_of(beside, tone)  # a brown room around a brown face says nothing
    return float(np.clip((share - 0.45) / 0.5, 0, 1))


def _share_of(region: Any, tone: Any) -> float:
    return float((np.abs(region - tone) < _SKIN_TOLERANCE).all(axis=2).mean()) if region.size else 0.0


def _note(measured: Measured, *, clear: bool) -> str:
    if measured.main is None or not clear:
        return "Preview judgement: no clear face."
    if measured.others:
        return f"Preview judgement: {measured.persons} faces."
    return f"Preview judgement: one face, {measured.share:.0%} of the shorter side."

"""The embedded vision model: cascades and captions in place of a network that sees.

Where faces are, how many and how blurred they are is looked at (`llm_eyes`), by other means than those of step 0's own
checks, so that the two can disagree. Sex, age and nudity are guessed from the words that come with the picture
(`llm_hints`) and from skin tones; where nothing speaks, the answer is "unknown" or a low value. Good enough for a demo
and for tests, and marked as a preview wherever it is used.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from orchestrator.embedded.llm_eyes import Hit, Pixels, bare, blur, hits
from orchestrator.embedded.llm_hints import age_of, child_of, is_of_several, nudity_of, portrait_of, sex_of

MAX_SIDE = 4096
LONGEST = 768
_DATA_URI = re.compile(r"data:image/(?:png|jpe?g|webp);base64,", re.IGNORECASE)
_SEXES = {"female": "woman", "male": "man"}
_A_PORTRAIT = 0.5  # of what captions say
_NARROWER = 0.85  # a cascade's box is a little wider than the face
_LARGE = 0.2  # width of a face that speaks for a portrait, against the shorter side
_A_PERSON = 0.5  # of the largest face: what counts as another person


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
        return decoded(base64.b64decode(url[head.end() :], validate=True))
    except binascii.Error as error:
        raise NotAPicture(f"the picture cannot be decoded: {error}") from error


def decoded(content: bytes) -> Pixels:
    """Decode a picture file's bytes to pixels, its longer side at most 768.

    Raises:
        NotAPicture: it is broken, or too large.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as opened:
            if max(opened.size) > MAX_SIDE:
                raise NotAPicture(f"the picture is {opened.size[0]} x {opened.size[1]}; at most {MAX_SIDE} a side")
            picture = opened.convert("RGB")
    except NotAPicture:
        raise
    except (OSError, SyntaxError, ValueError) as error:
        raise NotAPicture(f"the picture cannot be decoded: {error}") from error
    picture.thumbnail((LONGEST, LONGEST))
    return np.ascontiguousarray(np.asarray(picture, np.uint8)[:, :, ::-1])


def look(image_bgr: Pixels, *, told: dict[str, Any]) -> dict[str, Any]:
    """Return what can be said about a picture, by the names that questions usually use. About 100 ms.

    Args:
        image_bgr: uint8, (height, width, 3).
        told: What the question says about it: title, sitter, tags, in any of their forms.
    """
    texts = [str(told.get(key) or "") for key in ("sitter", "tags", "title", "text")]
    words = " ".join(texts)
    told_of = portrait_of(*texts)
    found = [hit for hit in hits(image_bgr) if hit.is_sure or hit.is_likely]
    main = found[0] if found else None
    persons = _persons(found, words, told_of)
    share = 0.0 if main is None else _NARROWER * main.w * image_bgr.shape[1] / min(image_bgr.shape[:2])
    return {
        "note": _note(persons, share),
        "persons": persons,
        "sex": _SEXES.get(sex_of(*texts), "unknown"),
        "age": age_of(words),
        "nudity": round(max(nudity_of(words), bare(image_bgr, main) if main else 0.0), 2),
        "child": round(child_of(words), 2),
        "portrait": round(_portrait(main, share, persons, words=told_of), 2),
        "face_share": round(min(1.0, share), 3),
        "facing": "front" if main is not None and main.is_sure else "unknown",
        "blur": round(blur(image_bgr, main), 2) if main is not None else 0.0,
        "damage": 0.05,
        "text": 0.05,
    }


def _persons(found: Sequence[Hit], words: str, told_of: float) -> int:
    """Count the faces of about the size of the first one; two at least where the caption speaks of several people.

    Beards and turbans hide faces from the cascades: a caption that calls it the portrait of a person counts as one.
    """
    if not found:
        return 1 if told_of >= _A_PORTRAIT else 0
    counted = sum(1 for hit in found if hit.w >= _A_PERSON * found[0].w)
    return max(2, counted) if is_of_several(words) else counted


def _portrait(main: Hit | None, share: float, persons: int, *, words: float) -> float:
    if main is None:
        return max(0.1, words)
    seen = 0.3 + 0.1 * len(main.votes) + (0.15 if share >= _LARGE else 0.0)
    return float(np.clip(seen + words, 0.0, 0.97)) * (1.0 if persons == 1 else 0.4)


def _note(persons: int, share: float) -> str:
    if persons == 0:
        return "Preview judgement: no clear face."
    if persons > 1:
        return f"Preview judgement: {persons} faces."
    return f"Preview judgement: one face, {share:.0%} of the shorter side."

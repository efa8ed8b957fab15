"""Step 0: is this painting a portrait that can talk, and how is it framed?

Opens the file safely, lets two witnesses look at it, turns it down with reasons or hands on the upright picture and the
vertical frame around the face. A picture that cannot be used is turned down, which is an answer and not an error.
"""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from steps import judging, prompts
from steps.base import Check, Context, LocalStep, Result, Subject
from steps.external.faces import Faces
from steps.external.llm import Chat
from steps.framing import Box, Framing, frame_around
from steps.intake import Intake, Unusable, read_picture
from steps.judging import Measured, Seen, Verdict
from steps.options import StepOptions

FRAME_SOURCE_SIDE = 4096  # the frame is cut from at most this many pixels, so that a small face stays sharp
SENT_SIDE = 768  # longer side of the picture that the vision model gets, pixels
_SENT_QUALITY = 90

_own = threading.local()


class Prepare(LocalStep):
    """Judge the painting and cut the frame."""

    name = "prepare"
    number = 0
    title = "Judge and frame the painting"
    per_language = False
    needs = ()
    asks = ("vision",)

    def run(self, context: Context) -> Result:
        """Return the prepared picture and frame, or the reasons why the painting is turned down.

        Raises:
            InvalidInput: the file is gone or may not be read.
            ResourceMissing: the face models are absent or damaged.
            ServiceUnavailable, ServiceRefused, BadOutput: the vision model did not answer properly.
        """
        options = context.options
        try:
            intake = read_picture(
                context.subject.painting,
                max_pixels=options.prepare.max_pixels,
                min_side=options.prepare.min_side,
                longest=max(FRAME_SOURCE_SIDE, options.prepare.max_side),
            )
        except Unusable as unusable:
            return Result(
                data={"verdict": {"accepted": False, "reasons": [unusable.sentence]}},
                checks=(unusable.check,),
                turned_down=(unusable.sentence,),
            )
        picture = _at_most(intake.picture, options.prepare.max_side)
        faces = _faces(options.models_dir)
        measured = judging.measure(faces, _bgr(picture), options.prepare)
        seen = _ask(picture, context)
        verdict = judging.decide(measured, seen, options.prepare)
        data = {"verdict": _verdict_data(verdict, measured, seen, intake), "sex": seen.sex}
        if not verdict.accepted or measured.main is None:
            return Result(data=data, checks=verdict.checks, turned_down=verdict.reasons)
        framing = _frame(intake.picture, picture, measured, options)
        files = {
            "image": _save(picture, context.work / "image.png"),
            "frame": _save(Image.fromarray(framing.frame), context.work / "frame.png"),
        }
        data |= {"face": framing.face.as_data(), "crop": _crop_data(framing, intake)}
        check = _frame_check(faces, framing)
        return Result(files=files, data=data, checks=(*verdict.checks, check))


def _faces(models_dir: Path) -> Faces:
    """Return this thread's own networks; loading them takes 20 ms, and they must not be shared."""
    loaded: dict[Path, Faces] = _own.__dict__.setdefault("faces", {})
    if models_dir not in loaded:
        loaded[models_dir] = Faces(models_dir)
    return loaded[models_dir]


def _at_most(picture: Image.Image, side: int) -> Image.Image:
    smaller = picture.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    return smaller


def _bgr(picture: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.ascontiguousarray(np.asarray(picture, np.uint8)[:, :, ::-1])


def _ask(picture: Image.Image, context: Context) -> Seen:
    """Ask the vision model what it sees."""
    sent = io.BytesIO()
    _at_most(picture, SENT_SIDE).save(sent, "JPEG", quality=_SENT_QUALITY)
    user = prompts.load("see_user").fill(data=prompts.as_data(_known(context.subject)))
    return Chat(context.options.llm.vision).ask(
        Seen,
        system=prompts.load("see_system").text,
        user=user,
        image=sent.getvalue(),
        schema_name="picture",
        seed=context.seed,
    )


def _known(subject: Subject) -> dict[str, Any]:
    return {
        "title": subject.title,
        "artist": subject.artist,
        "year": subject.year,
        "sitter": subject.sitter,
        "tags": list(subject.tags),
    }


def _frame(full: Image.Image, picture: Image.Image, measured: Measured, options: StepOptions) -> Framing:
    """Cut the frame from the largest version there is; the face was found in the smaller one."""
    assert measured.main is not None
    face, larger = measured.main.face, full.width / picture.width
    box = Box(face.x * larger, face.y * larger, face.w * larger, face.h * larger)
    return frame_around(np.asarray(full, np.uint8), box, width=options.video.width, height=options.video.height)


def _frame_check(faces: Faces, framing: Framing) -> Check:
    """Look once more: the frame must still show the face, in the place that later steps are told."""
    bgr = np.ascontiguousarray(framing.frame[:, :, ::-1])
    wanted = framing.face
    found = [
        face
        for face in faces.find(bgr, judging.CANDIDATE_SCORE)
        if abs(face.center[0] - wanted.x - wanted.w / 2) < wanted.w / 2
        and abs(face.center[1] - wanted.y - wanted.h / 2) < wanted.h / 2
    ]
    score = round(found[0].score, 2) if found else 0.0
    return Check("frame.face", score, f">= {judging.CANDIDATE_SCORE:g}", passed=bool(found))


def _save(picture: Image.Image, path: Path) -> Path:
    picture.save(path, "PNG", compress_level=1)
    return path


def _verdict_data(verdict: Verdict, measured: Measured, seen: Seen, intake: Intake) -> dict[str, Any]:
    """Return everything that was found out, for the review."""
    return {
        "accepted": verdict.accepted,
        "reasons": list(verdict.reasons),
        "disagreements": list(verdict.disagreements),
        "cpu": {
            "persons": measured.persons,
            "share": round(measured.share, 3),
            "main": measured.main.as_data() if measured.main else None,
            "others": [one.as_data() for one in measured.others],
        },
        "vision": seen.model_dump(mode="json"),
        "prompt_version": prompts.load("see_system").version,
        "file": {
            "width": intake.width,
            "height": intake.height,
            "format": intake.format,
            "mode": intake.mode,
            "notes": list(intake.notes),
        },
    }


def _crop_data(framing: Framing, intake: Intake) -> dict[str, Any]:
    """Return where the frame lies, in pixels of the original file."""
    to_file = intake.width / intake.picture.width
    window = framing.window
    place = Box(window.x * to_file, window.y * to_file, window.w * to_file, window.h * to_file)
    return place.as_data() | {"scale": round(framing.scale / to_file, 4), "beyond": round(framing.beyond, 4)}

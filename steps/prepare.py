"""Step 0: is this painting a portrait that can talk, and how is it framed?

Opens the file safely, lets the witnesses look at it, turns it down with reasons or hands on the upright picture and the
vertical frame around the face. A picture that cannot be used is turned down, which is an answer and not an error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from steps import judging, prompts, sight
from steps.base import Check, Context, LocalStep, Result
from steps.errors import ResourceMissing
from steps.external.faces import Faces
from steps.external.llm_budget import purse_of
from steps.external.nudity import Exposed, second_opinion
from steps.framing import Box, Framing, frame_around
from steps.intake import Intake, Unusable, read_picture
from steps.judging import Measured, Verdict
from steps.measuring import CANDIDATE_SCORE
from steps.options import PrepareOptions, StepOptions
from steps.sight import Seen

FRAME_SOURCE_SIDE = 4096  # the frame is cut from at most this many pixels, so that a small face stays sharp

_own = threading.local()


@dataclass(frozen=True)
class Judged:
    """A picture that was read, what the witnesses said about it, and what follows."""

    intake: Intake
    measured: Measured
    seen: Seen | None
    exposed: Exposed | None
    verdict: Verdict


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
            ResourceMissing: the face models are absent or damaged, or the second opinion that is wanted is.
            ServiceUnavailable, ServiceRefused, BadOutput: the vision model did not answer properly.
        """
        options = context.options

        def see(picture: Image.Image) -> Seen:
            purse = purse_of(options, item_id=context.subject.item_id)
            return sight.ask(
                options.llm.vision,
                picture,
                subject=context.subject,
                seed=context.seed,
                purse=purse,
                prompts_dir=options.prompts_dir,
            )

        try:
            judged = judge(
                context.subject.painting,
                options.prepare,
                models_dir=options.models_dir,
                see=see,
                work=context.work,
            )
        except Unusable as unusable:
            return Result(
                data={
                    "verdict": {"accepted": False, "reasons": [unusable.sentence]},
                    "sex": "unknown",
                    "age": "unknown",
                },
                checks=(unusable.check,),
                turned_down=(unusable.sentence,),
            )
        if judged.exposed is not None and judged.exposed.is_missing:
            raise ResourceMissing(judged.exposed.failed or "")  # for all: the paintings wait, none is used up
        assert judged.seen is not None
        verdict, measured, picture = judged.verdict, judged.measured, judged.intake.picture
        data = {"verdict": _verdict_data(judged, options.prompts_dir), "sex": judged.seen.sex, "age": judged.seen.age}
        if not verdict.accepted or measured.main is None:
            return Result(data=data, checks=verdict.checks, turned_down=verdict.reasons)
        full = _for_frame(context.subject.painting, judged.intake, options.prepare)
        framing = _frame(full, picture, measured, options)
        files = {
            "image": _save(picture, context.work / "image.png"),
            "frame": _save(Image.fromarray(framing.frame), context.work / "frame.png"),
        }
        data |= {"face": framing.face.as_data(), "crop": _crop_data(framing, judged.intake.width / full.width)}
        check = _frame_check(faces_of(options.models_dir), framing)
        return Result(files=files, data=data, checks=(*verdict.checks, check))


def judge(
    path: Path,
    options: PrepareOptions,
    *,
    models_dir: Path,
    see: Callable[[Image.Image], Seen | None] | None,
    work: Path,
) -> Judged:
    """Read a picture, let the witnesses look at it and decide. Blocks; leaves at most one small file in `work`.

    Args:
        path: The picture file.
        options: The thresholds.
        models_dir: Folder of the face model files.
        see: Asks the vision model about a picture, mode RGB. Without it, or where it returns None, the other witnesses
            decide alone, which only a trial may do.
        work: Folder for what the second opinion on nudity is shown.

    Raises:
        Unusable: the file is no picture that can be used.
        InvalidInput: the file is gone or may not be read.
        ResourceMissing: the face models are absent or damaged.
    """
    intake = read_picture(path, max_pixels=options.max_pixels, min_side=options.min_side, longest=options.max_side)
    enlarged = intake.width / intake.picture.width
    measured = judging.measure(faces_of(models_dir), _bgr(intake.picture), options, enlarged=enlarged)
    seen = see(intake.picture) if see is not None else None
    verdict = judging.decide(measured, seen, options)
    exposed = None
    if verdict.accepted and options.nudity_check != "off":  # what is turned down anyway needs no second opinion
        exposed = _second_opinion(intake.picture, work)
        verdict = judging.decide(measured, seen, options, exposed=exposed)
    return Judged(intake, measured, seen, exposed, verdict)


def _second_opinion(picture: Image.Image, work: Path) -> Exposed:
    shown = work / "shown.png"
    try:
        return second_opinion(_save(picture, shown))
    finally:
        shown.unlink(missing_ok=True)


def faces_of(models_dir: Path) -> Faces:
    """Return this thread's own networks; loading them takes 20 ms, and they must not be shared.

    Raises:
        ResourceMissing: the face models are absent or damaged.
    """
    loaded: dict[Path, Faces] = _own.__dict__.setdefault("faces", {})
    if models_dir not in loaded:
        loaded[models_dir] = Faces(models_dir)
    return loaded[models_dir]


def _bgr(picture: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.ascontiguousarray(np.asarray(picture, np.uint8)[:, :, ::-1])


def _for_frame(path: Path, intake: Intake, options: PrepareOptions) -> Image.Image:
    """Return the largest version that is worth cutting the frame from. Only a picture that passed is read again."""
    if max(intake.width, intake.height) <= max(intake.picture.size):
        return intake.picture
    longest = max(FRAME_SOURCE_SIDE, options.max_side)
    try:
        again = read_picture(path, max_pixels=options.max_pixels, min_side=options.min_side, longest=longest)
    except Unusable:
        return intake.picture  # the file changed in between: what was judged is used
    return again.picture if (again.width, again.height) == (intake.width, intake.height) else intake.picture


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
        for face in faces.find(bgr, CANDIDATE_SCORE)
        if abs(face.center[0] - wanted.x - wanted.w / 2) < wanted.w / 2
        and abs(face.center[1] - wanted.y - wanted.h / 2) < wanted.h / 2
    ]
    score = round(found[0].score, 2) if found else 0.0
    return Check("frame.face", score, f">= {CANDIDATE_SCORE:g}", passed=bool(found))


def _save(picture: Image.Image, path: Path) -> Path:
    picture.save(path, "PNG", compress_level=1)
    return path


def _verdict_data(judged: Judged, prompts_dir: Path | None) -> dict[str, Any]:
    """Return everything that was found out, for the review."""
    measured, exposed, intake = judged.measured, judged.exposed, judged.intake
    return {
        "accepted": judged.verdict.accepted,
        "reasons": list(judged.verdict.reasons),
        "disagreements": list(judged.verdict.disagreements),
        "cpu": {
            "persons": measured.persons,
            "share": round(measured.share, 3),
            "face_px": measured.face_px,
            "main": measured.main.as_data() if measured.main else None,
            "others": [{"x": one.x, "y": one.y, "w": one.w, "h": one.h} for one in measured.others],
        },
        "vision": judged.seen.model_dump(mode="json") if judged.seen else None,
        "nudity": None if exposed is None else asdict(exposed),
        "prompt_version": prompts.load("see_system", prompts_dir).version,
        "file": {
            "width": intake.width,
            "height": intake.height,
            "format": intake.format,
            "mode": intake.mode,
            "notes": list(intake.notes),
        },
    }


def _crop_data(framing: Framing, to_file: float) -> dict[str, Any]:
    """Return where the frame lies, in pixels of the original file."""
    window = framing.window
    place = Box(window.x * to_file, window.y * to_file, window.w * to_file, window.h * to_file)
    return place.as_data() | {"scale": round(framing.scale / to_file, 4), "beyond": round(framing.beyond, 4)}

"""Decide whether a picture can become a talking portrait.

Two witnesses measure independently: the CPU (faces, their size, sharpness and number) and a vision model (people, sex,
nudity, age, blur, lettering). Neither decides. The thresholds of the settings do, here, in one table of checks, and a
model is never told them: a model that knows the passing mark aims at it. Where the two disagree, both answers are kept
for the person who reviews.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from steps.base import Check
from steps.external.faces import Face, Faces, Image, sharpness
from steps.options import PrepareOptions

CANDIDATE_SCORE = 0.5  # faces below this are not even looked at closely
_LARGE_SHARE, _NO_PORTRAIT = 0.2, 0.3  # for noting a disagreement only
MAX_CANDIDATES = 10  # best first; a closer look takes 7 ms each


class Seen(BaseModel):
    """What the vision model says about a picture. All shares and likelihoods are 0 to 1."""

    model_config = ConfigDict(extra="forbid")

    persons: int = Field(ge=0, le=1000, description="How many people or human faces the picture shows")
    sex: Literal["female", "male", "unknown"] = Field(description="Sex of the main person, as shown")
    nudity: float = Field(ge=0, le=1, description="How much nudity is shown: 0 none, 1 a naked body")
    child: float = Field(ge=0, le=1, description="How likely it is that the main person is under 18")
    portrait: float = Field(ge=0, le=1, description="How likely it is a painted portrait with one face to be seen well")
    blur: float = Field(ge=0, le=1, description="How blurred or damaged the main face is")
    text: float = Field(ge=0, le=1, description="How much of the picture is covered by lettering")
    note: str = Field(default="", max_length=300, description="One short sentence on what the picture shows")


@dataclass(frozen=True, eq=False)
class MeasuredFace:
    """A face and how clear it is."""

    face: Face
    presence: float  # 0 .. 1, the landmark network's confidence
    sharpness: float  # variance of the Laplacian; see `faces.sharpness`

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON values."""
        face = self.face
        return {
            "x": face.x,
            "y": face.y,
            "w": face.w,
            "h": face.h,
            "score": round(face.score, 3),
            "presence": round(self.presence, 3),
            "sharpness": round(self.sharpness, 1),
        }


@dataclass(frozen=True)
class Measured:
    """What the CPU found in a picture."""

    main: MeasuredFace | None  # the face that would talk
    others: tuple[MeasuredFace, ...]  # further faces that count as people, or might
    share: float  # width of the main face against the picture's shorter side
    persons: int


@dataclass(frozen=True)
class Verdict:
    """What was decided."""

    checks: tuple[Check, ...]
    reasons: tuple[str, ...]  # one plain sentence for each check that failed
    disagreements: tuple[str, ...]  # between the two witnesses

    @property
    def accepted(self) -> bool:
        """Whether no check failed."""
        return not self.reasons


def measure(faces: Faces, image_bgr: Image, options: PrepareOptions) -> Measured:
    """Look for faces, large and small, and tell the one that would talk from the others. About 150 ms."""
    candidates = faces.find_all(image_bgr, CANDIDATE_SCORE)[:MAX_CANDIDATES]
    found = [_measured(faces, image_bgr, face) for face in candidates]
    ranked = sorted(found, key=lambda one: _weight(one, options), reverse=True)
    main = ranked[0] if ranked else None
    others = tuple(one for one in ranked[1:] if main is not None and _may_be_person(one, main, options))
    persons = (1 if main is not None and is_clear(main, options) else 0) + len(others)
    share = main.face.w / min(image_bgr.shape[:2]) if main else 0.0
    return Measured(main, others, share=share, persons=persons)


def is_clear(one: MeasuredFace, options: PrepareOptions) -> bool:
    """Tell whether both networks are sure that this is a face."""
    return one.face.score >= options.min_face_score and one.presence >= options.min_face_presence


def decide(measured: Measured, seen: Seen, options: PrepareOptions) -> Verdict:
    """Apply the thresholds to both witnesses."""
    table = [*_by_measure(measured, options), *_by_sight(seen, options)]
    return Verdict(
        checks=tuple(check for check, _ in table),
        reasons=tuple(sentence for check, sentence in table if not check.passed),
        disagreements=tuple(_disagreements(measured, seen)),
    )


def _measured(faces: Faces, image_bgr: Image, face: Face) -> MeasuredFace:
    return MeasuredFace(face, presence=faces.presence(image_bgr, face), sharpness=sharpness(image_bgr, face))


def _weight(one: MeasuredFace, options: PrepareOptions) -> float:
    """Rank candidates: a clear face before any other, then the larger and surer one."""
    return (10.0 if is_clear(one, options) else 0.0) + one.presence + one.face.score * float(np.log1p(one.face.w))


def _may_be_person(one: MeasuredFace, main: MeasuredFace, options: PrepareOptions) -> bool:
    """Tell whether a further face counts: either network suffices, for a full profile convinces only one of them."""
    if one.face.w < options.other_face_share * main.face.w:
        return False
    return one.face.score >= options.min_face_score or one.presence >= options.min_face_presence


def _by_measure(measured: Measured, options: PrepareOptions) -> Iterator[tuple[Check, str]]:
    main = measured.main
    score = round(main.face.score, 2) if main else 0.0
    yield _at_least(
        "face.score", score, options.min_face_score, "No clear face was found: the best one scores {measured} of 1"
    )
    if main is None:
        return
    yield _at_least(
        "face.presence",
        round(main.presence, 2),
        options.min_face_presence,
        "What looks like a face is probably none, or in full profile: {measured} of 1 sure",
    )
    if not is_clear(main, options):
        return  # the size and sharpness of what is no face say nothing
    yield _at_least(
        "face.share",
        round(measured.share, 3),
        options.min_face_share,
        "The face is too small: its width is {measured} of the picture's shorter side",
    )
    yield _at_least(
        "face.sharpness",
        round(main.sharpness, 1),
        options.min_sharpness,
        "The face is blurred: its sharpness is {measured}",
    )
    others = len(measured.others)
    check = Check("face.others", others, "0", passed=others == 0)
    yield check, f"There is more than one face: {others} besides the main one, and there must be 0."


def _by_sight(seen: Seen, options: PrepareOptions) -> Iterator[tuple[Check, str]]:
    check = Check("vision.persons", seen.persons, "1", passed=seen.persons == 1)
    yield check, f"The vision model counts {seen.persons} people, and there must be exactly 1."
    nudity = 1.0 if options.allow_nudity else options.max_nudity
    yield _at_most("vision.nudity", seen.nudity, nudity, "The picture shows nudity: {measured} of 1")
    child = 1.0 if options.allow_child else options.max_child
    yield _at_most("vision.child", seen.child, child, "The person may be a child: likelihood {measured}")
    yield _at_least(
        "vision.portrait", seen.portrait, options.min_portrait, "It is probably no portrait: likelihood {measured}"
    )
    yield _at_most("vision.blur", seen.blur, options.max_blur, "The face looks blurred or damaged: {measured} of 1")
    yield _at_most("vision.text", seen.text, options.max_text, "Lettering covers too much of it: {measured} of 1")


def _at_least(name: str, measured: float, limit: float, sentence: str) -> tuple[Check, str]:
    check = Check(name, measured, f">= {limit:g}", passed=measured >= limit)
    return check, sentence.format(measured=f"{measured:g}") + f", and at least {limit:g} is needed."


def _at_most(name: str, measured: float, limit: float, sentence: str) -> tuple[Check, str]:
    check = Check(name, measured, f"<= {limit:g}", passed=measured <= limit)
    return check, sentence.format(measured=f"{measured:g}") + f", and at most {limit:g} is accepted."


def _disagreements(measured: Measured, seen: Seen) -> Sequence[str]:
    found = []
    if measured.persons != seen.persons:
        found.append(f"people: {measured.persons} by the face detector, {seen.persons} by the vision model")
    if measured.persons == 1 and measured.share >= _LARGE_SHARE and seen.portrait < _NO_PORTRAIT:
        found.append(f"one face fills {measured.share:.0%} of the width, but the vision model sees no portrait")
    return found

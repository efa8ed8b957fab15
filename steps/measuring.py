"""The witness that measures: faces by two networks on the CPU, their number, size, sharpness and direction.

It works from coarse to fine and stops as soon as nothing more can change the verdict. One look at the whole picture and
at its halves finds any face that is large enough to talk; smaller tiles are only searched for further people, and only
in a picture that would be accepted otherwise; the mesh is only asked about faces that the detector alone cannot settle.
That order is what makes a picture cost 40 ms instead of 130.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from steps.external.faces import Face, Faces, Image, Mesh, is_same, levels, sharpness, without_doubles
from steps.options import PrepareOptions
from steps.pose import Pose, eyes_open, pose_of

CANDIDATE_SCORE = 0.5  # faces below this are not even looked at closely
MAX_CLOSE_LOOKS = 4  # best first, until one convinces both networks; each costs up to 7 ms
MAX_OTHERS = 8  # faces besides the main one that are looked at: more make no difference to anybody
_AHEAD = Pose(0.0, 0.0, 0.0)
_COARSE = 2  # parts of the longer side in the first search
_SMALLEST_OF_COARSE = 0.04  # width of the smallest face that it sees well, against the longer side


@dataclass(frozen=True, eq=False)
class MeasuredFace:
    """A face and how clear it is."""

    face: Face
    presence: float  # 0 .. 1, the landmark network's confidence
    sharpness: float  # variance of the Laplacian; see `faces.sharpness`
    pose: Pose = _AHEAD
    eyes_open: float = 1.0  # see `pose.eyes_open`

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
            "eyes_open": round(self.eyes_open, 2),
            **self.pose.as_data(),
        }


@dataclass(frozen=True)
class Measured:
    """What the CPU found in a picture."""

    main: MeasuredFace | None  # the face that would talk
    others: tuple[Face, ...]  # further faces that count as people, or might
    share: float  # width of the main face against the picture's shorter side
    persons: int
    face_px: int = 1000  # width of the main face in the file, pixels


def measure(faces: Faces, image_bgr: Image, options: PrepareOptions, *, enlarged: float = 1.0) -> Measured:
    """Look for faces and tell the one that would talk from the others. About 40 ms, up to 150 for one that passes.

    Args:
        faces: The networks.
        image_bgr: The picture.
        options: Which faces matter.
        enlarged: How many pixels of the file a pixel of the picture stands for, along a side.
    """
    candidates = faces.find(image_bgr, CANDIDATE_SCORE)
    candidates += faces.find_in_tiles(image_bgr, CANDIDATE_SCORE, parts=_COARSE)
    longest, shortest = max(image_bgr.shape[:2]), min(image_bgr.shape[:2])
    smallest_main = 0.7 * options.min_face_share * shortest / longest  # a bit too small is worth saying
    for parts in _further(smallest_main):
        candidates += faces.find_in_tiles(image_bgr, CANDIDATE_SCORE, parts=parts)
    main = _main(faces, image_bgr, without_doubles(candidates), options)
    if main is None:
        return Measured(None, (), share=0.0, persons=0, face_px=0)
    share, face_px = main.face.w / shortest, round(main.face.w * enlarged)
    may_pass = share >= options.min_face_share and face_px >= options.min_face_px
    others = _others(faces, image_bgr, candidates, main=main, options=options)
    if not others and may_pass and is_clear(main, options) and main.sharpness >= options.min_sharpness:
        for parts in _further(options.other_face_share * main.face.w / longest):
            candidates += faces.find_in_tiles(image_bgr, CANDIDATE_SCORE, parts=parts)
        others = _others(faces, image_bgr, candidates, main=main, options=options)
    persons = (1 if is_clear(main, options) else 0) + len(others)
    return Measured(main, others, share=share, persons=persons, face_px=face_px)


def is_clear(one: MeasuredFace, options: PrepareOptions) -> bool:
    """Tell whether both networks are sure that this is a face."""
    return one.face.score >= options.min_face_score and one.presence >= options.min_face_presence


def _further(smallest_share: float) -> Iterable[int]:
    """Return the finer searches that a face of that width needs, against the longer side."""
    if smallest_share >= _SMALLEST_OF_COARSE:
        return ()
    return [parts for parts in levels(smallest_share) if parts > _COARSE]


def _main(faces: Faces, image_bgr: Image, candidates: list[Face], options: PrepareOptions) -> MeasuredFace | None:
    """Return the face that would talk: a clear one before any other, then the larger and surer one."""
    ranked = sorted(candidates, key=lambda face: _weight(face, options), reverse=True)
    looked: list[MeasuredFace] = []
    for face in ranked[:MAX_CLOSE_LOOKS]:
        if face.score < options.min_face_score:
            face = faces.look_closer(image_bgr, face, CANDIDATE_SCORE)
        one = _measured(image_bgr, face, faces.landmarks(image_bgr, face))
        if is_clear(one, options):
            return one
        looked.append(one)
    return max(looked, key=lambda one: one.presence + one.face.score * float(np.log1p(one.face.w)), default=None)


def _weight(face: Face, options: PrepareOptions) -> float:
    return (10.0 if face.score >= options.min_face_score else 0.0) + face.score * float(np.log1p(face.w))


def _measured(image_bgr: Image, face: Face, mesh: Mesh) -> MeasuredFace:
    return MeasuredFace(
        face,
        presence=mesh.presence,
        sharpness=sharpness(image_bgr, face),
        pose=pose_of(mesh.points),
        eyes_open=eyes_open(image_bgr, mesh.points),
    )


def _others(
    faces: Faces, image_bgr: Image, candidates: list[Face], *, main: MeasuredFace, options: PrepareOptions
) -> tuple[Face, ...]:
    """Return further faces that count: either network suffices, for a full profile convinces only one of them."""
    apart = [face for face in without_doubles(candidates) if not is_same(face, main.face)]
    large = [face for face in apart if face.w >= options.other_face_share * main.face.w][:MAX_OTHERS]
    return tuple(
        face
        for face in large
        if face.score >= options.min_face_score or faces.presence(image_bgr, face) >= options.min_face_presence
    )

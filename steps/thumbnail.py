"""Which frame of the talking clip makes the thumbnail: the face large and sharp, the eyes open, the mouth at ease."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steps.errors import ResourceMissing
from steps.external import ffmpeg
from steps.external.faces import Faces, sharpness

CANDIDATES = 24

# Points of the face mesh.
_LIPS = (13, 14)  # upper and lower inner lip
_EYES = ((33, 133, 159, 145), (263, 362, 386, 374))  # outer and inner corner, upper and lower lid

_SHUT = 0.75  # of the eyes' usual opening in this clip: less is a blink


@dataclass(frozen=True)
class Moment:
    """The frame that was chosen, and what it offers."""

    time_s: float  # in the clip
    face_share: float = 0.0  # width of the face against the picture; 0: no face was looked for, or none found
    eyes_open: float = 0.0  # height of the narrower eye against its width
    candidates: int = 0  # frames that were compared

    def as_data(self) -> dict[str, Any]:
        """Return it for the report."""
        return {"face_share": round(self.face_share, 3), "eyes_open": round(self.eyes_open, 3), "of": self.candidates}


@dataclass(frozen=True)
class _Look:
    """What one frame offers."""

    time_s: float
    size: float  # width of the face against the picture
    sharp: float  # variance of the Laplacian in the face
    contrast: float  # around the duller eye: white, iris and lashes; a closed lid is plain skin
    eyes: float  # opening of the narrower eye, height against width
    lips: float  # how far they are apart, against the width of the face


def best_moment(clip: Path, *, models_dir: Path) -> Moment:
    """Return the frame to show; the middle of the clip where no face is found."""
    media = ffmpeg.probe(clip)
    middle = Moment(media.duration_s / 2)
    try:
        faces = Faces(models_dir)
    except ResourceMissing:
        return middle
    # One pass: key frames are so far apart that jumping from moment to moment decodes most frames several times.
    seen = ((time, _look(image, faces, time)) for time, image in ffmpeg.spread_frames(clip, CANDIDATES))
    looks = [look for time, look in seen if look is not None and time > 0.03 * media.duration_s]
    if not looks:
        return middle
    best = max(looks, key=_score(looks))
    return Moment(best.time_s, best.size, best.eyes, len(looks))


def _score(looks: list[_Look]) -> Any:
    """Return what ranks the frames of one clip, by what is usual in it."""
    usually_open = float(np.median([look.eyes for look in looks]))
    most_sharp = max(look.sharp for look in looks) or 1.0
    most_contrast = max(look.contrast for look in looks) or 1.0

    def score(look: _Look) -> tuple[bool, float]:
        is_blink = look.eyes < _SHUT * usually_open
        worth = 1.5 * look.size + 0.7 * look.sharp / most_sharp + 1.2 * look.contrast / most_contrast
        return (not is_blink, worth + 1.0 * min(1.0, look.eyes / (usually_open or 1.0)) - 1.5 * look.lips)

    return score


def _look(image_rgb: ffmpeg.Image, faces: Faces, time_s: float) -> _Look | None:
    image = np.ascontiguousarray(image_rgb[:, :, ::-1])
    found = faces.find(image)
    if not found:
        return None
    face = max(found, key=lambda one: one.w)
    mesh = faces.mesh(image, face)
    reach = max(2, round(face.w * 0.11))
    contrasts = []
    for x, y in face.points[:2]:
        top, left = max(0, int(y) - reach // 2), max(0, int(x) - reach)
        contrasts.append(float(image[top : int(y) + reach // 2, left : int(x) + reach].mean(axis=2).std()))
    return _Look(
        time_s,
        size=face.w / image.shape[1],
        sharp=float(sharpness(image, face)),
        contrast=min(contrasts),
        eyes=min(_opening(mesh, eye) for eye in _EYES),
        lips=float(np.linalg.norm(mesh[_LIPS[0]] - mesh[_LIPS[1]])) / face.w,
    )


def _opening(mesh: NDArray[np.float64], eye: tuple[int, int, int, int]) -> float:
    """Return how far an eye is open: the distance of its lids against that of its corners."""
    outer, inner, upper, lower = (mesh[point] for point in eye)
    return float(np.linalg.norm(upper - lower) / max(1e-6, float(np.linalg.norm(outer - inner))))

"""Which frame of the talking clip makes the thumbnail: the face large and sharp, the eyes open, the mouth at ease."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steps.errors import ResourceMissing
from steps.external import ffmpeg
from steps.external.faces import Faces, sharpness

CANDIDATES = 14

_LIPS = (13, 14)
"""Upper and lower inner lip, as points of the face mesh."""


@dataclass(frozen=True)
class _Look:
    """What one frame offers."""

    time_s: float
    size: float  # width of the face against the picture
    sharp: float  # variance of the Laplacian in the face
    eyes: float  # contrast around the duller eye: white, iris and lashes; a closed lid is plain skin
    lips: float  # how far they are apart, against the width of the face


def best_moment(clip: Path, *, models_dir: Path) -> float:
    """Return the time in seconds of the frame to show; the middle of the clip where no face is found."""
    duration_s = ffmpeg.probe(clip).duration_s
    try:
        faces = Faces(models_dir)
    except ResourceMissing:
        return duration_s / 2
    video = ffmpeg.probe(clip).video
    # One pass: key frames are so far apart that jumping from moment to moment decodes most frames several times.
    every = max(1, (video.frames if video is not None else 0) // CANDIDATES)
    seen = ((time, _look(image, faces, time)) for time, image in ffmpeg.read_frames(clip, every=every))
    looks = [look for time, look in seen if look is not None and time > 0.03 * duration_s]
    if not looks:
        return duration_s / 2
    most_sharp = max(look.sharp for look in looks) or 1.0
    most_open = max(look.eyes for look in looks) or 1.0

    def score(look: _Look) -> float:
        return look.size + 0.5 * look.sharp / most_sharp + 2.0 * look.eyes / most_open - 1.5 * look.lips

    return max(looks, key=score).time_s


def _look(image_rgb: ffmpeg.Image, faces: Faces, time_s: float) -> _Look | None:
    image = np.ascontiguousarray(image_rgb[:, :, ::-1])
    found = faces.find(image)
    if not found:
        return None
    face = max(found, key=lambda one: one.w)
    mesh = faces.mesh(image, face)
    grey = image.mean(axis=2)
    reach = max(2, round(face.w * 0.11))
    eyes = [
        float(grey[max(0, int(y) - reach // 2) : int(y) + reach // 2, max(0, int(x) - reach) : int(x) + reach].std())
        for x, y in face.points[:2]
    ]
    return _Look(
        time_s,
        size=face.w / image.shape[1],
        sharp=float(sharpness(image, face)),
        eyes=min(eyes),
        lips=float(np.linalg.norm(mesh[_LIPS[0]] - mesh[_LIPS[1]])) / face.w,
    )

"""Which frame of the talking clip makes the thumbnail: the face large and sharp, the eyes open, the mouth at ease."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from steps.errors import ResourceMissing
from steps.external import ffmpeg
from steps.external.faces import Faces, sharpness

CANDIDATES = 10

_EYES = ((159, 145, 33, 133), (386, 374, 362, 263))
"""Upper lid, lower lid, outer and inner corner, as points of the face mesh."""
_LIPS = (13, 14)
"""Upper and lower inner lip."""


def best_moment(clip: Path, *, models_dir: Path) -> float:
    """Return the time in seconds of the frame to show; the middle of the clip where no face is found."""
    duration_s = ffmpeg.probe(clip).duration_s
    times = [float(time) for time in np.linspace(0.06, 0.94, CANDIDATES) * duration_s]
    try:
        faces = Faces(models_dir)
    except ResourceMissing:
        return duration_s / 2
    scored = [(_score(ffmpeg.frame_at(clip, time), faces), time) for time in times]
    best, time = max(scored)
    return time if best > 0 else duration_s / 2


def _score(image_rgb: ffmpeg.Image, faces: Faces) -> float:
    image = np.ascontiguousarray(image_rgb[:, :, ::-1])
    found = faces.find(image)
    if not found:
        return 0.0
    face = max(found, key=lambda one: one.w)
    mesh = faces.mesh(image, face)
    size = face.w / image.shape[1]
    sharp = min(1.0, sharpness(image, face) / 400)
    lips = float(np.linalg.norm(mesh[_LIPS[0]] - mesh[_LIPS[1]])) / face.w
    return float(1.0 + size + sharp + 3 * min(0.3, _eyes_open(mesh)) - 1.5 * lips)


def _eyes_open(mesh: np.ndarray) -> float:
    """Return how open the less open eye is: lid distance against its width, about 0.3 when open."""
    return min(
        float(np.linalg.norm(mesh[top] - mesh[bottom]) / max(1e-6, float(np.linalg.norm(mesh[outer] - mesh[inner]))))
        for top, bottom, outer, inner in _EYES
    )

"""Whether an edited picture still shows the same face in the same place.

Picture editors like to re-frame. A morph between two portraits that are not aligned looks like two people, so an edit
whose face has moved is made again.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from steps.base import Check
from steps.checks import at_most, between
from steps.external.faces import Face, Faces
from steps.external.ffmpeg import Image

LOWEST_SCORE = 0.5
MOST_SHIFT = 0.2  # of the face's width; detector noise between a painting and its photograph is about 0.05
SCALE_RANGE = (0.8, 1.25)


def check_alignment(before: Image, after: Image, *, models_dir: Path, name: str) -> tuple[Check, ...]:
    """Compare the face in two pictures of the same size, RGB.

    Args:
        before: What went in. Without a face in it there is nothing to compare, and one passing check says so.
        after: What came out.
        models_dir: Folder of the face model files.
        name: First part of the checks' names.

    Raises:
        ResourceMissing: a face model file is absent or damaged.
    """
    faces = Faces(models_dir)
    reference = _best(faces, before)
    if reference is None:
        return (Check(f"{name}.face", "none before", "the same face in the same place"),)
    found = _nearest(faces, after, reference)
    if found is None:
        return (Check(f"{name}.face", "none", "the same face in the same place", passed=False),)
    shift = math.dist(found.center, reference.center) / max(1, reference.w)
    return (
        at_most(f"{name}.face_shift", shift, MOST_SHIFT, unit="face widths"),
        between(f"{name}.face_scale", found.w / max(1, reference.w), *SCALE_RANGE),
    )


def _best(faces: Faces, picture: Image) -> Face | None:
    found = _find(faces, picture)
    return found[0] if found else None


def _nearest(faces: Faces, picture: Image, reference: Face) -> Face | None:
    found = _find(faces, picture)
    return min(found, key=lambda face: math.dist(face.center, reference.center), default=None)


def _find(faces: Faces, picture: Image) -> list[Face]:
    """Return the faces of a picture; those too small for one look are searched for in its parts."""
    bgr = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), dtype=np.uint8)
    return faces.find(bgr, LOWEST_SCORE) or faces.find_all(bgr, LOWEST_SCORE)

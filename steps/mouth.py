"""Whether the mouth of a filmed face moves by itself.

The best-known failure of talking models is a face that drifts or zooms with its mouth shut. To a plain difference of
frames that looks like speech, so the head's own movement is found on the rest of the face, and taken out, before the
mouth is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from steps.footage import Box, Stack, luma_of

Plane = NDArray[np.float32]

_REACH = 1.1  # the part watched is the detector's box, and a little below it: an open mouth lowers the chin
_MOUTH_DOWN = (0.58 / _REACH, 1.05 / _REACH)  # top and bottom, as shares of the part
_MOUTH_ACROSS = (0.2, 0.8)
_SEARCH = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-5)
_SMOOTHING_PX = 3
_GRAIN = 3  # the mouths are compared at a third of their size: grain goes, lips stay


def face_part(face: Mapping[str, float], width: int, height: int) -> Box:
    """Return the part of a picture to watch, for a face box in pixels of that picture."""
    return Box(
        left=face["x"] / width,
        top=face["y"] / height,
        right=(face["x"] + face["w"]) / width,
        bottom=(face["y"] + face["h"] * _REACH) / height,
    )


def movement(faces: Stack) -> float:
    """Return how much the mouth moves from one look to the next, in percent of the face's contrast.

    The mean absolute difference of the mouths, against the standard deviation of the face: a dark portrait speaks no
    less than a bright one. Measured with looks 1/8 s apart: a frozen face 0.0, grain of 6 levels 0.4, a zoom by 15 %
    in 5 s 0.8, a swaying head 1.4, lips that part by half a hundredth of the picture's height 2.9, wide ones 17.

    Args:
        faces: Copies of the part that `face_part` names.
    """
    if len(faces) < 2:
        return 0.0
    luma = luma_of(faces)
    contrast = max(1.0, float(luma.std()))
    return 100 * float(np.mean([_pair(one, other) for one, other in pairwise(luma)])) / contrast


def _pair(one: Plane, other: Plane) -> float:
    """Return the mouths' difference between two looks; the smaller one of with and without the head's movement."""
    plain = _mouth_difference(one, other)
    try:
        back = np.eye(2, 3, dtype=np.float32)
        _, back = cv2.findTransformECC(
            one, other, back, cv2.MOTION_EUCLIDEAN, _SEARCH, _around_mouth(one), _SMOOTHING_PX
        )
    except cv2.error:  # no such movement: the looks have too little in common
        return plain
    size, how = (one.shape[1], one.shape[0]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    steadied = cv2.warpAffine(other, back, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    return min(plain, _mouth_difference(one, np.asarray(steadied, dtype=np.float32)))


def _mouth_difference(one: Plane, other: Plane) -> float:
    change = (one - other)[_mouth(one)]
    size = (max(1, change.shape[1] // _GRAIN), max(1, change.shape[0] // _GRAIN))
    return float(np.abs(cv2.resize(change, size, interpolation=cv2.INTER_AREA)).mean())


def _around_mouth(plane: Plane) -> NDArray[np.uint8]:
    """Return a mask of all but the mouth: what the head's movement is found on."""
    mask = np.full(plane.shape, 255, dtype=np.uint8)
    mask[_mouth(plane)] = 0
    return mask


def _mouth(plane: Plane) -> tuple[slice, slice]:
    height, width = plane.shape
    down = slice(int(_MOUTH_DOWN[0] * height), int(_MOUTH_DOWN[1] * height))
    return down, slice(int(_MOUTH_ACROSS[0] * width), int(_MOUTH_ACROSS[1] * width))

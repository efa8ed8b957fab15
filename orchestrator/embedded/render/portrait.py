"""Where the parts of a face lie in a picture, precisely enough to move them.

The detector's box is loose and paintings tilt their heads, so the landmark network is asked several times about the
face turned upright, and the answers are averaged. The result is in pixels of the picture.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded.render.base import Picture
from steps.external.faces import Face, Faces, default_models_dir

# Point numbers of FaceMesh's published map, each line from the picture's left to its right.
LIP_INNER_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LIP_INNER_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LIP_OUTER_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LIP_OUTER_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
EYES_UPPER = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (362, 398, 384, 385, 386, 387, 388, 466, 263))
EYES_LOWER = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (362, 382, 381, 380, 374, 373, 390, 249, 263))
BROWS = ((70, 63, 105, 66, 107), (336, 296, 334, 293, 300))
MOUTH_LEFT, MOUTH_RIGHT = 61, 291
NOSE_BASE, CHIN = 2, 152
CHEEKS = (234, 454)
FOREHEAD = 10

SMALLEST_FACE_PX = 36
"""Below this width a moving mouth is a few pixels of smear."""
_SUREST_BELOW = 0.5  # the landmark network's confidence: a coil of cloth gets 0.4, painted faces 0.99
_PATCH_PX = 256
_MARGIN = 1.5  # of the square around the face that the network was trained with
_LOOKS = ((0.0, 0.0, 1.0), (0.04, 0.0, 1.0), (-0.04, 0.0, 1.0), (0.0, 0.04, 1.0), (0.0, -0.04, 1.0), (0.0, 0.0, 1.07))


@dataclass(frozen=True, eq=False)
class Portrait:
    """The landmarks of the largest face of a picture."""

    points: NDArray[np.float64]  # (468, 2), pixels of the picture
    roll_rad: float  # how far the line of the eyes is turned, clockwise in the picture

    @property
    def center(self) -> NDArray[np.float64]:
        """Return the middle of the face, (2,)."""
        return np.asarray((self.points.min(axis=0) + self.points.max(axis=0)) / 2)

    @property
    def width_px(self) -> float:
        """Return the distance between the two sides of the face."""
        return float(np.linalg.norm(self.points[CHEEKS[1]] - self.points[CHEEKS[0]]))

    @property
    def height_px(self) -> float:
        """Return the distance from the hairline to the chin."""
        return float(np.linalg.norm(self.points[CHIN] - self.points[FOREHEAD]))


def read_portrait(image_rgb: Picture) -> Portrait | None:
    """Find the largest face and its landmarks; None when there is no face that could be animated.

    About 80 ms. Safe to call from several threads.

    Raises:
        ResourceMissing: the face models are not installed.
    """
    image_bgr = np.ascontiguousarray(image_rgb[..., ::-1])
    with _LOCK:
        faces = _faces().find(image_bgr)
        for face in sorted(faces, key=lambda found: -found.w * found.h):
            portrait = _measure(image_bgr, face) if face.w >= SMALLEST_FACE_PX else None
            if portrait is not None:
                return portrait
    return None


_LOCK = threading.Lock()  # the networks are not thread-safe


@functools.cache
def _faces() -> Faces:
    return Faces(default_models_dir())


def _measure(image_bgr: Picture, face: Face) -> Portrait | None:
    right, left = face.points[0], face.points[1]
    roll = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    side = max(face.w, face.h) * _MARGIN
    points, _ = _look(image_bgr, np.array(face.center), side=side, roll=roll)
    # Twice more from where the first look says the face is, which is much nearer to how the network was trained.
    for looks in (_LOOKS[:1], _LOOKS):
        roll = _roll_of(points)
        center, side = _square_around(points, roll)
        answers = [
            _look(image_bgr, center + np.array((x, y)) * side, side=side * scale, roll=roll) for x, y, scale in looks
        ]
        points = np.mean([found for found, _ in answers], axis=0)
        sure = float(np.mean([confidence for _, confidence in answers]))
    return Portrait(points, _roll_of(points)) if sure > _SUREST_BELOW else None


def _look(
    image_bgr: Picture, center: NDArray[np.float64], *, side: float, roll: float
) -> tuple[NDArray[np.float64], float]:
    """Run the landmark network on an upright square cut out of the picture; points in pixels of the picture."""
    scale = _PATCH_PX / side
    matrix = cv2.getRotationMatrix2D((float(center[0]), float(center[1])), np.degrees(roll), scale)
    matrix[:, 2] += _PATCH_PX / 2 - center
    smooth = cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA
    patch = cv2.warpAffine(image_bgr, matrix, (_PATCH_PX, _PATCH_PX), flags=smooth, borderMode=cv2.BORDER_REPLICATE)
    size = round(_PATCH_PX / _MARGIN)
    corner = (_PATCH_PX - size) // 2
    whole = Face(corner, corner, size, size, score=1.0, points=np.zeros((6, 2)))
    points, confidence = _faces().mesh(patch, whole), _faces().presence(patch, whole)
    back = cv2.invertAffineTransform(matrix)
    return np.asarray(points @ back[:, :2].T + back[:, 2]), confidence


def _roll_of(points: NDArray[np.float64]) -> float:
    right = points[[EYES_UPPER[0][0], EYES_UPPER[0][-1]]].mean(axis=0)
    left = points[[EYES_UPPER[1][0], EYES_UPPER[1][-1]]].mean(axis=0)
    return float(np.arctan2(left[1] - right[1], left[0] - right[0]))


def _square_around(points: NDArray[np.float64], roll: float) -> tuple[NDArray[np.float64], float]:
    """Return centre and side of the square with margin around the turned face."""
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    upright = points @ turn.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    return np.asarray((low + high) / 2 @ turn), float((high - low).max() * _MARGIN)

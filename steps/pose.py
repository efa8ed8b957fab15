"""How a head is held and whether its eyes are open, from the points of the face mesh.

Pure geometry and a few pixels around the eyes; apart from the networks' wrapper because nothing here runs a network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_RIGHT_CHEEK, _LEFT_CHEEK, _FOREHEAD, _CHIN = 234, 454, 10, 152  # rows of the mesh; right is the sitter's own
_EYES = (
    (33, 133, (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)),
    (362, 263, (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382)),
)
"""Of each eye: the corner on the picture's left, the one on its right, and its outline."""

_PATCH_PX = 48  # an eye's width, in the upright patch that is looked at


@dataclass(frozen=True)
class Pose:
    """How a head is held, in degrees; 0 is upright and towards the viewer."""

    turn: float  # aside; positive: towards the sitter's right, which is the picture's left
    nod: float  # positive: bowed
    tilt: float  # to a shoulder; positive: clockwise in the picture

    def as_data(self) -> dict[str, float]:
        """Return it as JSON values."""
        return {"turn": round(self.turn, 1), "nod": round(self.nod, 1), "tilt": round(self.tilt, 1)}


def pose_of(points: Points) -> Pose:
    """Return how the head is held.

    The mesh's depth is a guess of its network, good to about ten degrees up to a half profile; a full profile has no
    mesh worth the name, which its presence tells.

    Args:
        points: (468, 3), x, y and depth in one unit; a larger depth is farther away.
    """
    across, down = points[_LEFT_CHEEK] - points[_RIGHT_CHEEK], points[_CHIN] - points[_FOREHEAD]
    return Pose(
        turn=_degrees(across[2], math.hypot(across[0], across[1])),
        nod=_degrees(down[2], math.hypot(down[0], down[1])),
        tilt=_degrees(across[1], across[0]),
    )


def eyes_open(image_bgr: NDArray[np.uint8], points: Points) -> float:
    """Return how high the dark of the wider eye reaches, iris and lashes, against the eye's width: about 0 to 0.6.

    The mesh itself draws open eyes on closed lids, so the pixels are asked. Open eyes of painted portraits gave 0.25 to
    0.5, lids painted over them 0.08 to 0.23. The wider eye counts: a turned head hides the other one.

    Args:
        image_bgr: uint8, (height, width, 3).
        points: (468, 2 or 3), in pixels of the picture.
    """
    return max(_dark_height(image_bgr, points[:, :2], eye) for eye in _EYES)


def _dark_height(image_bgr: NDArray[np.uint8], points: Points, eye: tuple[int, int, tuple[int, ...]]) -> float:
    patch = _upright(image_bgr, points, eye)
    darkest = np.percentile(patch[12:36, 8:40], 3)
    skin = np.percentile(patch[30:], 60)  # below the eye
    dark = patch[10:38, 10:38] < (darkest + skin) / 2
    columns = np.sort(dark.sum(axis=0))
    return float(columns[-6:].mean()) / _PATCH_PX  # the six columns of the iris


def _upright(
    image_bgr: NDArray[np.uint8], points: Points, eye: tuple[int, int, tuple[int, ...]]
) -> NDArray[np.float32]:
    """Return the eye in grey, its corners level, in a square as wide as it is."""
    left, right, outline = eye
    along = (points[right] - points[left]) / _PATCH_PX
    matrix = np.array([[along[0], -along[1], 0.0], [along[1], along[0], 0.0]])
    matrix[:, 2] = points[list(outline)].mean(axis=0) - matrix[:, :2] @ (_PATCH_PX / 2, _PATCH_PX / 2)
    patch = cv2.warpAffine(
        image_bgr,
        matrix,
        (_PATCH_PX, _PATCH_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    grey = cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.0), np.float32)


def _degrees(opposite: float, adjacent: float) -> float:
    return math.degrees(math.atan2(opposite, adjacent))

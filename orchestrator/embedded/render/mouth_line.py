"""Where the lips of a painted mouth meet.

The landmarks are a few pixels off on painted lips, and lips that part beside their line look torn. The line is taken
to be the darkest path from corner to corner near the landmarks, and the mouth ends where that path is no longer dark.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded.render import portrait as landmarks
from orchestrator.embedded.render.base import Picture

_SEARCH = 0.28  # of half the mouth's width, up and down from the landmarks
_SHORTEST = 0.72  # of half the mouth's width: how far the corners may move inwards


class Axes:
    """Coordinates of a mouth, in pixels: origin between its corners, x along it, y towards the chin."""

    def __init__(self, left: NDArray[np.float64], right: NDArray[np.float64]) -> None:
        """Take the two corners, in pixels of the picture."""
        self.half = max(4.0, float(np.linalg.norm(right - left)) / 2)
        self.center = (left + right) / 2
        roll = np.arctan2(right[1] - left[1], right[0] - left[0])
        self.cosine, self.sine = float(np.cos(roll)), float(np.sin(roll))
        self._turn = np.array([[self.cosine, self.sine], [-self.sine, self.cosine]])

    def local(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn pixels of the picture into these coordinates; (…, 2)."""
        return np.asarray((points - self.center) @ self._turn.T)

    def image(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn these coordinates into pixels of the picture; (…, 2)."""
        return np.asarray(points @ self._turn + self.center)


def find_mouth_line(
    image_rgb: Picture, local: NDArray[np.float64], *, axes: Axes
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Find the line between the lips.

    Args:
        image_rgb: The portrait.
        local: Its landmarks in the coordinates of `axes`.
        axes: Coordinates of the mouth.

    Returns:
        A polynomial (for numpy.polyval) from x as a share of half the width to y in pixels, and the x of both ends
        in pixels.
    """
    half = axes.half
    inner = (local[list(landmarks.LIP_INNER_UPPER)] + local[list(landmarks.LIP_INNER_LOWER)]) / 2
    across = np.linspace(-1.0, 1.0, 41)
    expected = np.interp(across * half, inner[:, 0], inner[:, 1])
    offsets = np.linspace(-_SEARCH * half, _SEARCH * half, 41)
    spots = np.stack(np.broadcast_arrays((across * half)[:, None], expected[:, None] + offsets), axis=-1)
    seen = sample_grey(image_rgb, axes.image(spots), blur_px=max(0.6, 0.035 * half))
    contrast = max(8.0, float(np.ptp(seen, axis=1).mean()))
    # Corners are searched less far: beyond them there is only skin.
    freedom = _SEARCH * half * (1 - 0.5 * across**4)[:, None]
    path = _cheapest_path(seen / contrast + 0.45 * (offsets / freedom) ** 2, step_cost=0.12)
    darkness = np.median(seen, axis=1) - seen[np.arange(len(path)), path]
    line = np.polyfit(across, expected + offsets[path], 4)
    return np.asarray(line), _ends(across, darkness, half)


def sample_grey(image_rgb: Picture, spots: NDArray[np.float64], *, blur_px: float) -> NDArray[np.float64]:
    """Return the slightly blurred brightness, 0 .. 255, at some pixels of the picture; spots (…, 2) -> (…)."""
    grey = cv2.GaussianBlur(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), (0, 0), blur_px)
    x, y = spots[..., 0].astype(np.float32), spots[..., 1].astype(np.float32)
    return np.asarray(cv2.remap(grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), float)


def _ends(across: NDArray[np.float64], darkness: NDArray[np.float64], half: float) -> tuple[float, float]:
    """Return where the line fades out, to the left and to the right."""
    faint = darkness < 0.3 * float(np.median(darkness[np.abs(across) < 0.6]))
    right = across[(across > _SHORTEST) & faint]
    left = across[(across < -_SHORTEST) & faint]
    return float(left.max(initial=-1.0)) * half, float(right.min(initial=1.0)) * half


def _cheapest_path(cost: NDArray[np.float64], *, step_cost: float) -> NDArray[np.intp]:
    """Return one column a row so that the sum of costs, and of steps to the side, is smallest."""
    columns = np.arange(cost.shape[1])
    steps = step_cost * np.abs(columns[:, None] - columns[None, :]) ** 1.5
    total = cost[0].copy()
    came_from = np.zeros(cost.shape, np.intp)
    for row in range(1, len(cost)):
        options = total[None, :] + steps
        came_from[row] = options.argmin(axis=1)
        total = options.min(axis=1) + cost[row]
    path = np.zeros(len(cost), np.intp)
    path[-1] = int(total.argmin())
    for row in range(len(cost) - 1, 0, -1):
        path[row - 1] = came_from[row, path[row]]
    return path

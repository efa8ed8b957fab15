"""Moves the whole picture a little: the head sways before its background, the chest breathes, the camera comes closer.

The displacement is smooth, so it is computed on a coarse grid and enlarged. It vanishes at the picture's edges, so that
nothing from outside the picture is ever needed.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.embedded.render.base import Field, Picture, eased

_CELL_PX = 8


class Stage:
    """One picture with a foreground that can be moved. Not changed by use; safe to share."""

    def __init__(self, shape: tuple[int, ...], *, center: NDArray[np.float64], radius: float) -> None:
        """Say where the foreground is.

        Args:
            shape: Of the pictures.
            center: Middle of the head, pixels.
            radius: Half of the head's width, pixels.
        """
        self._height, self._width = shape[:2]
        rows, columns = -(-self._height // _CELL_PX), -(-self._width // _CELL_PX)
        # The middle of each cell, in the picture's pixels: what cv2.resize takes a cell to stand for.
        self._x = ((np.arange(columns, dtype=np.float32) + 0.5) * (self._width / columns) - 0.5)[None, :]
        self._y = ((np.arange(rows, dtype=np.float32) + 0.5) * (self._height / rows) - 0.5)[:, None]
        self._whole_x = np.arange(self._width, dtype=np.float32)[None, :]
        self._whole_y = np.arange(self._height, dtype=np.float32)[:, None]
        self._center = center.astype(np.float32)
        self._radius = radius
        across, down = (self._x - self._center[0]) / radius, (self._y - self._center[1]) / radius
        inside = 1 - eased((np.hypot(across, np.where(down > 0, down * 0.8, down)) - 1.3) / 2.2)
        margin = 0.06 * min(self._width, self._height)
        edge = eased(self._x / margin) * eased((self._width - 1 - self._x) / margin)
        edge = edge * eased(self._y / margin) * eased((self._height - 1 - self._y) / margin)
        self.head: Field = (inside * edge).astype(np.float32)
        self._chest = (eased((down - 1.2) / 1.6) * np.exp(-((across / 3.5) ** 2)) * edge).astype(np.float32)

    def move(
        self,
        picture: Picture,
        *,
        shift_x: float,
        shift_y: float,
        roll_rad: float,
        breath_px: float,
        zoom: float,
        pan: tuple[float, float] = (0.0, 0.0),
    ) -> Picture:
        """Return the picture with its foreground moved.

        Args:
            picture: Of the shape given before.
            shift_x: Pixels that the head moves to the right.
            shift_y: Pixels that the head moves down.
            roll_rad: How far the head turns about the neck, clockwise.
            breath_px: Pixels that the chest rises.
            zoom: Factor, at least 1, about the head.
            pan: Pixels x, y that the camera looks further; held back where the picture ends.
        """
        x, y = self._x - self._center[0], self._y - self._center[1]
        closer = 1 / zoom - 1
        pan_x, pan_y = self._within(zoom, pan)
        from_x = pan_x + closer * x - self.head * (shift_x - roll_rad * (y - 1.4 * self._radius))
        from_y = pan_y + closer * y - self.head * (shift_y + roll_rad * x) + self._chest * breath_px
        moved = cv2.remap(
            picture,
            self._whole_x + self._enlarged(from_x),
            self._whole_y + self._enlarged(from_y),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(moved, np.uint8)

    def _within(self, zoom: float, pan: tuple[float, float]) -> tuple[float, float]:
        """Return the pan as far as the zoom leaves room for it on each side."""
        spare = 1 - 1 / zoom
        left, top = (float(value) * spare for value in self._center)
        right, bottom = (self._width - 1) * spare - left, (self._height - 1) * spare - top
        return float(np.clip(pan[0], -left, right)), float(np.clip(pan[1], -top, bottom))

    def _enlarged(self, coarse: Field) -> Field:
        size = (self._width, self._height)
        return np.asarray(cv2.resize(coarse.astype(np.float32), size, interpolation=cv2.INTER_LINEAR))

"""Faces in a picture: where they are, how sharp they are, and where the eyes and the mouth sit.

The one wrapper around Google MediaPipe's BlazeFace detector and FaceMesh, run on the CPU by OpenCV 4's DNN module.
Anchors, input ranges and the order of the points are those of the published short-range model: 128 x 128 pixels, 896
anchors, six points a face. OpenCV 5 loses one of the detector's outputs, which is why the project stays below it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from steps.errors import ResourceMissing

DETECTOR = "face_detection_short_range.tflite"
LANDMARKS = "face_landmark.tflite"
RIGHT_EYE, LEFT_EYE, NOSE, MOUTH, RIGHT_EAR, LEFT_EAR = range(6)
"""Rows of `Face.points`. Right and left are the sitter's own."""

_INPUT_PX = 128
_MESH_INPUT_PX = 192
_MESH_POINTS = 468
_OVERLAP = 0.3  # boxes that share more than this (intersection over union) are one face
_SHARPNESS_PX = 128
_SEEN_SHARE = 0.1  # a face this wide, against the longer side, is seen in one look
_SMALLEST_TILE_PX = 64
_SURROUNDINGS = 4.0  # side of a closer look, in widths of the face

Image = NDArray[np.uint8]
"""A picture: uint8, (height, width, 3), in OpenCV's order blue, green, red."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face, in pixels of the picture that was searched. The box may reach over the picture's edge."""

    x: int
    y: int
    w: int
    h: int
    score: float  # 0 .. 1
    points: NDArray[np.float64]  # (6, 2): right eye, left eye, nose, mouth, right ear, left ear

    @property
    def center(self) -> tuple[float, float]:
        """Return the middle of the box."""
        return self.x + self.w / 2, self.y + self.h / 2


def default_models_dir() -> Path:
    """Return where the model files are expected: $NIGHTREEL_MODELS, else `models/` of this checkout."""
    configured = os.environ.get("NIGHTREEL_MODELS")
    return Path(configured) if configured else Path(__file__).resolve().parents[2] / "models"


@dataclass(frozen=True, eq=False)
class Mesh:
    """What FaceMesh says about one face."""

    points: NDArray[np.float64]  # (468, 3): x, y in pixels of the picture; z in the same unit, smaller is nearer
    presence: float  # 0 .. 1: how sure the network is that this is a face, seen from the front


class Faces:
    """The two networks, loaded once. Not thread-safe: one instance a thread."""

    def __init__(self, models_dir: Path) -> None:
        """Load the detector. The landmark network is loaded when the first mesh is asked for.

        Raises:
            ResourceMissing: a model file is absent or damaged.
        """
        self._models_dir = models_dir
        self._detector = _load(models_dir / DETECTOR)
        self._landmarks: Any = None

    def find(self, image_bgr: Image, threshold: float = 0.6) -> list[Face]:
        """Find the faces in one look at the whole picture, best score first. About 2 ms.

        One look sees faces from about a tenth of the picture's longer side; see `find_all` for smaller ones.

        Args:
            image_bgr: The picture, any size.
            threshold: Lowest score of a face, 0 .. 1.
        """
        return without_doubles(self._look(image_bgr, threshold))

    def find_all(self, image_bgr: Image, threshold: float = 0.6, *, smallest_share: float = 0.04) -> list[Face]:
        """Find small faces too, by looking at overlapping tiles of several sizes as well, best score first.

        Meant for counting people: tiles also see more patterns that are no faces, so the threshold counts for more.

        Args:
            image_bgr: The picture, any size.
            threshold: Lowest score of a face, 0 .. 1.
            smallest_share: Width of the smallest face looked for, against the picture's longer side.
        """
        found = self._look(image_bgr, threshold)
        for parts in levels(smallest_share):
            found += self.find_in_tiles(image_bgr, threshold, parts=parts)
        return without_doubles(found)

    def find_in_tiles(self, image_bgr: Image, threshold: float, *, parts: int) -> list[Face]:
        """Look at half-overlapping square tiles only, each a `parts`-th of the longer side. About 2 ms a tile.

        The same face may be among the answers several times: see `without_doubles`.
        """
        found: list[Face] = []
        for x, y, size in _tiles(image_bgr.shape[1], image_bgr.shape[0], parts):
            tile = image_bgr[y : y + size, x : x + size]
            found += [_moved(face, x, y) for face in self._look(tile, threshold) if not _is_cut(face, tile)]
        return found

    def look_closer(self, image_bgr: Image, face: Face, threshold: float) -> Face:
        """Look at the surroundings of a face alone, and return the surer of both answers. About 2 ms.

        A face that was small in the first look is large in this one, which is what the detector was trained for.
        """
        side = max(_SMALLEST_TILE_PX, round(_SURROUNDINGS * max(face.w, face.h)))
        x, y = (max(0, round(center - side / 2)) for center in face.center)
        tile = image_bgr[y : y + side, x : x + side]
        if tile.size == 0:
            return face
        seen = [_moved(one, x, y) for one in self._look(tile, threshold)]
        return max([face, *(one for one in seen if is_same(one, face))], key=lambda one: one.score)

    def landmarks(self, image_bgr: Image, face: Face) -> Mesh:
        """Return the 468 points of a face in depth too, and the confidence, from one look. About 5 ms.

        Raises:
            ResourceMissing: the model file is absent or damaged.
            ValueError: the face lies outside the picture.
        """
        if self._landmarks is None:
            self._landmarks = _load(self._models_dir / LANDMARKS)
        side = max(face.w, face.h) * 1.5  # the margin that the network was trained with
        left, top = max(0, int(face.center[0] - side / 2)), max(0, int(face.center[1] - side / 2))
        crop = image_bgr[top : max(0, int(top + side)), left : max(0, int(left + side))]
        if crop.size == 0:
            raise ValueError("the face lies outside the picture")
        size = (_MESH_INPUT_PX, _MESH_INPUT_PX)
        self._landmarks.setInput(cv2.dnn.blobFromImage(crop, 1 / 255, size, swapRB=True))
        outputs = self._landmarks.forward(self._landmarks.getUnconnectedOutLayersNames())
        raw = next(output for output in outputs if output.size == _MESH_POINTS * 3).reshape(-1, 3)
        height, width = crop.shape[:2]
        points = raw / _MESH_INPUT_PX * [width, height, width] + [left, top, 0]
        logit = float(next(output for output in outputs if output.size == 1).ravel()[0])
        return Mesh(np.asarray(points, dtype=np.float64), presence=_sigmoid(logit))

    def mesh(self, image_bgr: Image, face: Face) -> NDArray[np.float64]:
        """Return the 468 points of FaceMesh for a face, float (468, 2), in pixels of the picture. About 7 ms.

        Lips are 61, 291, 0, 17, 13, 14; eye corners 33, 133, 362, 263.

        Raises:
            ResourceMissing: the model file is absent or damaged.
            ValueError: the face lies outside the picture.
        """
        return np.ascontiguousarray(self.landmarks(image_bgr, face).points[:, :2])

    def presence(self, image_bgr: Image, face: Face) -> float:
        """Return how sure the landmark network is that this is a face, seen from the front: 0 .. 1. About 7 ms.

        A second opinion that is independent of the detector's score. Near 1 for painted faces, near 0 for a lion, a
        coil of cloth or a full profile.

        Raises:
            ResourceMissing: the model file is absent or damaged.
            ValueError: the face lies outside the picture.
        """
        return self.landmarks(image_bgr, face).presence

    def _look(self, image_bgr: Image, threshold: float) -> list[Face]:
        """Run the detector once on the picture, padded to a square."""
        height, width = image_bgr.shape[:2]
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        square = np.zeros((side, side, 3), np.uint8)
        square[top : top + height, left : left + width] = image_bgr
        size = (_INPUT_PX, _INPUT_PX)
        self._detector.setInput(cv2.dnn.blobFromImage(square, 1 / 127.5, size, (127.5,) * 3, swapRB=True))
        outputs = self._detector.forward(self._detector.getUnconnectedOutLayersNames())
        by_width = {output.shape[-1]: output.reshape(-1, output.shape[-1]) for output in outputs}
        scores = 1 / (1 + np.exp(-np.clip(by_width[1][:, 0], -80, 80)))  # clipped, or exp overflows
        raw = by_width[16]  # box centre, box size, six points; in input pixels, relative to the anchor
        faces = []
        for index in np.flatnonzero(scores > threshold):
            center = (_ANCHORS[index] + raw[index, :2] / _INPUT_PX) * side - (left, top)
            w, h = raw[index, 2:4] / _INPUT_PX * side
            points = (_ANCHORS[index] + raw[index, 4:].reshape(6, 2) / _INPUT_PX) * side - (left, top)
            box = (round(center[0] - w / 2), round(center[1] - h / 2), round(w), round(h))
            faces.append(Face(*box, score=float(scores[index]), points=points.astype(np.float64)))
        return faces


def sharpness(image_bgr: Image, face: Face) -> float:
    """Return the variance of the Laplacian inside the face box, resized to 128 pixels; 0 outside the picture.

    The fixed size makes pictures comparable: a sharp photo gives several hundred, the same one blurred about 5.
    """
    crop = image_bgr[max(0, face.y) : max(0, face.y + face.h), max(0, face.x) : max(0, face.x + face.w)]
    if crop.size == 0:
        return 0.0
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    resized = cv2.resize(grey, (_SHARPNESS_PX, _SHARPNESS_PX))
    return float(cv2.Laplacian(resized, cv2.CV_64F).var())


def _sigmoid(logit: float) -> float:
    return float(1 / (1 + np.exp(-min(80.0, max(-80.0, logit)))))


def _load(path: Path) -> Any:
    remedy = f"Run ./scripts/models to fetch it, or set NIGHTREEL_MODELS to the folder that holds {path.name}."
    if not path.is_file():
        raise ResourceMissing(f"The face model {path} is missing. {remedy}", path=str(path))
    try:
        return cv2.dnn.readNetFromTFLite(str(path))
    except cv2.error as error:
        raise ResourceMissing(f"The face model {path} is damaged. {remedy}", path=str(path)) from error


def _anchors() -> NDArray[np.float64]:
    """Return the centres that the detector's 896 answers refer to, as shares of the input's side."""
    layers = ((16, 2), (8, 6))  # cells a side, answers a cell
    centers = [
        ((x + 0.5) / cells, (y + 0.5) / cells)
        for cells, answers in layers
        for y in range(cells)
        for x in range(cells)
        for _ in range(answers)
    ]
    return np.array(centers)


_ANCHORS = _anchors()


def levels(smallest_share: float) -> Iterator[int]:
    """Yield into how many parts to cut the longer side, coarse first, until the smallest face would be seen.

    Args:
        smallest_share: Its width against the picture's longer side.
    """
    parts = 2
    while _SEEN_SHARE / parts > smallest_share / 2:
        yield parts
        parts *= 2


def _tiles(width: int, height: int, parts: int) -> Iterator[tuple[int, int, int]]:
    """Yield x, y and side of half-overlapping square tiles; none where they would be too small to show anything."""
    side = max(width, height) // parts
    if side >= _SMALLEST_TILE_PX:
        yield from ((x, y, side) for y in _starts(height, side) for x in _starts(width, side))


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = -(-(length - side) // (side // 2)) + 1
    return [round(index * (length - side) / (count - 1)) for index in range(count)]


def _moved(face: Face, x: int, y: int) -> Face:
    return Face(face.x + x, face.y + y, face.w, face.h, score=face.score, points=np.add(face.points, (x, y)))


def _is_cut(face: Face, tile: Image) -> bool:
    """Tell whether a face reaches over its tile's edge: another tile, or the whole picture, sees all of it."""
    height, width = tile.shape[:2]
    slack = 0.1 * face.w
    return face.x < -slack or face.y < -slack or face.x + face.w > width + slack or face.y + face.h > height + slack


def without_doubles(faces: Sequence[Face]) -> list[Face]:
    """Return the best of faces that overlap or lie inside one another, best score first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if not any(is_same(face, other) for other in kept):
            kept.append(face)
    return kept


def is_same(one: Face, other: Face) -> bool:
    """Tell whether two answers are about one face: their boxes overlap, or one lies in the other."""
    width = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    height = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    if width <= 0 or height <= 0:
        return False
    shared = width * height
    areas = one.w * one.h, other.w * other.h
    return shared / (sum(areas) - shared) > _OVERLAP or shared / min(areas) > 2 * _OVERLAP

"""What the embedded vision model really looks at: faces by OpenCV's cascades, blur by re-blurring, bare skin.

None of it is shared with the CPU checks of step 0, which use neural networks and the Laplacian: two witnesses that run
the same code are one. The cascades come with OpenCV 4 and were trained on photographs; on paintings each of them alone
sees ghosts and misses hats and beards, so their votes are counted.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import cv2.data
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

CASCADES = ("haarcascade_frontalface_alt2", "haarcascade_frontalface_alt", "haarcascade_frontalface_default")
STRICT = CASCADES[:2]
"""Those that seldom see ghosts; the third one takes a lion and a poppy for faces."""

LONGEST, LONGEST_AGAIN = 320, 480  # longer side of the picture that is searched, pixels
_SMALLEST_SHARE = 0.1  # of the shorter side
_SKIN_TOLERANCE = np.array([70.0, 9.0, 9.0])  # luma and the two chroma values, against the median of the cheeks
_COLOURLESS = 3.0  # standard deviation of chroma below which a picture has no skin tones to tell apart
_SHARP, _BLURRED = 0.35, 0.7  # of the re-blurring measure
_own = threading.local()


@dataclass(frozen=True)
class Hit:
    """Where cascades see a face, as shares of the picture's width and height."""

    x: float
    y: float
    w: float
    h: float
    votes: frozenset[str]  # which cascades

    @property
    def is_sure(self) -> bool:
        """Whether it is more than a ghost."""
        return len(self.votes) > 1

    @property
    def is_likely(self) -> bool:
        """Whether one of the strict cascades sees it."""
        return any(name in self.votes for name in STRICT)


def hits(image_bgr: Pixels) -> list[Hit]:
    """Return where faces may be, the surest and largest first. About 150 ms of one core."""
    grey = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY)
    found = _search(grey, longest=LONGEST, cascades=CASCADES)
    if not any(hit.is_sure or hit.is_likely for hit in found):  # a print's few lines are lost in a small picture
        found = _search(grey, longest=LONGEST_AGAIN, cascades=STRICT)
    return sorted(found, key=lambda hit: (len(hit.votes), hit.w), reverse=True)


def _search(grey: NDArray[Any], *, longest: int, cascades: Sequence[str]) -> list[Hit]:
    scale = longest / max(grey.shape)
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    small = cv2.equalizeHist(cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))
    least = max(20, round(_SMALLEST_SHARE * min(size)))
    found: list[tuple[Any, str]] = []
    for name in cascades:
        boxes = _cascade(name).detectMultiScale(small, scaleFactor=1.1, minNeighbors=3, minSize=(least, least))
        found += [(box, name) for box in boxes]
    return _merged(found, size)


def blur(image_bgr: Pixels, hit: Hit) -> float:
    """Return how blurred a face is, 0 to 1: how little it loses when it is blurred once more.

    Source: Crete et al., "The blur effect: perception and estimation with a new no-reference perceptual blur metric",
    2007.
    """
    face = cv2.cvtColor(_part(image_bgr, hit), cv2.COLOR_BGR2GRAY)
    grey = cv2.resize(face, (128, 128), interpolation=cv2.INTER_AREA).astype(np.float32)
    measured = max(_loss(grey), _loss(np.ascontiguousarray(grey.T)))
    return float(np.clip((measured - _SHARP) / (_BLURRED - _SHARP), 0, 1))


def bare(image_bgr: Pixels, hit: Hit) -> float:
    """Return 0 .. 1: how much more of the body than of the background has the colour of the cheeks."""
    pixels = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2YCrCb).astype(np.float32)
    if float(pixels[:, :, 1:].std(axis=(0, 1)).max()) < _COLOURLESS:
        return 0.0
    height, width = pixels.shape[:2]
    x, y, w, h = (round(hit.x * width), round(hit.y * height), round(hit.w * width), round(hit.h * height))
    cheeks = pixels[y + h // 2 : y + h * 4 // 5, x + w // 4 : x + w * 3 // 4]
    under = y + round(1.15 * h)
    body = pixels[under : under + round(2.5 * h), max(0, x - w) : x + 2 * w]
    if cheeks.size == 0 or body.size == 0:
        return 0.0
    tone = np.median(cheeks.reshape(-1, 3), axis=0)
    beside = np.concatenate([pixels[:under, : max(0, x - w)], pixels[:under, x + 2 * w :]], axis=1)
    share = _share_of(body, tone) - _share_of(beside, tone)  # a brown room around a brown face says nothing
    return float(np.clip((share - 0.45) / 0.5, 0, 1))


@functools.cache
def _path(name: str) -> str:
    return str(Path(cv2.data.haarcascades) / f"{name}.xml")


def _cascade(name: str) -> Any:
    """Return this thread's own cascade: one must not be used by two threads at once."""
    loaded: dict[str, Any] = _own.__dict__.setdefault("cascades", {})
    if name not in loaded:
        loaded[name] = cv2.CascadeClassifier(_path(name))
    return loaded[name]


def _merged(found: Sequence[tuple[Any, str]], size: tuple[int, int]) -> list[Hit]:
    """Join boxes about one person: those that lie on or closely under one another."""
    groups: list[list[tuple[Any, str]]] = []
    for box, name in found:
        group = next((group for group in groups if any(_one_person(box, other) for other, _ in group)), None)
        if group is None:
            groups.append([(box, name)])
        else:
            group.append((box, name))
    return [_hit(group, size) for group in groups]


def _one_person(one: Any, other: Any) -> bool:
    """Tell whether two boxes overlap sideways by half and touch, or nearly: a chin or a ruff is no second person."""
    aside = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    narrower = min(one[2], other[2])
    apart = max(one[1], other[1]) - min(one[1] + one[3], other[1] + other[3])
    return bool(aside > narrower / 2 and apart < narrower)


def _hit(group: Sequence[tuple[Any, str]], size: tuple[int, int]) -> Hit:
    x, y, w, h = next((box for box, name in group if name in STRICT), group[0][0])
    width, height = size
    shares = (float(x / width), float(y / height), float(w / width), float(h / height))
    return Hit(*shares, votes=frozenset(name for _, name in group))


def _part(image_bgr: Pixels, hit: Hit) -> Pixels:
    height, width = image_bgr.shape[:2]
    left, top = int(hit.x * width), int(hit.y * height)
    return image_bgr[top : top + max(2, int(hit.h * height)), left : left + max(2, int(hit.w * width))]


def _loss(grey: NDArray[np.float32]) -> float:
    """Return 1 less the share of neighbouring rows' differences that goes when the picture is blurred along them."""
    before = np.abs(np.diff(grey, axis=0))
    after = np.abs(np.diff(cv2.blur(grey, (1, 9)), axis=0))
    total = float(before.sum())
    return 1.0 - float(np.maximum(0.0, before - after).sum()) / total if total > 0 else 1.0


def _share_of(region: Any, tone: Any) -> float:
    return float((np.abs(region - tone) < _SKIN_TOLERANCE).all(axis=2).mean()) if region.size else 0.0

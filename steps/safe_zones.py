"""Where the platforms leave a picture free of buttons, titles and names.

No platform publishes this for ordinary posts, and apps change; the numbers are the widest margins that guides of 2025
and 2026 give, at 1080 x 1920: TikTok top 130, bottom 350, right 164, left 60; Reels top 220, bottom 450, right 120;
Shorts top 120, bottom 480. `all` is clear on the three of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Platform = Literal["all", "tiktok", "reels", "shorts"]


@dataclass(frozen=True)
class SafeZone:
    """A box as shares of the picture's width and height, from its left and top."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def centred_width(self) -> float:
        """Return the widest share that is centred in the picture and inside the box."""
        return 2 * min(0.5 - self.left, self.right - 0.5)


def _margins(left: int, top: int, right: int, bottom: int) -> SafeZone:
    return SafeZone(left / 1080, top / 1920, 1 - right / 1080, 1 - bottom / 1920)


ZONES: dict[Platform, SafeZone] = {
    "all": _margins(60, 220, 180, 520),
    "tiktok": _margins(60, 130, 164, 350),
    "reels": _margins(60, 220, 120, 450),
    "shorts": _margins(60, 120, 120, 480),
}

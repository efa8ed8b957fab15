"""The settings of step 0: which pictures may become talking portraits.

Apart from the other step options because an owner tunes these together, with `nightreel prepare --try`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steps.option_base import Options

Facing = Literal["front", "three_quarter", "profile", "away", "unknown"]
"""How a head is turned, as shown."""


class PrepareOptions(Options):
    """What step 0 accepts. The model and the CPU measure; these numbers decide."""

    max_side: int = Field(1280, ge=256, le=4096, description="Longest side of the prepared picture, pixels")
    min_side: int = Field(256, ge=64, le=2048, description="A picture whose shorter side is below this is turned down")
    max_pixels: int = Field(
        120_000_000, ge=1_000_000, description="A file that claims more pixels is turned down unread"
    )
    min_face_share: float = Field(
        0.14, ge=0.01, le=0.9, description="Width of the face box against the shorter side of the picture"
    )
    min_face_score: float = Field(0.75, ge=0.1, le=1.0, description="Detector score from which a face counts as clear")
    min_sharpness: float = Field(
        25.0, ge=0.0, description="Variance of the Laplacian inside the face box, resized to 128 pixels"
    )
    min_face_presence: float = Field(
        0.9, ge=0.0, le=1.0, description="Confidence of the landmark network that the face is one, seen from the front"
    )
    other_face_share: float = Field(
        0.3, ge=0.05, le=1.0, description="A second face counts as a person from this width against the first one's"
    )
    min_face_px: int = Field(64, ge=8, le=4096, description="Width of the face box in the file, pixels")
    max_turn: float = Field(50.0, ge=0.0, le=90.0, description="How far the head may be turned aside, degrees")
    max_nod: float = Field(40.0, ge=0.0, le=90.0, description="How far the head may be bowed or thrown back, degrees")
    max_tilt: float = Field(35.0, ge=0.0, le=180.0, description="How far the head may lean to a shoulder, degrees")
    min_eyes_open: float = Field(
        0.16, ge=0.0, le=1.0, description="Height of the eye's dark, iris and lashes, against its width: the wider eye"
    )
    facings: tuple[Facing, ...] = Field(
        ("front", "three_quarter", "unknown"),
        min_length=1,
        description="How the vision model may see the head, of: front, three_quarter, profile, away, unknown",
    )
    max_nudity: float = Field(0.5, ge=0.0, le=1.0, description="Highest nudity that the vision model may see, 0 to 1")
    nudity_check: Literal["off", "nudenet"] = Field(
        "off",
        description="Second opinion on nudity: `nudenet` (the extra `nudity`). Where it is wanted and fails, nothing "
        "is let through",
    )
    max_exposed: float = Field(
        0.35, ge=0.0, le=1.0, description="Highest score of an exposed part of a body by the second opinion, 0 to 1"
    )
    max_child: float = Field(0.5, ge=0.0, le=1.0, description="Highest likelihood of a child, 0 to 1")
    min_portrait: float = Field(0.5, ge=0.0, le=1.0, description="Lowest likelihood that it is a portrait, 0 to 1")
    max_blur: float = Field(0.6, ge=0.0, le=1.0, description="Highest blur of the face, 0 to 1")
    max_damage: float = Field(
        0.6, ge=0.0, le=1.0, description="Highest damage of the face (cracks, losses, stains), 0 to 1"
    )
    max_text: float = Field(0.5, ge=0.0, le=1.0, description="Highest share of lettering in the picture, 0 to 1")
    allow_child: bool = Field(False, description="Accept a portrait that shows a child")
    allow_nudity: bool = Field(False, description="Accept a picture that shows nudity")

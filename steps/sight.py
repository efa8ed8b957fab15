"""The witness that sees: what the vision model is asked about a picture, and what it answers.

The schema is all that it is told. No threshold stands in it, nor in the prompt: a model that knows the passing mark
aims at it. The note comes first, because a model that has said what it sees counts better afterwards.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from steps import prompts
from steps.base import Subject
from steps.external.llm import Chat
from steps.external.llm_budget import Purse
from steps.options import LlmEndpoint
from steps.seeing_options import Facing

Sex = Literal["woman", "man", "unknown"]
Age = Literal["child", "young", "adult", "old", "unknown"]

SENT_SIDE = 768  # longer side of the picture that the model gets, pixels
_SENT_QUALITY = 90


class Seen(BaseModel):
    """What the vision model says about a picture. All shares and likelihoods are 0 to 1."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(max_length=300, description="One short sentence on what the picture shows")
    persons: int = Field(ge=0, le=1000, description="How many people or human faces the picture shows")
    sex: Sex = Field(description="Sex of the main person, as shown")
    age: Age = Field(description="Age of the main person, as shown: a child is under 18, the old are over 60")
    nudity: float = Field(ge=0, le=1, description="How much nudity is shown: 0 none, 1 a naked body")
    child: float = Field(ge=0, le=1, description="How likely it is that the main person is under 18")
    portrait: float = Field(ge=0, le=1, description="How likely it is a painted portrait with one face to be seen well")
    face_share: float = Field(ge=0, le=1, description="Width of the main face against the picture's shorter side")
    facing: Facing = Field(description="How the main person's head is turned, towards the viewer or away")
    blur: float = Field(ge=0, le=1, description="How blurred the main face is")
    damage: float = Field(ge=0, le=1, description="How damaged the main face is: cracks, losses, stains, overpainting")
    text: float = Field(ge=0, le=1, description="How much of the picture is covered by lettering")


def ask(
    endpoint: LlmEndpoint,
    picture: Image.Image,
    *,
    subject: Subject,
    seed: int,
    purse: Purse | None = None,
    prompts_dir: Path | None = None,
) -> Seen:
    """Ask the vision model what it sees. Blocks until it answers.

    Args:
        endpoint: Where it is.
        picture: Mode RGB, any size; it is sent as a small JPEG.
        subject: What the catalogue says about it, which goes along as data.
        seed: Of the answer.
        purse: What the answer may cost; without one, nothing is counted.
        prompts_dir: Folder of the owner's prompts.

    Raises:
        ServiceUnavailable, ServiceRefused, BadOutput: it did not answer properly, also when asked again.
    """
    asked = Chat(endpoint, purse=purse).answer(
        Seen,
        system=prompts.load("see_system", prompts_dir).text,
        user=prompts.load("see_user", prompts_dir).fill(data=prompts.as_data(known(subject))),
        image=as_sent(picture),
        schema_name="picture",
        seed=seed,
    )
    return asked.value


def as_sent(picture: Image.Image) -> bytes:
    """Return a picture as the JPEG file that the model gets."""
    smaller = picture.copy()
    smaller.thumbnail((SENT_SIDE, SENT_SIDE), Image.Resampling.LANCZOS)
    sent = io.BytesIO()
    smaller.save(sent, "JPEG", quality=_SENT_QUALITY)
    return sent.getvalue()


def known(subject: Subject) -> dict[str, Any]:
    """Return what the catalogue says about a picture."""
    return {
        "title": subject.title,
        "artist": subject.artist,
        "year": subject.year,
        "sitter": subject.sitter,
        "tags": list(subject.tags),
    }

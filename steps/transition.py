"""Steps 5 and 8 are of one kind, a clip between two given pictures; this is the kind, and step 5.

The danger of such clips is a model that loses the picture it should end on, without any error. So the ends are
compared with what was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from steps import checks
from steps.base import Context
from steps.checks import Looked
from steps.comfy import Inspection, ManifestStep
from steps.external.ffmpeg import last_frame
from steps.footage import difference, read_picture

MOST_DIFFERENCE = 20.0  # levels; another picture is 40 and more away, the model's own colour shift is below 10


class ClipBetween(ManifestStep):
    """A clip that begins on one given picture and ends on another."""

    begins_on: tuple[str, str]  # step and artifact
    ends_on: tuple[str, str]

    def inspect(self, context: Context, files: Mapping[str, Path], looked: Mapping[str, Looked]) -> Inspection:
        """Check that the first and the last frame are the pictures that were given."""
        clip = looked["clip"].clip
        assert clip is not None
        ends = (("first_frame", clip.first, self.begins_on), ("last_frame", last_frame(files["clip"]), self.ends_on))
        return Inspection(
            tuple(
                checks.at_most(
                    f"clip.{name}",
                    difference(read_picture(context.file(*given)), frame),
                    MOST_DIFFERENCE,
                    unit="levels",
                )
                for name, frame, given in ends
            )
        )


class Transition(ClipBetween):
    """Let the painting turn into the living person."""

    name = "transition"
    number = 5
    title = "Painting comes alive"
    per_language = False
    needs = ("clean_pic", "realistic_pic")
    begins_on = ("clean_pic", "image")
    ends_on = ("realistic_pic", "image")

"""Step 4: the same portrait as a photograph, aligned with the painting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from steps.base import Context
from steps.checks import Looked
from steps.comfy import Inspection, ManifestStep
from steps.footage import read_picture
from steps.likeness import check_alignment


class RealisticPic(ManifestStep):
    """Turn the restored painting into a photograph by an image editor."""

    name = "realistic_pic"
    number = 4
    title = "Realistic portrait"
    per_language = False
    needs = ("clean_pic",)

    def inspect(self, context: Context, files: Mapping[str, Path], looked: Mapping[str, Looked]) -> Inspection:
        """Check that the face is where it was: the morph between the two depends on it."""
        before, after = read_picture(context.file("clean_pic", "image")), looked["image"].picture
        assert after is not None
        return Inspection(check_alignment(before, after, models_dir=context.options.models_dir, name="image"))

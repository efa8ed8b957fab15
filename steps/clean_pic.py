"""Step 3: the painting, restored, with nobody moved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from steps.base import Context
from steps.checks import Looked
from steps.comfy import Inspection, ManifestStep
from steps.footage import read_picture
from steps.likeness import check_alignment


class CleanPic(ManifestStep):
    """Restore the painting by an image editor."""

    name = "clean_pic"
    number = 3
    title = "Restored painting"
    per_language = False
    needs = ("prepare",)

    def inspect(self, context: Context, files: Mapping[str, Path], looked: Mapping[str, Looked]) -> Inspection:
        """Check that the face is where it was."""
        before, after = read_picture(context.file("prepare", "frame")), looked["image"].picture
        assert after is not None
        return Inspection(check_alignment(before, after, models_dir=context.options.models_dir, name="image"))

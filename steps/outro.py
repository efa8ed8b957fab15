"""Step 8: from the last talking frame back to the painting, so that the video flows into its own beginning."""

from __future__ import annotations

from steps.transition import ClipBetween


class Outro(ClipBetween):
    """Let the person return to the painting."""

    name = "outro"
    number = 8
    title = "Return to the painting"
    per_language = True
    needs = ("clean_pic", "script_video")
    begins_on = ("script_video", "last_frame")
    ends_on = ("clean_pic", "image")

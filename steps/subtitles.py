"""Step 7: captions of the script's own words, timed to the speech and burned into the talking clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from steps import caption_drawing, captions, fonts
from steps.base import Check, Context, LocalStep, Result
from steps.caption_options import CaptionOptions
from steps.caption_styles import CaptionStyle, style_of
from steps.captions import Cue, Layout
from steps.errors import BadOutput, InvalidInput
from steps.external import compose, ffmpeg
from steps.font_stack import stack_of
from steps.options import Language
from steps.safe_zones import ZONES
from steps.timing import Timing, time_words
from steps.workfiles import write_text

_FASTEST_LETTERS_PER_S = 32.0  # nobody reads faster; speech does not reach it unless its times are wrong
_LEAST_AGREEMENT = 0.8  # a take that says something else falls far below
_LOOKED_AT = 4  # cues whose pictures are checked
_INK_SHARE = 0.006  # of the box of two lines; one short word is 0.02


class Subtitles(LocalStep):
    """Caption the talking clip."""

    name = "subtitles"
    number = 7
    title = "Write the captions"
    per_language = True
    needs = ("script", "audio", "script_video")

    def run(self, context: Context) -> Result:
        """Time the words, lay out the captions, burn them in, and look whether they are there.

        Raises:
            InvalidInput: no words, no speech, or a clip without pictures.
            ResourceMissing: no font, no model, no synthesizer.
            GlyphMissing: the font cannot write the script.
            BadOutput: the clip that came out has no captions, or another length.
        """
        script = str(context.made["script"].data.get("text") or "")
        clip = context.file("script_video", "clip")
        layout = layout_for(clip, context.options.captions)
        timing = time_words(
            script,
            context.file("audio", "speech"),
            language=cast(Language, context.variant),
            options=context.options.captions,
            models_dir=context.options.models_dir,
            told=context.made["audio"].files.get("words"),
        )
        cues = captions.make_cues(timing.words, layout, duration_s=max(timing.duration_s, 0.1))
        written = write_text(context.work / "captions.ass", caption_drawing.to_ass(cues, layout))
        srt = write_text(context.work / "captions.srt", caption_drawing.to_srt(cues))
        out = burn(clip, cues, work=context.work, layout=layout)
        return Result(
            files={"clip": out, "ass": written, "srt": srt},
            data={
                "cues": len(cues),
                "words": [{"text": w.text, "start_s": w.start_s, "end_s": w.end_s} for w in timing.words],
                "timing": timing.source,
                "style": context.options.captions.style,
                "rows": [round(row / layout.height, 4) for row in layout.rows],
            },
            checks=(*_timing_checks(timing, cues), look_for_captions(out, clip, cues, layout=layout)),
        )


def layout_for(clip: Path, options: CaptionOptions) -> Layout:
    """Return what the captions of a clip are laid out with.

    Raises:
        InvalidInput: a clip without pictures.
        ResourceMissing: no such preset or font.
    """
    video = ffmpeg.probe(clip).video
    if video is None:
        raise InvalidInput(f"{clip.name} has no pictures to caption")
    return make_layout(style_of(options), options, width=video.width, height=video.height)


def make_layout(style: CaptionStyle, options: CaptionOptions, *, width: int, height: int) -> Layout:
    """Return a preset laid out for a picture's size.

    Raises:
        ResourceMissing: no such font.
    """
    return Layout(
        fonts=stack_of(options, family=style.font or options.font, weight=style.weight),
        style=style,
        width=width,
        height=height,
        zone=ZONES[options.platform],
        letters_per_s=options.letters_per_s,
    )


def burn(clip: Path, cues: Sequence[Cue], *, work: Path, layout: Layout) -> Path:
    """Draw the captions of a folder into a clip, sound untouched, and return the new clip."""
    used = layout.fonts.used_by(layout.shown(" ".join(cue.text for cue in cues)))
    folder = fonts.place(used, work=work)
    out = compose.burn_captions(clip, "captions.ass", fonts=folder, out=work / "clip.mp4")
    before, after = ffmpeg.probe(clip).video, ffmpeg.probe(out).video
    if before is None or after is None or after.frames != before.frames:
        raise BadOutput("the captioned clip has another number of frames than the talking clip")
    return out


def look_for_captions(captioned: Path, plain: Path, cues: Sequence[Cue], *, layout: Layout) -> Check:
    """Compare pictures with and without captions: a renderer that finds no font draws nothing and says nothing.

    Raises:
        BadOutput: a cue that should be on screen is not.
    """
    duration_s = ffmpeg.probe(captioned).duration_s
    shown = [cue for cue in cues if cue.end_s <= duration_s] or list(cues[:1])
    picked = [shown[round(k)] for k in np.linspace(0, len(shown) - 1, min(_LOOKED_AT, len(shown)))]
    shares = [_ink_share(captioned, plain, cue, layout) for cue in picked]
    least = round(min(shares), 4)
    if least < _INK_SHARE:
        raise BadOutput("captions are missing from the captioned clip; see ffmpeg.log", share=least)
    return Check("captions.drawn", least, f">= {_INK_SHARE} of their box at {len(picked)} moments")


def _ink_share(captioned: Path, plain: Path, cue: Cue, layout: Layout) -> float:
    """Return how much of a cue's box differs strongly between two clips in the middle of its time."""
    time_s = (cue.start_s + cue.end_s) / 2
    difference = ffmpeg.frame_at(captioned, time_s).astype(np.int16) - ffmpeg.frame_at(plain, time_s)
    top, low = (max(0, round(row)) for row in layout.rows)
    left, right = (round(share * layout.width) for share in (layout.zone.left, layout.zone.right))
    box = difference[top:low, left:right]
    return float((np.abs(box).max(axis=2) > 60).mean())


def _timing_checks(timing: Timing, cues: Sequence[Cue]) -> list[Check]:
    fastest = max(cue.letters_per_s for cue in cues)
    spoken_s = timing.words[-1].end_s - timing.words[0].start_s
    model = [Check("captions.model", timing.problem, "the model that is set times the words", passed=False)]
    agreed = [
        Check(
            "captions.agreement",
            timing.agreement or 0.0,
            f">= {_LEAST_AGREEMENT:g} of the words where the speech model also has them",
            passed=(timing.agreement or 0.0) >= _LEAST_AGREEMENT,
        )
    ]
    return [
        *(model if timing.problem else ()),
        *(agreed if timing.agreement is not None else ()),
        Check(
            "captions.reading_speed",
            round(fastest, 1),
            f"<= {_FASTEST_LETTERS_PER_S:g}",
            "letters/s",
            passed=fastest <= _FASTEST_LETTERS_PER_S,
        ),
        Check(
            "captions.covered",
            round(spoken_s / timing.duration_s, 2),
            ">= 0.6 of the speech lies between the first and the last word",
            passed=spoken_s >= 0.6 * timing.duration_s,
        ),
    ]

"""Step 7: captions of the script's own words, timed to the speech and burned into the talking clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steps import captions, fonts
from steps.base import Check, Context, LocalStep, Result
from steps.captions import SAFE_BOX, Cue, Layout
from steps.errors import BadOutput, InvalidInput
from steps.external import compose, ffmpeg
from steps.timing import Timing, time_words
from steps.workfiles import write_text

_FASTEST_LETTERS_PER_S = 32.0  # nobody reads faster; speech does not reach it unless its times are wrong
_LOOKED_AT = 4  # cues whose pictures are checked
_INK_SHARE = 0.003  # of the captions' box; one short word is 0.01


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
        timing = time_words(
            script, context.file("audio", "speech"), language=context.variant, options=context.options.captions
        )
        layout = layout_for(clip, context)
        cues = captions.make_cues(timing.words, layout, duration_s=max(timing.duration_s, 0.1))
        written = write_text(context.work / "captions.ass", captions.to_ass(cues, layout))
        srt = write_text(context.work / "captions.srt", captions.to_srt(cues))
        out = burn(clip, work=context.work, layout=layout)
        return Result(
            files={"clip": out, "ass": written, "srt": srt},
            data={
                "cues": len(cues),
                "words": [{"text": w.text, "start_s": w.start_s, "end_s": w.end_s} for w in timing.words],
                "timing": timing.source,
            },
            checks=(*_timing_checks(timing, cues), look_for_captions(out, clip, cues)),
        )


def layout_for(clip: Path, context: Context) -> Layout:
    """Return what the captions of a clip are drawn with."""
    video = ffmpeg.probe(clip).video
    if video is None:
        raise InvalidInput(f"{clip.name} has no pictures to caption")
    wanted = context.options.captions
    return Layout(
        font=fonts.find(wanted.font, folder=wanted.fonts_dir, weight="Black"),
        width=video.width,
        height=video.height,
        words_per_cue=wanted.words_per_cue,
        highlight=wanted.highlight,
    )


def burn(clip: Path, *, work: Path, layout: Layout) -> Path:
    """Draw the captions into a clip, sound untouched, and return the new clip."""
    folder = fonts.place([layout.font], work=work)
    out = compose.burn_captions(clip, "captions.ass", fonts=folder, out=work / "clip.mp4")
    before, after = ffmpeg.probe(clip).video, ffmpeg.probe(out).video
    if before is None or after is None or after.frames != before.frames:
        raise BadOutput("the captioned clip has another number of frames than the talking clip")
    return out


def look_for_captions(captioned: Path, plain: Path, cues: Sequence[Cue]) -> Check:
    """Compare pictures with and without captions: a renderer that finds no font draws nothing and says nothing.

    Raises:
        BadOutput: a cue that should be on screen is not.
    """
    duration_s = ffmpeg.probe(captioned).duration_s
    shown = [cue for cue in cues if cue.end_s <= duration_s] or list(cues[:1])
    picked = [shown[round(k)] for k in np.linspace(0, len(shown) - 1, min(_LOOKED_AT, len(shown)))]
    shares = [_ink_share(captioned, plain, (cue.start_s + cue.end_s) / 2) for cue in picked]
    least = round(min(shares), 4)
    if least < _INK_SHARE:
        raise BadOutput("captions are missing from the captioned clip; see ffmpeg.log", share=least)
    return Check("captions.drawn", least, f">= {_INK_SHARE} of their box at {len(picked)} moments")


def _ink_share(captioned: Path, plain: Path, time_s: float) -> float:
    """Return how much of the captions' box differs strongly between two clips at one moment."""
    difference = ffmpeg.frame_at(captioned, time_s).astype(np.int16) - ffmpeg.frame_at(plain, time_s)
    height, width = difference.shape[:2]
    box = difference[
        int(0.55 * height) : int(SAFE_BOX[3] * height), int(SAFE_BOX[0] * width) : int(SAFE_BOX[2] * width)
    ]
    return float((np.abs(box).max(axis=2) > 60).mean())


def _timing_checks(timing: Timing, cues: Sequence[Cue]) -> list[Check]:
    fastest = max(cue.letters_per_s for cue in cues)
    spoken_s = timing.words[-1].end_s - timing.words[0].start_s
    return [
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

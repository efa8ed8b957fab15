"""Step 9: clips, captions, titles, speech and music become the finished video and its thumbnail.

The captions are drawn here once more, from their script and at the final size: scaling the captioned clip of step 7 up
would blur its letters, and encode them twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from steps import about, deliverable, fonts, titles
from steps.base import Check, Context, LocalStep, Result
from steps.checks import at_most
from steps.errors import InvalidInput
from steps.external import cut, ffmpeg
from steps.external.cut import Clip, Picture
from steps.footage import difference
from steps.soundtrack import Places, Soundtrack, make_soundtrack
from steps.thumbnail import best_moment
from steps.titles import Lettering, Wording
from steps.workfiles import write_text

MOST_JOIN_DIFFERENCE = 12.0
"""Levels between the pictures that meet at a join; the same scene in other colours has 10, another one 40."""

_CAPTIONS_LOOKED_AT = 2


class FinalVideo(LocalStep):
    """Cut the finished video."""

    name = "final_video"
    number = 9
    title = "Cut the final video"
    per_language = True
    needs = ("prepare", "script", "audio", "clean_pic", "transition", "script_video", "subtitles", "outro")

    def run(self, context: Context) -> Result:
        """Join the clips, lay the sound, encode once, and check what came out.

        Raises:
            InvalidInput: a clip without pictures, or a silent speech.
            BadOutput: the video is not what platforms take; the measured values are its facts.
            ResourceMissing: no font, or no usable music in the owner's folder.
            ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
        """
        clips = clips_of(context)
        fps = context.options.video.fps
        places = Places(clips[0].frames / fps, sum(clip.frames for clip in clips) / fps)
        lettering = _lettering(context)
        wording = about.wording(context)
        folder = fonts.place([lettering.title, lettering.small], work=context.work)
        joined, picture = _pictures(context, clips, wording, lettering, places=places, folder=folder)
        sound = make_soundtrack(
            context.file("audio", "speech"), places, work=context.work, options=context.options.final, seed=context.seed
        )
        out = cut.mux(joined, sound.path, about.container_tags(context), out=context.work / "video.mp4")
        data, checks = deliverable.inspect(out, picture, options=context.options.final)
        data |= {"encoder": f"libx264 {picture.preset} crf {picture.crf}", "music": sound.music}
        checks = (
            *checks,
            *_caption_checks(context, out, places),
            *join_checks(clips),
            *_overlay_checks(wording, lettering, sound),
        )
        described = write_text(context.work / "metadata.json", about.as_json(context, data))
        thumbnail = _thumbnail(context, wording, lettering, folder)
        return Result({"video": out, "thumbnail": thumbnail, "metadata": described}, data, checks)


def clips_of(context: Context) -> list[Clip]:
    """Return the three clips; each leaves out the frame that its neighbour shows already.

    The transition ends on the first talking frame, the way back begins on the last one and ends on the painting, with
    which the transition begins when the video loops.

    Raises:
        InvalidInput: a clip has hardly any pictures.
    """
    clips = []
    for step, skip, drop in (("transition", 0, 1), ("script_video", 0, 0), ("outro", 1, 1)):
        path = context.file(step, "clip")
        frames = cut.frames_at(path, context.options.video.fps) - skip - drop
        if frames < cut.BLEND_FRAMES:
            raise InvalidInput(f"the clip of step {step} has too few pictures", path=str(path))
        captions = "captions.ass" if step == "script_video" else None
        clips.append(Clip(path, frames, skip, captions))
    return clips


def join_checks(clips: Sequence[Clip]) -> list[Check]:
    """Measure how far the pictures that meet at each join are apart; recorded, as another cut would not mend it."""
    checks = []
    for number, name in enumerate(("to_talk", "to_outro", "to_start")):
        before, after = clips[number], clips[(number + 1) % len(clips)]
        apart = difference(ffmpeg.last_frame(before.path), ffmpeg.frame_at(after.path, 0.0))
        checks.append(at_most(f"final.join_{name}", apart, MOST_JOIN_DIFFERENCE, unit="levels"))
    return checks


def _pictures(
    context: Context, clips: Sequence[Clip], wording: Wording, lettering: Lettering, *, places: Places, folder: str
) -> tuple[Path, Picture]:
    """Write the scripts that are drawn, and cut the pictures."""
    video, final = context.options.video, context.options.final
    captions = context.file("subtitles", "ass").read_text(encoding="utf-8")
    write_text(context.work / "captions.ass", captions)
    card = titles.card(wording, final.watermark, lettering, talk_at_s=places.speech_at_s, total_s=places.total_s)
    write_text(context.work / "titles.ass", card)
    picture = Picture(video.output_width, video.output_height, video.fps, final.preset, final.crf)
    return cut.join(clips, "titles.ass", picture, fonts=folder, out=context.work / "picture.mp4"), picture


def _thumbnail(context: Context, wording: Wording, lettering: Lettering, folder: str) -> Path:
    clip = context.file("script_video", "clip")
    write_text(context.work / "cover.ass", titles.cover(Wording(wording.title, wording.byline), lettering))
    moment = best_moment(clip, models_dir=context.options.models_dir)
    size = (lettering.width, lettering.height)
    return cut.still(clip, moment, "cover.ass", fonts=folder, size=size, out=context.work / "thumbnail.jpg")


def _lettering(context: Context) -> Lettering:
    wanted, video = context.options.captions, context.options.video
    return Lettering(
        title=fonts.find(wanted.font, folder=wanted.fonts_dir, weight="Black"),
        small=fonts.find(wanted.font, folder=wanted.fonts_dir, weight="Bold"),
        width=video.output_width,
        height=video.output_height,
    )


def _caption_checks(context: Context, video: Path, places: Places) -> list[Check]:
    """Look for captions at some of the moments at which step 7 put a word."""
    clip = context.file("script_video", "clip")
    clip_s = ffmpeg.probe(clip).duration_s
    words = context.made["subtitles"].data.get("words", [])
    middles = [middle for w in words if (middle := (w["start_s"] + w["end_s"]) / 2) < clip_s]
    if not middles:
        return []
    picked = middles[:: max(1, len(middles) // _CAPTIONS_LOOKED_AT)][:_CAPTIONS_LOOKED_AT]
    return [deliverable.caption_ink(video, clip, [(places.speech_at_s + here, here) for here in picked])]


def _overlay_checks(wording: Wording, lettering: Lettering, sound: Soundtrack) -> list[Check]:
    """Record what was left out so that the video could be made all the same."""
    lost = titles.unwritable(wording, lettering)
    return [
        Check("final.title_letters", lost or "all", "all that the font can write", passed=not lost),
        Check(
            "final.music_files",
            "; ".join(sound.passed_over) or "all usable",
            "all usable",
            passed=not sound.passed_over,
        ),
    ]

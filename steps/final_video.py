"""Step 9: clips, captions, titles, speech and music become the finished video and its thumbnail.

The captions are drawn here once more, from their script and at the final size: scaling the captioned clip of step 7 up
would blur its letters, and encode them twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from steps import about, deliverable, fonts, joins, titles
from steps.base import Check, Context, LocalStep, Result
from steps.checks import at_most
from steps.errors import InvalidInput, ProgramFailed
from steps.external import cut, encoders, ffmpeg
from steps.external.cut import Clip, Picture, Version
from steps.font_stack import caption_fonts
from steps.footage import read_picture
from steps.options import FinalOptions
from steps.rotation import Request
from steps.soundtrack import Places, Soundtrack, make_soundtrack
from steps.thumbnail import Moment, best_moment
from steps.titles import Lettering
from steps.workfiles import write_text

MOST_JOIN_DIFFERENCE = 12.0
"""Levels between the pictures that meet at a join; the same scene in other colours has 10, another one 40."""

MOST_COLOUR_STEP = 2.5
"""Levels by which the mean colour may change from one finished picture to the next at a join; 3 are seen."""

_CAPTIONS_LOOKED_AT = 2


@dataclass(frozen=True)
class _Cut:
    """The pictures that were made."""

    files: Mapping[str, Path]  # artifact name of the version -> MP4 without sound
    picture: Picture
    joins: Sequence[joins.Join]
    passed_over: tuple[str, ...]  # encoders that were not used, with the reason


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
            ResourceMissing: no font, or no folder of music where the owner names one.
            ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
        """
        options, fps = context.options.final, context.options.video.fps
        clips = clips_of(context)
        places = Places(clips[0].frames / fps, sum(clip.frames for clip in clips) / fps)
        lettering = _lettering(context)
        spoken = " ".join(str(word["text"]) for word in context.made["subtitles"].data.get("words", []))
        captioned = caption_fonts(context.options.captions, spoken)
        folder = fonts.place(dict.fromkeys((lettering.title, lettering.small, *captioned)), work=context.work)
        sound = _sound(context, places)
        made = _pictures(context, clips, lettering, places=places, folder=folder)
        tags = about.container_tags(context, sound.track)
        videos = {
            name: cut.mux(path, sound.path, tags, out=context.work / f"{name}.mp4") for name, path in made.files.items()
        }
        data, checks = deliverable.inspect(videos["video"], made.picture, options=options)
        for name in list(videos)[1:]:
            deliverable.inspect_version(videos[name], made.picture, name=name)
        moment = best_moment(context.file("script_video", "clip"), models_dir=context.options.models_dir)
        data |= {
            "encoder": made.picture.described,
            "encoders_passed_over": list(made.passed_over),
            "versions": list(videos)[1:],
            "joins": {join.name: join.as_data() for join in made.joins},
            "thumbnail": {"at_s": round(places.speech_at_s + moment.time_s, 3), **moment.as_data()},
            **sound.data(),
        }
        checks = (
            *checks,
            *_caption_checks(context, videos["video"], places),
            *_join_checks(made.joins, videos["video"], clips, fps=fps),
            *_lettering_checks(context, lettering),
            *sound.checks(options),
        )
        described = write_text(context.work / "metadata.json", about.as_json(context, sound.track, data))
        thumbnail = _thumbnail(context, moment, lettering, folder)
        return Result({**videos, "thumbnail": thumbnail, "metadata": described}, data, checks)


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


def _sound(context: Context, places: Places) -> Soundtrack:
    mood = str(context.made["script"].data.get("mood") or "cheeky")
    return make_soundtrack(
        context.file("audio", "speech"),
        places,
        work=context.work,
        options=context.options.final,
        request=Request(context.subject.item_id, context.variant, context.seed, mood),
        state_dir=context.options.state_dir,
    )


def _pictures(context: Context, clips: Sequence[Clip], lettering: Lettering, *, places: Places, folder: str) -> _Cut:
    """Write the scripts that are drawn, and cut the pictures of all versions in one run."""
    video, final = context.options.video, context.options.final
    captions = context.file("subtitles", "ass").read_text(encoding="utf-8")
    write_text(context.work / "captions.ass", captions)
    versions = {}
    for name, options in _versions(final).items():
        script = titles.card(
            about.wording(context, options),
            options.watermark,
            lettering,
            talk_at_s=places.speech_at_s,
            total_s=places.total_s,
            standing=about.card_notice(context) if options.disclosure == "always" else "",
        )
        write_text(context.work / f"titles.{name}.ass", script)
        versions[name] = Version(f"titles.{name}.ass", context.work / f"picture.{name}.mp4")
    last = context.made["script_video"].files.get("last_frame")
    matched, measured = joins.matched(clips, fps=video.fps, last={1: read_picture(last)} if last is not None else {})
    picture = Picture(video.output_width, video.output_height, video.fps, final.preset, final.crf, final.max_mbps)
    used, passed_over = encode(matched, list(versions.values()), picture, wanted=final.encoder, fonts=folder)
    return _Cut({name: one.out for name, one in versions.items()}, used, measured, passed_over)


def encode(
    clips: Sequence[Clip], versions: Sequence[Version], picture: Picture, *, wanted: str, fonts: str
) -> tuple[Picture, tuple[str, ...]]:
    """Cut the pictures with the encoder that is wanted, or with libx264 if that cannot be used or breaks.

    Returns what was used, and why nothing else was. The errors are those of `cut.join`.
    """
    choice = encoders.choose(wanted, width=picture.width, height=picture.height, fps=picture.fps)
    used = replace(picture, encoder=choice.name)
    try:
        cut.join(clips, versions, used, fonts=fonts)
    except ProgramFailed as error:
        if choice.name == encoders.SOFTWARE:
            raise
        # The card may be full or gone: the night's videos are worth more than the CPU that it saves.
        encoders.give_up(choice.name, " ".join(str(error).split())[:160])
        return encode(clips, versions, picture, wanted=wanted, fonts=fonts)
    return used, choice.passed_over


def _versions(final: FinalOptions) -> dict[str, FinalOptions]:
    """Return the settings of each version by the name of its artifact, the main one first."""
    return {"video": final, **{f"video_{name}": final.version(name) for name in final.versions}}


def _join_checks(found: Sequence[joins.Join], video: Path, clips: Sequence[Clip], *, fps: int) -> list[Check]:
    """Say how far matched pictures at each join are apart, and how fast colours change in the finished video.

    Recorded, as another cut would not mend it.
    """
    checks = []
    at = 0
    for join, clip in zip(found, clips, strict=True):
        at += clip.frames
        checks.append(at_most(f"final.join_{join.name}", join.left, MOST_JOIN_DIFFERENCE, unit="levels"))
        if at < sum(clip.frames for clip in clips):
            step, beside = joins.steps_at(video, at, fps=fps)
            most = max(MOST_COLOUR_STEP, 1.5 * beside)
            checks.append(at_most(f"final.step_{join.name}", step, round(most, 2), unit="levels"))
    return checks


def _thumbnail(context: Context, moment: Moment, lettering: Lettering, folder: str) -> Path:
    clip = context.file("script_video", "clip")
    subject = context.subject
    write_text(
        context.work / "cover.ass", titles.cover(titles.Wording(subject.title, about.byline(subject)), lettering)
    )
    size = (lettering.width, lettering.height)
    out = context.work / "thumbnail.jpg"
    return cut.still(clip, moment.time_s, "cover.ass", fonts=folder, size=size, out=out)


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
    moments = [(places.speech_at_s + here, here) for here in picked]
    rows = context.made["subtitles"].data.get("rows", (0.55, 0.73))
    return [deliverable.caption_ink(video, clip, moments, rows=(float(rows[0]), float(rows[1])))]


def _lettering_checks(context: Context, lettering: Lettering) -> list[Check]:
    """Record which letters were left out so that the video could be made all the same."""
    lost = titles.unwritable(about.wording(context, context.options.final), lettering)
    return [Check("final.title_letters", lost or "all", "all that the font can write", passed=not lost)]

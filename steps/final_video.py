"""Step 9: clips, captions, titles, speech and music become the finished video and its thumbnail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from steps import fonts, titles
from steps.base import Check, Context, LocalStep, Result, Subject
from steps.deliverable import inspect
from steps.errors import InvalidInput
from steps.external import cut
from steps.external.cut import Clip, Picture
from steps.soundtrack import Places, Soundtrack, make_soundtrack
from steps.thumbnail import best_moment
from steps.titles import Lettering
from steps.workfiles import write_text

NOTICE = "Made with AI: the voice and the moving face are generated."
PREVIEW_NOTICE = "Preview: made on a CPU by stand-ins for the models."


class FinalVideo(LocalStep):
    """Cut the finished video."""

    name = "final_video"
    number = 9
    title = "Cut the final video"
    per_language = True
    needs = (
        "prepare",
        "script",
        "audio",
        "clean_pic",
        "transition",
        "script_video",
        "subtitles",
        "outro",
    )

    def run(self, context: Context) -> Result:
        """Join the clips, lay the sound, encode once, and check what came out.

        Raises:
            InvalidInput: a clip without pictures.
            BadOutput: the video is not what platforms take; the measured values are its facts.
            ResourceMissing: no font, or no usable music in the owner's folder.
            ProgramFailed, ProgramTimedOut, DiskFull: FFmpeg did not get through.
        """
        clips = _clips(context)
        video = context.options.video
        total_s = sum(clip.frames for clip in clips) / video.fps
        lettering = _lettering(context)
        folder = fonts.place([lettering.title, lettering.small, _caption_font(context)], work=context.work)
        write_text(context.work / "captions.ass", context.file("subtitles", "ass").read_text(encoding="utf-8"))
        subject = context.subject
        card = titles.card(subject.title, byline(subject), context.options.final.watermark, lettering, total_s=total_s)
        write_text(context.work / "titles.ass", card)
        picture = Picture(
            video.output_width,
            video.output_height,
            video.fps,
            context.options.final.preset,
            context.options.final.crf,
        )
        joined = cut.join(clips, "titles.ass", picture, fonts=folder, out=context.work / "picture.mp4")
        sound = make_soundtrack(
            context.file("audio", "speech"),
            Places(clips[0].frames / video.fps, total_s),
            work=context.work,
            options=context.options.final,
            seed=context.seed,
        )
        tags = container_tags(context)
        out = cut.mux(joined, sound.path, tags, out=context.work / "video.mp4")
        data, checks = inspect(out, picture, options=context.options.final)
        thumbnail = self._thumbnail(context, lettering, folder)
        return Result(
            files={
                "video": out,
                "thumbnail": thumbnail,
                "metadata": _metadata(context, tags, data),
            },
            data={**data, "encoder": "libx264", "music": sound.music},
            checks=(*checks, _sound_check(sound, context)),
        )

    def _thumbnail(self, context: Context, lettering: Lettering, folder: str) -> Path:
        clip = context.file("script_video", "clip")
        write_text(context.work / "cover.ass", titles.cover(context.subject.title, byline(context.subject), lettering))
        moment = best_moment(clip, models_dir=context.options.models_dir)
        size = (lettering.width, lettering.height)
        return cut.still(clip, moment, "cover.ass", fonts=folder, size=size, out=context.work / "thumbnail.jpg")


def _clips(context: Context) -> list[Clip]:
    """Return the three clips; each leaves out the frame that its neighbour shows already.

    The transition ends on the first talking frame, the way back begins on the last one and ends on the painting, with
    which the transition begins when the video loops.
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


def _lettering(context: Context) -> Lettering:
    wanted, video = context.options.captions, context.options.video
    return Lettering(
        title=fonts.find(wanted.font, folder=wanted.fonts_dir, weight="Black"),
        small=fonts.find(wanted.font, folder=wanted.fonts_dir, weight="Bold"),
        width=video.output_width,
        height=video.output_height,
    )


def _caption_font(context: Context) -> fonts.Font:
    wanted = context.options.captions
    return fonts.find(wanted.font, folder=wanted.fonts_dir, weight="Black")


def byline(subject: Subject) -> str:
    """Return artist and year as far as they are known: "Berthe Morisot, 1879"."""
    return ", ".join(str(part) for part in (subject.artist, subject.year) if part)


def container_tags(context: Context) -> dict[str, str]:
    """Return the metadata that goes into the file: what it shows, whose it is, how it was made. No paths, no graph."""
    subject = context.subject
    comment = f"{NOTICE} {PREVIEW_NOTICE}" if context.options.preview else NOTICE
    return {
        "title": subject.title,
        "artist": subject.artist or "",
        "date": str(subject.year or ""),
        "copyright": subject.licence or "",
        "comment": comment,
        "description": f"{subject.title} ({byline(subject)})" if byline(subject) else subject.title,
        "genre": "preview" if context.options.preview else "",
    }


def _metadata(context: Context, tags: dict[str, str], data: dict[str, Any]) -> Path:
    subject = context.subject
    described = {
        "title": subject.title,
        "artist": subject.artist,
        "year": subject.year,
        "sitter": subject.sitter,
        "licence": subject.licence,
        "language": context.variant,
        "ai_generated": True,
        "preview": context.options.preview,
        "notice": tags["comment"],
        "script": context.made["script"].data.get("text", ""),
        "measured": data,
    }
    return write_text(context.work / "metadata.json", json.dumps(described, ensure_ascii=False, indent=2) + "\n")


def _sound_check(sound: Soundtrack, context: Context) -> Check:
    wanted = context.options.final.loudness_lufs
    return Check(
        "final.mix_loudness",
        sound.loudness_lufs,
        f"{wanted:g} ± 1 before encoding",
        "LUFS",
        abs(sound.loudness_lufs - wanted) <= 1,
    )

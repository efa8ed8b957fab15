"""What the captions' presets look like: a picture and a short video of each, on a still, with the local voice.

The same code draws them as in a night, at the size of the finished video. Nothing else is started.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steps import caption_drawing, captions, waveform
from steps.caption_options import CaptionOptions
from steps.caption_styles import CaptionStyle, with_settings
from steps.errors import InvalidInput
from steps.external import ffmpeg
from steps.external.espeak import speak
from steps.external.ffmpeg import Image
from steps.external.stills import still_clip
from steps.options import Language
from steps.subtitles import burn, make_layout
from steps.timing import time_words
from steps.workfiles import partial, write_text

SIZE = (1080, 1920)
TEXTS: Mapping[Language, str] = {
    "fr": "« L'Été », dit-on : à 50 % bleu, à moitié rêvé ! Et Œdipe, lui, parle anticonstitutionnellement… "
    "Où étiez-vous en 1503 ?",
    "en": 'They say I\'m only 50% smile; the rest is "mystery"! Uncharacteristically quiet, I have waited since 1503. '
    "And you?",
}
_VOICES: Mapping[Language, str] = {"fr": "fr", "en": "en-us"}
_SHEET_WIDTH = 360
_TAIL_S = 0.4


@dataclass(frozen=True)
class Shown:
    """What one preset made of the text."""

    name: str
    picture: Path  # PNG of its busiest moment, SIZE
    video: Path
    cues: int


@dataclass(frozen=True)
class Sample:
    """What the captions are drawn over."""

    text: str
    language: Language
    picture: Path | None = None  # behind them; None: one of ours
    show_zone: bool = False  # whether the platforms' safe zone is outlined


def preview(
    styles: Mapping[str, CaptionStyle], sample: Sample, *, options: CaptionOptions, folder: Path
) -> tuple[list[Shown], Path]:
    """Make a PNG and an MP4 of each preset in a folder, and `presets.png` with all; return them.

    Args:
        styles: By name.
        sample: Text, language and picture.
        options: What holds for all presets: font, platform.
        folder: Exists; files of earlier previews are replaced.

    Raises:
        InvalidInput: the text has no words, or the picture cannot be read.
        ResourceMissing, GlyphMissing: a font is missing, or lacks a letter.
        ProgramFailed, DiskFull: FFmpeg did not get through.
    """
    work = folder / ".work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        clip, speech = _stage(sample, options, work)
        timing = time_words(sample.text, speech, language=sample.language, options=CaptionOptions())
        made = []
        for name, style in styles.items():
            layout = make_layout(with_settings(style, options), options, width=SIZE[0], height=SIZE[1])
            cues = captions.make_cues(timing.words, layout, duration_s=timing.duration_s)
            write_text(work / "captions.ass", caption_drawing.to_ass(cues, layout))
            video = burn(clip, cues, work=work, layout=layout).replace(folder / f"{name}.mp4")
            frame = ffmpeg.frame_at(video, _busiest(cues))
            made.append(Shown(name, _save(frame, folder / f"{name}.png"), video, len(cues)))
        sheet = _save(_side_by_side([one.picture for one in made]), folder / "presets.png")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return made, sheet


def _stage(sample: Sample, options: CaptionOptions, work: Path) -> tuple[Path, Path]:
    """Return the clip without captions, and its speech."""
    from steps.speakable import speakable

    spoken = speak(speakable(sample.text, sample.language).spoken, voice=_VOICES[sample.language])
    if not len(spoken.samples):
        raise InvalidInput("the text has no words to caption")
    count = int(len(spoken.samples) * waveform.RATE_HZ / spoken.rate_hz)
    places = np.arange(count) * (spoken.rate_hz / waveform.RATE_HZ)
    sound = np.interp(places, np.arange(len(spoken.samples)), spoken.samples / 32768).astype(np.float32)
    speech = waveform.write_wav(work / "voice.wav", sound)
    ground = _ground(sample.picture)
    if sample.show_zone:
        _outline(ground, options)
    picture = _save(ground, work / "ground.png")
    return still_clip(picture, speech, duration_s=count / waveform.RATE_HZ + _TAIL_S, out=work / "ground.mp4"), speech


def _ground(picture: Path | None) -> Image:
    """Return the picture behind, filling SIZE; ours has light, dark and busy parts where captions stand."""
    if picture is None:
        y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32)
        light = 128 + 118 * np.tanh((x - SIZE[0] / 2 + 160 * np.sin(y / 210)) / 260)
        strokes = 26 * np.sin(x / 11 + 3 * np.sin(y / 90)) * np.sin(y / 37)
        tint = np.array([1.0, 0.86, 0.64], np.float32)
        painted: Image = np.clip((light + strokes)[..., None] * tint, 0, 255).astype(np.uint8)
        return painted
    from PIL import Image as Pictures
    from PIL import ImageOps

    try:
        with Pictures.open(picture) as opened:
            return np.array(ImageOps.fit(opened.convert("RGB"), SIZE))
    except (OSError, ValueError, Pictures.DecompressionBombError) as error:
        raise InvalidInput(f"{picture} is no picture that can be read: {error}") from error


def _outline(ground: Image, options: CaptionOptions) -> None:
    """Draw the border of the safe zone into a picture."""
    from steps.safe_zones import ZONES

    zone = ZONES[options.platform]
    left, right = round(zone.left * SIZE[0]), round(zone.right * SIZE[0]) - 1
    top, low = round(zone.top * SIZE[1]), round(zone.bottom * SIZE[1]) - 1
    for rows, columns in (
        (slice(top, top + 3), slice(left, right)),
        (slice(low - 3, low), slice(left, right)),
        (slice(top, low), slice(left, left + 3)),
        (slice(top, low), slice(right - 3, right)),
    ):
        ground[rows, columns] = (0, 230, 255)


def _busiest(cues: Sequence[captions.Cue]) -> float:
    """Return a moment in the middle of the longest word of the fullest cue, seconds."""
    cue = max(cues, key=lambda one: (len(one.words), len(one.text)))
    word = max(cue.words, key=lambda one: one.end_s - one.start_s)
    return (word.start_s + min(word.end_s, cue.end_s)) / 2


def _save(image: Image, path: Path) -> Path:
    from PIL import Image as Pictures

    with partial(path) as beside:
        Pictures.fromarray(image).save(beside)
    return path


def _side_by_side(pictures: Sequence[Path]) -> Image:
    """Return small copies of pictures in one row."""
    from PIL import Image as Pictures

    height = _SHEET_WIDTH * SIZE[1] // SIZE[0]
    columns = []
    for path in pictures:
        with Pictures.open(path) as opened:
            columns.append(np.asarray(opened.resize((_SHEET_WIDTH, height))))
    return np.concatenate(columns, axis=1)

"""Step 6: the portrait speaks.

The talking model hears whole blocks of sound and makes 8n+1 frames; what does not fit is cut there without a word. So
the length is rounded up here and the sound padded at its tail. Very clean speech can leave the mouth shut: what drives
the lips carries a little room tone, and the clip itself gets the clean speech.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steps import checks, footage, mouth, waveform
from steps.base import Check, Context
from steps.checks import Looked
from steps.comfy import Inspection, ManifestStep
from steps.external.ffmpeg import extract_last_frame, probe, read_samples
from steps.footage import Box

MOST_FIRST_DIFFERENCE = 30.0  # levels between the portrait and the first frame: more is another scene
LEAST_MOUTH_MOTION = 1.6  # percent of the face's contrast; what it is for known cases is told in steps/mouth.py
MOST_OFFSET_S = 0.06
LEAST_LIKENESS = 0.8  # of the envelopes of the given speech and the clip's sound


def talking_frames(speech_s: float, *, tail_s: float, fps: int) -> int:
    """Return the number of frames, 8n+1, whose time covers the speech and its tail."""
    return 8 * math.ceil(round((speech_s + tail_s) * fps, 6) / 8) + 1


class ScriptVideo(ManifestStep):
    """Let the realistic portrait say the speech."""

    name = "script_video"
    number = 6
    title = "Talking portrait"
    per_language = True
    needs = ("realistic_pic", "audio", "script", "prepare")

    def supply(self, context: Context) -> Mapping[str, Any]:
        """Compute the length, and write the two sound files below `context.work`."""
        frames = self._frames(context)
        speech = read_samples(context.file("audio", "speech"), rate_hz=waveform.RATE_HZ)
        clean = waveform.padded(speech, frames / context.options.video.fps)
        tone = context.options.talk.room_tone_dbfs
        driving = clean if tone is None else clean + waveform.room_tone(clean.size, tone, seed=context.seed)
        return {
            "speech": waveform.write_wav(context.work / "speech.wav", clean),
            "driving": waveform.write_wav(context.work / "driving.wav", driving),
            "frames": frames,
            "half_width": context.options.video.width // 2,
            "half_height": context.options.video.height // 2,
        }

    def require(self, context: Context) -> Mapping[str, Mapping[str, float]]:
        """Ask for exactly the frames that were ordered."""
        return {"clip": {"frames": self._frames(context)}}

    def regions(self, context: Context) -> Mapping[str, Box]:
        """Watch the face."""
        face = context.made["prepare"].data.get("face")
        video = context.options.video
        return {"face": mouth.face_part(face, video.width, video.height)} if face else {}

    def inspect(self, context: Context, files: Mapping[str, Path], looked: Mapping[str, Looked]) -> Inspection:
        """Check sound, mouth and first frame, and take out the last frame for the way back."""
        clip = looked["clip"].clip
        assert clip is not None
        portrait = footage.read_picture(context.file("realistic_pic", "image"))
        found = [
            *_sound_checks(files["clip"], context),
            checks.at_most(
                "clip.first_frame", footage.difference(portrait, clip.first), MOST_FIRST_DIFFERENCE, unit="levels"
            ),
        ]
        if "face" in clip.regions:
            moves = mouth.movement(clip.regions["face"])
            found.append(checks.at_least("clip.mouth_motion", moves, LEAST_MOUTH_MOTION, unit="%"))
        checks.refuse_failed(found, what=self.title)
        last = extract_last_frame(files["clip"], context.work / "last_frame.png")
        return Inspection(tuple(found), files={"last_frame": last})

    def _frames(self, context: Context) -> int:
        duration_s = float(context.made["audio"].data["duration_s"])
        options = context.options
        return talking_frames(duration_s, tail_s=options.talk.tail_s, fps=options.video.fps)


def _sound_checks(clip: Path, context: Context) -> list[Check]:
    """Check that the clip has the speech: all of it, from its first frame on."""
    audio = probe(clip).audio
    if audio is None:
        return [Check("clip.sound", "none", "the speech", passed=False)]
    rate_hz = checks.MEASURING_RATE_HZ
    given = read_samples(context.file("audio", "speech"), rate_hz=rate_hz)
    heard = read_samples(clip, rate_hz=rate_hz)
    offset_s, likeness = waveform.offset_s(heard, given, rate_hz)
    speech_s = given.size / rate_hz
    return [
        checks.at_least("clip.sound", heard.size / rate_hz, speech_s - checks.DURATION_TOLERANCE_S, unit="s"),
        checks.between("clip.sound_offset", offset_s, -MOST_OFFSET_S, MOST_OFFSET_S, unit="s"),
        checks.at_least("clip.sound_likeness", likeness, LEAST_LIKENESS),
    ]

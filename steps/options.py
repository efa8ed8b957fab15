"""The settings that steps read, as frozen models.

They live here and not in `orchestrator/settings.py` because steps know nothing of the orchestrator; the top-level
settings are built from them. Every field has a default, a description, a unit where it has one, and a range.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from steps.caption_options import CaptionOptions as CaptionOptions
from steps.final_options import FinalOptions as FinalOptions
from steps.llm_options import LlmEndpoint as LlmEndpoint
from steps.llm_options import LlmOptions as LlmOptions
from steps.llm_options import Which as Which
from steps.option_base import Options as Options
from steps.script_options import Past as Past
from steps.script_options import ScriptOptions as ScriptOptions
from steps.seeing_options import PrepareOptions as PrepareOptions
from steps.speech_options import AudioOptions as AudioOptions
from steps.speech_options import VoiceOptions as VoiceOptions
from steps.zim_options import ArchivePaths as ArchivePaths

Language = Literal["fr", "en"]


def _is_wan_length(frames: int) -> int:
    """Refuse what the video model would floor without a word, and with it lose the picture the clip should end on."""
    if frames % 4 != 1:
        lower = (frames - 1) // 4 * 4 + 1
        raise ValueError(f"4n+1 frames, such as {lower} or {lower + 4}")
    return frames


WanLength = Annotated[int, AfterValidator(_is_wan_length)]


class VideoOptions(Options):
    """Sizes and rates of what the cards generate and of what comes out."""

    width: int = Field(
        576,
        ge=64,
        le=2048,
        multiple_of=16,
        description="Width of generated clips, pixels; multiples of 64 suit every workflow, others only some",
    )
    height: int = Field(
        1024,
        ge=64,
        le=2048,
        multiple_of=16,
        description="Height of generated clips, pixels; multiples of 64 suit every workflow, others only some",
    )
    fps: int = Field(24, ge=24, le=30, description="Frames per second of the talking clip and of the final video")
    output_width: int = Field(1080, ge=270, le=2160, multiple_of=2, description="Width of the final video, pixels")
    output_height: int = Field(1920, ge=480, le=3840, multiple_of=2, description="Height of the final video, pixels")
    transition_frames: WanLength = Field(
        49, ge=17, le=81, description="Frames of the morph at 16 per second; 4n+1, as the video model needs"
    )
    outro_frames: WanLength = Field(49, ge=17, le=81, description="Frames of the way back at 16 per second; 4n+1")


class TalkOptions(Options):
    """The talking clip."""

    tail_s: float = Field(0.5, ge=0.1, le=5, description="Seconds of silence after the last word")
    room_tone_dbfs: float | None = Field(
        -54.0,
        ge=-90,
        le=-30,
        description="Level of the noise mixed into what drives the lips, dBFS; none for none. Never heard in the video",
    )
    max_s: float = Field(90.0, ge=5, le=300, description="Longest speech, seconds; a longer take is spoken again")


class StepOptions(Options):
    """Everything that steps may read, in one frozen value. Picklable."""

    languages: tuple[Language, ...] = ("fr", "en")
    video: VideoOptions = VideoOptions()
    prepare: PrepareOptions = PrepareOptions()
    script: ScriptOptions = ScriptOptions()
    audio: AudioOptions = AudioOptions()
    talk: TalkOptions = TalkOptions()
    captions: CaptionOptions = CaptionOptions()
    final: FinalOptions = FinalOptions()
    llm: LlmOptions = LlmOptions()
    zim: dict[Language, ArchivePaths] = Field(default_factory=dict)
    models_dir: Path = Field(Path("models"), description="Folder of the two face model files")
    state_dir: Path | None = Field(
        None, description="Folder where steps remember what they checked once; without one, until the process ends"
    )
    night: str = Field("", description="Name of the night, under which its tokens are counted")
    voice_pace: dict[str, float] = Field(
        default_factory=dict, description="Seconds that each voice has taken for a word, in earlier nights"
    )
    past: Past = Field(Past(), description="What the night and those before it have to do with a script")
    prompts_dir: Path | None = Field(None, description="Folder of prompts of the owner's, instead of the packaged ones")
    preview: bool = Field(False, description="Whether the embedded engines make the pictures, speech and text")

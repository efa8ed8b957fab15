"""The settings that steps read, as frozen models.

They live here and not in `orchestrator/settings.py` because steps know nothing of the orchestrator; the top-level
settings are built from them. Every field has a default, a description, a unit where it has one, and a range.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from steps.caption_options import CaptionOptions as CaptionOptions
from steps.option_base import Options as Options

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


class PrepareOptions(Options):
    """What step 0 accepts. The model and the CPU measure; these numbers decide."""

    max_side: int = Field(1280, ge=256, le=4096, description="Longest side of the prepared picture, pixels")
    min_side: int = Field(256, ge=64, le=2048, description="A picture whose shorter side is below this is turned down")
    max_pixels: int = Field(
        120_000_000, ge=1_000_000, description="A file that claims more pixels is turned down unread"
    )
    min_face_share: float = Field(
        0.14, ge=0.01, le=0.9, description="Width of the face box against the shorter side of the picture"
    )
    min_face_score: float = Field(0.75, ge=0.1, le=1.0, description="Detector score from which a face counts as clear")
    min_sharpness: float = Field(
        25.0, ge=0.0, description="Variance of the Laplacian inside the face box, resized to 128 pixels"
    )
    min_face_presence: float = Field(
        0.9, ge=0.0, le=1.0, description="Confidence of the landmark network that the face is one, seen from the front"
    )
    other_face_share: float = Field(
        0.3, ge=0.05, le=1.0, description="A second face counts as a person from this width against the first one's"
    )
    max_nudity: float = Field(0.5, ge=0.0, le=1.0, description="Highest nudity that the vision model may see, 0 to 1")
    max_child: float = Field(0.5, ge=0.0, le=1.0, description="Highest likelihood of a child, 0 to 1")
    min_portrait: float = Field(0.5, ge=0.0, le=1.0, description="Lowest likelihood that it is a portrait, 0 to 1")
    max_blur: float = Field(0.6, ge=0.0, le=1.0, description="Highest blur or damage of the face, 0 to 1")
    max_text: float = Field(0.5, ge=0.0, le=1.0, description="Highest share of lettering in the picture, 0 to 1")
    allow_child: bool = Field(False, description="Accept a portrait that shows a child")
    allow_nudity: bool = Field(False, description="Accept a picture that shows nudity")


class ScriptOptions(Options):
    """What the portrait says."""

    max_words: int = Field(150, ge=20, le=400, description="Longest script, words")
    min_words: int = Field(30, ge=5, le=200, description="Shortest script, words")
    tries: int = Field(3, ge=1, le=6, description="How often the model is asked, with the reasons, before giving up")
    facts: int = Field(10, ge=1, le=40, description="Most facts handed to the model for one painting")


class VoiceOptions(Options):
    """Who speaks, for one language."""

    female: str = Field("Serena", description="Preset speaker for a woman")
    male: str = Field("Ryan", description="Preset speaker for a man")
    instruct: str = Field(
        "Speak warmly and a little mischievously, at a natural pace, like someone telling a secret to a friend.",
        max_length=400,
        description="How the voice should sound, as one sentence",
    )
    describe_female: str = Field(
        "The warm, clear voice of a woman in her forties, with a smile in it.",
        max_length=400,
        description="A woman's voice in words, for workflows that make a voice by description",
    )
    describe_male: str = Field(
        "The warm, low voice of a man in his fifties, with a smile in it.",
        max_length=400,
        description="A man's voice in words, for workflows that make a voice by description",
    )


def _default_voices() -> dict[Language, VoiceOptions]:
    return {"fr": VoiceOptions(), "en": VoiceOptions()}


class AudioOptions(Options):
    """Speech."""

    voices: dict[Language, VoiceOptions] = Field(default_factory=_default_voices, description="Voices by language")
    unload: bool = Field(
        False,
        description="Let the speech pack give back the card's memory after each text, and load again for the next. "
        "Wanted where the same ComfyUI makes pictures and is not restarted between steps: nothing else frees it",
    )
    min_words_per_s: float = Field(0.8, gt=0, le=3, description="Slower speech than this is a runaway take")
    max_words_per_s: float = Field(5.5, ge=2, le=12, description="Faster speech than this was cut short")


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


class FinalOptions(Options):
    """The last step."""

    watermark: str = Field("Nightreel", max_length=40, description="Text in the corner; empty for none")
    music: Path | None = Field(None, description="Folder of music files; without one, a soft loop of our own")
    music_lufs: float = Field(-30.0, ge=-60, le=-10, description="Level of the music under silence, LUFS")
    loudness_lufs: float = Field(-14.0, ge=-30, le=-8, description="Loudness of the finished video, LUFS")
    true_peak_dbtp: float = Field(-1.5, ge=-9, le=0, description="Highest true peak, dBTP")
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = Field(
        "veryfast", description="x264 preset of the final encode"
    )
    crf: int = Field(20, ge=10, le=35, description="x264 quality of the final encode; lower is better")


class LlmEndpoint(Options):
    """One OpenAI-compatible server."""

    url: str | None = Field(None, description="Base URL ending in /v1; without one, the embedded engine")
    model: str = Field("default", description="Model name sent with each request")
    concurrency: int = Field(4, ge=1, le=64, description="Requests at once")
    timeout_s: float = Field(120.0, gt=0, le=3600, description="Seconds before a request is given up")
    api_key: str | None = Field(None, description="Bearer token, when the server wants one")


class LlmOptions(Options):
    """The language and vision models."""

    text: LlmEndpoint = LlmEndpoint()
    vision: LlmEndpoint = LlmEndpoint()


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
    zim: dict[Language, Path] = Field(default_factory=dict)
    models_dir: Path = Field(Path("models"), description="Folder of the two face model files")
    state_dir: Path | None = Field(
        None, description="Folder where steps remember what they checked once; without one, until the process ends"
    )
    preview: bool = Field(False, description="Whether the embedded engines make the pictures, speech and text")

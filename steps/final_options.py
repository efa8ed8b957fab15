"""Settings of the last step: what is written over the video, its music, its levels, and how it is encoded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from steps.option_base import Options

Disclosure = Literal["card", "always", "off"]
"""Where the pictures themselves say that they were made by AI; the metadata always does."""

VersionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,19}$")]

Encoder = Literal["auto", "libx264", "h264_nvenc", "h264_vaapi"]


class VersionOptions(Options):
    """What one further version of each video has otherwise; what is left out is as in the first one."""

    watermark: str | None = Field(None, max_length=40, description="Text in its corner; empty for none")
    title_card: bool | None = Field(None, description="Whether it has the card with title and artist")
    disclosure: Disclosure | None = Field(None, description="Where its pictures say that they were made by AI")


class FinalOptions(Options):
    """The last step."""

    watermark: str = Field("Nightreel", max_length=40, description="Text in the corner; empty for none")
    title_card: bool = Field(True, description="Whether a card with title and artist stands at the beginning")
    disclosure: Disclosure = Field(
        "card",
        description="Where the pictures say that they were made by AI: on the card, in a line as long as the video "
        "lasts, or nowhere; the metadata always say it",
    )
    versions: dict[VersionName, VersionOptions] = Field(
        default_factory=dict,
        description="Further versions of each video, by a name of yours, such as "
        '{tiktok: {watermark: ""}}: TikTok takes no mark that a program has put there',
    )
    music: Path | None = Field(
        None,
        description="Folder of music files with licences, stated in tracks.yaml, tracks.csv, a file beside each "
        "(song.yaml) or their tags; without a folder, a soft loop of our own",
    )
    music_lufs: float = Field(-30.0, ge=-60, le=-10, description="Level of the music under silence, LUFS")
    loudness_lufs: float = Field(-14.0, ge=-30, le=-8, description="Loudness of the finished video, LUFS")
    true_peak_dbtp: float = Field(-1.5, ge=-9, le=0, description="Highest true peak, dBTP")
    encoder: Encoder = Field(
        "auto", description="H.264 encoder; auto: the first card's that a one-second probe finds working, else libx264"
    )
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = Field(
        "veryfast", description="x264 preset of the final encode"
    )
    crf: int = Field(20, ge=10, le=35, description="Quality of the final encode, for each encoder; lower is better")
    max_mbps: float = Field(12.0, ge=1, le=25, description="Highest bit rate of the pictures, Mbit/s")

    def version(self, name: str) -> FinalOptions:
        """Return the settings of a further version.

        Raises:
            KeyError: there is none of that name.
        """
        changed = {key: value for key, value in self.versions[name] if value is not None}
        return self.model_copy(update=changed)

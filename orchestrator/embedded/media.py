"""Reading and writing clips and sounds, by PyAV, one frame at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import av
import numpy as np

from orchestrator.embedded.pixels import PREVIEW_NOTE
from orchestrator.embedded.values import Audio, Frame, Images, Video

MP4_OPTIONS = {"movflags": "use_metadata_tags+faststart"}
X264_CRF = "20"
BT709 = 1  # AVCOL_SPC_BT709, AVCOL_PRI_BT709, AVCOL_TRC_BT709
LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG
OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)
AAC_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


def write_mp4(path: Path, video: Video, metadata: Mapping[str, Any], *, preset: str = "veryfast") -> None:
    """Write H.264 and AAC; pictures are pulled while they are encoded. Sound beyond the pictures is cut.

    Raises:
        av.error.FFmpegError: the encoder refuses, for one because a side is odd.
    """
    rate = Fraction(video.fps).limit_denominator(1001)
    with av.open(path, "w", format="mp4", options=MP4_OPTIONS) as container:
        _describe(container, metadata)
        stream = container.add_stream("libx264", rate=rate, options={"crf": X264_CRF, "preset": preset})
        stream.width, stream.height, stream.pix_fmt = video.images.width, video.images.height, "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        sound = _SoundTrack(container, video, rate) if video.audio is not None else None
        for picture in _pictures(video.images, rate):
            container.mux(stream.encode(picture))
            if sound is not None:
                sound.write_until(picture.pts + 1)
        container.mux(stream.encode(None))
        if sound is not None:
            sound.close()


def write_webm(path: Path, images: Images, metadata: Mapping[str, Any], *, codec: str, fps: float, crf: float) -> None:
    """Write VP9 or AV1 without sound."""
    rate = Fraction(fps).limit_denominator(1001)
    encoder = {"vp9": "libvpx-vp9", "av1": "libsvtav1"}[codec]
    speed = {"vp9": {"deadline": "realtime", "cpu-used": "6"}, "av1": {"preset": "9"}}[codec]
    with av.open(path, "w", format="webm") as container:
        _describe(container, metadata)
        stream = container.add_stream(encoder, rate=rate, options={"crf": str(int(crf)), **speed})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = images.width, images.height, "yuv420p", 0
        for picture in _pictures(images, rate):
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _describe(container: Any, metadata: Mapping[str, Any]) -> None:
    for key, value in metadata.items():
        container.metadata[key] = json.dumps(value)
    container.metadata["comment"] = PREVIEW_NOTE


def _pictures(images: Images, rate: Fraction) -> Iterator[Any]:
    """Convert pictures to what the encoder takes, numbered; one that is repeated is converted only once."""
    last: Frame | None = None
    converted: Any = None
    for index, frame in enumerate(images.frames()):
        if frame is not last:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            converted = picture.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            last = frame
        converted.pts, converted.time_base = index, 1 / rate
        yield converted


class _SoundTrack:
    """Writes the sound of a clip bit by bit, beside its pictures."""

    def __init__(self, container: Any, video: Video, rate: Fraction) -> None:
        assert video.audio is not None
        limit = ceil(video.audio.rate_hz * video.images.count / rate)
        self._audio = video.audio.part(0, limit)
        self._rate = rate
        self._written = 0
        self._container = container
        layout = "mono" if self._audio.samples.shape[0] == 1 else "stereo"
        out_hz = _nearest_rate(self._audio.rate_hz, AAC_RATES_HZ)
        self._stream = container.add_stream("aac", rate=out_hz, layout=layout)

    def write_until(self, frames: int) -> None:
        """Write what belongs to the first `frames` pictures and is not written yet."""
        until = min(ceil(self._audio.rate_hz * frames / self._rate), self._audio.samples.shape[1])
        if until > self._written:
            part = self._audio.part(self._written, until)
            self._container.mux(self._stream.encode(_sound(part, self._written)))
            self._written = until

    def close(self) -> None:
        """Write what the encoder still holds."""
        if self._written:
            self._container.mux(self._stream.encode(None))


def _sound(audio: Audio, start: int = 0) -> Any:
    samples = audio.samples[:2]
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, dtype=np.float32), format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = audio.rate_hz, start, Fraction(1, audio.rate_hz)
    return frame


def _nearest_rate(rate_hz: int, allowed: tuple[int, ...]) -> int:
    """Return the rate itself, the next higher one that is allowed, or the highest."""
    return next((allowed_hz for allowed_hz in allowed if allowed_hz >= rate_hz), allowed[-1])


def write_audio(path: Path, audio: Audio, metadata: Mapping[str, Any], *, kind: str, quality: str = "") -> None:
    """Write a sound as flac, mp3 or opus.

    Args:
        path: The file; its ending plays no role.
        audio: At most two channels are written.
        metadata: JSON values for the file's tags.
        kind: "flac", "mp3" or "opus".
        quality: "V0" or a bit rate such as "128k"; not for flac.
    """
    layout = "mono" if audio.samples.shape[0] == 1 else "stereo"
    codec = {"flac": "flac", "mp3": "libmp3lame", "opus": "libopus"}[kind]
    rate_hz = _nearest_rate(audio.rate_hz, OPUS_RATES_HZ) if kind == "opus" else audio.rate_hz
    with av.open(path, "w", format=kind) as container:
        _describe(container, metadata)
        for key, value in audio.tags.items():
            container.metadata[key] = value
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        if quality.endswith("k"):
            stream.bit_rate = int(quality[:-1]) * 1000
        elif quality == "V0":
            stream.codec_context.qscale = 1
        container.mux(stream.encode(_sound(audio)))
        container.mux(stream.encode(None))


def read_audio(path: Path) -> Audio:
    """Read the sound of an audio or video file.

    Raises:
        ValueError: there is no sound in it.
        av.error.FFmpegError: it is no such file.
    """
    with av.open(path) as container:
        if not container.streams.audio:
            raise ValueError("No audio stream found in the file.")
        return _decode_sound(container)


def _decode_sound(container: Any) -> Audio:
    stream = container.streams.audio[0]
    rate_hz = stream.codec_context.sample_rate
    resampler = av.AudioResampler(format="fltp", rate=rate_hz)
    parts = []
    for frame in container.decode(stream):
        parts += [piece.to_ndarray() for piece in resampler.resample(frame)]
    parts += [piece.to_ndarray() for piece in resampler.resample(None)]
    if not parts:
        raise ValueError("No audio frames decoded.")
    return Audio(np.concatenate(parts, axis=1).astype(np.float32), rate_hz)


def read_video(path: Path) -> Video:
    """Open a clip: its pictures are decoded anew each time they are pulled.

    Raises:
        ValueError: there is no picture in it.
        av.error.FFmpegError: it is no such file.
    """
    with av.open(path) as container:
        if not container.streams.video:
            raise ValueError(f"No video stream found in file '{path}'")
        stream = container.streams.video[0]
        width, height = stream.codec_context.width, stream.codec_context.height
        fps = float(stream.average_rate or 1)
        count = stream.frames or sum(1 for _ in container.decode(stream))
    images = Images(count, height, width, lambda: _decode_pictures(path))
    return Video(images, fps, _sound_of(path), path)


def _sound_of(path: Path) -> Audio | None:
    with av.open(path) as container:
        return _decode_sound(container) if container.streams.audio else None


def _decode_pictures(path: Path) -> Iterator[Frame]:
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")

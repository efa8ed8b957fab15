"""The plain FFmpeg command that `final_cut.py` compares with: one run, every figure written out beforehand."""

from __future__ import annotations

from collections.abc import Sequence


def plain_command(clips: Sequence[tuple[int, int]], *, fps: int, out: str) -> list[str]:
    """Return the arguments of a command that makes the video from what lies in a work folder of step 9.

    Args:
        clips: Frames left out at the beginning, and frames used, of transition, talk and way back, at the video's rate.
        fps: Of the video.
        out: Name of the file to make.
    """
    total_s = sum(frames for _, frames in clips) / fps
    speech_at_ms = round(1000 * clips[0][1] / fps)
    blend_s = 4 / fps
    looks = "scale=1080:1920:flags=lanczos:out_color_matrix=bt709:out_range=tv,setsar=1,format=yuv420p,settb=AVTB"
    parts = []
    for number, (skip, frames) in enumerate(clips):
        rate = "" if number == 1 else f"framerate=fps={fps}:interp_start=0:interp_end=255:scene=100,"
        drawn = ",ass=captions.ass:fontsdir=fonts" if number == 1 else ""
        span = f"trim=start_frame={skip}:end_frame={skip + frames},setpts=N/{fps}/TB,fps={fps}"
        held = f",tpad=stop={4 if number < 2 else 0}:stop_mode=clone"
        parts.append(f"[{number}:v]{rate}{span},{looks}{drawn}{held}[v{number}]")
    at = [sum(frames for _, frames in clips[:number]) / fps for number in range(3)]
    joined = f"fps={fps},settb=AVTB"
    parts.append(f"[v0][v1]xfade=duration={blend_s:.6f}:offset={at[1]:.6f},{joined}[j]")
    last = f"ass=titles.video.ass:fontsdir=fonts,trim=end_frame={sum(frames for _, frames in clips)},format=yuv420p"
    colours = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    parts.append(f"[j][v2]xfade=duration={blend_s:.6f}:offset={at[2]:.6f},{joined},{last},{colours}[v]")
    stereo = "aresample=48000,aformat=sample_fmts=fltp:channel_layouts=stereo"
    parts.append(f"[3:a]{stereo},volume=6dB,adelay={speech_at_ms}:all=1,apad=whole_dur={total_s},asplit[s][key]")
    parts.append(f"[4:a]{stereo},volume=-13dB[m]")
    parts.append("[m][key]sidechaincompress=threshold=0.02:ratio=8:attack=20:release=400[d]")
    parts.append(f"[s][d]amix=inputs=2:normalize=0,atrim=end={total_s},alimiter=limit=0.79:level=disabled[a]")
    inputs = ["clip0.mp4", "clip1.mp4", "clip2.mp4", "speech.flac", "loop.wav"]
    x264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-maxrate", "12M", "-bufsize", "24M"]
    stream = ["-profile:v", "high", "-g", str(2 * fps), "-bf", "2", "-flags", "+cgop", "-r", str(fps)]
    return [
        *("-hide_banner", "-nostats", "-loglevel", "error", "-y"),
        *(part for name in inputs for part in ("-i", name)),
        *("-filter_complex", ";".join(parts), "-map", "[v]", "-map", "[a]", *x264, *stream),
        *("-c:a", "aac", "-b:a", "160k", "-ar", "48000", "-metadata", "title=A portrait", "-movflags", "+faststart"),
        out,
    ]

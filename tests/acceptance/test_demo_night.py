"""The newcomer's night, without a network: from nothing to finished videos, a report and a review.

One small demo night (a portrait and a painting to turn down) is run once for all tests of this file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from orchestrator.artifacts import hash_file
from orchestrator.demo import prepare_demo
from orchestrator.errors import ExitCode
from steps.external.ffmpeg import measure_loudness, probe
from tests.acceptance import offline
from tests.acceptance.command import NIGHTREEL, nightreel

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Demo:
    """A finished demo night."""

    folder: Path
    code: int
    out: str
    err: str

    def command(self, *arguments: str, stdin: str = ""):
        return nightreel("--config", str(self.folder), *arguments, cwd=self.folder, stdin=stdin)

    def report(self) -> dict:
        return json.loads((self.folder / "reports" / "night-0001" / "report.json").read_text(encoding="utf-8"))

    def videos(self) -> list[Path]:
        return sorted((self.folder / "artifacts").rglob("09-final-video.*/video.mp4"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "tests.acceptance.offline", str(NIGHTREEL)]
    command += ["demo", "--dir", str(folder), "--portraits", "1", "--doubtful", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=380, check=False)
    if done.returncode == offline.CANNOT:
        pytest.skip("this machine gives no network namespace; the rest of the file needs the night that runs in one")
    return Demo(folder, done.returncode, done.stdout, done.stderr)


def test_the_night_is_complete_without_a_network(demo):
    """Every process of it, FFmpeg and the embedded engines too, ran where only loopback exists."""
    assert demo.code == ExitCode.OK, demo.out[-3000:] + demo.err[-3000:]


def test_it_ends_with_videos_a_summary_and_three_commands(demo):
    """What a newcomer reads at the end."""
    assert "2 videos" in demo.out
    assert "ABORTED" in demo.out
    assert "Previews" in demo.out
    after = demo.out.split("Try next")[1].strip().splitlines()
    assert len([line for line in after if "nightreel" in line]) == 3


def test_each_video_is_what_the_platforms_take(demo):
    """H.264 4:2:0, square pixels, constant rate, 48 kHz, both streams ending together, -14 LUFS."""
    assert len(demo.videos()) == 2
    for path in demo.videos():
        media = probe(path)
        assert media.video is not None
        assert media.audio is not None
        assert (media.video.width, media.video.height, media.video.fps) == (540, 960, 24)
        assert (media.video.codec, media.video.pixel_format, media.audio.rate_hz) == ("h264", "yuv420p", 48000)
        assert abs(media.video.frames / media.video.fps - media.audio.duration_s) <= 1 / media.video.fps + 0.001
        assert abs(measure_loudness(path).integrated_lufs + 14) <= 1
        head = path.read_bytes()[:200_000]
        assert 0 < head.find(b"moov") < (head.find(b"mdat") if b"mdat" in head else len(head)), "moov comes first"


def test_every_artifact_is_intact_and_nothing_is_left_over(demo):
    """What the database says is what lies on the disk."""
    described = json.loads(demo.command("show", "1", "--json").out)
    other = json.loads(demo.command("show", "2", "--json").out)
    made = described if described["item"]["state"] == "COMPLETE" else other
    assert {row["name"] for row in made["artifacts"]} >= {"video", "thumbnail", "script", "speech", "srt", "ass"}
    for row in made["artifacts"]:
        assert hash_file(Path(row["path"])) == row["sha256"]
    assert list((demo.folder / "work").iterdir()) == []
    records = {path.name for path in (demo.folder / "engines").glob("*.json")}
    assert records <= {"zim_checked.json"}, "an engine is left running"


def test_the_turned_down_painting_has_its_reasons_and_cost_no_card(demo):
    """Before any card's time was spent on it."""
    turned_down = [item for item in demo.report()["items"] if item["state"] == "ABORTED"]
    assert len(turned_down) == 1
    assert turned_down[0]["reasons"]
    assert turned_down[0]["card"]["wall_s"] == 0


def test_the_report_adds_up(demo):
    """Compute and wait of the steps are those of the items, and what came out is what is there."""
    report = demo.report()
    assert report["videos"] == {"en": 1, "fr": 1}
    assert report["preview"] is True
    steps = sum(step["share"]["compute_s"] for step in report["steps"] if step["on_card"])
    assert steps == pytest.approx(sum(item["card"]["compute_s"] for item in report["items"]))
    assert report["card"]["compute_s"] == pytest.approx(steps)
    assert report["wall_s"] > steps / 2


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, _tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attributes if name in ("href", "src") and value]


def test_the_page_of_the_report_needs_nothing_but_itself_and_the_videos(demo):
    """It opens from the disk, on any machine in the house."""
    page = demo.folder / "reports" / "night-0001" / "report.html"
    links = _Links()
    links.feed(page.read_text(encoding="utf-8"))
    videos = [link for link in links.found if not link.startswith("data:")]
    assert len(videos) == 2
    assert all((page.parent / link).resolve().is_file() for link in videos)


def test_captions_are_the_scripts_own_words(demo):
    """Recognition gives times, never text: joined, the cues are the script."""
    for path in sorted((demo.folder / "artifacts").rglob("01-script.*/script.json")):
        language = path.parent.name.split(".")[1]
        script = json.loads(path.read_text(encoding="utf-8"))
        (captions,) = path.parents[1].glob(f"07-subtitles.{language}/srt.srt")
        lines = captions.read_text(encoding="utf-8").splitlines()
        shown = " ".join(line for line in lines if line and "-->" not in line and not line.isdigit())
        assert shown.split() == script["text"].split()


def test_a_review_puts_a_video_into_the_pool_and_keeps_a_rejection(demo):
    """Approve the first, reject the second: the pool has one, and nothing waits any more."""
    before = json.loads(demo.command("review", "--json").out)
    assert len(before) == 2
    answer = demo.command("review", stdin="a\nr\nthe mouth slips\n")
    assert answer.code == 0
    assert "1 approved, 1 rejected" in answer.out
    (folder,) = (demo.folder / "pool").iterdir()
    assert {path.suffix for path in folder.iterdir()} >= {".mp4", ".jpg", ".srt", ".json"}
    assert hash_file(folder / "video.mp4") == hash_file(Path(before[0]["video"]))
    assert json.loads(demo.command("review", "--json").out) == []
    assert demo.command("report", "--json").code == 0
    assert demo.report()["rejections"][1][1] == "1 of 2"


def test_the_next_night_draws_other_paintings(demo):
    """A used painting is never drawn again."""
    used = {item["title"] for item in demo.report()["items"]}
    night = prepare_demo(demo.folder, portraits=1, doubtful=1)
    assert night.list_name == "demo-2"
    lists = json.loads(demo.command("catalogue", "lists", "--json").out)
    fresh = next(row for row in lists if row["list"] == "demo-2")
    assert (fresh["paintings"], fresh["unused"]) == (2, 2)
    assert used


def test_nothing_is_left_to_resume(demo):
    """A complete night is over."""
    assert demo.command("resume").code == ExitCode.NOTHING_TO_DO

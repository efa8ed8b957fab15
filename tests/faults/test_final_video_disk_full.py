"""The disk fills up while the last step writes: it is called by its name, and nothing half-made has a final one."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
from final_video_scene import Scene, make_scene

RUNNER = """
import pickle, resource, signal, sys
from pathlib import Path
from steps.errors import StepError
from steps.final_video import FinalVideo
from steps.subtitles import Subtitles

context = pickle.loads(Path(sys.argv[1]).read_bytes())
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    {"FinalVideo": FinalVideo, "Subtitles": Subtitles}[sys.argv[2]]().run(context)
except StepError as error:
    print(type(error).__name__, error.remedy)
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"))


@pytest.mark.parametrize(
    ("step", "limit_bytes"),
    [
        ("Subtitles", 6_000),
        ("FinalVideo", 2_000),
        ("FinalVideo", 90_000),
        ("FinalVideo", 1_600_000),
    ],
)
def test_full_disk_stops_the_night(scene: Scene, tmp_path: Path, step: str, limit_bytes: int) -> None:
    """At a script, a font, the pictures or the sound: the same answer, and the night waits for room."""
    context = scene.context(tmp_path / "work")
    (tmp_path / "context").write_bytes(pickle.dumps(context))
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(tmp_path / "context"), step, str(limit_bytes)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "DiskFull STOP_NIGHT", done.stderr
    left = {path.name for path in context.work.iterdir()}
    assert not left & {"video.mp4", "clip.mp4", "thumbnail.jpg", "metadata.json"}
    assert not [name for name in left if name.startswith("partial.")]

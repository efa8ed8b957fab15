"""The work on the CPU, with real programs and threads: where it runs, how far it is, and that it ends when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from servers_world import ROOT, is_alive, wait_until

from orchestrator.clock import SystemClock
from orchestrator.engines.base import Task, Tick
from orchestrator.engines.cpu import CpuShare, cores_here, progress_below
from orchestrator.engines.local import Desk
from steps.base import Context, LocalStep, Result, Subject
from steps.errors import ProgramTimedOut, WorkStopped
from steps.external import ffmpeg_program, process, workload
from steps.options import StepOptions

SHOW = "import os,sys; print(len(os.sched_getaffinity(0)), os.nice(0))"


class Doing(LocalStep):
    """A step that does what a test wants."""

    name, number, title, per_language, needs = "doing", 0, "Do it", False, ()

    def __init__(self, act: Any) -> None:
        self._act = act

    def run(self, context: Context) -> Result:
        self._act(context)
        return Result()


class Seen:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []

    def sent(self, task: Task, at: object) -> None: ...

    def started(self, task: Task, at: object) -> None: ...

    def progress(self, task: Task, tick: Tick) -> None:
        self.ticks.append(tick)


def do(folder: Path, act: Any, *, share: CpuShare | None = None, stop: threading.Event | None = None) -> Seen:
    """Run a step on a thread of its own, as a night does; raises what the step raises."""
    work = folder / "attempt-1"
    work.mkdir(exist_ok=True)
    context = Context(Subject(1, "T", folder / "t.png"), "", 1, work, {}, StepOptions())
    seen, raised = Seen(), []
    desk = Desk(1, share=share, stop=stop)

    def run() -> None:
        try:
            desk.run(Doing(act), Task(1, 1, "doing", context, "T"), clock=SystemClock(), listener=seen)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return seen


def test_programs_inherit_the_cores_and_the_niceness_of_their_step(tmp_path):
    """FFmpeg makes as many threads as it may use cores: nobody has to tell it."""
    said: list[list[str]] = []

    def act(context: Context) -> None:
        told = process.run([sys.executable, "-c", SHOW], cwd=context.work, timeout_s=20)
        said.append(told.stdout.decode().split())

    before = os.nice(0)
    share = CpuShare(frozenset(cores_here()[:1]), niceness=min(19, before + 3))
    do(tmp_path, act, share=share)
    assert said == [["1", str(min(19, before + 3))]]
    assert os.nice(0) == before  # ours goes on as it was
    assert len(os.sched_getaffinity(0)) == len(cores_here())


@pytest.mark.parametrize(
    ("wanted", "feeds", "expected"), [(None, True, -1), (None, False, 0), (1, False, 1), (10_000, True, 0)]
)
def test_one_core_is_left_for_the_cards(wanted, feeds, expected):
    """Where there are cards to feed; a machine with one core has none to leave."""
    share = CpuShare.of(wanted, niceness=0, time_limit_factor=1.0, feeds_cards=feeds)
    there = cores_here()
    count = len(there) + expected if expected <= 0 else expected
    if count in (0, len(there)):
        assert share.cores is None
    else:
        assert share.cores == frozenset(there[-count:])


def encode(context: Context, *, seconds: float = 2) -> None:
    """Encode as fast as a film is shown (-re), so that there is time to look."""
    source = f"testsrc2=size=64x64:rate=25:duration={seconds}"
    arguments = ["-re", "-f", "lavfi", "-i", source, "-c:v", "libx264", "-tune", "zerolatency", "out.mp4"]
    ffmpeg_program.run(arguments, cwd=context.work, timeout_s=60, length_s=seconds)


def test_an_encoder_tells_how_far_it_is(tmp_path):
    """Seconds done of seconds: for the live view, and through a file for another process."""
    found: list[dict[str, Any]] = []

    def act(context: Context) -> None:
        encode(context)
        found.extend(progress_below(tmp_path))
        assert not list(context.work.glob("progress-*"))

    seen = do(tmp_path, act)
    assert seen.ticks
    done = [tick.value for tick in seen.ticks]
    assert done == sorted(done)
    assert {tick.maximum for tick in seen.ticks} == {2}
    assert all(0 <= tick.percent <= 100 for tick in seen.ticks)
    assert [(one["step"], one["label"], one["total_s"]) for one in found] == [("doing", "T", 2.0)]
    assert 0 <= found[0]["done_s"] <= 2


def test_a_stop_ends_programs_and_their_children_at_once(tmp_path):
    """A second SIGTERM does not wait for an encoder."""
    stop = threading.Event()
    inner = "import os,time; open('p','w').write(str(os.getpid())); os.rename('p','child'); time.sleep(600)"
    outer = f"import subprocess,sys; subprocess.Popen([sys.executable,'-c',{inner!r}]).wait()"

    def act(context: Context) -> None:
        threading.Thread(target=lambda: wait_until((context.work / "child").exists) and stop.set()).start()
        process.run([sys.executable, "-c", outer], cwd=context.work, timeout_s=60)

    with pytest.raises(WorkStopped):
        do(tmp_path, act, stop=stop)
    child = int((tmp_path / "attempt-1" / "child").read_text())
    assert wait_until(lambda: not is_alive(child))


def test_limits_are_longer_on_a_machine_that_is_said_to_be_slow(tmp_path):
    """The owner of an old machine changes one number, not twenty."""

    def act(context: Context) -> None:
        process.run([sys.executable, "-c", "import time; time.sleep(600)"], cwd=context.work, timeout_s=0.02)

    with pytest.raises(ProgramTimedOut, match=r"0\.2 s"):
        do(tmp_path, act, share=CpuShare(time_limit_factor=10))


def test_work_inside_this_process_has_a_limit_that_grows_with_the_media(tmp_path):
    """Whisper is no program that could be killed: it is asked between two pieces."""
    with workload.watched(workload.Watch(factor=1e-9)):
        limit = workload.Limit("the speech model", 600)
        with pytest.raises(ProgramTimedOut, match="the speech model"):
            wait_until(lambda: bool(limit.check()))
    workload.Limit("the speech model", 600).check()


NIGHT = """
import sys, threading
sys.path.insert(0, {root!r})
from pathlib import Path
from steps.external import ffmpeg_program
work = Path({work!r})
source = "testsrc2=size=640x1136:rate=25:duration=600"
threading.Thread(target=lambda: ffmpeg_program.run(
    ["-f", "lavfi", "-i", source, "-c:v", "libx264", "out.mp4"], cwd=work, timeout_s=600, length_s=600)).start()
"""


def test_an_encoder_dies_with_a_killed_nightreel(tmp_path):
    """It would go on for minutes, into a folder that the next night empties."""
    script = NIGHT.format(root=str(ROOT), work=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script]) as ours:
        assert wait_until(lambda: bool(list(tmp_path.glob("out.mp4"))))
        encoders = encoders_in(tmp_path)
        assert encoders
        ours.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not any(is_alive(pid) for pid in encoders))


def encoders_in(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").resolve() == folder and b"libx264" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found

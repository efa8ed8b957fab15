"""Outside programs, run for real: limits, logs, and what their ends are called."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from steps.errors import DiskFull, ProgramFailed, ProgramMissing, ProgramTimedOut
from steps.external import process

PYTHON = sys.executable


def is_alive(pid: int) -> bool:
    """A zombie counts as dead: it waits only to be collected by init."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_until_dead(pid: int, *, limit_s: float = 10.0) -> bool:
    end = time.monotonic() + limit_s
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not is_alive(pid)


def test_output_input_and_folder_reach_the_program(tmp_path: Path) -> None:
    """The three ways in and out of a program that steps rely on."""
    script = (
        "import os,sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1]); print(os.getcwd(), file=sys.stderr)"
    )
    done = process.run([PYTHON, "-c", script], cwd=tmp_path, timeout_s=30, stdin=b"\x00abc")
    assert done.stdout == b"cba\x00"
    assert done.stderr.strip() == str(tmp_path)
    assert 0 < done.elapsed_s < 30


def test_a_program_that_reads_late_gets_all_of_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking up while it runs must not lose what a full pipe did not take yet: the program would wait for ever."""
    monkeypatch.setattr(process, "LOOK_EVERY_S", 0.001)
    counting = "import sys; print(len(sys.stdin.buffer.read()))"
    done = process.run([PYTHON, "-c", counting], cwd=tmp_path, timeout_s=20, stdin=bytes(3_000_000))
    assert done.stdout.strip() == b"3000000"
    assert process.run([PYTHON, "-c", "pass"], cwd=tmp_path, timeout_s=20, stdin=bytes(3_000_000)).stdout == b""


def test_added_variables_join_ours(tmp_path: Path) -> None:
    """A variable given to one program must not cost it PATH."""
    script = "import os; print(os.environ['NIGHTREEL_X'], 'PATH' in os.environ)"
    done = process.run([PYTHON, "-c", script], cwd=tmp_path, timeout_s=30, env={"NIGHTREEL_X": "l'été"})
    assert done.stdout.decode().split() == ["l'été", "True"]


def test_failure_carries_the_last_words(tmp_path: Path) -> None:
    """The operator reads the message, not the log: it must hold the reason."""
    script = "import sys; print('\\n'.join(f'line {n}' for n in range(40)), file=sys.stderr); sys.exit(3)"
    with pytest.raises(ProgramFailed, match="exit code 3") as caught:
        process.run([PYTHON, "-c", script], cwd=tmp_path, timeout_s=30)
    assert "line 39" in str(caught.value)
    assert "line 5\n" not in str(caught.value)
    assert caught.value.facts["returncode"] == 3


def test_log_tells_command_words_and_end(tmp_path: Path) -> None:
    """A morning's question 'what exactly was run' has its answer in the attempt's log."""
    log = tmp_path / "run.log"
    process.run([PYTHON, "-c", "import sys; print('hm', file=sys.stderr)"], cwd=tmp_path, timeout_s=30, log=log)
    with pytest.raises(ProgramFailed):
        process.run([PYTHON, "-c", "raise SystemExit(2)"], cwd=tmp_path, timeout_s=30, log=log)
    text = log.read_text()
    assert "hm" in text
    assert "[exit code 0 after" in text
    assert "[exit code 2 after" in text


def test_missing_program_is_named(tmp_path: Path) -> None:
    """Not a retry: no other item will find it either."""
    with pytest.raises(ProgramMissing, match="no-such-program-here"):
        process.run(["no-such-program-here"], cwd=tmp_path, timeout_s=5)


def test_time_limit_kills_children_too(tmp_path: Path) -> None:
    """A child that survives would keep a core, or the card's memory, all night."""
    script = (
        "import subprocess,sys; c=subprocess.Popen([sys.executable,'-c','import time; time.sleep(600)']);"
        "open('child','w').write(str(c.pid)); print('started', file=sys.stderr, flush=True); c.wait()"
    )
    with pytest.raises(ProgramTimedOut, match=r"1\.5 s"):
        process.run([PYTHON, "-c", script], cwd=tmp_path, timeout_s=1.5, log=tmp_path / "log")
    assert wait_until_dead(int((tmp_path / "child").read_text()))
    assert "killed after 1.5 s" in (tmp_path / "log").read_text()


def test_program_dies_with_us(tmp_path: Path) -> None:
    """SIGKILL leaves no chance to clean up, yet an encoder must not write on into a folder that is made again."""
    inner = "import os,time; open('p','w').write(str(os.getpid())); os.rename('p','pid'); time.sleep(600)"
    script = (
        "import sys; from pathlib import Path; from steps.external import process;"
        f"process.run([sys.executable, '-c', {inner!r}], cwd=Path('.'), timeout_s=600)"
    )
    root = str(Path(process.__file__).parents[2])
    ours = subprocess.Popen([PYTHON, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root})
    try:
        end = time.monotonic() + 20
        while not (tmp_path / "pid").exists() and time.monotonic() < end:
            time.sleep(0.01)
        child = int((tmp_path / "pid").read_text())
        assert is_alive(child)
    finally:
        ours.send_signal(signal.SIGKILL)
        ours.wait()
    assert wait_until_dead(child)


@pytest.mark.parametrize("words", ["av_interleaved_write_frame(): No space left on device", "Disk quota exceeded"])
def test_full_disk_is_recognised_by_words(tmp_path: Path, words: str) -> None:
    """The remedy stops the night instead of failing item after item."""
    with pytest.raises(DiskFull):
        process.run([PYTHON, "-c", f"raise SystemExit({words!r})"], cwd=tmp_path, timeout_s=30)


def test_file_size_limit_counts_as_full(tmp_path: Path) -> None:
    """The limit's signal kills a program without a word."""
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE,(1000,1000)); import signal;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('big','wb').write(bytes(5000))"
    )
    with pytest.raises(DiskFull):
        process.run([PYTHON, "-c", script], cwd=tmp_path, timeout_s=30)

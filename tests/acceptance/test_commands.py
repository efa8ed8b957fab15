"""Every command in a home with a night behind it: what it prints, what it changes, what it answers.

Most are run in this process, as `nightreel` does: starting a hundred interpreters would take minutes. What stands
before a night (no config, no catalogue, no ComfyUI) is in `test_bad_input.py`; nights are in `test_demo_night.py`
and `test_signals.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from db.store import Store
from orchestrator import cli
from orchestrator.errors import ExitCode
from orchestrator.night import NightResult
from tests.acceptance.command import nightreel, run
from tests.integration.report_nights import Studio, small_night

ROOT = Path(__file__).resolve().parents[2]
TITLES = ["[red]La Joconde[/]", "Bal du moulin", "Jeune fille"]
CONTROL = {chr(code) for code in range(32)} - {"\n"}


def home_of(studio: Studio) -> Path:
    (studio.home.root / "config.yaml").write_text("home: .\n", encoding="utf-8")
    return studio.home.root


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    """A home after a night: two paintings made, one turned down. Only for looking."""
    studio, _ = small_night(tmp_path_factory.mktemp("looked-at"), TITLES, down=1)
    return home_of(studio)


@pytest.fixture
def night(tmp_path):
    """The same, to be changed."""
    studio, batch = small_night(tmp_path, TITLES, down=1)
    home_of(studio)
    return studio, [item.item_id for item in studio.store.items(batch.id)]


def test_init_makes_a_home_and_keeps_one_that_is_there(tmp_path):
    """What to type next is printed, also for a folder whose name looks like markup; a config is never overwritten."""
    first = run("init", "my [b] reels", cwd=tmp_path)
    config = tmp_path / "my [b] reels" / "config.yaml"
    assert first.code == 0
    assert first.out.splitlines() == [
        f"made {config}",
        "next:",
        f"  cd '{config.parent}'",
        "  nightreel catalogue add FOLDER|FILE.csv|FILE.jsonl",
        "  nightreel run",
    ]
    config.write_text("home: .\nnight: {paintings: 3}\n")
    assert run("init", str(config.parent), cwd=tmp_path).out.startswith(f"kept {config}")
    assert "paintings: 3" in config.read_text()


def test_the_catalogue_says_what_it_took_and_what_it_did_not(tmp_path):
    """Bad rows with line and reason, and what is worth a look although nothing was skipped."""
    run("init", ".", cwd=tmp_path)
    assert "no paintings yet" in run("catalogue", "lists", cwd=tmp_path).out
    for number in range(2):
        Image.new("RGB", (64, 96), (number * 99, 80, 120)).save(tmp_path / f"{number}.png")
    rows = ["path,title", "0.png,Café", "1.png,Crème", "gone.png,Élève"]
    (tmp_path / "old.csv").write_bytes("\n".join(rows).encode("latin-1"))
    added = run("catalogue", "add", "old.csv", "--list", "[b]mine", cwd=tmp_path)
    assert added.code == 0
    assert added.out == "2 added to '[b]mine', 0 known already, 1 skipped\n"
    note, bad = added.err.splitlines()
    assert note == "note: the list is not UTF-8: it was read as Latin-1; check the accents of what was added"
    assert bad.startswith("line 4: ")
    assert "gone.png" in bad
    again = json.loads(run("catalogue", "add", "old.csv", "--list", "[b]mine", "--json", cwd=tmp_path).out)
    assert (again["added"], again["duplicates"], [row["line"] for row in again["bad"]]) == (0, 2, [4])
    assert len(again["notes"]) == 1
    assert "[b]mine" in run("catalogue", "lists", cwd=tmp_path).out
    lists = json.loads(run("catalogue", "lists", "--json", cwd=tmp_path).out)
    assert lists == [{"list": "[b]mine", "paintings": 2, "unused": 2}]


def test_status_and_show_tell_how_far_everything_is(looked_at):
    """In words and as JSON, with the same numbers."""
    told = run("status", cwd=looked_at)
    assert told.code == 0
    assert "3 paintings (portraits 3)" in told.out
    assert "2 COMPLETE, 1 ABORTED" in told.out
    found = json.loads(run("status", "--json", cwd=looked_at).out)
    assert found["items"] == {"ABORTED": 1, "COMPLETE": 2}
    assert found["runs"]["final_video"] == {"ABORTED": 2, "COMPLETE": 4}
    assert found["open_night"] is None


def test_show_has_every_try_and_every_file(looked_at):
    """And for a turned-down item each reason on a line of its own."""
    report = json.loads(run("report", "--json", cwd=looked_at).out)
    states = {item["state"]: item["item_id"] for item in report["items"]}
    made = json.loads(run("show", str(states["COMPLETE"]), "--json", cwd=looked_at).out)
    assert {len(run["tries"]) for run in made["runs"]} == {1}
    assert all(Path(row["path"]).is_file() for row in made["artifacts"])
    told = run("show", str(states["ABORTED"]), cwd=looked_at)
    assert "  The face is too small: its width is 0.07" in told.out
    assert "  There is more than one face: 3 besides the main one, and there must be 0.\n" in told.out


def test_the_report_is_printed_and_lies_where_it_says(looked_at):
    """The last night's by default; the JSON is that of the file."""
    told = run("report", cwd=looked_at)
    page = looked_at / "reports" / "night-0001" / "report.html"
    assert told.code == 0
    assert told.out.startswith("# Execution report, night 1\n")
    assert told.out.rstrip().endswith(str(page))
    assert page.is_file()
    found = json.loads(run("report", "1", "--json", cwd=looked_at).out)
    assert found == json.loads(page.with_name("report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("script", ["execution_report.py", "morning_review.py"])
def test_the_scripts_are_the_commands(looked_at, script):
    """For who looks into scripts/ first; the options are passed on."""
    command = [sys.executable, str(ROOT / "scripts" / script), "--json"]
    env = {**os.environ, "NIGHTREEL_CONFIG": str(looked_at / "config.yaml")}
    done = subprocess.run(command, cwd="/", env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (len(found) if script == "morning_review.py" else found["videos"]) in (4, {"en": 2, "fr": 2})


def test_what_is_printed_without_a_terminal_is_plain(looked_at):
    """A log is no place for colours; a title that looks like markup is a title."""
    for command in (["report"], ["review"], ["show", "1"]):
        answer = nightreel(*command, cwd=looked_at, NO_COLOR="", TERM="xterm-256color")
        assert answer.code == 0
        assert not CONTROL & set(answer.out), command
    assert "[red]La Joconde[/]" in run("review", cwd=looked_at, stdin="s\ns\ns\ns\n").out + answer.out


def test_a_terminal_without_accents_gets_question_marks(looked_at):
    """Not a traceback."""
    answer = nightreel("report", cwd=looked_at, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert answer.code == 0
    assert "?" in answer.out


def test_config_shows_every_setting_as_it_is_understood(looked_at):
    """What it prints is a config file itself."""
    answer = run("config", cwd=looked_at)
    found = yaml.safe_load(answer.out)
    assert answer.code == 0
    assert found["night"]["paintings"] == 20
    assert found["home"] == str(looked_at)


def test_redo_and_abort_change_one_item(night):
    """What runs again is named, what leaves the pool too; the next night takes it first."""
    studio, (first, second, _) = night
    home = studio.home.root
    assert run("review", cwd=home, stdin="a\na\nq\n").code == 0
    sent = nightreel("redo", str(first), "--from", "subtitles", "--lang", "fr", "--reason", "late", cwd=home)
    assert sent.code == 0
    lines = sent.out.splitlines()
    assert lines[0] == f"item {first} goes back: subtitles, final_video"
    assert lines[-1] == "make it with: nightreel resume    (the next night takes it first)"
    assert lines[1].startswith(f"taken out of the pool: {studio.home.pool}")
    assert len(list(studio.home.pool.iterdir())) == 1
    assert run("redo", str(second), "--from", "audio", cwd=home).code == 0
    aborted = run("abort", str(second), "--reason", "[not] worth it", cwd=home)
    assert (aborted.code, aborted.out) == (0, f"item {second} is aborted\n")
    assert "  [not] worth it\n" in run("show", str(second), cwd=home).out


def test_what_cannot_be_done_to_an_item_is_said_and_changes_nothing(looked_at):
    """Exit code 2, one line, no traceback: a wrong step, language or item."""
    report = json.loads((looked_at / "reports" / "night-0001" / "report.json").read_text(encoding="utf-8"))
    numbers = {item["state"]: str(item["item_id"]) for item in report["items"]}
    made, down = numbers["COMPLETE"], numbers["ABORTED"]
    for arguments, words in (
        (["redo", made, "--from", "lipsync"], "there is no step 'lipsync'; the steps are: prepare, script"),
        (["redo", made, "--from", "audio", "--lang", "de"], "has no language 'de'; it has: fr, en"),
        (["redo", made, "--from", "clean_pic", "--lang", "fr"], "shared by all languages of an item: leave out --lang"),
        (["redo", down, "--from", "prepare"], "was turned down and stays so: The face is too small"),
        (["abort", made], "is COMPLETE; reject its videos with: nightreel review"),
        (["abort", down], "is ABORTED already"),
        (["report", "7"], "there is no night 7; the last one is 1"),
        (["review", "7"], "there is no night 7; the last one is 1"),
    ):
        answer = run(*arguments, cwd=looked_at)
        assert answer.code == ExitCode.USAGE, arguments
        assert words in answer.err
        assert "Traceback" not in answer.err
    assert json.loads(run("status", "--json", cwd=looked_at).out)["items"] == {"ABORTED": 1, "COMPLETE": 2}


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["redo", "1"],
        ["redo", "one", "--from", "audio"],
        ["run", "--paintings", "0"],
        ["resume", "--stop-by", "25:00"],
        ["embedded", "--port", "99999"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_a_usage_error(looked_at, arguments):
    """Exit code 2, and no traceback."""
    answer = run(*arguments, cwd=looked_at)
    assert answer.code == ExitCode.USAGE
    assert "Traceback" not in answer.err


def test_a_report_that_cannot_be_written_is_a_matter_of_storage(night):
    """Exit code 9, where, and what to do."""
    studio, _ = night
    studio.home.report_of(1).write_text("in the way")
    answer = run("report", cwd=studio.home.root)
    assert answer.code == ExitCode.STORAGE
    assert str(studio.home.report_of(1)) in answer.err
    assert "nightreel report 1" in answer.err


def test_a_pool_that_cannot_be_written_to_is_a_matter_of_storage(night):
    """The verdicts before it are kept, the video still waits."""
    studio, _ = night
    shutil.rmtree(studio.home.pool)
    studio.home.pool.symlink_to("/proc")  # nobody, root neither, makes folders there
    answer = run("review", cwd=studio.home.root, stdin="r\ntoo dark\na\n")
    assert answer.code == ExitCode.STORAGE
    assert "1 rejected; 100% rejected; 3 still wait" in answer.out
    assert "Traceback" not in answer.err


def test_folders_that_cannot_be_used_are_named(tmp_path):
    """Also by commands that make many files."""
    (tmp_path / "file").write_text("")
    for arguments in (["init", "file"], ["demo", "--dir", "file"]):
        answer = run(*arguments, cwd=tmp_path)
        assert answer.code == ExitCode.STORAGE
        assert str(tmp_path / "file") in answer.err
        assert "Traceback" not in answer.err


@pytest.mark.parametrize("llm", [[], ["--llm"]], ids=["comfyui", "llm"])
def test_a_port_that_is_taken_is_said(tmp_path, llm):
    """Exit code 8: it is not a defect of ours."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        answer = nightreel("embedded", *llm, "--port", str(port), cwd=tmp_path)
    assert answer.code == ExitCode.NOT_READY
    assert str(port) in answer.err
    assert "Traceback" not in answer.err


def test_a_second_night_is_told_who_runs(night):
    """Exit code 6, and how to stop the other one."""
    studio, _ = night
    studio.store.acquire_lock("night", owner="me", host=socket.gethostname(), pid=os.getpid(), stale_after_s=30)
    studio.clock.advance(10 * 365 * 86_400)
    studio.store.heartbeat("night", "me")
    answer = run("resume", cwd=studio.home.root)
    assert answer.code == ExitCode.NIGHT_RUNNING
    assert f"process {os.getpid()}" in answer.err


@pytest.mark.parametrize(
    ("outcome", "stopped", "code"),
    [
        ("complete", {}, ExitCode.OK),
        ("failed", {}, ExitCode.SOME_FAILED),
        ("stopped", {"audio": "MissingModel"}, ExitCode.SOME_FAILED),
        ("stopped", {}, ExitCode.STOPPED),
    ],
)
def test_the_end_of_a_night_decides_the_code(looked_at, monkeypatch, outcome, stopped, code):
    """Scripts tell a night with failures from one that was stopped; both end with the summary."""
    result = NightResult(1, outcome, stopped, looked_at / "logs" / "night-0001.jsonl")
    monkeypatch.setattr(cli.nights, "run_watched", lambda *_, **__: result)
    answer = run("run", cwd=looked_at)
    assert answer.code == code
    assert "report: " in answer.out
    assert ("step audio stopped: MissingModel" in answer.out) == bool(stopped)


def test_a_night_without_room_for_its_report_still_ends_with_a_summary(night, monkeypatch):
    """What came out is on the disk; only the report is missing, and how to make it is said."""
    studio, _ = night
    studio.home.report_of(1).write_text("in the way")
    result = NightResult(1, "complete", {}, studio.home.logs / "night-0001.jsonl")
    monkeypatch.setattr(cli.nights, "run_watched", lambda *_, **__: result)
    answer = run("run", cwd=studio.home.root)
    assert answer.code == ExitCode.STORAGE
    assert "4 videos:" in answer.out
    assert "nightreel report 1" in answer.err


def test_a_defect_keeps_its_traceback_and_is_code_1(looked_at, monkeypatch):
    """What nobody foresaw must be reported with where it was; Ctrl-C outside a night is no defect."""
    monkeypatch.setattr(Store, "status", lambda _: 1 / 0)
    defect = run("status", cwd=looked_at)
    assert defect.code == ExitCode.UNEXPECTED
    assert "ZeroDivisionError" in defect.err
    assert "please report it" in defect.err

    def interrupted(_: Store) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "status", interrupted)
    assert run("status", cwd=looked_at).code == ExitCode.STOPPED_NOW


def test_help_loads_nothing_heavy():
    """`nightreel --help` answers at once, because what is heavy is loaded where it is used."""
    heavy = ["numpy", "PIL", "sqlalchemy", "pydantic", "requests", "cv2", "av", "libzim", "aiohttp", "yaml"]
    program = f"import sys, orchestrator.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"

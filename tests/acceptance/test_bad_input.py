"""What a user can get wrong before a night: each answer has a clear message and the documented exit code."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import threading
from pathlib import Path

import pytest
from PIL import Image

from orchestrator.errors import ExitCode
from tests.acceptance.command import run


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A home with three small pictures in its catalogue, made once."""
    base = tmp_path_factory.mktemp("template")
    assert run("init", "reels", cwd=base).code == 0
    folder = base / "reels"
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(3):
        Image.new("RGB", (64, 96), (number * 40, 80, 120)).save(pictures / f"painting {number}.png")
    assert run("catalogue", "add", "pictures", cwd=folder).code == 0
    return folder


@pytest.fixture
def home(template, tmp_path):
    """A copy of it for one test."""
    return Path(shutil.copytree(template, tmp_path / "reels"))


def add_to_config(home: Path, text: str) -> None:
    with (home / "config.yaml").open("a", encoding="utf-8") as file:
        file.write("\n" + text + "\n")


@pytest.mark.parametrize("command", [["status"], ["run"], ["resume"], ["doctor"], ["report"], ["catalogue", "lists"]])
def test_without_a_config_every_command_says_how_to_make_one(tmp_path, command):
    """Exit code 3, and the very command to type."""
    answer = run(*command, cwd=tmp_path)
    assert answer.code == ExitCode.CONFIG
    assert "nightreel init" in answer.err


def test_a_wrong_config_lists_every_problem(home):
    """All keys at once, nothing started."""
    (home / "config.yaml").write_text("nite: 1\nnight: {paintings: x}\n")
    answer = run("run", cwd=home)
    assert answer.code == ExitCode.CONFIG
    assert "nite" in answer.err
    assert "night.paintings" in answer.err


def test_an_empty_catalogue_says_how_to_fill_it(tmp_path):
    """Exit code 7: nothing to do is not a defect."""
    run("init", ".", cwd=tmp_path)
    answer = run("run", cwd=tmp_path)
    assert answer.code == ExitCode.NOTHING_TO_DO
    assert "nightreel catalogue add" in answer.err


def test_nothing_to_resume_is_said(home):
    """Exit code 7 as well."""
    answer = run("resume", cwd=home)
    assert answer.code == ExitCode.NOTHING_TO_DO
    assert "nothing to go on with" in answer.err


def test_a_catalogue_with_a_thousand_broken_rows_keeps_the_good_ones(home):
    """Each bad row is named with its line; the good ones are in."""
    Image.new("RGB", (64, 96), "red").save(home / "good.png")
    rows = ["path,title,year", "good.png,The Good One,1503"]
    rows += [f"missing{number}.png,Nobody {number},1503" for number in range(1000)]
    (home / "list.csv").write_text("\n".join(rows), encoding="utf-8")
    answer = run("catalogue", "add", "list.csv", "--json", cwd=home)
    found = json.loads(answer.out)
    assert answer.code == 0
    assert (found["added"], len(found["bad"])) == (1, 1000)
    assert found["bad"][0]["line"] == 3
    assert "missing0.png" in found["bad"][0]["reason"]


def test_a_source_that_does_not_exist_is_named(home):
    """Not an empty success."""
    answer = run("catalogue", "add", "nowhere", cwd=home)
    assert answer.code != 0
    assert "nowhere" in answer.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "99"], "there is no item 99"),
        (["abort", "99"], "there is no item 99"),
        (["redo", "99", "--from", "audio"], "there is no item 99"),
        (["report"], "no night yet"),
        (["report", "7"], "no night yet"),
    ],
)
def test_what_does_not_exist_is_said_plainly(home, arguments, words):
    """Exit code 2, no traceback."""
    answer = run(*arguments, cwd=home)
    assert answer.code == ExitCode.USAGE
    assert words in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("content", [None, b"", b"not a zim at all" * 100], ids=["absent", "empty", "other"])
def test_a_zim_that_cannot_be_used_stops_the_night_before_it_starts(home, content):
    """Exit code 8, the file, and what to do: not ten hours of scripts without facts."""
    if content is not None:
        (home / "wiki.zim").write_bytes(content)
    add_to_config(home, "zim: {fr: wiki.zim}")
    answer = run("run", cwd=home)
    assert answer.code == ExitCode.NOT_READY
    assert "ZIM fr" in answer.err
    assert "wiki.zim" in answer.err


class _OtherProgram(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<html><body>Router login</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def other_program():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _OtherProgram)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def refusing():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("which", ["other_program", "refusing"])
def test_an_address_that_is_no_comfyui_stops_the_night_before_it_starts(home, request, which):
    """Exit code 8; the instance, the address, what was found there."""
    url = request.getfixturevalue(which)
    add_to_config(home, f'comfyui: {{instances: [{{name: card0, url: "{url}"}}]}}')
    answer = run("run", cwd=home)
    assert answer.code == ExitCode.NOT_READY
    assert "instance card0" in answer.err
    assert url.removeprefix("http://") in answer.err


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc").exists(), reason="needs a folder that root cannot write to")
def test_a_home_that_cannot_be_written_to_is_named(tmp_path):
    """Exit code 9; /proc takes no folders from anybody."""
    (tmp_path / "config.yaml").write_text("home: /proc/nightreel\n")
    answer = run("status", cwd=tmp_path)
    assert answer.code == ExitCode.STORAGE
    assert "/proc/nightreel" in answer.err


def test_a_database_that_is_none_is_named(home):
    """Exit code 9, and the file is left as it is."""
    for path in home.glob("nightreel.db*"):
        path.unlink()
    (home / "nightreel.db").write_bytes(b"this is no database" * 100)
    answer = run("status", cwd=home)
    assert answer.code == ExitCode.STORAGE
    assert "nightreel.db" in answer.err
    assert (home / "nightreel.db").read_bytes().startswith(b"this is no database")


def test_a_wrong_time_is_a_usage_error(home):
    """Before anything is started."""
    answer = run("run", "--stop-by", "soon", cwd=home)
    assert answer.code == ExitCode.USAGE
    assert "soon" in answer.err


def test_doctor_answers_in_json_with_the_same_exit_code(home):
    """For scripts."""
    good = run("doctor", "--json", cwd=home)
    assert good.code == 0
    assert {finding["grade"] for finding in json.loads(good.out)} == {"ok"}
    add_to_config(home, "zim: {en: none.zim}")
    bad = run("doctor", "--json", cwd=home)
    assert bad.code == ExitCode.NOT_READY
    assert [one["subject"] for one in json.loads(bad.out) if one["grade"] == "problem"] == ["ZIM en"]

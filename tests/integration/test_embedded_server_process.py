"""How an embedded server process starts, ends, and what is left of it: what a restart hook and a crash meet."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise

import pytest
import requests
from embedded_server_replay import embedded, heard_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from orchestrator.children import Child, module_program

LIMIT_S = 10.0


def _graph(node: str = "SleepWithProgress", **values) -> dict:
    bound = {"image": ["1", 0], **values}
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 48, "batch_size": 1, "color": 255}},
        "2": {"class_type": node, "inputs": bound},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "p"}},
    }


SLEEPING = _graph(steps=200, seconds_per_step=0.1, preview=False, seed=1)
QUICK = _graph(steps=1, seconds_per_step=0.0, preview=False, seed=1)


def _post(url: str, graph: dict, **more) -> requests.Response:
    return requests.post(f"{url}/prompt", json={"prompt": graph, "client_id": "me", **more}, timeout=LIMIT_S)


def _finished(url: str, prompt_id: str) -> dict:
    gives_up_at = time.monotonic() + LIMIT_S
    while time.monotonic() < gives_up_at:
        entry = requests.get(f"{url}/history/{prompt_id}", timeout=LIMIT_S).json()
        if entry:
            return entry[prompt_id]
        time.sleep(0.01)
    raise AssertionError(f"{prompt_id} did not finish")


def _wait_until_running(url: str) -> None:
    gives_up_at = time.monotonic() + LIMIT_S
    while not requests.get(f"{url}/queue", timeout=LIMIT_S).json()["queue_running"]:
        assert time.monotonic() < gives_up_at
        time.sleep(0.01)


def test_it_answers_when_it_says_ready(tmp_path):
    """The line on stdout is the only signal a starter has; nothing may be refused after it."""
    with embedded(tmp_path) as ((url,), process):
        system = requests.get(f"{url}/system_stats", timeout=LIMIT_S).json()["system"]
    assert system["comfyui_version"] == "0.27.0"
    assert system["nightreel_preview"] is True
    assert system["pid"] == process.pid


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 0)])
def test_a_signal_ends_it_in_the_middle_of_a_prompt(tmp_path, number, code):
    """No graceful end in either case: SIGTERM at once, SIGINT soon, sockets without a close frame or with 1001."""
    with embedded(tmp_path) as ((url,), process), connect(f"{url.replace('http', 'ws')}/ws?clientId=me") as ws:
        assert _post(url, SLEEPING).status_code == 200
        _wait_until_running(url)
        process.send_signal(number)
        assert process.wait(LIMIT_S) == code
        assert heard_until(ws, ConnectionClosed)


@pytest.mark.parametrize(("how", "code"), [("os._exit", 3), ("SIGSEGV", -signal.SIGSEGV)])
def test_a_node_can_take_the_process_with_it(tmp_path, how, code):
    """A crash inside a library looks like this from outside."""
    with embedded(tmp_path) as ((url,), process):
        with contextlib.suppress(requests.ConnectionError):  # it may die before it has answered
            _post(url, _graph("ExitProcess", code=3, how=how))
        assert process.wait(LIMIT_S) == code


def test_after_a_kill_only_files_are_left(tmp_path):
    """A restart empties queue, history and temp, begins numbers at 0, has another boot id, and keeps outputs."""
    preview = {"1": QUICK["1"], "9": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    with embedded(tmp_path) as ((url,), process):
        saved = _finished(url, _post(url, QUICK).json()["prompt_id"])["outputs"]["9"]["images"][0]
        shown = _finished(url, _post(url, preview).json()["prompt_id"])["outputs"]["9"]["images"][0]
        assert requests.get(f"{url}/view", params=shown, timeout=LIMIT_S).status_code == 200
        boot = requests.get(f"{url}/system_stats", timeout=LIMIT_S).json()["system"]["boot_id"]
        _post(url, SLEEPING)
        process.kill()
        process.wait(LIMIT_S)
    with embedded(tmp_path) as ((url,), _):
        assert requests.get(f"{url}/system_stats", timeout=LIMIT_S).json()["system"]["boot_id"] != boot
        assert requests.get(f"{url}/history", timeout=LIMIT_S).json() == {}
        assert requests.get(f"{url}/queue", timeout=LIMIT_S).json() == {"queue_running": [], "queue_pending": []}
        assert requests.get(f"{url}/view", params=saved, timeout=LIMIT_S).status_code == 200
        assert requests.get(f"{url}/view", params=shown, timeout=LIMIT_S).status_code == 404
        assert _post(url, QUICK).json()["number"] == 0


def test_a_taken_port_is_an_exit_code(tmp_path):
    """Whoever starts several cards must see that one did not get its port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        argv = [sys.executable, "-m", "orchestrator.embedded", "--directory", str(tmp_path)]
        ended = subprocess.run(
            [*argv, "--port", str(taken.getsockname()[1])], capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    assert ended.returncode == 1
    assert "Cannot listen" in ended.stderr


def test_a_fault_that_nobody_understands_stops_the_start(tmp_path):
    """A test that asks for a misspelt fault must not pass on a healthy server."""
    argv = [sys.executable, "-m", "orchestrator.embedded", "--directory", str(tmp_path), "--fault", "explode"]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert ended.returncode == 2
    assert "unknown fault 'explode'" in ended.stderr


def test_an_orphan_ends_by_itself(tmp_path):
    """A crashed orchestrator must not leave servers behind for ever; one that is in use stays."""
    with embedded(tmp_path, "--idle-exit-s", "0.5") as ((url,), process):
        with connect(f"{url.replace('http', 'ws')}/ws?clientId=me") as ws:
            ws.recv(timeout=LIMIT_S)
            time.sleep(1.0)
            assert process.poll() is None
        assert process.wait(LIMIT_S) == 0


def test_cards_of_one_process_share_nothing(tmp_path):
    """Two cards at once: a prompt, a cache hit and a file of one are unknown to the other."""
    with embedded(tmp_path, "--cards", "2") as ((first, second), _):
        prompt_id = _post(first, QUICK).json()["prompt_id"]
        _finished(first, prompt_id)
        assert requests.get(f"{second}/history/{prompt_id}", timeout=LIMIT_S).json() == {}
        other = _finished(second, _post(second, QUICK).json()["prompt_id"])
        assert dict(other["status"]["messages"])["execution_cached"]["nodes"] == []
        assert other["outputs"]["9"]["images"][0]["filename"] == "p_00001_.png"


def test_a_node_that_holds_the_interpreter_delays_every_answer(tmp_path):
    """HTTP times out though the job is healthy, and a prompt whose POST timed out was accepted all the same."""
    holding = _graph("HoldGIL", n=26, seed=1)
    with embedded(tmp_path) as ((url,), _):
        first = _post(url, holding).json()["prompt_id"]
        _wait_until_stalled(url)
        with pytest.raises(requests.Timeout):
            requests.post(f"{url}/prompt", json={"prompt": QUICK, "client_id": "me", "prompt_id": _ID}, timeout=0.3)
        assert _finished(url, first)["status"]["status_str"] == "success"
        assert _finished(url, _ID)["status"]["status_str"] == "success"


def _wait_until_stalled(url: str) -> None:
    gives_up_at = time.monotonic() + LIMIT_S
    with contextlib.suppress(requests.Timeout):
        while time.monotonic() < gives_up_at:
            requests.get(f"{url}/prompt", timeout=0.2)


_ID = "11111111-2222-4333-8444-555555555555"


def test_uploads_beyond_the_limit_are_refused(tmp_path):
    """The same limit holds for files and for graphs, and /features tells it."""
    with embedded(tmp_path, "--max-upload-size", "1") as ((url,), _):
        assert requests.get(f"{url}/features", timeout=LIMIT_S).json()["max_upload_size"] == 1048576
        too_much = {"image": ("big.bin", b"x" * 1_049_576)}
        refused = requests.post(f"{url}/upload/image", files=too_much, timeout=LIMIT_S)
        assert (refused.status_code, refused.text) == (413, "Maximum request body size 1048576 exceeded.")
        enough = {"image": ("ok.bin", b"x" * 1_000_000)}
        assert requests.post(f"{url}/upload/image", files=enough, timeout=LIMIT_S).status_code == 200


def test_two_queued_prompts_follow_each_other_at_once(tmp_path):
    """The gap of a primed queue, by the server's own clock: what the night's benchmark rests on."""
    with embedded(tmp_path) as ((url,), _):
        graphs = [_graph(steps=2, seconds_per_step=0.01, preview=False, seed=seed) for seed in range(30)]
        ids = [_post(url, graph).json()["prompt_id"] for graph in graphs]
        entries = [_finished(url, prompt_id) for prompt_id in ids]
    times = [{kind: told["timestamp"] for kind, told in entry["status"]["messages"]} for entry in entries]
    gaps = sorted(after["execution_start"] - before["execution_success"] for before, after in pairwise(times))
    assert gaps[len(gaps) // 2] <= 2


def test_a_folder_full_of_odd_files_starts_no_other_code(tmp_path, monkeypatch):
    """Commands are typed anywhere, and what lies there is nobody's module: a `re.py` would break every start."""
    for name in ("re.py", "json.py", "orchestrator.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong file')\n")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "engine"
    program = module_program("orchestrator.embedded", ["--directory", str(folder)], probe="/system_stats")
    child = Child("engine", program, folder=folder)
    child.start()
    try:
        assert requests.get(f"{child.address}/system_stats", timeout=LIMIT_S).status_code == 200
    finally:
        child.stop()

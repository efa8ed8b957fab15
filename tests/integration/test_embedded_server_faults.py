"""Every fault that a card can be asked for does what its name says, to a client over real sockets."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import socket
import time

import numpy as np
import pytest
import requests
from embedded_server_replay import embedded, heard_until
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

LIMIT_S = 10.0
ID = "11111111-2222-4333-8444-555555555555"
GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 48, "batch_size": 1, "color": 255}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "p"}},
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One healthy card for all faults that do not end it."""
    with embedded(tmp_path_factory.mktemp("card")) as ((url,), _):
        yield url


@pytest.fixture
def card(shared):
    """The card without any fault, its cache empty."""
    requests.delete(f"{shared}/nightreel/faults", timeout=LIMIT_S).raise_for_status()
    requests.post(f"{shared}/free", json={"free_memory": True}, timeout=LIMIT_S).raise_for_status()
    return shared


def _ask(url: str, **fault) -> None:
    requests.post(f"{url}/nightreel/faults", json=fault, timeout=LIMIT_S).raise_for_status()


def _post(url: str, **more) -> requests.Response:
    return requests.post(f"{url}/prompt", json={"prompt": GRAPH, "client_id": "me", **more}, timeout=LIMIT_S)


def _finished(url: str, prompt_id: str) -> dict:
    gives_up_at = time.monotonic() + LIMIT_S
    while time.monotonic() < gives_up_at:
        entry = requests.get(f"{url}/history/{prompt_id}", timeout=LIMIT_S).json()
        if entry:
            return entry[prompt_id]
        time.sleep(0.01)
    raise AssertionError(f"{prompt_id} did not finish")


def _last_message(entry: dict) -> dict:
    return entry["status"]["messages"][-1][1]


def test_a_broken_context_stays_broken(card):
    """Every later prompt fails as well, with a type and text that a real one has; only then is a restart the cure."""
    _ask(card, kind="poison", node="EmptyImage")
    for _ in range(2):
        told = _last_message(_finished(card, _post(card).json()["prompt_id"]))
        assert told["exception_type"] == "torch.AcceleratorError"
        assert told["exception_message"].startswith("CUDA error: an illegal memory access was encountered\n")
    requests.delete(f"{card}/nightreel/faults", timeout=LIMIT_S).raise_for_status()
    assert _finished(card, _post(card).json()["prompt_id"])["status"]["status_str"] == "success"


@pytest.mark.parametrize(
    ("how", "kind", "text"),
    [
        ("torch", "torch.OutOfMemoryError", "CUDA out of memory"),
        ("cuda", "RuntimeError", "CUDA error: out of memory"),
        ("memory", "MemoryError", "Unable to allocate"),
    ],
)
def test_out_of_memory_looks_like_the_real_one(card, how, kind, text):
    """The client tells these apart by type and text; afterwards the card works again."""
    _ask(card, kind="oom", node="EmptyImage", how=how)
    told = _last_message(_finished(card, _post(card).json()["prompt_id"]))
    assert told["exception_type"] == kind
    assert text in told["exception_message"]
    assert _finished(card, _post(card).json()["prompt_id"])["status"]["status_str"] == "success"


def test_a_node_can_fail(card):
    """A plain error of a node, with its words."""
    _ask(card, kind="error", node="SaveImage", how="no face found")
    assert _last_message(_finished(card, _post(card).json()["prompt_id"]))["exception_message"] == "no face found\n"


def test_a_hanging_node_hears_an_interrupt(card):
    """The client's first remedy for silence."""
    _ask(card, kind="hang", node="SaveImage")
    prompt_id = _post(card).json()["prompt_id"]
    while not requests.get(f"{card}/queue", timeout=LIMIT_S).json()["queue_running"]:
        time.sleep(0.01)
    requests.post(f"{card}/interrupt", json={"prompt_id": prompt_id}, timeout=LIMIT_S)
    entry = _finished(card, prompt_id)
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"


def test_a_graph_is_refused_on_demand(card):
    """400 with node_errors, as for a model that is not installed."""
    _ask(card, kind="refuse", node="EmptyImage")
    refused = _post(card)
    assert refused.status_code == 400
    assert list(refused.json()["node_errors"]) == ["1"]


def test_sockets_are_cut_in_the_middle(card):
    """The client sees 1006 and must go on without the socket."""
    with connect(f"{card.replace('http', 'ws')}/ws?clientId=me") as ws:
        _ask(card, kind="drop_socket", node="SaveImage")
        prompt_id = _post(card).json()["prompt_id"]
        assert "execution_success" not in heard_until(ws, ConnectionClosed)
        assert ws.protocol.close_rcvd is None
    assert _finished(card, prompt_id)["status"]["status_str"] == "success"


def test_a_mute_socket_stays_open_and_says_nothing(card):
    """Silence without any error: only a timeout or polling notices it."""
    with connect(f"{card.replace('http', 'ws')}/ws?clientId=me") as ws:
        ws.recv(timeout=LIMIT_S)
        _ask(card, kind="mute_socket", node="EmptyImage")
        _finished(card, _post(card).json()["prompt_id"])
        assert "execution_success" not in heard_until(ws, TimeoutError, timeout_s=0.3)
        assert ws.ping().wait(LIMIT_S)


def test_unknown_messages_come_in_between(card):
    """Custom nodes send what they like, to everybody; a client must pass over it."""
    with connect(f"{card.replace('http', 'ws')}/ws?clientId=me") as ws:
        _ask(card, kind="chatter", node="SaveImage")
        _finished(card, _post(card).json()["prompt_id"])
        kinds = heard_until(ws, TimeoutError, timeout_s=0.3)
    assert {"monitor.usage", "binary", "execution_success"} <= set(kinds)


def test_a_saved_file_can_be_cut_short(card):
    """History lists it under its final name; only decoding shows that half of it is missing."""
    _ask(card, kind="truncate_file", node="SaveImage")
    saved = _finished(card, _post(card).json()["prompt_id"])["outputs"]["9"]["images"][0]
    half = requests.get(f"{card}/view", params=saved, timeout=LIMIT_S).content
    whole = _finished(card, _post(card, prompt_id=ID).json()["prompt_id"])
    assert whole["outputs"]["9"]["images"][0] == saved, "the cache repeats the damaged file, as a real one would"
    with pytest.raises((OSError, SyntaxError)):
        Image.open(io.BytesIO(half)).load()


def test_a_saved_file_can_vanish(card):
    """Success, an entry in history, and 404."""
    _ask(card, kind="missing_file", node="SaveImage")
    saved = _finished(card, _post(card).json()["prompt_id"])["outputs"]["9"]["images"][0]
    assert requests.get(f"{card}/view", params=saved, timeout=LIMIT_S).status_code == 404


def test_history_can_come_late(card):
    """Between success and the entry, the prompt is still among the running ones: never nowhere."""
    with connect(f"{card.replace('http', 'ws')}/ws?clientId=me") as ws:
        _ask(card, kind="slow_history", seconds=0.4)
        prompt_id = _post(card).json()["prompt_id"]
        while json.loads(ws.recv(timeout=LIMIT_S))["type"] != "execution_success":
            pass
        assert requests.get(f"{card}/history/{prompt_id}", timeout=LIMIT_S).json() == {}
        assert requests.get(f"{card}/queue", timeout=LIMIT_S).json()["queue_running"][0][1] == prompt_id
    _finished(card, prompt_id)


def test_an_accepted_prompt_may_never_be_confirmed(card):
    """The two ways to lose the answer of a POST; looking before sending again finds the prompt."""
    _ask(card, kind="post_timeout", seconds=1.0)
    with pytest.raises(requests.Timeout):
        requests.post(f"{card}/prompt", json={"prompt": GRAPH, "prompt_id": ID}, timeout=0.2)
    _finished(card, ID)
    _ask(card, kind="post_lost")
    other = ID.replace("1", "2")
    with pytest.raises(requests.ConnectionError):
        _post(card, prompt_id=other)
    _finished(card, other)


def test_routes_can_answer_badly(card):
    """5xx, another program's page, an answer cut in the middle, an answer too late: each only where asked for."""
    _ask(card, kind="status", route="/history", code=502)
    _ask(card, kind="html", route="/system_stats")
    _ask(card, kind="cut", route="/queue")
    _ask(card, kind="answer_late", route="/prompt", seconds=1.0)
    assert requests.get(f"{card}/api/history", timeout=LIMIT_S).status_code == 502
    assert requests.get(f"{card}/system_stats", timeout=LIMIT_S).headers["Content-Type"].startswith("text/html")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(f"{card}/queue", timeout=LIMIT_S)
    with pytest.raises(requests.Timeout):
        requests.get(f"{card}/prompt", timeout=0.2)
    for route in ("/history", "/system_stats", "/queue", "/prompt"):
        assert requests.get(card + route, timeout=LIMIT_S).status_code == 200


def test_the_queue_can_be_forgotten(card):
    """As after a restart that nobody saw: in neither queue nor history, and the card takes new prompts."""
    _ask(card, kind="forget_queue", node="SaveImage")
    prompt_id = _post(card).json()["prompt_id"]
    gives_up_at = time.monotonic() + LIMIT_S
    while requests.get(f"{card}/prompt", timeout=LIMIT_S).json()["exec_info"]["queue_remaining"]:
        assert time.monotonic() < gives_up_at
        time.sleep(0.01)
    assert requests.get(f"{card}/history/{prompt_id}", timeout=LIMIT_S).json() == {}
    assert _finished(card, _post(card).json()["prompt_id"])["status"]["status_str"] == "success"


def test_a_stalled_server_answers_nobody(card):
    """Whichever question comes during the stall waits for its end, be it the cheapest one."""
    _ask(card, kind="stall", node="SaveImage", seconds=0.8)
    waits = [_duration(lambda: _post(card, prompt_id=ID))]
    while max(waits) < 0.6 and sum(waits) < LIMIT_S:
        waits.append(_duration(lambda: requests.get(f"{card}/prompt", timeout=LIMIT_S)))
    assert max(waits) >= 0.6
    assert _finished(card, ID)["status"]["status_str"] == "success"


def _duration(action) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def test_a_fault_that_nobody_understands_is_refused(card):
    """The run-time route answers 400 with what it knows."""
    refused = requests.post(f"{card}/nightreel/faults", json={"kind": "explode"}, timeout=LIMIT_S)
    assert refused.status_code == 400
    assert "known: die" in refused.json()["error"]
    listed = requests.get(f"{card}/nightreel/faults", timeout=LIMIT_S).json()
    assert listed["faults"] == []
    assert "die" in listed["kinds"]


def test_a_card_can_die_at_a_given_prompt(tmp_path):
    """SIGKILL in the middle of the second prompt; the first one is unharmed."""
    with embedded(tmp_path, "--fault", "die@node=SaveImage,prompt=2") as ((url,), process):
        _finished(url, _post(url).json()["prompt_id"])
        changed = json.loads(json.dumps(GRAPH).replace('"p"', '"q"'))
        with contextlib.suppress(requests.ConnectionError):  # it may be dead before it has answered
            requests.post(f"{url}/prompt", json={"prompt": changed}, timeout=LIMIT_S)
        assert process.wait(LIMIT_S) == -signal.SIGKILL


def test_a_zombie_worker_looks_healthy(tmp_path):
    """HTTP answers, interrupts have no effect, nothing ever runs again."""
    with embedded(tmp_path, "--fault", "zombie@node=EmptyImage") as ((url,), process):
        prompt_id = _post(url).json()["prompt_id"]
        _post(url)
        time.sleep(0.3)
        requests.post(f"{url}/interrupt", json={"prompt_id": prompt_id}, timeout=LIMIT_S)
        queue = requests.get(f"{url}/queue", timeout=LIMIT_S).json()
        assert [item[1] for item in queue["queue_running"]] == [prompt_id]
        assert len(queue["queue_pending"]) == 1
        assert process.poll() is None


def test_a_client_that_stops_reading_holds_up_all_others(tmp_path):
    """One line of messages for everybody: a trap of real servers that the client must drain its sockets for."""
    noise = tmp_path / "input" / "noise.png"
    with embedded(tmp_path) as ((url,), _), connect(f"{url.replace('http', 'ws')}/ws?clientId=reader") as reader:
        big = np.random.default_rng(0).integers(0, 256, (1400, 1400, 3), dtype=np.uint8)
        Image.fromarray(big).save(noise)
        graph = {
            "1": {"class_type": "LoadImage", "inputs": {"image": "noise.png"}},
            "9": {"class_type": "SaveImageWebsocket", "inputs": {"images": ["1", 0]}},
        }
        stuck = socket.create_connection((url.split("//")[1].split(":")[0], int(url.rsplit(":", 1)[1])))
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.sendall(
            b"GET /ws?clientId=stuck HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        for _ in range(3):
            sent = requests.post(f"{url}/prompt", json={"prompt": graph, "client_id": "stuck"}, timeout=LIMIT_S)
            _finished(url, sent.json()["prompt_id"])
        mine = requests.post(f"{url}/prompt", json={"prompt": GRAPH, "client_id": "reader"}, timeout=LIMIT_S).json()
        _finished(url, mine["prompt_id"])
        assert "execution_success" not in heard_until(reader, TimeoutError, timeout_s=0.5)
        stuck.close()
        while json.loads(reader.recv(timeout=LIMIT_S))["type"] != "execution_success":
            pass

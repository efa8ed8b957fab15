"""Whether it is the same server process, and what has to be back before a restarted instance counts as ready."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from comfyui_stage import Stage, json_answer, open_stage, text_answer

from orchestrator.clock import SystemClock
from orchestrator.comfyui import hostprocess, readiness
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import ConnectionRefused, RestartFailed
from orchestrator.comfyui.hostprocess import HostProcess, committed_share, is_here, process_behind
from orchestrator.comfyui.identity import MARKER, has_changed, identity
from orchestrator.comfyui.readiness import Headroom, restart_and_wait

CLOCK = SystemClock()
GIB = 1024**3


@dataclass(frozen=True)
class Doing:
    """A restarter that does what a test says."""

    deed: Callable[[], None]

    def restart(self) -> None:
        self.deed()


class Temp:
    """The temp folder of a server: emptied when it starts, kept while it runs."""

    def __init__(self, stage: Stage) -> None:
        self.files: dict[str, bytes] = {}
        self.is_full = False
        self.before_upload: Callable[[], None] = lambda: None
        stage.routes["GET /view"] = self._view
        stage.routes["POST /upload/image"] = self._upload

    async def _view(self, request: web.Request) -> web.StreamResponse:
        assert request.query["type"] == "temp"
        content = self.files.get(request.query["filename"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if self.is_full:
            return web.Response(status=500)
        self.before_upload()
        form = await request.post()
        assert form["type"] == "temp"
        image = form["image"]
        assert isinstance(image, web.FileField)
        self.files.setdefault(image.filename, image.file.read())  # the same name with another content is not replaced
        return web.json_response({"name": image.filename, "subfolder": "", "type": "temp"})


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as stage:
        stage.routes["GET /object_info"] = json_answer({"SaveImage": {}})
        yield stage


@pytest.fixture
def temp(stage: Stage) -> Temp:
    return Temp(stage)


@pytest.fixture
def client(stage: Stage) -> Iterator[ComfyClient]:
    client = ComfyClient(stage.url, client_id="x", clock=CLOCK)
    yield client
    client.close()


def vram(stage: Stage, free_gib: float, *, total_gib: float = 24.0, kind: str = "cuda") -> None:
    """Have the server tell of a card."""
    device = {"name": "card", "type": kind, "index": 0}
    device |= {"vram_total": int(total_gib * GIB), "vram_free": int(free_gib * GIB)}
    system = {"comfyui_version": "0.27.0", "boot_id": stage.stats.get("boot_id")}
    stage.routes["GET /system_stats"] = json_answer({"system": system, "devices": [device]})


# -- the id -----------------------------------------------------------------------------------------------------------


def test_a_boot_id_that_is_told_is_the_identity(stage, temp, client):
    """The embedded server's own; nothing is put into its temp folder."""
    stage.stats["boot_id"] = "one"
    assert identity(client) == "one"
    assert temp.files == {}
    assert not has_changed(client, "one")
    assert has_changed(client, "another")


def test_a_server_without_one_is_given_one_that_lives_as_long_as_its_process(temp, client):
    """Everybody reads the same, until a restart empties the folder."""
    first = identity(client)
    assert first is not None
    assert identity(client) == first
    assert not has_changed(client, first)
    temp.files.clear()
    assert has_changed(client, first)
    assert identity(client) not in (None, first)


def test_of_two_who_mark_it_at_once_both_read_the_same(temp, client):
    """Two nights on one server: the second upload does not replace the first."""
    theirs = "01234567-89ab-cdef-0123-456789abcdef"
    temp.before_upload = lambda: temp.files.update({MARKER: theirs.encode()})
    assert identity(client) == theirs


@pytest.mark.parametrize("content", [b"", b"something else", b"\xff" * 200])
def test_a_marker_of_another_kind_is_no_identity(temp, client, content):
    """It is the server's answer: data, and not taken for an id."""
    temp.files[MARKER] = content
    assert identity(client) is None


def test_a_server_that_keeps_no_files_has_no_identity(temp, client):
    """A full disk, a read-only folder: there are other signs of a restart."""
    temp.is_full = True
    assert identity(client) is None


def test_a_server_that_is_down_is_told_from_one_without_identity(stage, client):
    """No answer is not an answer."""
    stage.stop()
    with pytest.raises(ConnectionRefused):
        identity(client)


# -- proof of a restart -----------------------------------------------------------------------------------------------


def test_an_emptied_temp_folder_is_the_proof(temp, client):
    """A restart so quick that nobody saw it away, of a server that tells no id."""
    before = identity(client)
    restarted = restart_and_wait(Doing(temp.files.clear), client, timeout_s=10, clock=CLOCK)
    assert restarted.boot_id not in (None, before)


def test_a_moment_without_connection_is_no_proof(stage, temp, client, monkeypatch):
    """The network was away, not the server: its temp folder is as it was."""
    monkeypatch.setattr(readiness, "SETTLE_S", 0.5)

    def blink() -> None:
        stage.stop()
        stage.start()

    with pytest.raises(RestartFailed, match=r"still answered by the same process.*the unit behind that address"):
        restart_and_wait(Doing(blink), client, timeout_s=10, clock=CLOCK)
    assert MARKER in temp.files


def test_a_prompt_that_is_forgotten_is_the_proof_where_nothing_else_is(stage, client):
    """No id, no marker, never seen away: its history is gone all the same."""
    stage.history["done"] = {"prompt": [0, "done", {}, {}, []], "outputs": {}, "status": {"status_str": "success"}}
    restart_and_wait(Doing(stage.history.clear), client, timeout_s=10, clock=CLOCK, finished=["unknown", "done"])


def test_nodes_that_failed_to_load_are_not_waited_for_until_the_limit(stage, client, monkeypatch):
    """The port opens when loading is over: a class that is missing then is a pack that broke."""
    monkeypatch.setattr(readiness, "LOADING_S", 0.3)
    stage.stats["boot_id"] = "one"
    with pytest.raises(RestartFailed, match=r"without the node classes WanPack: the custom nodes .* failed to load"):
        restart_and_wait(
            Doing(lambda: stage.stats.update(boot_id="two")), client, timeout_s=3600, clock=CLOCK, needed=["WanPack"]
        )


# -- the card's memory ------------------------------------------------------------------------------------------------


def restart_a_card(stage: Stage, client: ComfyClient, deed: Callable[[], None], *, needed_gib: float = 0.0):
    stage.stats["boot_id"] = "one"
    vram(stage, 3.0)

    def restart() -> None:
        stage.stats["boot_id"] = "two"
        deed()

    headroom = Headroom(int(22.0 * GIB), int(needed_gib * GIB))
    return restart_and_wait(Doing(restart), client, timeout_s=10, clock=CLOCK, headroom=headroom)


def test_the_cards_memory_is_waited_for(stage, client):
    """The driver gives it back a while after the old process has ended."""
    later = threading.Timer(0.4, lambda: vram(stage, 21.9))

    def deed() -> None:
        vram(stage, 3.0)
        later.start()

    assert restart_a_card(stage, client, deed).missing_bytes == 0
    assert later.finished.is_set()


def test_memory_that_stays_away_is_told_and_is_no_failure_where_the_rest_is_enough(stage, client, monkeypatch):
    """Somebody else uses the card: the step fits all the same."""
    monkeypatch.setattr(readiness, "MEMORY_S", 0.3)
    restarted = restart_a_card(stage, client, lambda: vram(stage, 15.0), needed_gib=14.0)
    assert restarted.missing_bytes == pytest.approx(7 * GIB)


def test_memory_that_stays_away_is_a_failure_where_the_rest_is_too_little(stage, client, monkeypatch):
    """The step would run out of memory on every item."""
    monkeypatch.setattr(readiness, "MEMORY_S", 0.3)
    with pytest.raises(RestartFailed, match=r"only 9\.0 of 24\.0 GB .* 22\.0 GB were free at first, and 14\.0 GB"):
        restart_a_card(stage, client, lambda: vram(stage, 9.0), needed_gib=14.0)


def test_a_server_without_a_card_has_no_such_memory(stage, client):
    """On the CPU the figures are those of RAM, which is everybody's."""
    assert restart_a_card(stage, client, lambda: vram(stage, 1.0, kind="cpu"), needed_gib=14.0).missing_bytes == 0


# -- the process on this machine --------------------------------------------------------------------------------------

SERVER = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that listens, started as a server would be."""
    script = tmp_path / "main.py"
    script.write_text(SERVER)
    process = subprocess.Popen([sys.executable, str(script), "--listen", "x y"], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_server_of_this_machine_is_found_by_its_port_and_arguments(server):
    """Its memory can be measured, and its end seen."""
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    found = process_behind(url, ["main.py", "--listen", "x y"])
    assert found is not None
    assert found.pid == server.pid
    assert 1024**2 < (found.rss_bytes() or 0) < 1024**3
    assert not found.is_gone()
    assert process_behind(url, ["main.py", "--listen"]) is None, "the end of a tunnel is not the server"
    assert process_behind(url, []) is None
    server.kill()
    server.wait()
    assert found.is_gone()
    assert found.rss_bytes() is None


@pytest.mark.parametrize("url", ["http://192.0.2.1:8188", "http://no such host:1", "http://"])
def test_other_machines_have_no_process_here(url):
    """192.0.2.1 is nobody's: an address set aside for documents."""
    assert process_behind(url, ["main.py"]) is None


def test_this_machine_is_known_by_any_of_its_addresses():
    """Without a packet being sent."""
    assert is_here("http://127.0.0.1:8188")
    assert is_here("http://localhost:8188")
    assert is_here(f"http://{socket.gethostname()}:8188")
    assert not is_here("http://192.0.2.1:8188")


def test_an_old_process_that_stays_is_a_failed_restart(stage, client, monkeypatch, server):
    """It lost the port, and holds the card's memory."""
    monkeypatch.setattr(readiness, "ENDING_S", 0.3)
    born = hostprocess._born(server.pid)
    monkeypatch.setattr(readiness, "process_behind", lambda url, argv: HostProcess(server.pid, born))
    stage.stats["boot_id"] = "one"
    with pytest.raises(RestartFailed, match=rf"the old one \({server.pid}\) is still there after 0\.3 s"):
        restart_and_wait(Doing(lambda: stage.stats.update(boot_id="two")), client, timeout_s=10, clock=CLOCK)


def test_committed_memory_is_a_share_of_ram_and_swap(tmp_path, monkeypatch):
    """More than all of it may be promised."""
    monkeypatch.setattr(hostprocess, "PROC", tmp_path)
    assert committed_share() is None
    meminfo = "MemTotal: 1000 kB\nMemFree: 5 kB\nSwapTotal: 1000 kB\nCommitted_AS: 3000 kB\n"
    (tmp_path / "meminfo").write_text(meminfo)
    assert committed_share() == 1.5


def test_a_server_that_is_another_program_now_is_not_ready(stage, client):
    """The unit was changed to something else: it says so at once."""
    stage.stats["boot_id"] = "one"

    def replace() -> None:
        stage.routes["GET /system_stats"] = text_answer("<html><title>Jellyfin</title></html>")

    with pytest.raises(RestartFailed):
        restart_and_wait(Doing(replace), client, timeout_s=0.5, clock=CLOCK)

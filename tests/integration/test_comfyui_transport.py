"""Whatever may be found at an address, told apart: refused, silent, another program, a web page, a proxy."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests
from comfyui_stage import Stage, json_answer, open_stage, text_answer

from orchestrator.clock import SystemClock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import (
    AccessDenied,
    AddressUnknown,
    AnswerTimedOut,
    ComfyUIError,
    ConnectionBroken,
    ConnectionRefused,
    GatewayDown,
    NotComfyUI,
    ServerFault,
)
from orchestrator.comfyui.transport import Transport
from steps.errors import Remedy


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as stage:
        yield stage


def client_of(url: str) -> ComfyClient:
    return ComfyClient(url, client_id="x", clock=SystemClock(), connect_timeout_s=1, read_timeout_s=0.6)


@contextmanager
def speaker(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A program at a port that is no web server."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(2)


def test_a_closed_port_refuses():
    """Nothing listens: ComfyUI is not started, or the port is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectionRefused, match="nothing listens") as caught:
        client_of(f"http://127.0.0.1:{port}").system_stats()
    assert caught.value.remedy is Remedy.WAIT_AND_RETRY


def test_a_host_name_that_is_unknown_is_told():
    """A typing error in config.yaml, or a machine that is off."""
    with pytest.raises(AddressUnknown):
        client_of("http://no-such-host.invalid:8188").system_stats()


def test_a_server_that_says_nothing_times_out():
    """It took the connection, so it is there; it may be busy."""
    with speaker(lambda connection: time.sleep(1)) as url, pytest.raises(AnswerTimedOut):
        client_of(url).system_stats()


def test_a_server_that_hangs_up_is_broken():
    """It died in the middle."""

    def hang_up(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")

    with speaker(hang_up) as url, pytest.raises(ConnectionBroken):
        client_of(url).system_stats()


def test_a_program_that_is_no_web_server_is_named_by_what_it_says():
    """An SSH port, a database: its first line tells the operator what it is."""

    def greet(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
        connection.recv(1000)

    with speaker(greet) as url, pytest.raises(NotComfyUI, match=r"SSH-2\.0-OpenSSH_9\.6"):
        client_of(url).system_stats()


def test_a_web_page_is_named_by_its_title(stage):
    """A router, a login page, the wrong port of the right machine."""
    page = "<!doctype html><html><head><title>FRITZ!Box\n  7590</title></head></html>"
    stage.routes["GET /system_stats"] = text_answer(page)
    with pytest.raises(NotComfyUI, match="a web page titled 'FRITZ!Box 7590'") as caught:
        client_of(stage.url).system_stats()
    assert "Check `url` of this instance" in str(caught.value)


def test_text_that_is_no_json_is_shown(stage):
    """The beginning of it, without control characters."""
    stage.routes["GET /queue"] = text_answer("It works!\x1b[2J\nmore", content_type="text/plain")
    with pytest.raises(NotComfyUI, match="It works!") as caught:
        client_of(stage.url).queue()
    assert "\x1b" not in str(caught.value)


def test_json_of_another_program_is_described(stage):
    """Many servers of the house answer JSON at /queue or /."""
    stage.routes["GET /queue"] = json_answer({"models": [], "object": "list"})
    with pytest.raises(NotComfyUI, match=r"a JSON object \(models, object\)"):
        client_of(stage.url).queue()


def test_a_redirect_is_not_followed(stage):
    """It leads to a login page, and a POST would become a GET."""

    async def redirect(request):
        from aiohttp import web

        return web.Response(status=302, headers={"Location": "https://login.example/"})

    stage.routes["GET /queue"] = redirect
    with pytest.raises(NotComfyUI, match=r"a redirect to https://login\.example/"):
        client_of(stage.url).queue()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AccessDenied),
        (403, AccessDenied),
        (404, NotComfyUI),
        (405, NotComfyUI),
        (500, ServerFault),
        (502, GatewayDown),
        (503, GatewayDown),
        (504, GatewayDown),
    ],
)
def test_each_status_has_its_meaning(stage, status, kind):
    """The remedy differs: wait for a proxy's server, stop for a wrong address."""
    stage.routes["GET /system_stats"] = text_answer("words", status=status, content_type="text/plain")
    with pytest.raises(kind, match=f"HTTP {status}"):
        client_of(stage.url).system_stats()


@pytest.mark.parametrize(
    "url",
    ["", "card0", "127.0.0.1:8188", "ftp://card0", "http://", "http://:8188", "http://a:99999", "http://a:x", "ws://a"],
)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(url):
    """With an example of one that would do."""
    with pytest.raises(NotComfyUI, match=r"expected an address such as http://127\.0\.0\.1:8188"):
        client_of(url)


def test_https_against_a_plain_server_is_told(stage):
    """A frequent slip in config.yaml."""
    with pytest.raises(ComfyUIError) as caught:
        client_of(stage.url.replace("http:", "https:")).system_stats()
    assert isinstance(caught.value, NotComfyUI)
    assert "TLS" in str(caught.value)


def test_a_path_before_the_routes_is_kept(stage):
    """ComfyUI behind a proxy's path."""
    stage.routes["GET /card 0/queue"] = json_answer({"queue_running": [], "queue_pending": []})
    client = client_of(f"{stage.url}/card 0/")
    assert client.queue().running == ()
    assert client.http.socket_url == f"ws://127.0.0.1:{stage.port}/card%200/ws"


def test_connections_are_kept_and_shared_by_threads(stage):
    """Opening one costs as much as a question, and a session of requests is not made for two threads at once."""
    ports: set[int] = set()
    usual = stage._usual

    def noting(request, body):
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return usual(request, body)

    stage._usual = noting
    client = client_of(stage.url)

    def ask() -> None:
        for _ in range(20):
            client.queue()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(ports) <= 6
    client.close()


def test_a_stale_connection_is_replaced_without_a_word(stage):
    """The server closes idle ones; a question that meets such a one is simply asked again."""
    client = client_of(stage.url)
    client.queue()
    stage.stop()
    stage.start()
    assert client.queue().running == ()
    client.close()


def test_the_environments_proxy_is_not_used(stage, monkeypatch):
    """A ComfyUI is a machine of the house; a company's proxy would answer in its place."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert client_of(stage.url).queue().running == ()


def test_every_kind_of_requests_error_ends_as_ours():
    """A library's exceptions stop at our wrapper, those of its later versions included."""
    transport = Transport("http://127.0.0.1:9", connect_timeout_s=1, read_timeout_s=1)
    kinds = [
        kind
        for kind in vars(requests.exceptions).values()
        if isinstance(kind, type) and issubclass(kind, requests.RequestException)
    ]
    assert len(kinds) > 15
    for kind in kinds:
        error = kind.__new__(kind)
        error.args = ("x",)
        with pytest.raises(ComfyUIError), transport.mapped_errors("GET", "/"):
            raise error

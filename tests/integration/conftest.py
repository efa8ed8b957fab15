"""Which ComfyUI server the contract tests of the client talk to: an embedded one, or any other one that is named.

pytest -m comfyui --comfyui-url http://127.0.0.1:8188
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_embedded import embedded
from comfyui_graphs import Graph, chain, run, sleeping

from orchestrator.clock import SystemClock
from orchestrator.comfyui.pace import Pace
from orchestrator.comfyui.session import InstanceSession
from tests.conftest import COMFYUI_VARIABLE

QUICK = Pace(live_poll_s=0.5)


@pytest.fixture(scope="module")
def comfyui_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server under contract."""
    url = request.config.getoption("--comfyui-url", default=None) or os.environ.get(COMFYUI_VARIABLE)
    if url:
        yield str(url)
        return
    folder: Path = tmp_path_factory.mktemp("comfyui")
    with embedded(folder) as server:
        yield server.url


@pytest.fixture(scope="module")
def comfy(comfyui_url: str) -> Iterator[InstanceSession]:
    """A session with the server under contract, with its socket open."""
    with InstanceSession("card0", comfyui_url, clock=SystemClock(), read_timeout_s=20, pace=QUICK) as session:
        assert session.events.wait_live(15)
        yield session


@pytest.fixture(scope="module")
def classes(comfy: InstanceSession) -> dict[str, Any]:
    """The node classes of the server under contract."""
    return comfy.client.object_info()


@pytest.fixture
def needs(classes: dict[str, Any]) -> Callable[..., None]:
    """Skip a test where the server lacks a node class, and say which."""

    def require(*wanted: str) -> None:
        missing = [name for name in wanted if name not in classes]
        if missing:
            pytest.skip(f"this server has no node {', '.join(missing)}")

    return require


@pytest.fixture
def dev_nodes(needs: Callable[..., None]) -> None:
    """Skip a test where the server lacks our test nodes, as every real one does."""
    needs("SleepWithProgress")


@pytest.fixture(scope="module")
def slow(comfy: InstanceSession, classes: dict[str, Any]) -> Callable[[float], Graph]:
    """Return a maker of graphs that run for about so many seconds and can be interrupted.

    Without our test nodes, that takes a chain of nodes which scale a large picture: how many is measured here.
    """
    if "SleepWithProgress" in classes:
        return lambda seconds: sleeping(max(2, int(seconds / 0.05)), 0.05)
    run(comfy, chain(2))
    began = time.monotonic()
    run(comfy, chain(6))
    each_s = max(0.005, (time.monotonic() - began) / 6)
    return lambda seconds: chain(max(4, int(seconds / each_s)))

"""Which ComfyUI server the contract tests of the client talk to: an embedded one, or a real one that is named.

pytest tests/integration/test_comfyui_contract.py --comfyui-url http://127.0.0.1:8188
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from comfyui_embedded import embedded

VARIABLE = "NIGHTREEL_TEST_COMFYUI_URL"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--comfyui-url", default=None, help=f"run the contract tests against this server (or ${VARIABLE})")


@pytest.fixture(scope="session")
def comfyui_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server under contract."""
    url = request.config.getoption("--comfyui-url", default=None) or os.environ.get(VARIABLE)
    if url:
        yield str(url)
        return
    folder: Path = tmp_path_factory.mktemp("comfyui")
    with embedded(folder) as server:
        yield server.url

"""Options of the tests: here and not beside the tests that use them, so that they are always known."""

from __future__ import annotations

import pytest

COMFYUI_VARIABLE = "NIGHTREEL_TEST_COMFYUI_URL"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--comfyui-url",
        default=None,
        help=f"run the contract tests (-m comfyui) against this server (or ${COMFYUI_VARIABLE})",
    )

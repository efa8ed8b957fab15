"""What all routes share: how to reach the card, and how a real server answers a body that it cannot read."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from orchestrator.embedded.card import Card

CARD: web.AppKey[Card] = web.AppKey("card", Card)


async def read_json(request: web.Request) -> Any:
    """Read a body as JSON, whatever its content type says.

    Raises:
        web.HTTPInternalServerError: it is not JSON. A real server has no better answer either.
    """
    try:
        return json.loads(await request.text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise trouble() from error


def trouble() -> web.HTTPInternalServerError:
    """The answer to what a real server did not foresee."""
    return web.HTTPInternalServerError(text="500 Internal Server Error\n\nServer got itself in trouble")

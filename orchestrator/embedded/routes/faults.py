"""Misbehaviour on demand, while the card runs. These routes are ours; a real server has none of them."""

from __future__ import annotations

from aiohttp import web

from orchestrator.embedded.errors import BadFault
from orchestrator.embedded.faults import KINDS, from_json
from orchestrator.embedded.routes.base import CARD, read_json

ROUTES = web.RouteTableDef()


@ROUTES.get("/nightreel/faults")
async def list_faults(request: web.Request) -> web.Response:
    """List the faults that were asked for, and the kinds there are."""
    known = {kind: what for kind, (_, what) in KINDS.items()}
    return web.json_response({"faults": request.app[CARD].faults.listing(), "kinds": known})


@ROUTES.post("/nightreel/faults")
async def add_faults(request: web.Request) -> web.Response:
    """Ask for one fault (an object) or several (a list of them)."""
    body = await read_json(request)
    board = request.app[CARD].faults
    try:
        asked = [from_json(one) for one in (body if isinstance(body, list) else [body])]
    except (BadFault, AttributeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    for fault in asked:
        board.add(fault)
    return web.json_response({"faults": board.listing()})


@ROUTES.delete("/nightreel/faults")
async def clear_faults(request: web.Request) -> web.Response:
    """Behave from now on."""
    card = request.app[CARD]
    card.faults.clear()
    card.hub.mute(is_muted=False)
    return web.json_response({"faults": []})

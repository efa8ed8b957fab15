"""The HTTP application of one card: who may ask, and where the routes are.

aiohttp is what a real ComfyUI uses; so wrong methods, too large bodies, ranges and HEAD are answered alike without any
code here. Every route exists twice, with and without `/api`.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlparse, urlsplit

from aiohttp import web

from orchestrator.embedded.card import Card
from orchestrator.embedded.routes import faults, files, info, jobs, prompts
from orchestrator.embedded.routes.base import CARD

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_app(card: Card) -> web.Application:
    """Build the application of a card; the card must have been made in the running event loop."""
    app = web.Application(
        client_max_size=card.settings.max_upload_bytes, middlewares=[_note_question, _play_faults, _check_origin]
    )
    app[CARD] = card
    for routes in (prompts.ROUTES, files.ROUTES, info.ROUTES):
        app.router.add_routes(routes)
        app.router.add_routes(_under_api(routes))
    if card.settings.dialect.has_jobs:
        app.router.add_routes(jobs.ROUTES)
    if card.settings.dialect.has_cancel:
        app.router.add_routes(jobs.CANCEL_ROUTES)
    app.router.add_routes(faults.ROUTES)
    app.router.add_get("/{tail:.*}", _nothing_there)
    app.on_startup.append(_start)
    app.on_cleanup.append(_stop)
    return app


def _under_api(routes: web.RouteTableDef) -> Iterator[web.RouteDef]:
    """Yield the routes of a table once more, under `/api`."""
    for route in routes:
        assert isinstance(route, web.RouteDef)
        yield web.RouteDef(route.method, f"/api{route.path}", route.handler, route.kwargs)


async def _start(app: web.Application) -> None:
    app[CARD].start()


async def _stop(app: web.Application) -> None:
    await app[CARD].stop()


async def _nothing_there(request: web.Request) -> web.Response:
    """Answer like the static files of a real server, which catch every GET that no route takes."""
    return web.Response(status=404, content_type="application/octet-stream")


@web.middleware
async def _note_question(request: web.Request, handler: Handler) -> web.StreamResponse:
    request.app[CARD].asked()
    return await handler(request)


@web.middleware
async def _play_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    path = request.path.removeprefix("/api")
    if path.startswith("/nightreel/"):
        return await handler(request)
    fault = request.app[CARD].faults.strike("http", route=path)
    if fault is None:
        return await handler(request)
    if fault.kind == "answer_late":
        await asyncio.sleep(fault.lasts(5.0))
        return await handler(request)
    if fault.kind == "status":
        return web.Response(status=fault.code, text=f"{fault.code}: on demand")
    if fault.kind == "html":
        return web.Response(text="<html><body>Welcome to another program.</body></html>", content_type="text/html")
    return await _cut_off(request, handler)


async def _cut_off(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send the head of an answer and some bytes of it, then cut the connection."""
    response = web.StreamResponse(headers={"Content-Length": "1000000"})
    await response.prepare(request)
    await response.write(b"{")
    if request.transport is not None:
        request.transport.abort()
    return response


@web.middleware
async def _check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep web pages from using a server on the same machine, by the rules of a real one."""
    if request.app[CARD].settings.dialect.checks_fetch_site and request.headers.get("Sec-Fetch-Site") == "cross-site":
        return web.Response(status=403)
    if not _is_same_site(request.headers.get("Host"), request.headers.get("Origin")):
        return web.Response(status=403)
    if request.method == "OPTIONS":
        return web.Response()
    return await handler(request)


def _is_same_site(host: str | None, origin: str | None) -> bool:
    """Whether a page of `origin` may ask `host`; only a loopback host is protected."""
    if host is None or origin is None:
        return True
    asked = urlsplit(f"//{host.lower()}")
    page = urlparse(origin)
    if not _is_loopback(asked.hostname):
        return True
    expected = asked.hostname if page.port is None else asked.netloc
    return not expected or not page.netloc or expected == page.netloc.lower()


def _is_loopback(name: Any) -> bool:
    if name is None:
        return False
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return bool(name == "localhost")

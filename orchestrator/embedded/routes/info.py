"""What a card is and has: node classes, models, versions, memory."""

from __future__ import annotations

import os
import sys
from typing import Any

from aiohttp import web

from orchestrator.embedded.card import Card
from orchestrator.embedded.pretend_vram import GIB, PretendCard
from orchestrator.embedded.routes.base import CARD

ROUTES = web.RouteTableDef()

HOME_PAGE = (
    "<!doctype html><title>Nightreel preview card</title><p>An embedded ComfyUI: the protocol, and no models.</p>"
)


@ROUTES.get("/object_info")
async def object_info(request: web.Request) -> web.Response:
    """Describe all node classes."""
    return web.json_response(request.app[CARD].schemas.all())


@ROUTES.get("/object_info/{class_type}")
async def object_info_of(request: web.Request) -> web.Response:
    """Describe one node class; nothing, if it is unknown."""
    class_type = request.match_info["class_type"]
    schema = request.app[CARD].schemas.get(class_type)
    return web.json_response({} if schema is None else {class_type: schema})


@ROUTES.get("/system_stats")
async def system_stats(request: web.Request) -> web.Response:
    """Tell versions and memory."""
    card = request.app[CARD]
    total, free = _memory()
    vram = card.settings.vram_bytes
    pretend = card.pretend
    if pretend is not None:
        return web.json_response({"system": _system(card, total, free), "devices": [_pretended(pretend)]})
    device = {
        "name": "cpu",
        "type": "cpu",
        "index": None,
        "vram_total": vram or total,
        "vram_free": vram or free,
        "torch_vram_total": vram or total,
        "torch_vram_free": vram or free,
    }
    return web.json_response({"system": _system(card, total, free), "devices": [device]})


def _pretended(pretend: PretendCard) -> dict[str, Any]:
    """Return a card that other processes use as well, with its figures as torch gives them."""
    held = int(pretend.held_gb() * GIB)
    return {
        "name": "cuda:0 pretend : native",
        "type": "cuda",
        "index": 0,
        "vram_total": int(pretend.total_gb * GIB),
        "vram_free": int(pretend.free_gb() * GIB),
        "torch_vram_total": held,
        "torch_vram_free": 0,
    }


def _system(card: Card, ram_total: int, ram_free: int) -> dict[str, Any]:
    settings = card.settings
    return {
        "os": "linux" if sys.platform.startswith("linux") else sys.platform,
        "ram_total": ram_total,
        "ram_free": ram_free,
        "comfyui_version": settings.dialect.version,
        "required_frontend_version": "1.45.20",
        "installed_templates_version": "0.11.1",
        "required_templates_version": "0.11.1",
        "comfy_package_versions": [],
        "python_version": sys.version,
        "pytorch_version": "0.0.0+none",
        "embedded_python": False,
        "deploy_environment": "nightreel",
        "argv": ["main.py", "--cpu", "--listen", settings.host, "--port", str(settings.port)],
        "nightreel_preview": True,
        "nightreel_timed": settings.is_timed,
        "boot_id": card.boot_id,
        "pid": os.getpid(),
    }


def _memory() -> tuple[int, int]:
    """Return the machine's memory and how much of it is free, in bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")


@ROUTES.get("/features")
async def features(request: web.Request) -> web.Response:
    """Tell what the server supports."""
    return web.json_response(request.app[CARD].features)


@ROUTES.get("/models")
async def model_folders(request: web.Request) -> web.Response:
    """List the folders of models."""
    return web.json_response(request.app[CARD].models.folders())


@ROUTES.get("/models/{folder}")
async def model_files(request: web.Request) -> web.Response:
    """List the files of a folder of models."""
    models = request.app[CARD].models
    folder = request.match_info["folder"]
    if folder not in models.folders():
        return web.Response(status=404)
    return web.json_response(models.names(folder))


@ROUTES.get("/embeddings")
async def embeddings(request: web.Request) -> web.Response:
    """List embeddings, without extensions."""
    names = request.app[CARD].models.names("embeddings")
    return web.json_response([os.path.splitext(name)[0] for name in names])


@ROUTES.get("/view_metadata/{folder}")
async def view_metadata(request: web.Request) -> web.Response:
    """There are no model files with metadata."""
    return web.Response(status=404)


@ROUTES.get("/node_replacements")
async def node_replacements(request: web.Request) -> web.Response:
    """No class is replaced at submit."""
    return web.json_response({})


@ROUTES.get("/extensions")
async def extensions(request: web.Request) -> web.Response:
    """There are no scripts for a browser."""
    return web.json_response([])


@ROUTES.get("/users")
async def users(request: web.Request) -> web.Response:
    """There is one user."""
    return web.json_response({"storage": "server", "migrated": False})


@ROUTES.get("/")
async def home(request: web.Request) -> web.Response:
    """Say what this is to whoever opens it in a browser."""
    return web.Response(text=HOME_PAGE, content_type="text/html")

"""Uploads and downloads."""

from __future__ import annotations

import asyncio
import hashlib
import io
import mimetypes
import os
from pathlib import Path

from aiohttp import web

from orchestrator.embedded.files import FOLDER_TYPES, Folders, OutsideFolder, write_beside
from orchestrator.embedded.routes.base import CARD, trouble

ROUTES = web.RouteTableDef()


@ROUTES.post("/upload/image")
@ROUTES.post("/upload/mask")
async def upload(request: web.Request) -> web.Response:
    """Take a file of any kind."""
    form = await request.post()
    field = form.get("image")
    if field is None or field == "":
        return web.Response(status=400)
    if not isinstance(field, web.FileField):
        raise trouble()
    folder_type = str(form.get("type") or "input")
    if folder_type not in FOLDER_TYPES:
        raise trouble()
    if not field.filename:
        return web.Response(status=400)
    subfolder = str(form.get("subfolder", ""))
    content = field.file.read()
    try:
        name = await asyncio.to_thread(
            _store,
            request.app[CARD].folders,
            folder_type,
            subfolder,
            field.filename,
            content,
            str(form.get("overwrite", "")) in ("true", "1"),
        )
    except OutsideFolder:
        return web.Response(status=400)
    except OSError as error:
        raise trouble() from error
    return web.json_response({"name": name, "subfolder": subfolder, "type": folder_type})


def _store(
    folders: Folders, folder_type: str, subfolder: str, filename: str, content: bytes, is_overwriting: bool
) -> str:
    """Write an upload and return the name it got: that of a file with the same content, if one is there."""
    base = folders.of_type(folder_type)
    assert base is not None
    folder = folders.inside(base, os.path.normpath(subfolder))
    wanted = filename.lstrip("/")
    folders.inside(base, os.path.join(folder, wanted))
    folder.mkdir(parents=True, exist_ok=True)
    name = wanted
    if not is_overwriting:
        stem, extension = os.path.splitext(wanted)
        index = 0
        while (folder / name).exists():
            if _digest((folder / name).read_bytes()) == _digest(content):
                return name
            index += 1
            name = f"{stem} ({index}){extension}"
    target = Path(os.path.normpath(folder / name))
    write_beside(target, lambda part: _write(part, content))
    return name


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@ROUTES.get("/view")
async def view(request: web.Request) -> web.StreamResponse:
    """Send a file, or a re-encoded picture of it."""
    folders = request.app[CARD].folders
    if "filename" not in request.query:
        return web.Response(status=404)
    filename, folder = folders.split_annotated(request.query["filename"])
    if not filename or filename.startswith("/") or ".." in filename:
        return web.Response(status=400)
    folder = folder or folders.of_type(request.query.get("type", "output"))
    if folder is None:
        return web.Response(status=400)
    try:
        folder = folders.inside(folder, request.query.get("subfolder", ""))
    except OutsideFolder:
        return web.Response(status=403)
    path = folder / os.path.basename(filename)
    if not path.is_file():
        return web.Response(status=404)
    headers = {"Content-Disposition": f'filename="{path.name}"'}
    wants_picture = {"preview", "channel"} & request.query.keys()
    if not wants_picture:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return web.FileResponse(path, headers={**headers, "Content-Type": kind})
    try:
        body, kind = await asyncio.to_thread(
            _picture, path, request.query.get("preview"), request.query.get("channel", "rgba")
        )
    except (OSError, ValueError) as error:
        raise trouble() from error
    return web.Response(body=body, content_type=kind, headers=headers)


def _picture(path: Path, preview: str | None, channel: str) -> tuple[bytes, str]:
    """Encode an image again: smaller, or only one of its channels."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(path) as image:
        if preview is not None:
            name, _, quality = preview.partition(";")
            kind = name if name in ("webp", "jpeg") else "webp"
            picture = image.convert("RGB") if kind == "jpeg" else image
            picture.save(buffer, kind.upper(), quality=int(quality) if quality.isdigit() else 90)
            return buffer.getvalue(), f"image/{kind}"
        if channel == "a":
            alpha = image.convert("RGBA").getchannel("A")
            shown = Image.new("RGBA", image.size)
            shown.putalpha(alpha)
        else:
            shown = image.convert("RGB") if channel == "rgb" else image.copy()
        shown.save(buffer, "PNG")
    return buffer.getvalue(), "image/png"


@ROUTES.get("/internal/files/{folder_type}")
async def list_files(request: web.Request) -> web.Response:
    """List the files lying directly in a folder, the newest first."""
    folder_type = request.match_info["folder_type"]
    folders = request.app[CARD].folders
    folder = folders.of_type(folder_type)
    if folder is None:
        return web.json_response({"error": "Invalid directory type"}, status=400)
    names = sorted(folders.top_level(folder_type), key=lambda name: -(folder / name).stat().st_mtime)
    return web.json_response([f"{name} [{folder_type}]" for name in names])

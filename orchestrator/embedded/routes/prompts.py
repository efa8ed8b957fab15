"""Submitting, queue, history, interrupt, free, and the websocket."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any

from aiohttp import web

from orchestrator.embedded.card import Card
from orchestrator.embedded.prompts import Item
from orchestrator.embedded.routes.base import CARD, read_json, trouble
from orchestrator.embedded.validation import request_error

ROUTES = web.RouteTableDef()

SECRET_KEYS = ("auth_token_comfy_org", "api_key_comfy_org")


@ROUTES.get("/ws")
async def websocket(request: web.Request) -> web.StreamResponse:
    """Talk to a client until it leaves."""
    card = request.app[CARD]
    greetings: list[tuple[str, dict[str, Any]]] = [("status", {"status": _exec_info(card)})]
    shown = card.worker.greeting(request.query.get("clientId", ""))
    if shown is not None:
        greetings.append(("executing", {"node": shown}))
    return await card.hub.serve(request, greetings)


@ROUTES.get("/prompt")
async def get_prompt(request: web.Request) -> web.Response:
    """Tell how many prompts are left."""
    return web.json_response(_exec_info(request.app[CARD]))


def _exec_info(card: Card) -> dict[str, Any]:
    return {"exec_info": {"queue_remaining": card.queue.remaining()}}


@ROUTES.post("/prompt")
async def post_prompt(request: web.Request) -> web.StreamResponse:
    """Validate a graph and queue it."""
    card = request.app[CARD]
    body = await read_json(request)
    try:
        answer = _submit(card, body)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise trouble() from error
    if answer.status == 200:
        await _answer_badly(card, request)
    return answer


def _submit(card: Card, body: Any) -> web.Response:
    number = _number(card, body)
    if "prompt" not in body:
        return _refusal(request_error("no_prompt", "No prompt provided", "No prompt provided"))
    prompt_id = _prompt_id(card, body)
    if prompt_id is None:
        return _refusal(
            request_error(
                "invalid_prompt_id",
                "prompt_id must be a valid UUID",
                "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
                "omit it to let the server generate one",
            )
        )
    graph = body["prompt"]
    verdict = card.validator.validate(graph, only=body.get("partial_execution_targets"))
    extra_data = body.get("extra_data", {})
    if "client_id" in body:
        extra_data["client_id"] = body["client_id"]
    if verdict.error is not None:
        return _refusal(verdict.error, verdict.node_errors)
    refused = _refuse_on_demand(card, graph, verdict.outputs)
    if refused is not None:
        return refused
    kept = {key: value for key, value in extra_data.items() if key not in SECRET_KEYS}
    if card.settings.dialect.stamps_create_time:
        kept["create_time"] = int(time.time() * 1000)
    item: Item = (number, prompt_id, graph, kept, verdict.outputs)
    card.queue.put(item)
    return web.json_response({"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors})


def _number(card: Card, body: Any) -> float:
    """Return the place in the queue; a number of our own is used up whatever becomes of the prompt."""
    if "number" in body:
        return float(body["number"])
    number = card.submitted
    card.submitted += 1
    is_front = isinstance(body, dict) and body.get("front")
    return -number if is_front else number


def _prompt_id(card: Card, body: dict[str, Any]) -> str | None:
    """Return the prompt's id, or None for one that is not allowed."""
    if not card.settings.dialect.strict_prompt_ids:
        return str(body["prompt_id"]) if "prompt_id" in body else str(uuid.uuid4())
    wanted = body.get("prompt_id")
    if wanted is None:
        return str(uuid.uuid4())
    try:
        is_canonical = isinstance(wanted, str) and str(uuid.UUID(wanted)) == wanted
    except ValueError:
        return None
    return wanted if is_canonical else None


def _refusal(error: dict[str, Any], node_errors: dict[str, Any] | None = None) -> web.Response:
    return web.json_response({"error": error, "node_errors": node_errors or {}}, status=400)


def _refuse_on_demand(card: Card, graph: dict[str, Any], outputs: list[str]) -> web.Response | None:
    classes = {node["class_type"]: node_id for node_id, node in graph.items()}
    fault = card.faults.strike("submit", nodes=classes)
    if fault is None:
        return None
    node_id = classes.get(fault.node or "", outputs[0])
    problem = {
        "type": "value_not_in_list",
        "message": "Value not in list",
        "details": "refused on demand",
        "extra_info": {"input_name": "", "input_config": None, "received_value": None},
    }
    class_type = graph[node_id]["class_type"]
    errors = {node_id: {"errors": [problem], "dependent_outputs": outputs, "class_type": class_type}}
    return _refusal(request_error("prompt_outputs_failed_validation", "Prompt outputs failed validation"), errors)


async def _answer_badly(card: Card, request: web.Request) -> None:
    """The prompt is queued; now let the answer be late, or never come."""
    fault = card.faults.strike("accepted")
    if fault is None:
        return
    if fault.kind == "post_timeout":
        await asyncio.sleep(fault.lasts(5.0))
    elif request.transport is not None:
        request.transport.abort()


@ROUTES.get("/queue")
async def get_queue(request: web.Request) -> web.Response:
    """List what runs and what waits."""
    running, waiting = request.app[CARD].queue.view()
    return web.json_response({"queue_running": running, "queue_pending": waiting})


@ROUTES.post("/queue")
async def post_queue(request: web.Request) -> web.Response:
    """Take prompts out of the queue."""
    body = await read_json(request)
    queue = request.app[CARD].queue
    if body.get("clear"):
        queue.clear()
    for prompt_id in body.get("delete", ()):
        queue.delete(prompt_id)
    return web.Response()


@ROUTES.post("/interrupt")
async def post_interrupt(request: web.Request) -> web.Response:
    """Stop what runs, or only a prompt of the given id."""
    card = request.app[CARD]
    try:
        body = json.loads(await request.text())
    except json.JSONDecodeError:
        body = {}
    if not isinstance(body, dict):
        raise trouble()
    prompt_id = body.get("prompt_id")
    if not prompt_id or card.queue.is_running(prompt_id):
        card.interrupt.request()
    return web.Response()


@ROUTES.post("/free")
async def post_free(request: web.Request) -> web.Response:
    """Ask for memory; the worker sees to it when it is idle."""
    request.app[CARD].queue.ask_free(await read_json(request))
    return web.Response()


@ROUTES.get("/history")
async def get_history(request: web.Request) -> web.Response:
    """List finished prompts."""
    try:
        max_items = request.query.get("max_items")
        offset = int(request.query.get("offset", "-1"))
        limit = None if max_items is None else int(max_items)
    except ValueError as error:
        raise trouble() from error
    return web.json_response(request.app[CARD].queue.history(max_items=limit, offset=offset))


@ROUTES.get("/history/{prompt_id}")
async def get_history_entry(request: web.Request) -> web.Response:
    """Show one finished prompt; nothing, if it is unknown."""
    prompt_id = request.match_info["prompt_id"]
    entry = request.app[CARD].queue.entry(prompt_id)
    return web.json_response({} if entry is None else {prompt_id: entry})


@ROUTES.post("/history")
async def post_history(request: web.Request) -> web.Response:
    """Forget finished prompts."""
    body = await read_json(request)
    queue = request.app[CARD].queue
    if body.get("clear"):
        queue.clear_history()
    for prompt_id in body.get("delete", ()):
        queue.delete_history(prompt_id)
    return web.Response()

"""/api/jobs: one list of everything, and cancelling whatever state a prompt is in."""

from __future__ import annotations

import json
import uuid
from typing import Any

from aiohttp import web

from orchestrator.embedded import jobs
from orchestrator.embedded.card import Card
from orchestrator.embedded.routes.base import CARD, trouble

ROUTES = web.RouteTableDef()
CANCEL_ROUTES = web.RouteTableDef()


@ROUTES.get("/api/jobs")
async def list_jobs(request: web.Request) -> web.Response:
    """List jobs, filtered, sorted and in pages."""
    try:
        wanted, limit, offset = _filters(request)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    try:
        found = _all(request.app[CARD])
    except AttributeError as error:
        raise trouble() from error
    workflow_id = request.query.get("workflow_id")
    found = [
        job
        for job in found
        if (not wanted or job["status"] in wanted) and (not workflow_id or job.get("workflow_id") == workflow_id)
    ]
    key = _duration if request.query.get("sort_by") == "execution_duration" else _created
    found.sort(key=key, reverse=request.query.get("sort_order", "desc") == "desc")
    page = found[offset : None if limit is None else offset + limit]
    paging = {"offset": offset, "limit": limit, "total": len(found), "has_more": offset + len(page) < len(found)}
    return web.json_response({"jobs": page, "pagination": paging})


def _filters(request: web.Request) -> tuple[list[str], int | None, int]:
    """Read status, limit and offset. Raises ValueError with the sentence for the client."""
    wanted = [status for status in request.query.get("status", "").split(",") if status]
    unknown = [status for status in wanted if status not in jobs.STATUSES]
    if unknown:
        raise ValueError(f"Invalid status value(s): {', '.join(unknown)}. Valid values: {', '.join(jobs.STATUSES)}")
    limit = _whole(request.query.get("limit"), at_least=1, sentence="limit must be a positive integer")
    offset = _whole(request.query.get("offset"), at_least=0, sentence="offset must be a non-negative integer")
    return wanted, limit, offset or 0


def _whole(text: str | None, *, at_least: int, sentence: str) -> int | None:
    if text is None:
        return None
    try:
        value = int(text)
    except ValueError:
        raise ValueError(sentence) from None
    if value < at_least:
        raise ValueError(sentence)
    return value


def _created(job: dict[str, Any]) -> float:
    return float(job.get("create_time", 0))


def _duration(job: dict[str, Any]) -> float:
    return float(job.get("execution_end_time", 0) - job.get("execution_start_time", 0))


def _all(card: Card) -> list[dict[str, Any]]:
    running, waiting = card.queue.view()
    return [
        *(jobs.waiting_job(item, "pending") for item in waiting),
        *(jobs.waiting_job(item, "in_progress") for item in running),
        *(jobs.finished_job(entry, card.settings.dialect) for entry in card.queue.history().values()),
    ]


@ROUTES.get("/api/jobs/{job_id}")
async def get_job(request: web.Request) -> web.Response:
    """Show one job."""
    card = request.app[CARD]
    job_id = request.match_info["job_id"]
    running, waiting = card.queue.view()
    for items, status in ((running, "in_progress"), (waiting, "pending")):
        for item in items:
            if item[1] == job_id:
                return web.json_response(jobs.waiting_job(item, status))
    entry = card.queue.entry(job_id)
    if entry is None:
        return web.json_response({"error": "Job not found"}, status=404)
    try:
        return web.json_response(jobs.detailed_job(entry, card.settings.dialect))
    except AttributeError as error:
        raise trouble() from error


@CANCEL_ROUTES.post("/api/jobs/{job_id}/cancel")
async def cancel_job(request: web.Request) -> web.Response:
    """Dequeue or interrupt one job."""
    return web.json_response({"cancelled": _cancel(request.app[CARD], request.match_info["job_id"])})


@CANCEL_ROUTES.post("/api/jobs/cancel")
async def cancel_jobs(request: web.Request) -> web.Response:
    """Dequeue or interrupt several jobs."""
    try:
        body = json.loads(await request.text())
    except json.JSONDecodeError:
        return web.json_response({"error": "Request body must be valid JSON"}, status=400)
    job_ids = body.get("job_ids") if isinstance(body, dict) else None
    if not isinstance(job_ids, list):
        return web.json_response({"error": "job_ids must be a list"}, status=400)
    invalid = [str(job_id) for job_id in job_ids if not _is_uuid(job_id)]
    if invalid:
        return web.json_response({"error": "job_ids contains invalid id(s)", "invalid_ids": invalid}, status=400)
    cancelled = [_cancel(request.app[CARD], job_id) for job_id in job_ids]
    return web.json_response({"cancelled": any(cancelled)})


def _cancel(card: Card, job_id: str) -> bool:
    if card.queue.delete(job_id):
        return True
    if card.queue.is_running(job_id):
        card.interrupt.request()
        return True
    return False


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(uuid.UUID(value))
    except ValueError:
        return False

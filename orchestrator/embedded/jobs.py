"""The queue and the history seen as one list of jobs, as newer servers show them under /api/jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.embedded.dialect import Dialect
from orchestrator.embedded.prompts import Item

STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")

Job = dict[str, Any]


def waiting_job(item: Item, status: str) -> Job:
    """Show a prompt that waits or runs."""
    job = {
        "id": item[1],
        "status": status,
        "priority": item[0],
        "create_time": item[3].get("create_time"),
        "outputs_count": 0,
        **_workflow_id(item[3]),
    }
    return {key: value for key, value in job.items() if value is not None}


def finished_job(entry: Mapping[str, Any], dialect: Dialect) -> Job:
    """Show a prompt of the history.

    Raises:
        AttributeError: its `extra_pnginfo` is not an object; a real server answers 500 as well.
    """
    number, prompt_id, _, extra_data, _ = entry["prompt"]
    messages = dict(entry["status"]["messages"])
    count, shown = _summary(entry["outputs"])
    end: dict[str, Any] = next((messages[kind] for kind in _ENDS if kind in messages), {})
    job = {
        "id": prompt_id,
        "status": _status(entry["status"]["status_str"], messages, dialect),
        "priority": number,
        "create_time": extra_data.get("create_time"),
        "execution_start_time": messages.get("execution_start", {}).get("timestamp"),
        "execution_end_time": end.get("timestamp"),
        "execution_error": messages.get("execution_error"),
        "outputs_count": count,
        "preview_output": shown,
        **_workflow_id(extra_data),
    }
    return {key: value for key, value in job.items() if value is not None}


def detailed_job(entry: Mapping[str, Any], dialect: Dialect) -> Job:
    """Show a prompt of the history with its outputs, messages and graph."""
    return {
        **finished_job(entry, dialect),
        "outputs": entry["outputs"],
        "execution_status": entry["status"],
        "workflow": {"prompt": entry["prompt"][2], "extra_data": entry["prompt"][3]},
    }


_ENDS = ("execution_success", "execution_error", "execution_interrupted")


def _status(status: str, messages: Mapping[str, Any], dialect: Dialect) -> str:
    if status == "success":
        return "completed"
    return dialect.cancelled_status if "execution_interrupted" in messages else "failed"


def _workflow_id(extra_data: Mapping[str, Any]) -> dict[str, Any]:
    return {"workflow_id": extra_data.get("extra_pnginfo", {}).get("workflow", {}).get("id")}


def _summary(outputs: Mapping[str, Any]) -> tuple[int, dict[str, Any] | None]:
    """Count what the nodes showed, and choose one thing to show: a saved file rather than a preview."""
    count = 0
    first: dict[str, Any] | None = None
    for node_id, shown in outputs.items():
        for kind, values in shown.items():
            if kind == "animated" or not isinstance(values, list):
                continue
            for value in values:
                count += 1
                found = {**(value if isinstance(value, dict) else {"content": value})}
                found |= {"nodeId": node_id, "mediaType": kind}
                if first is None or (first.get("type") != "output" and found.get("type") == "output"):
                    first = found
    return count, first

"""Handing a prompt to a server exactly once.

POST /prompt is the one request whose lost answer matters: the prompt may be queued, or even be done, although we saw a
time-out. And an answer 200 may still refuse half of the graph. Both are resolved here, so that a caller gets an
acceptance or an error that is true.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from orchestrator.comfyui.errors import (
    AddressUnknown,
    AnswerTimedOut,
    ConnectionBroken,
    ConnectionRefused,
    GatewayDown,
    InstanceDown,
    NotComfyUI,
    Refused,
    ServerFault,
    Stopped,
    UnsupportedServer,
)
from orchestrator.comfyui.refusals import refusal
from orchestrator.comfyui.replies import Place, describe

if TYPE_CHECKING:
    from orchestrator.comfyui.client import ComfyClient


@dataclass(frozen=True)
class Patience:
    """How long an unresolved submission is looked after."""

    answer_s: float = 120.0  # until a server that is busy answers GET /queue again
    down_s: float = 10.0  # until one that takes no connection does
    grace_s: float = 2.0  # a request in the server's socket buffer is still read after we gave up on it
    sends: int = 3  # times the prompt is sent in all


PATIENCE = Patience()


@dataclass(frozen=True)
class Accepted:
    """The prompt is on the server."""

    prompt_id: str
    number: float  # the server's queue number; -1 when the answer was lost and the prompt was found finished
    looked_up: bool = False  # the answer was lost; the prompt was found by looking


def submit(
    client: ComfyClient,
    prompt_id: str,
    *,
    graph: Mapping[str, Any],
    extra_data: Mapping[str, Any] | None,
    stop: threading.Event | None,
    patience: Patience,
) -> Accepted:
    """Do what `ComfyClient.submit` promises."""
    body = {
        "prompt": graph,
        "prompt_id": prompt_id,
        "client_id": client.client_id,  # always: without it, cached nodes leave no outputs in the history
        "extra_data": {"preview_method": "none", **(extra_data or {})},  # previews cost time on the card
    }
    lost: InstanceDown | None = None
    for _ in range(patience.sends):
        try:
            response = client.http.send("POST", "/prompt", body=body)
        except (ConnectionRefused, AddressUnknown) as error:
            raise error.about(prompt_id=prompt_id) from error.__cause__  # never reached the server
        except (AnswerTimedOut, ConnectionBroken) as error:
            lost = error
        else:
            if response.status_code in (500, 502, 504):
                # A 500 can come from a prompt that was queued all the same; a proxy's 502 or 504 says nothing.
                found = _find(client, prompt_id, stop=stop, patience=patience)
                if found is not None:
                    return found
            return _read(client, response, prompt_id=prompt_id, graph=graph)
        found = _find(client, prompt_id, stop=stop, patience=patience)
        if found is not None:
            return found
    assert lost is not None  # the loop ends without an answer only after a lost one
    raise type(lost)(
        f"{client.url} took the prompt {patience.sends} times without answering, and does not know it",
        prompt_id=prompt_id,
        maybe_accepted=True,
    )


def _find(client: ComfyClient, prompt_id: str, *, stop: threading.Event | None, patience: Patience) -> Accepted | None:
    """Look for a prompt whose submission got no answer; None when it is certainly not there."""
    for wait_s in (0.0, patience.grace_s):
        _pause(client, wait_s, stop=stop)
        _wait_for_answer(client, prompt_id, stop=stop, patience=patience)
        location = client.locate(prompt_id)
        if location.place is not Place.UNKNOWN:
            return Accepted(prompt_id, location.item.number if location.item else -1, looked_up=True)
    return None


def _wait_for_answer(client: ComfyClient, prompt_id: str, *, stop: threading.Event | None, patience: Patience) -> None:
    """Block until the server answers GET /queue.

    Raises:
        InstanceDown: it does not in the time that `patience` allows.
        Stopped: `stop` was set.
    """
    began = client.clock.monotonic()
    pause_s = 0.1
    while True:
        try:
            client.queue()
            return
        except InstanceDown as error:
            is_away = isinstance(error, ConnectionRefused | AddressUnknown)
            if client.clock.monotonic() - began >= (patience.down_s if is_away else patience.answer_s):
                raise type(error)(error.reason, prompt_id=prompt_id, maybe_accepted=True) from error
        _pause(client, pause_s, stop=stop)
        pause_s = min(2.0, pause_s * 1.6)


def _pause(client: ComfyClient, seconds: float, *, stop: threading.Event | None) -> None:
    if client.clock.wait(stop or threading.Event(), seconds):
        raise Stopped("stopped while it was not known whether the prompt had been accepted", maybe_accepted=True)


def _read(client: ComfyClient, response: requests.Response, *, prompt_id: str, graph: Mapping[str, Any]) -> Accepted:
    """Understand an answer to POST /prompt."""
    if response.status_code == 400:
        reply = _json(response)
        if isinstance(reply, dict) and ("error" in reply or "node_errors" in reply):
            raise refusal(reply, graph=graph, prompt_id=prompt_id)
    if response.status_code == 500:
        raise ServerFault(
            f"{client.url} failed on the graph itself (HTTP 500) and did not queue it; a graph in the editor's own "
            "format, or with a broken custom node, does that",
            prompt_id=prompt_id,
        )
    try:
        reply = client.http.decode(response, "POST /prompt")
    except (GatewayDown, Refused) as error:
        raise error.about(prompt_id=prompt_id) from None
    if not isinstance(reply, dict) or "prompt_id" not in reply:
        raise NotComfyUI(f"{client.url} answered POST /prompt with {describe(reply)}; a prompt id was expected")
    if reply["prompt_id"] != prompt_id:
        client.withdraw(str(reply["prompt_id"]))
        raise UnsupportedServer(f"{client.url} gave the prompt an id of its own instead of ours", prompt_id=prompt_id)
    if reply.get("node_errors"):
        client.withdraw(prompt_id)  # 200 with node_errors: the good branches were queued, and would run for nothing
        raise refusal(reply, graph=graph, prompt_id=prompt_id)
    number = reply.get("number")
    return Accepted(prompt_id, float(number) if isinstance(number, int | float) else 0.0)


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None

"""One embedded card as a process of a night of chaos, with a ledger that outlives it.

The ledger is what the verdict knows of the card's side: which prompts ran from when to when, which faults struck which
prompt. It is written from within the card, a line at a time, so a card that is killed leaves all but the end.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from orchestrator.embedded.card import Card
from orchestrator.embedded.executor import PromptRun
from orchestrator.embedded.faults import Fault, FaultBoard, from_json
from orchestrator.embedded.prompts import Outcome
from orchestrator.embedded.server import create_app
from orchestrator.embedded.settings import CardSettings
from tests.chaos.ledger import Ledger


@dataclass(frozen=True)
class Body:
    """What a card process is started with."""

    number: int
    boot: int
    folder: Path
    host: str
    port: int  # 0: any
    faults: Sequence[Mapping[str, Any]]
    ledger: Path


def serve(body: Body, ready: int) -> None:
    """Serve a card until the process ends. Writes the port to the descriptor `ready` once it answers."""
    sys.setswitchinterval(0.0005)  # as the server's own command does
    ledger = Ledger(body.ledger)
    _keep_books(ledger, body)
    asyncio.run(_serve(body, ready))


async def _serve(body: Body, ready: int) -> None:
    card = Card(CardSettings(directory=body.folder, host=body.host, port=body.port))
    for facts in body.faults:
        card.faults.add(from_json(facts))
    runner = web.AppRunner(create_app(card), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, body.host, body.port).start()
    os.write(ready, f"{runner.addresses[0][1]}\n".encode())
    os.close(ready)
    await asyncio.Event().wait()


def _keep_books(ledger: Ledger, body: Body) -> None:
    """Have the card note what it does. It runs one prompt at a time, so a strike belongs to the one that runs."""
    where = {"card": body.number, "boot": body.boot}
    running: list[str] = []
    run, strike = PromptRun.run, FaultBoard.strike

    def noted_run(self: PromptRun) -> Any:
        prompt_id = self.prompt_id
        running[:] = [prompt_id]
        prefixes = [str(node["inputs"].get("filename_prefix", "")) for node in self._graph.prompt.values()]
        canary = any("canary" in prefix for prefix in prefixes)
        ledger.note("begin", prompt=prompt_id, canary=canary, **where)
        outcome: Outcome | None = None
        try:
            outcome = run(self)
            return outcome
        finally:
            running.clear()
            ledger.note("end", prompt=prompt_id, how=_ended(outcome), **where)

    def noted_strike(self: FaultBoard, point: str, **facts: Any) -> Fault | None:
        fault = strike(self, point, **facts)
        if fault is not None:
            ledger.note("strike", kind=fault.kind, point=point, prompt=running[0] if running else None, **where)
        return fault

    PromptRun.run = noted_run  # type: ignore[method-assign]
    FaultBoard.strike = noted_strike  # type: ignore[method-assign]


def _ended(outcome: Outcome | None) -> str:
    """Name how a prompt ended; None: nothing came of it, for the worker died or forgot it."""
    if outcome is None:
        return "lost"
    if outcome.succeeded:
        return "success"
    return "interrupted" if any(name == "execution_interrupted" for name, _ in outcome.messages) else "error"

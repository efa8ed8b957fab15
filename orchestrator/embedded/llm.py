"""The embedded language model: a small server that speaks OpenAI's chat API, for those without cards.

`python -m orchestrator.embedded.llm --port N` prints `ready http://HOST:PORT/v1` once it answers. It judges pictures
with CPU checks and writes scripts from the facts it is given; everything it says is marked as a preview by its model
name and fingerprint. Faults on demand make it misbehave as real servers do (`llm_faults.py`), and a pace of its own
makes it take as long (`llm_batch.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web

from orchestrator.embedded import llm_misbehave, llm_sleep
from orchestrator.embedded.errors import BadFault
from orchestrator.embedded.llm_answers import BadRequest, answer, read_question
from orchestrator.embedded.llm_batch import Batch, Pace
from orchestrator.embedded.llm_faults import LlmFaultBoard

MODEL = "nightreel-preview"
MAX_BODY_BYTES = 32 * 1024 * 1024
WORKERS = 2


class LlmServer:
    """The server's state: what it is told, when it was last asked, how it should misbehave."""

    def __init__(self, *, faults: tuple[str, ...] = (), batch: int | None = None, pace: Pace | None = None) -> None:
        """Keep the settings; nothing is opened yet.

        Args:
            faults: As `llm_faults` reads them.
            batch: Answers that are given together; None: without limit.
            pace: How fast each of them is; None: as fast as can be.

        Raises:
            BadFault: a fault that nobody understands.
        """
        self._faults = LlmFaultBoard(faults)
        self._bed = llm_sleep.Bed(self._faults.kinds())
        self._batch = Batch(batch, pace or Pace())
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="llm")
        self.asked_at = time.monotonic()

    def application(self) -> web.Application:
        """Return the web application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._watch])
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/health", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._bed.add_routes(app)
        self._faults.add_routes(app)
        app.on_cleanup.append(self._close)
        return app

    async def _close(self, _: web.Application) -> None:
        self._workers.shutdown(wait=False, cancel_futures=True)

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Note that somebody asked, and answer errors in the form that clients of this API expect."""
        self.asked_at = time.monotonic()
        try:
            response: web.StreamResponse = await handler(request)
            return response
        except web.HTTPException as error:
            return _error(
                error.status, f"{request.method} {request.path}: {error.reason}", kind="invalid_request_error"
            )
        finally:
            self.asked_at = time.monotonic()

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "nightreel_preview": True})

    async def _models(self, _: web.Request) -> web.Response:
        entry = {"id": MODEL, "object": "model", "created": 0, "owned_by": "nightreel"}
        return web.json_response({"object": "list", "data": [entry]})

    async def _chat(self, request: web.Request) -> web.Response:
        if self._bed.is_sleeping:
            return _error(503, "the engine is asleep", kind="server_error")
        self._bed.asked += 1
        try:
            return await self._answer(request)
        finally:
            self._bed.answered += 1

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read())
        except ValueError as error:
            return _error(400, f"the body is not JSON: {error}", kind="invalid_request_error")
        number, told = self._faults.begin_question(), body if isinstance(body, dict) else {}
        if (fault := self._faults.strike("http", number, told)) is not None:
            refusal = await llm_misbehave.refuse(fault, request)
            if refusal is not None:
                return refusal
        try:
            question = read_question(body)
            if (fault := self._faults.strike("question", number, told)) is not None:
                question = llm_misbehave.twisted(fault, question)
            loop = asyncio.get_running_loop()
            text = await loop.run_in_executor(self._workers, answer, question)
        except BadRequest as error:
            return _error(400, str(error), kind="invalid_request_error", param=error.param)
        ended = "stop"
        if (fault := self._faults.strike("answer", number, told)) is not None:
            text, ended = llm_misbehave.spoiled(fault, text, question)
        await self._batch.decode(_tokens(text))
        return web.json_response(_completion(text, asked=question.text, ended=ended))


def serve(
    host: str,
    port: int,
    *,
    idle_exit_s: float | None = None,
    faults: tuple[str, ...] = (),
    batch: int | None = None,
    pace: Pace | None = None,
) -> int:
    """Serve until SIGINT, SIGTERM or idleness, and return the exit status. Blocks.

    Prints one line `ready http://HOST:PORT/v1` on standard output once it answers.

    Args:
        host: Address to listen on.
        port: TCP port; 0 for any free one.
        idle_exit_s: Exit after so many seconds without a question; None for never.
        faults: As `llm_faults` reads them.
        batch: Answers that are given together; None: without limit.
        pace: How fast each of them is; None: as fast as can be.

    Raises:
        BadFault: a fault that nobody understands.
    """
    server = LlmServer(faults=faults, batch=batch, pace=pace)
    try:
        asyncio.run(_serve(server, host, port, idle_exit_s=idle_exit_s))
    except OSError as error:
        print(f"cannot listen on {host}:{port}: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _serve(server: LlmServer, host: str, port: int, *, idle_exit_s: float | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(server.application(), access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0][1]
        print(f"ready http://{f'[{host}]' if ':' in host else host}:{bound}/v1", flush=True)  # noqa: T201
        while not stop.is_set():
            rest = None if idle_exit_s is None else server.asked_at + idle_exit_s - time.monotonic()
            if rest is not None and rest <= 0:
                break
            try:
                await asyncio.wait_for(stop.wait(), rest)
            except TimeoutError:
                continue
    finally:
        await runner.cleanup()


def _tokens(text: str) -> int:
    """Estimate a text's tokens: four characters each."""
    return len(text) // 4


def _completion(text: str, *, asked: str, ended: str) -> dict[str, Any]:
    """Wrap what was said as OpenAI does. Token counts are estimates."""
    used = {"prompt_tokens": _tokens(asked), "completion_tokens": _tokens(text)}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "system_fingerprint": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": ended}],
        "usage": used | {"total_tokens": sum(used.values())},
    }


def _error(status: int, message: str, *, kind: str, param: str | None = None) -> web.Response:
    body = {"error": {"message": message, "type": kind, "param": param, "code": None}}
    return web.json_response(body, status=status)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator.embedded.llm", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 for any free port")
    parser.add_argument("--idle-exit-s", type=float, default=None, help="exit after so long without a question")
    parser.add_argument("--fault", action="append", default=[], help="misbehave, for tests: KIND or KIND@key=value")
    parser.add_argument("--batch", type=int, default=None, help="answers that decode together; by default all")
    parser.add_argument("--tokens-per-s", type=float, default=0.0, help="pace of one answer; by default at once")
    parser.add_argument("--first-s", type=float, default=0.0, help="seconds until the first token of an answer")
    told = parser.parse_args(arguments)
    try:
        return serve(
            told.host,
            told.port,
            idle_exit_s=told.idle_exit_s,
            faults=tuple(told.fault),
            batch=told.batch,
            pace=Pace(told.tokens_per_s, told.first_s),
        )
    except BadFault as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(main())

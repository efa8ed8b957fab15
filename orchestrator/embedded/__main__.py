"""Starts pretend cards: `python -m orchestrator.embedded --port N --directory DIR`.

Prints one line `ready http://HOST:PORT` per card on stdout, flushed, once that card answers.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from orchestrator.embedded.card import Card
from orchestrator.embedded.dialect import CURRENT, DIALECTS
from orchestrator.embedded.errors import BadFault
from orchestrator.embedded.server import create_app
from orchestrator.embedded.settings import CardSettings

GIGABYTE = 1024**3
SWITCH_INTERVAL_S = 0.0005
"""How long one thread may keep the interpreter while another wants it. Python's own 5 ms would show up between two
prompts, where the worker and the event loop take turns."""


def serve(
    host: str,
    port: int,
    directory: Path,
    *,
    cards: int = 1,
    faults: Sequence[str] = (),
    idle_exit_s: float | None = None,
    step_seconds: float = 0.0,
    timed: Mapping[str, float] | None = None,
) -> int:
    """Serve pretend cards until a signal ends the process. Blocks.

    Args:
        host: The address to listen on.
        port: The first card's port, the others take the next ones; 0: any free ports.
        directory: Holds the files of a single card; of several, one folder `card0`, `card1`, … each.
        cards: How many cards.
        faults: Misbehaviour on demand, see orchestrator/embedded/faults.py.
        idle_exit_s: Exit when nobody asked anything for so long and nothing runs.
        step_seconds: What one step of a sampler takes.
        timed: Node class -> seconds; nothing is rendered then.

    Returns:
        The exit code: 0, 1 when a port is taken, 2 for a bad fault.
    """
    settings = CardSettings(
        directory=directory,
        host=host,
        port=port,
        step_seconds=step_seconds,
        timed=dict(timed or {}),
        faults=tuple(faults),
        idle_exit_s=idle_exit_s,
    )
    return run(settings, cards=cards)


def run(settings: CardSettings, *, cards: int) -> int:
    """Serve cards with the same settings; returns the exit code."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        asyncio.run(_serve_all(settings, cards))
    except KeyboardInterrupt:
        return 0
    except BadFault as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"[ERROR] Cannot listen on {settings.host}:{settings.port}: {error}\n")
        return 1
    return 0


async def _serve_all(settings: CardSettings, count: int) -> None:
    started = []
    for index in range(count):
        directory = settings.directory if count == 1 else settings.directory / f"card{index}"
        port = settings.port + index if settings.port else 0
        started.append(await _serve_one(replace(settings, directory=directory, port=port)))
    if settings.idle_exit_s is None:
        await asyncio.Event().wait()
    else:
        await _until_idle([card for card, _ in started], settings.idle_exit_s)
    for _, runner in started:
        await runner.cleanup()


async def _serve_one(settings: CardSettings) -> tuple[Card, web.AppRunner]:
    card = Card(settings)
    runner = web.AppRunner(create_app(card), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port)
    await site.start()
    port = runner.addresses[0][1]
    card.settings = replace(settings, port=port)
    sys.stdout.write(f"ready http://{settings.host}:{port}\n")
    sys.stdout.flush()
    return card, runner


async def _until_idle(cards: Sequence[Card], limit_s: float) -> None:
    while min(card.idle_s() for card in cards) < limit_s:
        await asyncio.sleep(min(0.25, limit_s / 4))


def parse_timed(texts: Sequence[str]) -> dict[str, float]:
    """Read `CLASS=SECONDS` pairs. Raises argparse.ArgumentTypeError."""
    timed = {}
    for text in texts:
        name, _, seconds = text.partition("=")
        try:
            timed[name] = float(seconds)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected CLASS=SECONDS, found {text!r}") from None
    return timed


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator.embedded", description="Pretend ComfyUI cards.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--directory", type=Path, required=True, help="holds input/, output/, temp/, models/")
    parser.add_argument("--cards", type=int, default=1, help="several cards in this process, on the next ports")
    parser.add_argument("--fault", action="append", default=[], help="KIND@key=value,…; see faults.py")
    parser.add_argument("--seed", type=int, default=0, help="of faults that happen by chance")
    parser.add_argument("--step-seconds", type=float, default=0.0, help="what a step of a sampler takes")
    parser.add_argument("--timed", action="append", default=[], metavar="CLASS=SECONDS", help="render nothing")
    parser.add_argument("--idle-exit-s", type=float, help="exit after so many seconds without a question")
    parser.add_argument("--emulate", choices=sorted(DIALECTS), default=CURRENT.version, help="in whose manner")
    parser.add_argument("--cache-lru", type=int, default=0, help="keep so many node results across prompts")
    parser.add_argument("--max-upload-size", type=float, default=100.0, help="MiB")
    parser.add_argument("--vram-gb", type=float, help="what /system_stats claims")
    options = parser.parse_args(argv)
    try:
        timed = parse_timed(options.timed)
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    settings = CardSettings(
        directory=options.directory,
        host=options.host,
        port=options.port,
        step_seconds=options.step_seconds,
        timed=timed,
        dialect=DIALECTS[options.emulate],
        seed=options.seed,
        faults=tuple(options.fault),
        idle_exit_s=options.idle_exit_s,
        lru_nodes=options.cache_lru,
        max_upload_bytes=int(options.max_upload_size * 1024 * 1024),
        vram_bytes=None if options.vram_gb is None else int(options.vram_gb * GIGABYTE),
    )
    return run(settings, cards=options.cards)


if __name__ == "__main__":
    sys.exit(main())

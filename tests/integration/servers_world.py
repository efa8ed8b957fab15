"""What the tests of language model servers share: a pretend card, a pretend nvidia-smi, real server processes."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.clock import SystemClock
from orchestrator.embedded.pretend_vram import FOLDER, HOLDS, TOTAL_FILE, PretendCard
from orchestrator.home import Home
from orchestrator.log import NightLog
from orchestrator.server_settings import ServerSettings
from orchestrator.servers.server import ManagedServer

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED = (sys.executable, "-m", "orchestrator.embedded.llm", "--port", "{port}")
TINY = (sys.executable, "-S", str(Path(__file__).with_name("tiny_llm.py")), "{port}")
"""A server that starts within a moment; see there."""
UUID = "GPU-11111111-2222-3333-4444-555555555555"
SMI = """#!{python} -IS
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
holders = []
for path in folder.glob("*.json"):
    try:
        told = json.loads(path.read_bytes())
        alive = pathlib.Path("/proc/%d/stat" % told["pid"]).read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, ValueError):
        continue
    if alive:
        holders.append((told["pid"], told["gb"] * 1024))
total = float((folder / "total_gb").read_text()) * 1024
if "compute-apps" in sys.argv[1]:
    for pid, used in holders:
        print("{uuid}, %d, python, %d" % (pid, used))
else:
    print("0, {uuid}, Pretend 9000, %d, %d, 40, 0, 30.0" % (total, sum(used for _, used in holders)))
"""


def pretend_card(folder: Path, total_gb: float = 24.0) -> PretendCard:
    """Make a card that this process sees as well, and holds nothing of."""
    folder.mkdir(parents=True)
    (folder / TOTAL_FILE).write_text(str(total_gb))
    return PretendCard(folder, 0.0)


def pretend_smi(card: PretendCard, programs: Path) -> None:
    """Make an nvidia-smi that tells of a pretend card; its folder has to be put on PATH."""
    programs.mkdir(parents=True)
    program = programs / "nvidia-smi"
    program.write_text(SMI.format(python=sys.executable, folder=str(card.folder), uuid=UUID))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def on_card(card: PretendCard, holds_gb: float, **more: str) -> dict[str, str]:
    """Return the environment of a process that takes so much of a card."""
    return {FOLDER: str(card.folder), HOLDS: str(holds_gb), "PYTHONPATH": str(ROOT), **more}


def server_settings(name: str = "qwen", **given: Any) -> ServerSettings:
    """Return settings of a managed server: a tiny one, if nothing else is said."""
    usual: dict[str, Any] = {"ready_timeout_s": 30, "vram_timeout_s": 2}
    if not {"url", "inside", "command"} & set(given):
        usual |= {"command": TINY, "kind": "vllm"}
    given.setdefault("environment", {"PYTHONPATH": str(ROOT)})
    return ServerSettings.model_validate({"name": name, **usual, **given})


def managed(settings: ServerSettings, root: Path, *, stop: threading.Event | None = None) -> ManagedServer:
    """Return a managed server of a home; the caller closes it."""
    home = Home(root)
    home.create()
    log = NightLog(home.logs / "night-0001.jsonl").logger()
    return ManagedServer(settings, home, clock=SystemClock(), log=log, stop=stop or threading.Event())


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; what waits only to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(is_so: Callable[[], bool], *, limit_s: float = 15.0) -> bool:
    """Wait for something, with a limit."""
    end = time.monotonic() + limit_s
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)
    return is_so()


def path_with(programs: Path) -> str:
    """Return a PATH on which a folder comes first."""
    return f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"

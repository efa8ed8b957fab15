"""Server processes of ours: their command line, environment, log and keeper. How they are adopted: `children.py`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from orchestrator.card_settings import Gpu
from orchestrator.children import LOOK_EVERY_S, Child, Program, free_port, running_address
from orchestrator.errors import NotReadyError
from orchestrator.home import Home
from orchestrator.own_comfyui import HIDDEN
from orchestrator.server_settings import PORT, ServerSettings
from orchestrator.servers import keeper


class KeptChild(Child):
    """A server process behind a keeper, which ends it when nobody owns it any more. Its log is kept with the others."""

    def __init__(self, settings: ServerSettings, home: Home, stop: threading.Event) -> None:
        """Choose its port and describe it; nothing is started yet.

        Args:
            settings: With a `command`.
            home: Where its folder, its record and its log are.
            stop: When set, a start is not waited for.
        """
        folder = home.engines / f"server-{settings.name}"
        self._stop = stop
        self._log = home.logs / f"server-{settings.name}.log"
        self._owner = folder.with_name(f"{folder.name}.owner")
        running = running_address(folder)
        # Told to the steps before it is started, so it is chosen now; one that has outlived us has its own.
        port = settings.port or (int(running.rpartition(":")[2]) if running else 0) or free_port()
        super().__init__(settings.name, _program(settings, owner=self._owner, port=port), folder=folder)
        self.address = f"http://127.0.0.1:{port}"

    @property
    def log_path(self) -> Path:
        """Where its output goes."""
        return self._log

    def own(self) -> None:
        """Write down that it is ours, for its keeper.

        Raises:
            NotReadyError: that cannot be written.
        """
        try:
            self._owner.parent.mkdir(parents=True, exist_ok=True)
            keeper.mark(self._owner)
        except OSError as error:
            raise NotReadyError(f"{self.name}: cannot write {self._owner}: {error.strerror or error}") from error

    def adopt(self) -> bool:
        """Use the one that has outlived us, if it is the one that is wanted and answers; end it otherwise."""
        record = self._read_record()
        if record is None or keeper.born(record.pid) != record.born or not record.born:
            return False
        self._pid, self._born, self.adopted = record.pid, record.born, True
        if record.identity == self._program.identity and self._answers(record.address):
            self.own()
            return True
        self.stop()
        return False

    def close(self) -> None:
        """End it for good."""
        self.stop()

    def start(self) -> None:
        """Use the one that is still running, or start one. Blocks until it answers.

        Raises:
            NotReadyError: it ended, or did not answer in time; carries the end of its log.
        """
        self.own()
        super().start()

    def restart(self) -> None:
        """End the process and start another one at the same address. Blocks until it answers."""
        self.own()
        super().restart()

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        """Block until it answers: for minutes, while a model is loaded, unless the night is asked to stop."""
        deadline = time.monotonic() + self._program.timeout_s
        while time.monotonic() < deadline and process.poll() is None:
            if self._answers(self.address) and process.poll() is None:
                return
            if self._stop.wait(LOOK_EVERY_S):
                self._end_process()
                raise NotReadyError(f"{self.name} was being started, and the night was asked to stop")
        raise self._failed_start(process)


def _program(settings: ServerSettings, *, owner: Path, port: int) -> Program:
    environment = environment_of(settings)
    words = command_of(settings, port)

    def command(_: int) -> Sequence[str]:
        # -I and -S: nothing of the environment may keep the keeper from starting.
        kept = [sys.executable, "-I", "-S", str(Path(keeper.__file__)), "--owner", str(owner)]
        program = shutil.which(words[0], path=environment.get("PATH")) or words[0]
        inside = [] if settings.folder is None else ["--folder", str(settings.folder)]
        return [*kept, *inside, "--linger-s", f"{settings.linger_s:g}", "--", program, *words[1:]]

    shown = json.dumps([list(words), environment, str(settings.folder)], sort_keys=True)
    return Program(
        command,
        probe=settings.probe,
        announces=False,
        port=port,
        timeout_s=settings.ready_timeout_s,
        environment=environment,
        identity=hashlib.sha256(shown.encode()).hexdigest(),
    )


def command_of(settings: ServerSettings, port: int) -> list[str]:
    """Return the command line of a server, with its port put in. Words are replaced, never split or evaluated."""
    return [word.replace(PORT, str(port)) for word in settings.command]


def environment_of(settings: ServerSettings) -> dict[str, str]:
    """Return what a server gets beside our own environment."""
    environment = {name: "" for name in HIDDEN if name in os.environ}
    environment["PYTHONUNBUFFERED"] = "1"
    if settings.gpus is not None:
        environment |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": _listed(settings.gpus)}
    if settings.kind == "vllm":
        environment["VLLM_SERVER_DEV_MODE"] = "1"  # without it there are no routes for its sleep
    return environment | settings.environment


def _listed(gpus: Sequence[Gpu]) -> str:
    return ",".join(str(gpu) for gpu in gpus)

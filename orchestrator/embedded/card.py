"""One pretend card: its queue, its worker, its sockets, its files. All its state hangs here, none in a module."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import suppress

from orchestrator.embedded.context import Services
from orchestrator.embedded.faults import FaultBoard
from orchestrator.embedded.files import Folders
from orchestrator.embedded.interrupt import Interrupt
from orchestrator.embedded.models import ModelFiles
from orchestrator.embedded.nodes import NODES
from orchestrator.embedded.pretend_vram import PretendCard
from orchestrator.embedded.prompts import PromptQueue
from orchestrator.embedded.rendering import Placeholders, StandIns
from orchestrator.embedded.schemas import Schemas
from orchestrator.embedded.settings import CardSettings
from orchestrator.embedded.sockets import SocketHub
from orchestrator.embedded.validation import Validator
from orchestrator.embedded.worker import Worker, status_message


class Card:
    """One pretend card. Made inside the event loop that serves it."""

    def __init__(self, settings: CardSettings) -> None:
        """Make the folders and read the schemas. Raises BadFault, OSError."""
        self.settings = settings
        self.boot_id = str(uuid.uuid4())  # another one after each start: how a client can see a restart
        self.folders = Folders(settings.directory)
        self.models = ModelFiles(settings.directory)
        self.schemas = Schemas(self.folders, self.models, classes=frozenset(NODES) - settings.dialect.absent)
        self.faults = FaultBoard(settings.faults, seed=settings.seed)
        self.interrupt = Interrupt()
        self.pretend = PretendCard.from_environment()  # the memory that it shares with other processes
        self.features = {
            "supports_preview_metadata": True,
            "max_upload_size": settings.max_upload_bytes,
            "extension": {"manager": {"supports_v4": True}},
            "node_replacements": True,
            "assets": False,
        }
        self.hub = SocketHub(self.features)
        self.queue = PromptQueue(lambda remaining: self.hub.post(status_message(remaining), None))
        self.validator = Validator(self.schemas, NODES, self.folders, settings.dialect)
        self.worker = Worker(self._services())
        self.submitted = 0  # the number of the next prompt; rejected ones count too
        self._asked_at = time.monotonic()
        self._delivery: asyncio.Task[None] | None = None

    def _services(self) -> Services:
        renderers = Placeholders() if self.settings.is_timed else StandIns()
        return Services(
            settings=self.settings,
            folders=self.folders,
            models=self.models,
            schemas=self.schemas,
            types=NODES,
            renderers=renderers,
            faults=self.faults,
            interrupt=self.interrupt,
            queue=self.queue,
            hub=self.hub,
            pretend=self.pretend,
        )

    def start(self) -> None:
        """Start the worker and the delivery of messages."""
        self.worker.start()
        self._delivery = asyncio.create_task(self.hub.deliver())

    async def stop(self) -> None:
        """Stop delivering; what runs is lost, as with a real server."""
        self.queue.close()
        if self._delivery is not None:
            self._delivery.cancel()
            with suppress(asyncio.CancelledError):
                await self._delivery

    def asked(self) -> None:
        """Note that somebody asked something."""
        self._asked_at = time.monotonic()

    def idle_s(self) -> float:
        """Return for how many seconds nobody asked anything, listened, or waited for a prompt."""
        if self.hub.count or self.queue.remaining():
            self.asked()
        return time.monotonic() - self._asked_at

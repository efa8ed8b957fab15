"""What can be asked of one ComfyUI server over HTTP, as plain blocking calls.

Each method is one thing that ComfyUI can do, with its answer typed and its failures mapped. Nothing here watches a
prompt over time: that is `session.py`, which joins this client with the websocket.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.clock import Clock
from orchestrator.comfyui import downloads, replies, submission
from orchestrator.comfyui.errors import NotComfyUI
from orchestrator.comfyui.pace import STEADY, Pace
from orchestrator.comfyui.replies import HistoryEntry, Location, OutputFile, Place, QueueView, SystemStats
from orchestrator.comfyui.transport import Transport
from steps.manifest import OutputSpec


class ComfyClient:
    """One ComfyUI server. Thread-safe; blocks; keeps its connections alive until `close`."""

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        clock: Clock,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 30.0,
        pace: Pace = STEADY,
    ) -> None:
        """Take note of the address; nothing is sent yet.

        Args:
            url: Such as `http://127.0.0.1:8188`.
            client_id: Under which prompts are submitted; a websocket with the same id gets their events.
            clock: Where the time comes from.
            connect_timeout_s: Seconds for the connection to open.
            read_timeout_s: Seconds without a byte of the answer. A node may hold the server up for as long.
            pace: How long before a second look.

        Raises:
            NotComfyUI: the address is not one.
        """
        self.client_id = client_id
        self.clock = clock
        self._recheck_s = pace.recheck_s
        self.http = Transport(url, connect_timeout_s=connect_timeout_s, read_timeout_s=read_timeout_s)

    @property
    def url(self) -> str:
        """Return the server's address without a trailing slash."""
        return self.http.url

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    # -- prompts ------------------------------------------------------------------------------------------------------

    def submit(
        self,
        prompt_id: str,
        graph: Mapping[str, Any],
        *,
        extra_data: Mapping[str, Any] | None = None,
        stop: threading.Event | None = None,
        patience: submission.Patience = submission.PATIENCE,
    ) -> submission.Accepted:
        """Queue a graph under an id of ours, exactly once as far as anyone can tell.

        A POST whose answer is lost may have been accepted. So after one, this waits until the server answers, looks
        for the prompt, waits a little, looks again, and only then sends it a second time under the same id.

        Args:
            prompt_id: A lower-case hyphenated UUID, stored before it is sent.
            graph: API format.
            extra_data: Kept by the server with the prompt; must be JSON.
            stop: When set, an unresolved submission is given up.
            patience: How long to wait for what.

        Raises:
            Refused: MissingNodeClass, MissingModel, TooLarge …; nothing of it is left in the queue.
            InstanceDown: it does not answer; `facts["maybe_accepted"]` tells whether the prompt may be there.
            ServerFault, NotComfyUI, UnsupportedServer, Stopped.
        """
        return submission.submit(self, prompt_id, graph=graph, extra_data=extra_data, stop=stop, patience=patience)

    def queue(self, *, read_timeout_s: float | None = None) -> QueueView:
        """Return what runs and what waits."""
        return replies.parse_queue(self.http.get("/queue", read_timeout_s=read_timeout_s), url=self.url)

    def history(self, prompt_id: str, *, read_timeout_s: float | None = None) -> HistoryEntry | None:
        """Return what the server remembers of a finished prompt; None when it is not, or not yet, there."""
        path = f"/history/{_checked_id(prompt_id)}"
        return replies.parse_history(self.http.get(path, read_timeout_s=read_timeout_s), prompt_id, url=self.url)

    def look(self, prompt_id: str) -> Location:
        """Return where a prompt is, by one look at the queue, then at the history.

        In this order: the other one would miss a prompt that ends between the two.
        """
        return self.look_all([prompt_id])[prompt_id]

    def look_all(self, prompt_ids: Sequence[str]) -> dict[str, Location]:
        """Return where each of some prompts is: as `look`, with one look at the queue for all of them."""
        queue = self.queue()
        return {prompt_id: self._look_in(queue, prompt_id) for prompt_id in prompt_ids}

    def locate(self, prompt_id: str) -> Location:
        """Return where a prompt is; UNKNOWN only after a second look a moment later."""
        return self.locate_all([prompt_id])[prompt_id]

    def locate_all(self, prompt_ids: Sequence[str]) -> dict[str, Location]:
        """Return where each of some prompts is: as `locate`, in one look and one pause for all of them."""
        found = self.look_all(prompt_ids)
        unknown = [prompt_id for prompt_id in prompt_ids if found[prompt_id].place is Place.UNKNOWN]
        if unknown:
            self.clock.wait(threading.Event(), self._recheck_s)
            found |= self.look_all(unknown)
        return found

    def _look_in(self, queue: QueueView, prompt_id: str) -> Location:
        place, item = queue.find(prompt_id)
        if item is not None:
            return Location(place, item=item)
        entry = self.history(prompt_id)
        return Location(Place.FINISHED, entry=entry) if entry is not None else Location(Place.UNKNOWN)

    def interrupt(self, prompt_id: str) -> None:
        """Ask the server to interrupt a prompt if it is the one that runs.

        It takes effect at the next progress tick or node, and not at all in a last node that never looks. The answer
        says nothing: look at the outcome.
        """
        self.http.post("/interrupt", {"prompt_id": prompt_id})

    def delete(self, prompt_id: str) -> None:
        """Take a waiting prompt out of the queue. One that runs is not touched; an unknown id is not an error."""
        self.http.post("/queue", {"delete": [prompt_id]})

    def withdraw(self, prompt_id: str) -> Place:
        """Take a prompt off the server wherever it is: deleted while it waits, interrupted while it runs.

        Returns:
            Where it was found last. RUNNING: it was interrupted, and may still take a while to end.
        """
        place = Place.UNKNOWN
        for _ in range(3):  # it may move from waiting to running between the look and the deed
            place = self.queue().find(prompt_id)[0]
            if place is Place.PENDING:
                self.delete(prompt_id)
            elif place is Place.RUNNING:
                self.interrupt(prompt_id)
                return place
            else:
                return place
        return place

    # -- server -------------------------------------------------------------------------------------------------------

    def free(self) -> None:
        """Ask the server to unload its models and drop its node cache; it does so when the running prompt has ended."""
        self.http.post("/free", {"unload_models": True, "free_memory": True})

    def system_stats(self, *, read_timeout_s: float | None = None) -> SystemStats:
        """Return the server's version, memory and devices.

        Raises:
            NotComfyUI: something else answers; the message says what.
        """
        return replies.parse_system_stats(self.http.get("/system_stats", read_timeout_s=read_timeout_s), url=self.url)

    def object_info(self, class_type: str | None = None) -> dict[str, Any]:
        """Return the schemas of all node classes, or of one: empty when the server has none of that name."""
        path = "/object_info" + (f"/{_quoted(class_type)}" if class_type is not None else "")
        reply = self.http.get(path)
        if not isinstance(reply, dict):
            raise NotComfyUI(f"{self.url} answered GET {path} with {replies.describe(reply)}; node classes expected")
        return reply

    # -- files --------------------------------------------------------------------------------------------------------

    def upload(self, path: Path) -> str:
        """Put a file into the server's input folder and return the name to bind.

        The name is made of the content's hash, and nothing is overwritten: the same bytes are recognised and left
        alone, so that a prompt that reads them at this moment never sees a half-written file; other bytes under that
        name (left by a crash) make the server choose another name, and its choice is what is returned.

        Raises:
            TooLarge, InstanceDown, ServerFault, NotComfyUI; OSError when the file cannot be read.
        """
        content = path.read_bytes()
        name = hashlib.sha256(content).hexdigest()[:32] + _safe_suffix(path)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        response = self.http.send("POST", "/upload/image", files={"image": (name, content, kind)})
        reply = self.http.decode(response, "POST /upload/image")
        if not isinstance(reply, dict) or not isinstance(reply.get("name"), str):
            found = replies.describe(reply)
            raise NotComfyUI(f"{self.url} answered POST /upload/image with {found}; the file's name was expected")
        subfolder = str(reply.get("subfolder") or "").strip("/")
        return f"{subfolder}/{reply['name']}" if subfolder else str(reply["name"])

    def download(self, file: OutputFile, into: Path, *, name: str | None = None) -> Path:
        """Fetch an output file into a folder: written beside, length checked, synced, renamed.

        Args:
            file: As the history gives it.
            into: An existing folder.
            name: Name to give it; by default the safe last part of the server's name.

        Raises:
            OutputMissing: the server does not have it (any more).
            BadDownload: it did not arrive whole in three tries.
        """
        return downloads.download(self.http, file, into=into, name=name)

    def collect(self, entry: HistoryEntry, outputs: Mapping[str, OutputSpec], *, into: Path) -> dict[str, Path]:
        """Fetch the wanted outputs of a finished prompt and check that each is what it claims to be.

        Returns:
            Output name -> path `into/NAME.SUFFIX`.

        Raises:
            OutputMissing: the history names no such file, or the server does not have it (any more).
            BadDownload: a file did not arrive whole, or does not decode; WrongMedia: its size or duration is wrong.
        """
        return downloads.collect(self.http, entry, outputs=outputs, into=into)


def _checked_id(prompt_id: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z._-]{1,64}", prompt_id):
        raise ValueError(f"not a prompt id: {prompt_id!r}")
    return prompt_id


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def _safe_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""

"""The poller of one instance: asks the queue and the history as often as the socket's silence calls for, and settles
every prompt by what the history says.

It is the only place that decides that a prompt has ended, is lost, or that the instance is down. One thread serves all
prompts of the instance, so that two waiting prompts cost one question, and so that those who wait never block on HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from orchestrator.clock import Clock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import AnswerTimedOut, ComfyUIError, PromptLost
from orchestrator.comfyui.events import EventStream
from orchestrator.comfyui.identity import identity
from orchestrator.comfyui.pace import Pace
from orchestrator.comfyui.replies import Place
from orchestrator.comfyui.watch import Board, Watch


class Tracker:
    """Polls one instance in a thread of its own.

    Args:
        client: How to ask.
        board: What is watched, and where answers go.
        socket: Whether events come, and the means to open it anew.
        pace: How often to ask.
    """

    def __init__(self, client: ComfyClient, board: Board, *, socket: EventStream, pace: Pace) -> None:
        self._client = client
        self._clock: Clock = client.clock
        self._board = board
        self._socket = socket
        self._pace = pace
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked_at = float("-inf")
        self._hurried = 0
        self._quiet_looks = 0
        self._down_since: float | None = None
        self._doubtful = True  # the server may be another process than the one we knew
        self.boot_id: str | None = None

    def start(self) -> None:
        """Begin."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"poll {self._client.url}", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End. A question in progress is not waited for longer than a moment."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(0.5)

    def wake(self) -> None:
        """Think again about when to look: something has changed."""
        self._hurried = 0
        self._quiet_looks = 0
        self._wake.set()

    def look_now(self) -> None:
        """Look at once."""
        self._looked_at = float("-inf")
        self.wake()

    def doubt(self) -> None:
        """Look at once, and check that it is still the same server: the socket was lost or is new."""
        self._doubtful = True
        self.look_now()

    def _run(self) -> None:
        while not self._stop.is_set():
            delay_s = self._delay(self._board.open_watches())
            due_s = None if delay_s is None else self._looked_at + delay_s - self._clock.monotonic()
            if due_s is None or due_s > 0:
                self._wake.wait(due_s)
                self._wake.clear()
                continue  # events may have come meanwhile, which put the look off
            self._looked_at = self._clock.monotonic()
            self._poll(self._board.open_watches())

    def _delay(self, watches: Sequence[Watch]) -> float | None:
        """Return the seconds from the last look to the next; None: there is nothing to look for."""
        if not watches:
            return None
        now = self._clock.monotonic()
        if self._down_since is None and any(self._is_ending(watch, now) for watch in watches):
            return self._pace.hurry_s[min(self._hurried, len(self._pace.hurry_s) - 1)]
        delays = [
            watch.absent_since + self._pace.recheck_s - self._looked_at
            for watch in watches
            if watch.absent_since is not None
        ]
        blind = self._down_since is not None or not self._socket.is_useful
        if blind or any(watch.foreign for watch in watches):
            first, last = self._pace.silent_poll_s
            delays.append(min(last, first * 1.25**self._quiet_looks))
        else:
            heard_at = max(watch.alive_at for watch in watches)
            delays.append(min(self._pace.flowing_poll_s, self._pace.live_poll_s + max(0.0, heard_at - self._looked_at)))
        return max(0.01, min(delays))

    def _poll(self, watches: Sequence[Watch]) -> None:
        if not watches:
            return
        try:
            now = self._clock.monotonic()
            ending = [watch for watch in watches if self._is_ending(watch, now)]
            if ending and self._down_since is None:
                self._hurried += 1
                self._fetch_ended(ending)
            else:
                self._quiet_looks += 1
                self._look(watches)
            self._down_since = None
        except AnswerTimedOut:
            pass  # stalled, not gone: whoever waits counts the silence
        except ComfyUIError as error:
            self._note_down(watches, error)

    def _fetch_ended(self, watches: Sequence[Watch]) -> None:
        for watch in watches:
            entry = self._client.history(watch.prompt_id, read_timeout_s=self._pace.poll_timeout_s)
            if entry is not None:
                self._board.settle(watch, entry=entry)

    def _look(self, watches: Sequence[Watch]) -> None:
        """Look for every prompt: first the queue, then the history; in this order no prompt can slip through."""
        restarted = self._note_restart()
        queue = self._client.queue(read_timeout_s=self._pace.poll_timeout_s)
        for watch in watches:
            place, item = queue.find(watch.prompt_id)
            if item is not None:
                others = queue.running + queue.pending
                self._board.seen_in_queue(watch, place, item, others=others, ours=self._client.client_id)
                if place is Place.RUNNING and (watch.foreign or self._socket.is_missing):
                    self._board.seen_healthy(watch)
                continue
            entry = self._client.history(watch.prompt_id, read_timeout_s=self._pace.poll_timeout_s)
            if entry is not None:
                self._doubt_socket(watch)
                self._board.settle(watch, entry=entry)
            elif self._board.seen_nowhere(watch) >= self._pace.recheck_s - 0.05 or restarted:
                why = "it has restarted" if restarted else "it restarted, or its queue or history was cleared"
                message = f"{self._client.url} knows nothing of the prompt any more: {why}"
                self._board.settle(watch, error=PromptLost(message, prompt_id=watch.prompt_id))

    def _note_restart(self) -> bool:
        """Tell whether the server is another process than before; asked only where that may be."""
        if not self._doubtful:
            return False
        before = self.boot_id
        self.boot_id = identity(self._client, read_timeout_s=self._pace.poll_timeout_s)
        self._doubtful = False
        return before is not None and self.boot_id is not None and before != self.boot_id

    def _note_down(self, watches: Sequence[Watch], error: ComfyUIError) -> None:
        now = self._clock.monotonic()
        self._doubtful = True
        if self._down_since is None:
            self._down_since = now
        if now - self._down_since >= self._pace.down_after_s:
            for watch in watches:
                self._board.settle(watch, error=error.about(prompt_id=watch.prompt_id))

    def _doubt_socket(self, watch: Watch) -> None:
        """Open the socket anew if it should have told of an end that polling found."""
        if self._socket.is_live and watch.ended_at is None and not (watch.foreign or watch.reattached):
            self._socket.renew(was_deaf=True)

    def _is_ending(self, watch: Watch, now: float) -> bool:
        return watch.ended_at is not None and now - watch.ended_at < self._pace.hurry_for_s

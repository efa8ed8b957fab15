"""Reads an archive in a child process, so that damage which ends the reader does not end the night.

libzim throws for most damage, but not for all: bytes that were flipped inside the full-text index made it call
`std::terminate` (seen with 3.13.1: an empty document in the index, `basic_string::substr` out of range), which no
handler catches. So an archive whose checksum is wrong, or not tested yet, is read here: what kills the child costs that
question. One JSON line each way; the child ends when its input does, and a question that takes minutes ends it too, so
it never outlives its parent by more.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

from zim.reading import Article, LibzimReader, Unreadable

ANSWER_S = 30.0
LONGEST_S = 120
MAX_ANSWER_BYTES = 64_000_000
_QUESTIONS = frozenset({"has_index", "count", "metadata", "search", "suggest", "by_title", "title_of", "read"})


class ApartReader:
    """An archive in a child process. Thread-safe; questions wait for each other."""

    def __init__(self, path: Path, *, answer_s: float = ANSWER_S) -> None:
        """Open the file in a new child.

        Args:
            path: The archive.
            answer_s: Seconds after which a silent child is ended.

        Raises:
            Unreadable: it cannot be opened, or the child died of it.
        """
        self._path = path
        self._answer_s = answer_s
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._end = weakref.finalize(self, _end, None)
        self.has_index()

    def has_index(self) -> bool:
        """Tell whether it has a full-text index."""
        return bool(self._ask("has_index"))

    def count(self) -> int:
        """Return how many articles it says it has."""
        return int(self._ask("count"))

    def metadata(self, name: str) -> str | None:
        """Return what it says of itself under a name."""
        return _text(self._ask("metadata", name))

    def search(self, query: str, limit: int) -> list[str]:
        """Return paths of articles that hold all words of the query."""
        return [str(path) for path in self._ask("search", query, limit)]

    def suggest(self, start: str, limit: int) -> list[str]:
        """Return paths of articles whose title has words that start so."""
        return [str(path) for path in self._ask("suggest", start, limit)]

    def by_title(self, title: str) -> str | None:
        """Return the path of the entry with exactly this title."""
        return _text(self._ask("by_title", title))

    def title_of(self, path: str) -> str | None:
        """Return the title of an entry."""
        return _text(self._ask("title_of", path))

    def read(self, path: str) -> Article | None:
        """Return an article, redirects followed."""
        found = self._ask("read", path)
        return None if found is None else (str(found[0]), str(found[1]), str(found[2]))

    def close(self) -> None:
        """End the child; a later question starts another one."""
        with self._lock:
            self._drop()

    def _ask(self, question: str, *arguments: object) -> Any:
        with self._lock:
            child = self._running()
            try:
                assert child.stdin is not None
                child.stdin.write(json.dumps([question, *arguments]).encode() + b"\n")
                child.stdin.flush()
                answer = json.loads(_line(child, self._answer_s))
            except (OSError, ValueError) as error:
                self._drop()
                raise Unreadable(f"the process that read it died: {error}") from error
        if "unreadable" in answer:
            raise Unreadable(str(answer["unreadable"]))
        return answer["found"]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._drop()
            root = str(Path(__file__).resolve().parents[1])
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "zim.apart", str(self._path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))},
                start_new_session=True,  # Ctrl-C is for the parent, which then closes our input
            )
            self._end.detach()
            self._end = weakref.finalize(self, _end, self._child)
        return self._child

    def _drop(self) -> None:
        self._end()
        self._child = None


def _end(child: subprocess.Popen[bytes] | None) -> None:
    if child is None:
        return
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):  # what was not written yet has nobody to read it
                stream.close()


def _line(child: subprocess.Popen[bytes], answer_s: float) -> bytes:
    """Return the child's next line. Raises OSError when it ends, says too much, or stays silent."""
    assert child.stdout is not None
    until, parts, size = time.monotonic() + answer_s, [], 0
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ)
        while ready.select(max(0.0, until - time.monotonic())):
            part = os.read(child.stdout.fileno(), 1 << 20)
            if not part:
                raise OSError(f"exit code {child.wait()}")
            parts.append(part)
            size += len(part)
            if part.endswith(b"\n"):
                return b"".join(parts)
            if size > MAX_ANSWER_BYTES:
                raise OSError(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
    raise OSError(f"no answer within {answer_s:g} s")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def serve(path: Path) -> None:
    """Answer the questions of standard input until it ends. The child's side."""
    reader: LibzimReader | None = None
    for line in sys.stdin.buffer:
        signal.alarm(LONGEST_S)  # ends this process even inside libzim, should nobody be left to do it
        question, *arguments = json.loads(line)
        answer: dict[str, Any]
        try:
            if question not in _QUESTIONS:
                raise Unreadable(f"no such question: {question}")
            reader = reader or LibzimReader(path)
            answer = {"found": getattr(reader, question)(*arguments)}
        except Unreadable as error:
            answer = {"unreadable": str(error)}
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()
        signal.alarm(0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))

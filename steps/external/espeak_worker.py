"""The process that holds the espeak-ng library, one request after the other over stdin and stdout.

It is a program of its own because a bad call may abort the whole process: then only this one dies and `espeak.py`
starts another. It imports nothing of ours, and ends by itself when its stdin closes, which is also what happens when
its parent is killed.

Each request is spoken by a fork of the freshly loaded library. The library keeps state from text to text that no call
resets (two runs of one sentence differed by up to 145 samples); a fork has none, so the same text always sounds the
same.

Wire format, both ways: 4 bytes big-endian length, then that many bytes of UTF-8 JSON. A reply whose JSON has
`pcm_bytes` is followed by that many bytes of 16-bit little-endian mono sound.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import sys
from typing import Any, BinaryIO

# Source of the numbers below: espeak-ng's public header speak_lib.h.
AUDIO_OUTPUT_SYNCHRONOUS = 2
DONT_EXIT_ON_ERROR = 0x8000
CHARS_UTF8 = 1  # alone: without the SSML and phoneme flags, `<` and `[[` are ordinary text
POSITION_CHARACTER = 1
EVENT_LIST_END = 0
EVENT_WORD = 1
PARAMETER_RATE = 1
PARAMETER_PITCH = 3

# espeak_TextToPhonemes: IPA, with a tie between the letters of one sound, which stands in bits 8 to 23.
PHONEMES_IPA = 0x02
PHONEMES_TIE = 0x80
TIE = "^"

CHILD_LIMIT_S = 300


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Engine:
    """The loaded library. One per process, because the library has no instances."""

    def __init__(self) -> None:
        """Load the library and its data. Raises OSError or ImportError when it is not installed."""
        import espeakng_loader

        self._pcm = bytearray()
        self._words: list[tuple[int, int, int]] = []
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._declare()
        data = espeakng_loader.get_data_path()
        self.rate_hz = self._library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, data.encode(), DONT_EXIT_ON_ERROR)
        if self.rate_hz <= 0:
            raise OSError(f"espeak-ng did not start with the data in {data}")
        self._callback = _CALLBACK(self._collect)  # kept, or it is collected while the library still calls it
        self._library.espeak_SetSynthCallback(self._callback)

    def _declare(self) -> None:
        c = ctypes
        self._library.espeak_Initialize.argtypes = [c.c_int, c.c_int, c.c_char_p, c.c_int]
        self._library.espeak_SetVoiceByName.argtypes = [c.c_char_p]
        self._library.espeak_SetParameter.argtypes = [c.c_int, c.c_int, c.c_int]
        self._library.espeak_Synth.argtypes = [
            c.c_char_p, c.c_size_t, c.c_uint, c.c_int, c.c_uint, c.c_uint, c.c_void_p, c.c_void_p,
        ]  # fmt: skip
        self._library.espeak_TextToPhonemes.argtypes = [c.POINTER(c.c_void_p), c.c_int, c.c_int]
        self._library.espeak_TextToPhonemes.restype = c.c_char_p

    def _collect(self, wav: Any, count: int, events: Any) -> int:
        if wav and count > 0:
            self._pcm.extend(ctypes.string_at(wav, count * 2))
        index = 0
        while events[index].type != EVENT_LIST_END:
            event = events[index]
            if event.type == EVENT_WORD:
                self._words.append((event.text_position - 1, event.length, event.sample))
            index += 1
        return 0

    def speak(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Return the reply's JSON and its sound. `words` are (0-based character, length, first sample)."""
        if self._library.espeak_SetVoiceByName(request["voice"].encode()):
            return {"error": "voice", "message": f"espeak-ng has no voice {request['voice']!r}"}, b""
        self._library.espeak_SetParameter(PARAMETER_RATE, request["words_per_minute"], 0)
        self._library.espeak_SetParameter(PARAMETER_PITCH, request["pitch"], 0)
        text = request["text"].encode()
        code = self._library.espeak_Synth(text, len(text) + 1, 0, POSITION_CHARACTER, 0, CHARS_UTF8, None, None)
        if code:
            return {"error": "synthesis", "message": f"espeak_Synth answered {code}"}, b""
        self._library.espeak_Synchronize()
        pcm = bytes(self._pcm)
        return {"rate_hz": self.rate_hz, "words": self._words, "pcm_bytes": len(pcm)}, pcm

    def phonemes(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Return the sounds of each text as IPA; words are parted by spaces, though some are run together."""
        if self._library.espeak_SetVoiceByName(request["voice"].encode()):
            return {"error": "voice", "message": f"espeak-ng has no voice {request['voice']!r}"}, b""
        mode = PHONEMES_IPA | PHONEMES_TIE | ord(TIE) << 8
        said = []
        for text in request["texts"]:
            held = ctypes.create_string_buffer(text.encode())
            rest = ctypes.c_void_p(ctypes.addressof(held))
            parts = []
            while rest.value:  # a clause at a time; the library moves the pointer, and clears it at the end
                part = self._library.espeak_TextToPhonemes(ctypes.byref(rest), CHARS_UTF8, mode)
                parts.append(part.decode("utf-8", "replace") if part else "")
            said.append(" ".join(part for part in parts if part))
        return {"phonemes": said}, b""


def _read(stream: BinaryIO) -> dict[str, Any] | None:
    header = stream.read(4)
    if len(header) < 4:
        return None
    size = struct.unpack(">I", header)[0]
    body = stream.read(size)
    return dict(json.loads(body)) if len(body) == size else None


def _write(stream: BinaryIO, reply: dict[str, Any], pcm: bytes) -> None:
    body = json.dumps(reply).encode()
    stream.write(struct.pack(">I", len(body)) + body + pcm)
    stream.flush()


def _answer(engine: Engine, request: dict[str, Any], replies: BinaryIO) -> bool:
    """Speak in a fork of this process. False when the fork died; its reply may be half written."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    try:
        signal.alarm(CHILD_LIMIT_S)  # should both our parents be gone and the library be stuck
        reply, pcm = engine.phonemes(request) if "texts" in request else engine.speak(request)
        _write(replies, reply, pcm)
        os._exit(0)
    finally:
        os._exit(1)


def main() -> None:
    """Answer requests until stdin closes, or until one kills the library."""
    # The library may print: what it says must not land between our frames.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        engine = Engine()
    except (ImportError, OSError) as error:
        _write(replies, {"error": "missing", "message": f"{type(error).__name__}: {error}"}, b"")
        return
    while (request := _read(sys.stdin.buffer)) is not None:
        if not _answer(engine, request, replies):
            sys.exit(1)


if __name__ == "__main__":
    main()

"""Writes a language model of a few thousand random weights: nothing that it says makes sense, and it is all real.

With a grammar, a server of the llama.cpp family gets valid JSON even out of this one, within a second; so the whole way
to such a server is tested where no weights of a real model are to be had.

Source: the GGUF format, version 3 (ggml/docs/gguf.md), and the names that llama.cpp gives to the tensors of Llama.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEADS, INNER, CONTEXT = 32, 2, 64, 8192
ALIGNMENT = 32
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # kinds of tokens
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9  # kinds of values
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "


def write_tiny_model(path: Path, *, seed: int = 1) -> Path:
    """Write the file, about 100 kB, and return its path."""
    random = np.random.default_rng(seed)
    tokens, kinds = vocabulary()
    facts: dict[str, tuple[int, Any]] = {
        "general.architecture": (STRING, "llama"),
        "general.alignment": (UINT32, ALIGNMENT),
        "llama.vocab_size": (UINT32, len(tokens)),
        "llama.context_length": (UINT32, CONTEXT),
        "llama.embedding_length": (UINT32, WIDTH),
        "llama.block_count": (UINT32, 1),
        "llama.feed_forward_length": (UINT32, INNER),
        "llama.attention.head_count": (UINT32, HEADS),
        "llama.rope.dimension_count": (UINT32, WIDTH // HEADS),
        "llama.attention.layer_norm_rms_epsilon": (FLOAT32, 1e-5),
        "tokenizer.ggml.model": (STRING, "llama"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, tokens)),
        "tokenizer.ggml.scores": (ARRAY, (FLOAT32, [0.0] * len(tokens))),
        "tokenizer.ggml.token_type": (ARRAY, (INT32, kinds)),
        "tokenizer.ggml.unknown_token_id": (UINT32, 0),
        "tokenizer.ggml.bos_token_id": (UINT32, 1),
        "tokenizer.ggml.eos_token_id": (UINT32, 2),
        "tokenizer.chat_template": (STRING, TEMPLATE),
    }
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(tokens), WIDTH),
        "output.weight": (len(tokens), WIDTH),
        "output_norm.weight": (WIDTH,),
        "blk.0.attn_norm.weight": (WIDTH,),
        **{f"blk.0.attn_{one}.weight": (WIDTH, WIDTH) for one in ("q", "k", "v", "output")},
        "blk.0.ffn_norm.weight": (WIDTH,),
        "blk.0.ffn_gate.weight": (INNER, WIDTH),
        "blk.0.ffn_up.weight": (INNER, WIDTH),
        "blk.0.ffn_down.weight": (WIDTH, INNER),
    }
    weights = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    _prefer_letters(weights, np.array(kinds) == BYTE)
    path.write_bytes(gguf(facts, weights))
    return path


def _prefer_letters(weights: dict[str, np.ndarray[Any, Any]], are_bytes: np.ndarray[Any, Any]) -> None:
    """Make bare bytes unlikely, which are no UTF-8: the first number of a state is always 1, and against them."""
    weights["token_embd.weight"][:, 0] = 1
    weights["output_norm.weight"][0] = 1
    weights["output.weight"][:, 0] = np.where(are_bytes, -60, 0)
    for name in ("blk.0.attn_output.weight", "blk.0.ffn_down.weight"):
        weights[name][0, :] = 0


def vocabulary() -> tuple[list[str], list[int]]:
    """Return tokens and their kinds: three marks, every byte, and every letter that JSON is written in."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *letters]
    return tokens, [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * (1 + len(letters))]


def gguf(facts: Mapping[str, tuple[int, Any]], weights: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """Return the bytes of a GGUF file."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(weights), len(facts))
    for name, (kind, value) in facts.items():
        head += text(name) + struct.pack("<I", kind) + encoded(kind, value)
    body = b""
    for name, array in weights.items():
        sizes = array.shape[::-1]  # the fastest one first
        head += text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, 0, len(body))
        body += padded(array.tobytes())
    return padded(head) + body


def encoded(kind: int, value: Any) -> bytes:
    if kind == STRING:
        return text(value)
    if kind == ARRAY:
        inner, items = value
        sequence: Sequence[Any] = items
        return struct.pack("<IQ", inner, len(sequence)) + b"".join(encoded(inner, one) for one in sequence)
    return struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}[kind], value)


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def padded(raw: bytes) -> bytes:
    return raw + b"\0" * (-len(raw) % ALIGNMENT)

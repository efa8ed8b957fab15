"""The embedded server beside a real one: the same requests, the same answers, the same messages in the same order."""

from __future__ import annotations

import copy
import io
import json
import math
import re
import struct
import wave
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from embedded_server_replay import HURRIED, Played, Player, embedded, plain
from PIL import Image

SCENARIOS = (
    *("a1", "a2", "a3", "b1", "b3", "c1", "c2", "d1", "d2", "d3", "d4", "d5", "d6", "e1", "e2", "e3", "e4"),
    *("f1", "f2", "f3", "f4", "g1", "g2", "g3", "g4", "g6", "h3", "i1", "i2", "i3", "j1", "j2", "j4", "k2"),
)
AT_ONCE = 12


def _png(side: int, seed: int) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def _wav() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(t / 8))) for t in range(8000)))
    return buffer.getvalue()


CONTENTS = {
    93: _png(4, 1),
    92: _png(4, 2),
    78: _png(4, 3),
    17: b"this is not a png",
    5: b"hello",
    16044: _wav(),
    3147775: _png(1024, 4),
}
"""What stands for the files of the recordings, by their length there."""


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> dict[str, tuple[Player, Played]]:
    """Play all scenarios, each on a card of its own: they mostly wait, so they are played at the same time."""
    directory = tmp_path_factory.mktemp("cards")
    with embedded(directory, "--cards", str(len(SCENARIOS))) as (urls, _):
        _place_files(directory)
        players = {
            name: Player(name, url, directory=directory / f"card{index}", contents=CONTENTS)
            for index, (name, url) in enumerate(zip(SCENARIOS, urls, strict=True))
        }
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(lambda player: player.play(), players.values()))
    return {name: (players[name], result) for name, result in zip(SCENARIOS, results, strict=True)}


def _place_files(directory) -> None:
    """Put where a scenario begins what an earlier one had left there."""
    view = directory / f"card{SCENARIOS.index('i3')}"
    (view / "output" / "rec").mkdir()
    (view / "output" / "rec" / "i2_00001_.mp4").write_bytes(b"\0\0\0 ftypisom" + b"v" * 4997)
    (view / "output" / "u202411.png").write_bytes(CONTENTS[93])
    for folder in ("input", "temp"):
        (view / folder / "u202411.png").write_bytes(CONTENTS[93])
    (view / "input" / "u202411.exe.txt").write_bytes(b"hello")
    use = directory / f"card{SCENARIOS.index('i2')}"
    (use / "temp" / "u202411.png").write_bytes(CONTENTS[93])
    (use / "input" / "u202411_fake.png").write_bytes(CONTENTS[17])
    (directory / f"card{SCENARIOS.index('j4')}" / "input" / "j4.png").write_bytes(CONTENTS[93])


def _matches(recorded: Any, actual: Any, *, is_partial: bool = False) -> bool:
    """Whether a value is the recorded one; what was trimmed there matches anything."""
    if isinstance(recorded, str) and ("(trimmed)" in recorded or "trimmed)" in recorded or recorded == "tensor"):
        return True
    if isinstance(recorded, dict) and isinstance(actual, dict):
        if not (recorded.keys() <= actual.keys() if is_partial else recorded.keys() == actual.keys()):
            return False
        return all(_matches(value, actual[key], is_partial=is_partial) for key, value in recorded.items())
    if isinstance(recorded, list) and isinstance(actual, list):
        pairs = zip(recorded, actual, strict=False)
        return len(recorded) == len(actual) and all(_matches(r, a, is_partial=is_partial) for r, a in pairs)
    if isinstance(recorded, str) and isinstance(actual, str):
        return _unnumbered(recorded) == _unnumbered(actual)
    return type(recorded) is type(actual) and recorded == actual


def _unnumbered(name: str) -> str:
    """Forget the number in a file's name: the recorded server had saved others before."""
    return re.sub(r"_\d{5}", "_N", name)


def _problems_in_order(value: Any) -> Any:
    """Order the problems of a node, which a real server takes from a set, and forget which models it had."""
    if isinstance(value, list):
        return [_problems_in_order(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: _problems_in_order(item) for key, item in value.items()}
    if "errors" in value:
        value["errors"] = sorted(value["errors"], key=lambda problem: problem["details"])
    if value.get("type") == "value_not_in_list" and value["extra_info"]["input_name"] in ("ckpt_name", "clip_name"):
        value["details"] = value["details"].partition(" not in ")[0]
        value["extra_info"] = {**value["extra_info"], "input_config": "(trimmed)"}
    return value


def _is_too_early(reply, result: Played) -> bool:
    """Whether the recorded client asked for a result before it was there, which another run need not be in time for."""
    path, body = reply.recorded["path"], reply.recorded.get("response")
    later = [other for other in result.replies if other.recorded["path"] == path and other.recorded["response"]]
    return path.startswith("/history/") and body == {} and bool(later)


def _is_of_the_machine(reply) -> bool:
    """Whether a reply tells about the server's host, or about what other scenarios had left on it."""
    path = reply.recorded["path"]
    return path == "/api/jobs" or path.startswith("/internal/")


def _same_body(player: Player, reply) -> bool:
    recorded = reply.recorded.get("response")
    if isinstance(recorded, dict) and "binary_length" in recorded:
        is_made_here = {"preview", "channel"} & reply.recorded["query"].keys() or player.played.name == "i2"
        return bool(is_made_here) or _length(reply.recorded) == len(reply.content)
    is_partial = player.played.name[0] == "j"
    here = _problems_in_order(player.comparable(reply.body))
    return _matches(_problems_in_order(plain(recorded)), here, is_partial=is_partial)


def _length(event: dict[str, Any]) -> int:
    """How long a file sent by /view is here, when it is one of those that stand for the recorded ones."""
    length = event["response"]["binary_length"]
    return len(CONTENTS[length]) if length in CONTENTS else length


def _same_headers(recorded: dict[str, str], actual: dict[str, str]) -> bool:
    for name, value in recorded.items():
        found = {key.lower(): one for key, one in actual.items()}.get(name, "")
        if name == "etag":
            if not re.fullmatch(r'"[0-9a-f]+-[0-9a-f]+"', found):
                return False
        elif name == "content-type" and value == "application/octet-stream":
            continue
        elif _unnumbered(value) != _unnumbered(found):
            return False
    return True


@pytest.mark.parametrize("name", SCENARIOS)
def test_replies_are_the_recorded_ones(played, name):
    """A client that was written for a real server reads the same statuses and bodies here."""
    player, result = played[name]
    wrong = [
        f"{reply.recorded['method']} {reply.recorded['path']} {json.dumps(reply.recorded.get('body'))}\n"
        f"  recorded {reply.recorded['status']} {json.dumps(plain(reply.recorded.get('response')))}\n"
        f"  here     {reply.status} {json.dumps(player.comparable(reply.body))}"
        for reply in result.replies
        if not _is_of_the_machine(reply)
        and not _is_too_early(reply, result)
        and (
            reply.status != reply.recorded["status"]
            or not _same_body(player, reply)
            or not _same_headers(reply.recorded.get("headers", {}), reply.headers)
        )
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", SCENARIOS)
def test_messages_are_the_recorded_ones(played, name):
    """Each socket gets the recorded messages in the recorded order, and the recorded numbers of prompts left."""
    player, result = played[name]
    for socket, events in result.expected.items():
        recorded = [_shown(event) for event in events]
        here = [player.comparable(_heard(message)) for message in result.sockets[socket].received]
        _compare_streams(f"{name}/{socket}", recorded, here, of={"status"})
        has_states = any(one["type"] == "progress_state" for one in recorded)
        unsure = {"status"} | (set() if has_states else {"progress_state"})
        if socket == "ws1b" or name in HURRIED:
            unsure.add("progress")  # how many are lost before a client is back is a matter of milliseconds
        others = {one["type"] for one in recorded + here} - unsure
        _compare_streams(f"{name}/{socket}", recorded, here, of=others)


def _shown(event: dict[str, Any]) -> dict[str, Any]:
    """A recorded message in a form that a binary one shares."""
    if "msg" in event:
        return plain(event["msg"])
    return {"type": "binary", "kind": event["binary_type"], "is_big": event["length"] > 1024 * 1024}


def _heard(message: Any) -> dict[str, Any]:
    """A received message in the same form."""
    if isinstance(message, bytes):
        return {"type": "binary", "kind": message[3], "is_big": len(message) > 1024 * 1024}
    if message["type"] == "progress_state":
        message = copy.deepcopy(message)
        for node_id, node in message["data"]["nodes"].items():
            if node["display_node_id"] == node_id:
                for key in ("node_id", "prompt_id", "display_node_id", "parent_node_id", "real_node_id"):
                    del node[key]
    return message


def _compare_streams(where: str, recorded: list[Any], here: list[Any], *, of: set[str]) -> None:
    expected = _without_last_ticks([one for one in recorded if one["type"] in of])
    found = _without_last_ticks([one for one in here if one["type"] in of])
    for index, (one, other) in enumerate(zip(expected, found, strict=False)):
        assert _matches(one, other), f"{where}: message {index}\n  recorded {one}\n  here     {other}"
    assert [one["type"] for one in expected] == [one["type"] for one in found], where


def _without_last_ticks(messages: list[Any]) -> list[Any]:
    """Leave out the progress right before an interrupt: how far a node came by then is a matter of milliseconds."""
    kept: list[Any] = []
    for one in messages:
        while one["type"] == "execution_interrupted" and kept and kept[-1]["type"] in ("progress", "progress_state"):
            kept.pop()
        kept.append(one)
    return kept


@pytest.mark.parametrize("name", ["a1", "a2", "a3", "b1", "d1", "d5", "d6"])
def test_the_whole_stream_is_the_recorded_one(played, name):
    """Where one prompt runs at a time, even the place of each `status` between the others is certain."""
    player, result = played[name]
    for socket, events in result.expected.items():
        here = [player.comparable(_heard(message)) for message in result.sockets[socket].received]
        assert [_shown(event)["type"] for event in events] == [one["type"] for one in here]


@pytest.mark.parametrize("name", SCENARIOS)
def test_sockets_close_and_are_refused_as_recorded(played, name):
    """Too large messages, foreign origins, a dropped connection: each ends in the recorded way."""
    _, result = played[name]
    for socket, (recorded, here) in result.refused.items():
        assert recorded == here, socket
    for socket, code in result.closed_with.items():
        if code in (1000, 1009):
            assert result.sockets[socket].closed_with == code, socket


def test_rejected_prompts_use_up_numbers(played):
    """The counter of the queue counts what was refused, and not what brought its own number."""
    for name in ("c1", "f2", "f3"):
        _, result = played[name]
        pairs = [
            (reply.recorded["response"]["number"], reply.body["number"])
            for reply in result.replies
            if reply.recorded["path"] == "/prompt" and "number" in (reply.recorded["response"] or {})
            if "number" not in reply.recorded["body"]
        ]
        offsets = {abs(recorded) - abs(here) for recorded, here in pairs}
        assert len(offsets) <= 1, (name, pairs)


def test_a_second_identical_prompt_names_the_old_file(played):
    """A cached prompt repeats the file names of the run that made them, and a new prefix or seed does not."""
    _, result = played["b1"]
    names = [
        next(iter(reply.body.values()))["outputs"]
        for reply in result.replies
        if reply.recorded["path"].startswith("/history/") and reply.body
    ]
    saved = [outputs[node]["images"][0]["filename"] for outputs in names for node in outputs]
    assert saved == [
        "b1_00001_.png",
        "b1_00001_.png",
        "b1_00001_.png",
        "b1_other_00001_.png",
        "b1_00002_.png",
        "b1_third_00001_.png",
        "b1_00003_.png",
    ]


def test_a_larger_cache_keeps_results_across_prompts(tmp_path):
    """Started with --cache-lru, the server still knows prompt A after prompt B."""
    with embedded(tmp_path, "--cache-lru", "50") as ((url,), _):
        player = Player("b2", url, directory=tmp_path)
        result = player.play()
    for socket, events in result.expected.items():
        here = [player.comparable(_heard(message)) for message in result.sockets[socket].received]
        assert [_shown(event) for event in events if event["msg"]["type"] == "execution_cached"] == [
            one for one in here if one["type"] == "execution_cached"
        ]

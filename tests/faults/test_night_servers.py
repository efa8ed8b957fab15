"""Nights on one card for everything: a language model server and a ComfyUI, both real processes, take turns at it.

The card is a pretend one of 24 GB: the server takes 20 of it and ComfyUI 18, so that whoever begins before the other
has gone overfills it, which is seen.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from orchestrator.embedded.pretend_vram import KEEPS, OVERFULL_FILE, PretendCard
from orchestrator.settings import parse_settings
from steps.base import Context, Result
from steps.errors import ServiceUnavailable
from tests.faults.night_world import CUT, LOOK, PAINT, SPEAK, Timing, World
from tests.integration.comfyui_embedded import embedded
from tests.integration.servers_world import TINY, on_card, path_with, pretend_card, pretend_smi

WRITE = Timing("write", 0.0, on_card=False, per_language=True)
MAIN = """
import pathlib, sys
from orchestrator.embedded.__main__ import main
words = sys.argv
port, out = (words[words.index(name) + 1] for name in ("--port", "--output-directory"))
sys.exit(main(["--port", port, "--directory", str(pathlib.Path(out).parent), "--idle-exit-s", "60"]))
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PretendCard, str]]:
    """A card, and a ComfyUI on it that no night starts or ends."""
    folder = tmp_path_factory.mktemp("shared")
    card = pretend_card(folder / "card", 24)
    pretend_smi(card, folder / "bin")
    (folder / "comfyui").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in on_card(card, 18).items():
            patch.setenv(name, value)
        running = embedded(folder / "comfyui")
        server = running.__enter__()
    try:
        yield card, server.url
    finally:
        running.__exit__(None, None, None)


@pytest.fixture
def one_card(tmp_path: Path, shared: tuple[PretendCard, str], monkeypatch: pytest.MonkeyPatch) -> OneCard:
    card, url = shared
    for left in [*card.folder.glob("*.json"), card.folder / OVERFULL_FILE]:
        left.unlink(missing_ok=True)
    monkeypatch.setenv("PATH", path_with(card.folder.parent / "bin"))
    return OneCard(tmp_path, card, url)


class OneCard:
    """A home with one card for everything."""

    def __init__(self, folder: Path, card: PretendCard, url: str) -> None:
        self.folder = folder
        self.card = card
        self.url = url
        checkout = folder / "ComfyUI"
        checkout.mkdir()
        (checkout / "main.py").write_text(MAIN)
        self.seen: list[tuple[str, list[float]]] = []  # step -> what each process held of the card meanwhile

    def world(
        self,
        *timings: Timing,
        own: bool = False,
        words: tuple[str, ...] = (),
        comfyui: dict[str, str] | None = None,
        server: dict[str, Any] | None = None,
        needs_gb: float = 18,
        **settings: Any,
    ) -> World:
        """Return a home whose steps that ask really ask, and look at the card meanwhile."""
        world = World(self.folder, *timings, paintings=2)
        start = {"folder": str(self.folder / "ComfyUI"), "python": sys.executable}
        start["environment"] = on_card(self.card, 18, **(comfyui or {}))  # type: ignore[assignment]
        usual = {"name": "qwen", "command": [*TINY, *words], "kind": "vllm", "gpus": [0], "vram_gb": 20}
        usual |= {"environment": on_card(self.card, 20), "vram_timeout_s": 1, "ready_timeout_s": 20}
        listed = {"name": "card0", "gpu": 0} | ({"start": start} if own else {"url": self.url})
        loaded = {
            "home": str(world.root),
            "languages": ["fr"],
            "retry": {"backoff_s": 0.05, "attempts": 3},
            "comfyui": {"instances": [listed], "restart": "never"},
            "servers": [usual | (server or {})],
            **settings,
        }
        world.settings = parse_settings(loaded, self.folder / "config.yaml")
        world.workflow(needs={"vram_gb": needs_gb})
        for name, which in (("look", "vision"), ("write", "text")):
            if any(timing.name == name for timing in timings):
                world.step(name).asks = (which,)  # type: ignore[attr-defined]
                world.spoil(name, self.ask)
        return world

    def ask(self, context: Context) -> Result | None:
        url = context.options.llm.text.url
        assert url is not None
        try:
            reply = requests.post(f"{url}/chat/completions", json={}, timeout=5)
        except requests.RequestException as error:
            raise ServiceUnavailable(str(error)) from error
        if reply.status_code != 200:
            raise ServiceUnavailable(f"HTTP {reply.status_code}")
        self.seen.append(("asking", sorted(self.card.holders().values())))
        return None

    def is_overfull(self) -> bool:
        return (self.card.folder / OVERFULL_FILE).exists()


@pytest.mark.parametrize("overlap", [False, True])
def test_one_card_serves_both_in_turn(one_card, overlap):
    """The server's memory and ComfyUI's never lie on the card together, in either kind of night."""
    world = one_card.world(LOOK, WRITE, PAINT, CUT, SPEAK, overlap=overlap, own=overlap)
    assert world.run().outcome == "complete"
    assert not one_card.is_overfull()
    assert one_card.seen == [("asking", [20.0])] * 4
    assert {line["to"] for line in world.logged("card.handed_over")} == {"qwen", "card0"}
    assert len(world.logged("server.resting")) == 1
    left = one_card.card.holders().values()
    assert list(left) == ([] if overlap else [18.0])  # what is ours was ended with the night
    world.check_tidy()


def test_the_server_comes_back_for_a_later_step(one_card):
    """LLM, ComfyUI, LLM again: what ComfyUI had loaded is gone before the server wakes."""
    late = Timing("write", 0.0, on_card=False, per_language=True)
    world = one_card.world(LOOK, PAINT, late)
    assert world.run().outcome == "complete"
    assert not one_card.is_overfull()
    assert one_card.seen == [("asking", [20.0])] * 4
    assert len(world.logged("server.awake")) == 1
    assert [line["reason"] for line in world.logged("instance.freed")][-1] == "its card goes to a language model"


def test_a_server_that_keeps_its_memory_asleep_is_ended(one_card):
    """It says that it sleeps; the card says otherwise, and the card is believed."""
    world = one_card.world(LOOK, PAINT, words=("keeps_memory",))
    assert world.run().outcome == "complete"
    assert not one_card.is_overfull()
    stopped = [line["reason"] for line in world.logged("server.stopped")]
    assert "the card 0 has 4.0 of 24.0 GiB free" in stopped[0]


def test_a_comfyui_that_keeps_its_memory_is_restarted(one_card):
    """/free was answered and nothing came back: only its end frees the card."""
    world = one_card.world(LOOK, PAINT, WRITE, own=True, comfyui={KEEPS: "1"})
    assert world.run().outcome == "complete"
    assert not one_card.is_overfull()
    restarting = [line["reason"] for line in world.logged("instance.restarting")]
    assert len(restarting) == 1
    assert "qwen needs it" in restarting[0]


@pytest.mark.parametrize("overlap", [False, True])
def test_a_step_does_not_start_while_somebody_else_holds_the_card(one_card, overlap):
    """A game was left open: the morning's report says which program it was."""
    (one_card.card.folder / "1.json").write_text(json.dumps({"pid": 1, "gb": 10}))
    world = one_card.world(LOOK, PAINT, overlap=overlap)
    result = world.run()
    reason = result.stopped_steps["look"]
    assert "qwen is not started: the card 0 has 14.0 of 24.0 GiB free, and 20.0 GiB are needed" in reason
    assert "(process 1) 10.0 GiB" in reason
    assert one_card.seen == []
    assert not one_card.is_overfull()


def test_a_card_that_stays_held_is_left_out_of_the_step(one_card):
    """The same on the way back: ComfyUI is not sent what would run out of memory."""
    world = one_card.world(LOOK, PAINT, server={"vram_gb": 10}, needs_gb=23)
    (one_card.card.folder / "1.json").write_text(json.dumps({"pid": 1, "gb": 4}))
    world.settings = world.settings.model_copy(
        update={
            "servers": tuple(
                one.model_copy(update={"environment": on_card(one_card.card, 10)}) for one in world.settings.servers
            )
        }
    )
    result = world.run()
    assert "held by: " in result.stopped_steps["paint"]
    assert "(process 1) 4.0 GiB" in result.stopped_steps["paint"]
    assert world.tries("paint") == {}


def test_a_server_that_dies_in_a_step_is_started_again(one_card):
    """Killed for its memory in the middle of the night: the tries that it cost are made again."""
    world = one_card.world(
        LOOK, PAINT, words=("dies",), overlap=True, retry={"backoff_s": 2, "backoff_factor": 1, "attempts": 5}
    )
    assert world.run().outcome == "complete"
    assert world.logged("server.died")
    assert not one_card.is_overfull()

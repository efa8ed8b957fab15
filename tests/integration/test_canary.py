"""Canaries: an instance that answers but cannot work is found before the night, and compared with its good nights."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from comfyui_embedded import embedded
from relay import card, relay

from db.canaries import Canaries
from db.engine import open_database
from orchestrator.canary import Past, fingerprint, judge, sing, suits
from orchestrator.canary_round import CanaryRound
from orchestrator.clock import SystemClock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.restart import NoRestart, ProcessRestart
from orchestrator.comfyui.workflow import Workflow
from orchestrator.log import silent
from orchestrator.observer import Quiet
from steps.options import StepOptions, VideoOptions

SMALL = StepOptions(video=VideoOptions(width=128, height=192))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with embedded(tmp_path_factory.mktemp("canary")) as running:
        yield running


@contextmanager
def client_of(url: str) -> Iterator[ComfyClient]:
    client = ComfyClient(url, client_id="canary-test", clock=SystemClock())
    try:
        yield client
    finally:
        client.close()


def sung_at(url, *, song=None, past=None, timeout_s=20.0):
    with client_of(url) as client:
        return sing(
            client,
            SystemClock(),
            song=song,
            options=SMALL,
            past=past or Past(),
            timeout_s=timeout_s,
            stop=threading.Event(),
        )


def test_a_healthy_instance_sings(server):
    """The picture comes back as it must be; two canaries are never the same prompt, so neither is from the cache."""
    first, second = sung_at(server.url), sung_at(server.url)
    assert first.outcome == second.outcome == "good"
    assert first.sha256 != second.sha256
    assert first.seconds is not None
    assert first.seconds >= 0


def test_a_workflow_sings_the_same_every_time(server):
    """Fixed picture, fixed seed, empty cache: what differs is the instance."""
    song = Workflow.load("clean_pic")
    assert suits(song, SMALL) == ""
    first = sung_at(server.url, song=song)
    second = sung_at(server.url, song=song, past=Past((first.seconds,), first.details))
    assert (first.outcome, second.outcome) == ("good", "good")
    assert first.sha256 == second.sha256
    assert second.words.startswith("as in the last good night")


def test_a_workflow_that_needs_an_item_cannot_sing():
    """There is no speech before the night."""
    assert suits(Workflow.load("audio"), SMALL) == "it makes no picture"
    assert "it makes no picture" in suits(Workflow.load("transition"), SMALL)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "error", "times": 1}, "failed there"),
        ({"kind": "hang", "times": 1}, "had not come back"),
    ],
)
def test_an_instance_that_cannot_work_is_heard(server, fault, words):
    """It answers every question, and makes nothing."""
    server.misbehave(**fault)
    try:
        sung = sung_at(server.url, timeout_s=2.0)
    finally:
        server.behave()
        server.again()
    assert sung.outcome == "failed"
    assert words in sung.words


GRID = [10 * (cell % 20) for cell in range(256)]
KNOWN = {"song": "clean_pic", "server": "0.27.0", "card": "RTX 4090", "grid": GRID}


def test_a_black_picture_is_a_failure():
    """A driver that makes black pictures ruins a night without one error."""
    assert judge(3.0, {**KNOWN, "grid": [0] * 256}, past=Past((3.0,), KNOWN))[0] == "failed"


def test_a_slow_instance_and_another_picture_are_told_apart():
    """A card that fell back to the CPU is slow; a changed model or driver makes another picture."""
    assert judge(9.0, KNOWN, past=Past((3.0, 3.2, 2.9), KNOWN)) == (
        "slow",
        "it took 9.0 s; in the last good nights it took 3.0 s",
    )
    outcome, words = judge(3.0, {**KNOWN, "grid": GRID[::-1], "server": "0.28.0"}, past=Past((3.0,), KNOWN))
    assert outcome == "differs"
    assert "server was 0.27.0, is 0.28.0" in words


def test_a_little_noise_is_as_good_as_the_same():
    """Attention kernels round differently; nobody should be woken for it."""
    noisy = {**KNOWN, "grid": [level + (-1) ** cell for cell, level in enumerate(GRID)]}
    assert judge(3.1, noisy, past=Past((3.0,), KNOWN)) == ("good", "as in the last good night")


def test_a_fingerprint_is_where_the_light_is():
    """Sixteen by sixteen cells, row by row."""
    import numpy as np

    picture = np.zeros((64, 32, 3), np.uint8)
    picture[:32] = 200
    assert fingerprint(picture) == [200] * 128 + [0] * 128


class FleetOfOne:
    """What the round needs of a fleet: what was done to the instance is kept."""

    def __init__(self, again=None):
        self.done = []
        self._again = again

    def restart(self, instance, reason):
        self.done.append(("restart", reason))
        if self._again:
            self._again()
        return True

    def leave_out(self, instance, reason):
        self.done.append(("leave out", reason))
        instance.set_aside = reason


def round_of(tmp_path, fleet, *, timeout_s=2.0):
    store = SimpleNamespace(engine=open_database(tmp_path / "n.db"))
    return CanaryRound(
        store=store,
        fleet=fleet,
        clock=SystemClock(),
        log=silent(),
        observer=Quiet(),
        batch_id=None,
        song=None,
        options=SMALL,
        timeout_s=timeout_s,
        stop=threading.Event(),
    ), Canaries(store.engine)


def test_a_failed_canary_restarts_once_and_the_night_goes_on(server, tmp_path):
    """A dead worker thread is cured by a restart; both canaries are kept."""
    server.misbehave("hang", times=1)
    fleet = FleetOfOne(again=server.again)
    rounds, canaries = round_of(tmp_path, fleet)
    with client_of(server.url) as client:
        instance = SimpleNamespace(
            name="card0", session=SimpleNamespace(client=client), restarter=ProcessRestart(server.again), set_aside=None
        )
        rounds.run([instance])
    assert [what for what, _ in fleet.done] == ["restart"]
    assert "had not come back" in fleet.done[0][1]
    assert [one.outcome for one in canaries.good_ones("card0", limit=5)] == ["good"]


def test_an_instance_that_cannot_be_restarted_is_left_out(server, tmp_path):
    """Others go on without it."""
    fleet = FleetOfOne()
    rounds, canaries = round_of(tmp_path, fleet)
    server.misbehave("error", times=0)
    try:
        with relay(server.url, {"/system_stats": card()}) as url, client_of(url) as client:
            instance = SimpleNamespace(
                name="card0", session=SimpleNamespace(client=client), restarter=NoRestart(), set_aside=None
            )
            rounds.run([instance])
    finally:
        server.behave()
    assert [what for what, _ in fleet.done] == ["leave out"]
    assert canaries.good_ones("card0", limit=5) == []

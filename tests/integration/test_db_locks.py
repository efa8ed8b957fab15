"""The run lock: one holder, takeover only from one that is gone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest
from db_world import World

from db.errors import LockHeld, LockLost
from db.locks import is_alive

HOST = socket.gethostname()


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, paintings=0)


@pytest.fixture
def dead_pid():
    """A process id that was in use and is not any more."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait(timeout=30)
    return process.pid


def acquire(world, owner, *, host=HOST, pid=None, stale_after_s=60.0):
    pid = os.getpid() if pid is None else pid
    world.store.acquire_lock("night", owner=owner, host=host, pid=pid, stale_after_s=stale_after_s)


def test_a_lock_has_one_holder(world):
    """The second night learns who drives the cards."""
    acquire(world, "first")
    with pytest.raises(LockHeld) as caught:
        acquire(world, "second")
    assert (caught.value.owner, caught.value.pid, caught.value.host) == ("first", os.getpid(), HOST)
    assert caught.value.heartbeat == world.clock.now()


def test_a_released_lock_is_free(world):
    """The next night takes it without a word."""
    acquire(world, "first")
    assert world.store.release_lock("night", "first")
    acquire(world, "second")
    assert world.event_names() == []


def test_only_the_owner_releases(world):
    """A night that lost its lock must not free the other one's."""
    acquire(world, "first")
    assert not world.store.release_lock("night", "second")
    with pytest.raises(LockHeld):
        acquire(world, "second")


def test_a_heartbeat_keeps_the_lock(world):
    """A night of ten hours is alive as long as it says so."""
    acquire(world, "first", host="gpu-box", pid=1)
    for _ in range(10):
        world.clock.advance(50)
        world.store.heartbeat("night", "first")
    with pytest.raises(LockHeld):
        acquire(world, "second")


def test_a_silent_holder_on_another_host_is_taken_over(world):
    """Its process cannot be looked for from here, so only the heartbeat counts."""
    acquire(world, "first", host="gpu-box", pid=1)
    world.clock.advance(60)
    with pytest.raises(LockHeld):
        acquire(world, "second")
    world.clock.advance(0.1)
    acquire(world, "second")
    (event,) = world.store.events()
    assert event.name == "lock.taken_over"
    assert event.details["from"] == "first"
    assert "not heard of" in event.details["reason"]


def test_a_holder_whose_process_is_gone_is_taken_over_at_once(world, dead_pid):
    """After a SIGKILL the owner does not want to wait for a heartbeat to run out."""
    acquire(world, "first", pid=dead_pid)
    acquire(world, "second")
    assert world.store.events()[-1].details["reason"] == "its process is gone"


def test_a_dead_process_number_on_another_host_says_nothing(world, dead_pid):
    """Numbers are per host."""
    acquire(world, "first", host="gpu-box", pid=dead_pid)
    with pytest.raises(LockHeld):
        acquire(world, "second")


def test_one_that_was_taken_over_is_told(world):
    """A laptop that slept must not go on driving the cards."""
    acquire(world, "first", host="gpu-box", pid=1)
    world.clock.advance(3600)
    acquire(world, "second")
    with pytest.raises(LockLost):
        world.store.heartbeat("night", "first")
    assert not world.store.release_lock("night", "first")
    world.store.heartbeat("night", "second")


def test_the_owner_may_take_its_own_lock_again(world):
    """Refreshing is not a takeover."""
    acquire(world, "first")
    world.clock.advance(3600)
    acquire(world, "first")
    assert world.event_names() == []


def test_locks_of_different_names_are_apart(world):
    """A daytime job and a review may run beside the night."""
    acquire(world, "first")
    world.store.acquire_lock("review", owner="second", host=HOST, pid=os.getpid(), stale_after_s=60)
    assert world.store.release_lock("review", "second")


def test_an_ended_process_that_nobody_waited_for_is_gone():
    """A zombie still has its number."""
    process = subprocess.Popen([sys.executable, "-c", "print('up', flush=True); input()"], stdin=-1, stdout=-1)
    try:
        assert process.stdout.readline() == b"up\n"
        assert is_alive(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and still unwaited for
        assert not is_alive(process.pid)
    finally:
        process.wait(timeout=10)
        process.stdin.close()
        process.stdout.close()
    assert not is_alive(process.pid)
    assert is_alive(os.getpid())
    assert not is_alive(2**40)


def test_of_many_that_try_at_once_one_gets_it(world):
    """Two nights started by cron and by hand in the same second."""
    got, held = [], []

    def try_it(owner):
        try:
            acquire(world, owner)
            got.append(owner)
        except LockHeld:
            held.append(owner)

    threads = [threading.Thread(target=try_it, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(held)) == (1, 7)

"""Taking prompts off their cards that nobody wants any more, also while a night in another process waits for them.

An item that a person aborts may have a prompt running for another quarter of an hour. Whoever waits for it hears that
it was interrupted, finds its try ended already, and goes on with the next one.
"""

from __future__ import annotations

from collections.abc import Sequence

from db.store import AttemptView
from orchestrator.children import running_address
from orchestrator.clock import SystemClock
from orchestrator.comfyui.client import ComfyClient
from orchestrator.comfyui.errors import ComfyUIError
from orchestrator.home import Home
from orchestrator.settings import Settings

TIMEOUT_S = 5.0  # a person waits for the answer


def withdraw_prompts(attempts: Sequence[AttemptView], settings: Settings, home: Home) -> list[str]:
    """Delete the prompts of some attempts where they wait, and interrupt them where they run.

    Args:
        attempts: Those that had not ended; one without a prompt has nothing to take back.
        settings: Tells the addresses of the instances.
        home: Tells those of the instances that Nightreel started itself.

    Returns:
        What could not be done, a line each: such a prompt runs to its end, and what it makes is not kept.
    """
    problems = []
    for attempt in attempts:
        if attempt.prompt_id is None or attempt.instance is None:
            continue
        url = _address_of(attempt.instance, settings, home)
        if url is None:
            problems.append(f"{attempt.instance}: nothing is known of such an instance")
            continue
        try:
            _withdraw(url, attempt.prompt_id)
        except ComfyUIError as error:
            problems.append(f"{attempt.instance}: {error}")
    return problems


def _address_of(name: str, settings: Settings, home: Home) -> str | None:
    listed = {one.name: one.url for one in settings.comfyui.instances}
    return listed.get(name) or running_address(home.engines / name)


def _withdraw(url: str, prompt_id: str) -> None:
    client = ComfyClient(
        url, client_id="nightreel-abort", clock=SystemClock(), connect_timeout_s=TIMEOUT_S, read_timeout_s=TIMEOUT_S
    )
    try:
        client.withdraw(prompt_id)
    finally:
        client.close()

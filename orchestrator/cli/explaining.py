"""`nightreel explain`: why a run went where it went, and what it waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.console import AsJson, app, open_home, print_json, say, settings_of
from orchestrator.wording import one_line

if TYPE_CHECKING:
    from orchestrator.explain import Explanation


@app.command()
def explain(
    run: Annotated[
        list[str],
        typer.Argument(help="A run's id, as `show` prints it; or ITEM STEP, and a language where it has one."),
    ],
    as_json: AsJson = False,
) -> None:
    """Say why a run went to its card, why then, and what it waited for."""
    from orchestrator.explain import explain as explained
    from orchestrator.explain import find_run
    from orchestrator.pipeline import pipeline_of
    from steps.registry import needs_of

    settings = settings_of()
    home, store = open_home(settings)
    found = explained(store, home, find_run(store, run), needs=needs_of(pipeline_of(settings)))
    if as_json:
        print_json(found.as_json())
    else:
        _print(found)


def _print(found: Explanation) -> None:
    language = f" ({found.variant})" if found.variant else ""
    say(f"run {found.run_id}: {found.step}{language} of item {found.item_id}, {one_line(found.title)}: {found.state}")
    for one in found.tries:
        where = one.instance or "the CPU"
        ended = one.outcome or "under way"
        say(f"\ntry {one.number} on {where}, given to it at {one.claimed_at.astimezone():%Y-%m-%d %H:%M:%S}: {ended}")
        for title, sentences in (("why there", one.why_here), ("why then", one.why_then)):
            for number, sentence in enumerate(sentences):
                say(f"  {title if number == 0 else '':<9}  {sentence}")
    if not found.tries:
        say("it was not tried yet")
    for sentence in found.now:
        say(f"  waits      {sentence}")

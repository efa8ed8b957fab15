"""The contact sheet as one HTML page that needs nothing else: pictures, bars and styles are inside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import Any

from orchestrator.seeing.style import STYLE
from orchestrator.seeing.trial import Trial, Tried, totals
from orchestrator.seeing.words import WITNESSES, label, place_of, shown, tip
from orchestrator.wording import counted, one_line
from steps.judging import Finding

LONGEST_TITLE = 90


def render(trial: Trial, *, changed: Mapping[str, tuple[Any, Any]]) -> str:
    """Return the page.

    Args:
        trial: What was tried.
        changed: Settings that differ from config.yaml: the configured value and the one that was tried.
    """
    cards = "\n".join(_card(one) for one in trial.tried)
    return _SHELL.format(style=STYLE, head=_head(trial, changed), cards=cards)


def _head(trial: Trial, changed: Mapping[str, tuple[Any, Any]]) -> str:
    count = len(trial.tried)
    figures = (
        (trial.accepted, "accepted"),
        (count - trial.accepted, "turned down"),
        (trial.close, "close calls"),
    )
    parts = [
        "<h1>What step 0 would do</h1>",
        f'<p class="lead">{counted(count, "picture")} in {escape(one_line(str(trial.folder)))}. '
        f"Judged by: {escape(one_line(trial.witnesses))}.</p>",
        '<ul class="figures">' + "".join(f"<li><b>{n}</b><span>{name}</span></li>" for n, name in figures) + "</ul>",
    ]
    if changed:
        rows = "".join(
            f"<li><code>{escape(key)}</code> {escape(str(new))} <small>instead of {escape(str(old))}</small></li>"
            for key, (old, new) in changed.items()
        )
        parts.append(f'<p>Tried with other settings than those of config.yaml:</p><ul class="plain">{rows}</ul>')
    causes = totals(trial.tried)
    if causes:
        listed = ", ".join(f"{label(name)} ({number})" for name, number in causes.items())
        parts.append(f'<p class="lead">Turned down for: {escape(listed)}.</p>')
    if trial.left_out:
        parts.append(f"<p>{counted(trial.left_out, 'further picture')} left out: see <code>--most</code>.</p>")
    if trial.bad:
        rows = "".join(f"<li>{escape(one_line(reason))}</li>" for reason in trial.bad)
        parts.append(f'<details><summary>{len(trial.bad)} skipped</summary><ul class="plain">{rows}</ul></details>')
    parts.append(
        '<p class="lead">On each bar the middle is the limit: right of it passes, and the shaded part is near. '
        "◂ marks what the verdict hangs on.</p>"
    )
    return "\n".join(parts)


def _card(one: Tried) -> str:
    kind = one.outcome.replace(" ", "-") + (" close" if one.is_close else "")
    size = f"{one.size[0]} × {one.size[1]}" if one.size else ""
    facts = " · ".join(part for part in (one_line(one.path.name), size, one.person) if part)
    badge = f'<span class="badge">{one.outcome}</span>' + (
        '<span class="badge near">close</span>' if one.is_close else ""
    )
    reasons = "".join(f"<li>{escape(one_line(reason))}</li>" for reason in one.verdict.reasons)
    differ = "".join(f"<li>{escape(one_line(words))}</li>" for words in one.verdict.disagreements)
    advice = tip(one)
    return (
        f'<article class="{kind}">\n{_picture(one)}\n<div class="words">'
        f"<h2>{escape(one_line(one.title, longest=LONGEST_TITLE))}</h2>{badge}"
        f'<p class="facts">{escape(facts)}</p>'
        + (f'<p class="note">“{escape(one_line(one.note))}”</p>' if one.note else "")
        + (f'<ul class="reasons">{reasons}</ul>' if reasons else "")
        + (f'<p class="tip">{escape(one_line(advice))}</p>' if advice else "")
        + (f'<p class="differ">The witnesses differ:</p><ul class="differ">{differ}</ul>' if differ else "")
        + f"</div>\n{_bars(one)}\n</article>"
    )


def _picture(one: Tried) -> str:
    if one.thumbnail is None:
        return '<div class="blank">no picture</div>'
    source = "data:image/jpeg;base64," + base64.b64encode(one.thumbnail).decode()
    return f'<img src="{source}" alt="{escape(one_line(one.title, longest=LONGEST_TITLE))}" loading="lazy">'


def _bars(one: Tried) -> str:
    nearest = one.verdict.nearest
    rows = "".join(_bar(finding, is_nearest=finding is nearest) for finding in one.verdict.findings)
    return f'<div class="bars">{rows}</div>'


def _bar(finding: Finding, *, is_nearest: bool) -> str:
    place = place_of(finding)
    mark = "" if place is None else f'<i style="left: {place:.1%}"></i>'
    kind = ("" if finding.passed else " failed") + (" nearest" if is_nearest else "")
    setting = f"{WITNESSES[finding.witness]}; {finding.setting or 'no setting'}"
    value = f"{one_line(shown(finding.measured), longest=24)}{' ◂' if is_nearest else ''}"
    return (
        f'<div class="row{kind}" title="{escape(setting)}"><span>{escape(label(finding.name))}</span>'
        f'<em class="{"bar" if place is not None else "bar none"}">{mark}</em>'
        f"<b>{escape(value)}</b><small>{escape(one_line(finding.expected, longest=40))}</small></div>"
    )


_SHELL = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What step 0 would do</title>
<style>
{style}</style>
</head>
<body>
<header>
{head}
</header>
<input type="radio" name="show" id="show-all" checked><label for="show-all">all</label>
<input type="radio" name="show" id="show-accepted"><label for="show-accepted">accepted</label>
<input type="radio" name="show" id="show-down"><label for="show-down">turned down</label>
<input type="radio" name="show" id="show-close"><label for="show-close">close calls</label>
<main>
{cards}
</main>
</body>
</html>
"""

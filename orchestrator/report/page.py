"""The execution report as one HTML page that needs nothing else: styles, bars and thumbnails are inside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import quote

from orchestrator.report.figures import NightFigures
from orchestrator.report.style import STYLE
from orchestrator.report.tables import LONGEST_TITLE, Grid
from orchestrator.report.words import efficiency_words, headline, key_figures, minutes, outcome_words
from orchestrator.sources import Told
from orchestrator.wording import one_line

THUMBNAIL_WIDTH_PX = 180
MOST_THUMBNAILS = 120  # inside the page; those of further videos stay in their files, beside the videos


@dataclass(frozen=True)
class VideoCard:
    """One finished video on the page."""

    item_id: int
    title: str
    language: str
    link: str  # relative to the page, not yet quoted
    thumbnail: Path | None
    thumbnail_link: str | None  # like `link`
    length_s: float | None
    told: Told = field(default_factory=Told)


def render(night: NightFigures, tables: Sequence[Grid], videos: Sequence[VideoCard]) -> str:
    """Return the page."""
    figures = "".join(
        f"<li><b>{escape(value)}</b><span>{escape(name)}</span></li>" for name, value in key_figures(night)
    )
    body = [
        f"<h1>Night {night.batch_id}</h1>",
        f'<p class="lead">{escape(headline(night))}</p>',
        '<p class="preview">Previews: made on the CPU by the embedded engines.</p>' if night.preview else "",
        f'<ul class="figures">{figures}</ul>',
        f"<p>{escape(outcome_words(night))}</p>",
        f"<p>{escape(efficiency_words(night))}</p>",
        _videos(videos),
        _bars(night),
        *[_table(grid) for grid in tables],
    ]
    return _SHELL.format(title=f"Night {night.batch_id}", style=STYLE, body="\n".join(part for part in body if part))


def _videos(videos: Sequence[VideoCard]) -> str:
    if not videos:
        return ""
    cards = []
    for number, video in enumerate(videos):
        length = "" if video.length_s is None else f" · {minutes(video.length_s)}"
        title = escape(one_line(video.title, longest=LONGEST_TITLE))
        cards.append(
            f'<li><a href="{escape(quote(video.link))}">{_picture(video, inside=number < MOST_THUMBNAILS)}'
            f'<span dir="auto">{title}</span></a><small>{escape(video.language.upper())}{length}</small></li>'
        )
    return '<h2>Videos</h2>\n<ul class="videos">' + "\n".join(cards) + "</ul>" + _scripts(videos)


def _scripts(videos: Sequence[VideoCard]) -> str:
    """Return what each video says, with the article and paragraph that each sentence rests on."""
    parts = []
    for video in videos:
        if not video.told.sentences:
            continue
        title = escape(one_line(video.title, longest=LONGEST_TITLE))
        said = escape(one_line(video.told.marked, longest=4000))
        sources = "".join(
            f"<li>{escape(one_line(source.place))}<br><q>{escape(one_line(source.text, longest=600))}</q></li>"
            for source in video.told.sources
        )
        parts.append(
            f'<details><summary dir="auto">{title} <small>{escape(video.language.upper())}</small></summary>'
            f'<p dir="auto">{said}</p>' + (f'<ol dir="auto">{sources}</ol>' if sources else "") + "</details>"
        )
    return '\n<h2>What they say</h2>\n<div class="scripts">' + "\n".join(parts) + "</div>" if parts else ""


def _picture(video: VideoCard, *, inside: bool) -> str:
    source = None
    if inside and video.thumbnail is not None:
        source = thumbnail_uri(video.thumbnail)
    elif video.thumbnail_link is not None:
        source = escape(quote(video.thumbnail_link))
    if source is None:
        return '<span class="blank"></span>'
    return f'<img src="{source}" width="{THUMBNAIL_WIDTH_PX // 2}" loading="lazy" alt="">'


def thumbnail_uri(path: Path) -> str | None:
    """Return a small copy of a picture as a data URI; None when it cannot be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.thumbnail((THUMBNAIL_WIDTH_PX, THUMBNAIL_WIDTH_PX * 3))
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "JPEG", quality=78)
    except (OSError, UnidentifiedImageError):
        return None
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _bars(night: NightFigures) -> str:
    """Draw the steps' compute and wait side by side: what a table of numbers hides."""
    longest = max((step.share.wall_s for step in night.steps), default=0.0)
    if longest <= 0:
        return ""
    rows = []
    for step in night.steps:
        kind = "card" if step.on_card else "cpu"
        bars = _bar(kind, step.share.compute_s, longest) + _bar("wait", step.share.wait_s, longest)
        rows.append(f"<b>{escape(step.name)}</b><div>{bars}<span>{minutes(step.share.wall_s)}</span></div>")
    shown = {"card" if step.on_card else "cpu" for step in night.steps}
    shown |= {"wait"} if night.card.wait_s > 0 else set()
    legend = (("card", "on a card"), ("wait", "card idle before a prompt"), ("cpu", "on the CPU"))
    keys = "".join(f'<span><i class="key {kind}"></i>{text}</span>' for kind, text in legend if kind in shown)
    bars = "\n".join(rows)
    return f'<h2>Where the time went</h2>\n<p class="legend">{keys}</p>\n<div class="bars">{bars}</div>'


def _bar(kind: str, seconds: float, longest_s: float) -> str:
    if seconds <= 0:
        return ""
    return f'<i class="{kind}" style="width: {seconds / longest_s:.2%}" title="{minutes(seconds)}"></i>'


def _table(grid: Grid) -> str:
    def row(values: Sequence[str], tag: str) -> str:
        cells = zip(values, grid.columns, strict=True)
        return (
            "<tr>"
            + "".join(f'<{tag} class="{kind.value}">{escape(text)}</{tag}>' for text, (_, kind) in cells)
            + "</tr>"
        )

    lead = f"<p>{escape(grid.lead)}</p>\n" if grid.lead else ""
    kind = ' class="sentences"' if grid.reads_as_text else ""
    head = row([name for name, _ in grid.columns], "th")
    rows = "\n".join(row(values, "td") for values in grid.rows)
    return (
        f'<h2>{escape(grid.title)}</h2>\n{lead}<div class="wide"><table{kind}><thead>{head}</thead>\n'
        f"<tbody>{rows}</tbody></table></div>"
    )


_SHELL = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
